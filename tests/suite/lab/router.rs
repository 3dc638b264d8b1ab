//! A path by netem: a network between two hosts, whose devices delay, lose and copy what they
//! send, and a tap on them that tells a witness. Some kernels are built without netem.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::network::ip;
use super::tap::Tap;
use super::wire::{DEVICE, address, one_segment_per_packet};
use super::{Addresses, Fate, Network, Segment, Shape, Side, Sums, Witness};

/// The router's devices, by the side that they lead to.
const PORTS: [&str; 2] = ["port0", "port1"];
/// Bytes of a full packet, to turn times into numbers of packets.
const PACKET: f64 = 1500.0;
/// How late a packet is at most that is not lost, beyond what the path explains.
const GRACE: Duration = Duration::from_millis(3);
/// How late the machine may be before a packet is taken for lost that nobody sends again.
const LATEST: Duration = Duration::from_millis(500);
/// How long a packet may stay behind that another has overtaken.
const OVERTAKEN: Duration = Duration::from_millis(20);
/// netem's own default is 1000 packets.
const UNLIMITED: f64 = 100_000.0;

/// The path. It ends when it is dropped.
pub struct Router {
    network: Network,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    watched: Mutex<Watched>,
    over: AtomicBool,
}

/// A segment on its way.
struct Sent {
    segment: Segment,
    is_original: bool,
    at: Instant,
    was_full: bool,
    /// When a later one left before it.
    overtaken: Option<Instant>,
}

struct Watched {
    witness: Witness,
    shapes: [Shape; 2],
    under_way: [VecDeque<Sent>; 2],
}

impl Router {
    /// Joins the networks; `shapes` by the side that sends. Fails where there is no netem.
    pub fn lay(
        networks: &[Network; 2],
        addresses: Addresses,
        shapes: [Shape; 2],
        witness: Witness,
    ) -> Result<Self, String> {
        let network = Network::new();
        let mac = |side: Side, end: u8| format!("02:00:00:00:{:02x}:{end:02x}", side.index());
        for side in Side::BOTH {
            let port = PORTS[side.index()];
            let (there, own) = (networks[side.index()].path(), Side::BOTH[1 - side.index()]);
            network.inside(|| {
                ip(&format!(
                    "link add {port} address {} type veth peer name {DEVICE} address {} netns {there}",
                    mac(side, 1),
                    mac(side, 2)
                ))?;
                let file = format!("/proc/sys/net/ipv6/conf/{port}/accept_dad");
                let _ = std::fs::write(file, "0");
                ip(&format!("link set {port} up"))?;
                ip(&format!("route add {}/32 dev {port}", addresses.v4(side)))?;
                ip(&format!("neigh add {} lladdr {} dev {port}", addresses.v4(side), mac(side, 2)))?;
                let _ = ip(&format!("-6 route add {}/128 dev {port}", addresses.v6(side)));
                let _ = ip(&format!(
                    "-6 neigh add {} lladdr {} dev {port}",
                    addresses.v6(side),
                    mac(side, 2)
                ));
                // What the other side sends leaves by this port.
                let netem = netem(&shapes[own.index()]);
                tc(&format!("qdisc add dev {port} root netem {netem}"))
            })?;
            networks[side.index()].inside(|| {
                address(addresses, side)?;
                one_segment_per_packet()?;
                ip(&format!(
                    "neigh add {} lladdr {} dev {DEVICE}",
                    addresses.v4(own),
                    mac(side, 1)
                ))?;
                let _ = ip(&format!(
                    "-6 neigh add {} lladdr {} dev {DEVICE}",
                    addresses.v6(own),
                    mac(side, 1)
                ));
                Ok::<_, String>(())
            })?;
        }
        let tap = network.inside(|| {
            for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{file}"), "1")
                    .map_err(|error| format!("{file}: {error}"))?;
            }
            Tap::open(PORTS)
        })?;
        let watched = Watched { witness, shapes, under_way: Default::default() };
        let shared =
            Arc::new(Shared { watched: Mutex::new(watched), over: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || watch(&tap, &own));
        Ok(Self { network, shared, thread: Some(thread) })
    }

    /// What the witness has seen up to now, by the side that sent.
    pub fn witnessed(&self) -> [Sums; 2] {
        let mut watched = self.shared.watched.lock().unwrap();
        let now = Instant::now();
        watched.give_up(now);
        watched.witness.sums(now)
    }

    /// Packets that netem dropped of what each side sent, by tc(8).
    pub fn dropped(&self) -> [u64; 2] {
        Side::BOTH.map(|side| {
            let port = PORTS[1 - side.index()];
            let text = self.network.inside(|| {
                let output = Command::new("tc").args(["-s", "qdisc", "show", "dev", port]).output();
                output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            });
            let text = text.unwrap_or_default();
            let after = text.split("(dropped ").nth(1).and_then(|rest| rest.split(',').next());
            after.and_then(|figure| figure.trim().parse().ok()).unwrap_or(0)
        })
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the tap broke");
        }
    }
}

/// Tells the witness what passes, until the path ends.
fn watch(tap: &Tap, shared: &Shared) {
    while !shared.over.load(Ordering::Relaxed) {
        let mut seen = Vec::new();
        tap.read(|packet| {
            seen.extend(
                Segment::of(packet.bytes).map(|s| (packet.port, packet.is_leaving, packet.at, s)),
            )
        });
        let mut watched = shared.watched.lock().unwrap();
        for (port, is_leaving, at, segment) in seen {
            if is_leaving {
                watched.left(1 - port, &segment, at);
            } else {
                watched.entered(port, segment, at);
            }
        }
    }
}

