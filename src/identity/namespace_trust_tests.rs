//! Which listeners are trusted to keep their connections.

use super::*;

#[test]
fn a_holder_that_was_found_by_chance_shows_too_whether_a_listener_keeps_its_connections() {
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    for (holder, known) in
        [("app", server("app:80", Listener, true)), ("other", server("http?:80", PortName, false))]
    {
        let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
        fixture.identify(&socket, Some(holder));
        assert_eq!(fixture.identify(&socket, None), known);
    }
}

#[test]
fn a_socket_that_was_bound_before_it_connected_is_judged_anew() {
    let identity = NamespaceIdentity::new(DEFAULT_EPHEMERAL);
    let socket = opened("10.0.0.1:900", "192.0.2.1:443", Opener::Own);
    for before in [(Role::Unknown, RoleBasis::NotConnected), (Role::Listener, RoleBasis::Listening)]
    {
        assert_eq!(identity.role(&socket, Some(before)), (Role::Client, RoleBasis::TcpInfo));
    }
}

#[test]
fn a_closed_connection_waits_for_what_others_show_of_its_listener() {
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    let closing = Socket { inode: 0, state: State::LastAck, ..socket };
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("inetd"))]);
    assert_eq!(fixture.lookup(&closing), Lookup::Await);
    fixture.identify(&socket, Some("handler"));
    assert_eq!(fixture.lookup(&closing), Lookup::Needless);
    assert_eq!(fixture.identify(&closing, None), server("http?:80", PortName, false));
    // In the accept queue it is the listener's.
    let queued = Socket { inode: 0, ..socket };
    assert_eq!(fixture.lookup(&queued), Lookup::Needless);
    assert_eq!(fixture.identify(&queued, None).name, "inetd:80");
}

#[test]
fn hidden_listeners_ask_for_no_lookups() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), UNKNOWN)]);
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    assert_eq!(fixture.lookup(&socket), Lookup::Needless);
}

#[test]
fn a_sample_confirms_that_a_listener_keeps_its_connections() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    // Nothing is known yet: the listener's program is a guess.
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, false));
    for _ in 0..4 {
        assert_eq!(fixture.lookup(&socket), Lookup::Sample);
    }
    assert_eq!(fixture.lookup(&socket), Lookup::Await);
    for _ in 0..4 {
        assert_eq!(fixture.identify(&socket, Some("app")), server("app:80", Process, true));
    }
    fixture.identity.settle_lookups();
    assert_eq!(fixture.lookup(&socket), Lookup::Needless);
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, true));
    // One more in every interval, since its holder may change.
    fixture.identity.begin_interval();
    assert_eq!(fixture.lookup(&socket), Lookup::Sample);
    assert_eq!(fixture.lookup(&socket), Lookup::Await);
}

#[test]
fn a_listener_whose_connections_other_programs_hold() {
    let at = listener(1, "0.0.0.0:80");
    let mut fixture = Fixture::new(&[(at, process("inetd"))]);
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    assert_eq!(fixture.sample(&socket, "handler"), 100);
    assert_eq!(fixture.lookup(&socket), Lookup::Needed);
    assert_eq!(fixture.identify(&socket, Some("handler")), server("handler:80", Process, true));
    assert_eq!(fixture.identify(&socket, None), server("http?:80", PortName, false));
    let owner = fixture.identity.owner(&Subject::new(&socket, UNKNOWN, false), Role::Server);
    assert_eq!(owner, UNKNOWN);
    let near = opened("10.0.0.1:40000", "10.0.0.1:80", Opener::Own);
    // A client is named after the listener that it connected to, whoever serves it.
    assert_eq!(fixture.identify(&near, None), client("→ inetd:80", Listener, true));
    // The same holds after it has closed.
    fixture.listen(&[]);
    assert_eq!(fixture.identify(&socket, None), server("http?:80", PortName, false));
    // Another listener of the address is sampled anew, and so is one whose holder changed.
    fixture.listen(&[(listener(2, "0.0.0.0:80"), process("app"))]);
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, false));
    fixture.sample(&socket, "app");
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, true));
    fixture.listen(&[(listener(2, "0.0.0.0:80"), process("heir"))]);
    assert_eq!(fixture.identify(&socket, None), server("heir:80", Listener, false));
}

#[test]
fn a_restarted_listener_is_not_trusted_for_its_predecessor() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("old"))]);
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    fixture.sample(&socket, "old");
    assert_eq!(fixture.identify(&socket, None), server("old:80", Listener, true));
    fixture.listen(&[(listener(2, "0.0.0.0:80"), process("new"))]);
    assert_eq!(fixture.identify(&socket, None), server("new:80", Listener, false));
    // A further listener of the group does not matter.
    fixture.sample(&socket, "new");
    let two = [2, 3].map(|cookie| (listener(cookie, "0.0.0.0:80"), process("new")));
    fixture.listen(&two);
    assert_eq!(fixture.identify(&socket, None), server("new:80", Listener, true));
}

#[test]
fn listeners_with_hidden_holders() {
    let at = listener(1, "0.0.0.0:80");
    let mut fixture = Fixture::new(&[(at, UNKNOWN)]);
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    assert_eq!(fixture.identify(&socket, None), server("http?:80", PortName, false));
    fixture.listen(&[(at, process("app"))]);
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, false));
    // Hidden once, known before.
    fixture.listen(&[(at, UNKNOWN)]);
    assert_eq!(fixture.identify(&socket, None), server("app:80", Listener, false));
}
