//! What is kept of one connection while it is watched.

use std::time::Duration;

use super::ending::{got_fin, is_wiped};
use super::evidence::{Evidence, Lifecycle};
use super::extremes::Extremes;
use super::finding::Example;
use super::growth::Growth;
use super::looks::{Inflation, signs_of};
use super::sign::Sign;
use crate::model::fields::tcp_info as t;
use crate::model::{CongestionName, Field, Role, RoleBasis, Socket, State, Timer};
use crate::tracking::HasCookie;
use crate::wire::{Slot, TcpInfo, uapi};

/// `tcp_info` has no fields behind this offset that change while a socket is idle.
const AFTER_CLOCKS: usize = 60;

/// Full segments that a peer has to acknowledge to show that they arrive.
const FULL_SEGMENTS: u64 = 4;

/// Round trips of a connection, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtt {
    /// The least of the last minutes (`min_rtt`).
    pub least: u64,
    /// The smoothed one.
    pub now: u64,
    /// The variation (`rttvar`).
    pub varies: u64,
}

/// Offsets of fields as constants: they are read for every socket. Only of fields that every
/// connection has, since their value is read without [`Field::integer_of`].
macro_rules! slots {
    ($($name:ident)*) => { $(const $name: Option<Slot> = t::$name.slot();)* };
}

slots! {
    BYTES_ACKED SEGS_OUT BYTES_SENT
}

/// What one connection did from the first poll to the last: about 700 bytes, updated in place.
#[derive(Debug, Clone)]
pub struct ConnectionHistory {
    pub(super) example: Example,
    first_state: State,
    pub(super) lifecycle: Lifecycle,
    pub(super) opened_while_watched: bool,
    /// Something changed since the first poll.
    is_active: bool,
    has_info: bool,
    /// Number of the last poll that showed it.
    pub(super) last_poll: u32,
    polls: u32,
    first_at: Duration,
    last_at: Duration,
    /// When something was last acknowledged, or nothing was queued.
    progress_at: Duration,
    timer: Option<Timer>,
    signs: u32,
    sign_polls: [u16; Sign::COUNT],
    first_receive_queue: u32,
    least_receive_queue: u32,
    receive_queue: u32,
    send_queue: u32,
    buffers: [Option<u32>; 2],
    /// The receive buffer at the first poll.
    first_rcvbuf: Option<u32>,
    extremes: Extremes,
    congestion: Option<CongestionName>,
    /// Its destroy event had nothing but addresses.
    pub(super) wiped: bool,
    /// The peer has sent a FIN.
    pub(super) peer_finished: bool,
    /// Destroy events are received: none came where it vanished.
    pub(super) has_events: bool,
    growth: Growth,
    last: TcpInfo,
    /// When `last` was read. Its clocks have advanced since.
    taken_at: Duration,
}

impl HasCookie for ConnectionHistory {
    #[inline]
    fn cookie(&self) -> u64 {
        self.example.cookie
    }
}

impl ConnectionHistory {
    /// From a record of a dump. `opened_while_watched`: the first dump did not show it.
    pub(super) fn new(
        socket: &Socket,
        role: Role,
        opened_while_watched: bool,
        at: Duration,
        poll: u32,
        inflation: Inflation,
    ) -> Self {
        let mut history = Self::empty(socket, role, opened_while_watched, at, poll);
        history.apply(socket, inflation, true);
        history.is_active = opened_while_watched;
        history.count_signs();
        history
    }

    /// From the destroy event of a connection that no dump has shown.
    pub(super) fn from_destroy_event(socket: &Socket, role: Role, at: Duration, poll: u32) -> Self {
        let mut history = Self::empty(socket, role, true, at, poll);
        history.is_active = true;
        history.on_destroy(socket, at);
        history
    }

    /// Takes a role that is better founded than what was known.
    pub(super) fn learn_role(&mut self, role: Role, basis: RoleBasis) {
        if self.example.role != role && basis.is_certain() {
            self.example.role = role;
        }
    }

