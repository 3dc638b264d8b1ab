//! What is kept of one socket while it is watched.

use std::time::Duration;

use super::evidence::{Evidence, Fate};
use super::finding::Example;
use super::sign::Sign;
use crate::model::fields::tcp_info as t;
use crate::model::{Endpoint, Field, Role, Socket, State, Timer, TimerKind};
use crate::tracking::Holder;
use crate::wire::{Slot, TcpInfo};

/// From here on `tcp_info` holds nothing that moves by itself while a socket is idle.
const BEHIND_CLOCKS: usize = 60;

/// `TCPI_OPT_*`.
pub(super) const TIMESTAMPS: u64 = 1;
pub(super) const SACK: u64 = 2;
pub(super) const WINDOW_SCALING: u64 = 4;

/// So much unread is much, whatever the buffer.
const MUCH_UNREAD: u64 = 64 << 10;

/// Segments in flight that make a stream: with fewer, round trips contain the peer's delayed
/// acknowledgements and its thinking.
const STREAM: u64 = 8;

/// From where on round trips are [`Sign::Inflated`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Inflation {
    /// So many times the least.
    pub(super) times: f64,
    /// And so much longer.
    pub(super) least_us: f64,
}

/// Round trips of a connection, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtt {
    /// The least of the last minutes.
    pub least: u64,
    /// Now, smoothed.
    pub now: u64,
    /// How much single ones differ.
    pub varies: u64,
}

/// Where fields lie, as constants: every socket is looked at.
macro_rules! slots {
    ($($name:ident)*) => { $(const $name: Option<Slot> = t::$name.slot();)* };
}

slots! {
    CA_STATE UNACKED NOTSENT_BYTES RTO RTT RTTVAR MIN_RTT SND_CWND SND_WND RCV_WND SND_MSS PMTU
    BYTES_ACKED SEGS_OUT BYTES_SENT DELIVERY_RATE_APP_LIMITED
}

/// Segments in a congestion window of which three can tell that one is lost.
const SOME: u64 = 4;

/// `TCP_CA_Loss`.
const LOSS: u64 = 4;

/// `min_rtt` before the first measurement.
const NO_RTT: u64 = 0xffff_ffff;

/// One socket's way from the first look to the last: some 900 bytes, overwritten in place.
#[derive(Debug, Clone)]
pub struct ConnectionHistory {
    pub(super) example: Example,
    first_state: State,
    pub(super) fate: Fate,
    pub(super) born: bool,
    /// Something moved since the first look.
    moved: bool,
    has_info: bool,
    /// Number of the look that showed it last.
    pub(super) seen: u32,
    looks: u32,
    first_at: Duration,
    last_at: Duration,
    /// When something was acknowledged last, or nothing waited.
    progress_at: Duration,
    timer: Option<Timer>,
    signs: u16,
    tally: [u16; Sign::COUNT],
    first_receive_queue: u32,
    least_receive_queue: u32,
    receive_queue: u32,
    send_queue: u32,
    buffers: [Option<u32>; 2],
    largest_mss: u32,
    largest_pmtu: u32,
    largest_rtt: u32,
    least_rto: u32,
    first: Option<TcpInfo>,
    last: TcpInfo,
    /// When that was taken: its clocks went on since.
    taken_at: Duration,
}

impl Holder for ConnectionHistory {
    #[inline]
    fn cookie(&self) -> u64 {
        self.example.cookie
    }
}

impl ConnectionHistory {
    /// Begins with a socket as a dump shows it. `born`: it began after the first dump.
    pub(super) fn new(
        socket: &Socket,
        role: Role,
        born: bool,
        at: Duration,
        look: u32,
        inflation: Inflation,
    ) -> Self {
        let mut history = Self::blank(socket, role, born, at, look);
        history.take(socket, inflation, true);
        history.moved = born;
        history.count();
        history
    }

