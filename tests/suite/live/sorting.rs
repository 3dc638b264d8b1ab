//! `--sort` goes by values: addresses and numbers by their size, states in the kernel's order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::lab::{Socket, Tcpdiag, lab};

fn column(command: &str, sort: &str, column: &str) -> Vec<String> {
    let columns = ["--columns", column, "--sort", sort, "-o", "csv", "--no-header"];
    let output = Tcpdiag::new().run(&[&[command, "--state", "all"], &columns[..]].concat());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout.lines().map(|line| line.trim_matches('"').to_owned()).collect()
}

lab!(
    fn addresses_are_sorted_by_number() {
        let at = |last: u8| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let ends: Vec<SocketAddr> = [(10, 80), (2, 9000), (2, 443), (100, 1), (9, 65000)]
            .map(|(last, port)| SocketAddr::new(at(last), port))
            .into();
        let _listeners: Vec<Socket> =
            ends.iter().map(|end| Socket::listening(end.ip(), end.port(), 1)).collect();
        let mut expected = ends;
        expected.sort();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(column("listeners", "local", "local"), expected);
        let backwards: Vec<String> = expected.iter().rev().cloned().collect();
        assert_eq!(column("listeners", "-local", "local"), backwards);
        let addresses = column("listeners", "laddr", "laddr");
        let numbers: Vec<Ipv4Addr> =
            addresses.iter().map(|address| address.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
);

lab!(
    fn states_are_in_the_kernels_order_and_nothing_is_last() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let listener = Socket::listening(v4, 0, 8);
        let client = Socket::of(v4);
        client.begin_connect(v4, listener.port());
        let states = column("conns", "state", "state");
        // By name it would be the other way round: established, listen.
        assert_eq!(states, ["established", "established", "listen"], "{states:?}");
        let backwards = column("conns", "-state", "state");
        assert_eq!(backwards, ["listen", "established", "established"]);
        // A listener has no congestion window to speak of, connections have no accept queue.
        for sort in ["accept_queue_max", "-accept_queue_max"] {
            let queues = column("conns", sort, "accept_queue_max");
            assert_eq!(queues, ["8", "", ""], "{sort}");
        }
    }
);
