//! How connections ended, and connects that came to nothing.

use super::connection_history::ConnectionHistory;
use super::evidence::Lifecycle;
use crate::model::fields::tcp_info as t;
use crate::model::{Role, Socket, State};
use crate::wire::{Slot, TcpInfo};

const MIN_RTT: Option<Slot> = t::MIN_RTT.slot();
const BYTES_ACKED: Option<Slot> = t::BYTES_ACKED.slot();
const BYTES_SENT: Option<Slot> = t::BYTES_SENT.slot();
const BYTES_RETRANS: Option<Slot> = t::BYTES_RETRANS.slot();
const BYTES_RECEIVED: Option<Slot> = t::BYTES_RECEIVED.slot();
const SEGS_OUT: Option<Slot> = t::SEGS_OUT.slot();
const SEGS_IN: Option<Slot> = t::SEGS_IN.slot();
const RETRANSMITS: Option<Slot> = t::RETRANSMITS.slot();
const PROBES: Option<Slot> = t::PROBES.slot();
const TOTAL_RETRANS: Option<Slot> = t::TOTAL_RETRANS.slot();
const DATA_SEGS_IN: Option<Slot> = t::DATA_SEGS_IN.slot();

/// Milliseconds without data after which a firewall, a NAT or a load balancer may have dropped a
/// connection's state: shorter timeouts are not usual.
const LONG_IDLE_MS: u64 = 30_000;

/// `rtt_min` before the first measurement.
const NO_RTT: u64 = u32::MAX as u64;

/// What is known of a connection that is no longer in the dumps.
#[derive(Debug, Clone, Copy)]
pub struct EndedConnection<'a> {
    /// Its role.
    pub role: Role,
    /// Its state in the last dump that showed it; CLOSE where none did.
    pub state: State,
    /// Whether its destroy event came.
    pub lifecycle: Lifecycle,
    /// Whether that event had nothing but addresses.
    pub wiped: bool,
    /// Whether destroy events are received.
    pub has_events: bool,
    /// The last `tcp_info` that is known.
    pub info: &'a TcpInfo,
    /// Bytes that were not acknowledged.
    pub send_queue: u32,
    /// Bytes that were not read.
    pub receive_queue: u32,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its FIN was acknowledged.
    Orderly,
    /// A connect was answered by a reset.
    Refused,
    /// A connect ended without an answer; whether its SYN was repeated.
    Unanswered {
        /// It was.
        repeated: bool,
    },
    /// A connect failed, and the kernel has forgotten how.
    Failed,
    /// It ended without a FIN of its own that the peer acknowledged.
    Aborted {
        /// Data that it sent was not acknowledged, or a request got no answer at all.
        lost: bool,
        /// The program left data unread.
        unread: bool,
        /// The kernel was repeating something unanswered.
        silent: bool,
    },
    /// Its program closed it with a reset (SO_LINGER 0), or its listener ended before it was accepted.
    Dropped,
}

/// What happened on a connection before it was reset from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing that would tell why.
    Unknown,
    /// The peer had sent a FIN, and this host sent more.
    Fin,
    /// The peer had sent a FIN, and everything that this host sent had been acknowledged.
    Finished,
    /// It had carried nothing for long, and this host sent more.
    Idle,
}

/// Whether the peer's FIN came between two readings of a connection: the kernel counts it as one
/// byte received (`tcp_rcv_nxt_update()`), which no segment with data brought.
pub(super) fn got_fin(earlier: &TcpInfo, later: &TcpInfo) -> bool {
    let grew = |slot| read(later, slot)?.checked_sub(read(earlier, slot)?);
    grew(BYTES_RECEIVED) == Some(1) && grew(DATA_SEGS_IN) == Some(0)
}

fn read(info: &TcpInfo, slot: Option<Slot>) -> Option<u64> {
    info.read(slot?)
}

/// Whether a destroy event has nothing but addresses: `tcp_disconnect()` has wiped the socket.
pub fn is_wiped(event: &Socket) -> bool {
    event.remote.port == 0
}

/// Whether a wiped socket was never connected. `tcp_disconnect()` leaves the least round trip.
pub fn was_never_connected(event: &Socket) -> bool {
    let least = event.tcp_info.as_ref().and_then(|info| read(info, MIN_RTT));
    is_wiped(event) && least == Some(NO_RTT)
}

/// Whether the peer has not completed the handshake of a socket that sent a SYN.
pub fn is_failed_connect(info: &TcpInfo) -> bool {
    // The options are what both ends agreed on.
    t::OPTIONS.integer_of(info, State::Close).is_none() && read(info, SEGS_OUT) > Some(0)
}