    fn empty(
        socket: &Socket,
        role: Role,
        opened_while_watched: bool,
        at: Duration,
        poll: u32,
    ) -> Self {
        let example = Example::of(socket, role);
        let last = socket.tcp_info.unwrap_or(TcpInfo::new(&[], Default::default()));
        Self {
            example,
            first_state: socket.state,
            lifecycle: Lifecycle::Open,
            opened_while_watched,
            is_active: false,
            has_info: socket.tcp_info.is_some(),
            last_poll: poll,
            polls: 0,
            first_at: at,
            last_at: at,
            progress_at: at,
            timer: socket.timer,
            signs: 0,
            sign_polls: [0; Sign::COUNT],
            first_receive_queue: socket.receive_queue,
            least_receive_queue: socket.receive_queue,
            receive_queue: socket.receive_queue,
            send_queue: socket.send_queue,
            buffers: [None; 2],
            first_rcvbuf: None,
            extremes: Extremes::default(),
            congestion: socket.congestion,
            wiped: false,
            peer_finished: false,
            has_events: true,
            growth: if opened_while_watched {
                Growth::since_opened(&last)
            } else {
                Growth::default()
            },
            last,
            taken_at: at,
        }
    }

    /// Applies another poll.
    #[inline]
    pub(super) fn update(&mut self, socket: &Socket, at: Duration, poll: u32, i: Inflation) {
        (self.last_poll, self.last_at) = (poll, at);
        if self.is_unchanged(socket) {
            self.signs |= Sign::Idle.bit();
            self.growth.rest();
            if self.send_queue > 0 {
                self.signs |= Sign::NoProgress.bit();
            }
        } else {
            self.is_active = true;
            self.apply(socket, i, false);
        }
        self.count_signs();
    }

    /// Whether nothing but clocks changed.
    #[inline]
    fn is_unchanged(&self, socket: &Socket) -> bool {
        let unanswered = |timer: Option<Timer>| timer.map_or(0, |timer| timer.retransmits);
        self.example.state == socket.state
            && self.receive_queue == socket.receive_queue
            && self.send_queue == socket.send_queue
            && unanswered(self.timer) == unanswered(socket.timer)
            && socket
                .tcp_info
                .as_ref()
                .is_some_and(|info| self.last.is_same_from(AFTER_CLOCKS, info))
    }

    #[inline]
    fn count_signs(&mut self) {
        self.polls = self.polls.saturating_add(1);
        let mut rest = self.signs;
        while rest != 0 {
            if let Some(polls) = self.sign_polls.get_mut(rest.trailing_zeros() as usize) {
                *polls = polls.saturating_add(1);
            }
            rest &= rest - 1;
        }
    }

    /// Applies a record of a dump.
    fn apply(&mut self, socket: &Socket, inflation: Inflation, fresh: bool) {
        let Some(info) = &socket.tcp_info else {
            self.apply_queues(socket);
            self.signs = signs_of(socket, None, inflation);
            return;
        };
        let grew = |slot: Option<Slot>| {
            let slot = slot?;
            Some((self.last.read(slot)?, info.read(slot)?))
        };
        // tcp_disconnect() zeroes both. A single one that fell has wrapped.
        let fell = |slot| grew(slot).is_some_and(|(before, now)| now < before);
        let reset = !fresh && fell(SEGS_OUT) && fell(BYTES_SENT);
        let acked = grew(BYTES_ACKED).is_none_or(|(before, now)| before != now);
        let no_progress =
            !fresh && !reset && !acked && socket.send_queue > 0 && self.send_queue > 0;
        if !no_progress {
            self.progress_at = self.last_at;
        }
        let signs = signs_of(socket, Some(info), inflation);
        self.signs = if no_progress { signs | Sign::NoProgress.bit() } else { signs };
        self.take(info, reset);
        self.extremes.take(info, socket.state);
        self.apply_queues(socket);
    }

    /// Takes a later reading. `reset`: `tcp_disconnect()` zeroed the counters before.
    fn take(&mut self, info: &TcpInfo, reset: bool) {
        self.opened_while_watched |= reset;
        if reset || self.opened_while_watched && !self.has_info {
            self.growth = Growth::since_opened(info);
        } else {
            self.growth.add(&self.last, info);
        }
        self.last.copy_from(info);
        (self.has_info, self.taken_at) = (true, self.last_at);
    }

    fn apply_queues(&mut self, socket: &Socket) {
        let own = &mut self.example;
        (own.state, own.local, own.remote) = (socket.state, socket.local, socket.remote);
        self.peer_finished |=
            matches!(socket.state, State::CloseWait | State::LastAck | State::Closing);
        // An orphan has neither; its owner is known from an earlier poll.
        if socket.inode != 0 {
            (own.inode, own.uid) = (socket.inode, socket.uid);
        }
        own.cgroup_id = socket.cgroup_id.or(own.cgroup_id);
        self.timer = socket.timer;
        self.receive_queue = socket.receive_queue;
        self.send_queue = socket.send_queue;
        self.least_receive_queue = self.least_receive_queue.min(socket.receive_queue);
        let word = |index| socket.skmem.as_ref().and_then(|skmem| skmem.word(index));
        self.buffers = [
            word(uapi::SK_MEMINFO_RCVBUF).or(self.buffers[0]),
            word(uapi::SK_MEMINFO_SNDBUF).or(self.buffers[1]),
        ];
        self.first_rcvbuf = self.first_rcvbuf.or(self.buffers[0]);
        self.congestion = socket.congestion.or(self.congestion);
    }

