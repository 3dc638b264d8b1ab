//! A link in user space: two TUN devices in two namespaces, and one thread
//! that carries packets from one to the other, as badly as it is told to. It
//! stands in for netem, which many kernels are built without.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::wire::{DEVICE, address};
use super::{Addresses, Affects, Network, Random, Segment, Shape, Side, too_big};
use super::{Fate, Sums, Witness};

/// What happened to the packets that one side sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that entered.
    pub entered: u64,
    /// Of these: lost by chance, or in an outage.
    pub lost: u64,
    /// Of these: larger than a hop takes.
    pub too_big: u64,
    /// Of these: delivered with a wrong checksum.
    pub corrupted: u64,
    /// Of these: dropped by the full queue.
    pub overflowed: u64,
    /// Held back.
    pub held: u64,
    /// Copies added.
    pub duplicated: u64,
    /// Packets handed to the other side, copies included.
    pub delivered: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that the other side's device refused.
    pub refused: u64,
}

/// Whether a segment that this side sent gets lost.
type Judge = Box<dyn FnMut(Side, &Segment) -> bool + Send>;

/// What the carrying thread and its owner share.
struct Shared {
    shapes: Mutex<[Shape; 2]>,
    /// Additional loss by the service's port and the side that sends.
    losses: Mutex<BTreeMap<u16, [f64; 2]>>,
    judge: Mutex<Option<Judge>>,
    tallies: Mutex<[Tally; 2]>,
    witness: Mutex<Option<Witness>>,
    /// The carrying thread's id.
    thread: AtomicU32,
    over: AtomicBool,
}

/// The link. It ends, with its devices, when it is dropped.
pub struct Link {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Longer than a packet.
const LONGEST: usize = 64 << 10;
/// Packets taken from one side before the other has its turn.
const BATCH: usize = 64;
/// How long the thread sleeps when there is nothing to do.
const IDLE: Duration = Duration::from_millis(20);

impl Link {
    /// Joins the networks; `shapes` by the side that sends. Fails where there
    /// is no TUN.
    pub fn lay(
        networks: &[Network; 2],
        addresses: Addresses,
        shapes: [Shape; 2],
    ) -> Result<Self, String> {
        let randoms = [Random::of("client's packets"), later(Random::of("server's packets"))];
        Self::lay_with(networks, addresses, shapes, randoms, None)
    }

