//! What is known of the sockets of one network namespace: their listeners and owners.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHashSet};

use super::basis::ServiceBasis;
use super::group_name::GroupName;
use super::key::Grouping;
use super::listeners::{ListenAddress, ListenerGroup, Listeners};
use super::naming::{Facts, OwnerIs};
use super::owner::{KeptOwner, Owner};
use super::registry::ServiceRegistry;
use super::rules::Rule;
use super::subject::{Identified, Lookup, Subject};
use super::trust::{Sampling, Trust};
use crate::model::{Endpoint, Opener, Role, RoleBasis, Socket, State, opened_by, opened_by_event};

/// Addresses of listeners that have closed which are remembered.
const PAST: usize = 1024;

/// How many programs of a group its name lists.
const SPELLED: usize = 3;

/// What is known of one network namespace.
#[derive(Debug)]
pub struct NamespaceIdentity {
    listeners: Listeners,
    /// Listeners that have closed: connections which no dump has shown may be theirs.
    past: Listeners,
    past_order: Vec<ListenAddress>,
    /// Holders of listeners, by cookie; also of those that have closed.
    owners: FxHashMap<u64, KeptOwner>,
    trust: FxHashMap<ListenAddress, Trust>,
    /// What was read last, in the kernel's order.
    read: Vec<(u64, ListenAddress)>,
    ephemeral: RangeInclusive<u16>,
    /// Remote ports of the ephemeral range to which several connections were open at once.
    shared_remote_ports: FxHashSet<u16>,
    /// Those to which this dump has shown one.
    remote_ports: FxHashSet<u16>,
}

impl NamespaceIdentity {
    /// An empty identity of a namespace with this range of ephemeral ports.
    pub fn new(ephemeral: RangeInclusive<u16>) -> Self {
        Self {
            listeners: Listeners::default(),
            past: Listeners::default(),
            past_order: Vec::new(),
            owners: FxHashMap::default(),
            trust: FxHashMap::default(),
            read: Vec::new(),
            ephemeral,
            shared_remote_ports: FxHashSet::default(),
            remote_ports: FxHashSet::default(),
        }
    }

    /// The listeners as they were read last.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The range of ephemeral ports.
    pub fn ephemeral(&self) -> &RangeInclusive<u16> {
        &self.ephemeral
    }

    /// Replaces the listeners by those just read. Allocates nothing if they are unchanged.
    pub fn set_listeners(&mut self, found: &[Socket]) {
        self.listeners.set_known();
        let now = || found.iter().map(|socket| (socket.cookie, ListenAddress::of(socket)));
        if now().eq(self.read.iter().copied()) {
            return;
        }
        self.read.clear();
        self.read.extend(now());
        let before = std::mem::take(&mut self.listeners);
        self.listeners.set_known();
        found.iter().for_each(|socket| self.listeners.add(socket));
        for group in before.groups() {
            if self.listeners.group(&group.at).is_none() {
                self.remember_closed(group);
            }
        }
        self.forget_unused(&before);
    }

    /// Remembers listeners that have closed. A port of the ephemeral range may be a client's now.
    fn remember_closed(&mut self, group: &ListenerGroup) {
        if self.ephemeral.contains(&group.at.port) {
            return;
        }
        // The latest listeners of an address count.
        let earlier = self.past_order.iter().position(|at| *at == group.at);
        if earlier.is_some() || self.past_order.len() == PAST {
            let forgotten = self.past_order.remove(earlier.unwrap_or(0));
            self.past.remove(&forgotten);
        }
        self.past_order.push(group.at);
        self.past.add_group(group.clone());
    }

    /// Drops what was known of listeners that nothing refers to any more. New listeners of an
    /// address are not trusted for what those `before` them did.
    fn forget_unused(&mut self, before: &Listeners) {
        let used = self.listeners.groups().chain(self.past.groups());
        let used: FxHashSet<u64> = used.flat_map(|group| &group.cookies).copied().collect();
        self.owners.retain(|cookie, _| used.contains(cookie));
        let (listeners, past) = (&self.listeners, &self.past);
        self.trust.retain(|at, _| match (listeners.group(at), before.group(at)) {
            (Some(now), Some(before)) => {
                now.cookies.iter().any(|cookie| before.cookies.contains(cookie))
            }
            (Some(_), None) => false,
            (None, _) => past.group(at).is_some(),
        });
    }

    /// Records the holder of a listener. If it is hidden now and was known before, the earlier one
    /// is kept.
    pub fn set_listener_owner(&mut self, listener: &Socket, owner: &Owner<'_>) {
        let known = self.owners.get(&listener.cookie);
        if known.is_some_and(|known| known.view() == *owner || owner.process.is_none()) {
            return;
        }
        if known.is_some_and(|known| known.view().process.is_some()) {
            // Its holder changed: what its connections showed is outdated.
            self.trust.remove(&ListenAddress::of(listener));
        }
        self.owners.insert(listener.cookie, KeptOwner::keep(owner));
    }

