//! Plays a scene while somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::programs::{self, Account, Ledger};
use super::{Observed, Scene};
use crate::lab::faults::{Path, Setup};
use crate::lab::{Addresses, Counters, Link, Network, Random, Router, Side, Sums, Witness};

/// How often a disturbed scene is played.
const ATTEMPTS: usize = 3;
/// A packet is late beyond this part of the round trip, and at least this.
const LATE: (u32, Duration) = (4, Duration::from_millis(5));

/// What makes the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// The link in user space.
    Link,
    /// netem, of the kernel.
    Netem,
}

/// How often the link and the programs are asked how far they are.
const SAMPLE: Duration = Duration::from_millis(50);

/// What came of it.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What happened.
    pub observed: Observed,
    /// What was seen.
    pub seen: T,
    /// How often it was played.
    pub attempts: usize,
}

/// Plays a scene, again if it was disturbed; the last time counts. `look` says from when to when it
/// looked: that time counts.
///
/// # Errors
///
/// When there can be no such path.
pub fn play<T>(
    scene: &Scene,
    medium: Medium,
    look: impl Fn(&Setup) -> (T, [SystemTime; 2]),
) -> Result<Outcome<T>, String> {
    let mut attempts = 1;
    loop {
        let (observed, seen) = once(scene, medium, &look)?;
        if !observed.is_disturbed() || attempts == ATTEMPTS {
            return Ok(Outcome { observed, seen, attempts });
        }
        attempts += 1;
    }
}

fn once<T>(
    scene: &Scene,
    medium: Medium,
    look: impl Fn(&Setup) -> (T, [SystemTime; 2]),
) -> Result<(Observed, T), String> {
    // Hosts differ in their default. The sockets of the traffic have the scene's.
    let control = |side| (side, "ipv4/tcp_congestion_control", "reno");
    let lay = |networks: &[Network; 2], addresses: Addresses| {
        let witness = Witness::new((scene.rtt / LATE.0).max(LATE.1));
        let shapes = scene.shapes();
        match medium {
            Medium::Link => {
                let randoms = [scene.seed, !scene.seed].map(Random::from_seed);
                Link::lay_with(networks, addresses, shapes, randoms, Some(witness)).map(Path::Link)
            }
            Medium::Netem => Router::lay(networks, addresses, shapes, witness).map(Path::Router),
        }
    };
    let setup = Setup::laid(lay, &Side::BOTH.map(control), scene.is_v6, |_| true)?;
    let ledger = Arc::new(Ledger::default());
    programs::start(scene, &setup, &ledger);
    std::thread::sleep(scene.warm_up());
    let before = Moment::now(&setup, &ledger);
    let is_over = AtomicBool::new(false);
    let (seen, samples) = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| {
            let mut samples = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                samples.push(Sample::now(&setup, &ledger));
                std::thread::sleep(SAMPLE);
            }
            samples
        });
        let seen = look(&setup);
        is_over.store(true, Ordering::Relaxed);
        (seen, sampling.join().unwrap())
    });
    let after = Moment::now(&setup, &ledger);
    let mut observed = after.since(&before);
    let (seen, window) = seen;
    observed.narrow(&samples, window);
    Ok((observed, seen))
}

/// What changes all the time.
struct Sample {
    at: SystemTime,
    sums: [Sums; 2],
    programs: Account,
}

impl Sample {
    fn now(setup: &Setup, ledger: &Ledger) -> Self {
        let sums = setup.witnessed().unwrap_or_default();
        Self { at: SystemTime::now(), sums, programs: ledger.read() }
    }
}

impl Observed {
    /// Leaves what happened between two times: who looks needs time to begin and to end.
    fn narrow(&mut self, samples: &[Sample], [begin, end]: [SystemTime; 2]) {
        let first = samples.iter().rev().find(|sample| sample.at <= begin).or(samples.first());
        let last = samples.iter().find(|sample| sample.at >= end).or(samples.last());
        let (Some(first), Some(last)) = (first, last) else { return };
        let time = last.at.duration_since(first.at).unwrap_or_default();
        let part = time.as_secs_f64() / self.time.as_secs_f64();
        for (side, sums) in self.sums.iter_mut().enumerate() {
            // These are known for the whole time only.
            let corrupted = (sums.corrupted as f64 * part) as u64;
            let was_told = self.dropped.is_some();
            *sums = last.sums[side].since(first.sums[side]);
            if was_told {
                sums.corrupted = corrupted;
                sums.repairs += (sums.repeats - sums.repairs).min(corrupted);
            }
        }
        self.programs = last.programs.since(first.programs);
        self.unscheduled = self.unscheduled.mul_f64(part.min(1.0));
        self.time = time;
    }
}

/// What is known at one time.
struct Moment {
    at: Instant,
    known: Observed,
    counters: [Counters; 2],
}

impl Moment {
    fn now(setup: &Setup, ledger: &Ledger) -> Self {
        let known = Observed {
            time: Duration::ZERO,
            sums: setup.witnessed().unwrap_or_default(),
            programs: ledger.read(),
            timeouts: [0; 2],
            queue_full: [0; 2],
            device_drops: Side::BOTH.map(|side| setup.inside(side, device_drops)),
            unscheduled: match setup.router() {
                None => setup.link().unscheduled().unwrap_or_default(),
                Some(_) => Duration::ZERO,
            },
            dropped: setup.router().map(Router::dropped),
        };
        let counters = Side::BOTH.map(|side| setup.inside(side, Counters::read));
        Self { at: Instant::now(), known, counters }
    }

    fn since(&self, before: &Self) -> Observed {
        let sides = [0, 1];
        let growth = |side: usize, name| self.counters[side].growth(&before.counters[side], name);
        let mut sums = sides.map(|side| self.known.sums[side].since(before.known.sums[side]));
        let dropped = self.known.dropped.zip(before.known.dropped);
        if dropped.is_some() {
            // A tap does not see what is wrong inside a packet: the receiver's kernel does.
            for side in sides {
                let sums = &mut sums[side];
                let all = (sums.data + sums.acks + sums.syns).max(1);
                sums.corrupted = growth(1 - side, "InCsumErrors") * sums.data / all;
            }
        }
        Observed {
            time: self.at - before.at,
            sums,
            programs: self.known.programs.since(before.known.programs),
            queue_full: sides.map(|side| growth(side, "ListenOverflows")),
            // A SYN that is sent again is counted as a timeout as well.
            timeouts: sides.map(|side| {
                growth(side, "TCPTimeouts").saturating_sub(growth(side, "TCPSynRetrans"))
            }),
            device_drops: sides
                .map(|side| self.known.device_drops[side] - before.known.device_drops[side]),
            unscheduled: self.known.unscheduled.saturating_sub(before.known.unscheduled),
            dropped: dropped.map(|(now, then)| sides.map(|side| now[side] - then[side])),
        }
    }
}

/// Packets that the device of the calling thread's namespace dropped instead of sending.
fn device_drops() -> u64 {
    // One line per device: its name, eight figures of receiving, and then of sending.
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lab0:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(11));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}
