//! Draws scenes. A third has no trouble; the rest has one or two.

use std::time::Duration;

use super::{Scene, Traffic, Trouble};
use crate::lab::{Affects, Narrow, Random, Side};

/// The most that the link is asked to carry, in bytes a second, all connections together.
const CARRIES: f64 = 6e6;
/// The same for an emulated processor.
const EMULATED: u64 = 800_000;
/// Bytes of a full segment.
const SEGMENT: f64 = 1448.0;

/// The kinds of trouble, as often as they are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Loss,
    BurstLoss,
    AckLoss,
    ShortQueue,
    LongQueue,
    Reorder,
    Duplicate,
    Corrupt,
    NarrowTold,
    NarrowSilent,
    ReceiveBuffer,
    SendBuffer,
    SlowReader,
    NotReading,
    Pieces,
    Refused,
    Silent,
    Resets,
    Backlog,
}

const KINDS: &[Kind] = &[
    Kind::Loss,
    Kind::Loss,
    Kind::Loss,
    Kind::BurstLoss,
    Kind::BurstLoss,
    Kind::AckLoss,
    Kind::ShortQueue,
    Kind::ShortQueue,
    Kind::LongQueue,
    Kind::LongQueue,
    Kind::Reorder,
    Kind::Reorder,
    Kind::Duplicate,
    Kind::Corrupt,
    Kind::NarrowTold,
    Kind::NarrowSilent,
    Kind::ReceiveBuffer,
    Kind::ReceiveBuffer,
    Kind::SendBuffer,
    Kind::SendBuffer,
    Kind::SlowReader,
    Kind::NotReading,
    Kind::Pieces,
    Kind::Refused,
    Kind::Silent,
    Kind::Resets,
    Kind::Backlog,
];

/// Those that can come as a second trouble, to any traffic that carries data.
const SECONDS: &[Kind] = &[
    Kind::Loss,
    Kind::BurstLoss,
    Kind::AckLoss,
    Kind::Reorder,
    Kind::Duplicate,
    Kind::Corrupt,
    Kind::Refused,
    Kind::Silent,
    Kind::Resets,
    Kind::Backlog,
];

impl Scene {
    /// The same with as little as an emulated processor carries.
    pub fn lightened(mut self) -> Self {
        self.connections = self.connections.min(6);
        if self.is_bulk() {
            self.rate = Some(self.rate.unwrap_or(EMULATED).min(EMULATED));
            let room = EMULATED as f64 * (self.rtt + self.queue).as_secs_f64() / (12.0 * SEGMENT);
            self.connections = self.connections.min(room as usize).max(1);
        }
        match &mut self.traffic {
            Traffic::Ask { pause, .. } | Traffic::Connects { pause, .. } => *pause *= 4,
            Traffic::Paced { rate } => *rate = (*rate).min(EMULATED as u32 / 6),
            _ => {}
        }
        self
    }

    /// The scene of this number in the set that begins with `seed`.
    pub fn draw(seed: u64, number: usize) -> Self {
        let mut random = Random::from_seed(seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a));
        // Neighbours begin alike.
        let seed = random.next();
        let random = &mut Random::from_seed(seed);
        // Every third, so that any set has its share.
        let mut scene = if number.is_multiple_of(3) { calm(random) } else { troubled(random) };
        (scene.number, scene.seed) = (number, seed);
        scene.control = ["reno", "cubic", "cubic", "bbr"][random.below(4)];
        scene.is_v6 = random.happens(0.4);
        if let Some(narrow) = scene.troubles.iter_mut().find_map(|trouble| match trouble {
            Trouble::Narrow(narrow) => Some(narrow),
            _ => None,
        }) && scene.is_v6
        {
            // IPv6 has no smaller ones.
            narrow.mtu = narrow.mtu.max(1280);
        }
        scene
    }
}

