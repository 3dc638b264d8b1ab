//! The program's own polls, with the sums over all activities.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tcpdiag::identity::{Grouping, Rules, ServiceRegistry};
use tcpdiag::model::{Socket, State};
use tcpdiag::monitor::{
    Consumer, CounterFiles, CounterGate, Identities, Identity, Interest, Interfaces,
    NamespaceMonitor, Opening, OwnerResolver, PollBegun, PollEnded, PollRequest, Shared,
};
use tcpdiag::procfs::{Namespaces, PortNames};
use tcpdiag::socket_diag::EventOptions;
use tcpdiag::tracking::{Activity, SocketTracker, Totals};
use tcpdiag::wire::EcnWord;

/// Destroy events of all polls.
#[derive(Debug, Default, Clone, Copy)]
pub struct Events {
    pub received: u64,
    pub lost: u64,
    pub decode_errors: u64,
}

impl Events {
    /// Whether all of them were received and understood.
    pub fn is_whole(self) -> bool {
        self.lost == 0 && self.decode_errors == 0
    }
}

/// The results of the polls of a namespace.
pub struct Ledger {
    tracker: SocketTracker,
    /// Growth of every counter by name.
    sums: BTreeMap<&'static str, u64>,
    pub opened: u64,
    pub closed: u64,
    /// Of the last poll.
    pub activities: Vec<Activity>,
    pub events: Events,
    pub totals: Totals,
}

impl Ledger {
    fn count(&mut self, activity: &Activity) {
        for (field, growth) in activity.delta.iter() {
            *self.sums.entry(field.name).or_default() += growth;
        }
        if activity.identity.state != State::Listen {
            self.opened += u64::from(activity.opened);
            self.closed += u64::from(activity.closed);
        }
    }

    pub fn sum(&self, name: &str) -> u64 {
        self.sums.get(name).copied().unwrap_or(0)
    }
}

impl Consumer for Ledger {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.tracker.begin(poll.at);
    }

    fn observe(&mut self, socket: &Socket) -> Interest {
        self.tracker.observe(socket);
        Interest::NOTHING
    }

    fn identified(&mut self, _: &Socket, _: &Identity<'_>, _: &mut Interfaces) -> ControlFlow<()> {
        unreachable!("nothing was asked for")
    }

    fn on_destroy(&mut self, event: &Socket, _: &mut Identities<'_>) {
        self.tracker.on_destroy(event);
    }

    fn end(&mut self, poll: PollEnded<'_>, _: &mut Identities<'_>) {
        self.events.received += poll.events.unwrap_or(0);
        self.events.lost += poll.events_lost;
        self.events.decode_errors += poll.quality.decode_errors;
        let mut activities = std::mem::take(&mut self.activities);
        activities.clear();
        self.totals = self.tracker.end(poll.ending, |activity| activities.push(*activity));
        activities.iter().for_each(|activity| self.count(activity));
        self.activities = activities;
    }
}

/// Polls the namespace of this process.
pub struct Watcher {
    monitor: NamespaceMonitor,
    shared: Shared,
    ledger: Ledger,
}

impl std::ops::Deref for Watcher {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl Watcher {
    /// A watcher after its first poll.
    pub fn new(events: Option<EventOptions>) -> Self {
        let namespace = Namespaces::new("/proc".as_ref()).current().unwrap();
        let gate = CounterGate::new(None);
        let opening = Opening { files: CounterFiles::Catalogue, events, gate };
        let ports = PortNames::default();
        let mut watcher = Self {
            monitor: NamespaceMonitor::open(&namespace, opening, None).unwrap(),
            shared: Shared {
                registry: ServiceRegistry::new(Rules::default(), Grouping::default(), ports),
                owners: OwnerResolver::none(),
                ecn: EcnWord::Unknown,
                recorder: None,
            },
            ledger: Ledger {
                tracker: SocketTracker::new(),
                sums: BTreeMap::new(),
                opened: 0,
                closed: 0,
                activities: Vec::new(),
                events: Events::default(),
                totals: Totals::default(),
            },
        };
        assert_eq!(watcher.monitor.no_events, None);
        assert!(watcher.poll().first);
        watcher
    }

    pub fn poll(&mut self) -> Totals {
        let request = PollRequest {
            names_services: false,
            ..PollRequest::of_connections(Instant::now(), true)
        };
        self.monitor.poll(&mut self.shared, &request, &mut self.ledger).unwrap();
        self.ledger.totals
    }

    /// Polls until this many sockets have been closed.
    pub fn poll_until_closed(&mut self, sockets: u64) {
        let start = Instant::now();
        while self.closed < sockets {
            let state = (self.closed, self.totals, self.events);
            assert!(start.elapsed() < Duration::from_secs(60), "of {sockets} {state:?}");
            std::thread::sleep(Duration::from_millis(100));
            self.poll();
        }
    }
}
