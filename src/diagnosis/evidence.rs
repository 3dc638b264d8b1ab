//! What a connection did while it was watched, as rules receive it.

use super::sign::Sign;
use crate::model::{CongestionName, Role, State, Timer, TimerKind};

/// Whether a connection still exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It was in the last dump.
    Open,
    /// It ended with a destroy event.
    Closed,
    /// It ended without a destroy event: dumps no longer show it.
    Vanished,
}

/// A SYN without an answer is repeated after so many microseconds (RFC 6298).
const SYN_TIMER_US: u64 = 1_000_000;

/// One connection's interval. Counters are growth since the first poll, or since the connection
/// was opened if that was later. Levels are of the last poll. `None`: this kernel does not report
/// it, or there was nothing to report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Its role.
    pub role: Role,
    /// State at the last poll.
    pub state: State,
    /// State at the first poll.
    pub first_state: State,
    /// Whether it still exists.
    pub lifecycle: Lifecycle,
    /// It was opened while it was watched.
    pub opened_while_watched: bool,
    /// Seconds from the first poll that showed it to the last.
    pub watched_s: f64,
    /// Polls that showed it.
    pub polls: u32,
    /// The number of polls that showed each sign.
    pub signs: [u16; Sign::COUNT],
    /// The running timer.
    pub timer: Option<Timer>,
    /// It has an inode: a file holds it.
    pub has_inode: bool,

    /// Bytes unread at the last poll, or when it ended.
    pub receive_queue: u64,
    /// The same at the first poll.
    pub first_receive_queue: u64,
    /// The least of all polls.
    pub least_receive_queue: u64,
    /// Bytes not acknowledged at the last poll.
    pub send_queue: u64,
    /// Seconds with data queued in which nothing was acknowledged.
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
    /// The largest of all polls.
    pub largest_mss: u64,
    /// `advmss`.
    pub advmss: u64,
    /// `pmtu`.
    pub pmtu: u64,
    /// The largest of all polls.
    pub largest_pmtu: u64,
    /// `unacked`: segments in flight.
    pub unacked: u64,
    /// `rtt`.
    pub rtt_us: Option<u64>,
    /// The largest of all polls.
    pub largest_rtt_us: u64,
    /// The mean of `rtt` over the polls that showed something new.
    pub mean_rtt_us: Option<u64>,
    /// `rcv_rtt`: the round trip as the receiving side estimates it.
    pub rcv_rtt_us: Option<u64>,
    /// `rto`: the least of all polls.
    pub least_rto_us: u64,
    /// `rttvar`.
    pub rttvar_us: Option<u64>,
    /// `min_rtt`.
    pub min_rtt_us: Option<u64>,
    /// `snd_cwnd`.
    pub cwnd: u64,
    /// `reordering`.
    pub reordering: u64,
    /// `snd_ssthresh`: the least and the largest of all polls, where it changed often.
    pub thresholds: Option<[u64; 2]>,
    /// `snd_wnd`.
    pub snd_wnd: Option<u64>,
    /// `rcv_wnd`.
    pub rcv_wnd: Option<u64>,
    /// The largest of all polls; before Linux 6.2 of `rcv_ssthresh`.
    pub largest_rcv_wnd: Option<u64>,
    /// The congestion control.
    pub congestion: Option<CongestionName>,
    /// `max_pacing_rate`, where the program set one.
    pub max_pacing_rate: Option<u64>,
    /// `last_data_sent`.
    pub last_data_sent_ms: Option<u64>,
    /// `last_data_recv`.
    pub last_data_recv_ms: Option<u64>,
    /// `last_ack_recv`.
    pub last_ack_recv_ms: Option<u64>,
    /// `sndbuf`.
    pub sndbuf: Option<u64>,
    /// `rcvbuf`.
    pub rcvbuf: Option<u64>,
    /// The same at the first poll.
    pub first_rcvbuf: Option<u64>,
    /// `rcv_mss`: the size of the segments that arrive, as the kernel estimates it.
    pub rcv_mss: Option<u64>,
    /// Bytes received since the connection was opened.
    pub bytes_received_ever: Option<u64>,
    /// Bytes acknowledged since the connection was opened.
    pub bytes_acked_ever: Option<u64>,

    /// Growth of `total_retrans`.
    pub retrans: u64,
    /// Growth of `segs_out`.
    pub segs_out: u64,
    /// Growth of `segs_in`.
    pub segs_in: u64,
    /// Growth of `data_segs_out`.
    pub data_segs_out: u64,
    /// Growth of `data_segs_in`.
    pub data_segs_in: u64,
    /// Growth of `rcv_ooopack`: segments that arrived after a gap.
    pub out_of_order: Option<u64>,
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
    /// Growth of `dsack_dups` in polls in which, and before which, nothing was retransmitted.
    pub lone_dsack_dups: u64,
    /// Growth of `reord_seen`.
    pub reord_seen: Option<u64>,
    /// Growth of `total_rto`.
    pub timeouts: Option<u64>,
    /// Growth of `total_rto_time`.
    pub timeout_ms: Option<u64>,
}

