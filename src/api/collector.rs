//! Collects the rows of polls.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::filter::ResolvedFilter;
use super::row::SocketRow;
use crate::filter::Verdict;
use crate::model::{Role, RoleBasis, Socket, State, StateSet};
use crate::monitor::{
    Consumer, Identities, Identity, Interest, Interfaces, Level, Namespace, PollBegun, PollEnded,
    Quality, SocketFilter,
};

/// The rows of one namespace's last poll.
pub(super) struct RowCollector {
    namespace: Arc<Namespace>,
    filter: SocketFilter,
    states: StateSet,
    level: Level,
    /// Roles in this poll and in the one before: a role stays known when its evidence is gone.
    roles: [FxHashMap<u64, (Role, RoleBasis)>; 2],
    pub(super) rows: Vec<SocketRow>,
    pub(super) quality: Quality,
}

impl RowCollector {
    /// The rows that pass `filter`, of which at least `level` is known.
    pub(super) fn new(namespace: &Namespace, filter: &ResolvedFilter, level: Level) -> Self {
        Self {
            namespace: Arc::new(namespace.clone()),
            filter: filter.filter.clone(),
            states: filter.plan.states,
            level: level.max(filter.filter.level()),
            roles: Default::default(),
            rows: Vec::new(),
            quality: Quality::default(),
        }
    }
}

impl Consumer for RowCollector {
    fn begin(&mut self, _: &PollBegun<'_>) {
        self.rows.clear();
        self.roles.swap(0, 1);
        let [now, _] = &mut self.roles;
        now.clear();
        self.quality = Quality::default();
    }

    fn restart(&mut self) {
        // Listeners come from a dump of their own, which is not read again.
        self.rows.retain(|row| row.state() == State::Listen);
        let [now, _] = &mut self.roles;
        now.retain(|_, role| role.0 == Role::Listener);
    }

    fn observe(&mut self, socket: &Socket) -> Interest {
        let passes = self.states.contains(socket.state)
            && self.filter.by_figures(socket, &self.namespace) != Verdict::No;
        if !passes {
            return Interest::NOTHING;
        }
        let [_, before] = &self.roles;
        Interest { level: self.level, previous: before.get(&socket.cookie).copied() }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
    ) -> ControlFlow<()> {
        let passes = self.states.contains(socket.state)
            && self.filter.passes(socket, &self.namespace, identity);
        let [now, _] = &mut self.roles;
        // The kernel may send a socket twice if it moves in its tables.
        if passes && now.insert(socket.cookie, (identity.role, identity.role_basis)).is_none() {
            let has_owners = self.level == Level::Processes;
            let namespace = &self.namespace;
            self.rows.push(SocketRow::new(socket, namespace, identity, interfaces, has_owners));
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self, poll: PollEnded<'_>, _: &mut Identities<'_>) {
        self.quality = poll.quality.clone();
    }
}

/// Takes the rows of all namespaces, and their quality.
pub(super) fn take_rows<'a>(
    collectors: impl Iterator<Item = &'a mut RowCollector>,
    quality: &mut Quality,
) -> Vec<SocketRow> {
    let mut rows = Vec::new();
    for collector in collectors {
        rows.append(&mut collector.rows);
        quality.add(mem::take(&mut collector.quality));
    }
    rows
}