    /// One that no dump has shown, by the kernel's word of its end.
    pub(super) fn of_the_dead(socket: &Socket, role: Role, at: Duration, look: u32) -> Self {
        let mut history = Self::blank(socket, role, true, at, look);
        history.moved = true;
        history.on_destroy(socket, at);
        history
    }

    fn blank(socket: &Socket, role: Role, born: bool, at: Duration, look: u32) -> Self {
        let example = Example::of(socket, role);
        let last = socket.tcp_info.unwrap_or(TcpInfo::new(&[], Default::default()));
        Self {
            example,
            first_state: socket.state,
            fate: Fate::Alive,
            born,
            moved: false,
            has_info: socket.tcp_info.is_some(),
            seen: look,
            looks: 0,
            first_at: at,
            last_at: at,
            progress_at: at,
            timer: socket.timer,
            signs: 0,
            tally: [0; Sign::COUNT],
            first_receive_queue: socket.receive_queue,
            least_receive_queue: socket.receive_queue,
            receive_queue: socket.receive_queue,
            send_queue: socket.send_queue,
            buffers: [None; 2],
            largest_mss: 0,
            largest_pmtu: 0,
            largest_rtt: 0,
            least_rto: u32::MAX,
            first: (!born).then_some(last),
            last,
            taken_at: at,
        }
    }

    /// Another look at it.
    #[inline]
    pub(super) fn follow(&mut self, socket: &Socket, at: Duration, look: u32, i: Inflation) {
        (self.seen, self.last_at) = (look, at);
        if self.is_still(socket) {
            self.signs |= Sign::Idle.bit();
            if self.send_queue > 0 {
                self.signs |= Sign::Still.bit();
            }
        } else {
            self.moved = true;
            self.take(socket, i, false);
        }
        self.count();
    }

    /// Whether nothing but clocks moved.
    #[inline]
    fn is_still(&self, socket: &Socket) -> bool {
        let unanswered = |timer: Option<Timer>| timer.map_or(0, |timer| timer.retransmits);
        self.example.state == socket.state
            && self.receive_queue == socket.receive_queue
            && self.send_queue == socket.send_queue
            && unanswered(self.timer) == unanswered(socket.timer)
            && socket
                .tcp_info
                .as_ref()
                .is_some_and(|info| self.last.is_same_from(BEHIND_CLOCKS, info))
    }

    #[inline]
    fn count(&mut self) {
        self.looks = self.looks.saturating_add(1);
        let mut rest = self.signs;
        while rest != 0 {
            if let Some(tally) = self.tally.get_mut(rest.trailing_zeros() as usize) {
                *tally = tally.saturating_add(1);
            }
            rest &= rest - 1;
        }
    }

    /// Takes what a dump shows.
    fn take(&mut self, socket: &Socket, inflation: Inflation, fresh: bool) {
        let Some(info) = &socket.tcp_info else {
            self.take_rest(socket);
            self.signs = self.looks_like(socket, None, inflation);
            return;
        };
        let grew = |slot: Option<Slot>| {
            let slot = slot?;
            Some((self.last.read(slot)?, info.read(slot)?))
        };
        // tcp_disconnect() zeroes both; one alone wraps.
        let fell = |slot| grew(slot).is_some_and(|(before, now)| now < before);
        let reset = !fresh && fell(SEGS_OUT) && fell(BYTES_SENT);
        let acked = grew(BYTES_ACKED).is_none_or(|(before, now)| before != now);
        let still = !fresh && !reset && !acked && socket.send_queue > 0 && self.send_queue > 0;
        if !still {
            self.progress_at = self.last_at;
        }
        let signs = self.looks_like(socket, Some(info), inflation);
        self.signs = if still { signs | Sign::Still.bit() } else { signs };
        if reset {
            (self.first, self.born) = (None, true);
        }
        self.last.copy_from(info);
        (self.has_info, self.taken_at) = (true, self.last_at);
        let (mss, pmtu, rtt) = (read_or(info, SND_MSS), read_or(info, PMTU), read_or(info, RTT));
        self.largest_mss = self.largest_mss.max(mss);
        self.largest_pmtu = self.largest_pmtu.max(pmtu);
        self.largest_rtt = self.largest_rtt.max(rtt);
        self.least_rto = self.least_rto.min(read_or(info, RTO));
        self.take_rest(socket);
    }

