//! A link in user space: two TUN devices in two namespaces, and one thread
//! that carries packets from one to the other, as badly as it is told to. It
//! stands in for netem, which many kernels are built without.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::wire::{DEVICE, address};
use super::{Addresses, Network, Random, Segment, Shape, Side};

/// What happened to the packets that one side sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that entered.
    pub entered: u64,
    /// Of these: lost by chance, or in an outage.
    pub lost: u64,
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
            over: AtomicBool::new(false),
        });
        let carrier = Carrier {
            devices,
            shared: Arc::clone(&shared),
            randoms: [Random::of("client's packets"), later(Random::of("server's packets"))],
            under_way: BinaryHeap::new(),
            spare: Vec::new(),
            free_at: [Instant::now(); 2],
            leaving: Default::default(),
            last: [Instant::now(); 2],
            order: 0,
            began: Instant::now(),
        };
        let thread = std::thread::spawn(|| carrier.carry());
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
    bytes: Vec<u8>,
}

/// What the thread owns.
struct Carrier {
    devices: [File; 2],
    shared: Arc<Shared>,
    randoms: [Random; 2],
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
        let random = &mut self.randoms[from];
        tally.entered += 1;
        let by_port = {
            let losses = self.shared.losses.lock().unwrap();
            if losses.is_empty() { 0.0 } else { loss_of(&losses, from, bytes) }
        };
        let judged = match &mut *self.shared.judge.lock().unwrap() {
            None => false,
            Some(judge) => {
                Segment::of(bytes).is_some_and(|segment| judge(Side::BOTH[from], &segment))
            }
        };
        let by_chance = happens(random, shape.loss) | happens(random, by_port);
        if by_chance | judged | is_out(shape, now - self.began) {
            tally.lost += 1;
            return;
        }
        let leaves = match shape.rate {
            None => now,
            Some(rate) => {
                let waiting = &mut self.leaving[from];
                while waiting.front().is_some_and(|leaves| *leaves <= now) {
                    waiting.pop_front();
                }
                if waiting.len() >= shape.queue {
                    tally.overflowed += 1;
                    return;
                }
                let takes = Duration::from_secs_f64(bytes.len() as f64 / rate as f64);
                let leaves = self.free_at[from].max(now) + takes;
                self.free_at[from] = leaves;
                waiting.push_back(leaves);
                leaves
            }
        };
        let jitter = shape.jitter.mul_f64(fraction(random));
        let arrives = (leaves + shape.delay + jitter).max(self.last[from]);
        let held = happens(random, shape.reorder);
        let due = if held { arrives + shape.hold } else { arrives };
        if held {
            tally.held += 1;
        } else {
            self.last[from] = arrives;
        }
        let twice = happens(random, shape.duplicate);
        tally.duplicated += u64::from(twice);
        for _ in 0..=u32::from(twice) {
            let mut copy = self.spare.pop().unwrap_or_default();
            copy.clear();
            copy.extend_from_slice(bytes);
            self.order += 1;
            self.under_way.push(Reverse(Packet { due, order: self.order, from, bytes: copy }));
        }
    }

    /// Hands over what is due.
    fn deliver(&mut self, tallies: &mut [Tally; 2]) {
        let now = Instant::now();
        while self.under_way.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
            let Some(Reverse(packet)) = self.under_way.pop() else { break };
            let tally = &mut tallies[packet.from];
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
            tally.overflowed += new.overflowed;
            tally.held += new.held;
            tally.duplicated += new.duplicated;
            tally.delivered += new.delivered;
            tally.bytes += new.bytes;
            tally.refused += new.refused;
        }
    }
}

/// A number from 0 to 1, without 1.
fn fraction(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether the link is dead, this long after it was laid.
fn is_out(shape: &Shape, since: Duration) -> bool {
    shape.outage.is_some_and(|[every, length]| {
        let phase = since.as_nanos() % every.as_nanos();
        phase >= every.saturating_sub(length).as_nanos()
    })
}

/// Always draws, so that a seed means the same whatever the chances are.
fn happens(random: &mut Random, chance: f64) -> bool {
    fraction(random) < chance
}

/// The chance that a packet is lost for its port's sake.
fn loss_of(losses: &BTreeMap<u16, [f64; 2]>, from: usize, bytes: &[u8]) -> f64 {
    // The service is the destination of what clients send, the source of what servers send.
    let port = Segment::of(bytes).map(|segment| segment.ports[1 - from]);
    port.and_then(|port| losses.get(&port)).map_or(0.0, |losses| losses[from])
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
