use proptest::prelude::*;

use super::*;
use crate::attribution::testing::{Host, Sketch, Slot};
use crate::attribution::{ListenerDrops, Reading, Requests, Work};
use crate::counters::Counters;
use crate::model::{Role, State};

fn server(service: u32) -> Sketch {
    Sketch::new(service, Role::Server)
}

fn client(service: u32) -> Sketch {
    Sketch::new(service, Role::Client)
}

fn only(interval: &Interval<'_>, counter: &str) -> Attribution {
    let all = reconcile(interval).counters;
    all.into_iter().find(|attribution| &*attribution.counter == counter).unwrap()
}

fn parts(attribution: &Attribution) -> Vec<(u32, u64, u64, u64)> {
    let part = |part: &Part| {
        let Estimate { value, low, high } = part.estimate;
        (part.service.0, value, low, high)
    };
    attribution.by_service.iter().map(part).collect()
}

/// (counter, its growth and that of others, class, parts, unattributed)
type Case<'a> = (&'a str, &'a [(&'a str, u64)], Class, &'a [(u32, u64, u64, u64)], u64);

#[test]
fn counters_and_their_twins() {
    let works: Vec<Work> = [
        server(0)
            .grew(Slot::TotalRetrans, 5)
            .grew(Slot::TotalRto, 1)
            .grew(Slot::SegsOut, 105)
            .grew(Slot::DataSegsOut, 85)
            .grew(Slot::BytesRetrans, 5000)
            .grew(Slot::SegsIn, 70)
            .grew(Slot::DataSegsIn, 10)
            .grew(Slot::Delivered, 81)
            .grew(Slot::ReordSeen, 2)
            .grew(Slot::DsackDups, 3)
            .grew(Slot::Rehash, 1)
            .grew(Slot::RcvOoopack, 4)
            .grew(Slot::Drops, 6)
            .opened(),
        client(1)
            .grew(Slot::TotalRetrans, 2)
            .grew(Slot::SegsOut, 22)
            .grew(Slot::DataSegsOut, 12)
            .grew(Slot::BytesRetrans, 2000)
            .grew(Slot::SegsIn, 30)
            .grew(Slot::DataSegsIn, 10)
            .grew(Slot::Delivered, 11)
            .grew(Slot::ReordSeen, 1)
            .grew(Slot::Drops, 0),
        client(2)
            .grew(Slot::TotalRetrans, 3)
            .grew(Slot::TotalRto, 3)
            .state(State::SynSent)
            .opened(),
    ]
    .into_iter()
    .map(Sketch::work)
    .collect();
    let cases: &[Case<'_>] = &[
        (
            "TcpRetransSegs",
            &[("TcpRetransSegs", 10)],
            Class::Exact,
            &[(0, 5, 5, 5), (2, 3, 3, 3), (1, 2, 2, 2)],
            0,
        ),
        (
            "TcpRetransSegs",
            &[("TcpRetransSegs", 12)],
            Class::Exact,
            &[(0, 5, 5, 7), (2, 3, 3, 5), (1, 2, 2, 4)],
            2,
        ),
        // One connection was given up: no socket counts its last timeout.
        (
            "TcpExtTCPTimeouts",
            &[("TcpExtTCPTimeouts", 5), ("TcpExtTCPAbortOnTimeout", 1)],
            Class::Exact,
            &[(2, 3, 3, 5), (0, 1, 1, 3)],
            1,
        ),
        // 100 + 20 from sockets, 0 from the SYN (the sketch has no segs_out), 3 others.
        (
            "TcpOutSegs",
            &[("TcpOutSegs", 123)],
            Class::Exact,
            &[(0, 100, 100, 103), (1, 20, 20, 23)],
            3,
        ),
        (
            "TcpExtTCPDelivered",
            &[("TcpExtTCPDelivered", 91)],
            Class::Exact,
            &[(0, 80, 80, 80), (1, 11, 11, 11)],
            0,
        ),
        (
            "TcpExtTCPOrigDataSent",
            &[("TcpExtTCPOrigDataSent", 90)],
            Class::Exact,
            &[(0, 80, 80, 80), (1, 10, 10, 10)],
            0,
        ),
        (
            "TcpExtTCPDSACKRecvSegs",
            &[("TcpExtTCPDSACKRecvSegs", 3)],
            Class::Exact,
            &[(0, 3, 3, 3)],
            0,
        ),
        (
            "TcpExtTCPSACKReorder",
            &[("TcpExtTCPSACKReorder", 3)],
            Class::Exact,
            &[(0, 2, 2, 2), (1, 1, 1, 1)],
            0,
        ),
        (
            "TcpExtTCPSACKReorder",
            &[("TcpExtTCPSACKReorder", 2), ("TcpExtTCPTSReorder", 1)],
            Class::Bounded,
            &[(0, 2, 1, 2), (1, 0, 0, 1)],
            0,
        ),
        (
            "TcpExtTcpTimeoutRehash",
            &[("TcpExtTcpTimeoutRehash", 1)],
            Class::Exact,
            &[(0, 1, 1, 1)],
            0,
        ),
        ("TcpActiveOpens", &[("TcpActiveOpens", 1)], Class::Exact, &[(2, 1, 1, 1)], 0),
        ("TcpPassiveOpens", &[("TcpPassiveOpens", 2)], Class::Exact, &[(0, 1, 1, 2)], 1),
        // Bare segments are never merged, data segments may be.
        ("TcpInSegs", &[("TcpInSegs", 90)], Class::Bounded, &[(0, 65, 61, 69), (1, 25, 21, 29)], 0),
        ("TcpExtTCPOFOQueue", &[("TcpExtTCPOFOQueue", 3)], Class::Bounded, &[(0, 3, 3, 3)], 0),
        (
            "TcpExtTCPBacklogDrop",
            &[("TcpExtTCPBacklogDrop", 2)],
            Class::Bounded,
            &[(0, 2, 0, 2)],
            0,
        ),
        (
            "TcpExtDelayedACKs",
            &[("TcpExtDelayedACKs", 3)],
            Class::Estimated,
            &[(0, 2, 0, 3), (1, 1, 0, 3)],
            0,
        ),
        ("TcpExtTCPDSACKUndo", &[("TcpExtTCPDSACKUndo", 1)], Class::Estimated, &[(0, 1, 0, 1)], 0),
        (
            "TcpExtTCPLossUndo",
            &[("TcpExtTCPLossUndo", 1)],
            Class::Estimated,
            &[(0, 1, 0, 1), (1, 0, 0, 0), (2, 0, 0, 1)],
            0,
        ),
        ("TcpExtTCPChallengeACK", &[("TcpExtTCPChallengeACK", 4)], Class::Estimated, &[], 4),
        ("TcpExtOfTheFuture", &[("TcpExtOfTheFuture", 4)], Class::Estimated, &[], 4),
    ];
    let mut wrong = Vec::new();
    for (counter, grown, class, wanted, rest) in cases {
        let host = Host::grown(grown);
        let found = only(&host.interval(&works), counter);
        let rows: Vec<_> = parts(&found).into_iter().filter(|part| part.3 > 0).collect();
        let wanted: Vec<_> = wanted.iter().copied().filter(|part| part.3 > 0).collect();
        let (found, wanted) = ((found.class, rows, found.unattributed), (*class, wanted, *rest));
        if found != wanted {
            wrong.push(format!("{counter}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn listeners() {
    let drops = |service, drops| ListenerDrops { service: ServiceId(service), drops };
    let host = Host::grown(&[("TcpExtListenDrops", 10), ("TcpExtListenOverflows", 4)]);
    for (listeners, class, of_drops, of_overflows) in [
        (
            vec![drops(1, 7), drops(2, 3)],
            Class::Exact,
            vec![(1, 7, 7, 7), (2, 3, 3, 3)],
            vec![(1, 3, 1, 4), (2, 1, 0, 3)],
        ),
        // The listener counts final ACKs twice; with only one listener the division is certain.
        (vec![drops(1, 14), drops(2, 0)], Class::Exact, vec![(1, 10, 10, 10)], vec![(1, 4, 4, 4)]),
        (
            vec![drops(1, 10), drops(2, 5)],
            Class::Bounded,
            vec![(1, 7, 5, 10), (2, 3, 0, 5)],
            vec![(1, 3, 0, 4), (2, 1, 0, 4)],
        ),
    ] {
        let interval = Interval { listeners: &listeners, ..host.interval(&[]) };
        let found = only(&interval, "TcpExtListenDrops");
        assert_eq!((found.class, parts(&found)), (class, of_drops));
        assert_eq!(parts(&only(&interval, "TcpExtListenOverflows")), of_overflows);
    }
}

#[test]
fn a_listener_whose_queues_stayed_empty_has_no_overflow() {
    let listener = |service: u32, drops, most, half_open| {
        let queue = crate::attribution::ListenerQueue { most, backlog: 7, half_open };
        let sketch = Sketch::new(service, Role::Listener).state(State::Listen);
        sketch.grew(Slot::Drops, drops).hints(|hints| hints.queue = Some(queue)).work()
    };
    let overflow = [("TcpExtListenDrops", 30), ("TcpExtListenOverflows", 30)];
    let host = Host::grown(&overflow);
    // The second discards as much for another reason.
    let works = [listener(1, 30, 8, 0), listener(2, 30, 0, 0)];
    for counter in ["TcpExtListenDrops", "TcpExtListenOverflows"] {
        let found = only(&host.interval(&works), counter);
        assert_eq!(found.class, Class::Bounded, "{counter}");
        assert_eq!((found.attributed, found.unattributed), (30, 0), "{counter}");
        assert_eq!(parts(&found), [(1, 30, 0, 30)], "{counter}");
    }
    // Connections that began may have filled its queue between two polls.
    let child = |number: u64| {
        let mut work = server(2).opened().work();
        work.activity.cookie = number;
        work
    };
    let mut busy = works.to_vec();
    busy.extend((0..8).map(child));
    let found = only(&host.interval(&busy), "TcpExtListenOverflows");
    assert_eq!(found.by_service.len(), 2);
    let values: Vec<u64> = found.by_service.iter().map(|part| part.estimate.value).collect();
    assert!(values[0] > values[1] && values.iter().sum::<u64>() == 30, "{values:?}");
    // Where closed sockets were not seen, nothing is certain.
    let gaps = Interval { notified: false, ..host.interval(&works) };
    assert_eq!(only(&gaps, "TcpExtListenOverflows").by_service.len(), 2);
    // Half-open connections fill another queue.
    let host = Host::grown(&[("TcpExtListenDrops", 9), ("TcpExtTCPReqQFullDrop", 9)]);
    let works = [listener(1, 9, 8, 0), listener(2, 9, 0, 7)];
    for counter in ["TcpExtListenDrops", "TcpExtTCPReqQFullDrop"] {
        assert_eq!(parts(&only(&host.interval(&works), counter)), [(2, 9, 0, 9)], "{counter}");
    }
    // Without a full queue, any listener may have been short of memory.
    let host = Host::grown(&[("TcpExtListenDrops", 9), ("TcpExtListenOverflows", 0)]);
    assert_eq!(only(&host.interval(&works), "TcpExtListenDrops").by_service.len(), 2);
}

#[test]
fn what_could_not_be_read_is_not_zero() {
    let text = |timeouts: u64| {
        let snmp = "Ip: A\nIp: 1\nIcmp: A\nIcmp: 1\nTcp: RetransSegs\nTcp: 1\nUdp: A\nUdp: 1\n";
        // The file ends before TCPAbortOnTimeout.
        let netstat = format!("TcpExt: TCPTimeouts TCPAbortOnTimeout\nTcpExt: {timeouts}");
        let mut reader = crate::counters::CounterReader::given_watched();
        reader.give([("snmp", snmp), ("netstat", netstat.as_str())].into_iter());
        let mut counters = Counters::default();
        reader.sample(&mut counters).unwrap();
        counters
    };
    let (before, after) = (text(0), text(5));
    let works = [server(1).grew(Slot::TotalRto, 2).work()];
    let host = Host::grown(&[]);
    let interval = Interval {
        before: Reading { first: &before, second: &before },
        after: Reading { first: &after, second: &after },
        ..host.interval(&works)
    };
    // Each connection that was given up may have had one timeout more.
    assert_eq!(parts(&only(&interval, "TcpExtTCPTimeouts")), [(1, 2, 2, 5)]);
    assert!(interval.is_unknown("TcpExtTCPAbortOnTimeout"));
    assert!(interval.is_unknown("TcpExtListenDrops"), "it may be behind the end of the file");
    assert!(!interval.is_unknown("TcpActiveOpens"), "snmp is whole");
}

#[test]
fn sums_over_inferred_services_are_not_exact() {
    let repeated = |service| server(service).grew(Slot::TotalRetrans, 2);
    let host = Host::grown(&[("TcpRetransSegs", 4), ("TcpExtTCPTimeouts", 0)]);
    let idle = server(2).grew(Slot::SegsOut, 1).inferred();
    for (sketches, class) in [
        ([repeated(0), repeated(1)], Class::Exact),
        ([repeated(0), repeated(1).inferred()], Class::Inferred),
        // A service without a part in the counter does not matter.
        ([repeated(0).grew(Slot::TotalRetrans, 2), idle], Class::Exact),
    ] {
        let works = sketches.map(Sketch::work);
        assert_eq!(only(&host.interval(&works), "TcpRetransSegs").class, class);
    }
    // What is only limited or estimated stays so.
    let host = Host::grown(&[("TcpOutSegs", 10)]);
    let works = [server(0).grew(Slot::SegsOut, 10).inferred().work()];
    let class = only(&host.interval(&works), "TcpOutSegs").class;
    assert!([Class::Inferred, Class::Bounded].contains(&class), "{class:?}");
    assert!(Class::Exact < Class::Inferred && Class::Inferred < Class::Bounded);
}

#[test]
fn half_open_connections_of_inferred_services() {
    let host = Host::grown(&[("TcpRetransSegs", 3), ("TcpExtTCPTimeouts", 3)]);
    for (inferred, class) in [(false, Class::Exact), (true, Class::Inferred)] {
        let requests = [Requests { service: ServiceId(1), repeats: 3, gone: 0, inferred }];
        let interval = Interval { requests: &requests, ..host.interval(&[]) };
        assert_eq!(only(&interval, "TcpRetransSegs").class, class);
    }
}

#[test]
fn established_connections_of_inferred_services() {
    let host = Host::grown(&[("TcpCurrEstab", 2)]);
    for (inferred, class) in [(false, Class::Exact), (true, Class::Inferred)] {
        let interval = Interval {
            established: &[(ServiceId(1), 2)],
            is_established_inferred: inferred,
            ..host.interval(&[])
        };
        assert_eq!(only(&interval, "TcpCurrEstab").class, class);
    }
}

#[test]
fn half_open_connections_and_inherited_repeats() {
    let host = Host::grown(&[("TcpRetransSegs", 3), ("TcpExtTCPTimeouts", 3)]);
    let requests = [Requests { service: ServiceId(1), repeats: 3, gone: 1, inferred: false }];
    let interval = Interval { requests: &requests, ..host.interval(&[]) };
    assert_eq!(parts(&only(&interval, "TcpRetransSegs")), [(1, 3, 3, 3)]);
    // Later the child is created and shows two of them again.
    let child = server(1).grew(Slot::TotalRetrans, 3).grew(Slot::TotalRto, 2).opened();
    let works = [child.hints(|hints| hints.inherited = 2).work()];
    let host = Host::grown(&[("TcpRetransSegs", 1), ("TcpExtTCPTimeouts", 0)]);
    let found = only(&host.interval(&works), "TcpRetransSegs");
    assert_eq!((parts(&found), found.unattributed), (vec![(1, 1, 1, 1)], 0));
}

#[test]
fn gaps_and_skew_are_reported() {
    let works = [server(0).grew(Slot::TotalRetrans, 5).work()];
    let host = Host::grown(&[("TcpRetransSegs", 9)]);
    let lost = only(&Interval { events_lost: 3, ..host.interval(&works) }, "TcpRetransSegs");
    assert_eq!(parts(&lost), [(0, 5, 5, 9)]);
    assert_eq!(lost.reasons[0], Reason::EventsLost);
    let polled = only(&Interval { notified: false, ..host.interval(&works) }, "TcpRetransSegs");
    assert_eq!(polled.reasons[0], Reason::NotNotified);
    // Two of them were counted during the dump.
    let host = Host::read_twice(&[("TcpRetransSegs", 4)], &[("TcpRetransSegs", 6)]);
    let skewed = only(&host.interval(&works), "TcpRetransSegs");
    assert_eq!((skewed.skew, parts(&skewed)), (2, vec![(0, 5, 3, 6)]));
    assert_eq!(skewed.reasons[0], Reason::Skew);
}

#[test]
fn a_gauge_is_a_level() {
    let host = Host::grown(&[("TcpCurrEstab", 7)]);
    let established = [(ServiceId(2), 4), (ServiceId(1), 2)];
    let interval = Interval { established: &established, ..host.interval(&[]) };
    let found = only(&interval, "TcpCurrEstab");
    assert!(found.gauge);
    assert_eq!((parts(&found), found.unattributed), (vec![(2, 4, 4, 4), (1, 2, 2, 2)], 1));
}

/// Their destroy events are all that is known of them.
#[test]
fn refused_connects_between_two_polls_are_failed_attempts() {
    let ended =
        |sketch: Sketch| sketch.grew(Slot::SegsOut, 1).opened().closed().state(State::Close);
    let works = [
        ended(client(0)).grew(Slot::SegsIn, 1).work(),
        ended(client(1)).grew(Slot::BytesAcked, 1).work(),
        ended(server(2)).work(),
    ];
    let host = Host::grown(&[("TcpAttemptFails", 3)]);
    let found = only(&host.interval(&works), "TcpAttemptFails");
    assert_eq!((parts(&found), found.unattributed), (vec![(0, 1, 0, 3)], 2));
}

#[test]
fn connections_without_an_acknowledged_fin_may_have_been_reset() {
    let ended = |sketch: Sketch, acked| {
        let sent = sketch.grew(Slot::SegsOut, 5).grew(Slot::BytesSent, 100);
        sent.grew(Slot::BytesAcked, acked).opened().closed().state(State::Close).work()
    };
    let works = [(client(0), 101), (client(1), 102), (server(2), 100), (server(3), 101)];
    let works = works.map(|(sketch, acked)| ended(sketch, acked));
    let host = Host::grown(&[("TcpEstabResets", 2)]);
    let found = only(&host.interval(&works), "TcpEstabResets");
    assert_eq!((parts(&found), found.unattributed), (vec![(0, 1, 0, 2), (2, 1, 0, 2)], 0));
}

const COUNTERS: [&str; 40] = [
    "TcpActiveOpens",
    "TcpPassiveOpens",
    "TcpAttemptFails",
    "TcpEstabResets",
    "TcpInSegs",
    "TcpOutSegs",
    "TcpRetransSegs",
    "TcpOutRsts",
    "TcpExtListenDrops",
    "TcpExtListenOverflows",
    "TcpExtTCPTimeouts",
    "TcpExtTCPFastRetrans",
    "TcpExtTCPSlowStartRetrans",
    "TcpExtTCPSynRetrans",
    "TcpExtTCPRetransFail",
    "TcpExtTCPLossProbes",
    "TcpExtTCPLossProbeRecovery",
    "TcpExtTCPLostRetransmit",
    "TcpExtTCPSackRecovery",
    "TcpExtTCPDSACKUndo",
    "TcpExtTCPFullUndo",
    "TcpExtTCPLossUndo",
    "TcpExtTCPSpuriousRTOs",
    "TcpExtTCPSACKReorder",
    "TcpExtTCPTSReorder",
    "TcpExtTCPDSACKRecv",
    "TcpExtTCPDSACKRecvSegs",
    "TcpExtTCPOFOQueue",
    "TcpExtDelayedACKs",
    "TcpExtTCPKeepAlive",
    "TcpExtTCPOrigDataSent",
    "TcpExtTCPDelivered",
    "TcpExtTcpTimeoutRehash",
    "TcpExtTCPBacklogDrop",
    "TcpExtPruneCalled",
    "TcpExtTCPAbortOnClose",
    "TcpExtTCPToZeroWindowAdv",
    "TcpExtTCPHPAcks",
    "TcpExtTCPSackFailures",
    "TcpExtTCPChallengeACK",
];

const SLOTS: [Slot; 14] = [
    Slot::TotalRetrans,
    Slot::SegsOut,
    Slot::SegsIn,
    Slot::DataSegsIn,
    Slot::DataSegsOut,
    Slot::Delivered,
    Slot::BytesRetrans,
    Slot::DsackDups,
    Slot::ReordSeen,
    Slot::RcvOoopack,
    Slot::Rehash,
    Slot::TotalRto,
    Slot::Drops,
    Slot::TotalRtoRecoveries,
];

prop_compose! {
    fn any_work()(service in 0u32..5, role in 0usize..3, values in prop::collection::vec(0u64..50, SLOTS.len()),
        opened in any::<bool>(), closed in any::<bool>(), loss in any::<bool>()) -> Work {
        let role = [Role::Server, Role::Client, Role::Unknown][role];
        let sketch = SLOTS.into_iter().zip(values).fold(Sketch::new(service, role), |sketch, (slot, value)| {
            sketch.grew(slot, value)
        });
        let sketch = if opened { sketch.opened() } else { sketch.hints(|hints| hints.in_loss = Some(loss)) };
        if closed { sketch.closed().work() } else { sketch.work() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Even when sockets and counters contradict each other.
    #[test]
    fn parts_always_add_up(works in prop::collection::vec(any_work(), 0..8),
        grown in prop::collection::vec((0u64..300, 0u64..5), COUNTERS.len()),
        drops in prop::collection::vec((0u32..5, 0u64..20), 0..3),
        requests in prop::collection::vec((0u32..5, 0u64..5, 0u64..3), 0..3),
        events_lost in prop_oneof![Just(0), 1u64..9], notified in any::<bool>()) {
        let second: Vec<_> = COUNTERS.into_iter().zip(&grown).map(|(name, grown)| (name, grown.0)).collect();
        let first: Vec<_> = COUNTERS.into_iter().zip(&grown).map(|(name, grown)| (name, grown.0.saturating_sub(grown.1))).collect();
        let host = Host::read_twice(&first, &second);
        let listeners: Vec<_> = drops.into_iter().map(|(service, drops)| ListenerDrops { service: ServiceId(service), drops }).collect();
        let requests: Vec<_> = requests.into_iter().map(|(service, repeats, gone)| Requests { service: ServiceId(service), repeats, gone, inferred: false }).collect();
        let interval = Interval { listeners: &listeners, requests: &requests, events_lost, notified, ..host.interval(&works) };
        let reconciliation = reconcile(&interval);
        prop_assert_eq!(reconciliation.counters.len(), second.iter().filter(|(_, grown)| *grown > 0).count());
        let mut twice = crate::attribution::Accumulator::new();
        twice.add(&reconciliation);
        twice.add(&reconciliation);
        for found in reconciliation.counters.iter().chain(&twice.total().counters) {
            let sum: u64 = found.by_service.iter().map(|part| part.estimate.value).sum();
            prop_assert_eq!(sum, found.attributed, "{}", found.counter);
            prop_assert_eq!(found.attributed + found.unattributed, found.delta);
            prop_assert_eq!(found.reasons.is_empty(), found.unattributed == 0);
            for part in &found.by_service {
                let Estimate { value, low, high } = part.estimate;
                prop_assert!(low <= value && value <= high && high <= found.delta, "{found:?}");
            }
        }
        for (_, row) in &reconciliation.kinds.services {
            let kinds = crate::attribution::RetransmitKind::ALL.map(|kind| row.kind(kind));
            prop_assert_eq!(kinds.iter().map(|kind| kind.value).sum::<u64>() + row.failed.value, row.total);
            prop_assert!(kinds.iter().all(|kind| kind.low <= kind.value && kind.value <= kind.high));
        }
    }
}
