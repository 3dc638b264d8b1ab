//! Services and clients over a link that loses packets, with the kernel's trace of it.
//!
//! ```ignore
//! let scenario = Scenario::builder()
//!     .service(2181, Profile::short(16, 2000), 0.02)
//!     .service(9092, Profile::Download { flows: 4, rate: None }, 0.005)
//!     .over(Medium::Link([Shape::delayed(10); 2]));
//! let Some((truth, seen)) = scenario.run_with(Duration::from_secs(5), |running| {
//!     // Services listen; take a first sample.
//!     let before = running.inside(Side::Server, look);
//!     running.wait(); // Traffic, until every socket is closed.
//!     (before, running.inside(Side::Server, look))
//! }) else {
//!     return; // Skipped; the reason is printed.
//! };
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::classify::{Verdict, classify};
use super::loss::Loss;
use super::traffic::Business;
use super::wire::one_segment_per_packet;
use super::{
    Addresses, Counters, Link, Network, Profile, RunningScenario, Service, Shape, SideTruth,
    Source, Trace, Truth, Wire, require,
};

/// What carries the packets.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a test")]
pub enum Medium {
    /// Virtual Ethernet; losses by nftables.
    Wire,
    /// A user-space link over TUN, by the side that sends.
    Link([Shape; 2]),
}

/// Services, and the link to their clients.
#[derive(Debug, Clone)]
pub struct Scenario {
    services: Vec<Service>,
    medium: Medium,
}

/// How long sockets may take to close when no packet is lost any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);
/// Until the last events are in the trace and in the counters.
const EVENT_DELAY: Duration = Duration::from_millis(100);

impl Scenario {
    /// No service, over a wire.
    pub fn builder() -> Self {
        Self { services: Vec::new(), medium: Medium::Wire }
    }

    /// Adds a service that loses this share of its packets, in both directions.
    pub fn service(self, port: u16, profile: Profile, loss: f64) -> Self {
        self.with(Service::new(port, profile, loss))
    }

    /// Adds a service.
    pub fn with(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Sets the medium.
    pub fn over(mut self, medium: Medium) -> Self {
        self.medium = medium;
        self
    }

    /// Runs it for `duration` and until every socket is closed. Prints the reason and returns
    /// `None` where such a link cannot be made.
    pub fn run(&self, duration: Duration) -> Option<Truth> {
        self.run_with(duration, |running| running.wait()).map(|(truth, ())| truth)
    }

    /// The same with an observer. See [`RunningScenario`].
    pub fn run_with<T>(
        &self,
        duration: Duration,
        observe: impl FnOnce(&RunningScenario<'_>) -> T,
    ) -> Option<(Truth, T)> {
        let addresses = Addresses::next();
        let networks = [Network::new(), Network::new()];
        let medium = self.lay(&networks, addresses);
        let reason = medium.as_ref().err().cloned().unwrap_or_default();
        if !require(medium.is_ok(), &reason) {
            return None;
        }
        let medium = medium.ok()?;
        let trace = Trace::begin();
        let businesses: Vec<Arc<Business>> = self
            .services
            .iter()
            .map(|service| Business::open(service.clone(), &networks, addresses))
            .collect();
        let before = networks.each_ref().map(|network| network.inside(Counters::read));
        let running = RunningScenario::new(&networks);
        let mut unsettled = 0;
        let observed = std::thread::scope(|scope| {
            let conductor = scope.spawn(|| {
                running.await_begin();
                conduct(&businesses, &networks, duration, || match &medium {
                    Laid::Wire(..) => Loss::end(&networks),
                    Laid::Link(link) => link.calm(),
                });
                let unsettled = settle(&networks);
                std::thread::sleep(EVENT_DELAY);
                running.end();
                unsettled
            });
            let observed = {
                // Also when the observer fails.
                let _begun = Begin(&running);
                observe(&running)
            };
            unsettled = conductor.join().unwrap();
            observed
        });
        let after = networks.each_ref().map(|network| network.inside(Counters::read));
        let (verdict, source) = match trace {
            Ok(trace) => (classify(&trace.end(), addresses), Source::Traced),
            Err(reason) => (Verdict::default(), Source::Counters(reason)),
        };
        let [a, b] = before;
        let [c, d] = after;
        let mut sides = [(a, c), (b, d)].map(|(before, after)| SideTruth {
            per_port: BTreeMap::new(),
            before,
            after,
        });
        for retransmit in &verdict.retransmits {
            let side = &mut sides[retransmit.side.index()];
            side.per_port.entry(retransmit.port).or_default().count(retransmit.kind);
        }
        let work = businesses.iter().map(|business| (business.port(), business.work())).collect();
        let retransmits = verdict.retransmits.clone();
        let truth = Truth { sides, source, retransmits, work, unsettled, verdict };
        Some((truth, observed))
    }

    /// Connects the networks and applies the losses.
    fn lay(&self, networks: &[Network; 2], addresses: Addresses) -> Result<Laid, String> {
        let losses: BTreeMap<u16, [f64; 2]> =
            self.services.iter().map(|service| (service.port, service.loss)).collect();
        let laid = match self.medium {
            Medium::Wire => {
                let wire = Wire::lay(networks, addresses)?;
                Laid::Wire(wire, Loss::begin(networks, &losses)?)
            }
            Medium::Link(shapes) => {
                let link = Link::lay(networks, addresses, shapes)?;
                losses.iter().for_each(|(port, losses)| link.lose(*port, *losses));
                Laid::Link(link)
            }
        };
        for network in networks {
            network.inside(one_segment_per_packet)?;
        }
        Ok(laid)
    }
}

/// A medium in use.
enum Laid {
    Wire(Wire, Loss),
    Link(Link),
}

/// Begins the traffic when dropped: at the latest when the observer has returned.
struct Begin<'a>(&'a RunningScenario<'a>);

impl Drop for Begin<'_> {
    fn drop(&mut self) {
        self.0.begin();
    }
}

/// The traffic, from the first connection to the last FIN sent.
fn conduct(
    businesses: &[Arc<Business>],
    networks: &[Network; 2],
    duration: Duration,
    calm: impl Fn(),
) {
    std::thread::scope(|scope| {
        businesses.iter().for_each(|business| business.serve(scope));
        let clients: Vec<_> =
            businesses.iter().flat_map(|business| business.call(scope, networks)).collect();
        std::thread::sleep(duration);
        calm();
        businesses.iter().for_each(|business| business.finish());
        for client in clients {
            client.join().unwrap();
        }
        businesses.iter().for_each(|business| business.close());
    });
}

/// Waits until no socket has anything to send; returns how many still have.
fn settle(networks: &[Network; 2]) -> usize {
    let end = Instant::now() + CLOSE_TIMEOUT;
    loop {
        let busy = networks.iter().map(|network| network.inside(busy)).sum();
        if busy == 0 || Instant::now() >= end {
            return busy;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sockets in other states than TIME_WAIT and LISTEN, here.
fn busy() -> usize {
    let in_file = |file| {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        let text = text.unwrap_or_default();
        let states = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
        states.filter(|state| !["06", "0A"].contains(state)).count()
    };
    in_file("tcp") + in_file("tcp6")
}