impl Evidence {
    /// The number of polls that showed a sign.
    pub fn polls_with(&self, sign: Sign) -> u32 {
        self.signs.get(sign as usize).copied().unwrap_or(0).into()
    }

    /// The share of polls that showed a sign; 0 without polls.
    pub fn share_of_polls(&self, sign: Sign) -> f64 {
        if self.polls == 0 { 0.0 } else { f64::from(self.polls_with(sign)) / f64::from(self.polls) }
    }

    /// Retransmits that repaired a loss before a timeout. Segments that the peer received twice
    /// were not lost.
    pub fn repaired(&self) -> u64 {
        let others = self.timeouts.unwrap_or(0) + self.unneeded();
        self.retrans.saturating_sub(others)
    }

    /// Segments that the peer received twice though they were not retransmitted: the path copied
    /// them. This is the least number. A report that comes more than a poll after a retransmit may
    /// be about that one.
    pub fn copied(&self) -> u64 {
        self.excess().max(self.lone())
    }

    /// Those beyond the number of retransmits.
    fn excess(&self) -> u64 {
        self.dsack_dups.unwrap_or(0).saturating_sub(self.retrans)
    }

    /// Those that were reported while nothing was retransmitted.
    fn lone(&self) -> u64 {
        const LONGEST_RTT_US: u64 = 250_000;
        if self.largest_rtt_us < LONGEST_RTT_US { self.lone_dsack_dups } else { 0 }
    }

    /// Whether copies by the path are the likely cause of segments that arrived twice: some of them
    /// cannot be due to retransmits, and then the others need not be.
    pub fn is_copied_on_path(&self) -> bool {
        /// Reports come within a round trip or two.
        const ROUND_TRIPS: f64 = 2.0;
        let (excess, doubles) = (self.excess() as f64, self.dsack_dups.unwrap_or(0) as f64);
        // Those of retransmits before the first poll are as many as come in that time.
        let late = ROUND_TRIPS * self.largest_rtt_us as f64 / 1e6 / self.watched_s.max(0.1);
        let is_more = excess >= 3.0 && excess >= doubles * late.max(0.01);
        // A path whose round trips jump delays some reports by more than a poll.
        is_more || self.lone() >= 3 && self.lone() as f64 * 5.0 >= doubles
    }

    /// Retransmits of segments that had arrived.
    pub fn unneeded(&self) -> u64 {
        let doubles = self.dsack_dups.unwrap_or(0);
        if self.is_copied_on_path() { 0 } else { doubles.min(self.retrans) }
    }

    /// Retransmitted segments by segments with data.
    pub fn retransmitted_share(&self) -> f64 {
        if self.data_segs_out == 0 { 0.0 } else { self.retrans as f64 / self.data_segs_out as f64 }
    }

    /// Bytes per second that the peer acknowledged.
    pub fn rate(&self) -> f64 {
        if self.watched_s > 0.0 { self.bytes_acked as f64 / self.watched_s } else { 0.0 }
    }

