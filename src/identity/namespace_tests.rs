use super::*;
use crate::identity::{DEFAULT_EPHEMERAL, Rules};
use crate::model::example::{socket, tcp_info};
use crate::procfs::PortNames;

const UNKNOWN: Owner<'static> = Owner { process: None, unit: None, container: None, cgroup: None };

#[path = "namespace_trust_tests.rs"]
mod trust;

fn end(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().unwrap();
    Endpoint { address: address.ip(), port: address.port() }
}

fn process(name: &str) -> Owner<'_> {
    Owner { process: Some(name), ..UNKNOWN }
}

fn listener(cookie: u64, local: &str) -> Socket {
    let (state, v6only) = (State::Listen, Some(false));
    Socket { cookie, state, v6only, local: end(local), interface: 0, tcp_info: None, ..socket() }
}

fn connection(local: &str, remote: &str) -> Socket {
    let (local, remote) = (end(local), end(remote));
    Socket { local, remote, interface: 0, tcp_info: None, ..socket() }
}

/// A connection whose `tcp_info` shows who opened it.
fn opened(local: &str, remote: &str, opener: Opener) -> Socket {
    let acked = if opener == Opener::Own { 101 } else { 100 };
    let words = [(120, acked), (156, 1), (192, 2), (200, 100)];
    Socket { tcp_info: Some(tcp_info(&words)), ..connection(local, remote) }
}

fn registry(grouping: Grouping, rules: &str) -> ServiceRegistry {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        service: Rules,
    }
    let rules = toml::from_str::<File>(rules).unwrap().service;
    ServiceRegistry::new(rules, grouping, PortNames::parse("http 80/tcp\n"))
}

/// A namespace and the services in it.
struct Fixture {
    identity: NamespaceIdentity,
    registry: ServiceRegistry,
}

/// What is known of a socket.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    role: Role,
    name: String,
    basis: ServiceBasis,
    is_certain: bool,
}

fn server(name: &str, basis: ServiceBasis, is_certain: bool) -> Answer {
    Answer { role: Role::Server, name: name.to_owned(), basis, is_certain }
}

fn client(name: &str, basis: ServiceBasis, is_certain: bool) -> Answer {
    Answer { role: Role::Client, ..server(name, basis, is_certain) }
}