impl Watched {
    fn entered(&mut self, from: usize, segment: Segment, at: Instant) {
        // What is sent again, long after its time on the way, had been lost.
        let is_again = |sent: &Sent| {
            sent.segment.ports == segment.ports && sent.segment.sequence == segment.sequence
        };
        let (longest, reorder) = (self.longest(from), self.shapes[from].reorder);
        if segment.payload > 0
            && let Some(place) = self.under_way[from].iter().position(is_again)
            && self.under_way[from].get(place).is_some_and(|sent| {
                let age = at.saturating_duration_since(sent.at);
                (sent.overtaken.is_some() && reorder == 0.0) || age > longest
            })
        {
            self.lose(from, place);
        }
        let is_original = self.witness.sent(from, &segment, at);
        let queue = &mut self.under_way[from];
        let was_full =
            limit(&self.shapes[from]).is_some_and(|limit| queue.len() as f64 > limit * 0.9);
        queue.push_back(Sent { segment, is_original, at, was_full, overtaken: None });
    }

    fn left(&mut self, from: usize, segment: &Segment, at: Instant) {
        let shape = self.shapes[from];
        let alike = |sent: &Sent| sent.segment == *segment;
        let Some(place) = self.under_way[from].iter().position(alike) else {
            // A copy, or one that was changed on the way.
            self.witness.queued(from, Some(segment), Duration::ZERO, true);
            self.witness.arrived(from, segment, false, at);
            return;
        };
        // Several processors reorder a little on their own.
        for sent in self.under_way[from].iter_mut().take(place) {
            sent.overtaken.get_or_insert(at);
        }
        let Some(sent) = self.under_way[from].remove(place) else { return };
        let took = at.saturating_duration_since(sent.at).saturating_sub(shape.delay);
        match shape.rate {
            Some(_) => self.witness.queued(from, Some(segment), took, false),
            None => {
                self.witness.queued(from, Some(segment), Duration::ZERO, false);
                self.witness.late(from, took);
            }
        }
        self.witness.arrived(from, segment, sent.is_original, at);
        self.give_up(at);
    }

    /// How long a packet is under way at most, unless the machine is late.
    fn longest(&self, from: usize) -> Duration {
        let shape = self.shapes[from];
        let wait = shape.longest_wait.filter(|_| shape.rate.is_some()).unwrap_or_default();
        shape.delay + shape.delay / 2 + wait + wait / 2 + GRACE
    }

    /// Takes for lost what should have left long ago.
    fn give_up(&mut self, now: Instant) {
        for from in [0, 1] {
            let longest = self.longest(from) + LATEST;
            let shape = self.shapes[from];
            // What jumps the queue overtakes all that wait.
            let jump = if shape.reorder > 0.0 { self.longest(from) } else { Duration::ZERO };
            let is_lost = |sent: &Sent| {
                let overtaken = sent.overtaken.map(|then| now.saturating_duration_since(then));
                now.saturating_duration_since(sent.at) > longest
                    || overtaken.is_some_and(|since| since > OVERTAKEN + jump)
            };
            while self.under_way[from].front().is_some_and(is_lost) {
                self.lose(from, 0);
            }
        }
    }

    /// What is under way at this place is lost.
    fn lose(&mut self, from: usize, place: usize) {
        let Some(sent) = self.under_way[from].remove(place) else { return };
        let fate = if sent.was_full { Fate::Overflowed } else { Fate::Lost };
        self.witness.ended(from, &sent.segment, sent.is_original, fate);
    }
}

/// Packets that netem holds at most: those that wait and those under way.
fn limit(shape: &Shape) -> Option<f64> {
    let wait = shape.longest_wait.unwrap_or_default();
    let rate = shape.rate? as f64;
    Some((rate * (shape.delay + wait).as_secs_f64() / PACKET).max(4.0).floor())
}

/// The arguments of netem.
fn netem(shape: &Shape) -> String {
    let percent = |share: f64| share * 100.0;
    let mut words = format!(
        "limit {:.0} delay {}us",
        limit(shape).unwrap_or(UNLIMITED),
        shape.delay.as_micros()
    );
    let burst = shape.burst;
    if shape.loss > 0.0 && burst > 1.0 {
        let enter = shape.loss / (burst * (1.0 - shape.loss));
        words += &format!(" loss gemodel {:.4}% {:.4}%", percent(enter), percent(1.0 / burst));
    } else if shape.loss > 0.0 {
        words += &format!(" loss random {:.4}%", percent(shape.loss));
    }
    for (name, share) in
        [("reorder", shape.reorder), ("duplicate", shape.duplicate), ("corrupt", shape.corrupt)]
    {
        if share > 0.0 {
            words += &format!(" {name} {:.4}%", percent(share));
        }
    }
    if let Some(rate) = shape.rate {
        words += &format!(" rate {}bit", rate * 8);
    }
    words
}

/// Runs tc(8) in the namespace of the calling thread.
fn tc(arguments: &str) -> Result<(), String> {
    let mut command = Command::new("tc");
    let command = command.args(arguments.split_whitespace()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("tc(8) does not run: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("tc {arguments}: {complaint}")) }
}

#[test]
fn shapes_become_arguments() {
    let shape = Shape { loss: 0.01, duplicate: 0.02, ..Shape::delayed(5) };
    assert_eq!(netem(&shape), "limit 100000 delay 5000us loss random 1.0000% duplicate 2.0000%");
    let wait = Some(Duration::from_millis(35));
    let shape = Shape {
        loss: 0.1,
        burst: 4.0,
        rate: Some(1_500_000),
        longest_wait: wait,
        ..Shape::delayed(5)
    };
    assert_eq!(
        netem(&shape),
        "limit 40 delay 5000us loss gemodel 2.7778% 25.0000% rate 12000000bit"
    );
}