fn milliseconds(random: &mut Random, range: [f64; 2]) -> Duration {
    Duration::from_secs_f64(random.log_uniform(range) / 1000.0)
}

/// Bytes a second, from a range in Mbit/s.
fn rate(random: &mut Random, range: [f64; 2]) -> u64 {
    (random.log_uniform(range) * 125_000.0) as u64
}

fn up_or_down(random: &mut Random) -> Traffic {
    if random.happens(0.5) { Traffic::Up } else { Traffic::Down }
}

/// Questions and answers of less than `load` bytes a second on all connections.
fn talk(random: &mut Random, connections: usize, load: f64) -> Traffic {
    let question = random.log_uniform([50.0, 2000.0]) as usize;
    let answer = random.log_uniform([100.0, 40_000.0]) as usize;
    let least = (question + answer) as f64 * connections as f64 / load;
    let pause = Duration::from_secs_f64(least.clamp(0.02, 2.0));
    if random.happens(0.6) {
        Traffic::Ask { question, answer, pause }
    } else {
        Traffic::Connects { question, answer, pause }
    }
}

fn plain(random: &mut Random, rtt: [f64; 2]) -> Scene {
    Scene {
        number: 0,
        seed: 0,
        rtt: milliseconds(random, rtt),
        rate: None,
        queue: Duration::from_millis(50),
        traffic: Traffic::Idle,
        connections: 1 + random.log_uniform([1.0, 20.0]) as usize % 20,
        control: "cubic",
        is_v6: false,
        troubles: Vec::new(),
    }
}

/// A path within normal limits, under light load.
fn calm(random: &mut Random) -> Scene {
    let mut scene = plain(random, [0.1, 300.0]);
    if random.happens(0.5) {
        scene.rate = Some(rate(random, [2.0, 100.0]));
        scene.queue = milliseconds(random, [20.0, 100.0]);
    }
    if let Some(rate) = scene.rate {
        // Their initial windows, all at once, fit the queue.
        let room = rate as f64 * scene.queue.as_secs_f64() / (10.0 * SEGMENT);
        scene.connections = scene.connections.min(room as usize).max(1);
    }
    let most = scene.rate.map_or(CARRIES, |rate| rate as f64).min(CARRIES);
    let load = most * (0.05 + 0.2 * random.fraction());
    let each = load / scene.connections as f64;
    scene.traffic = match random.below(8) {
        0..4 => talk(random, scene.connections, load),
        4 => Traffic::Paced { rate: each.max(20e3) as u32 },
        5 | 6 => {
            let every = milliseconds(random, [50.0, 400.0]);
            // What a burst of all connections needs has to fit the queue.
            let room = most * scene.queue.as_secs_f64() * 0.4 / scene.connections as f64;
            let length = (each * every.as_secs_f64()).min(room);
            Traffic::Bursts { length: length.max(200.0) as usize, every }
        }
        _ => Traffic::Idle,
    };
    if let (
        Traffic::Ask { answer, question, .. } | Traffic::Connects { answer, question, .. },
        Some(rate),
    ) = (&mut scene.traffic, scene.rate)
    {
        // Answers that come together fit the queue as well.
        let room = rate as f64 * scene.queue.as_secs_f64() * 0.5 / scene.connections as f64;
        *answer = (*answer).min(room.max(100.0) as usize);
        *question = (*question).min(*answer);
    }
    // One loss in ten thousand is normal.
    if random.happens(0.2) {
        let from = *random.one_of(&Side::BOTH);
        let chance = random.log_uniform([1e-6, 1e-4]);
        scene.troubles.push(Trouble::Loss { from, chance, burst: 1.0, affects: Affects::All });
    }
    scene
}