impl Fixture {
    /// With these listeners and their holders.
    fn new(listeners: &[(Socket, Owner<'_>)]) -> Self {
        let (grouping, rules) = (Grouping::Service, "");
        let mut fixture = Self {
            identity: NamespaceIdentity::new(DEFAULT_EPHEMERAL),
            registry: registry(grouping, rules),
        };
        fixture.listen(listeners);
        fixture
    }

    fn listen(&mut self, listeners: &[(Socket, Owner<'_>)]) {
        let sockets: Vec<Socket> = listeners.iter().map(|(socket, _)| *socket).collect();
        self.identity.set_listeners(&sockets);
        for (socket, owner) in listeners {
            self.identity.set_listener_owner(socket, owner);
        }
    }

    /// A socket that this process holds, or none that is known.
    fn identify(&mut self, socket: &Socket, holder: Option<&str>) -> Answer {
        let role = self.identity.role(socket, None);
        self.identify_as(socket, holder, role)
    }

    fn identify_as(
        &mut self,
        socket: &Socket,
        holder: Option<&str>,
        role: (Role, RoleBasis),
    ) -> Answer {
        let owner = holder.map_or(UNKNOWN, process);
        let subject = Subject::new(socket, owner, holder.is_some());
        let identified = self.identity.identify(&mut self.registry, &subject, role);
        assert_eq!((identified.role, identified.role_basis), role);
        let key = self.registry.key(identified.service).unwrap();
        Answer {
            role: identified.role,
            name: key.label().into_owned(),
            basis: identified.service_basis,
            is_certain: identified.is_certain,
        }
    }

    fn lookup(&mut self, socket: &Socket) -> Lookup {
        let (role, _) = self.identity.role(socket, None);
        self.identity.lookup(&self.registry, socket, role)
    }

    /// Looks up the holders of as many connections as are asked for.
    fn sample(&mut self, socket: &Socket, holder: &str) -> u32 {
        let mut asked = 0;
        while matches!(self.lookup(socket), Lookup::Needed | Lookup::Sample) && asked < 100 {
            self.identify(socket, Some(holder));
            asked += 1;
        }
        self.identity.settle_lookups();
        asked
    }
}

use ServiceBasis::{Group, Listener, Port, PortName, Process};

#[test]
fn listeners_that_share_a_port() {
    let v6only = Socket { v6only: Some(true), ..listener(2, "[::]:80") };
    let bound = |cookie, local, interface| Socket { interface, ..listener(cookie, local) };
    let mut fixture = Fixture::new(&[
        (listener(1, "0.0.0.0:80"), process("four")),
        (v6only, process("six")),
        (listener(3, "10.0.0.9:80"), process("special")),
        (bound(4, "0.0.0.0:80", 7), process("bound")),
        (bound(5, "10.0.0.9:80", 7), process("both")),
    ]);
    let far = "192.0.2.1:50000";
    for (local, remote, interface, name) in [
        ("10.0.0.1:80", far, 0, "four:80"),
        ("[2001:db8::1]:80", "[2001:db8::2]:50000", 0, "six:80"),
        // The address counts more than the interface (`__inet_lookup_listener()`).
        ("10.0.0.9:80", far, 0, "special:80"),
        ("10.0.0.1:80", far, 7, "bound:80"),
        ("10.0.0.9:80", far, 7, "both:80"),
        ("10.0.0.9:80", far, 8, "special:80"),
        ("10.0.0.1:80", far, 8, "four:80"),
    ] {
        let socket = Socket { interface, ..opened(local, remote, Opener::Peer) };
        let found = fixture.identify(&socket, None);
        assert_eq!(found, server(name, Listener, false), "{local} {interface}");
    }
    // No listener takes it: the one on [::] is for IPv6 only.
    let mapped = opened("[::ffff:10.0.0.1]:80", "[::ffff:192.0.2.1]:50000", Opener::Peer);
    assert_eq!(fixture.identify(&mapped, None), server("http?:80", PortName, false));
}

#[test]
fn dual_stack_listeners_take_both_families() {
    let mut fixture = Fixture::new(&[(listener(1, "[::]:81"), process("app"))]);
    for (local, remote) in [
        ("[::ffff:10.0.0.1]:81", "[::ffff:192.0.2.1]:50000"),
        ("[2001:db8::1]:81", "[2001:db8::2]:50000"),
    ] {
        let found = fixture.identify(&opened(local, remote, Opener::Peer), None);
        assert_eq!(found, server("app:81", Listener, false));
    }
    // A client on this host finds its server's service, in either family.
    for remote in ["127.0.0.1:81", "10.0.0.1:81", "[::ffff:127.0.0.1]:81"] {
        let socket = opened("10.0.0.1:40000", remote, Opener::Own);
        let found = fixture.identify(&socket, Some("curl"));
        assert_eq!(found, client("→ app:81", Listener, true), "{remote}");
    }
    let elsewhere = opened("10.0.0.1:40000", "10.0.0.2:81", Opener::Own);
    assert_eq!(fixture.identify(&elsewhere, Some("curl")), client("→ 81", Port, true));
}

#[test]
fn groups_are_named_after_their_programs() {
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    for (programs, name, basis) in [
        (&["a"][..], "a:80", Listener),
        (&["a", "a", "a"], "a:80", Listener),
        (&["b", "a", "b"], "a+b:80", Group),
        (&["c", "b", "a"], "a+b+c:80", Group),
        (&["d", "c", "b", "a"], "a+b+c+…:80", Group),
    ] {
        let listeners: Vec<(Socket, Owner<'_>)> = (1..)
            .zip(programs)
            .map(|(cookie, program)| (listener(cookie, "0.0.0.0:80"), process(program)))
            .collect();
        let mut fixture = Fixture::new(&listeners);
        assert_eq!(fixture.identify(&socket, None), server(name, basis, false), "{programs:?}");
        // Every holder is looked up where the listener does not decide; else those of a sample.
        let asked = |lookup| matches!(lookup, Lookup::Needed | Lookup::Sample);
        let asked = (0..10).filter(|_| asked(fixture.lookup(&socket))).count();
        assert_eq!(asked, if basis == Group { 10 } else { 4 }, "{programs:?}");
        // The socket's own holder comes first.
        assert_eq!(fixture.identify(&socket, Some("b")), server("b:80", Process, true));
    }
}

#[test]
fn roles_by_the_firmest_evidence() {
    use Role::{Client, Server, Unknown};
    use RoleBasis::{
        ListenerOnAddress, ListenerOnWildcard, ListenersUnknown, NoListener, NotConnected, Ports,
        Remembered, SynRecv, SynSent, TcpInfo,
    };
    let far = "192.0.2.1:50000";
    let mut identity = NamespaceIdentity::new(DEFAULT_EPHEMERAL);
    let between = connection("10.0.0.1:40000", "10.0.0.2:40001");
    assert_eq!(identity.role(&between, None), (Unknown, ListenersUnknown));
    identity.set_listeners(&[listener(1, "0.0.0.0:80"), listener(2, "10.0.0.1:81")]);
    identity.set_listeners(&[
        listener(1, "0.0.0.0:80"),
        listener(2, "10.0.0.1:81"),
        listener(3, "0.0.0.0:82"),
    ]);
    identity.set_listeners(&[listener(1, "0.0.0.0:80"), listener(2, "10.0.0.1:81")]);
    let with = |state| Socket { state, ..connection("10.0.0.1:80", far) };
    let by = |basis| Some((Client, basis));
    for (socket, previous, role) in [
        (listener(1, "0.0.0.0:80"), None, (Role::Listener, RoleBasis::Listening)),
        (with(State::SynSent), None, (Client, SynSent)),
        (with(State::SynRecv), None, (Server, SynRecv)),
        (with(State::Close), None, (Unknown, NotConnected)),
        (with(State::BoundInactive), None, (Unknown, NotConnected)),
        // Evidence of the kernel goes before listeners: dialled out from a listening port.
        (opened("10.0.0.1:80", "192.0.2.1:443", Opener::Own), None, (Client, TcpInfo)),
        (opened("10.0.0.1:40000", far, Opener::Peer), None, (Server, TcpInfo)),
        (connection("10.0.0.1:80", far), by(TcpInfo), (Client, TcpInfo)),
        (connection("10.0.0.1:80", far), None, (Server, ListenerOnWildcard)),
        (connection("10.0.0.1:80", far), by(Ports), (Server, ListenerOnWildcard)),
        (connection("10.0.0.1:81", far), None, (Server, ListenerOnAddress)),
        (connection("10.0.0.3:81", far), None, (Server, Ports)),
        // What was known before, and a listener that has closed.
        (connection("10.0.0.1:83", far), by(ListenerOnAddress), (Client, Remembered)),
        (connection("10.0.0.1:83", far), by(Remembered), (Client, Remembered)),
        (connection("10.0.0.1:83", far), by(Ports), (Client, Ports)),
        (connection("10.0.0.1:82", "192.0.2.1:443"), None, (Server, Remembered)),
        // Ports.
        (connection("10.0.0.1:83", far), None, (Server, Ports)),
        (connection("10.0.0.1:40000", "192.0.2.1:443"), None, (Client, Ports)),
        (connection("10.0.0.1:900", "10.0.0.1:80"), None, (Client, Ports)),
        (connection("10.0.0.1:900", "192.0.2.1:443"), None, (Unknown, NoListener)),
        (between, None, (Unknown, NoListener)),
        (between, Some((Unknown, NoListener)), (Unknown, NoListener)),
    ] {
        assert_eq!(identity.role(&socket, previous), role, "{socket:?} {previous:?}");
    }
}

#[test]
fn roles_of_sockets_that_only_an_event_showed() {
    let mut identity = NamespaceIdentity::new(DEFAULT_EPHEMERAL);
    identity.set_listeners(&[listener(1, "0.0.0.0:80")]);
    let event = |words: &[(usize, u32)]| Socket {
        state: State::Close,
        tcp_info: Some(tcp_info(words)),
        ..connection("10.0.0.1:80", "192.0.2.1:443")
    };
    // An opener that sent a FIN of its own.
    let own = event(&[(120, 102), (156, 1), (192, 3), (200, 100)]);
    assert_eq!(identity.role_of_destroyed(&own), (Role::Client, RoleBasis::TcpInfo));
    let peer = event(&[(120, 101), (156, 1), (192, 3), (200, 100)]);
    assert_eq!(identity.role_of_destroyed(&peer), (Role::Server, RoleBasis::TcpInfo));
    let zeroed = event(&[]);
    let by_listener = (Role::Server, RoleBasis::ListenerOnWildcard);
    assert_eq!(identity.role_of_destroyed(&zeroed), by_listener);
    let unconnected = Socket { remote: end("0.0.0.0:0"), ..zeroed };
    let not_connected = (Role::Unknown, RoleBasis::NotConnected);
    assert_eq!(identity.role_of_destroyed(&unconnected), not_connected);
}

#[test]
fn ephemeral_ports_never_become_services() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:45000"), process("app"))]);
    let far = "192.0.2.1:50000";
    // Something listens there.
    let socket = opened("10.0.0.1:45000", far, Opener::Peer);
    assert_eq!(fixture.identify(&socket, None), server("app:45000", Listener, false));
    // Nothing does: no port, and no name.
    let socket = opened("10.0.0.1:45001", far, Opener::Peer);
    assert_eq!(fixture.identify(&socket, None), server("unknown", Port, false));
    assert_eq!(fixture.identify(&socket, Some("app")), server("app", Process, true));
    // A listener on an ephemeral port is forgotten: the port may be a client's next.
    fixture.listen(&[]);
    let socket = opened("10.0.0.1:45000", far, Opener::Peer);
    assert_eq!(fixture.identify(&socket, None), server("unknown", Port, false));
    let between = connection("10.0.0.1:45000", "192.0.2.1:45002");
    let found = fixture.identify(&between, None);
    assert_eq!((found.role, &*found.name), (Role::Unknown, "unknown"));
    // Other ranges of the kernel's setting.
    let mut identity = NamespaceIdentity::new(1024..=2000);
    identity.set_listeners(&[]);
    let role = identity.role(&connection("10.0.0.1:1500", "10.0.0.2:40000"), None);
    assert_eq!(role, (Role::Client, RoleBasis::Ports));
}

#[test]
fn rules_win() {
    let rules = r#"
        [[service]]
        name = "by-process"
        process = "app"
        [[service]]
        name = "by-port"
        port = 80
    "#;
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
    fixture.registry = registry(Grouping::Service, rules);
    let rule = ServiceBasis::Rule;
    let socket = opened("10.0.0.1:80", "192.0.2.1:50000", Opener::Peer);
    // The rule asks for the owner, which only the listener shows.
    assert_eq!(fixture.identify(&socket, None), server("by-process", rule, false));
    assert_eq!(fixture.identify(&socket, Some("app")), server("by-process", rule, true));
    assert_eq!(fixture.identify(&socket, Some("b")), server("by-port:80", rule, true));
    let far = opened("10.0.0.1:40000", "192.0.2.1:80", Opener::Own);
    assert_eq!(fixture.identify(&far, None), client("→ by-port:80", rule, true));
    assert_eq!(fixture.identify(&far, Some("app")), client("by-process", rule, true));
    // Which holder a client has matters to the first rule.
    assert_eq!(fixture.lookup(&far), Lookup::Needed);
    fixture.registry = registry(Grouping::Service, "");
    assert_eq!(fixture.lookup(&far), Lookup::Needless);
}

#[test]
fn what_is_certain() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
    let ends = ("10.0.0.1:80", "192.0.2.1:50000");
    let by = |role, basis| (role, basis);
    let wildcard = RoleBasis::ListenerOnWildcard;
    for (local, remote, role, is_certain) in [
        (ends.0, ends.1, by(Role::Server, RoleBasis::TcpInfo), true),
        // The listener and the ports agree.
        (ends.0, ends.1, by(Role::Server, wildcard), true),
        (ends.0, ends.1, by(Role::Server, RoleBasis::Remembered), false),
        (ends.0, ends.1, by(Role::Server, RoleBasis::Ports), false),
        // It may have dialled out from the listening port.
        (ends.0, "192.0.2.1:443", by(Role::Server, wildcard), false),
        ("10.0.0.1:40000", "192.0.2.1:443", by(Role::Client, RoleBasis::Ports), false),
        ("10.0.0.1:40000", "192.0.2.1:443", by(Role::Client, RoleBasis::TcpInfo), true),
    ] {
        let found = fixture.identify_as(&connection(local, remote), Some("app"), role);
        assert_eq!(found.is_certain, is_certain, "{local} {remote} {role:?}");
    }
    // Groupings for which holders do or do not matter.
    let socket = opened(ends.0, ends.1, Opener::Peer);
    let role = (Role::Server, RoleBasis::TcpInfo);
    for (grouping, by_listener, unheld) in [
        // A holder that was seen confirms the listener.
        (Grouping::Service, true, false),
        (Grouping::Process, true, false),
        (Grouping::Port, true, true),
        (Grouping::Remote, true, true),
    ] {
        let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
        fixture.registry = registry(grouping, "");
        let held = fixture.identify_as(&socket, Some("app"), role);
        assert!(held.is_certain, "{grouping}");
        let found = fixture.identify_as(&socket, None, role);
        assert_eq!(found.is_certain, by_listener, "{grouping}");
        let other = opened("10.0.0.1:81", ends.1, Opener::Peer);
        let found = fixture.identify_as(&other, None, role);
        assert_eq!(found.is_certain, unheld, "{grouping}");
    }
}

#[test]
fn lookups_where_the_holder_matters() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("app"))]);
    let far = "192.0.2.1:50000";
    let accepted = opened("10.0.0.1:80", far, Opener::Peer);
    let orphan = Socket { inode: 0, ..accepted };
    let stray = opened("10.0.0.1:81", far, Opener::Peer);
    let dialled = opened("10.0.0.1:40000", "192.0.2.1:443", Opener::Own);
    let between = connection("10.0.0.1:900", "192.0.2.1:443");
    use Grouping::{Container, Port, Process, Remote, Service, Unit};
    use Lookup::{Needed, Needless, Sample};
    for (grouping, socket, expected) in [
        (Service, accepted, Sample),
        (Service, orphan, Needless),
        (Service, listener(1, "0.0.0.0:80"), Needless),
        (Service, stray, Needed),
        (Service, dialled, Needless),
        (Service, between, Needless),
        (Process, dialled, Needed),
        (Unit, between, Needed),
        (Container, accepted, Sample),
        (Port, accepted, Needless),
        (Remote, stray, Needless),
    ] {
        fixture.registry = registry(grouping, "");
        assert_eq!(fixture.lookup(&socket), expected, "{grouping} {socket:?}");
    }
}

