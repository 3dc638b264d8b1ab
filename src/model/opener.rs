//! Which end opened a connection, read off the byte and segment counters of
//! its socket.
//!
//! A SYN occupies a sequence number. When the opener's SYN is acknowledged,
//! `tcp_snd_una_update()` counts it in `bytes_acked` like a byte of data. The
//! acceptor's SYN was sent by a request socket, and `tcp_create_openreq_child()`
//! starts the full socket behind it (`snd_una = snt_isn + 1`), so there it is
//! not counted. `bytes_sent` has payload only (`__tcp_transmit_skb()`), repeats
//! included; the repeats are in `bytes_retrans` (`__tcp_retransmit_skb()`). With
//! nothing in flight
//!
//! ```text
//! surplus = bytes_acked - (bytes_sent - bytes_retrans)
//! ```
//!
//! is therefore 1 at the opener and 0 at the acceptor. An acknowledged FIN of
//! this end adds 1.
//!
//! The segment counters have to confirm it. `delivered` counts every segment
//! that arrived once, and one more for the handshake at either end
//! (`tcp_clean_rtx_queue()` for the SYN, the SYN_RECV case of
//! `tcp_rcv_state_process()` for the SYN-ACK); `data_segs_out` counts data
//! segments sent. So `delivered` is larger by 1, and by 2 when a FIN without
//! data was acknowledged. Where it is not, the byte counters miss something:
//!
//! - A segment that this host dropped itself (qdisc, netfilter, no route) is in
//!   `bytes_sent` and `data_segs_out` once for each attempt and never in
//!   `bytes_retrans` (`tcp_write_xmit()`). The surplus is too small by its
//!   length, which makes an opener that lost one byte look like an acceptor.
//! - A socket restored by TCP_REPAIR (CRIU) has sent no SYN (`tcp_connect()`), so
//!   that an opener looks like an acceptor. `delivered` lacks the handshake.
//!
//! Read in Linux 6.1.172 and, for the functions that count, in 7.x. Measured:
//!
//! | kernel | what | sockets | decided | wrong |
//! | --- | --- | --- | --- | --- |
//! | 5.10.223 | captures: dumps, events | 106, 21 | 100, 11 | 0 |
//! | 6.1.192 | the same | 108, 21 | 102, 11 | 0 |
//! | 6.12.107 | the same | 108, 21 | 102, 11 | 0 |
//! | 6.18.44 | the same | 94, 21 | 88, 11 | 0 |
//! | 7.2.13 | the same | 108, 21 | 102, 11 | 0 |
//! | 6.18.44 | lab of 34 cases: dumps | 2078 | 1862 | 0 |
//! | 6.18.44 | the same: events | 1988 | 1432 | 0 |
//!
//! Undecided in the captures are sockets with data in flight and those of TCP
//! Fast Open; in their events failed connects, zeroed events, and openers that
//! were reset. Without the segment counters 20 of 40 sockets were wrong when the
//! host dropped one byte of each opener, and 10 of 20 after TCP_REPAIR.
//!
//! What the functions return for special sockets:
//!
//! | socket | answer |
//! | --- | --- |
//! | before Linux 4.19 (no `bytes_sent`), minisockets, listeners | none |
//! | something in flight or not sent | none |
//! | TCP Fast Open with data in the SYN | none; the surplus holds, `delivered` does not (`tcp_rcv_fastopen_synack()`) |
//! | SYN cookies, SYN or SYN-ACK repeated | decided |
//! | data repeated | openers decided; acceptors where the counts of repeats agree, and not in events |
//! | simultaneous open, connection to itself | `Own`; `Peer` in the event if no FIN was acknowledged (both are true) |
//! | MPTCP subflow | the end that opened this subflow |
//! | urgent data, MSG_ZEROCOPY, sendfile, kernel TLS | decided, as it is ordinary payload |
//! | keepalive, window and MTU probes | decided like other segments and repeats |
//! | restored by TCP_REPAIR | none; `Own` if exactly one byte was unacknowledged when it was saved |
//! | reused after `connect(AF_UNSPEC)` | decided where `tcp_disconnect()` clears the counters (6.1, 6.18); early 4.19 and 5.x did not clear all |
//! | closed with SO_LINGER 0, never accepted | none, the event has only zeros |
//! | reset before it sent a FIN, in its event | openers none, acceptors that sent at most one segment of data `Peer` |
//! | FIN in a segment with data | none in FIN_WAIT_2 and in the event |
//!
//! Wrong answers that remain possible: `Own` for an acceptor that was restored
//! with one byte unacknowledged, or of which one byte was to be repeated and no
//! memory could be had for it (`__tcp_retransmit_skb()` counts it all the same),
//! or that inherits the counters of a listener that was a client before, on a
//! kernel that does not clear them; `Peer` for an opener that repeated both its
//! SYN and data and of which the host itself dropped one byte.