fn troubled(random: &mut Random) -> Scene {
    let kind = *random.one_of(KINDS);
    let mut scene = first(random, kind);
    if random.happens(0.35) {
        let second = *random.one_of(SECONDS);
        let is_other = std::mem::discriminant(&second) != std::mem::discriminant(&kind);
        let losses = [Kind::Loss, Kind::BurstLoss, Kind::AckLoss];
        let is_possible = is_other && !(losses.contains(&kind) && losses.contains(&second));
        // What never gets through hides all else.
        let is_visible = ![Kind::NarrowSilent, Kind::NotReading].contains(&kind);
        if is_possible && is_visible {
            let sender = scene.sender();
            let trouble = trouble(random, second, sender);
            scene.troubles.push(trouble);
        }
    }
    bound(random, &mut scene);
    scene
}

/// A scene in which this trouble can show.
fn first(random: &mut Random, kind: Kind) -> Scene {
    let rtt = match kind {
        Kind::ShortQueue => [5.0, 100.0],
        Kind::LongQueue => [0.5, 40.0],
        Kind::ReceiveBuffer | Kind::SendBuffer => [10.0, 300.0],
        Kind::Pieces => [0.1, 100.0],
        _ => [0.1, 300.0],
    };
    let mut scene = plain(random, rtt);
    scene.traffic = match kind {
        Kind::Loss | Kind::BurstLoss | Kind::Corrupt if random.happens(0.5) => {
            talk(random, scene.connections, 1e6)
        }
        Kind::Reorder | Kind::Duplicate if random.happens(0.3) => {
            Traffic::Paced { rate: (3e6 / scene.connections as f64) as u32 }
        }
        Kind::Refused | Kind::Silent | Kind::Resets | Kind::Backlog => {
            talk(random, scene.connections, 1e6)
        }
        Kind::NarrowSilent | Kind::NarrowTold if random.happens(0.4) => {
            let pause = milliseconds(random, [50.0, 300.0]);
            Traffic::Ask { question: 200, answer: 20_000, pause }
        }
        Kind::Pieces => Traffic::Pieces { pause: milliseconds(random, [10.0, 100.0]) },
        _ => up_or_down(random),
    };
    match kind {
        Kind::ShortQueue => {
            scene.rate = Some(rate(random, [2.0, 50.0]));
            scene.queue = milliseconds(random, [5.0, 20.0]);
            scene.troubles.push(Trouble::ShortQueue);
        }
        Kind::LongQueue => {
            scene.rate = Some(rate(random, [1.0, 20.0]));
            scene.queue = milliseconds(random, [150.0, 500.0]);
            scene.troubles.push(Trouble::LongQueue);
        }
        // It is in the traffic.
        Kind::Pieces => {}
        _ => {
            let sender = scene.sender();
            let trouble = trouble(random, kind, sender);
            scene.troubles.push(trouble);
        }
    }
    scene
}