    /// The same with these random numbers, by the side that sends, and with somebody who watches.
    pub fn lay_with(
        networks: &[Network; 2],
        addresses: Addresses,
        shapes: [Shape; 2],
        randoms: [Random; 2],
        witness: Option<Witness>,
    ) -> Result<Self, String> {
        let mut devices = Vec::new();
        for side in Side::BOTH {
            devices.push(networks[side.index()].inside(|| {
                let device = attach()?;
                address(addresses, side)?;
                Ok::<_, String>(device)
            })?);
        }
        let devices: [File; 2] = devices.try_into().unwrap();
        let shared = Arc::new(Shared {
            shapes: Mutex::new(shapes),
            losses: Mutex::default(),
            judge: Mutex::default(),
            tallies: Mutex::default(),
            witness: Mutex::new(witness),
            thread: AtomicU32::new(0),
            over: AtomicBool::new(false),
        });
        let carrier = Carrier {
            devices,
            shared: Arc::clone(&shared),
            accidents: randoms.each_ref().map(Random::apart),
            randoms,
            in_burst: [false; 2],
            under_way: BinaryHeap::new(),
            spare: Vec::new(),
            free_at: [Instant::now(); 2],
            leaving: Default::default(),
            last: [Instant::now(); 2],
            order: 0,
            began: Instant::now(),
        };
        let is_watched = shared.witness.lock().unwrap().is_some();
        let thread = std::thread::spawn(move || {
            if is_watched {
                be_punctual();
            }
            carrier.carry();
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes what becomes of packets from now on.
    pub fn set_shapes(&self, shapes: [Shape; 2]) {
        *self.shared.shapes.lock().unwrap() = shapes;
    }

    /// Loses this part of a service's packets, by the side that sends.
    pub fn lose(&self, port: u16, losses: [f64; 2]) {
        self.shared.losses.lock().unwrap().insert(port, losses);
    }

    /// Loses the segments of which `judge` says so.
    pub fn lose_if(&self, judge: impl FnMut(Side, &Segment) -> bool + Send + 'static) {
        *self.shared.judge.lock().unwrap() = Some(Box::new(judge));
    }

    /// Ends all accidents; delays and rates stay.
    pub fn calm(&self) {
        self.shared.losses.lock().unwrap().clear();
        *self.shared.judge.lock().unwrap() = None;
        let mut shapes = self.shared.shapes.lock().unwrap();
        *shapes = shapes.map(Shape::calm);
    }

    /// What the witness has seen up to now, by the side that sent; `None` without one.
    pub fn witnessed(&self) -> Option<[Sums; 2]> {
        self.shared.witness.lock().unwrap().as_mut().map(|witness| witness.sums(Instant::now()))
    }

    /// How long the carrying thread has waited for a processor, if this kernel says so.
    pub fn unscheduled(&self) -> Option<Duration> {
        let thread = self.shared.thread.load(Ordering::Relaxed);
        let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        Some(Duration::from_nanos(text.split_whitespace().nth(1)?.parse().ok()?))
    }

    /// What became of the packets that `side` sent.
    pub fn tally(&self, side: Side) -> Tally {
        self.shared.tallies.lock().unwrap()[side.index()]
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the link broke");
        }
    }
}

/// The same stream from a later place: both directions have one seed.
fn later(mut random: Random) -> Random {
    for _ in 0..4096 {
        random.next();
    }
    random
}

/// A packet on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    /// Those due at the same time leave as they came.
    order: u64,
    from: usize,
    /// Whether it carries data for the first time.
    is_original: bool,
    /// Whether the receiver's kernel will drop it.
    is_corrupt: bool,
    bytes: Vec<u8>,
}

/// What the thread owns.
struct Carrier {
    devices: [File; 2],
    shared: Arc<Shared>,
    randoms: [Random; 2],
    /// For accidents that older scenes do not have.
    accidents: [Random; 2],
    /// Whether a burst of losses goes on.
    in_burst: [bool; 2],
    under_way: BinaryHeap<Reverse<Packet>>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    /// When the last packet in the queue will have left, by side.
    free_at: [Instant; 2],
    /// When each packet that waits for the rate leaves.
    leaving: [VecDeque<Instant>; 2],
    /// When the last packet that was not held back arrives.
    last: [Instant; 2],
    order: u64,
    /// When the link was laid.
    began: Instant,
}

impl Carrier {
    fn carry(mut self) {
        let mut buffer = vec![0; LONGEST];
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.shared.thread.store(thread.cast_unsigned(), Ordering::Relaxed);
        while !self.shared.over.load(Ordering::Relaxed) {
            let mut tallies = [Tally::default(); 2];
            self.deliver(&mut tallies);
            self.wait();
            let shapes = *self.shared.shapes.lock().unwrap();
            for (from, shape) in shapes.iter().enumerate() {
                for _ in 0..BATCH {
                    let Ok(length) = (&self.devices[from]).read(&mut buffer) else { break };
                    self.accept(from, shape, &buffer[..length], &mut tallies[from]);
                }
            }
            self.add(tallies);
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self) {
        let next = self.under_way.peek().map(|Reverse(packet)| packet.due);
        let now = Instant::now();
        let nap = next.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE));
        let nap = Timespec { tv_sec: 0, tv_nsec: nap.subsec_nanos().into() };
        let mut ready = self.devices.each_ref().map(|file| PollFd::new(file, PollFlags::IN));
        // Interrupted is as good as over.
        let _ = poll(&mut ready, Some(&nap));
    }

