//! Roles of sockets and their basis.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::sockopt;

use crate::lab::{Firewall, Pair, Row, Socket, Tcpdiag, cookies, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Role and basis of a socket.
fn role(socket: &Socket) -> (String, String) {
    let cookie = socket.cookie();
    let rows = Tcpdiag::new().all();
    let row = rows.iter().find(|row| row.cookie() == cookie).expect("the socket is listed");
    (row.text("role").to_owned(), row.text("role_basis").to_owned())
}

#[track_caller]
fn assert_role(socket: &Socket, expected: &str, basis: &str) {
    assert_eq!(role(socket), (expected.to_owned(), basis.to_owned()));
}

/// Checks that the counters of each end show which one sent the SYN.
#[track_caller]
fn assert_ends(pair: &Pair) {
    assert_role(&pair.client, "client", "tcp_info");
    assert_role(&pair.server, "server", "tcp_info");
}

lab!(
    fn both_ends_of_a_loopback_connection() {
        for (listen, connect) in [
            (V4, V4),
            (ANY4, V4),
            (V6, V6),
            (ANY6, V6),
            // Dual stack: the server's end is a v4-mapped IPv6 socket.
            (ANY6, V4),
            (ANY6, IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())),
            // An IPv6 socket that only does IPv4.
            (IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()), V4),
            (IpAddr::V6(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()), V4),
        ] {
            let listener = Socket::listening(listen, 0, 8);
            let pair = Pair::new(&listener, connect);
            assert_role(&listener, "listener", "listening");
            assert_ends(&pair);
        }
    }
);

lab!(
    fn two_families_on_one_port() {
        let six = Socket::of(V6);
        sockopt::set_ipv6_v6only(&six, true).unwrap();
        six.bind(ANY6, 0);
        six.listen(8);
        let over_six = Pair::new(&six, V6);
        assert_ends(&over_six);
        let port = six.port();
        let four = Socket::listening(ANY4, port, 8);
        let over_four = Pair::new(&four, V4);
        assert_ends(&over_four);
        drop(four);
        // The remaining listener refuses IPv4, and the role stays.
        assert_ends(&over_four);
        assert_ends(&over_six);

        // It cannot have accepted a v4-mapped one that its predecessor accepted.
        let dual = Socket::listening(ANY6, 0, 8);
        let port = dual.port();
        let (mapped, six) = (Pair::new(&dual, V4), Pair::new(&dual, V6));
        drop(dual);
        let alone = Socket::of(V6);
        sockopt::set_ipv6_v6only(&alone, true).unwrap();
        alone.bind(ANY6, port);
        alone.listen(8);
        assert_ends(&mapped);
        assert_ends(&six);
    }
);

lab!(
    fn a_listener_on_the_address_precedes_the_wildcard() {
        let narrow = Socket::listening(V4, 0, 8);
        let port = narrow.port();
        let before = Pair::new(&narrow, V4);
        assert_ends(&before);
        // A listener on another address does not affect this one.
        let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let elsewhere = Socket::listening(other, port, 8);
        drop(narrow);
        assert_ends(&before);
        // A socket that connects from a port with listeners on other addresses is a client.
        let target = Socket::listening(V4, 0, 8);
        let from_that_port = Socket::bound(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), port);
        let pair = Pair::with(from_that_port, &target, V4);
        assert_ends(&pair);
        drop(elsewhere);
    }
);

lab!(
    fn listener_on_an_interface() {
        let listener = Socket::of(V4);
        listener.set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0").unwrap();
        listener.bind(ANY4, 0);
        listener.listen(8);
        let pair = Pair::new(&listener, V4);
        assert_ends(&pair);
    }
);

lab!(
    fn after_the_listener_closed() {
        let listener = Socket::listening(V4, 0, 8);
        let pair = Pair::new(&listener, V4);
        assert_ends(&pair);
        drop(listener);
        assert_ends(&pair);
    }
);

