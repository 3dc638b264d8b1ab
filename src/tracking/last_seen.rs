//! What a dump shows of a socket besides its counters.

use crate::model::fields::tcp_info as t;
use crate::model::{Socket, State};
use crate::wire::{Slot, uapi};

/// A hint at what a socket may have been through. Signs come from levels and states, not from
/// counters, so none of them is proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sign {
    /// It advertises a window of 0, or its receive buffer is nearly full.
    ReceiverFull = 1,
    /// Its peer advertises a window of 0.
    PeerFull = 2,
    /// It has bytes that were written and not sent.
    Unsent = 4,
    /// Retransmissions, probes or keepalives were not answered.
    GivingUp = 8,
    /// The program has not read everything.
    Unread = 16,
    /// It does not use SACK.
    NoSack = 32,
    /// Its slow start has ended.
    SlowStartOver = 64,
    /// Much of its data is in a queueing discipline or driver.
    HostQueue = 128,
}

/// What a dump shows besides counters, in four bytes. It is kept for every socket until the next
/// interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSeen {
    /// From the lowest bit: eight signs, four bits of the state, two of `in_loss`.
    bits: u16,
    /// 0 where it was not sent.
    mss: u16,
}

/// Position and mask of the state in [`LastSeen::bits`].
const STATE: u16 = 8;
const STATE_MASK: u16 = 0xf;
/// Position of `in_loss`: two bits, 0 where the kernel does not send it.
const LOSS: u16 = 12;
const CALM: u16 = 1;
const IN_LOSS: u16 = 2;

/// Offsets of fields as constants. Looking them up in the catalogue took 120 ns more for every socket
/// that moves (470 instead of 350 for decoding and observing one).
const CA_STATE: Option<Slot> = t::CA_STATE.slot();
const BACKOFF: Option<Slot> = t::BACKOFF.slot();
const SND_MSS: Option<Slot> = t::SND_MSS.slot();
const SND_SSTHRESH: Option<Slot> = t::SND_SSTHRESH.slot();
const NOTSENT_BYTES: Option<Slot> = t::NOTSENT_BYTES.slot();
const RCV_WND: Option<Slot> = t::RCV_WND.slot();

/// `snd_ssthresh` before the first congestion.
const UNSET: Option<u64> = t::SND_SSTHRESH.unset;

/// More than TCP small queues leave below the socket for long (`tcp_small_queue_check()`).
const MUCH: u64 = 64 << 10;

impl LastSeen {
    /// What a socket shows.
    pub fn of(socket: &Socket) -> Self {
        // The kernel leaves zeros in all of these fields of a listener.
        let info = socket.tcp_info.as_ref().filter(|_| socket.state != State::Listen);
        let read = |slot: Option<Slot>| info?.read(slot?);
        // Before the handshake there are neither.
        let (window, options) = match info {
            Some(info) => (
                t::SND_WND.integer_of(info, socket.state),
                t::OPTIONS.integer_of(info, socket.state),
            ),
            None => (None, None),
        };
        let word = |index| socket.skmem.as_ref()?.word(index).map(u64::from);
        // From here on, segments that arrive are soon pruned or dropped.
        let full = word(uapi::SK_MEMINFO_RMEM_ALLOC)
            .zip(word(uapi::SK_MEMINFO_RCVBUF))
            .is_some_and(|(used, size)| used * 4 > size * 3);
        let probing = socket.timer.is_some_and(|timer| timer.retransmits > 0);
        let ssthresh = read(SND_SSTHRESH);
        let unread = socket.state != State::Listen && socket.receive_queue > 0;
        let shown = [
            (read(RCV_WND) == Some(0) || full, Sign::ReceiverFull),
            (window == Some(0), Sign::PeerFull),
            (read(NOTSENT_BYTES).is_some_and(|bytes| bytes > 0), Sign::Unsent),
            (probing || read(BACKOFF).is_some_and(|backoff| backoff > 0), Sign::GivingUp),
            (unread, Sign::Unread),
            (
                options.is_some_and(|options| options & u64::from(uapi::TCPI_OPT_SACK) == 0),
                Sign::NoSack,
            ),
            (ssthresh.is_some() && ssthresh != UNSET, Sign::SlowStartOver),
            (word(uapi::SK_MEMINFO_WMEM_ALLOC).is_some_and(|bytes| bytes > MUCH), Sign::HostQueue),
        ];
        Self::new(
            socket.state,
            read(CA_STATE).map(|state| state == u64::from(uapi::TCP_CA_LOSS)),
            read(SND_MSS).and_then(|mss| u16::try_from(mss).ok()),
            shown.iter().map(|&(shown, sign)| u8::from(shown) * sign as u8).sum(),
        )
    }

