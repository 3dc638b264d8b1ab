//! Sums over a service's sockets, as attribution needs them.

use rustc_hash::FxHashMap;

use super::divide::Estimate;
use super::growth::{Growth, Slot};
use super::interval::Interval;
use super::kinds::{KindTable, RetransmitKind};
use super::listener_queues::Fullness;
use super::work::Work;
use crate::identity::ServiceId;
use crate::model::{Role, State};
use crate::tracking::Sign;

/// The largest payload of a segment.
const LARGEST: u64 = 65_535;

/// Segments that the listeners of a service discarded, by what their queues showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ListenerTally {
    /// All of them.
    pub(super) drops: u64,
    /// At listeners whose accept queue was seen nearly full, and at those where it may have been
    /// full.
    pub(super) accept_seen: u64,
    pub(super) accept_possible: u64,
    /// The same of the queue of half-open connections.
    pub(super) syn_seen: u64,
    pub(super) syn_possible: u64,
    /// At listeners of which one queue or the other may have been full.
    pub(super) either: u64,
}

impl ListenerTally {
    /// Adds what a listener discarded.
    fn add(&mut self, drops: u64, accept: Fullness, syn: Fullness) {
        let of = |wanted: Fullness, found: Fullness| if found == wanted { drops } else { 0 };
        self.drops += drops;
        self.accept_seen += of(Fullness::Seen, accept);
        self.accept_possible += of(Fullness::Possibly, accept);
        self.syn_seen += of(Fullness::Seen, syn);
        self.syn_possible += of(Fullness::Possibly, syn);
        self.either += if accept.max(syn) > Fullness::Never { drops } else { 0 };
    }
}

/// One service's interval. Limits that hold for each socket also hold for the sums, so the sockets
/// themselves are not needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) growth: Growth,
    /// Sockets whose owner, role or service is not beyond doubt.
    pub(super) inferred: u64,
    /// Connections that began, by side; those of neither known side.
    pub(super) opened_clients: u64,
    pub(super) opened_servers: u64,
    pub(super) opened_unknown: u64,
    pub(super) closed: u64,
    /// Those that were not seen to close: a reset may have ended them.
    pub(super) closed_established: u64,
    /// Connects that came to nothing.
    pub(super) closed_connecting: u64,
    pub(super) closed_unread: u64,
    pub(super) closed_giving_up: u64,
    /// Client sockets that retransmitted and may have been in their handshake.
    client_handshakes: u64,
    /// Sockets that may have sent a bare FIN.
    pub(super) finishers: u64,
    /// Segments without payload.
    pub(super) bare_out: u64,
    pub(super) bare_in: u64,
    /// Bare segments sent by sockets that moved no data, and by sockets whose peer's window was
    /// closed.
    pub(super) quiet_out: u64,
    pub(super) probing_out: u64,
    /// Sockets that sent or received data.
    pub(super) senders: u64,
    pub(super) receivers: u64,
    /// Retransmits that the timer did not send, and the sockets that had some, by use of SACK.
    pub(super) untimed_repeats: u64,
    pub(super) sack_repeaters: u64,
    pub(super) reno_repeaters: u64,
    /// The least number of data segments among the retransmits.
    pub(super) data_repeats: u64,
    /// How often a socket can have been in state Loss.
    pub(super) losses: u64,
    /// Sockets that showed a certain sign.
    pub(super) receiver_full: u64,
    pub(super) unsent: u64,
    pub(super) slow_start_over: u64,
    pub(super) host_queue: u64,
    /// Sockets whose drops are unknown: a destroy event does not report them.
    pub(super) drops_unknown: u64,
    /// What its listeners dropped; without the requests that ended.
    listeners: ListenerTally,
    /// SYN-ACK repeats and ends of half-open connections.
    pub(super) request_repeats: u64,
    pub(super) requests_gone: u64,
    /// IPv4 payload.
    pub(super) v4_in: u64,
    pub(super) v4_out: u64,
    /// Retransmits by kind.
    pub(super) fast: Estimate,
    pub(super) slow_start: Estimate,
    pub(super) probes: Estimate,
    pub(super) syns: Estimate,
    pub(super) failed: Estimate,
}

