//! What a scene consists of.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lab::{Affects, Narrow, Shape, Side, Socket};

/// What the programs do all the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Traffic {
    /// Questions and answers of so many bytes on standing connections.
    Ask { question: usize, answer: usize, pause: Duration },
    /// The same with a connection for each question.
    Connects { question: usize, answer: usize, pause: Duration },
    /// The client writes as much as it can.
    Up,
    /// The server writes as much as it can.
    Down,
    /// The client writes as much as it can, at so many bytes a second by `SO_MAX_PACING_RATE`.
    Paced { rate: u32 },
    /// The client writes so much at once.
    Bursts { length: usize, every: Duration },
    /// Nobody says anything.
    Idle,
    /// The client writes each question in two small pieces, without TCP_NODELAY.
    Pieces { pause: Duration },
}

/// Something that may be wrong. `from` is the side that sends what is affected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    /// Packets get lost.
    Loss { from: Side, chance: f64, burst: f64, affects: Affects },
    /// The queue before the rate is short, and overflows.
    ShortQueue,
    /// The queue before the rate is long, and fills.
    LongQueue,
    /// Packets are held back for so long.
    Reorder { from: Side, chance: f64, hold: Duration },
    /// Packets arrive twice.
    Duplicate { from: Side, chance: f64 },
    /// Segments arrive with a wrong checksum.
    Corrupt { from: Side, chance: f64 },
    /// A hop takes no large packets, both ways.
    Narrow(Narrow),
    /// The receiving program sets SO_RCVBUF.
    ReceiveBuffer(usize),
    /// The sending program sets SO_SNDBUF.
    SendBuffer(usize),
    /// The receiving program reads so many bytes a second.
    SlowReader(usize),
    /// The receiving program reads nothing.
    NotReading,
    /// Beside the traffic, a client connects to a port where nobody listens.
    Refused { every: Duration },
    /// Beside the traffic, a client connects to a port whose SYNs vanish, and gives up.
    Silent { patience: Duration },
    /// Beside the traffic, clients connect to a server that does not accept.
    Backlog { every: Duration },
    /// Beside the traffic, a server resets its connections; with `unread`, by closing with data
    /// unread.
    Resets { every: Duration, unread: bool },
}

/// A scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Its number in the set.
    pub number: usize,
    /// For the accidents on its path.
    pub seed: u64,
    /// The round trip of an empty path.
    pub rtt: Duration,
    /// Bytes a second, each way.
    pub rate: Option<u64>,
    /// The longest wait for the rate.
    pub queue: Duration,
    /// What the programs do.
    pub traffic: Traffic,
    /// Connections, or clients that connect.
    pub connections: usize,
    /// The congestion control of both hosts.
    pub control: &'static str,
    /// Whether over IPv6.
    pub is_v6: bool,
    /// What may be wrong.
    pub troubles: Vec<Trouble>,
}

impl Scene {
    /// The side that sends most of the data.
    pub fn sender(&self) -> Side {
        match self.traffic {
            Traffic::Ask { question, answer, .. } | Traffic::Connects { question, answer, .. }
                if answer > question =>
            {
                Side::Server
            }
            Traffic::Down => Side::Server,
            _ => Side::Client,
        }
    }

    /// Whether the sender always has more to say.
    pub fn is_bulk(&self) -> bool {
        matches!(self.traffic, Traffic::Up | Traffic::Down)
    }

    /// Whether nothing was made wrong: one loss in ten thousand is normal.
    pub fn is_calm(&self) -> bool {
        let is_normal = |trouble: &Trouble| matches!(*trouble, Trouble::Loss { chance, burst: 1.0, .. } if chance <= 1e-4);
        self.troubles.iter().all(is_normal) && !matches!(self.traffic, Traffic::Pieces { .. })
    }

    /// The path, by the side that sends.
    pub fn shapes(&self) -> [Shape; 2] {
        let path = Shape {
            delay: self.rtt / 2,
            rate: self.rate,
            longest_wait: Some(self.queue),
            ..Shape::PERFECT
        };
        let mut shapes = [path; 2];
        for trouble in &self.troubles {
            match *trouble {
                Trouble::Loss { from, chance, burst, affects } => {
                    let shape = &mut shapes[from.index()];
                    (shape.loss, shape.burst, shape.affects) = (chance, burst, affects);
                }
                Trouble::Reorder { from, chance, hold } => {
                    let shape = &mut shapes[from.index()];
                    (shape.reorder, shape.hold) = (chance, hold);
                }
                Trouble::Duplicate { from, chance } => shapes[from.index()].duplicate = chance,
                Trouble::Corrupt { from, chance } => shapes[from.index()].corrupt = chance,
                Trouble::Narrow(narrow) => {
                    shapes.iter_mut().for_each(|shape| shape.narrow = Some(narrow));
                }
                _ => {}
            }
        }
        shapes
    }

    /// The same with what this kernel has: without bbr, or without IPv6.
    pub fn available(mut self) -> Self {
        let socket = Socket::of(Ipv4Addr::LOCALHOST.into());
        let control = self.control.as_bytes();
        if socket.set(libc::IPPROTO_TCP, libc::TCP_CONGESTION, control).is_err() {
            self.control = "reno";
        }
        self.is_v6 &= std::fs::exists("/proc/net/if_inet6").is_ok_and(|exists| exists);
        self
    }

    /// Whether netem can make its path: it has no hops, and no choice of segments.
    pub fn suits_netem(&self) -> bool {
        let is_strange =
            |trouble: &Trouble| matches!(trouble, Trouble::Narrow(_) | Trouble::Silent { .. });
        !self.troubles.iter().any(is_strange)
    }

    /// The trouble that `like` finds.
    pub fn trouble<T>(&self, like: impl Fn(&Trouble) -> Option<T>) -> Option<T> {
        self.troubles.iter().find_map(like)
    }

    /// How long the traffic runs before somebody looks: slow start is over then.
    pub fn warm_up(&self) -> Duration {
        (self.rtt * 15).clamp(Duration::from_millis(1500), Duration::from_secs(4))
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.is_v6 { "IPv6" } else { "IPv4" };
        write!(f, "scene {}: {:?} x {}, ", self.number, self.traffic, self.connections)?;
        write!(f, "{}, {family}, rtt {:.1?}", self.control, self.rtt)?;
        if let Some(rate) = self.rate {
            let megabits = rate as f64 * 8e-6;
            write!(f, ", {megabits:.1} Mbit/s with a queue of {:.0?}", self.queue)?;
        }
        match &self.troubles[..] {
            [] => write!(f, ", no trouble"),
            troubles => write!(f, ", troubles {troubles:?}"),
        }
    }
}
