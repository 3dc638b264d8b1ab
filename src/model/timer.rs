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

/// Six days: no timer but keepalive runs that long.
const LONGEST_MS: u32 = 1 << 29;

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
    /// How often it has fired without an answer. That of TIME-WAIT expects none.
    pub fn unanswered(&self) -> Option<u8> {
        (self.kind != TimerKind::TimeWait).then_some(self.retransmits)
    }

    /// From the kernel's code, `None` when no timer runs.
    ///
    /// Old kernels divide the negative rest of a timer that should have fired already as an unsigned
    /// number (`EXPIRES_IN_MS` in net/ipv4/inet_diag.c, up to 4.x): 9 to 49 days, depending on HZ.
    /// Only a keepalive timer can run that long (`tcp_keepalive_time`).
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
        let late = kind != TimerKind::Keepalive && expires_ms >= LONGEST_MS;
        let expires_ms = if late { 0 } else { expires_ms };
        Some(Self { kind, expires_ms, retransmits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_timer_is_due_now() {
        let left = |expires_ms| Timer::new(uapi::IDIAG_TIMER_RETRANS, expires_ms, 1).unwrap();
        assert_eq!(left(200).expires_ms, 200);
        // (2^64 - 1000) / 250, in 32 bits.
        assert_eq!(left(790_273_978).expires_ms, 0);
        assert_eq!(left(0).unanswered(), Some(1));
        assert_eq!(Timer::new(uapi::IDIAG_TIMER_TIME_WAIT, 9, 0).unwrap().unanswered(), None);
    }
}
