//! Delivers a dump to its consumer.

use std::ops::ControlFlow;

use super::consumer::{Consumer, Identity, Interest, Level, Placement};
use super::error::MonitorError;
use super::interfaces::Interfaces;
use super::namespace_monitor::Shared;
use super::owners::{OwnerInfo, OwnerScope};
use super::quality::Quality;
use crate::identity::{Lookup, NamespaceIdentity, ServiceBasis, Subject, roles_by_shared_ports};
use crate::model::{Role, RoleBasis, Socket};
use crate::wire::{Reply, TcpInfo};

/// How many sockets wait for their holders to be looked up together: this many, or as many as have
/// been looked up in this dump already, since every search walks through all processes.
const BATCH: usize = 512;

/// After this many searches one walk through all processes is cheaper.
const EVERYWHERE: usize = 4096;

/// The most that may wait: some 50 MB.
const LARGEST_BATCH: usize = 65_536;

/// A socket whose holder, or role, is not known yet.
struct Waiting {
    socket: Socket,
    role: (Role, RoleBasis),
    level: Level,
    lookup: Lookup,
}

/// What a pass had to look up.
pub(super) struct Passed {
    /// Holders of connections.
    pub(super) looked_up: bool,
    /// Holders of the listeners, unless they were known.
    pub(super) listeners_resolved: bool,
}

