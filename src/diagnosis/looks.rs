//! What one record of a connection shows.

use super::sign::Sign;
use crate::model::fields::tcp_info as t;
use crate::model::{Field, Socket, State, TimerKind};
use crate::wire::{Slot, TcpInfo, uapi};

/// Offsets of fields as constants: they are read for every socket.
macro_rules! slots {
    ($($name:ident)*) => { $(const $name: Option<Slot> = t::$name.slot();)* };
}

slots! { CA_STATE UNACKED NOTSENT_BYTES SND_CWND RCV_WND SND_MSS }

/// Unread bytes from which a socket shows [`Sign::MuchUnread`], whatever its buffer.
const MUCH_UNREAD: u64 = 64 << 10;

/// Segments in flight from which round trips measure the path. With fewer they contain the peer's
/// delayed acknowledgements and processing time.
const STREAM_SEGMENTS: u64 = 8;

/// Limits from which round trips are [`Sign::Inflated`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Inflation {
    /// Multiple of the least round trip.
    pub(super) times: f64,
    /// Microseconds above the least round trip.
    pub(super) least_us: f64,
}

/// The least congestion window in which three duplicate acknowledgements can report a loss.
const MIN_CWND: u64 = 4;

/// The signs that a record shows, as bits.
pub(super) fn signs_of(socket: &Socket, info: Option<&TcpInfo>, inflation: Inflation) -> u32 {
    let read = |slot: Option<Slot>| info?.read(slot?);
    let word = |index| socket.skmem.as_ref()?.word(index).map(u64::from);
    let (unread, rcvbuf) = (u64::from(socket.receive_queue), word(uapi::SK_MEMINFO_RCVBUF));
    let used = word(uapi::SK_MEMINFO_RMEM_ALLOC);
    let full = used.zip(rcvbuf).is_some_and(|(used, size)| used * 4 > size * 3);
    let half = used.zip(rcvbuf).is_some_and(|(used, size)| used * 2 >= size);
    let kind = socket.timer.map(|timer| timer.kind);
    let unanswered = socket.timer.is_some_and(|timer| timer.retransmits > 0);
    let figure = |field: &Field| field.integer_of(info?, socket.state);
    let unacked = read(UNACKED).unwrap_or(0);
    let rtts = info.and_then(|info| stream_rtts(info, socket.state));
    let inflated = || {
        rtts.is_some_and(|(rtt, more, least)| {
            // A variation as large as the excess is jitter, not a queue.
            let steady = figure(&t::RTTVAR).is_some_and(|var| var as f64 * 2.0 < more);
            steady && rtt >= least * inflation.times && more >= inflation.least_us
        })
    };
    let queued = || rtts.is_some_and(|(_, more, least)| more >= 5e3 && more * 5.0 >= least);
    let buffer_full = || {
        let (queued, size) = (word(uapi::SK_MEMINFO_WMEM_QUEUED)?, word(uapi::SK_MEMINFO_SNDBUF)?);
        let all = read(NOTSENT_BYTES)? == 0 && unacked > 0 && unacked < read(SND_CWND)?;
        // What follows a lost segment stays in the buffer until that is repaired.
        let calm = read(CA_STATE)? < u64::from(uapi::TCP_CA_RECOVERY);
        Some(queued >= size && all && calm)
    };
    // Of less than a segment: the kernel sends nothing while what it sent last, which was less than
    // a segment too, is not acknowledged. Nothing else holds it back.
    let held = || {
        let (mss, unsent) = (read(SND_MSS)?, read(NOTSENT_BYTES)?);
        let sent = u64::from(socket.send_queue).checked_sub(unsent)?;
        let small = unsent > 0 && unsent < mss && unacked == 1 && sent > 0 && sent < mss;
        let calm = read(CA_STATE)? == u64::from(uapi::TCP_CA_OPEN) && !unanswered;
        let room =
            read(SND_CWND)? > 1 && figure(&t::SND_WND).is_none_or(|window| window >= 2 * mss);
        let paced = t::MAX_PACING_RATE.integer_of(info?, socket.state).is_some();
        Some(small && calm && room && !paced)
    };
    // The probe timer also runs while pacing delays everything that is queued.
    let probed = kind == Some(TimerKind::ZeroWindowProbe);
    let closed = match (figure(&t::SND_WND), read(SND_MSS)) {
        (Some(window), Some(mss)) => window == 0 || probed && window < mss,
        _ => probed,
    };
    let peer_full = socket.send_queue > 0 && closed;
    let connected = socket.state == State::Established;
    // After a timeout the window is one or two segments, which fill at once.
    let timed_out = read(CA_STATE) == Some(uapi::TCP_CA_LOSS.into());
    let cwnd_full = read(SND_CWND)
        .is_some_and(|cwnd| cwnd >= MIN_CWND && unacked * 10 >= cwnd * 9 && !timed_out);
    let shown = [
        (peer_full, Sign::PeerWindowClosed),
        (connected && unread > 0 && (read(RCV_WND) == Some(0) || full), Sign::OwnWindowClosed),
        (unread > 0, Sign::Unread),
        (unread >= MUCH_UNREAD || unread > 0 && half, Sign::MuchUnread),
        (unacked > 0, Sign::InFlight),
        (read(NOTSENT_BYTES).is_some_and(|bytes| bytes > 0), Sign::Unsent),
        (cwnd_full, Sign::CwndFull),
        (inflated(), Sign::Inflated),
        (unanswered && kind == Some(TimerKind::Retransmit), Sign::Timeout),
        (unanswered && kind == Some(TimerKind::Keepalive), Sign::Probing),
        (figure(&t::DELIVERY_RATE_APP_LIMITED) == Some(1), Sign::AppLimited),
        (
            read(CA_STATE).is_some_and(|state| state >= uapi::TCP_CA_RECOVERY.into()),
            Sign::Recovering,
        ),
        (queued(), Sign::Queued),
        (buffer_full() == Some(true), Sign::SendBufferFull),
        (held() == Some(true), Sign::SmallHeld),
    ];
    shown.iter().filter(|(shown, _)| *shown).fold(0, |signs, (_, sign)| signs | sign.bit())
}

/// The round trip of a stream, its excess over the least one, and the least one.
#[inline]
fn stream_rtts(info: &TcpInfo, state: State) -> Option<(f64, f64, f64)> {
    let unacked = UNACKED.and_then(|slot| info.read(slot)).unwrap_or(0);
    if unacked < STREAM_SEGMENTS {
        return None;
    }
    let (rtt, least) = (t::RTT.integer_of(info, state)?, t::MIN_RTT.integer_of(info, state)?);
    Some((rtt as f64, rtt.saturating_sub(least) as f64, least as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};

    #[test]
    fn a_send_buffer_is_no_limit_while_a_loss_is_repaired() {
        let shown = |ca_state: u8, unacked| {
            let first = u32::from_ne_bytes([1, ca_state, 0, 0]);
            let info = tcp_info(&[(0, first), (24, unacked), (80, 40)]);
            let signs = signs_of(&socket(), Some(&info), Inflation { times: 3.0, least_us: 2e4 });
            signs & Sign::SendBufferFull.bit() != 0
        };
        assert!(shown(uapi::TCP_CA_OPEN, 20));
        assert!(!shown(uapi::TCP_CA_RECOVERY, 20));
        assert!(!shown(uapi::TCP_CA_OPEN, 40), "the congestion window is used up");
    }
}