#[test]
fn listeners_that_closed_are_remembered() {
    let mut fixture = Fixture::new(&[(listener(1, "0.0.0.0:80"), process("first"))]);
    let socket = connection("10.0.0.1:80", "192.0.2.1:50000");
    fixture.listen(&[]);
    assert_eq!(fixture.identify(&socket, None), server("first:80", Listener, false));
    // The latest one counts.
    fixture.listen(&[(listener(2, "0.0.0.0:80"), process("second"))]);
    fixture.listen(&[]);
    assert_eq!(fixture.identify(&socket, None), server("second:80", Listener, false));
    // An unrelated listener beside it does not take its connections.
    fixture.listen(&[(listener(3, "10.0.0.2:80"), process("other"))]);
    assert_eq!(fixture.identify(&socket, None), server("second:80", Listener, false));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut fixture = Fixture::new(&[]);
    let ports = 1..=(PAST as u16 + 10);
    let address = |port: u16| format!("0.0.0.0:{port}");
    for port in ports.clone() {
        fixture.listen(&[(listener(port.into(), &address(port)), process("app"))]);
    }
    fixture.listen(&[]);
    assert_eq!(fixture.identity.past.groups().count(), PAST);
    assert_eq!(fixture.identity.past_order.len(), PAST);
    assert_eq!(fixture.identity.owners.len(), PAST);
    let role = |port: u16| {
        let socket = connection(&format!("10.0.0.1:{port}"), "192.0.2.1:443");
        fixture.identity.role(&socket, None).1
    };
    assert_eq!(role(1), RoleBasis::NoListener);
    assert_eq!(role(*ports.end()), RoleBasis::Remembered);
}

#[test]
fn listeners_that_did_not_change_are_not_stored_again() {
    let listeners = [listener(1, "0.0.0.0:80"), listener(2, "0.0.0.0:80")];
    let mut identity = NamespaceIdentity::new(DEFAULT_EPHEMERAL);
    assert!(!identity.listeners().are_known());
    identity.set_listeners(&listeners);
    identity.set_listeners(&listeners);
    assert!(identity.listeners().are_known());
    let groups: Vec<&[u64]> =
        identity.listeners().groups().map(|group| group.cookies.as_slice()).collect();
    assert_eq!(groups, [[1, 2]]);
}