/// A trouble of this kind for data from `sender`.
fn trouble(random: &mut Random, kind: Kind, sender: Side) -> Trouble {
    let receiver = Side::BOTH[1 - sender.index()];
    match kind {
        Kind::Loss | Kind::BurstLoss => Trouble::Loss {
            from: sender,
            chance: random.log_uniform([0.0005, 0.05]),
            burst: if kind == Kind::Loss { 1.0 } else { 2.0 + 6.0 * random.fraction() },
            affects: *random.one_of(&[Affects::All, Affects::Data]),
        },
        Kind::AckLoss => Trouble::Loss {
            from: receiver,
            chance: random.log_uniform([0.005, 0.05]),
            burst: 1.0,
            affects: Affects::Acks,
        },
        Kind::Reorder => Trouble::Reorder {
            from: sender,
            chance: random.log_uniform([0.003, 0.05]),
            hold: milliseconds(random, [2.0, 30.0]),
        },
        Kind::Duplicate => {
            Trouble::Duplicate { from: sender, chance: random.log_uniform([0.003, 0.05]) }
        }
        Kind::Corrupt => {
            Trouble::Corrupt { from: sender, chance: random.log_uniform([0.002, 0.05]) }
        }
        Kind::NarrowTold => {
            Trouble::Narrow(Narrow { mtu: random.log_uniform([552.0, 1400.0]) as u16, tells: true })
        }
        Kind::NarrowSilent => Trouble::Narrow(Narrow {
            mtu: random.log_uniform([600.0, 1450.0]) as u16,
            tells: false,
        }),
        Kind::ReceiveBuffer => Trouble::ReceiveBuffer(random.log_uniform([8e3, 64e3]) as usize),
        Kind::SendBuffer => Trouble::SendBuffer(random.log_uniform([8e3, 64e3]) as usize),
        Kind::SlowReader => Trouble::SlowReader(random.log_uniform([20e3, 500e3]) as usize),
        Kind::NotReading => Trouble::NotReading,
        Kind::Refused => Trouble::Refused { every: milliseconds(random, [50.0, 400.0]) },
        Kind::Silent => Trouble::Silent { patience: milliseconds(random, [300.0, 6000.0]) },
        Kind::Resets => Trouble::Resets {
            every: milliseconds(random, [50.0, 400.0]),
            unread: random.happens(0.5),
        },
        Kind::Backlog => Trouble::Backlog { every: milliseconds(random, [50.0, 300.0]) },
        Kind::ShortQueue => Trouble::ShortQueue,
        Kind::LongQueue | Kind::Pieces => Trouble::LongQueue,
    }
}

/// Sets a rate where the connections would otherwise ask more than the link carries.
fn bound(random: &mut Random, scene: &mut Scene) {
    if !scene.is_bulk() || scene.rate.is_some() {
        return;
    }
    let rtt = scene.rtt.as_secs_f64();
    let each = scene.trouble(|trouble| match *trouble {
        // The kernel doubles what is set.
        Trouble::ReceiveBuffer(bytes) => Some(bytes as f64 * 2.0 / rtt),
        // One buffer of 64 KiB fits always.
        Trouble::SendBuffer(bytes) => Some((bytes as f64 * 2.0 + 65_536.0) / rtt),
        Trouble::SlowReader(rate) => Some(rate as f64),
        Trouble::NotReading => Some(0.0),
        _ => None,
    });
    let asks = |scene: &Scene| each.map(|each| each * scene.connections as f64);
    while scene.connections > 1 && asks(scene).is_some_and(|asks| asks > CARRIES) {
        scene.connections -= 1;
    }
    let wanted = match asks(scene) {
        // The ends are the limit, whatever the path takes.
        Some(asks) if asks <= CARRIES => {
            if random.happens(0.7) {
                return;
            }
            asks * random.log_uniform([1.5, 4.0])
        }
        _ => random.log_uniform([125e3, CARRIES]),
    };
    let chance = scene.trouble(|trouble| match *trouble {
        Trouble::Loss { from, chance, burst, .. } if from == scene.sender() => Some(chance / burst),
        Trouble::Corrupt { chance, .. } => Some(chance),
        _ => None,
    });
    // Around what reno carries at this loss (Mathis), where there is any.
    let wanted = match chance.filter(|_| random.happens(0.7)) {
        None => wanted,
        Some(chance) => {
            scene.connections = scene.connections.min(6);
            let carried = 1.22 * SEGMENT / (rtt.max(0.001) * chance.sqrt());
            carried * scene.connections as f64 * random.log_uniform([0.7, 8.0])
        }
    };
    scene.rate = Some((wanted as u64).clamp(125_000, CARRIES as u64 * 2));
    let least = scene.rtt.min(Duration::from_millis(100));
    scene.queue = milliseconds(random, [20.0, 100.0]).max(least);
    // Each connection has room for a window that can be repaired, or crowding hides all else.
    let room = scene.rate.unwrap_or(0) as f64 * (scene.rtt + scene.queue).as_secs_f64();
    let most = (room / (12.0 * SEGMENT)) as usize;
    scene.connections = scene.connections.min(most).max(1);
}
