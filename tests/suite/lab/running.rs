//! A scenario while it runs, as its observer uses it.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::{Network, Side};

/// The running scenario, for its observer.
#[derive(Debug)]
pub struct RunningScenario<'a> {
    networks: &'a [Network; 2],
    phase: Mutex<Phase>,
    changed: Condvar,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Services listen; no client has connected.
    Waiting,
    Traffic,
    /// The traffic has ended and every socket is closed.
    Over,
}

impl<'a> RunningScenario<'a> {
    /// Before the traffic.
    pub fn new(networks: &'a [Network; 2]) -> Self {
        Self { networks, phase: Mutex::new(Phase::Waiting), changed: Condvar::new() }
    }

    /// Lets the traffic begin, once the observer has its first sample. (It also begins when the
    /// observer returns.)
    pub fn begin(&self) {
        self.advance(Phase::Traffic);
    }

    /// Whether all traffic has ended and every socket is closed.
    pub fn is_over(&self) -> bool {
        *self.phase.lock().unwrap() == Phase::Over
    }

    /// Begins the traffic and waits for its end.
    pub fn wait(&self) {
        self.begin();
        self.reach(Phase::Over);
    }

    /// Begins the traffic and waits for its end, at most for `time`; whether it still runs.
    pub fn wait_for(&self, time: Duration) -> bool {
        self.begin();
        let end = Instant::now() + time;
        let mut phase = self.phase.lock().unwrap();
        while *phase != Phase::Over {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            phase = self.changed.wait_timeout(phase, left).unwrap().0;
        }
        false
    }

    /// The namespace of one end.
    pub fn network(&self, side: Side) -> &Network {
        &self.networks[side.index()]
    }

    /// Both namespaces, by side.
    pub fn networks(&self) -> &[Network; 2] {
        self.networks
    }

    /// Runs `act` in the namespace of one end; see [`Network::inside`].
    pub fn inside<T: Send>(&self, side: Side, act: impl FnOnce() -> T + Send) -> T {
        self.network(side).inside(act)
    }

    /// For the scenario.
    pub(super) fn await_begin(&self) {
        self.reach(Phase::Traffic);
    }

    /// For the scenario.
    pub(super) fn end(&self) {
        self.advance(Phase::Over);
    }

    fn advance(&self, to: Phase) {
        let mut phase = self.phase.lock().unwrap();
        *phase = to.max(*phase);
        self.changed.notify_all();
    }

    fn reach(&self, goal: Phase) {
        let phase = self.phase.lock().unwrap();
        drop(self.changed.wait_while(phase, |phase| *phase < goal).unwrap());
    }
}
