//! The running timer of a socket (`idiag_timer`).

use crate::wire::uapi;

/// The kind of a timer.
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
    /// A timer that is newer than this program.
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
    /// The kind.
    pub kind: TimerKind,
    /// Milliseconds until it fires.
    pub expires_ms: u32,
    /// Unanswered retransmits, probes or keepalives so far.
    pub retransmits: u8,
}

impl Timer {
    /// From the kernel's code, `None` when no timer runs.
    #[inline]
    pub fn new(code: u8, expires_ms: u32, retransmits: u8) -> Option<Self> {
        let kind = match code {
            uapi::IDIAG_TIMER_OFF => return None,
            uapi::IDIAG_TIMER_RETRANS => TimerKind::Retransmit,
            uapi::IDIAG_TIMER_KEEPALIVE => TimerKind::Keepalive,
            uapi::IDIAG_TIMER_TIME_WAIT => TimerKind::TimeWait,
            uapi::IDIAG_TIMER_PROBE => TimerKind::ZeroWindowProbe,
            uapi::IDIAG_TIMER_DELACK => TimerKind::DelayedAck,
            other => TimerKind::Unknown(other),
        };
        Some(Self { kind, expires_ms, retransmits })
    }
}
