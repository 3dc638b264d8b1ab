//! Polls as the program makes them: counters, dump, events, counters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tcpdiag::model::{Families, Socket, State, StateSet};
use tcpdiag::socket_diag::{Drained, Events, Query, Sockets};
use tcpdiag::tracking::{Activity, Ending, Ledger, Totals, Watch};
use tcpdiag::wire::{EcnWord, Extensions};

/// A ledger with its sources, and sums over all activities.
pub struct Watcher {
    sockets: Sockets,
    pub events: Option<Events>,
    pub ledger: Ledger,
    /// Growth of every counter by name.
    pub sums: BTreeMap<&'static str, u64>,
    /// The same of client's or server's sockets by port.
    pub by_port: BTreeMap<u16, BTreeMap<&'static str, u64>>,
    pub opened: u64,
    pub closed: u64,
    pub activities: Vec<Activity>,
    /// Sums over all drains.
    pub drained: Drained,
    pub totals: Totals,
}

impl Watcher {
    /// One that has had its first poll.
    pub fn new(events: Option<Events>) -> Self {
        let mut watcher = Self {
            sockets: Sockets::open().unwrap(),
            events,
            ledger: Ledger::new(),
            sums: BTreeMap::new(),
            by_port: BTreeMap::new(),
            opened: 0,
            closed: 0,
            activities: Vec::new(),
            drained: Drained::default(),
            totals: Totals::default(),
        };
        assert!(watcher.poll().first);
        watcher
    }

    pub fn poll(&mut self) -> Totals {
        let query = Query {
            families: Families::BOTH,
            states: StateSet::BIG,
            extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
            local_port: 0,
            remote_port: 0,
            program: &[],
        };
        let ledger = &mut self.ledger;
        ledger.begin(Instant::now());
        let outcome = self.sockets.read(&query, |reply| {
            ledger.enter(&Socket::new(reply, EcnWord::Unknown).unwrap());
            ControlFlow::Continue(())
        });
        let whole_dump = outcome.unwrap().interrupted == 0;
        let watch = match &mut self.events {
            None => Watch::Off,
            Some(events) => {
                let drained = events
                    .drain(|event| {
                        ledger.on_destroy(&Socket::new(event, EcnWord::Unknown).unwrap())
                    })
                    .unwrap();
                self.drained.events += drained.events;
                self.drained.lost += drained.lost;
                self.drained.overruns += drained.overruns;
                self.drained.decode_errors += drained.decode_errors;
                if drained.is_whole() { Watch::Whole } else { Watch::Lossy }
            }
        };
        let (mut activities, ending) = (Vec::new(), Ending { watch, whole_dump });
        self.totals = self.ledger.end(ending, |activity| activities.push(*activity));
        activities.iter().for_each(|activity| self.count(activity));
        self.activities = activities;
        self.totals
    }

    fn count(&mut self, activity: &Activity) {
        let identity = &activity.identity;
        for (field, growth) in activity.delta.iter() {
            *self.sums.entry(field.name).or_default() += growth;
            let port = identity.local.port.min(identity.remote.port);
            *self.by_port.entry(port).or_default().entry(field.name).or_default() += growth;
        }
        if identity.state != State::Listen {
            self.opened += u64::from(activity.opened);
            self.closed += u64::from(activity.closed);
        }
    }

    /// Polls until so many connections have been closed.
    pub fn poll_until_closed(&mut self, sockets: u64) {
        let start = Instant::now();
        while self.closed < sockets {
            let told = (self.closed, self.totals, self.drained);
            assert!(start.elapsed() < Duration::from_secs(60), "of {sockets} {told:?}");
            std::thread::sleep(Duration::from_millis(100));
            self.poll();
        }
    }

    pub fn sum(&self, name: &str) -> u64 {
        self.sums.get(name).copied().unwrap_or(0)
    }
}