    fn take_rest(&mut self, socket: &Socket) {
        let own = &mut self.example;
        (own.state, own.local, own.remote) = (socket.state, socket.local, socket.remote);
        // An orphan has lost both; who held it is told by the last look before.
        if socket.inode != 0 {
            (own.inode, own.uid) = (socket.inode, socket.uid);
        }
        own.cgroup_id = socket.cgroup_id.or(own.cgroup_id);
        self.timer = socket.timer;
        self.receive_queue = socket.receive_queue;
        self.send_queue = socket.send_queue;
        self.least_receive_queue = self.least_receive_queue.min(socket.receive_queue);
        let word = |index| socket.skmem.as_ref().and_then(|skmem| skmem.word(index));
        self.buffers = [word(1).or(self.buffers[0]), word(3).or(self.buffers[1])];
    }

    fn looks_like(&self, socket: &Socket, info: Option<&TcpInfo>, inflation: Inflation) -> u16 {
        let read = |slot: Option<Slot>| info?.read(slot?);
        let word = |index| socket.skmem.as_ref()?.word(index).map(u64::from);
        let (unread, rcvbuf) = (u64::from(socket.receive_queue), word(1));
        let full = word(0).zip(rcvbuf).is_some_and(|(used, size)| used * 4 > size * 3);
        let half = word(0).zip(rcvbuf).is_some_and(|(used, size)| used * 2 >= size);
        let kind = socket.timer.map(|timer| timer.kind);
        let unanswered = socket.timer.is_some_and(|timer| timer.retransmits > 0);
        let unacked = read(UNACKED).unwrap_or(0);
        // How much longer a stream's round trips are than the path's.
        let longer = || {
            let (rtt, least) = (read(RTT)?, read(MIN_RTT).filter(|&least| least != NO_RTT)?);
            (unacked >= STREAM)
                .then(|| (rtt as f64, rtt.saturating_sub(least) as f64, least as f64))
        };
        let inflated = || {
            longer().is_some_and(|(rtt, more, least)| {
                // Where single round trips differ that much it is jitter and not a queue.
                let steady = read(RTTVAR).is_some_and(|var| var as f64 * 2.0 < more);
                steady && rtt >= least * inflation.times && more >= inflation.least_us
            })
        };
        let queued = || longer().is_some_and(|(_, more, least)| more >= 5e3 && more * 5.0 >= least);
        let buffer_full = || {
            let (queued, room) = (word(5)?, word(3)?);
            let all = read(NOTSENT_BYTES)? == 0 && unacked > 0 && unacked < read(SND_CWND)?;
            Some(queued >= room && all)
        };
        // The probe's timer also runs while all that is queued waits for its pace.
        let probed = kind == Some(TimerKind::ZeroWindowProbe);
        let closed = match (read(SND_WND), read(SND_MSS)) {
            (Some(window), Some(mss)) => window == 0 || probed && window < mss,
            _ => probed,
        };
        // Before the handshake's end no window is known.
        let peer_full = socket.send_queue > 0 && closed && socket.state != State::SynSent;
        let connected = socket.state == State::Established;
        // After a timeout the window is a segment or two, and full at once.
        let timed_out = read(CA_STATE) == Some(LOSS);
        let cwnd_full = read(SND_CWND)
            .is_some_and(|cwnd| cwnd >= SOME && unacked * 10 >= cwnd * 9 && !timed_out);
        let shown = [
            (peer_full, Sign::PeerFull),
            (connected && unread > 0 && (read(RCV_WND) == Some(0) || full), Sign::OwnFull),
            (unread > 0, Sign::Unread),
            (unread >= MUCH_UNREAD || unread > 0 && half, Sign::Backlog),
            (unacked > 0, Sign::InFlight),
            (read(NOTSENT_BYTES).is_some_and(|bytes| bytes > 0), Sign::Waiting),
            (cwnd_full, Sign::CwndFull),
            (inflated(), Sign::Inflated),
            (unanswered && kind == Some(TimerKind::Retransmit), Sign::Timeout),
            (unanswered && kind == Some(TimerKind::Keepalive), Sign::Probing),
            (read(DELIVERY_RATE_APP_LIMITED) == Some(1), Sign::AppLimited),
            (read(CA_STATE).is_some_and(|state| state >= 3), Sign::Recovering),
            (queued(), Sign::Queued),
            (buffer_full() == Some(true), Sign::BufferFull),
        ];
        shown.iter().filter(|(shown, _)| *shown).fold(0, |signs, (_, sign)| signs | sign.bit())
    }