    /// Applies its destroy event. Events with zeroed counters (closing with SO_LINGER 0, a failed
    /// connect()) leave the values of the last poll.
    pub(super) fn on_destroy(&mut self, event: &Socket, at: Duration) {
        self.lifecycle = Lifecycle::Closed;
        self.last_at = at;
        self.wiped = is_wiped(event);
        let Some(info) = &event.tcp_info else { return };
        let segs = |info: &TcpInfo| SEGS_OUT.and_then(|slot| info.read(slot)).unwrap_or(0);
        if segs(info) == 0 && segs(&self.last) > 0 {
            return;
        }
        self.is_active |= !self.last.is_same_from(AFTER_CLOCKS, info);
        self.peer_finished |= self.has_info && self.polls > 0 && got_fin(&self.last, info);
        self.take(info, false);
        self.receive_queue = event.receive_queue;
        self.send_queue = event.send_queue;
    }

    /// Whether it did nothing and shows no sign, so that no rule can match.
    pub(super) fn is_quiet(&self) -> bool {
        let busy = self.sign_polls.iter().enumerate().any(|(sign, &count)| {
            count > 0 && sign != Sign::Idle as usize && sign != Sign::AppLimited as usize
        });
        !self.is_active && !busy && self.example.state == State::Established
    }

    /// Whether a rule could match a connection that has ended.
    pub(super) fn needs_judging(&self) -> bool {
        let plain = Sign::Idle.bit() | Sign::AppLimited.bit() | Sign::InFlight.bit();
        let shown = self.sign_polls.iter().enumerate();
        let mut shown = shown.filter(|(sign, count)| **count > 0 && plain & 1 << sign == 0);
        let grew = |field| self.growth(field).unwrap_or(0) > 0;
        self.receive_queue > 1
            || grew(&t::TOTAL_RETRANS)
            || grew(&t::DSACK_DUPS)
            || grew(&t::RCV_OOOPACK)
            || self.example.state == State::SynSent
            || shown.next().is_some()
    }

    /// What the kernel last told of it, if it did.
    pub(super) fn last_info(&self) -> Option<&TcpInfo> {
        self.has_info.then_some(&self.last)
    }

    /// Bytes that are not acknowledged.
    pub(super) fn send_queue(&self) -> u32 {
        self.send_queue
    }

    /// Bytes that are not read.
    pub(super) fn receive_queue(&self) -> u32 {
        self.receive_queue
    }

    /// Whether half of the polls showed that it had more to send than it may have in flight.
    pub(super) fn wants_more(&self) -> bool {
        let count = |sign: Sign| self.sign_polls.get(sign as usize).copied().unwrap_or(0);
        let most = count(Sign::CwndFull).max(count(Sign::Unsent));
        self.polls >= 3 && u32::from(most) * 2 >= self.polls
    }

    /// When something last came from the peer, since the first poll; `None` if nothing came while it
    /// was watched, or if this kernel does not tell.
    pub(super) fn answered_at(&self) -> Option<Duration> {
        self.growth(&t::SEGS_IN).filter(|&segments| segments > 0)?;
        let ages = [&t::LAST_ACK_RECV, &t::LAST_DATA_RECV];
        let age = ages.into_iter().filter_map(|field| self.level(field)).min()?;
        Some(self.taken_at.saturating_sub(Duration::from_millis(age)))
    }

    /// The size of its segments, in bytes, if the peer acknowledged full ones while it was watched;
    /// else 0.
    pub(super) fn full_segments(&self) -> u64 {
        let grown = |field| self.growth(field).unwrap_or(0);
        let size = self.level(&t::SND_MSS).unwrap_or(0);
        let acknowledged = grown(&t::BYTES_ACKED);
        // As many bytes as full segments have on the average, and more than a tail.
        let are_full = acknowledged * 2 >= size * grown(&t::DATA_SEGS_OUT);
        if acknowledged >= size * FULL_SEGMENTS && are_full { size } else { 0 }
    }