/// One poll's records.
pub(super) struct Pass<'a> {
    pub(super) consumer: &'a mut dyn Consumer,
    pub(super) identity: &'a mut NamespaceIdentity,
    pub(super) interfaces: &'a mut Interfaces,
    pub(super) quality: &'a mut Quality,
    pub(super) shared: &'a mut Shared,
    waiting: Vec<Waiting>,
    /// Sockets whose role or service depends on the whole dump.
    undecided: Vec<(Socket, (Role, RoleBasis), Level)>,
    looked_up: usize,
    /// Inode of the network namespace.
    pub(super) namespace: u64,
    /// Listeners whose holders were not looked up yet.
    pub(super) unresolved: &'a [Socket],
    /// Descriptors that may be read to find the holders of a listener's connections.
    pub(super) most_descriptors: Option<u64>,
    pub(super) stopped: bool,
    pub(super) error: Option<MonitorError>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        consumer: &'a mut dyn Consumer,
        identity: &'a mut NamespaceIdentity,
        interfaces: &'a mut Interfaces,
        quality: &'a mut Quality,
        shared: &'a mut Shared,
    ) -> Self {
        Self {
            consumer,
            identity,
            interfaces,
            quality,
            shared,
            waiting: Vec::new(),
            undecided: Vec::new(),
            looked_up: 0,
            namespace: 0,
            unresolved: &[],
            most_descriptors: None,
            stopped: false,
            error: None,
        }
    }

    /// Processes one record; `socket` is the row to decode into.
    #[inline]
    pub(super) fn take(&mut self, reply: &Reply<'_>, socket: &mut Socket) -> ControlFlow<()> {
        if !socket.fill(reply, self.shared.ecn) {
            self.quality.decode_errors += 1;
            return ControlFlow::Continue(());
        }
        if socket.tcp_info.as_ref().is_some_and(TcpInfo::is_cut) {
            self.quality.truncated_tcp_info += 1;
        }
        let interest = self.consumer.observe(socket);
        if interest.level == Level::Nothing {
            return ControlFlow::Continue(());
        }
        self.identify(socket, interest)
    }

    /// Identifies a socket as far as its consumer requested.
    pub(super) fn identify(&mut self, socket: &Socket, interest: Interest) -> ControlFlow<()> {
        let role = self.identity.role(socket, interest.previous);
        let Interest { level, .. } = interest;
        let awaits_others = role.1 == RoleBasis::NoListener
            || level >= Level::Service && self.identity.awaits_others(socket, role.0);
        if awaits_others && self.undecided.len() < LARGEST_BATCH {
            self.undecided.push((*socket, role, level));
            return ControlFlow::Continue(());
        }
        self.decided(socket, role, level);
        if self.stopped || self.error.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn decided(&mut self, socket: &Socket, role: (Role, RoleBasis), level: Level) {
        if level >= Level::Service {
            self.shared.owners.learn_cgroup(socket);
        }
        if level == Level::Service {
            self.resolve_listeners(socket, role.0);
        }
        let lookup = match level {
            Level::Nothing | Level::Role => Lookup::Needless,
            Level::Service => self.identity.lookup(&self.shared.registry, socket, role.0),
            Level::Processes => Lookup::Needed,
        };
        if lookup == Lookup::Needless {
            return self.deliver(socket, role, level);
        }
        self.waiting.push(Waiting { socket: *socket, role, level, lookup });
        // Either all of them are looked up, or a sample.
        let least = if level == Level::Processes { EVERYWHERE } else { BATCH };
        if self.waiting.len() >= self.looked_up.clamp(least, LARGEST_BATCH) {
            self.flush();
        }
    }

    /// Looks up the holders of the sockets that wait, and delivers them.
    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return;
        }
        let (sampled, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|waiting| waiting.lookup != Lookup::Await);
        self.look_up_sampled(sampled);
        self.identity.settle_lookups();
        // Whether the others have to be looked up too depends on the sampled ones.
        let mut rest = Vec::new();
        for mut waiting in others {
            let (socket, role) = (&waiting.socket, waiting.role);
            match self.identity.lookup(&self.shared.registry, socket, role.0) {
                lookup @ (Lookup::Needed | Lookup::Sample) => {
                    waiting.lookup = lookup;
                    rest.push(waiting);
                }
                Lookup::Await | Lookup::Needless => self.deliver(socket, role, waiting.level),
            }
        }
        self.look_up_sampled(rest);
        self.identity.settle_lookups();
    }

    /// Looks up holders. Those of a sample of a listener's connections are looked up only if that
    /// does not cost too much.
    fn look_up_sampled(&mut self, waiting: Vec<Waiting>) {
        let Some(most) = self.most_descriptors else { return self.look_up(&waiting) };
        let (sample, mut others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|waiting| waiting.lookup == Lookup::Sample);
        if !sample.is_empty() {
            let sockets = sample.iter().map(|waiting| &waiting.socket);
            let is_complete = match self.shared.owners.resolve_among_listeners(sockets, most) {
                Ok(is_complete) => is_complete,
                Err(error) => return self.error = Some(error),
            };
            if !is_complete {
                self.identity.assume_holders();
            }
            for waiting in sample {
                let is_found = self.shared.owners.is_held(&waiting.socket);
                if is_found || !is_complete {
                    self.deliver(&waiting.socket, waiting.role, waiting.level);
                } else {
                    others.push(waiting);
                }
            }
        }
        self.look_up(&others);
    }

    /// Looks up the holders of the listeners, if the name of a socket's service depends on them.
    fn resolve_listeners(&mut self, socket: &Socket, role: Role) {
        if self.unresolved.is_empty() || !self.identity.needs_listeners(socket, role) {
            return;
        }
        let listeners = std::mem::take(&mut self.unresolved);
        let resolved = self.shared.owners.resolve(
            listeners.iter(),
            OwnerScope::Listeners(self.namespace),
            false,
        );
        if let Err(error) = resolved {
            self.error = Some(error);
        }
        for listener in listeners {
            let info = self.shared.owners.info(listener);
            self.identity.set_listener_owner(listener, &info.owner());
        }
    }

    fn look_up(&mut self, waiting: &[Waiting]) {
        if waiting.is_empty() || self.error.is_some() {
            return;
        }
        // For this many, walking through all processes is cheaper than a search for each.
        let everywhere = self.looked_up + waiting.len() >= EVERYWHERE;
        let sockets = waiting.iter().map(|waiting| &waiting.socket);
        if let Err(error) =
            self.shared.owners.resolve(sockets.clone(), OwnerScope::Connections, everywhere)
        {
            self.error = Some(error);
            return;
        }
        let Shared { recorder, owners, .. } = &mut *self.shared;
        if let Some(recorder) = recorder {
            recorder.write_owners(sockets, owners);
        }
        self.looked_up += waiting.len();
        // Sockets without a holder come last: the others show whether a listener keeps its
        // connections.
        let is_held = |waiting: &&Waiting| self.shared.owners.is_held(&waiting.socket);
        let (held, others): (Vec<_>, Vec<_>) = waiting.iter().partition(is_held);
        for waiting in held.into_iter().chain(others) {
            self.deliver(&waiting.socket, waiting.role, waiting.level);
        }
    }

    /// Delivers a socket with all that was requested.
    fn deliver(&mut self, socket: &Socket, role: (Role, RoleBasis), level: Level) {
        if self.stopped {
            return;
        }
        if level == Level::Processes
            && !self.unresolved.is_empty()
            && (role.0 != Role::Server || !self.shared.owners.is_held(socket))
        {
            self.resolve_listeners(socket, role.0);
        }
        let Shared { owners, registry, recorder, .. } = &mut *self.shared;
        let owner = match level {
            Level::Nothing | Level::Role => OwnerInfo::default(),
            Level::Service | Level::Processes => owners.info(socket),
        };
        let identified = (level >= Level::Service).then(|| {
            if let Some(recorder) = recorder {
                recorder.write_cgroup(socket, owners);
            }
            let subject = Subject::new(socket, owner.owner(), owner.is_held());
            let identified = self.identity.identify(registry, &subject, role);
            let is_assumed = identified.service_basis == ServiceBasis::Listener
                && identified.role == Role::Server
                && socket.inode != 0
                && !identified.is_certain;
            self.quality.owners_assumed += u64::from(is_assumed);
            identified
        });
        let (role, role_basis) = role;
        let placement = match identified {
            Some(_) => {
                let subject = Subject::new(socket, owner.owner(), owner.is_held());
                let owner = self.identity.owner(&subject, role);
                let text = |text: Option<&str>| text.map(str::to_owned);
                Placement { unit: text(owner.unit), container: text(owner.container) }
            }
            None => Placement::default(),
        };
        let identity = Identity { role, role_basis, identified, owner, placement, registry };
        if self.consumer.identified(socket, &identity, self.interfaces).is_break() {
            self.stopped = true;
        }
    }

    /// Drops what waits, since the dump is read again.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        self.undecided.clear();
        self.consumer.restart();
    }

    /// Delivers what waits.
    ///
    /// # Errors
    /// What went wrong since the pass began.
    pub(super) fn finish(mut self) -> Result<Passed, MonitorError> {
        let undecided = std::mem::take(&mut self.undecided);
        let (no_role, known): (Vec<_>, Vec<_>) =
            undecided.into_iter().partition(|(_, (_, basis), _)| *basis == RoleBasis::NoListener);
        let ends: Vec<_> = no_role
            .iter()
            .map(|(socket, ..)| (socket.local, socket.remote, socket.interface))
            .collect();
        let roles = roles_by_shared_ports(&ends);
        for ((socket, ..), role) in no_role.iter().zip(&roles) {
            self.identity.awaits_others(socket, *role);
        }
        for ((socket, _, level), role) in no_role.iter().zip(roles) {
            let basis = match role {
                Role::Unknown => RoleBasis::NoListener,
                _ => RoleBasis::Ports,
            };
            self.decided(socket, (role, basis), *level);
        }
        for (socket, role, level) in &known {
            self.decided(socket, *role, *level);
        }
        self.flush();
        match self.error {
            Some(error) => Err(error),
            None => Ok(Passed {
                looked_up: self.looked_up > 0,
                listeners_resolved: self.unresolved.is_empty(),
            }),
        }
    }

    /// Processes a listener whose holders have been looked up.
    pub(super) fn meet_listener(&mut self, socket: &Socket, interest: Interest) -> ControlFlow<()> {
        let role = (Role::Listener, RoleBasis::Listening);
        self.deliver(socket, role, interest.level);
        if self.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
