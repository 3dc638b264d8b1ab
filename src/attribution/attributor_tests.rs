use super::*;
use crate::attribution::testing::counters;
use crate::attribution::{Class, Reconciliation};
use crate::identity::{
    DEFAULT_EPHEMERAL, Grouping, NamespaceIdentity, Owner, Rules, ServiceRegistry, Subject,
};
use crate::model::example::{socket, tcp_info};
use crate::model::{RoleBasis, Timer};
use crate::monitor::{Namespace, OwnerInfo, OwnerResolver, Placement, Quality};
use crate::procfs::PortNames;
use crate::wire::EcnWord;

/// A namespace whose polls are made up.
struct Fixture {
    attributor: Attributor,
    identity: NamespaceIdentity,
    registry: ServiceRegistry,
    begun: Instant,
    polls: u32,
    /// `TcpRetransSegs` and `TcpExtTCPTimeouts` of the host.
    repeats: u64,
    timeouts: u64,
}

impl Fixture {
    fn new() -> Self {
        let ports = PortNames::parse("");
        Self {
            attributor: Attributor::new(CounterWidth::Bits64),
            identity: NamespaceIdentity::new(DEFAULT_EPHEMERAL),
            registry: ServiceRegistry::new(Rules::default(), Grouping::Service, ports),
            begun: Instant::now(),
            polls: 0,
            repeats: 0,
            timeouts: 0,
        }
    }

    /// A poll that ends an interval. The holders of sockets are known or not. Returns for how many
    /// sockets something was requested.
    fn poll(&mut self, sockets: &[Socket], holder: Option<&str>, destroyed: &[Socket]) -> usize {
        let namespace = Namespace { inode: 1, name: None };
        self.polls += 1;
        let at = self.begun + Duration::from_secs(1) * self.polls;
        let ecn = EcnWord::Unknown;
        let begun = PollBegun { namespace: &namespace, at, ends_interval: true, ecn };
        self.attributor.begin(&begun);
        let interfaces = &mut Interfaces::default();
        let mut asked = 0;
        for socket in sockets {
            if self.attributor.observe(socket).level == Level::Nothing {
                continue;
            }
            asked += 1;
            let owner = Owner { process: holder, ..Owner::default() };
            let subject = Subject::new(socket, owner, holder.is_some());
            let (role, role_basis) = (Role::Server, RoleBasis::TcpInfo);
            let role = (role, role_basis);
            let identified = self.identity.identify(&mut self.registry, &subject, role);
            let identity = Identity {
                role: role.0,
                role_basis,
                identified: Some(identified),
                owner: OwnerInfo::default(),
                placement: Placement::default(),
                registry: &self.registry,
            };
            assert!(self.attributor.identified(socket, &identity, interfaces).is_continue());
        }
        let identities = &mut Identities::new(&mut self.identity, &mut self.registry);
        for event in destroyed {
            self.attributor.on_destroy(event, identities);
        }
        let read =
            counters([("TcpRetransSegs", self.repeats), ("TcpExtTCPTimeouts", self.timeouts)]);
        let ended = PollEnded {
            counters: [&read, &read],
            ending: Ending { watch: Watch::Whole, whole_dump: true },
            events: Some(0),
            events_lost: 0,
            dumped: sockets.len() as u64,
            quality: &Quality::default(),
            recorded: None,
            interfaces,
            owners: &OwnerResolver::none(),
        };
        self.attributor.end(ended, identities);
        asked
    }

    /// Class and services' parts of the retransmits of the interval.
    fn retransmits(&mut self) -> (Class, Vec<(String, u64)>) {
        let Reconciliation { counters, .. } = self.attributor.begin_interval().total();
        let mut found = counters.into_iter();
        let found = found.find(|counter| &*counter.counter == "TcpRetransSegs").unwrap();
        let name = |id: ServiceId| self.registry.key(id).unwrap().name.to_string();
        let parts = found.by_service.iter();
        (found.class, parts.map(|part| (name(part.service), part.estimate.value)).collect())
    }
}

/// A server's connection that repeated this many segments.
fn connection(cookie: u64, repeats: u32) -> Socket {
    Socket { cookie, tcp_info: Some(tcp_info(&[(100, repeats), (136, 100)])), ..socket() }
}