use super::fields::tcp_info as t;
use super::{Socket, State};
use crate::wire::{Slot, TcpInfo};

/// Which end sent the SYN that opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opener {
    /// This end.
    Own,
    /// The other end.
    Peer,
}

// Constants, because asking the catalogue for a slot costs more than reading it.
const OPTIONS: Option<Slot> = t::OPTIONS.slot();
const UNACKED: Option<Slot> = t::UNACKED.slot();
const TOTAL_RETRANS: Option<Slot> = t::TOTAL_RETRANS.slot();
const BYTES_ACKED: Option<Slot> = t::BYTES_ACKED.slot();
const NOTSENT_BYTES: Option<Slot> = t::NOTSENT_BYTES.slot();
const DATA_SEGS_OUT: Option<Slot> = t::DATA_SEGS_OUT.slot();
const DELIVERED: Option<Slot> = t::DELIVERED.slot();
const BYTES_SENT: Option<Slot> = t::BYTES_SENT.slot();
const BYTES_RETRANS: Option<Slot> = t::BYTES_RETRANS.slot();
const DSACK_DUPS: Option<Slot> = t::DSACK_DUPS.slot();

/// `TCPI_OPT_SYN_DATA` and `TCPI_OPT_TFO_CHILD` (include/uapi/linux/tcp.h).
const FAST_OPEN: u64 = 32 | 128;

/// Which end opened the connection of a socket in a dump. `None` where its
/// counters do not prove it: see the module's documentation.
#[inline]
pub fn opened_by(socket: &Socket) -> Option<Opener> {
    let fins = match socket.state {
        State::Established | State::CloseWait => 0,
        // Its own FIN was acknowledged.
        State::FinWait2 => 1,
        _ => return None,
    };
    let sums = Sums::of(socket)?;
    match (sums.surplus - i128::from(fins), sums.segments.saturating_sub(fins)) {
        (0, 1) => Some(Opener::Peer),
        (1, 1..) => Some(Opener::Own),
        _ => None,
    }
}

/// Which end opened the connection of a socket that a destroy event reports.
///
/// The event does not say whether the socket sent a FIN. A surplus of 1 is an
/// opener without a FIN or an acceptor with one; it is the acceptor if the
/// segments show a FIN that was sent alone. A FIN that shared a segment with
/// data leaves it open.
pub fn opened_by_event(event: &Socket) -> Option<Opener> {
    if event.state != State::Close {
        return None;
    }
    let sums = Sums::of(event)?;
    match (sums.surplus, sums.segments) {
        // An opener with a FIN of which the host dropped a segment of two bytes
        // looks the same, but has sent that segment twice.
        (0, 1) if sums.data_segments < 2 => Some(Opener::Peer),
        // With retransmitted data a repeated SYN looks like a FIN.
        (1, 2) if !sums.data_repeated => Some(Opener::Peer),
        (2, 2..) => Some(Opener::Own),
        _ => None,
    }
}

/// What a socket without anything in flight counted beyond its data.
struct Sums {
    /// Sequence numbers acknowledged that were not data: SYN and FIN.
    surplus: i128,
    /// Deliveries that were not of data: the handshake and a FIN.
    segments: i32,
    /// Whether data was retransmitted.
    data_repeated: bool,
    /// Data segments sent, retransmits included.
    data_segments: u64,
}

