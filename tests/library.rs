//! The public surface, used as another crate uses it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows them in #[test] functions only, not in what those call"
)]

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tcpdiag::{
    CounterPart, Error, Filter, Interval, Monitor, MonitorOptions, Owners, Reading, Recording,
    RecordingOptions, Role, RoleBasis, ServiceBasis, ServiceRules, Snapshot, SnapshotOptions,
    State,
};

const FULL_QUEUE: &str = "fixtures/diagnose/full-accept-queue-server.pcapng.zst";
const LOSS: &str = "fixtures/diagnose/random-loss-client.pcapng.zst";
const CAPTURE: &str = "fixtures/6.1.192/nlmon.pcapng";

/// A connection over the loopback device: listener, client, server.
fn connection() -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn errors_name_what_is_wrong() {
    let Err(Error::Filter { message, .. }) = Filter::parse("state nonsense") else { panic!() };
    assert!(message.contains("nonsense") && message.contains("^^^"), "{message}");

    // Names are looked up when the filter is used.
    let filter = Filter::parse("dev = no-such-device").unwrap();
    let error = Snapshot::take(&SnapshotOptions::new().filter(filter)).unwrap_err();
    assert!(matches!(error, Error::Filter { .. }), "{error}");

    let error = Snapshot::take(&SnapshotOptions::new().namespaces(["no-such-name"])).unwrap_err();
    assert!(matches!(&error, Error::Namespace { name, .. } if name == "no-such-name"), "{error}");
    let error = Monitor::start(&MonitorOptions::new().namespaces(["all", "x"])).unwrap_err();
    assert!(!error.to_string().contains("--"), "{error}");

    let error = Recording::open(["fixtures/no-such-file"]).unwrap_err();
    assert!(matches!(error, Error::Recording(_)), "{error}");
    assert!(error.to_string().contains("no-such-file: No such file"), "{error}");
    let error = Recording::open([CAPTURE]).unwrap().intervals(None).unwrap_err();
    assert!(matches!(error, Error::Recording(_)), "{error}");
    let error = ServiceRules::parse("[[service]]\nnam = 1").unwrap_err();
    assert!(matches!(error, Error::ServiceRules(_)), "{error}");
}

#[test]
fn a_snapshot_has_both_ends_and_the_listener() {
    let (listener, _client, _server) = connection();
    let port = port(&listener);
    let rules = format!("[[service]]\nname = \"shop\"\nport = {port}");
    let filter = format!("port = :{port} and state all");
    let options = SnapshotOptions::new()
        .filter(filter.parse().unwrap())
        .service_rules(ServiceRules::parse(&rules).unwrap())
        .owners();
    let mut rows = Snapshot::take(&options).unwrap().rows;
    rows.sort_by_key(|row| row.role.name());
    let roles: Vec<Role> = rows.iter().map(|row| row.role).collect();
    assert_eq!(roles, [Role::Client, Role::Listener, Role::Server]);
    for row in &rows {
        assert!(row.service.as_deref().is_some_and(|name| name.contains("shop")), "{row:?}");
        assert_eq!(row.service_basis, Some(ServiceBasis::Rule));
        let Owners::Known(owners) = &row.owners else { panic!("{row:?}") };
        assert_eq!(owners[0].pid, std::process::id());
        assert_eq!(row.figure("no_such_figure"), None);
        assert_eq!(row.figures().count(), row.figures().filter(|it| !it.name.is_empty()).count());
    }
    assert_eq!(rows[1].accept_queue().unwrap().0, 0);
    assert_eq!(rows[1].figure("rtt").unwrap().value, Reading::Absent);
    assert_eq!((rows[1].rtt(), rows[1].send_queue()), (None, None));
    assert!(rows[0].rtt().is_some());

    // Without services, nothing is looked up.
    let filter = format!("sport = :{port}").parse().unwrap();
    let options = SnapshotOptions::new().filter(filter).without_services();
    let rows = Snapshot::take(&options).unwrap().rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].service, &rows[0].owners), (&None, &Owners::NotLookedUp));
}