    /// Its end, as the kernel tells of it. What is wiped then (closing with SO_LINGER 0, a failed
    /// connect()) leaves the last look standing.
    pub(super) fn on_destroy(&mut self, event: &Socket, at: Duration) {
        self.fate = Fate::Closed;
        self.last_at = at;
        let Some(info) = &event.tcp_info else { return };
        let segs = |info: &TcpInfo| SEGS_OUT.and_then(|slot| info.read(slot)).unwrap_or(0);
        if segs(info) == 0 && segs(&self.last) > 0 {
            return;
        }
        self.moved |= !self.last.is_same_from(BEHIND_CLOCKS, info);
        self.last.copy_from(info);
        (self.has_info, self.taken_at) = (true, self.last_at);
        self.receive_queue = event.receive_queue;
        self.send_queue = event.send_queue;
    }

    /// Whether it did nothing, and nothing about it asks for a judge.
    pub(super) fn is_quiet(&self) -> bool {
        let busy = self.tally.iter().enumerate().any(|(sign, &count)| {
            count > 0 && sign != Sign::Idle as usize && sign != Sign::AppLimited as usize
        });
        !self.moved && !busy && self.example.state == State::Established
    }

    /// Whether a dead one has done anything to be judged for.
    pub(super) fn asks_for_a_judge(&self) -> bool {
        let plain = Sign::Idle.bit() | Sign::AppLimited.bit() | Sign::InFlight.bit();
        let shown = self.tally.iter().enumerate();
        let mut shown = shown.filter(|(sign, count)| **count > 0 && plain & 1 << sign == 0);
        self.receive_queue > 1
            || self.grown(&t::TOTAL_RETRANS).unwrap_or(0) > 0
            || self.example.state == State::SynSent
            || shown.next().is_some()
    }

    /// Whether it did something.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// Growth of a counter; `None` where this kernel does not tell.
    pub(super) fn grown(&self, field: &Field) -> Option<u64> {
        let slot = field.slot()?;
        let now = self.last.read(slot).filter(|_| self.has_info)?;
        let before = match &self.first {
            Some(first) => first.read(slot)?,
            None => 0,
        };
        let bits = slot.bits();
        let growth = now.wrapping_sub(before);
        Some(if bits < 64 { growth & ((1 << bits) - 1) } else { growth })
    }