impl EndedConnection<'_> {
    /// How it ended; `None` where it has not, or where that is not known.
    pub fn ending(&self) -> Option<Ending> {
        if self.lifecycle == Lifecycle::Open {
            return None;
        }
        let Self { info, state, .. } = *self;
        let vanished = self.lifecycle == Lifecycle::Vanished;
        if vanished && !self.has_events {
            return None;
        }
        if state == State::SynSent || state == State::Close && is_failed_connect(info) {
            if !is_failed_connect(info) {
                // It was established between its last poll and its end.
                return self.established();
            }
            let repeated = read(info, TOTAL_RETRANS).unwrap_or(0) > 0;
            return Some(match read(info, SEGS_IN) {
                Some(1..) => Ending::Refused,
                _ if repeated => Ending::Unanswered { repeated },
                _ if self.wiped || vanished => Ending::Failed,
                _ => Ending::Unanswered { repeated },
            });
        }
        if self.wiped {
            return Some(Ending::Dropped);
        }
        // Without an event only those tell that did not begin to close: their program still has
        // them.
        if vanished && !matches!(state, State::Established | State::CloseWait) {
            return None;
        }
        self.established()
    }

    /// How a connection ended that was established. In an orderly end the peer has acknowledged the
    /// FIN.
    fn established(&self) -> Option<Ending> {
        let info = self.info;
        let sent = read(info, BYTES_SENT)?.saturating_sub(read(info, BYTES_RETRANS)?);
        let syn = u64::from(self.role == Role::Client);
        // What was acknowledged beyond the data: the SYN of a client, and the FIN.
        let beyond = read(info, BYTES_ACKED)?.checked_sub(sent);
        if self.lifecycle == Lifecycle::Closed && beyond.is_some_and(|beyond| beyond > syn) {
            return Some(Ending::Orderly);
        }
        let unanswered = sent > 0 && read(info, BYTES_RECEIVED) == Some(0);
        let positive = |slot| read(info, slot).is_some_and(|count| count > 0);
        Some(Ending::Aborted {
            // What the last poll showed may have been acknowledged since.
            lost: self.send_queue > 1 && self.lifecycle == Lifecycle::Closed
                || syn == 1 && unanswered,
            unread: self.receive_queue > 1,
            silent: positive(RETRANSMITS) || positive(PROBES),
        })
    }
}

/// How a watched connection ended.
fn ending(history: &ConnectionHistory) -> Option<Ending> {
    let ended = EndedConnection {
        role: history.example.role,
        state: history.example.state,
        lifecycle: history.lifecycle,
        wiped: history.wiped,
        has_events: history.has_events,
        info: history.last_info()?,
        send_queue: history.send_queue(),
        receive_queue: history.receive_queue(),
    };
    ended.ending()
}

/// What came before a connection was reset from outside.
fn before(history: &ConnectionHistory, lost: bool, unread: bool, silent: bool) -> Before {
    match () {
        () if unread || silent => Before::Unknown,
        () if history.peer_finished && lost => Before::Fin,
        () if history.peer_finished => Before::Finished,
        () if was_idle(history) => Before::Idle,
        () => Before::Unknown,
    }
}

/// Whether nothing came for long before the last data was sent.
fn was_idle(history: &ConnectionHistory) -> bool {
    let age = |field| history.level(field);
    let (sent, received) = (age(&t::LAST_DATA_SENT), age(&t::LAST_DATA_RECV));
    sent.zip(received).is_some_and(|(sent, received)| received >= sent + LONG_IDLE_MS)
}

/// How many connections ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Connects that succeeded.
    pub connected: u64,
    /// Connects that were refused.
    pub refused: u64,
    /// Connects without an answer to several SYNs.
    pub unanswered: u64,
    /// Connects that ended before a SYN was repeated, without an answer.
    pub given_up: u64,
    /// Connects that failed, and it is not known how.
    pub failed: u64,
    /// Connections that ended in an orderly way.
    pub orderly: u64,
    /// Connections that ended without one.
    pub aborted: u64,
    /// Of these: data was lost.
    pub lost: u64,
    /// Of these: the program had not read everything.
    pub unread: u64,
    /// Of these: the kernel was repeating something unanswered.
    pub silent: u64,
    /// Of these: reset from outside after the peer's FIN, when this host sent more.
    pub after_fin: u64,
    /// Of these: reset from outside after the peer's FIN, when nothing was left to arrive.
    pub finished: u64,
    /// Of these: reset from outside when this host sent something after a long pause.
    pub after_idle: u64,
    /// Connections that this host's program dropped with a reset.
    pub dropped: u64,
}

