//! Which sockets are recorded, if not all.

use rustc_hash::FxHashSet;

use crate::filter::Plan;
use crate::socket_diag::Query;
use crate::wire::{Extensions, Reply};

/// The sockets to record.
#[derive(Debug)]
pub struct RecordingFilter {
    plan: Plan,
    /// As it was given; `None` for all sockets.
    pub text: Option<String>,
    seen: Seen,
}

/// The sockets that were recorded, for a filter that needs more than a destroy event has: then an
/// event is recorded if its socket was.
#[derive(Debug, Default)]
pub(super) struct Seen {
    is_kept: bool,
    /// Cookies in this sample and in the one before.
    cookies: [FxHashSet<u64>; 2],
}

impl Seen {
    /// Notes that a socket was recorded.
    pub(super) fn add(&mut self, reply: &Reply<'_>) {
        if self.is_kept {
            let [now, _] = &mut self.cookies;
            now.insert(reply.cookie());
        }
    }
}

impl RecordingFilter {
    /// The sockets of this plan, which `text` describes. `decides_destroyed`: destroy events have
    /// all that the plan needs.
    pub fn new(plan: Plan, text: Option<String>, decides_destroyed: bool) -> Self {
        let seen = Seen { is_kept: !decides_destroyed, ..Seen::default() };
        Self { plan, text, seen }
    }

    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.seen.cookies.swap(0, 1);
        let [now, _] = &mut self.seen.cookies;
        now.clear();
    }

    /// The request to the kernel, and the sockets that it answered with.
    pub(super) fn query(&mut self) -> (Query<'_>, &mut Seen) {
        let query = Query {
            families: self.plan.families,
            states: self.plan.states,
            extensions: Extensions::ALL,
            local_port: self.plan.local_port,
            remote_port: self.plan.remote_port,
            program: &self.plan.program,
        };
        (query, &mut self.seen)
    }

    /// Whether the destroy event of this socket is recorded.
    pub(super) fn takes_event(&self, reply: &Reply<'_>) -> bool {
        if self.seen.is_kept {
            return self.seen.cookies.iter().any(|seen| seen.contains(&reply.cookie()));
        }
        self.text.is_none() || self.plan.admits(reply)
    }
}
