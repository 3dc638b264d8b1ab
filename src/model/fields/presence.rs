//! Which sockets have a figure of `struct tcp_info`. The kernel fills the structure in the same way
//! for every socket that is not a listener, whether there is something to tell or not.

use super::Reading;
use crate::model::State;
use crate::wire::Slot::{U32, U64};
use crate::wire::{Slot, TcpInfo};

/// When a figure exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// For listeners too: `tcp_get_info()` (6.12) fills it before it returns for TCP_LISTEN, and
    /// children begin with the listener's value.
    Everywhere,
    /// For every socket but listeners.
    Connection,
    /// Once both ends have agreed on it: `tcp_connect_init()` (6.12) zeroes it, or the kernel only
    /// shows what the answer to the SYN confirmed.
    Agreed,
    /// Once an acknowledgement came (`tcp_ack()`): before, the time since the host was started.
    Acknowledged,
    /// Once a round trip was measured: `tcp_ack_update_rtt()` sets the three figures at once.
    RoundTrip,
    /// Once data was sent (`tcp_event_data_sent()`): before, the time since the handshake.
    DataSent,
    /// Once data came in order (`tcp_event_data_recv()`): before, the time since the handshake, and
    /// before 4.11 on a client's side the time since the host was started.
    DataReceived,
    /// Once a delivery rate was measured (`tcp_rate_gen()`).
    DeliveryRate,
    /// On kernels that count it: until 4.14. The structure shows its age from 4.18 on.
    ForwardAck,
}

const ATO: Slot = U32(12);
const RTT: Slot = U32(68);
const BYTES_ACKED: Slot = U64(120);
const BYTES_RECEIVED: Slot = U64(128);
const SEGS_IN: Slot = U32(140);
const DATA_SEGS_IN: Slot = U32(152);
const DATA_SEGS_OUT: Slot = U32(156);
const DELIVERY_RATE: Slot = U64(160);
const DELIVERED: Slot = U32(192);
const BYTES_SENT: Slot = U64(200);

impl Presence {
    /// Why there is no figure; `None` if there is one.
    #[inline]
    pub(super) fn lack(self, info: &TcpInfo, state: State) -> Option<Reading> {
        if state == State::Listen {
            return (self != Self::Everywhere).then_some(Reading::Absent);
        }
        let happened = |happened: bool| (!happened).then_some(Reading::Unset);
        match self {
            Self::Everywhere | Self::Connection => None,
            Self::Agreed => (!was_answered(info, state)).then_some(Reading::Absent),
            Self::Acknowledged => happened(state != State::SynRecv && was_answered(info, state)),
            Self::RoundTrip => happened(info.read(RTT) != Some(0)),
            Self::DataSent => happened(has_sent(info, state)),
            Self::DataReceived => happened(has_received(info, state)),
            Self::DeliveryRate => match info.read(DELIVERY_RATE) {
                // The flag has a bit in every length, and came with the rate (4.9).
                None => Some(Reading::Absent),
                rate => happened(rate != Some(0)),
            },
            Self::ForwardAck => info.read(DELIVERED).map(|_| Reading::Absent),
        }
    }
}

/// Whether the peer answered its SYN, or it answered the peer's.
fn was_answered(info: &TcpInfo, state: State) -> bool {
    match state {
        State::SynSent | State::Listen | State::BoundInactive => false,
        // A destroy event, perhaps of a connect() that failed: a RST is one segment. Our SYN counts
        // in `bytes_acked`; a server's side has received a SYN and an ACK.
        State::Close => {
            let counted = |slot| info.read(slot).is_none_or(|count| count > 0);
            counted(BYTES_ACKED)
                || counted(BYTES_RECEIVED)
                || info.read(SEGS_IN).is_none_or(|segments| segments > 1)
        }
        _ => true,
    }
}

/// Whether it has sent data: `__tcp_transmit_skb()` (6.12) sets `lsndtime` and counts the payload
/// together. Kernels before 4.6 count neither segments nor bytes with data.
fn has_sent(info: &TcpInfo, state: State) -> bool {
    match info.read(BYTES_SENT).or_else(|| info.read(DATA_SEGS_OUT)) {
        Some(sent) => sent > 0,
        None => was_answered(info, state),
    }
}

