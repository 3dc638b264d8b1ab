//! Accept queues and their drops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lab::{Firewall, Row, Socket, Tcpdiag, lab, settles, until};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn row(socket: &Socket) -> Row {
    let rows = Tcpdiag::new().rows(&["listeners"]);
    rows.into_iter().find(|row| row.cookie() == socket.cookie()).expect("the listener is listed")
}

/// A counter of this namespace.
fn counter(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/netstat").unwrap();
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let mut pairs = names.split(' ').zip(values.split(' '));
        if let Some((_, value)) = pairs.find(|(known, _)| *known == name) {
            return value.parse().unwrap();
        }
    }
    panic!("no counter {name}")
}

lab!(
    fn a_full_accept_queue_drops() {
        let listener = Socket::listening(V4, 0, 1);
        let idle = Socket::listening(V4, 0, 100);
        let before = row(&listener);
        assert_eq!(before.number("accept_queue"), Some(0));
        assert_eq!(before.number("accept_queue_max"), Some(1));
        assert_eq!(before.number("skmem.drops"), Some(0));
        // A backlog of one holds two.
        let waiting: Vec<Socket> = (0..2)
            .map(|_| {
                let client = Socket::of(V4);
                client.connect(V4, listener.port());
                client
            })
            .collect();
        settles("both to wait", || row(&listener).number("accept_queue") == Some(2));
        let first = counter("ListenDrops");
        let _lost: Vec<Socket> = (0..5)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, listener.port());
                client
            })
            .collect();
        settles("drops", || counter("ListenDrops") >= first + 5);
        // SYNs are retransmitted: read between two equal readings of the counter.
        let (drops, full) = until("a still moment", || {
            let before = counter("ListenDrops");
            let full = row(&listener);
            (before == counter("ListenDrops")).then_some((before - first, full))
        });
        assert_eq!(full.number("skmem.drops"), Some(drops));
        assert_eq!(full.number("accept_queue"), Some(2));
        assert_eq!(full.number("accept_queue_max"), Some(1));
        assert_eq!(row(&idle).number("skmem.drops"), Some(0));

        let tcpdiag = Tcpdiag::new();
        for expression in ["accept_queue > accept_queue_max", "drops > 0", "accept_queue > 1"] {
            let output = tcpdiag.run(&["listeners", "-o", "json", expression]);
            if expression.contains("_max") {
                // Fields can only be compared with numbers, which the message says.
                assert_eq!(output.code, Some(2), "{expression}");
                continue;
            }
            let rows = tcpdiag.rows(&["listeners", expression]);
            assert_eq!(rows.len(), 1, "{expression}");
            assert_eq!(rows[0].cookie(), listener.cookie());
        }
        let table = tcpdiag.run(&["listeners", "-O", "--sort", "-drops"]);
        let lines: Vec<&str> = table.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{}", table.stdout);
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        let end = listener.local().to_string();
        assert_eq!(words[..2], [end.as_str(), "2/1"], "{}", table.stdout);
        drop(waiting);
    }
);

lab!(
    fn requests_count_for_the_listener_that_they_came_to() {
        let Some(firewall) = Firewall::new() else { return };
        let any6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let dual = Socket::listening(any6, 0, 100);
        let idle = Socket::listening(V4, 0, 100);
        firewall.leave_unfinished(dual.port());
        let clients: Vec<Socket> = [V4, V4, IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .into_iter()
            .map(|address| {
                let client = Socket::of(address);
                client.begin_connect(address, dual.port());
                client
            })
            .collect();
        settles("three requests", || row(&dual).number("syn_recv") == Some(3));
        assert_eq!(row(&idle).number("syn_recv"), Some(0));
        let states = Tcpdiag::new().rows(&["conns", "--state", "syn_recv"]);
        assert_eq!(states.len(), 3);
        let columns = ["--columns", "local,syn_recv_count", "-o", "csv"];
        let csv = Tcpdiag::new().run(&[&["listeners"], &columns[..]].concat());
        assert!(csv.stdout.contains(&format!("[::]:{},3", dual.port())), "{}", csv.stdout);
        drop(clients);
    }
);