impl Tally {
    /// Growth of a counter over all sockets.
    pub(super) fn sum(&self, slot: Slot) -> u64 {
        self.growth.get(slot)
    }

    /// What its listeners dropped. A half-open connection that ended without a child may have found
    /// any of their queues full.
    pub(super) fn listeners(&self) -> ListenerTally {
        let mut listeners = self.listeners;
        if self.requests_gone > 0 {
            let drops = listeners.drops;
            listeners.accept_possible = drops - listeners.accept_seen;
            listeners.syn_possible = drops - listeners.syn_seen;
            listeners.either = drops;
        }
        listeners
    }

    /// Retransmits, including those of half-open connections.
    pub(super) fn repeats(&self) -> u64 {
        self.sum(Slot::TotalRetrans) + self.request_repeats
    }

    /// SYN-ACK repeats that children show though their sockets did not send them: in
    /// `total_retrans`, not in `segs_out`.
    pub(super) fn inherited(&self) -> Estimate {
        if self.opened_servers + self.opened_unknown == 0 {
            return Estimate::default();
        }
        let own = |value: u64| value.saturating_sub(self.request_repeats);
        let Estimate { value, low, high } = self.syns;
        // Some of them may be SYNs of clients, which their sockets did send. A service rarely has
        // both sides: it needs two roles in one group.
        let (value, low) = if self.client_handshakes > 0 { (0, 0) } else { (value, low) };
        Estimate { value: own(value), low: own(low), high: own(high) }
    }

    fn add(&mut self, work: &Work, growth: &Growth) {
        self.inferred += u64::from(!work.is_certain);
        self.growth.add(growth);
        let get = |slot| growth.get(slot);
        let bare_out = get(Slot::SegsOut).saturating_sub(get(Slot::DataSegsOut));
        let repeats = get(Slot::TotalRetrans);
        let untimed = repeats.saturating_sub(get(Slot::TotalRto));
        let shows = |sign| work.hints.shows(sign);
        let count = |condition: bool| u64::from(condition);
        self.bare_out += bare_out;
        self.bare_in += get(Slot::SegsIn).saturating_sub(get(Slot::DataSegsIn));
        let moved = get(Slot::DataSegsOut) + get(Slot::DataSegsIn) > 0;
        self.quiet_out += if moved { 0 } else { bare_out };
        self.probing_out += if shows(Sign::PeerFull) { bare_out } else { 0 };
        let shaking = work.role != Role::Server && work.may_have_shaken_hands();
        self.client_handshakes += count(shaking && repeats > 0);
        self.senders += count(get(Slot::DataSegsOut) > 0);
        self.receivers += count(get(Slot::DataSegsIn) > 0);
        self.untimed_repeats += untimed;
        self.sack_repeaters += count(untimed > 0 && !shows(Sign::NoSack));
        self.reno_repeaters += count(untimed > 0 && shows(Sign::NoSack));
        let mss = work.hints.mss.map_or(LARGEST, u64::from);
        self.data_repeats += get(Slot::BytesRetrans).div_ceil(mss);
        let was_in_loss = !work.activity.opened && work.hints.in_loss.unwrap_or(true);
        self.losses += get(Slot::TotalRto) + count(was_in_loss);
        self.receiver_full += count(shows(Sign::ReceiverFull));
        self.unsent += count(shows(Sign::Unsent));
        self.slow_start_over += count(shows(Sign::SlowStartOver));
        self.host_queue += count(shows(Sign::HostQueue));
        self.drops_unknown += count(!growth.has(Slot::Drops) || work.activity.closed);
        if work.activity.identity.local.address.to_canonical().is_ipv4() {
            self.v4_in += get(Slot::BytesReceived);
            self.v4_out += get(Slot::BytesSent);
        }
        self.add_life(work);
    }

