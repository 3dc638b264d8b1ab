//! Limits on the kinds of one socket's retransmits.

use super::super::growth::{Growth, Slot};
use super::super::work::Work;
use super::host::Host;
use super::{COLUMNS, Columns, FAILED, FAST, PROBE, RTO, SLOW, SYN};
use crate::identity::ServiceId;
use crate::model::Role;

/// The largest payload of a segment (`tcp_skb_pcount()` counts segments on the wire).
const LARGEST: u64 = 65_535;

/// A row of the table with its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) service: ServiceId,
    /// All its retransmits.
    pub(super) total: u64,
    pub(super) low: Columns<u64>,
    pub(super) high: Columns<u64>,
    /// Bounds of the sum of `rto` and `syn`: segments sent by the retransmission timer.
    pub(super) timer: (u64, u64),
    /// How many segments the timer most probably sent, where the kernel counts them (6.7 and
    /// later).
    pub(super) timeouts: Option<u64>,
    /// The probability of each kind before the margins are applied.
    pub(super) prior: Columns<f64>,
}

impl Row {
    /// A socket's row, if it retransmitted anything.
    pub(super) fn of(work: &Work, growth: &Growth, host: &Host) -> Option<Self> {
        let total = growth.get(Slot::TotalRetrans);
        if total == 0 {
            return None;
        }
        let timeouts = growth.has(Slot::TotalRto).then(|| growth.get(Slot::TotalRto));
        let syn = syn_limits(work, growth, total, timeouts);
        let mut row = Self {
            service: work.service,
            total,
            low: Columns::default(),
            high: Columns([total; COLUMNS]),
            timer: (0, total),
            timeouts: timeouts.map(|timeouts| timeouts.min(total)),
            prior: prior(growth, total),
        };
        row.low.set(SYN, syn.0);
        row.high.set(SYN, syn.1);
        row.high.set(FAILED, total.min(host.high.at(FAILED)));
        if let Some(timeouts) = timeouts {
            row.limit_by_timer(work, timeouts, host);
        }
        Some(row)
    }

    /// `tcp_retransmit_timer()` counts a timeout and sends one segment, unless that is still in a
    /// queue of this host. A request also repeats SYN-ACKs without the timer, when the SYN comes
    /// again (`tcp_check_req()`).
    fn limit_by_timer(&mut self, work: &Work, timeouts: u64, host: &Host) {
        let sent = timeouts.min(self.total);
        let least = sent.saturating_sub(host.silent_timeouts);
        let syn = self.high.at(SYN);
        let untimed = if work.role == Role::Client { 0 } else { syn };
        // Whatever the count of timeouts: a socket in SYN-SENT repeats only SYNs.
        let most = (sent + untimed).clamp(self.low.at(SYN), self.total);
        self.timer = (least.min(most), most);
        self.high.set(RTO, sent);
        let rest = self.total - least;
        self.high.set(FAST, rest);
        self.high.set(PROBE, rest);
        // `tcp_xmit_retransmit_queue()` counts slow start only in state Loss, which begins with a
        // timeout.
        let loss = timeouts > 0
            || !work.activity.opened && work.hints.in_loss.unwrap_or(true)
            || work.activity.opened && work.role == Role::Client && host.fast_open;
        self.high.set(SLOW, if loss { rest } else { 0 });
    }

    /// A row of SYN-ACKs of half-open connections.
    pub(super) fn of_requests(service: ServiceId, repeats: u64) -> Self {
        let mut row = Self::anything(service, repeats);
        row.high = Columns::default();
        row.high.set(SYN, repeats);
        row.low.set(SYN, repeats);
        row
    }

    /// A row of which only the total is known.
    pub(super) fn anything(service: ServiceId, total: u64) -> Self {
        Self {
            service,
            total,
            low: Columns::default(),
            high: Columns([total; COLUMNS]),
            timer: (0, total),
            timeouts: None,
            prior: Columns([1.0; COLUMNS]),
        }
    }
}

/// How many SYNs or SYN-ACKs are among the retransmits: none if the handshake was over before the
/// interval, all while it lasts.
fn syn_limits(work: &Work, growth: &Growth, total: u64, timeouts: Option<u64>) -> (u64, u64) {
    if work.is_only_syn() {
        return (total, total);
    }
    if !work.may_have_shaken_hands() {
        return (0, 0);
    }
    // A SYN has no payload, so retransmitted payload was not a SYN.
    let mss = work.hints.mss.map_or(LARGEST, u64::from);
    let with_data = growth.get(Slot::BytesRetrans).div_ceil(mss);
    let most = total.saturating_sub(with_data);
    match timeouts {
        // Only the timer repeats a client's SYN.
        Some(timeouts) if work.role == Role::Client => (0, most.min(timeouts)),
        _ => (0, most),
    }
}

/// A fast retransmit needs later segments of the same flight to arrive; the last segment of a
/// flight waits for a probe or a timeout. These guesses only matter where the margins leave a
/// choice.
fn prior(growth: &Growth, total: u64) -> Columns<f64> {
    let mut prior = Columns([1.0; COLUMNS]);
    if growth.has(Slot::DataSegsOut) {
        let behind = flight(growth, total) - 1.0;
        let early = behind / (behind + DUPLICATES);
        prior.set(FAST, early.max(UNLIKELY));
        prior.set(PROBE, (1.0 - early).max(UNLIKELY));
    }
    if growth.has(Slot::BytesRetrans) && growth.get(Slot::BytesRetrans) == 0 {
        // Without payload, only SYNs and FINs are repeated.
        prior.set(SYN, 20.0);
    }
    prior
}

/// Segments that must arrive after a lost one before it is retransmitted without waiting
/// (`TCP_FASTRETRANS_THRESH`). In lab tests the ratio of fast retransmits to probes fits the same
/// number, for flights of 2 to 100 segments.
const DUPLICATES: f64 = 3.0;

/// Not impossible.
const UNLIKELY: f64 = 0.01;

/// Roughly how many segments a connection sends before it waits for an answer: new segments sent
/// per segment of payload received.
fn flight(growth: &Growth, total: u64) -> f64 {
    let fresh = growth.get(Slot::DataSegsOut).saturating_sub(total).max(1);
    let turns = growth.get(Slot::DataSegsIn).clamp(1, fresh);
    fresh as f64 / turns as f64
}