/// Whether it has received data in order. `bytes_received` counts the peer's FIN as a byte.
/// Kernels before 4.1 do not have it: there, a socket without a delayed acknowledgement timeout has
/// received nothing.
fn has_received(info: &TcpInfo, state: State) -> bool {
    let closed_by_peer =
        matches!(state, State::CloseWait | State::LastAck | State::Closing | State::Close);
    match info.read(BYTES_RECEIVED) {
        Some(0) => false,
        Some(1) => info.read(DATA_SEGS_IN).map_or(!closed_by_peer, |segments| segments > 0),
        Some(_) => true,
        None => was_answered(info, state) && info.read(ATO).is_some_and(|ato| ato > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::model::fields::tcp_info as t;
    use crate::model::{Field, Socket};
    use crate::wire::EcnWord;

    /// Values of the fields of a fresh socket: `tcp_init_sock()` (6.12) and `tcp_get_info()`, on a
    /// host that runs since an hour.
    const FRESH: [(usize, u32); 9] = [
        (44, 3_600_000),
        (52, 3_600_000),
        (56, 3_600_000),
        (72, 250_000),
        (76, 0x7fff_ffff),
        (80, 10),
        (104, u32::MAX),
        (108, u32::MAX),
        (148, u32::MAX),
    ];

    fn of(state: State, words: &[(usize, u32)]) -> Socket {
        let mut bytes = FRESH.to_vec();
        bytes.extend(words);
        Socket { state, tcp_info: Some(tcp_info(&bytes)), ..socket() }
    }

    #[test]
    fn slots_are_those_of_the_catalogue() {
        for (slot, field) in [
            (ATO, &t::ATO),
            (RTT, &t::RTT),
            (BYTES_ACKED, &t::BYTES_ACKED),
            (BYTES_RECEIVED, &t::BYTES_RECEIVED),
            (SEGS_IN, &t::SEGS_IN),
            (DATA_SEGS_IN, &t::DATA_SEGS_IN),
            (DATA_SEGS_OUT, &t::DATA_SEGS_OUT),
            (DELIVERY_RATE, &t::DELIVERY_RATE),
            (DELIVERED, &t::DELIVERED),
            (BYTES_SENT, &t::BYTES_SENT),
        ] {
            assert_eq!(Some(slot), field.slot(), "{}", field.name);
        }
    }

    /// A field, a state, words of `tcp_info` by their offsets, and what is read.
    type Case = (&'static Field, State, &'static [(usize, u32)], Reading);

    #[test]
    fn nothing_is_measured_before_it_happened() {
        use Reading::{Absent, Integer, Unset};
        let (syn_sent, connected) = (State::SynSent, State::Established);
        let cases: [Case; 34] = [
            (&t::RTT, connected, &[], Unset),
            (&t::RTT, connected, &[(68, 700)], Integer(700)),
            (&t::RTTVAR, connected, &[], Unset),
            (&t::RTTVAR, connected, &[(68, 700)], Integer(250_000)),
            (&t::MIN_RTT, connected, &[], Unset),
            (&t::MIN_RTT, connected, &[(68, 700), (148, 600)], Integer(600)),
            // tcp_disconnect() leaves that of the connection before.
            (&t::MIN_RTT, syn_sent, &[(148, 600)], Unset),
            (&t::RCV_RTT, connected, &[], Unset),
            (&t::ATO, connected, &[], Unset),
            (&t::ATO, connected, &[(12, 40_000)], Integer(40_000)),
            (&t::RCV_SPACE, syn_sent, &[], Unset),
            (&t::SND_SSTHRESH, connected, &[], Unset),
            (&t::PACING_RATE, connected, &[], Unset),
            (&t::PACING_RATE, connected, &[(104, 9), (108, 0)], Integer(9)),
            (&t::DELIVERY_RATE, connected, &[], Unset),
            (&t::DELIVERY_RATE, connected, &[(160, 9)], Integer(9)),
            (&t::DELIVERY_RATE_APP_LIMITED, connected, &[(4, 1 << 24)], Unset),
            (&t::DELIVERY_RATE_APP_LIMITED, connected, &[(4, 1 << 24), (160, 9)], Integer(1)),
            (&t::LAST_DATA_SENT, syn_sent, &[], Unset),
            (&t::LAST_DATA_SENT, connected, &[], Unset),
            (&t::LAST_DATA_SENT, connected, &[(44, 20), (200, 1)], Integer(20)),
            (&t::LAST_DATA_RECV, connected, &[], Unset),
            (&t::LAST_DATA_RECV, connected, &[(52, 20), (128, 2)], Integer(20)),
            // The peer's FIN is no data, a byte is.
            (&t::LAST_DATA_RECV, State::CloseWait, &[(128, 1)], Unset),
            (&t::LAST_DATA_RECV, connected, &[(52, 20), (128, 1), (152, 1)], Integer(20)),
            // Data that waits for a lost segment was not received in order.
            (&t::LAST_DATA_RECV, connected, &[(152, 3)], Unset),
            (&t::LAST_ACK_RECV, syn_sent, &[], Unset),
            (&t::LAST_ACK_RECV, State::Close, &[(140, 1)], Unset),
            (&t::LAST_ACK_RECV, State::Close, &[(56, 20), (120, 1)], Integer(20)),
            (&t::LAST_ACK_RECV, connected, &[(56, 20)], Integer(20)),
            (&t::SND_WND, syn_sent, &[], Absent),
            (&t::SND_WND, connected, &[], Integer(0)),
            (&t::OPTIONS, syn_sent, &[], Absent),
            (&t::SND_CWND, syn_sent, &[], Integer(10)),
        ];
        for (field, state, words, expected) in cases {
            let found = field.read(&of(state, words));
            assert_eq!(found, expected, "{} {state:?} {words:?}", field.name);
        }
    }

    #[test]
    fn listeners_have_what_their_children_begin_with() {
        // The queue and the backlog are in the places of `unacked` and `sacked`.
        let mut words = vec![(24, 3), (28, 128), (88, 3), (112, 5_000)];
        words.extend((44..60).step_by(4).map(|at| (at, 7)));
        let listener = of(State::Listen, &words);
        let there: Vec<_> = t::ALL
            .iter()
            .filter(|field| field.read(&listener) != Reading::Absent)
            .map(|field| field.name)
            .collect();
        assert_eq!(there, ["tcpi_state", "reordering", "pacing_rate", "max_pacing_rate"]);
        assert_eq!(t::UNACKED.integer(&of(State::Established, &words)), Some(3));
    }

    #[test]
    fn old_kernels_show_what_they_know() {
        let short = |state, length: usize, ato: u32| {
            let mut bytes = [0; 280];
            bytes[12..16].copy_from_slice(&ato.to_ne_bytes());
            bytes[40] = 5;
            let info = TcpInfo::new(&bytes[..length], EcnWord::Unknown);
            Socket { state, tcp_info: Some(info), ..socket() }
        };
        // 3.10: 104 bytes, 4.15: 192 bytes.
        for (length, ato, sent, received) in [
            (104, 0, Reading::Integer(0), Reading::Unset),
            (104, 40_000, Reading::Integer(0), Reading::Integer(0)),
            (192, 40_000, Reading::Unset, Reading::Unset),
        ] {
            let socket = short(State::Established, length, ato);
            assert_eq!(t::LAST_DATA_SENT.read(&socket), sent, "{length}");
            assert_eq!(t::LAST_DATA_RECV.read(&socket), received, "{length}");
        }
        let forward = |length| t::FACKETS.read(&short(State::Established, length, 0));
        assert_eq!([forward(192), forward(280)], [Reading::Integer(5), Reading::Absent]);
        assert_eq!(t::LAST_ACK_SENT.read(&short(State::Established, 280, 0)), Reading::Unset);
    }
}
