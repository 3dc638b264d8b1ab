//! Attribution of drops to the listener with the full accept queue.

use std::net::{IpAddr, Ipv4Addr};

use rustix::process::Signal;

use super::observer::{Observer, Range, sum};
use crate::lab::{Counters, Pair, Socket, Tcpdiag, lab, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Connections attempted at a queue that holds two.
const TRIED: usize = 80;

/// Drops of a listener that never accepts.
struct Overflow {
    /// Growth of the namespace's counters, read by the test itself.
    drops: u64,
    overflows: u64,
}

impl Overflow {
    fn at(listener: &Socket) -> Self {
        let before = Counters::read();
        let growth = |name: &str| Counters::read().growth(&before, name);
        let clients: Vec<Socket> = (0..TRIED)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, listener.port());
                client
            })
            .collect();
        settles("the queue to run over", || growth("ListenDrops") >= TRIED as u64 - 2);
        // Closed clients do not retry, so the counters are final.
        drop(clients);
        Self { drops: growth("ListenDrops"), overflows: growth("ListenOverflows") }
    }
}

lab!(
    fn drops_belong_to_the_listener_that_is_full() {
        let (full, idle) = (Socket::listening(V4, 0, 1), Socket::listening(V4, 0, 64));
        let mut observer = Observer::here(&["300ms", "--watch", "off"]);
        let asked = ["300ms", "--watch", "off", "--counter", "ListenDrops,listen_overflows"];
        let mut asked = Observer::here(&asked);
        // Between two polls: a poll in the middle would count part of it as skew.
        let overflow = observer.while_stopped(|| asked.while_stopped(|| Overflow::at(&full)));
        // The other listener has clients too, and accepts them.
        let pairs: Vec<Pair> = (0..20).map(|_| Pair::new(&idle, V4)).collect();
        for observer in [&mut observer, &mut asked] {
            let noticed = |seen: &[serde_json::Value]| {
                let counters = seen
                    .iter()
                    .flat_map(|document| document["attribution"].as_array().unwrap().iter());
                let drops = counters.filter(|counter| counter["counter"] == "TcpExtListenDrops");
                drops.filter_map(|counter| counter["delta"].as_u64()).sum::<u64>() == overflow.drops
            };
            observer.until("every drop to be noticed", noticed);
        }
        let [summary, asked] = [observer, asked].map(Observer::end);
        for summary in [&summary, &asked] {
            let counter = summary.counter("TcpExtListenDrops").unwrap();
            assert_eq!(counter["delta"], overflow.drops, "{counter:#}");
            assert_eq!(counter["unattributed"], 0, "{counter:#}");
            // If it was stopped between a dump and the counters after it, there is skew.
            assert!(counter["class"] == "exact" || counter["skew"] != 0, "{counter:#}");
            let parts = summary.parts("TcpExtListenDrops");
            assert_eq!(parts[&full.port()].value, overflow.drops);
            assert_eq!(parts.get(&idle.port()).copied().unwrap_or_default(), Range::default());
            let overflows = summary.counter("TcpExtListenOverflows").unwrap();
            assert_eq!(overflows["delta"], overflow.overflows);
            let parts = summary.parts("TcpExtListenOverflows");
            let Range { low, high, .. } = parts[&full.port()];
            assert!((low..=high).contains(&overflow.overflows), "{overflows:#}");
            assert_eq!(parts.get(&idle.port()).copied().unwrap_or_default().value, 0);
        }
        // Only the requested counters.
        let counters = asked.document["attribution"].as_array().unwrap();
        assert_eq!(counters.len(), 2, "{counters:#?}");
        let listen = |port: u16| {
            let rows = summary.document["services"].as_array().unwrap();
            let row = rows.iter().find(|row| row["port"] == port && row["role"] == "server");
            row.unwrap()["listen"].clone()
        };
        assert_eq!(listen(full.port())["drops"], overflow.drops);
        assert_eq!(listen(full.port())["accept_queue_max"], 1);
        assert_eq!(listen(idle.port())["drops"], 0);
        assert_eq!(sum(&summary.intervals, "/quality/events_lost"), 0);
        drop(pairs);
    }
);

