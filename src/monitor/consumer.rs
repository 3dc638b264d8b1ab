//! Consumers of polls.

use std::ops::ControlFlow;
use std::time::Instant;

use super::interfaces::Interfaces;
use super::owners::{OwnerInfo, OwnerResolver};
use super::quality::{Namespace, Quality};
use crate::counters::Counters;
use crate::identity::{
    Identified, NamespaceIdentity, Owner, ServiceBasis, ServiceRegistry, Subject,
};
use crate::model::{Endpoint, Role, RoleBasis, Socket, State};
use crate::tracking::Ending;
use crate::wire::EcnWord;

/// How far a socket is identified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing more.
    #[default]
    Nothing,
    /// Its role.
    Role,
    /// Also its service; its holder is looked up if the service depends on it.
    Service,
    /// All its holders.
    Processes,
}

/// What a consumer needs to know of a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// How much.
    pub level: Level,
    /// The role that it knows already.
    pub previous: Option<(Role, RoleBasis)>,
}

impl Interest {
    /// Nothing more.
    pub const NOTHING: Self = Self { level: Level::Nothing, previous: None };

    /// This level, for a socket whose role is not known yet.
    pub const fn new(level: Level) -> Self {
        Self { level, previous: None }
    }
}

/// Where the holder of a socket runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// systemd unit.
    pub unit: Option<String>,
    /// Container.
    pub container: Option<String>,
}

/// The identity of a socket.
#[derive(Debug)]
pub struct Identity<'a> {
    /// The socket's role.
    pub role: Role,
    /// Why that was decided.
    pub role_basis: RoleBasis,
    /// Its service, if requested.
    pub identified: Option<Identified>,
    /// Its holders, if they were looked up.
    pub owner: OwnerInfo<'a>,
    /// Unit and container of its holder, or else of its listener's holder.
    pub placement: Placement,
    /// The services of the run.
    pub registry: &'a ServiceRegistry,
}

impl Identity<'_> {
    /// Name of its service.
    pub fn service(&self) -> Option<&str> {
        let key = self.registry.key(self.identified?.service)?;
        Some(&key.name)
    }

    /// What that name rests on.
    pub fn service_basis(&self) -> Option<ServiceBasis> {
        self.identified.map(|identified| identified.service_basis)
    }
}

/// A poll that begins.
#[derive(Debug, Clone, Copy)]
pub struct PollBegun<'a> {
    /// The namespace.
    pub namespace: &'a Namespace,
    /// When.
    pub at: Instant,
    /// Whether it ends an interval.
    pub ends_interval: bool,
    /// How `tcp_info` is to be read.
    pub ecn: EcnWord,
}

/// What a recording holds of a poll.
#[derive(Debug, Clone, Copy)]
pub struct RecordedBytes<'a> {
    /// The datagrams of its dumps.
    pub dump: &'a [u8],
    /// The messages of its destroy events.
    pub events: &'a [u8],
}

/// A poll that ended.
#[derive(Debug)]
pub struct PollEnded<'a> {
    /// The counters before the dump, and after the destroy events were taken.
    pub counters: [&'a Counters; 2],
    /// How the dump and the events went.
    pub ending: Ending,
    /// Destroy events since the previous poll; `None` if they are not received.
    pub events: Option<u64>,
    /// Destroy events that were lost.
    pub events_lost: u64,
    /// Records that the kernel sent.
    pub dumped: u64,
    /// What to know before trusting it.
    pub quality: &'a Quality,
    /// The bytes of the sample, where it is one of a recording.
    pub recorded: Option<RecordedBytes<'a>>,
    /// Names of interfaces.
    pub interfaces: &'a mut Interfaces,
    /// Who holds sockets.
    pub owners: &'a OwnerResolver,
}

/// Identifies sockets that no dump has shown.
#[derive(Debug)]
pub struct Identities<'a> {
    /// The namespace's sockets and listeners.
    pub(super) identity: &'a mut NamespaceIdentity,
    /// The services of the run.
    pub registry: &'a mut ServiceRegistry,
}

impl<'a> Identities<'a> {
    /// For the sockets of one namespace.
    pub fn new(identity: &'a mut NamespaceIdentity, registry: &'a mut ServiceRegistry) -> Self {
        Self { identity, registry }
    }

    /// The role of a socket that is known from its destroy event only.
    pub fn role_of_destroyed(&self, event: &Socket) -> (Role, RoleBasis) {
        self.identity.role_of_destroyed(event)
    }

    /// Its role and service.
    pub fn identify_destroyed(&mut self, event: &Socket) -> Identified {
        let role = self.identity.role_of_destroyed(event);
        self.identify(event.local, event.remote, event.interface, role)
    }

    /// The service of a socket of which only the addresses and the last state are known.
    pub fn identify_by_ends(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
        interface: u32,
        state: State,
    ) -> Identified {
        let role = match state {
            State::Listen => (Role::Listener, RoleBasis::Listening),
            State::SynSent => (Role::Client, RoleBasis::SynSent),
            _ if remote.port == 0 => (Role::Unknown, RoleBasis::NotConnected),
            _ => self.identity.role_by_ends(local, remote, interface, None),
        };
        self.identify(local, remote, interface, role)
    }

    fn identify(
        &mut self,
        local: Endpoint,
        remote: Endpoint,
        interface: u32,
        role: (Role, RoleBasis),
    ) -> Identified {
        let owner = Owner::default();
        let subject = Subject { local, remote, interface, owner, is_held: false, is_queued: false };
        self.identity.identify(self.registry, &subject, role)
    }
}

/// Receives the results of polls. A poll calls, in this order: `begin`; `observe` for every record,
/// and `identified` at once or later if `observe` requested something; `on_destroy` for every
/// destroy event; `end`.
pub trait Consumer {
    /// Begins a poll.
    fn begin(&mut self, poll: &PollBegun<'_>);

    /// Discards the records of the dump so far: it is read again.
    fn restart(&mut self) {}

    /// Receives a record; returns what else has to be known of its socket.
    fn observe(&mut self, socket: &Socket) -> Interest;

    /// Receives what was requested; may end the dump.
    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
    ) -> ControlFlow<()>;

    /// Receives a destroy event.
    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        let _ = (event, identities);
    }

    /// Ends the poll.
    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        let _ = (poll, identities);
    }
}