    /// Whether it did something.
    pub(super) fn is_active(&self) -> bool {
        self.is_active
    }

    /// Growth of a counter; `None` if this kernel does not report it.
    pub(super) fn growth(&self, field: &Field) -> Option<u64> {
        self.last.read(field.slot()?).filter(|_| self.has_info)?;
        self.growth.of(field)
    }

    /// A figure of the last reading.
    pub(super) fn level(&self, field: &Field) -> Option<u64> {
        field.integer_of(&self.last, self.example.state).filter(|_| self.has_info)
    }

    /// What it did, for the rules.
    pub(super) fn evidence(&self) -> Evidence {
        let level = |field: &Field| self.level(field);
        let plain = |field: &Field| level(field).unwrap_or(0);
        let since = self.last_at.saturating_sub(self.taken_at).as_millis() as u64;
        let clock = |field: &Field| level(field).map(|ms| ms + since);
        let growth = |field: &Field| self.growth(field);
        let seconds = |from: Duration| self.last_at.saturating_sub(from).as_secs_f64();
        let mut evidence = Evidence {
            role: self.example.role,
            state: self.example.state,
            first_state: self.first_state,
            lifecycle: self.lifecycle,
            opened_while_watched: self.opened_while_watched,
            watched_s: seconds(self.first_at),
            polls: self.polls,
            signs: self.sign_polls,
            timer: self.timer,
            has_inode: self.example.inode != 0,
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
            largest_mss: 0,
            advmss: plain(&t::ADVMSS),
            pmtu: plain(&t::PMTU),
            largest_pmtu: 0,
            unacked: plain(&t::UNACKED),
            rtt_us: level(&t::RTT),
            largest_rtt_us: 0,
            mean_rtt_us: None,
            rcv_rtt_us: level(&t::RCV_RTT),
            least_rto_us: 0,
            rttvar_us: level(&t::RTTVAR),
            min_rtt_us: level(&t::MIN_RTT),
            cwnd: plain(&t::SND_CWND),
            reordering: plain(&t::REORDERING),
            thresholds: None,
            snd_wnd: level(&t::SND_WND),
            rcv_wnd: level(&t::RCV_WND),
            largest_rcv_wnd: None,
            congestion: self.congestion,
            max_pacing_rate: level(&t::MAX_PACING_RATE),
            last_data_sent_ms: clock(&t::LAST_DATA_SENT),
            last_data_recv_ms: clock(&t::LAST_DATA_RECV),
            last_ack_recv_ms: clock(&t::LAST_ACK_RECV),
            rcvbuf: self.buffers[0].map(u64::from),
            first_rcvbuf: self.first_rcvbuf.map(u64::from),
            sndbuf: self.buffers[1].map(u64::from),
            rcv_mss: level(&t::RCV_MSS),
            bytes_received_ever: level(&t::BYTES_RECEIVED),
            bytes_acked_ever: level(&t::BYTES_ACKED),
            retrans: growth(&t::TOTAL_RETRANS).unwrap_or(0),
            segs_out: growth(&t::SEGS_OUT).unwrap_or(0),
            segs_in: growth(&t::SEGS_IN).unwrap_or(0),
            data_segs_out: growth(&t::DATA_SEGS_OUT).unwrap_or(0),
            data_segs_in: growth(&t::DATA_SEGS_IN).unwrap_or(0),
            out_of_order: growth(&t::RCV_OOOPACK),
            bytes_acked: growth(&t::BYTES_ACKED).unwrap_or(0),
            bytes_received: growth(&t::BYTES_RECEIVED).unwrap_or(0),
            busy_us: growth(&t::BUSY_TIME),
            rwnd_limited_us: growth(&t::RWND_LIMITED),
            sndbuf_limited_us: growth(&t::SNDBUF_LIMITED),
            dsack_dups: growth(&t::DSACK_DUPS),
            lone_dsack_dups: self.growth.lone_duplicates(),
            reord_seen: growth(&t::REORD_SEEN),
            timeouts: growth(&t::TOTAL_RTO),
            timeout_ms: growth(&t::TOTAL_RTO_TIME),
        };
        self.extremes.write(&mut evidence);
        evidence
    }

    /// Its round trips, for comparing connections.
    pub(super) fn rtt(&self) -> Option<Rtt> {
        let least = self.level(&t::MIN_RTT)?;
        Some(Rtt { least, now: self.level(&t::RTT)?, varies: self.level(&t::RTTVAR)? })
    }
}