lab!(
    fn the_table_names_the_full_listener() {
        let full = Socket::listening(V4, 0, 1);
        let mut observer = Observer::here(&["100ms"]);
        let mut table = Tcpdiag::new().start(&["services", "--interval", "100ms"]);
        // The first table follows its baseline.
        while !table.line().expect("a table").starts_with("No counter of trouble grew") {}
        table.signal(Signal::STOP);
        let overflow = Overflow::at(&full);
        table.signal(Signal::CONT);
        observer.until("an interval with drops", |seen| {
            let last = seen.last().unwrap();
            last["services"].as_array().unwrap().iter().any(|row| row["listen"]["drops"] != 0)
        });
        observer.end();
        table.signal(Signal::INT);
        let output = table.end();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        // The table of the whole run comes last.
        // Words, wherever the lines break.
        let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, whole) = text.split_once(" in the whole run of ").unwrap();
        let drops = format!("{} segments discarded by the listener (sk_drops)", overflow.drops);
        assert!(whole.contains(&drops), "no {drops:?} in {whole}");
        assert!(whole.contains("TcpExtListenDrops"), "{whole}");
    }
);

/// Attaches a filter that lets nothing through, so that the listener discards every SYN
/// (`tcp_filter()` in `tcp_v4_rcv()`).
fn refuse_everything(listener: &Socket) {
    const SOL_SOCKET: i32 = 1;
    const SO_ATTACH_FILTER: i32 = 26;
    /// `struct sock_filter`: return 0 bytes of the packet.
    static RETURN_NOTHING: [u64; 1] = [u64::from_ne_bytes([6, 0, 0, 0, 0, 0, 0, 0])];
    // `struct sock_fprog`: the number of instructions, and where they are.
    let mut program = 1u64.to_ne_bytes().to_vec();
    program.extend(RETURN_NOTHING.as_ptr().expose_provenance().to_ne_bytes());
    listener.set(SOL_SOCKET, SO_ATTACH_FILTER, &program).unwrap();
}

lab!(
    fn a_listener_that_only_discards_has_no_overflow() {
        let full = Socket::listening(V4, 0, 1);
        let [filtered, idle] = [Socket::listening(V4, 0, 64), Socket::listening(V4, 0, 64)];
        refuse_everything(&filtered);
        let mut observer = Observer::here(&["300ms", "--watch", "off"]);
        let mut table =
            Tcpdiag::new().start(&["services", "--interval", "300ms", "--watch", "off"]);
        while !table.line().expect("a table").starts_with("No counter of trouble grew") {}
        table.signal(Signal::STOP);
        let overflow = observer.while_stopped(|| {
            let refused: Vec<Socket> = (0..40)
                .map(|_| {
                    let client = Socket::of(V4);
                    client.begin_connect(V4, filtered.port());
                    client
                })
                .collect();
            let overflow = Overflow::at(&full);
            drop(refused);
            overflow
        });
        table.signal(Signal::CONT);
        let drops = |document: &serde_json::Value, port: u16| {
            let rows = document["services"].as_array().unwrap();
            let row = rows.iter().find(|row| row["port"] == port && row["role"] == "server");
            row.map_or(0, |row| row["listen"]["drops"].as_u64().unwrap_or(0))
        };
        observer.until("the drops of both", |seen| {
            let all = |port| seen.iter().map(|document| drops(document, port)).sum::<u64>();
            all(filtered.port()) >= 40 && all(full.port()) >= overflow.drops
        });
        let summary = observer.end();
        assert!(drops(&summary.document, filtered.port()) >= 40);
        for (name, growth) in
            [("TcpExtListenDrops", overflow.drops), ("TcpExtListenOverflows", overflow.overflows)]
        {
            let counter = summary.counter(name).unwrap();
            assert_eq!((&counter["delta"], &counter["unattributed"]), (&growth.into(), &0.into()));
            let parts = summary.parts(name);
            assert_eq!(parts[&full.port()].value, growth, "{counter:#}");
            for port in [filtered.port(), idle.port()] {
                assert!(!parts.contains_key(&port), "{counter:#}");
            }
        }
        table.signal(Signal::INT);
        let output = table.end();
        // Words, wherever the lines break.
        let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, whole) = text.split_once(" in the whole run of ").unwrap();
        assert!(whole.contains("of them refused connections (ListenDrops)"), "{whole}");
        assert!(whole.contains("none of them a refused connection (ListenDrops)"), "{whole}");
    }
);
