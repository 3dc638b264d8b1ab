//! TCP states as the kernel numbers them (include/net/tcp_states.h).

use crate::wire::uapi;

/// The state of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Data can flow.
    Established = uapi::TCP_ESTABLISHED,
    /// Our SYN is not answered yet.
    SynSent = uapi::TCP_SYN_SENT,
    /// A request: a SYN was answered, the handshake's last ACK is missing.
    SynRecv = uapi::TCP_SYN_RECV,
    /// We closed first; our FIN is not acknowledged.
    FinWait1 = uapi::TCP_FIN_WAIT1,
    /// We closed first; the peer has not.
    FinWait2 = uapi::TCP_FIN_WAIT2,
    /// Both closed, we first; late segments may still arrive.
    TimeWait = uapi::TCP_TIME_WAIT,
    /// Not connected, or no longer.
    Close = uapi::TCP_CLOSE,
    /// The peer closed; the program has not.
    CloseWait = uapi::TCP_CLOSE_WAIT,
    /// Both closed, the peer first; our FIN is not acknowledged.
    LastAck = uapi::TCP_LAST_ACK,
    /// Waits for connections.
    Listen = uapi::TCP_LISTEN,
    /// Both closed at once; our FIN is not acknowledged.
    Closing = uapi::TCP_CLOSING,
    /// Bound, neither listening nor connected.
    BoundInactive = uapi::TCP_BOUND_INACTIVE,
}

impl State {
    /// All states in the kernel's order.
    pub const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::BoundInactive,
    ];

    /// The state of this number. NEW_SYN_RECV (12) is the kernel's inner form
    /// of SYN_RECV.
    #[inline]
    pub fn from_kernel(number: u8) -> Option<Self> {
        const BY_NUMBER: [Option<State>; 14] = {
            let mut by_number = [None; 14];
            let mut index = 0;
            while index < State::ALL.len() {
                by_number[State::ALL[index] as usize] = Some(State::ALL[index]);
                index += 1;
            }
            by_number[uapi::TCP_NEW_SYN_RECV as usize] = Some(State::SynRecv);
            by_number
        };
        BY_NUMBER.get(usize::from(number)).copied().flatten()
    }

    /// The name used in JSON and in filters: `established`, `fin_wait_1`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::TimeWait => "time_wait",
            Self::Close => "close",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
            Self::BoundInactive => "bound_inactive",
        }
    }

    /// The short upper-case form that ss prints.
    pub fn label(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::BoundInactive => "BOUND",
        }
    }
}

/// A set of states; bit n is state n, as in `idiag_states`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSet(u32);

impl StateSet {
    /// No state.
    pub const NONE: Self = Self(0);
    /// Every state.
    pub const ALL: Self = Self::of(&State::ALL);
    /// What `conns` shows by default: established and closing connections that have a full socket.
    pub const DEFAULT: Self = Self::of(&[
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::LastAck,
        State::Closing,
    ]);
    /// ss's `connected`: all but listening and closed.
    pub const CONNECTED: Self =
        Self(Self::ALL.0 & !Self::of(&[State::Listen, State::Close, State::BoundInactive]).0);
    /// ss's `synchronized`: connected, without SYN-SENT.
    pub const SYNCHRONIZED: Self = Self(Self::CONNECTED.0 & !Self::of(&[State::SynSent]).0);
    /// ss's `bucket`: records without a socket.
    pub const BUCKET: Self = Self::of(&[State::SynRecv, State::TimeWait]);
    /// ss's `big`: all but those.
    pub const BIG: Self = Self(Self::ALL.0 & !Self::BUCKET.0);
    /// Connections that are being closed.
    pub const CLOSING: Self = Self::of(&[
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::CloseWait,
        State::LastAck,
        State::Closing,
    ]);

    /// The set of these states.
    pub const fn of(states: &[State]) -> Self {
        let mut bits = 0;
        let mut rest = states;
        while let [first, tail @ ..] = rest {
            bits |= 1 << *first as u32;
            rest = tail;
        }
        Self(bits)
    }

    /// All of these but one.
    pub const fn without(self, state: State) -> Self {
        Self(self.0 & !(1 << state as u32))
    }

    /// The states or the group of this name, in any of the spellings in use:
    /// `fin_wait_1`, `fin-wait-1`, `FIN-WAIT-1`, `finwait1`, `fin_wait1`.
    pub fn named(name: &str) -> Option<Self> {
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let group = match plain.as_str() {
            "all" => Self::ALL,
            "connected" => Self::CONNECTED,
            "synchronized" => Self::SYNCHRONIZED,
            "bucket" => Self::BUCKET,
            "big" => Self::BIG,
            "default" => Self::DEFAULT,
            "closed" | "unconnected" => Self::of(&[State::Close]),
            "listening" => Self::of(&[State::Listen]),
            "estab" => Self::of(&[State::Established]),
            "synrcv" => Self::of(&[State::SynRecv]),
            _ => {
                let state =
                    State::ALL.into_iter().find(|state| state.name().replace('_', "") == plain)?;
                Self::of(&[state])
            }
        };
        Some(group)
    }

    /// The names that [`StateSet::named`] accepts, for messages.
    pub const NAMES: &str = "established, syn_sent, syn_recv, fin_wait_1, fin_wait_2, time_wait, \
        close, close_wait, last_ack, listen, closing, bound_inactive, or one of the groups all, \
        default, connected, synchronized, bucket, big";

    /// Whether `state` is in the set.
    pub fn contains(self, state: State) -> bool {
        self.0 & 1 << state as u32 != 0
    }

    /// Whether no state is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The states in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The states in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The states that are not in the set.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(Self::ALL.0 & !self.0)
    }

    /// The value for `idiag_states`.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromIterator<State> for StateSet {
    fn from_iter<I: IntoIterator<Item = State>>(states: I) -> Self {
        states.into_iter().fold(Self::NONE, |set, state| set.union(Self::of(&[state])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for name in ["fin_wait_1", "fin-wait-1", "FIN-WAIT-1", "finwait1", "FIN_WAIT1"] {
            assert_eq!(StateSet::named(name), Some(StateSet::of(&[State::FinWait1])), "{name}");
        }
        for state in State::ALL {
            assert_eq!(StateSet::named(state.name()), Some(StateSet::of(&[state])));
            assert_eq!(State::from_kernel(state as u8), Some(state));
        }
        assert_eq!(StateSet::named("estab"), StateSet::named("established"));
        assert_eq!(StateSet::named("open"), None);
        assert_eq!(StateSet::named(""), None);
        assert_eq!(State::from_kernel(12), Some(State::SynRecv));
        assert_eq!(State::from_kernel(0), None);
    }

    #[test]
    fn groups() {
        assert!(!StateSet::CONNECTED.contains(State::Listen));
        assert!(StateSet::CONNECTED.contains(State::TimeWait));
        assert_eq!(StateSet::ALL.bits(), 0x2ffe);
        assert_eq!(StateSet::ALL.complement(), StateSet::NONE);
    }
}
