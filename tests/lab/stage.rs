//! Where an observer stands while a scenario runs.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::{Network, Side};

/// The running scenario, for whoever watches it.
#[derive(Debug)]
pub struct Stage<'a> {
    networks: &'a [Network; 2],
    scene: Mutex<Scene>,
    changed: Condvar,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scene {
    /// Services listen, and nobody calls.
    Waiting,
    Traffic,
    /// All is said, and every socket closed.
    Over,
}

impl<'a> Stage<'a> {
    /// Before the traffic.
    pub fn new(networks: &'a [Network; 2]) -> Self {
        Self { networks, scene: Mutex::new(Scene::Waiting), changed: Condvar::new() }
    }

    /// Lets the traffic begin: when the observer has its first sample. (It also
    /// begins when the observer returns.)
    pub fn begin(&self) {
        self.advance(Scene::Traffic);
    }

    /// Whether all traffic is over, and settled.
    pub fn is_over(&self) -> bool {
        *self.scene.lock().unwrap() == Scene::Over
    }

    /// Waits until it is over; begins it first.
    pub fn wait(&self) {
        self.begin();
        self.reach(Scene::Over);
    }

    /// Waits for so long, or less if it is over before; whether it is not.
    pub fn wait_for(&self, time: Duration) -> bool {
        self.begin();
        let end = Instant::now() + time;
        let mut scene = self.scene.lock().unwrap();
        while *scene != Scene::Over {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            scene = self.changed.wait_timeout(scene, left).unwrap().0;
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

    /// Does something in the namespace of one end; see [`Network::inside`].
    pub fn inside<T: Send>(&self, side: Side, act: impl FnOnce() -> T + Send) -> T {
        self.network(side).inside(act)
    }

    /// For the scenario.
    pub(super) fn await_begin(&self) {
        self.reach(Scene::Traffic);
    }

    /// For the scenario.
    pub(super) fn end(&self) {
        self.advance(Scene::Over);
    }

    fn advance(&self, to: Scene) {
        let mut scene = self.scene.lock().unwrap();
        *scene = to.max(*scene);
        self.changed.notify_all();
    }

    fn reach(&self, goal: Scene) {
        let scene = self.scene.lock().unwrap();
        drop(self.changed.wait_while(scene, |scene| *scene < goal).unwrap());
    }
}