    fn add_life(&mut self, work: &Work) {
        let shows = |sign| work.hints.shows(sign);
        let count = |condition: bool| u64::from(condition);
        if work.began() {
            match work.role {
                Role::Client => self.opened_clients += 1,
                Role::Server => self.opened_servers += 1,
                Role::Listener | Role::Unknown => self.opened_unknown += 1,
            }
        }
        self.finishers += count(work.may_have_finished());
        let state = work.activity.identity.state;
        if work.ended() {
            self.closed += 1;
            self.closed_established +=
                count(matches!(state, State::Established | State::CloseWait) || work.was_cut_off());
            self.closed_connecting += count(state == State::SynSent || work.was_refused());
            self.closed_unread += count(shows(Sign::Unread));
            self.closed_giving_up += count(shows(Sign::GivingUp));
        }
    }
}

/// The services' tallies.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// In the order of their numbers, once finished.
    pub(super) services: Vec<(ServiceId, Tally)>,
    positions: FxHashMap<ServiceId, usize>,
    /// Connections that a listener may have had since the last poll, by local port, if a listener
    /// dropped something.
    accepted: FxHashMap<u16, u64>,
    /// Whether there may have been others.
    has_gaps: bool,
}

impl Tallies {
    /// Without what the sockets did.
    pub(super) fn new(interval: &Interval<'_>) -> Self {
        let is_listener = |work: &&Work| work.activity.identity.state == State::Listen;
        let mut accepted = FxHashMap::default();
        if interval.work.iter().any(|work| is_listener(&work)) {
            let began = interval.work.iter().filter(|work| work.began());
            for work in began.filter(|work| work.role != Role::Client) {
                *accepted.entry(work.activity.identity.local.port).or_default() += 1;
            }
        }
        Self { accepted, has_gaps: interval.has_gaps(), ..Self::default() }
    }

    /// Adds what a socket did.
    pub(super) fn add(&mut self, work: &Work, growth: &Growth) {
        if work.activity.identity.state == State::Listen {
            return self.add_listener(work, growth.get(Slot::Drops));
        }
        self.change(work.service, |tally| tally.add(work, growth));
    }

    fn add_listener(&mut self, work: &Work, drops: u64) {
        let port = work.activity.identity.local.port;
        let opened = self.accepted.get(&port).copied().unwrap_or(0);
        let [accept, syn] = match work.hints.queue {
            Some(queue) => [queue.accept_fullness(opened), queue.syn_fullness(opened)],
            None => [Fullness::Possibly; 2],
        };
        // Connections that were not seen may have filled any queue.
        let least = if self.has_gaps { Fullness::Possibly } else { Fullness::Never };
        self.change(work.service, |tally| {
            tally.inferred += u64::from(!work.is_certain);
            tally.listeners.add(drops, accept.max(least), syn.max(least));
        });
    }

    /// Adds what is not in sockets: requests, listeners, kinds.
    pub(super) fn finish(&mut self, interval: &Interval<'_>, kinds: &KindTable) {
        for listener in interval.listeners {
            self.change(listener.service, |tally| {
                tally.listeners.add(listener.drops, Fullness::Possibly, Fullness::Possibly);
            });
        }
        for requests in interval.requests {
            self.change(requests.service, |tally| {
                tally.request_repeats += requests.repeats;
                tally.requests_gone += requests.gone;
                tally.inferred += u64::from(requests.inferred);
            });
        }
        for (service, row) in &kinds.services {
            self.change(*service, |tally| {
                tally.fast = row.kind(RetransmitKind::Fast);
                tally.slow_start = row.kind(RetransmitKind::SlowStart);
                tally.probes = row.kind(RetransmitKind::Probe);
                tally.syns = row.kind(RetransmitKind::Syn);
                tally.failed = row.failed;
            });
        }
        self.services.sort_by_key(|(service, _)| *service);
        self.positions.clear();
    }

    fn change(&mut self, service: ServiceId, change: impl FnOnce(&mut Tally)) {
        let services = &mut self.services;
        let position = *self.positions.entry(service).or_insert_with(|| {
            services.push((service, Tally::default()));
            services.len() - 1
        });
        if let Some((_, tally)) = services.get_mut(position) {
            change(tally);
        }
    }
}