    /// Seconds of a round trip as a receiver knows it: the larger of `rcv_rtt` and `min_rtt`. The
    /// latter is that of the handshake, which a lost segment makes as long as the timer of a SYN.
    pub fn receiving_rtt_s(&self) -> Option<f64> {
        let us = match (self.rcv_rtt_us, self.min_rtt_us) {
            (Some(own), Some(least)) if least >= SYN_TIMER_US && own < SYN_TIMER_US / 2 => own,
            (own, least) => own.max(least)?,
        };
        Some(us as f64 / 1e6)
    }

    /// About how many segments were missing when others arrived: all that follow a missing one in the
    /// same round trip arrive after a gap.
    pub fn missing(&self) -> f64 {
        let late = self.out_of_order.unwrap_or(0) as f64;
        let rtt = self.receiving_rtt_s().unwrap_or(0.0);
        let per_round_trip = match self.watched_s > 0.0 {
            true => self.data_segs_in as f64 * rtt / self.watched_s,
            // Shorter than the time between polls: the first window of most senders.
            false => self.data_segs_in.min(10) as f64,
        };
        late / per_round_trip.max(1.0)
    }

    /// Bytes per second that the peer acknowledged while data was queued.
    pub fn busy_rate(&self) -> f64 {
        match self.busy_us {
            Some(busy) if busy > 0 => self.bytes_acked as f64 * 1e6 / busy as f64,
            _ => self.rate(),
        }
    }

    /// The share of the time with data queued in which the sender was limited.
    pub fn share_of_busy(&self, limited_us: Option<u64>) -> Option<f64> {
        let busy = self.busy_us.filter(|&busy| busy > 0)?;
        Some((limited_us? as f64 / busy as f64).min(1.0))
    }

    /// The share of the watched time with data queued.
    pub fn busy_share(&self) -> Option<f64> {
        let busy = self.busy_us? as f64 / 1e6;
        (self.watched_s > 0.0).then(|| (busy / self.watched_s).min(1.0))
    }

    /// Whether the program ever read anything, as far as is known.
    pub fn has_ever_read(&self) -> bool {
        self.bytes_received_ever.is_none_or(|bytes| bytes > self.receive_queue + 1)
    }

    /// Bytes that the program read.
    pub fn bytes_read(&self) -> u64 {
        (self.bytes_received + self.first_receive_queue).saturating_sub(self.receive_queue)
    }

    /// Seconds since the peer last acknowledged something; 0 if it never did.
    pub fn silent_s(&self) -> f64 {
        self.last_ack_recv_ms.map_or(0.0, |ms| ms as f64 / 1e3)
    }

    /// Whether a timer of this kind runs.
    pub fn runs(&self, kind: TimerKind) -> bool {
        self.timer.is_some_and(|timer| timer.kind == kind)
    }

    /// Segments that the timer has sent without an answer.
    pub fn unanswered(&self) -> u64 {
        self.timer.map_or(0, |timer| timer.retransmits.into())
    }

    /// Whether the program probably fixed its send buffer (SO_SNDBUF). A buffer that the kernel
    /// sizes starts at `initial`, ends at `most`, and holds twice the congestion window
    /// (`tcp_sndbuf_expand()`).
    pub fn has_fixed_buffer(&self, initial: u64, most: u64) -> bool {
        let Some(size) = self.sndbuf else { return false };
        let grown = 2 * self.cwnd.max(10) * self.mss;
        size < initial || size > most || size < grown.min(most)
    }

    /// Whether the state still allows sending data.
    pub fn sends(&self) -> bool {
        matches!(self.state, State::Established | State::CloseWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::healthy;

    #[test]
    fn a_repeated_handshake_is_no_round_trip() {
        let of = |rcv_rtt_us, min_rtt_us| {
            Evidence { rcv_rtt_us, min_rtt_us, ..healthy() }.receiving_rtt_s()
        };
        assert_eq!(of(Some(40_000), Some(20_000)), Some(0.04));
        assert_eq!(of(Some(20_000), Some(40_000)), Some(0.04));
        assert_eq!(of(Some(20_000), Some(1_040_000)), Some(0.02));
        assert_eq!(of(Some(900_000), Some(1_040_000)), Some(1.04), "a long path");
        assert_eq!(of(None, Some(1_040_000)), Some(1.04), "nothing better");
        assert_eq!(of(None, None), None);
    }
}