    /// Begins another interval: every listener has one more connection looked up.
    pub fn begin_interval(&mut self) {
        self.trust.values_mut().for_each(Trust::sample_again);
    }

    /// Cancels the pending lookups, which would cost too much.
    pub fn assume_holders(&mut self) {
        self.trust.values_mut().for_each(Trust::assume);
    }

    /// Marks the pending lookups as finished.
    pub fn settle_lookups(&mut self) {
        self.trust.values_mut().for_each(Trust::settle);
    }

    /// The role of a socket, and the evidence for it. `previous` is what was known of it before.
    #[inline]
    pub fn role(&self, socket: &Socket, previous: Option<(Role, RoleBasis)>) -> (Role, RoleBasis) {
        match socket.state {
            State::Listen => return (Role::Listener, RoleBasis::Listening),
            State::SynSent => return (Role::Client, RoleBasis::SynSent),
            State::SynRecv => return (Role::Server, RoleBasis::SynRecv),
            State::Close | State::BoundInactive => return (Role::Unknown, RoleBasis::NotConnected),
            _ => {}
        }
        // A socket that was bound, or that listened, may be a connection now.
        let is_end = |role| matches!(role, Role::Server | Role::Client);
        if let Some(known) = previous.filter(|(role, basis)| is_end(*role) && basis.is_certain()) {
            return known;
        }
        match opened_by(socket) {
            Some(opener) => (role_of(opener), RoleBasis::TcpInfo),
            None => self.role_by_ends(socket.local, socket.remote, socket.interface, previous),
        }
    }

    /// The same for a socket that is known from its destroy event only.
    pub fn role_of_destroyed(&self, event: &Socket) -> (Role, RoleBasis) {
        if event.remote.port == 0 {
            return (Role::Unknown, RoleBasis::NotConnected);
        }
        match opened_by_event(event) {
            Some(opener) => (role_of(opener), RoleBasis::TcpInfo),
            None => self.role_by_ends(event.local, event.remote, event.interface, None),
        }
    }

    /// The role of a connection of which only the addresses are known.
    pub fn role_by_ends(
        &self,
        local: Endpoint,
        remote: Endpoint,
        interface: u32,
        previous: Option<(Role, RoleBasis)>,
    ) -> (Role, RoleBasis) {
        if let Some((_, basis)) = self.listeners.find(local, interface) {
            return (Role::Server, basis);
        }
        if let Some((role @ (Role::Server | Role::Client), basis)) = previous {
            // A guess stays a guess.
            let is_guess = basis == RoleBasis::Ports;
            return (role, if is_guess { basis } else { RoleBasis::Remembered });
        }
        if self.past.find(local, interface).is_some() {
            return (Role::Server, RoleBasis::Remembered);
        }
        let ephemeral = |port: u16| self.ephemeral.contains(&port);
        match (ephemeral(local.port), ephemeral(remote.port)) {
            (true, false) => (Role::Client, RoleBasis::Ports),
            (false, true) => (Role::Server, RoleBasis::Ports),
            // A connection to a listener of this very host.
            _ if self.serving(local, remote).is_some() => (Role::Client, RoleBasis::Ports),
            _ if !self.listeners.are_known() => (Role::Unknown, RoleBasis::ListenersUnknown),
            _ => (Role::Unknown, RoleBasis::NoListener),
        }
    }

    /// Begins a dump.
    pub fn begin_dump(&mut self) {
        self.remote_ports.clear();
    }

    /// Whether a client's remote port can only be judged when the whole dump was read. A port of
    /// the ephemeral range may be the data port of one transfer. But where that range is wide,
    /// most services have such a port: then several connections go to it.
    pub fn awaits_others(&mut self, socket: &Socket, role: Role) -> bool {
        let port = socket.remote.port;
        if role != Role::Client
            || !self.ephemeral.contains(&port)
            || self.shared_remote_ports.contains(&port)
            || self.serving(socket.local, socket.remote).is_some()
        {
            return false;
        }
        if self.remote_ports.insert(port) {
            return true;
        }
        self.shared_remote_ports.insert(port);
        false
    }

    /// Whether the name of a socket's service depends on the holder of a listener, where its own
    /// holder is not known.
    pub fn needs_listeners(&self, socket: &Socket, role: Role) -> bool {
        match role {
            Role::Server => true,
            Role::Client => self.serving(socket.local, socket.remote).is_some(),
            Role::Listener | Role::Unknown => false,
        }
    }