    /// Takes a packet in, or loses it.
    fn accept(&mut self, from: usize, shape: &Shape, bytes: &[u8], tally: &mut Tally) {
        let now = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut witness = shared.witness.lock().unwrap();
        tally.entered += 1;
        let segment = Segment::of(bytes);
        let is_original = match (&mut *witness, &segment) {
            (Some(witness), Some(segment)) => witness.sent(from, segment, now),
            _ => false,
        };
        let mut end = |fate| {
            if let (Some(witness), Some(segment)) = (&mut *witness, &segment) {
                witness.ended(from, segment, is_original, fate);
            }
        };
        if self.is_lost(from, shape, bytes, segment.as_ref(), now) {
            tally.lost += 1;
            end(Fate::Lost);
            return;
        }
        if let Some(narrow) = shape.narrow.filter(|narrow| bytes.len() > narrow.mtu.into()) {
            tally.too_big += 1;
            end(Fate::TooBig);
            let message = narrow.tells.then(|| too_big(bytes, narrow.mtu)).flatten();
            if let Some(message) = message {
                let _ = (&self.devices[from]).write(&message);
            }
            return;
        }
        let Some(leaves) = self.queue(from, shape, bytes.len(), now) else {
            tally.overflowed += 1;
            end(Fate::Overflowed);
            return;
        };
        let is_corrupt =
            self.accidents[from].happens(shape.corrupt) && segment.is_some() && !bytes.is_empty();
        if is_corrupt {
            tally.corrupted += 1;
            end(Fate::Corrupted);
        }
        let random = &mut self.randoms[from];
        let jitter = shape.jitter.mul_f64(random.fraction());
        let arrives = (leaves + shape.delay + jitter).max(self.last[from]);
        let held = random.happens(shape.reorder);
        let due = if held { arrives + shape.hold } else { arrives };
        if held {
            tally.held += 1;
        } else {
            self.last[from] = arrives;
        }
        let twice = random.happens(shape.duplicate);
        tally.duplicated += u64::from(twice);
        if let Some(witness) = &mut *witness {
            witness.queued(from, segment.as_ref(), leaves.saturating_duration_since(now), twice);
        }
        for number in 0..=u32::from(twice) {
            let mut copy = self.spare.pop().unwrap_or_default();
            copy.clear();
            copy.extend_from_slice(bytes);
            if let Some(last) = copy.last_mut().filter(|_| is_corrupt) {
                *last ^= 0x55;
            }
            self.order += 1;
            let order = self.order;
            let is_original = is_original && number == 0;
            let packet = Packet { due, order, from, is_original, is_corrupt, bytes: copy };
            self.under_way.push(Reverse(packet));
        }
    }

    /// Whether it gets lost by chance, by its owner's judgement, or in an outage.
    fn is_lost(
        &mut self,
        from: usize,
        shape: &Shape,
        bytes: &[u8],
        segment: Option<&Segment>,
        now: Instant,
    ) -> bool {
        let by_port = {
            let losses = self.shared.losses.lock().unwrap();
            if losses.is_empty() { 0.0 } else { loss_of(&losses, from, bytes) }
        };
        let judged = match &mut *self.shared.judge.lock().unwrap() {
            None => false,
            Some(judge) => segment.is_some_and(|segment| judge(Side::BOTH[from], segment)),
        };
        let is_affected = match shape.affects {
            Affects::All => true,
            Affects::Data => segment.is_some_and(|segment| segment.payload > 0),
            Affects::Acks => segment.is_some_and(|segment| segment.payload == 0),
        };
        let chance = match (is_affected, shape.burst > 1.0) {
            (false, _) => 0.0,
            (true, false) => shape.loss,
            // Gilbert's channel: the share of lost packets is `loss`, the mean burst `burst`.
            (true, true) if self.in_burst[from] => 1.0 - 1.0 / shape.burst,
            (true, true) => shape.loss / (shape.burst * (1.0 - shape.loss)),
        };
        let random = &mut self.randoms[from];
        let by_chance = random.happens(chance);
        if is_affected {
            self.in_burst[from] = by_chance;
        }
        by_chance | random.happens(by_port) | judged | is_out(shape, now - self.began)
    }

