//! The timer that runs for a socket (`idiag_timer`).

/// Which timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// Retransmission, loss probe or reordering timer; a request's SYN-ACK timer.
    Retransmit,
    /// Keepalive.
    Keepalive,
    /// TIME-WAIT, and FIN-WAIT-2 without a socket.
    TimeWait,
    /// Zero-window probe.
    ZeroWindowProbe,
    /// Delayed acknowledgement (7.2 and later).
    DelayedAck,
    /// One newer than this program.
    Unknown(u8),
}

impl TimerKind {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retransmit => "retransmit",
            Self::Keepalive => "keepalive",
            Self::TimeWait => "time_wait",
            Self::ZeroWindowProbe => "zero_window_probe",
            Self::DelayedAck => "delayed_ack",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A running timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Which one.
    pub kind: TimerKind,
    /// Milliseconds until it fires.
    pub expires_ms: u32,
    /// What it has sent in vain so far: retransmits, probes or keepalives.
    pub retransmits: u8,
}

impl Timer {
    /// From the kernel's code, `None` when no timer runs.
    #[inline]
    pub fn new(code: u8, expires_ms: u32, retransmits: u8) -> Option<Self> {
        let kind = match code {
            0 => return None,
            1 => TimerKind::Retransmit,
            2 => TimerKind::Keepalive,
            3 => TimerKind::TimeWait,
            4 => TimerKind::ZeroWindowProbe,
            5 => TimerKind::DelayedAck,
            other => TimerKind::Unknown(other),
        };
        Some(Self { kind, expires_ms, retransmits })
    }
}
