//! Which sockets are recorded, if not all.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::filter::{Expr, Plan, PlanOptions};
use crate::model::StateSet;
use crate::socket_diag::Query;
use crate::wire::{Extensions, Reply};

/// The sockets to record.
#[derive(Debug)]
pub struct RecordingFilter {
    expr: Expr,
    options: PlanOptions,
    /// The plan of each network namespace, by inode: an interface has another index in each.
    plans: FxHashMap<u64, Plan>,
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
    /// The sockets of this expression, which `text` describes, as far as a kernel decides it that
    /// takes these options. `decides_destroyed`: destroy events have all that the plan needs.
    pub fn new(
        expr: Expr,
        options: PlanOptions,
        text: Option<String>,
        decides_destroyed: bool,
    ) -> Self {
        let seen = Seen { is_kept: !decides_destroyed, ..Seen::default() };
        Self { expr, options, plans: FxHashMap::default(), text, seen }
    }

    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.seen.cookies.swap(0, 1);
        let [now, _] = &mut self.seen.cookies;
        now.clear();
    }

    /// The request to the kernel in the namespace with this inode, and the sockets that it answered
    /// with.
    pub(super) fn query(&mut self, namespace: u64) -> (Query<'_>, &mut Seen) {
        let options = PlanOptions { netns: Some(namespace), ..self.options };
        let plan = self.plans.entry(namespace);
        let plan = plan.or_insert_with(|| self.expr.plan(StateSet::ALL, options));
        let query = Query {
            families: plan.families,
            states: plan.states,
            extensions: Extensions::ALL,
            local_port: plan.local_port,
            remote_port: plan.remote_port,
            program: &plan.program,
        };
        (query, &mut self.seen)
    }

    /// Forgets the namespaces that are not recorded any more.
    pub(super) fn retain(&mut self, is_recorded: impl Fn(u64) -> bool) {
        self.plans.retain(|inode, _| is_recorded(*inode));
    }

    /// Whether the destroy event of this socket of the namespace is recorded.
    pub(super) fn takes_event(&self, namespace: u64, reply: &Reply<'_>) -> bool {
        if self.seen.is_kept {
            return self.seen.cookies.iter().any(|seen| seen.contains(&reply.cookie()));
        }
        self.text.is_none() || self.plans.get(&namespace).is_some_and(|plan| plan.admits(reply))
    }
}