    /// Whether the answer may depend on which process holds the socket, and so has to be looked
    /// up. A server's connections belong to its listener as a rule, a client's to the far side.
    pub fn lookup(&mut self, registry: &ServiceRegistry, socket: &Socket, role: Role) -> Lookup {
        let needed = |needed: bool| if needed { Lookup::Needed } else { Lookup::Needless };
        if socket.inode == 0 || role == Role::Listener {
            // Nobody holds it, but the others show whether it is of the listener's program.
            let depends = role == Role::Server && self.is_open(socket);
            return if depends { Lookup::Await } else { Lookup::Needless };
        }
        match (registry.grouping, role) {
            (Grouping::Port | Grouping::Remote, _) => Lookup::Needless,
            (_, Role::Server) => self.lookup_of_server(socket),
            (Grouping::Service, Role::Client) => needed(registry.rules.ask_for_owners()),
            (Grouping::Service, _) => Lookup::Needless,
            _ => Lookup::Needed,
        }
    }

    /// Whether the listener of a socket that its program has closed may have handed it over, and
    /// no other connection has shown that yet.
    fn is_open(&self, socket: &Socket) -> bool {
        let is_queued = matches!(socket.state, State::Established | State::CloseWait);
        let group = self.listeners.find(socket.local, socket.interface);
        let is_known = |(group, _): (&ListenerGroup, RoleBasis)| {
            self.trust.get(&group.at).is_some_and(|trust| !trust.is_open())
        };
        !is_queued && group.is_some_and(|found| !is_known(found))
    }

    fn lookup_of_server(&mut self, socket: &Socket) -> Lookup {
        let Some((group, _)) = self.listeners.find(socket.local, socket.interface) else {
            return Lookup::Needed;
        };
        let owners = group.cookies.iter().filter_map(|cookie| self.owners.get(cookie));
        let mut programs = owners.map(|owner| owner.view().process);
        let first = programs.next().flatten();
        if programs.any(|program| program != first) {
            return Lookup::Needed;
        }
        if first.is_none() {
            // Where the holders of the listener are hidden, so are those of its connections.
            return Lookup::Needless;
        }
        let at = group.at;
        let trust = self.trust.entry(at).or_default();
        match trust.next() {
            Sampling::Ask if trust.is_refuted() => Lookup::Needed,
            Sampling::Ask => Lookup::Sample,
            Sampling::Await => Lookup::Await,
            Sampling::Trust => Lookup::Needless,
        }
    }

    /// The service of a socket with this role, from all that is known of it. Allocates only for a
    /// service that is new, and for listeners that several programs share.
    pub fn identify(
        &mut self,
        registry: &mut ServiceRegistry,
        subject: &Subject<'_>,
        (role, role_basis): (Role, RoleBasis),
    ) -> Identified {
        let accepted = role == Role::Server;
        let at = accepted.then(|| self.group_of(subject)).flatten().map(|group| group.at);
        let is_confirmed = at.is_some_and(|at| self.compare_holders(&at, subject));
        let this = &*self;
        let group = accepted.then(|| this.group_of(subject)).flatten();
        let by_listener = group
            .filter(|_| !subject.is_held)
            .map(|group| this.group_name(group, subject.is_queued));
        let peer = match role {
            Role::Client => this.serving(subject.local, subject.remote),
            _ => None,
        };
        let peer = peer.map(|group| this.group_name(group, true));
        let side = if role == Role::Listener { Role::Server } else { role };
        let end = if side == Role::Client { subject.remote } else { subject.local };
        let is_known_end = match side {
            Role::Server => group.is_some() || role == Role::Listener,
            _ => peer.is_some() || this.shared_remote_ports.contains(&end.port),
        };
        let facts = Facts {
            local: subject.local,
            remote: subject.remote,
            interface: subject.interface,
            role: side,
            owner: match &by_listener {
                Some(named) => named.owner_for(&subject.owner),
                None => subject.owner,
            },
            owner_is: if by_listener.is_some() { OwnerIs::Listeners } else { OwnerIs::Own },
            group: by_listener.as_ref().and_then(GroupName::shared),
            peer: peer.as_ref().and_then(GroupName::text),
            is_service_port: is_known_end || !this.ephemeral.contains(&end.port),
        };
        let (parts, service_basis) = registry.parts(&facts);
        let named_by_owner = match service_basis {
            ServiceBasis::Rule => registry.rules.find(&facts).is_some_and(Rule::asks_for_owners),
            basis => basis == ServiceBasis::Listener && side == Role::Server,
        };
        let (found, new) = registry.find(&parts);
        let service = registry.enter(found, new, service_basis, role_basis);
        let is_owner_certain = match &by_listener {
            None => true,
            // No other process can accept it.
            Some(GroupName::One(_)) if subject.is_queued => true,
            Some(_) => is_confirmed,
        };
        let is_service_certain = match registry.grouping {
            Grouping::Port | Grouping::Remote => true,
            // A client's service is the port that it talks to, whatever that is called; if that is
            // a service's.
            _ if side == Role::Client && registry.grouping == Grouping::Service => {
                facts.is_service_port || service_basis == ServiceBasis::Rule
            }
            _ if named_by_owner => is_owner_certain,
            // It belongs to one of the group's programs, but not to a known one.
            _ if service_basis == ServiceBasis::Group => false,
            _ => !service_basis.is_guess(),
        };
        let is_role_certain =
            role_basis.is_certain() || this.do_ports_agree(subject, role, role_basis);
        let is_certain = is_role_certain && is_service_certain;
        Identified { role, role_basis, service, service_basis, is_certain }
    }