#[test]
fn a_monitor_counts_connections_and_keeps_rows() {
    let (listener, client, server) = connection();
    let port = port(&listener);
    let rows = Filter::parse(&format!("sport = :{port}")).unwrap();
    let mut monitor = Monitor::start(&MonitorOptions::new().rows(rows.clone())).unwrap();
    let mut plain = Monitor::start(&MonitorOptions::new()).unwrap();
    let own = |interval: &Interval| {
        let mut services = interval.services.iter();
        services.find(|it| it.port == Some(port) && it.role == Role::Server).unwrap().clone()
    };
    let second = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let accepted = listener.accept().unwrap();
    let interval = monitor.poll_after(Duration::from_millis(150)).unwrap();
    assert!(interval.length >= Duration::from_millis(150));
    assert_eq!(interval.rows.len(), 2);
    assert_eq!((own(&interval).opened, own(&interval).established), (1, 2));
    // Keeping rows does not change the figures.
    let same = plain.poll().unwrap();
    assert!(same.rows.is_empty());
    assert_eq!((own(&same).opened, own(&same).established), (1, 2));
    assert_eq!(own(&same).label, own(&interval).label);
    assert!(own(&same).label.ends_with(&format!(":{port}")));

    drop((client, server, second, accepted, listener));
    // The kernel's workers send destroy events some milliseconds later.
    let interval = monitor.poll_after(Duration::from_millis(100)).unwrap();
    assert_eq!(own(&interval).closed, 2);
    assert!(interval.rows.is_empty(), "{:?}", interval.rows);
    let active = interval.counter("TcpActiveOpens");
    assert!(active.is_none_or(|counter| counter.growth > 0));
}

#[test]
fn a_role_outlives_its_listener() {
    let (listener, _client, _server) = connection();
    let filter = Filter::parse(&format!("sport = :{}", port(&listener))).unwrap();
    let mut monitor = Monitor::start(&MonitorOptions::new().rows(filter)).unwrap();
    monitor.poll().unwrap();
    drop(listener);
    let interval = monitor.poll().unwrap();
    let [row] = &interval.rows[..] else { panic!("{:?}", interval.rows) };
    assert_eq!(row.role, Role::Server);
    assert!(row.role_basis == RoleBasis::TcpInfo || row.role_basis == RoleBasis::Remembered);
}

#[test]
fn samples_of_a_recording_are_snapshots() {
    let recording = Recording::open([FULL_QUEUE]).unwrap();
    let begins_at = recording.begins_at();
    let mut snapshots = recording.snapshots(&"state listening".parse().unwrap()).unwrap();
    let all: Vec<Snapshot> = snapshots.by_ref().map(Result::unwrap).collect();
    assert_eq!(all[0].captured_at, begins_at);
    assert!(all.is_sorted_by_key(|snapshot| snapshot.captured_at));
    assert!(all.iter().all(|snapshot| snapshot.rows.iter().all(|row| row.role == Role::Listener)));
    assert!(snapshots.damage().is_empty());

    let options = RecordingOptions::new().from(all[2].captured_at).to(all[3].captured_at);
    let part = Recording::open_with([FULL_QUEUE], &options).unwrap();
    let part: Vec<_> = part.snapshots(&Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(part.len(), 2);
    assert_eq!(part[0].captured_at, all[2].captured_at);
}

#[test]
fn a_capture_of_another_program_has_sockets() {
    let capture = Recording::open([CAPTURE]).unwrap();
    let mut snapshots = capture.snapshots(&"state all".parse().unwrap()).unwrap();
    let snapshot = snapshots.next().unwrap().unwrap();
    assert!(snapshot.rows.len() > 40, "{}", snapshot.rows.len());
    assert!(snapshot.rows.iter().any(|row| row.state() == State::TimeWait));
    assert!(snapshot.rows.iter().all(|row| row.service.is_none()));
}

#[test]
fn long_intervals_are_sums_of_short_ones() {
    let retransmits = |intervals: &[Interval]| -> u64 {
        intervals.iter().flat_map(|it| &it.services).map(|service| service.retransmits).sum()
    };
    let intervals = |length: Option<u64>| -> Vec<Interval> {
        let length = length.map(Duration::from_secs);
        let intervals = Recording::open([LOSS]).unwrap().intervals(length).unwrap();
        intervals.map(Result::unwrap).collect()
    };
    let (short, long) = (intervals(None), intervals(Some(3600)));
    assert_eq!((short.len() > 2, long.len()), (true, 1));
    assert!(retransmits(&long) > 10);
    assert_eq!(retransmits(&short), retransmits(&long));
    let length: Duration = short.iter().map(|interval| interval.length).sum();
    assert_eq!(length, long[0].length);
    for counter in &long[0].counters {
        let parts: u64 = counter.parts.iter().map(|part| part.value).sum();
        assert_eq!(parts + counter.unattributed, counter.growth, "{}", counter.name);
        let label = |part: &CounterPart| long[0].services.iter().any(|it| it.label == part.service);
        assert!(counter.parts.iter().all(label));
        assert!(counter.parts.iter().all(|part| part.low <= part.value && part.value <= part.high));
    }
}

#[test]
fn results_can_be_sent_to_other_threads() {
    fn check<T: Send>() {}
    check::<Snapshot>();
    check::<Interval>();
    check::<Error>();
}