    /// When a packet of this length has left the queue; `None` if there is no room for it.
    fn queue(
        &mut self,
        from: usize,
        shape: &Shape,
        length: usize,
        now: Instant,
    ) -> Option<Instant> {
        let Some(rate) = shape.rate else { return Some(now) };
        let waiting = &mut self.leaving[from];
        while waiting.front().is_some_and(|leaves| *leaves <= now) {
            waiting.pop_front();
        }
        let begins = self.free_at[from].max(now);
        let is_full = match shape.longest_wait {
            None => waiting.len() >= shape.queue,
            // There is always room for one.
            Some(longest) => !waiting.is_empty() && begins - now > longest,
        };
        if is_full {
            return None;
        }
        let leaves = begins + Duration::from_secs_f64(length as f64 / rate as f64);
        self.free_at[from] = leaves;
        waiting.push_back(leaves);
        Some(leaves)
    }

    /// Hands over what is due.
    fn deliver(&mut self, tallies: &mut [Tally; 2]) {
        let now = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut witness = shared.witness.lock().unwrap();
        while self.under_way.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
            let Some(Reverse(packet)) = self.under_way.pop() else { break };
            let tally = &mut tallies[packet.from];
            if let Some(witness) = &mut *witness {
                witness.late(packet.from, now - packet.due);
                if let Some(segment) = Segment::of(&packet.bytes).filter(|_| !packet.is_corrupt) {
                    witness.arrived(packet.from, &segment, packet.is_original, now);
                }
            }
            match (&self.devices[1 - packet.from]).write(&packet.bytes) {
                Ok(_) => {
                    tally.delivered += 1;
                    tally.bytes += packet.bytes.len() as u64;
                }
                Err(_) => tally.refused += 1,
            }
            self.spare.push(packet.bytes);
        }
    }

    fn add(&self, new: [Tally; 2]) {
        let mut tallies = self.shared.tallies.lock().unwrap();
        for (tally, new) in tallies.iter_mut().zip(new) {
            tally.entered += new.entered;
            tally.lost += new.lost;
            tally.too_big += new.too_big;
            tally.corrupted += new.corrupted;
            tally.overflowed += new.overflowed;
            tally.held += new.held;
            tally.duplicated += new.duplicated;
            tally.delivered += new.delivered;
            tally.bytes += new.bytes;
            tally.refused += new.refused;
        }
    }
}

/// Whether the link is dead, this long after it was laid.
fn is_out(shape: &Shape, since: Duration) -> bool {
    shape.outage.is_some_and(|[every, length]| {
        let phase = since.as_nanos() % every.as_nanos();
        phase >= every.saturating_sub(length).as_nanos()
    })
}

/// The chance that a packet is lost for its port's sake.
fn loss_of(losses: &BTreeMap<u16, [f64; 2]>, from: usize, bytes: &[u8]) -> f64 {
    // The service is the destination of what clients send, the source of what servers send.
    let port = Segment::of(bytes).map(|segment| segment.ports[1 - from]);
    port.and_then(|port| losses.get(&port)).map_or(0.0, |losses| losses[from])
}

/// Lets the calling thread run before all others, where it may: other work on this machine must
/// not look like a bad path.
#[expect(unsafe_code, reason = "rustix does not know real-time scheduling")]
fn be_punctual() {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel reads a struct sched_param. Only the host's root is allowed; others go
    // on as they are, and their disturbed runs do not count.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const first) };
}

/// A TUN device in the namespace of the calling thread.
#[expect(unsafe_code, reason = "rustix does not know TUN")]
fn attach() -> Result<File, String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    let options = options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC);
    let device = options.open("/dev/net/tun").map_err(|error| format!("/dev/net/tun: {error}"))?;
    // struct ifreq: the name, then the flags.
    let mut request = [0_u8; 40];
    request[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the kernel reads and writes a struct ifreq, which is 40 bytes long.
    let outcome =
        unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) };
    if outcome < 0 {
        return Err(format!("TUNSETIFF: {}", std::io::Error::last_os_error()));
    }
    Ok(device)
}
