//! What limited a connection's sending, according to its busy, rwnd_limited and sndbuf_limited
//! times.

use crate::model::{Field, Socket, State, fields::tcp_info as t};
use crate::tracking::Delta;

/// The limiter with the largest share of the busy time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limiter {
    /// The peer's receive window, for this share of the busy time.
    ReceiveWindow(f64),
    /// The send buffer, for this share of the busy time.
    SendBuffer(f64),
    /// The congestion window is full, or data waits for it.
    Congestion,
    /// The program sends less than the network could take.
    Application,
    /// Nothing was sent, and data came.
    Receiving,
    /// Nothing was sent, and nothing came.
    Idle,
}

/// Smaller shares are noise of these times.
const NEGLIGIBLE: f64 = 0.01;

/// So are shorter times: the kernel measures them in jiffies of up to 10 ms.
const LEAST_US: u64 = 10_000;

impl Limiter {
    /// Over the interval if there is one, otherwise over the connection's life. `None` if the
    /// kernel does not keep these times.
    pub fn of(socket: &Socket, delta: Option<&Delta>) -> Option<Self> {
        if matches!(socket.state, State::Listen | State::SynSent) {
            return None;
        }
        let grown = |field: &Field| match delta {
            Some(delta) => delta.growth(field),
            None => field.integer(socket),
        };
        let busy = grown(&t::BUSY_TIME)?;
        let share = |field: &Field| match grown(field) {
            Some(limited) if limited >= LEAST_US => limited as f64 / busy.max(1) as f64,
            _ => 0.0,
        };
        let (rwnd, sndbuf) = (share(&t::RWND_LIMITED), share(&t::SNDBUF_LIMITED));
        let full = match (t::UNACKED.integer(socket), t::SND_CWND.integer(socket)) {
            (Some(unacked), Some(cwnd)) => unacked > 0 && unacked >= cwnd,
            _ => false,
        };
        // Data waits, and neither window nor buffer limits it.
        let waiting = t::NOTSENT_BYTES.integer(socket).is_some_and(|bytes| bytes > 0);
        Some(if rwnd.max(sndbuf) >= NEGLIGIBLE {
            // The kernel reads the two times and busy_time one after the other.
            if rwnd >= sndbuf {
                Self::ReceiveWindow(rwnd.min(1.0))
            } else {
                Self::SendBuffer(sndbuf.min(1.0))
            }
        } else if full || waiting {
            Self::Congestion
        } else if busy == 0 && grown(&t::DATA_SEGS_OUT).is_none_or(|segments| segments == 0) {
            match grown(&t::BYTES_RECEIVED) {
                Some(1..) => Self::Receiving,
                _ => Self::Idle,
            }
        } else {
            Self::Application
        })
    }
}
