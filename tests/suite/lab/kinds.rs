//! Retransmitted segments by what caused them.

use std::ops::AddAssign;

/// Numbers of segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// In recovery, as SACKs, duplicate ACKs or the RACK timer tell what got
    /// lost (TCPFastRetrans).
    pub fast: u64,
    /// After a timeout, as ACKs allow (TCPSlowStartRetrans).
    pub slow_start: u64,
    /// By the retransmission timer itself: the first segment of each timeout.
    pub timeout: u64,
    /// By the timer of the tail loss probe.
    pub probe: u64,
    /// SYNs and SYN-ACKs, whatever the reason (TCPSynRetrans).
    pub syn: u64,
    /// Those of `syn` that are SYN-ACKs.
    pub syn_ack: u64,
    /// On paths that this lab does not know.
    pub other: u64,
}

impl Kinds {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.five().iter().sum::<u64>() + self.other
    }

    /// Fast, slow start, timeout, probe and SYN.
    pub fn five(&self) -> [u64; 5] {
        [self.fast, self.slow_start, self.timeout, self.probe, self.syn]
    }

    /// One more of a kind.
    pub fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Fast => self.fast += 1,
            Kind::SlowStart => self.slow_start += 1,
            Kind::Timeout => self.timeout += 1,
            Kind::Probe => self.probe += 1,
            Kind::Syn => self.syn += 1,
            Kind::SynAck => {
                self.syn += 1;
                self.syn_ack += 1;
            }
            Kind::Other => self.other += 1,
        }
    }
}

impl AddAssign for Kinds {
    fn add_assign(&mut self, more: Self) {
        self.fast += more.fast;
        self.slow_start += more.slow_start;
        self.timeout += more.timeout;
        self.probe += more.probe;
        self.syn += more.syn;
        self.syn_ack += more.syn_ack;
        self.other += more.other;
    }
}

/// What caused a retransmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`Kinds`].
    Fast,
    /// See [`Kinds`].
    SlowStart,
    /// See [`Kinds`].
    Timeout,
    /// See [`Kinds`].
    Probe,
    /// See [`Kinds`].
    Syn,
    /// See [`Kinds`].
    SynAck,
    /// See [`Kinds`].
    Other,
}
