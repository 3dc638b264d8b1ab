//! How bad a link is, in one direction.

use std::time::Duration;

/// Which packets a loss affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affects {
    /// All of them.
    All,
    /// TCP segments with data.
    Data,
    /// TCP segments without data.
    Acks,
}

/// A hop that takes no large packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// The most bytes of a packet.
    pub mtu: u16,
    /// Whether the hop tells the sender (ICMP) when it drops one.
    pub tells: bool,
}

/// What becomes of packets. Chances are fractions of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// How long each is under way.
    pub delay: Duration,
    /// How much longer at most, evenly spread. It keeps the order: a packet
    /// that is faster than the one before waits for it, as in a queue.
    pub jitter: Duration,
    /// The chance to be lost, before it takes part in anything else.
    pub loss: f64,
    /// Which packets the loss affects.
    pub affects: Affects,
    /// How many packets in a row a loss takes on average (Gilbert); 1 for independent losses.
    pub burst: f64,
    /// The chance of a TCP segment to arrive with a wrong checksum.
    pub corrupt: f64,
    /// A hop with a smaller MTU.
    pub narrow: Option<Narrow>,
    /// Dead for the second of these times, at the end of every first.
    pub outage: Option<[Duration; 2]>,
    /// The chance to be held back, so that others overtake it.
    pub reorder: f64,
    /// How long it is held back.
    pub hold: Duration,
    /// The chance to arrive twice.
    pub duplicate: f64,
    /// Bytes a second, with IP headers; none for as fast as it goes.
    pub rate: Option<u64>,
    /// Packets that wait for the rate; what comes on top is dropped.
    pub queue: usize,
    /// The longest that a packet waits for the rate; what would wait longer is dropped.
    pub longest_wait: Option<Duration>,
}

impl Default for Shape {
    fn default() -> Self {
        Self::PERFECT
    }
}

impl Shape {
    /// Fast, and without any accident.
    pub const PERFECT: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        affects: Affects::All,
        burst: 1.0,
        corrupt: 0.0,
        narrow: None,
        outage: None,
        reorder: 0.0,
        hold: Duration::from_millis(5),
        duplicate: 0.0,
        rate: None,
        queue: 100,
        longest_wait: None,
    };

    /// Only slow by so many milliseconds.
    pub const fn delayed(milliseconds: u64) -> Self {
        Self { delay: Duration::from_millis(milliseconds), ..Self::PERFECT }
    }

    /// The same without any accident: nothing is lost, late or twice there.
    pub fn calm(self) -> Self {
        Self {
            loss: 0.0,
            corrupt: 0.0,
            narrow: None,
            outage: None,
            reorder: 0.0,
            duplicate: 0.0,
            ..self
        }
    }
}