lab!(
    fn half_open_and_unconnected() {
        let Some(firewall) = Firewall::new() else { return };
        let deaf = Socket::listening(V4, 0, 8);
        firewall.deafen(deaf.port());
        let client = Socket::of(V4);
        client.begin_connect(V4, deaf.port());
        assert_role(&client, "client", "syn_sent");

        let half = Socket::listening(ANY6, 0, 8);
        firewall.leave_unfinished(half.port());
        let client = Socket::of(V4);
        client.begin_connect(V4, half.port());
        client.comes_to(1);
        let requests = Tcpdiag::new().rows(&["conns", "--state", "syn_recv"]);
        assert_eq!(requests.len(), 1);
        assert_eq!(
            (requests[0].text("role"), requests[0].text("role_basis")),
            ("server", "syn_recv")
        );
        assert_eq!(requests[0].port(), u64::from(half.port()));

        let bound = Socket::bound(V4, 0);
        let rows = Tcpdiag::new().all();
        if let Some(row) = rows.iter().find(|row| row.cookie() == bound.cookie()) {
            assert_eq!((row.text("role"), row.text("role_basis")), ("unknown", "not_connected"));
        }
    }
);

lab!(
    fn sockets_are_filtered_by_role() {
        let listener = Socket::listening(ANY6, 0, 8);
        let pairs: Vec<Pair> =
            [V4, V6, V4].iter().map(|address| Pair::new(&listener, *address)).collect();
        let tcpdiag = Tcpdiag::new();
        let ends =
            |end: fn(&Pair) -> &Socket| pairs.iter().map(|pair| end(pair).cookie()).collect();
        let server = cookies(&tcpdiag.rows(&["conns", "--role", "server"]));
        assert_eq!(server, ends(|pair| &pair.server));
        let client = cookies(&tcpdiag.rows(&["conns", "--role", "client"]));
        assert_eq!(client, ends(|pair| &pair.client));
        let any = cookies(&tcpdiag.rows(&["conns", "--role", "any"]));
        assert_eq!(any, &server | &client);
        assert_eq!(cookies(&tcpdiag.rows(&["conns", "role = server"])), server);
        assert_eq!(cookies(&tcpdiag.rows(&["conns", "not role = server"])), client);
        let listens = cookies(&tcpdiag.rows(&["conns", "role = listener"]));
        assert_eq!(listens, [listener.cookie()].into());
    }
);

lab!(
    fn clients_of_port_2181_are_listed() {
        let listener = Socket::listening(ANY4, 2181, 8);
        let served: Vec<Pair> = (0..3).map(|_| Pair::new(&listener, V4)).collect();
        // This host is also a client of port 2181 on another address.
        let other = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let elsewhere = Socket::listening(other, 0, 8);
        let foreign = Pair::new(&elsewhere, other);
        let output = Tcpdiag::new().run(&["conns", "--port", "2181", "--role", "server", "-O"]);
        assert_eq!(output.code, Some(0));
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines.len(), 1 + served.len(), "{}", output.stdout);
        assert!(lines[0].starts_with("STATE"), "{}", lines[0]);
        for pair in &served {
            let ends = [pair.server.local(), pair.client.local()].map(|end| end.to_string());
            let line = lines.iter().find(|line| ends.iter().all(|end| line.contains(end.as_str())));
            let line = line.unwrap_or_else(|| panic!("no {ends:?} in {}", output.stdout));
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[..4], ["ESTAB", "srv", &ends[0], &ends[1]]);
        }
        assert!(output.stderr.starts_with("3 sockets shown"), "{}", output.stderr);
        let rows: Vec<Row> = Tcpdiag::new().rows(&["conns", "--port", "2181", "--role", "server"]);
        assert_eq!(rows.len(), served.len());
        for row in &rows {
            assert_eq!((row.text("role"), row.port()), ("server", 2181));
            assert!(served.iter().any(|pair| u64::from(pair.client.port()) == row.peer()));
            assert_ne!(row.cookie(), foreign.server.cookie());
        }
    }
);
