//! What a connection did while it was watched, as rules see it.

use super::sign::Sign;
use crate::model::{Role, State, Timer, TimerKind};

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is still there.
    Alive,
    /// It ended, and the kernel told of it.
    Closed,
    /// It was in no dump any more.
    Vanished,
}

/// One connection's interval. Growth is since it was first seen, or since it began where it was
/// opened meanwhile; levels are as of the last look. `None` is what this kernel does not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The part it plays.
    pub role: Role,
    /// State at the last look.
    pub state: State,
    /// State at the first look.
    pub first_state: State,
    /// What became of it.
    pub fate: Fate,
    /// It was opened while it was watched.
    pub born: bool,
    /// Seconds from the first look at it to the last.
    pub watched_s: f64,
    /// Looks that showed it.
    pub looks: u32,
    /// How many of them showed each sign.
    pub signs: [u16; Sign::COUNT],
    /// The timer that runs.
    pub timer: Option<Timer>,
    /// It has a file.
    pub held: bool,

    /// Bytes unread at the last look, or when it ended.
    pub receive_queue: u64,
    /// The same at the first look.
    pub first_receive_queue: u64,
    /// The least of all looks.
    pub least_receive_queue: u64,
    /// Bytes not acknowledged at the last look.
    pub send_queue: u64,
    /// Seconds without an acknowledgement of anything, with data queued.
    pub stalled_s: f64,

    /// `retransmits`: timeouts in a row.
    pub retransmits: u64,
    /// `backoff`.
    pub backoff: u64,
    /// `options`.
    pub options: u64,
    /// `snd_wscale`.
    pub snd_wscale: u64,
    /// `rto`.
    pub rto_us: u64,
    /// `snd_mss`.
    pub mss: u64,
    /// The largest of all looks.
    pub largest_mss: u64,
    /// `advmss`.
    pub advmss: u64,
    /// `pmtu`.
    pub pmtu: u64,
    /// The largest of all looks.
    pub largest_pmtu: u64,
    /// `unacked`: segments in flight.
    pub unacked: u64,
    /// `rtt`.
    pub rtt_us: u64,
    /// The largest of all looks.
    pub largest_rtt_us: u64,
    /// `rto`: the least of all looks.
    pub least_rto_us: u64,
    /// `rttvar`.
    pub rttvar_us: u64,
    /// `min_rtt`.
    pub min_rtt_us: Option<u64>,
    /// `snd_cwnd`.
    pub cwnd: u64,
    /// `reordering`.
    pub reordering: u64,
    /// `snd_wnd`.
    pub snd_wnd: Option<u64>,
    /// `rcv_wnd`.
    pub rcv_wnd: Option<u64>,
    /// `max_pacing_rate`, where the program set one.
    pub max_pacing_rate: Option<u64>,
    /// `last_data_recv`.
    pub last_data_recv_ms: u64,
    /// `last_ack_recv`.
    pub last_ack_recv_ms: u64,
    /// `sndbuf`.
    pub sndbuf: Option<u64>,
    /// `rcvbuf`.
    pub rcvbuf: Option<u64>,
    /// Bytes acknowledged over its life.
    pub bytes_acked_ever: Option<u64>,

    /// Growth of `total_retrans`.
    pub retrans: u64,
    /// Growth of `segs_out`.
    pub segs_out: u64,
    /// Growth of `segs_in`.
    pub segs_in: u64,
    /// Growth of `data_segs_out`.
    pub data_segs_out: u64,
    /// Growth of `bytes_acked`.
    pub bytes_acked: u64,
    /// Growth of `bytes_received`.
    pub bytes_received: u64,
    /// Growth of `busy_time`.
    pub busy_us: Option<u64>,
    /// Growth of `rwnd_limited`.
    pub rwnd_limited_us: Option<u64>,
    /// Growth of `sndbuf_limited`.
    pub sndbuf_limited_us: Option<u64>,
    /// Growth of `dsack_dups`.
    pub dsack_dups: Option<u64>,
    /// Growth of `reord_seen`.
    pub reord_seen: Option<u64>,
    /// Growth of `total_rto`.
    pub timeouts: Option<u64>,
    /// Growth of `total_rto_time`.
    pub timeout_ms: Option<u64>,
}

impl Evidence {
    /// Looks that showed a sign.
    pub fn looks_at(&self, sign: Sign) -> u32 {
        self.signs.get(sign as usize).copied().unwrap_or(0).into()
    }

    /// The part of the looks that showed a sign; 0 where there were none.
    pub fn share_of_looks(&self, sign: Sign) -> f64 {
        if self.looks == 0 { 0.0 } else { f64::from(self.looks_at(sign)) / f64::from(self.looks) }
    }

    /// Retransmits of segments that were lost, and not for a timeout: what the peer got twice it
    /// had not missed.
    pub fn repaired(&self) -> u64 {
        let others = self.timeouts.unwrap_or(0) + self.dsack_dups.unwrap_or(0);
        self.retrans.saturating_sub(others)
    }

    /// Retransmitted segments by segments with data.
    pub fn retransmitted_share(&self) -> f64 {
        if self.data_segs_out == 0 { 0.0 } else { self.retrans as f64 / self.data_segs_out as f64 }
    }

    /// Bytes per second that reached the peer.
    pub fn rate(&self) -> f64 {
        if self.watched_s > 0.0 { self.bytes_acked as f64 / self.watched_s } else { 0.0 }
    }

    /// The part of the time with data queued in which something held it back.
    pub fn share_of_busy(&self, limited_us: Option<u64>) -> Option<f64> {
        let busy = self.busy_us.filter(|&busy| busy > 0)?;
        Some((limited_us? as f64 / busy as f64).min(1.0))
    }

    /// The part of the watched time with data queued.
    pub fn busy_share(&self) -> Option<f64> {
        let busy = self.busy_us? as f64 / 1e6;
        (self.watched_s > 0.0).then(|| (busy / self.watched_s).min(1.0))
    }

    /// Bytes that the program read.
    pub fn bytes_read(&self) -> u64 {
        (self.bytes_received + self.first_receive_queue).saturating_sub(self.receive_queue)
    }

    /// Whether the timer of this kind runs.
    pub fn runs(&self, kind: TimerKind) -> bool {
        self.timer.is_some_and(|timer| timer.kind == kind)
    }

    /// What the timer has sent in vain.
    pub fn in_vain(&self) -> u64 {
        self.timer.map_or(0, |timer| timer.retransmits.into())
    }

    /// Whether the program fixed its send buffer (SO_SNDBUF), as far as that can be told: one that
    /// grows by itself begins at `initial`, ends at `most`, and holds twice the congestion window
    /// (`tcp_sndbuf_expand()`).
    pub fn has_fixed_buffer(&self, initial: u64, most: u64) -> bool {
        let Some(size) = self.sndbuf else { return false };
        let grown = 2 * self.cwnd.max(10) * self.mss;
        size < initial || size > most || size < grown.min(most)
    }

    /// Whether data can still flow from here.
    pub fn sends(&self) -> bool {
        matches!(self.state, State::Established | State::CloseWait)
    }
}