impl Sums {
    #[inline]
    fn of(socket: &Socket) -> Option<Self> {
        let info = socket.tcp_info.as_ref()?;
        let read = |slot: Option<Slot>| info.read(slot?);
        // The queues of tcp_info are read under the socket's lock together with
        // the counters, the send queue a moment earlier without it. A destroyed
        // socket has only the send queue: `tcp_write_queue_purge()` cleared the
        // others. `tcp_disconnect()` leaves nonsense in it.
        let quiet = socket.send_queue == 0
            && read(UNACKED)? == 0
            && read(NOTSENT_BYTES)? == 0
            && read(OPTIONS)? & FAST_OPEN == 0;
        if !quiet || socket.is_minisock() {
            return None;
        }
        let bytes_retrans = read(BYTES_RETRANS)?;
        let data_repeated = bytes_retrans > 0;
        let surplus = i128::from(read(BYTES_ACKED)?) - i128::from(read(BYTES_SENT)?)
            + i128::from(bytes_retrans);
        let data_segments = read(DATA_SEGS_OUT)?;
        let segments = segments(info, data_segments as u32, data_repeated)?;
        Some(Self { surplus, segments, data_repeated, data_segments })
    }
}

/// Deliveries that were not of data. The counters are 32 bits wide and wrap.
#[inline]
fn segments(info: &TcpInfo, data_segments: u32, data_repeated: bool) -> Option<i32> {
    let read = |slot: Option<Slot>| info.read(slot?).map(|value| value as u32);
    // A repeat that arrived twice is in `delivered` twice (`tcp_dsack_seen()`;
    // so in 5.10 and later).
    let extra = read(DELIVERED)?.wrapping_sub(read(DSACK_DUPS)?);
    let extra = extra.wrapping_sub(data_segments);
    // `total_retrans` has repeats of SYN, SYN-ACK and FIN as well, which
    // `data_segs_out` does not have.
    let repeats = if data_repeated { read(TOTAL_RETRANS)? } else { 0 };
    Some(extra.wrapping_add(repeats) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::model::{Timer, TimerKind};
    use crate::wire::EcnWord;

    /// A socket by state, surplus and deliveries that were not of data.
    fn counted(state: State, surplus: i64, segments: i32) -> Socket {
        let (sent, acked) = (1000_u32, (1000 + surplus) as u32);
        with(state, &[(120, acked), (156, 7), (192, (7 + segments) as u32), (200, sent)])
    }

    /// Words of a little-endian host.
    fn with(state: State, words: &[(usize, u32)]) -> Socket {
        Socket { state, tcp_info: Some(tcp_info(words)), ..socket() }
    }

    #[test]
    fn live_sockets() {
        use Opener::{Own, Peer};
        for state in [State::Established, State::CloseWait] {
            assert_eq!(opened_by(&counted(state, 1, 1)), Some(Own));
            assert_eq!(opened_by(&counted(state, 0, 1)), Some(Peer));
            // Deliveries too many come from retransmits and connections to oneself.
            assert_eq!(opened_by(&counted(state, 1, 4)), Some(Own));
            for (surplus, segments) in [(2, 1), (-1, 1), (-9, 1), (1, 0), (0, 0), (0, 2)] {
                assert_eq!(opened_by(&counted(state, surplus, segments)), None);
            }
        }
        assert_eq!(opened_by(&counted(State::FinWait2, 2, 2)), Some(Own));
        assert_eq!(opened_by(&counted(State::FinWait2, 1, 2)), Some(Peer));
        for (surplus, segments) in [(0, 1), (1, 1), (2, 1), (3, 2), (1, 3)] {
            assert_eq!(opened_by(&counted(State::FinWait2, surplus, segments)), None);
        }
        for state in State::ALL {
            let decided = [State::Established, State::CloseWait].contains(&state);
            assert_eq!(opened_by(&counted(state, 1, 1)).is_some(), decided, "{state:?}");
        }
    }

    #[test]
    fn destroy_events() {
        let event = |surplus, segments| opened_by_event(&counted(State::Close, surplus, segments));
        let idle = |state| with(state, &[(192, 1)]);
        assert_eq!(opened_by_event(&idle(State::Close)), Some(Opener::Peer));
        assert_eq!(event(1, 2), Some(Opener::Peer));
        assert_eq!(event(2, 2), Some(Opener::Own));
        for (surplus, segments) in [(0, 0), (0, 1), (1, 1), (0, 2), (2, 1), (1, 3), (3, 3), (-1, 1)]
        {
            assert_eq!(event(surplus, segments), None, "{surplus} {segments}");
        }
        assert_eq!(opened_by_event(&with(State::Close, &[])), None);
        assert_eq!(opened_by_event(&counted(State::Established, 1, 1)), None);
        // 1000 bytes repeated in one segment, and a SYN repeated before: a FIN
        // would look the same.
        let words = [(100, 2), (120, 1001), (156, 2), (192, 2), (200, 2000), (208, 1000)];
        assert_eq!(opened_by_event(&with(State::Close, &words)), None);
    }

    #[test]
    fn retransmits_are_taken_out() {
        // Ten segments of 100 bytes; three repeated, one of them in vain.
        let lossy = |acked, delivered, retransmits, dsacks| {
            let repeated = if retransmits > 0 { 300 } else { 0 };
            let words = [
                (100, retransmits),
                (120, acked),
                (156, 10 + retransmits),
                (192, delivered),
                (200, 1000 + repeated),
                (208, repeated),
                (216, dsacks),
            ];
            opened_by(&with(State::Established, &words))
        };
        assert_eq!(lossy(1001, 12, 3, 1), Some(Opener::Own));
        assert_eq!(lossy(1000, 12, 3, 1), Some(Opener::Peer));
        assert_eq!(lossy(1000, 12, 3, 0), None);
        // A SYN-ACK that was repeated does not matter without repeated data.
        let words = [(100, 2), (120, 1000), (156, 10), (192, 11), (200, 1000)];
        assert_eq!(opened_by(&with(State::Established, &words)), Some(Opener::Peer));
    }

    #[test]
    fn counters_that_wrapped() {
        let words = [(156, u32::MAX), (192, 0), (120, 1), (124, 1), (200, 0), (204, 1)];
        assert_eq!(opened_by(&with(State::Established, &words)), Some(Opener::Own));
        let most = [120, 124, 208, 212].map(|at| (at, u32::MAX));
        assert_eq!(opened_by(&with(State::Established, &most)), None);
        assert_eq!(opened_by(&with(State::FinWait2, &[(192, 1 << 31)])), None);
        let most = [200, 204].map(|at| (at, u32::MAX));
        assert_eq!(opened_by(&with(State::Established, &most)), None);
    }

    #[test]
    fn nothing_is_decided_without_proof() {
        let own = counted(State::Established, 1, 1);
        assert_eq!(opened_by(&own), Some(Opener::Own));
        assert_eq!(opened_by(&Socket { send_queue: 1, ..own }), None);
        assert_eq!(opened_by(&Socket { tcp_info: None, ..own }), None);
        let plain = [(120, 1001), (156, 7), (192, 8), (200, 1000)];
        // Options lie in the second byte of the word at 4, the first of the host.
        for extra in [(24, 1), (144, 1), (4, 32 << 8), (4, 128 << 8)] {
            let words: Vec<_> = plain.into_iter().chain([extra]).collect();
            assert_eq!(opened_by(&with(State::Established, &words)), None, "{extra:?}");
        }
        let timer = Timer::new(3, 1000, 0);
        assert_eq!(timer.map(|timer| timer.kind), Some(TimerKind::TimeWait));
        assert_eq!(opened_by(&Socket { timer, ..counted(State::FinWait2, 2, 2) }), None);
    }

    #[test]
    fn structures_that_end_early_decide_nothing() {
        let words = [(120, 1001), (156, 7), (192, 8), (200, 1000)];
        let mut bytes = vec![0; 280];
        for (at, value) in words {
            bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(value));
        }
        for length in 0..=bytes.len() {
            let info = TcpInfo::new(&bytes[..length], EcnWord::Unknown);
            let short = Socket { tcp_info: Some(info), ..counted(State::Established, 0, 0) };
            // `dsack_dups` ends at 220, in 4.19 as today.
            assert_eq!(opened_by(&short).is_some(), length >= 220, "{length}");
        }
    }
}
