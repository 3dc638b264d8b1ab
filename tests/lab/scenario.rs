//! Services and clients with a bad link between them, and the truth of it.
//!
//! ```ignore
//! let scenario = Scenario::builder()
//!     .service(2181, Profile::short(16, 2000), 0.02)
//!     .service(9092, Profile::Download { flows: 4, rate: None }, 0.005)
//!     .over(Medium::Link([Shape::delayed(10); 2]));
//! let Some((truth, seen)) = scenario.run_with(Duration::from_secs(5), |stage| {
//!     // Services listen; take a first sample.
//!     let before = stage.inside(Side::Server, look);
//!     stage.wait(); // Traffic, until every socket is closed.
//!     (before, stage.inside(Side::Server, look))
//! }) else {
//!     return; // Skipped, and said why.
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
    Addresses, Counters, Link, Network, Profile, Service, Shape, Side, SideTruth, Source, Stage,
    Trace, Truth, Wire, require,
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

/// What is to happen.
#[derive(Debug, Clone)]
pub struct Scenario {
    services: Vec<Service>,
    medium: Medium,
    one_segment_per_packet: bool,
}

/// How long sockets may take to come to an end when nothing gets lost any more.
const PATIENCE: Duration = Duration::from_secs(15);
/// For the last events to be in the trace, and in the counters.
const AFTERMATH: Duration = Duration::from_millis(100);

impl Scenario {
    /// Nothing, over a wire.
    pub fn builder() -> Self {
        Self { services: Vec::new(), medium: Medium::Wire, one_segment_per_packet: true }
    }

    /// With a service that loses this part of its packets, in both directions.
    pub fn service(self, port: u16, profile: Profile, loss: f64) -> Self {
        self.with(Service::new(port, profile, loss))
    }

    /// With a service.
    pub fn with(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Over something else than a wire.
    pub fn over(mut self, medium: Medium) -> Self {
        self.medium = medium;
        self
    }

    /// With packets of many segments, as devices make them. A traced event then
    /// may be several segments.
    pub fn with_offload(mut self) -> Self {
        self.one_segment_per_packet = false;
        self
    }

    /// Lets it happen for so long, and until it has settled. `None`, and said,
    /// where there can be no such link.
    pub fn run(&self, duration: Duration) -> Option<Truth> {
        self.run_with(duration, |stage| stage.wait()).map(|(truth, ())| truth)
    }

    /// The same under the eyes of an observer. See [`Stage`].
    pub fn run_with<T>(
        &self,
        duration: Duration,
        observe: impl FnOnce(&Stage<'_>) -> T,
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
        let stage = Stage::new(&networks);
        let mut unsettled = 0;
        let observed = std::thread::scope(|scope| {
            let conductor = scope.spawn(|| {
                stage.await_begin();
                conduct(&businesses, &networks, duration, || match &medium {
                    Laid::Wire(..) => Loss::end(&networks),
                    Laid::Link(link) => link.calm(),
                });
                let unsettled = settle(&networks);
                std::thread::sleep(AFTERMATH);
                stage.end();
                unsettled
            });
            let observed = {
                // Also when the observer fails.
                let _begun = Begin(&stage);
                observe(&stage)
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

    /// Joins the networks, and makes the link as bad as it shall be.
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
        if self.one_segment_per_packet {
            for network in networks {
                network.inside(one_segment_per_packet)?;
            }
        }
        Ok(laid)
    }
}

/// A medium in use.
enum Laid {
    Wire(Wire, Loss),
    Link(Link),
}

/// Begins the traffic at the latest when the observer is gone.
struct Begin<'a>(&'a Stage<'a>);

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

/// Waits until no socket has anything to send; how many still have.
fn settle(networks: &[Network; 2]) -> usize {
    let end = Instant::now() + PATIENCE;
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
