//! A diagnosis fed by polls.

use std::ops::ControlFlow;
use std::time::Instant;

use rustc_hash::FxHashSet;

use super::{Diagnosis, Question};
use crate::filter::Verdict;
use crate::model::Socket;
use crate::monitor::{
    Consumer, Identities, Identity, Interest, Interfaces, Level, Namespace, PollBegun, PollEnded,
    Quality, SocketFilter,
};
use crate::tracking::Watch;

/// The diagnosis of those sockets of one namespace that pass a filter.
#[derive(Debug)]
pub struct FilteredDiagnosis {
    /// The diagnosis.
    pub diagnosis: Diagnosis,
    /// What to know before trusting it.
    pub quality: Quality,
    /// Records that the kernel sent.
    pub dumped: u64,
    filter: SocketFilter,
    namespace: Namespace,
    began: Option<Instant>,
    /// Sockets that the filter does not pass, as their owners showed.
    unwanted: FxHashSet<u64>,
}

impl FilteredDiagnosis {
    /// Nothing observed yet.
    pub fn new(question: Question, filter: SocketFilter, namespace: Namespace) -> Self {
        Self {
            diagnosis: Diagnosis::new(question).filtered(!filter.passes_all()),
            quality: Quality::default(),
            dumped: 0,
            filter,
            namespace,
            began: None,
            unwanted: FxHashSet::default(),
        }
    }
}

impl Consumer for FilteredDiagnosis {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        let began = *self.began.get_or_insert(poll.at);
        self.diagnosis.begin(poll.at.saturating_duration_since(began));
    }

    #[inline]
    fn observe(&mut self, socket: &Socket) -> Interest {
        if self.filter.level() == Level::Processes && self.unwanted.contains(&socket.cookie) {
            return Interest::NOTHING;
        }
        match self.filter.by_figures(socket, &self.namespace) {
            Verdict::No => Interest::NOTHING,
            Verdict::Yes => Interest::new(Level::Role),
            // Owners are looked up once.
            Verdict::Unknown
                if self.filter.level() == Level::Processes
                    && self.diagnosis.knows(socket.cookie) =>
            {
                Interest::new(Level::Role)
            }
            Verdict::Unknown => Interest::new(self.filter.level().max(Level::Role)),
        }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        _: &mut Interfaces,
    ) -> ControlFlow<()> {
        let is_accepted = || {
            self.filter.level() == Level::Processes && self.diagnosis.knows(socket.cookie)
                || self.filter.passes(socket, &self.namespace, identity)
        };
        if !is_accepted() {
            if self.filter.level() == Level::Processes {
                self.unwanted.insert(socket.cookie);
            }
            return ControlFlow::Continue(());
        }
        self.diagnosis.observe(socket, (identity.role, identity.role_basis));
        ControlFlow::Continue(())
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        let role = identities.role_of_destroyed(event);
        let mut passes = || {
            self.diagnosis.knows(event.cookie)
                || self.filter.passes_destroyed(event, &self.namespace, identities)
        };
        if !self.unwanted.contains(&event.cookie) && passes() {
            self.diagnosis.on_destroy(event, role.0);
        }
    }

    fn end(&mut self, poll: PollEnded<'_>, _: &mut Identities<'_>) {
        self.quality.add(poll.quality.clone());
        self.dumped += poll.dumped;
        if poll.ending.watch == Watch::Lossy {
            self.diagnosis.lose_events();
        }
        self.diagnosis.end(poll.ending.whole_dump, poll.ending.watch != Watch::Off);
    }
}