#[test]
fn services_that_are_inferred_until_a_holder_is_known() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.poll(&[connection(1, 0)], None, &[]), 1);
    fixture.attributor.begin_interval();
    // It is asked again at the end of each interval.
    fixture.repeats = 2;
    assert_eq!(fixture.poll(&[connection(1, 2)], None, &[]), 1);
    let by_port = vec![("http-alt".to_owned(), 2)];
    assert_eq!(fixture.retransmits(), (Class::Inferred, by_port));
    fixture.repeats = 5;
    assert_eq!(fixture.poll(&[connection(1, 5)], Some("app"), &[]), 1);
    assert_eq!(fixture.retransmits(), (Class::Exact, vec![("app".to_owned(), 3)]));
    // From then on not any more.
    fixture.repeats = 6;
    assert_eq!(fixture.poll(&[connection(1, 6)], Some("app"), &[]), 0);
    assert_eq!(fixture.retransmits(), (Class::Exact, vec![("app".to_owned(), 1)]));
}

#[test]
fn half_open_connections_of_inferred_services() {
    let request = |repeats: u8| Socket {
        cookie: 9,
        state: State::SynRecv,
        inode: 0,
        tcp_info: None,
        timer: Timer::new(1, 500, repeats),
        ..socket()
    };
    assert!(request(1).is_minisock());
    for (holder, class) in [(None, Class::Inferred), (Some("app"), Class::Exact)] {
        let mut fixture = Fixture::new();
        fixture.poll(&[], None, &[]);
        fixture.attributor.begin_interval();
        fixture.repeats = 1;
        assert_eq!(fixture.poll(&[request(1)], holder, &[]), 1);
        assert_eq!(fixture.poll(&[request(1)], holder, &[]), 0);
        let (found, parts) = fixture.retransmits();
        assert_eq!((found, parts.len()), (class, 1));
    }
}

#[test]
fn sockets_that_only_an_event_showed() {
    let mut fixture = Fixture::new();
    fixture.poll(&[], None, &[]);
    fixture.attributor.begin_interval();
    fixture.repeats = 4;
    let event = Socket { state: State::Close, ..connection(7, 4) };
    fixture.poll(&[], None, &[event]);
    // Its holder is unknown.
    assert_eq!(fixture.retransmits(), (Class::Inferred, vec![("http-alt".to_owned(), 4)]));
    assert_eq!(fixture.attributor.last_poll().between_polls, 1);
}

#[test]
fn what_the_kernel_counts_does_not_depend_on_what_moved() {
    // `struct tcp_info` of 5.10 has 232 bytes and that of 6.18 has 280, for listeners too.
    let idle = |state, length: usize| Socket {
        cookie: 1,
        state,
        tcp_info: Some(crate::wire::TcpInfo::new(&vec![0; length], EcnWord::Unknown)),
        ..socket()
    };
    for (sockets, class, reason) in [
        (vec![idle(State::Established, 280)], Class::Exact, crate::attribution::Reason::GivenUp),
        (vec![idle(State::Listen, 280)], Class::Exact, crate::attribution::Reason::GivenUp),
        (
            vec![idle(State::Established, 232)],
            Class::Estimated,
            crate::attribution::Reason::OldKernel,
        ),
        (vec![], Class::Estimated, crate::attribution::Reason::NoSign),
    ] {
        let mut fixture = Fixture::new();
        fixture.poll(&sockets, Some("app"), &[]);
        fixture.attributor.begin_interval();
        // A connection that no poll showed had a timeout.
        fixture.timeouts = 1;
        fixture.poll(&sockets, Some("app"), &[]);
        // An idle service has counters that did not move, where the kernel has them.
        let row = fixture.attributor.table().rows().next();
        let bytes = row.and_then(|(_, row)| row.bytes_in());
        let Reconciliation { counters, .. } = fixture.attributor.begin_interval().total();
        let found = counters.iter().find(|it| &*it.counter == "TcpExtTCPTimeouts").unwrap();
        assert_eq!((found.class, found.unattributed), (class, 1), "{sockets:?}");
        assert_eq!(found.reasons[0], reason, "{sockets:?}");
        let is_connection = sockets.iter().any(|socket| socket.state == State::Established);
        assert_eq!(bytes, is_connection.then_some(0), "{sockets:?}");
    }
}
