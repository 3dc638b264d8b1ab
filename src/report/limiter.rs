//! What held a connection's sending back, as far as its own clocks tell.

use crate::model::{Field, Socket, State, fields::tcp_info as t};
use crate::tracking::Delta;

/// The limiter with the largest share of the busy time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limiter {
    /// The peer's receive window, for this share of the busy time.
    ReceiveWindow(f64),
    /// The send buffer, for this share of the busy time.
    SendBuffer(f64),
    /// The congestion window is full now, or data waits for it.
    Congestion,
    /// The program sends less than the network could take.
    Application,
    /// Nothing was sent.
    Idle,
}

/// Shares below this are noise of the clocks.
const WORTH_SAYING: f64 = 0.01;

/// So are times below this: the kernel's clocks tick in jiffies of up to 10 ms.
const LEAST_US: u64 = 10_000;

impl Limiter {
    /// Over the interval where there is one, over the connection's life
    /// otherwise. `None` where the kernel keeps no such clocks.
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
        // Data waits and neither window nor buffer is in the way.
        let waiting = t::NOTSENT_BYTES.integer(socket).is_some_and(|bytes| bytes > 0);
        Some(if rwnd.max(sndbuf) >= WORTH_SAYING {
            // The two clocks and busy_time are read one after the other.
            if rwnd >= sndbuf {
                Self::ReceiveWindow(rwnd.min(1.0))
            } else {
                Self::SendBuffer(sndbuf.min(1.0))
            }
        } else if full || waiting {
            Self::Congestion
        } else if busy == 0 && grown(&t::DATA_SEGS_OUT).is_none_or(|segments| segments == 0) {
            Self::Idle
        } else {
            Self::Application
        })
    }
}