    #[inline]
    fn new(state: State, in_loss: Option<bool>, mss: Option<u16>, signs: u8) -> Self {
        let loss = match in_loss {
            None => 0,
            Some(false) => CALM,
            Some(true) => IN_LOSS,
        };
        let bits = u16::from(signs) | (state as u16) << STATE | loss << LOSS;
        Self { bits, mss: mss.unwrap_or(0) }
    }

    /// The state.
    pub fn state(&self) -> State {
        // Only states were packed.
        State::from_kernel((self.bits >> STATE & STATE_MASK) as u8).unwrap_or(State::Close)
    }

    /// Whether it was in loss recovery after a timeout (`TCP_CA_Loss`); `None` where the kernel does
    /// not send it.
    pub fn in_loss(&self) -> Option<bool> {
        match self.bits >> LOSS {
            0 => None,
            loss => Some(loss == IN_LOSS),
        }
    }

    /// Payload of a full segment; `None` where the kernel does not send it.
    pub fn mss(&self) -> Option<u16> {
        (self.mss != 0).then_some(self.mss)
    }

    /// Whether it showed this sign.
    pub fn shows(&self, sign: Sign) -> bool {
        self.signs() & sign as u8 != 0
    }

    /// All signs, as bits of [`Sign`].
    pub fn signs(&self) -> u8 {
        self.bits as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timer;
    use crate::model::example::{skmem, socket, tcp_info};

    const SIGNS: [Sign; 8] = [
        Sign::ReceiverFull,
        Sign::PeerFull,
        Sign::Unsent,
        Sign::GivingUp,
        Sign::Unread,
        Sign::NoSack,
        Sign::SlowStartOver,
        Sign::HostQueue,
    ];

    #[test]
    fn packing_loses_nothing() {
        assert_eq!(size_of::<LastSeen>(), 4);
        for state in State::ALL {
            for in_loss in [None, Some(false), Some(true)] {
                for mss in [None, Some(1), Some(1448), Some(u16::MAX)] {
                    for signs in 0..=u8::MAX {
                        let last_seen = LastSeen::new(state, in_loss, mss, signs);
                        assert_eq!(last_seen.state(), state);
                        assert_eq!(last_seen.in_loss(), in_loss);
                        assert_eq!(last_seen.mss(), mss);
                        assert_eq!(last_seen.signs(), signs);
                        let shown = SIGNS.into_iter().filter(|&sign| last_seen.shows(sign));
                        assert_eq!(shown.fold(0, |signs, sign| signs | sign as u8), signs);
                    }
                }
            }
        }
    }

    /// Changes one field at a time of a socket that shows no sign. (Bytes within a word of `tcp_info`
    /// are those of a little-endian host.)
    #[test]
    fn each_sign_is_seen() {
        let calm = [(4, 2 << 8), (16, 1448), (76, 0x7fff_ffff), (228, 1), (232, 1)];
        let with = |at: usize, value: u32| {
            let mut words = calm.to_vec();
            words.push((at, value));
            Socket { tcp_info: Some(tcp_info(&words)), skmem: Some(skmem(0)), ..socket() }
        };
        let plain = with(16, 1448);
        let last_seen = LastSeen::of(&plain);
        assert_eq!(last_seen.state(), State::Established);
        assert_eq!((last_seen.in_loss(), last_seen.mss()), (Some(false), Some(1448)));
        assert_eq!(last_seen.signs(), 0);
        let cases = [
            (with(228, 0), Sign::PeerFull),
            (with(232, 0), Sign::ReceiverFull),
            (Socket { skmem: Some(skmem(100)), ..plain }, Sign::ReceiverFull),
            (with(144, 1), Sign::Unsent),
            (
                Socket { timer: Timer::new(uapi::IDIAG_TIMER_RETRANS, 200, 3), ..plain },
                Sign::GivingUp,
            ),
            (Socket { receive_queue: 1, ..plain }, Sign::Unread),
            (with(4, 0), Sign::NoSack),
            (with(76, 10), Sign::SlowStartOver),
            (Socket { skmem: Some(skmem(65 << 10)), ..plain }, Sign::HostQueue),
        ];
        for (socket, sign) in cases {
            assert!(!last_seen.shows(sign) && LastSeen::of(&socket).shows(sign), "{sign:?}");
        }
        assert_eq!(LastSeen::of(&with(0, 4 << 8)).in_loss(), Some(true));
        let blind = Socket { tcp_info: None, skmem: None, state: State::SynSent, ..plain };
        let last_seen = LastSeen::of(&blind);
        assert_eq!((last_seen.signs(), last_seen.in_loss(), last_seen.mss()), (0, None, None));
        assert_eq!(last_seen.state(), State::SynSent);
    }
}