    /// The holder of a socket, as far as it is known or follows from its listener.
    pub fn owner<'a>(&'a self, subject: &Subject<'a>, role: Role) -> Owner<'a> {
        if role != Role::Server || subject.is_held {
            return subject.owner;
        }
        match self.group_of(subject) {
            Some(group) => self.group_name(group, subject.is_queued).owner_for(&subject.owner),
            None => subject.owner,
        }
    }

    /// The listeners that accepted a connection, also if they have closed.
    fn group_of(&self, subject: &Subject<'_>) -> Option<&ListenerGroup> {
        let Subject { local, interface, .. } = *subject;
        let found = self.listeners.find(local, interface);
        found.or_else(|| self.past.find(local, interface)).map(|(group, _)| group)
    }

    /// Learns from a connection whose holder is known. Returns whether the connections of these
    /// listeners are known to be held by the program that holds the listeners.
    fn compare_holders(&mut self, at: &ListenAddress, subject: &Subject<'_>) -> bool {
        let group = self.listeners.group(at).or_else(|| self.past.group(at));
        let owners = group.iter().flat_map(|group| &group.cookies);
        let mut programs = owners.filter_map(|cookie| self.owners.get(cookie)?.view().process);
        if let (true, Some(own)) = (subject.is_held, subject.owner.process) {
            let is_own = programs.any(|program| program == own);
            self.trust.entry(*at).or_default().learn(is_own);
        }
        self.trust.get(at).is_some_and(Trust::is_confirmed)
    }

    /// What to call the service of these listeners where a connection's own holder is not known.
    /// `ends_there`: what is named is the listener's own end, not a connection that it may have
    /// passed to another process.
    fn group_name(&self, group: &ListenerGroup, ends_there: bool) -> GroupName<'_> {
        if !ends_there && self.trust.get(&group.at).is_some_and(Trust::is_refuted) {
            // The listener's program passes its connections to others.
            return GroupName::Unknown;
        }
        let known = || group.cookies.iter().filter_map(|cookie| self.owners.get(cookie));
        let mut owners = known().map(KeptOwner::view);
        let Some(first) = owners.next() else { return GroupName::Unknown };
        match owners.all(|owner| owner.service_name() == first.service_name()) {
            true => GroupName::One(first),
            false => {
                let names = known().filter_map(|owner| owner.view().service_name());
                let mut names: Vec<&str> = names.collect();
                names.sort_unstable();
                names.dedup();
                let more = names.len() > SPELLED;
                names.truncate(SPELLED);
                let more = if more { "+…" } else { "" };
                GroupName::Several(format!("{}{more}", names.join("+")))
            }
        }
    }

    /// The listeners at the far end of a connection, where that is on this host, also if they have
    /// closed.
    fn serving(&self, local: Endpoint, remote: Endpoint) -> Option<&ListenerGroup> {
        let address = remote.address.to_canonical();
        if !address.is_loopback() && address != local.address.to_canonical() {
            return None;
        }
        let at = |address: IpAddr| Endpoint { address, port: remote.port };
        let mapped = match address {
            IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
            IpAddr::V6(_) => None,
        };
        // The interface at the far end is not known.
        [&self.listeners, &self.past].into_iter().find_map(|listeners| {
            let found = listeners.find_anywhere(at(address));
            found.or_else(|| listeners.find_anywhere(at(mapped?)))
        })
    }

    /// Whether the ports agree with the listener: a connection that was opened from a listening
    /// port goes to a server's port as a rule, not to an ephemeral one.
    fn do_ports_agree(&self, subject: &Subject<'_>, role: Role, basis: RoleBasis) -> bool {
        let by_listener =
            matches!(basis, RoleBasis::ListenerOnAddress | RoleBasis::ListenerOnWildcard);
        let ephemeral = |port: u16| self.ephemeral.contains(&port);
        role == Role::Server
            && by_listener
            && ephemeral(subject.remote.port)
            && !ephemeral(subject.local.port)
    }
}

fn role_of(opener: Opener) -> Role {
    match opener {
        Opener::Own => Role::Client,
        Opener::Peer => Role::Server,
    }
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod tests;