impl Ends {
    pub(super) fn add_connection(&mut self, history: &ConnectionHistory) {
        let ending = ending(history);
        let failed =
            matches!(ending, Some(Ending::Refused | Ending::Unanswered { .. } | Ending::Failed));
        let is_client = history.example.role == Role::Client;
        let established = history.example.state != State::SynSent || ending.is_some();
        let connected = is_client && history.opened_while_watched && established && !failed;
        self.connected += u64::from(connected);
        match ending {
            None => {}
            Some(Ending::Orderly) => self.orderly += 1,
            Some(Ending::Refused) => self.refused += 1,
            Some(Ending::Unanswered { repeated: true }) => self.unanswered += 1,
            Some(Ending::Unanswered { repeated: false }) => self.given_up += 1,
            Some(Ending::Failed) => self.failed += 1,
            Some(Ending::Dropped) => self.dropped += 1,
            Some(Ending::Aborted { lost, unread, silent }) => {
                let before = before(history, lost, unread, silent);
                self.aborted += 1;
                self.lost += u64::from(lost);
                self.unread += u64::from(unread);
                self.silent += u64::from(silent);
                self.after_fin += u64::from(before == Before::Fin);
                self.finished += u64::from(before == Before::Finished);
                self.after_idle += u64::from(before == Before::Idle);
            }
        }
    }

    /// Connects that came to nothing.
    pub fn failures(&self) -> u64 {
        self.refused + self.unanswered + self.given_up + self.failed
    }

    /// Connects of which the outcome is known.
    pub fn attempts(&self) -> u64 {
        self.connected + self.failures()
    }