    /// What it came to.
    pub(super) fn evidence(&self) -> Evidence {
        let level = |field: &Field| self.last.read(field.slot()?).filter(|_| self.has_info);
        let plain = |field: &Field| level(field).unwrap_or(0);
        let set = |field: &Field| level(field).filter(|&value| Some(value) != field.unset);
        let since = self.last_at.saturating_sub(self.taken_at).as_millis() as u64;
        let growth = |field: &Field| self.grown(field);
        let seconds = |from: Duration| self.last_at.saturating_sub(from).as_secs_f64();
        Evidence {
            role: self.example.role,
            state: self.example.state,
            first_state: self.first_state,
            fate: self.fate,
            born: self.born,
            watched_s: seconds(self.first_at),
            looks: self.looks,
            signs: self.tally,
            timer: self.timer,
            held: self.example.inode != 0,
            receive_queue: self.receive_queue.into(),
            first_receive_queue: self.first_receive_queue.into(),
            least_receive_queue: self.least_receive_queue.into(),
            send_queue: self.send_queue.into(),
            stalled_s: if self.send_queue > 0 { seconds(self.progress_at) } else { 0.0 },
            retransmits: plain(&t::RETRANSMITS),
            backoff: plain(&t::BACKOFF),
            options: plain(&t::OPTIONS),
            snd_wscale: plain(&t::SND_WSCALE),
            rto_us: plain(&t::RTO),
            mss: plain(&t::SND_MSS),
            largest_mss: self.largest_mss.into(),
            advmss: plain(&t::ADVMSS),
            pmtu: plain(&t::PMTU),
            largest_pmtu: self.largest_pmtu.into(),
            unacked: plain(&t::UNACKED),
            rtt_us: plain(&t::RTT),
            largest_rtt_us: self.largest_rtt.into(),
            least_rto_us: if self.least_rto == u32::MAX { 0 } else { self.least_rto.into() },
            rttvar_us: plain(&t::RTTVAR),
            min_rtt_us: set(&t::MIN_RTT),
            cwnd: plain(&t::SND_CWND),
            reordering: plain(&t::REORDERING),
            snd_wnd: level(&t::SND_WND),
            rcv_wnd: level(&t::RCV_WND),
            max_pacing_rate: set(&t::MAX_PACING_RATE),
            last_data_recv_ms: plain(&t::LAST_DATA_RECV) + since,
            last_ack_recv_ms: plain(&t::LAST_ACK_RECV) + since,
            rcvbuf: self.buffers[0].map(u64::from),
            sndbuf: self.buffers[1].map(u64::from),
            bytes_acked_ever: level(&t::BYTES_ACKED),
            retrans: growth(&t::TOTAL_RETRANS).unwrap_or(0),
            segs_out: growth(&t::SEGS_OUT).unwrap_or(0),
            segs_in: growth(&t::SEGS_IN).unwrap_or(0),
            data_segs_out: growth(&t::DATA_SEGS_OUT).unwrap_or(0),
            bytes_acked: growth(&t::BYTES_ACKED).unwrap_or(0),
            bytes_received: growth(&t::BYTES_RECEIVED).unwrap_or(0),
            busy_us: growth(&t::BUSY_TIME),
            rwnd_limited_us: growth(&t::RWND_LIMITED),
            sndbuf_limited_us: growth(&t::SNDBUF_LIMITED),
            dsack_dups: growth(&t::DSACK_DUPS),
            reord_seen: growth(&t::REORD_SEEN),
            timeouts: growth(&t::TOTAL_RTO),
            timeout_ms: growth(&t::TOTAL_RTO_TIME),
        }
    }

    /// Round trips and the least of them, for those who compare connections.
    pub(super) fn rtt(&self) -> Option<Rtt> {
        let read = |slot: Option<Slot>| self.last.read(slot?).filter(|&us| us > 0);
        let least = read(MIN_RTT).filter(|&least| least != NO_RTT)?;
        let varies = read(RTTVAR)?;
        Some(Rtt { least, now: read(RTT)?, varies })
    }

    /// Ends of the connection.
    pub(super) fn ends(&self) -> (Endpoint, Endpoint) {
        (self.example.local, self.example.remote)
    }
}

/// A field, 0 where it was not sent.
#[inline]
fn read_or(info: &TcpInfo, slot: Option<Slot>) -> u32 {
    slot.and_then(|slot| info.read(slot)).unwrap_or(0) as u32
}