    /// Connections of which the end is known.
    pub fn ended(&self) -> u64 {
        self.orderly + self.aborted + self.dropped
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.given_up += other.given_up;
        self.failed += other.failed;
        self.orderly += other.orderly;
        self.aborted += other.aborted;
        self.lost += other.lost;
        self.unread += other.unread;
        self.silent += other.silent;
        self.after_fin += other.after_fin;
        self.finished += other.finished;
        self.after_idle += other.after_idle;
        self.dropped += other.dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::looks::Inflation;
    use crate::model::Endpoint;
    use crate::model::example::{socket, tcp_info};
    use std::time::Duration;

    /// Offsets in `struct tcp_info`.
    const ACKED: usize = 120;
    const RECEIVED: usize = 128;
    const OUT: usize = 136;
    const IN: usize = 140;
    const LEAST_RTT: usize = 148;
    const SENT: usize = 200;
    const AGAIN: usize = 208;
    const TOTAL_AGAIN: usize = 100;

    fn event(info: &[(usize, u32)]) -> Socket {
        Socket { state: State::Close, tcp_info: Some(tcp_info(info)), ..socket() }
    }

    fn aborted(lost: bool, unread: bool) -> Ending {
        Ending::Aborted { lost, unread, silent: false }
    }

    /// How a connection ended of which only the event is known.
    fn ended(role: Role, event: &Socket) -> Option<Ending> {
        ending(&ConnectionHistory::from_destroy_event(event, role, Duration::ZERO, 2))
    }

    #[test]
    fn a_fin_that_was_acknowledged_is_an_orderly_end() {
        let data = [(OUT, 9), (IN, 9), (SENT, 5_000), (AGAIN, 1_000), (RECEIVED, 700)];
        let acked = |bytes: u32| [data.as_slice(), &[(ACKED, bytes)]].concat();
        // The SYN of a client counts, that of a server does not.
        let cut = aborted(false, false);
        for (role, bytes, expected) in [
            (Role::Client, 4_002, Ending::Orderly),
            (Role::Client, 4_001, cut),
            (Role::Server, 4_001, Ending::Orderly),
            (Role::Server, 4_000, cut),
            // Who opened it is not known: orderly, in doubt.
            (Role::Unknown, 4_001, Ending::Orderly),
        ] {
            assert_eq!(ended(role, &event(&acked(bytes))), Some(expected), "{role:?} {bytes}");
        }
        let lost = Socket { send_queue: 1_000, ..event(&acked(3_000)) };
        let expected = aborted(true, false);
        assert_eq!(ended(Role::Server, &lost), Some(expected));
        let fin = Socket { send_queue: 1, receive_queue: 700, ..event(&acked(4_000)) };
        let expected = aborted(false, true);
        assert_eq!(ended(Role::Server, &fin), Some(expected));
        // A request without an answer.
        let asked = event(&[(OUT, 3), (IN, 2), (SENT, 100), (ACKED, 101)]);
        let expected = aborted(true, false);
        assert_eq!(ended(Role::Client, &asked), Some(expected));
    }

    /// What came before a reset, of a connection of which a poll showed `polled` before its event
    /// showed `last`.
    fn before(state: State, polled: &[(usize, u32)], last: &[(usize, u32)]) -> Before {
        before_with(100, state, polled, last)
    }

    /// The same with so many bytes that were not acknowledged.
    fn before_with(
        send_queue: u32,
        state: State,
        polled: &[(usize, u32)],
        last: &[(usize, u32)],
    ) -> Before {
        let inflation = Inflation { times: 3.0, least_us: 2e4 };
        let record = Socket { state, tcp_info: Some(tcp_info(polled)), ..socket() };
        let (role, at) = (Role::Client, Duration::ZERO);
        let mut history = ConnectionHistory::new(&record, role, true, at, 2, inflation);
        history.on_destroy(&Socket { send_queue, ..event(last) }, at);
        match ending(&history) {
            Some(Ending::Aborted { lost, unread, silent }) => {
                super::before(&history, lost, unread, silent)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fin_is_a_byte_that_no_segment_with_data_brought() {
        const DATA_IN: usize = 152;
        const IDLE: [usize; 2] = [44, 52];
        let idle = [(OUT, 5), (SENT, 100), (ACKED, 101), (RECEIVED, 700), (DATA_IN, 1)];
        let with = |more: &[(usize, u32)]| {
            let others = idle.iter().filter(|(at, _)| !more.iter().any(|(it, _)| it == at));
            more.iter().chain(others).copied().collect::<Vec<_>>()
        };
        let again = with(&[(OUT, 6), (SENT, 200)]);
        assert_eq!(before(State::Established, &idle, &again), Before::Unknown);
        assert_eq!(before(State::CloseWait, &idle, &again), Before::Fin);
        // Only its own FIN is not acknowledged.
        let closed = before_with(1, State::CloseWait, &idle, &with(&[(OUT, 6)]));
        assert_eq!(closed, Before::Finished);
        let fin = with(&[(OUT, 6), (SENT, 200), (RECEIVED, 701)]);
        assert_eq!(before(State::Established, &idle, &fin), Before::Fin);
        let data = with(&[(OUT, 6), (SENT, 200), (RECEIVED, 701), (DATA_IN, 2)]);
        assert_eq!(before(State::Established, &idle, &data), Before::Unknown, "a byte of data");
        let late = with(&[(OUT, 6), (SENT, 200), (IDLE[0], 2), (IDLE[1], 40_000)]);
        assert_eq!(before(State::Established, &idle, &late), Before::Idle);
        let soon = with(&[(OUT, 6), (SENT, 200), (IDLE[0], 2), (IDLE[1], 9_000)]);
        assert_eq!(before(State::Established, &idle, &soon), Before::Unknown);
    }

    #[test]
    fn connects_that_came_to_nothing() {
        assert_eq!(ended(Role::Client, &event(&[(OUT, 1), (IN, 1)])), Some(Ending::Refused));
        let given_up = event(&[(OUT, 1)]);
        assert_eq!(ended(Role::Client, &given_up), Some(Ending::Unanswered { repeated: false }));
        let repeated = event(&[(OUT, 3), (TOTAL_AGAIN, 2)]);
        assert_eq!(ended(Role::Client, &repeated), Some(Ending::Unanswered { repeated: true }));
        let wiped = |least| {
            let remote = Endpoint { port: 0, ..socket().remote };
            Socket { remote, ..event(&[(LEAST_RTT, least)]) }
        };
        assert!(was_never_connected(&wiped(u32::MAX)));
        assert!(!was_never_connected(&wiped(40_000)), "dropped with a reset");
        assert!(!was_never_connected(&given_up));
    }

    #[test]
    fn what_polls_showed_before() {
        let inflation = Inflation { times: 3.0, least_us: 2e4 };
        let seen = |state, info: &[(usize, u32)]| {
            let record = Socket { state, tcp_info: Some(tcp_info(info)), ..socket() };
            ConnectionHistory::new(&record, Role::Client, true, Duration::ZERO, 2, inflation)
        };
        let wiped = Socket { remote: Endpoint { port: 0, ..socket().remote }, ..event(&[]) };
        let mut connecting = seen(State::SynSent, &[(OUT, 1)]);
        assert_eq!(ending(&connecting), None, "open");
        connecting.on_destroy(&wiped, Duration::ZERO);
        assert_eq!(ending(&connecting), Some(Ending::Failed));
        let mut connected = seen(State::Established, &[(OUT, 5), (IN, 4), (SENT, 50)]);
        connected.on_destroy(&wiped, Duration::ZERO);
        assert_eq!(ending(&connected), Some(Ending::Dropped));
        // Its program still has it.
        let mut vanished =
            seen(State::Established, &[(OUT, 5), (SENT, 50), (ACKED, 51), (RECEIVED, 9)]);
        vanished.lifecycle = Lifecycle::Vanished;
        assert_eq!(ending(&vanished), Some(aborted(false, false)));
        vanished.has_events = false;
        assert_eq!(ending(&vanished), None, "without events nobody knows");
        let mut ends = Ends::default();
        ends.add_connection(&connecting);
        ends.add_connection(&connected);
        assert_eq!((ends.failed, ends.dropped, ends.connected), (1, 1, 1));
        assert_eq!((ends.attempts(), ends.ended()), (2, 1));
    }
}
