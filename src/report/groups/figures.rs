//! The figures of a group of sockets.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::attribution::Histogram;
use crate::model::fields::{self, retransmitted_segments, tcp_info as t};
use crate::model::{Field, State};
use crate::report::{Change, Connection};
use crate::tracking::COUNTERS;

/// Adds what is known; a sum of nothing is not known.
fn add(sum: &mut Option<u64>, value: Option<u64>) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or(0).saturating_add(value));
    }
}

/// Sums of counters; `None` where no socket has them.
#[derive(Debug, Clone)]
struct Sums(Vec<Option<u64>>);

impl Default for Sums {
    fn default() -> Self {
        Self(vec![None; COUNTERS.len()])
    }
}

impl Sums {
    fn get(&self, field: &Field) -> Option<u64> {
        let position = COUNTERS.iter().position(|counter| std::ptr::eq(*counter, field))?;
        self.0.get(position).copied().flatten()
    }

    fn add_each(&mut self, mut value: impl FnMut(usize) -> Option<u64>) {
        for (position, sum) in self.0.iter_mut().enumerate() {
            add(sum, value(position));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static Field, u64)> + '_ {
        let known = COUNTERS.iter().zip(&self.0);
        known.filter_map(|(field, sum)| Some((*field, (*sum)?)))
    }

    fn clear(&mut self) {
        self.0.fill(None);
    }
}

/// A share of retransmitted segments, of all connections and of the worst one.
#[derive(Debug, Clone, Copy, Default)]
struct Retransmitted {
    segments: f64,
    sent: f64,
    worst: Option<f64>,
}

impl Retransmitted {
    fn add(&mut self, again: f64, sent: f64) {
        if sent > 0.0 {
            let share = again / sent;
            self.segments += again;
            self.sent += sent;
            self.worst = Some(self.worst.map_or(share, |worst| worst.max(share)));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.segments += other.segments;
        self.sent += other.sent;
        self.worst = [self.worst, other.worst].into_iter().flatten().reduce(f64::max);
    }

    fn share(&self) -> Option<f64> {
        (self.sent > 0.0).then(|| self.segments / self.sent)
    }
}

/// What the connections of a group did.
#[derive(Debug, Clone, Default)]
struct Details {
    rtt: Histogram,
    sums: Sums,
    lives: Retransmitted,
    /// What grew since the previous sample, of the sockets that are in both.
    growth: Sums,
    interval: Retransmitted,
}

/// What the sockets of a group have and did.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Sockets.
    pub count: u64,
    /// Sockets that are new since the previous sample.
    pub opened: u64,
    /// Sockets that are gone since then.
    pub closed: u64,
    states: [u64; 16],
    /// Bytes that programs have not read; `None` where no socket has that queue.
    pub recv_q: Option<u64>,
    /// Bytes that peers have not acknowledged.
    pub send_q: Option<u64>,
    /// Connections that wait for `accept()`; `None` without listeners.
    pub accept_queue: Option<u64>,
    /// `None` where sockets are only counted.
    details: Option<Box<Details>>,
}

impl Figures {
    /// No sockets. `detailed`: whether more is kept than how many there are.
    pub(super) fn new(detailed: bool) -> Self {
        Self { details: detailed.then(Box::default), ..Self::default() }
    }

    /// Adds a socket.
    pub(super) fn add(&mut self, row: &Connection<'_>) {
        let socket = row.socket;
        match row.change {
            Some(Change::Closed) => return self.closed += 1,
            Some(Change::Opened) => self.opened += 1,
            None => {}
        }
        self.count += 1;
        if let Some(count) = self.states.get_mut(socket.state as usize) {
            *count += 1;
        }
        add(&mut self.recv_q, fields::RECV_Q.integer(socket));
        add(&mut self.send_q, fields::SEND_Q.integer(socket));
        add(&mut self.accept_queue, fields::ACCEPT_QUEUE.integer(socket));
        if let Some(details) = &mut self.details {
            details.add(row);
        }
    }

    /// Adds another group.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.opened += other.opened;
        self.closed += other.closed;
        self.states.iter_mut().zip(other.states).for_each(|(count, more)| *count += more);
        add(&mut self.recv_q, other.recv_q);
        add(&mut self.send_q, other.send_q);
        add(&mut self.accept_queue, other.accept_queue);
        if let (Some(details), Some(more)) = (&mut self.details, &other.details) {
            details.merge(more);
        }
    }

    /// Whether no socket is or was in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.opened == 0 && self.closed == 0
    }

    /// Begins another sample.
    pub(super) fn clear(&mut self) {
        let details = self.details.take();
        *self = Self { details, ..Self::default() };
        if let Some(details) = &mut self.details {
            details.clear();
        }
    }

    /// Sockets in a state.
    pub fn in_state(&self, state: State) -> u64 {
        self.states.get(state as usize).copied().unwrap_or(0)
    }

    /// The states that occur, and how many sockets are in each.
    pub fn states(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        let all = State::ALL.into_iter().map(|state| (state, self.in_state(state)));
        all.filter(|(_, count)| *count > 0)
    }

    /// The sum of a counter over the lives of the sockets.
    pub fn sum(&self, field: &Field) -> Option<u64> {
        self.details.as_ref()?.sums.get(field)
    }

    /// How much a counter grew since the previous sample.
    pub fn growth(&self, field: &Field) -> Option<u64> {
        self.details.as_ref()?.growth.get(field)
    }

    /// The smoothed round-trip time that is not exceeded by this share of the connections.
    pub fn rtt(&self, share: f64) -> Option<u64> {
        self.details.as_ref()?.rtt.quantile(share)
    }

    /// Retransmitted segments as a share of the segments sent: over the lives of the sockets, or in
    /// the interval.
    pub fn retrans_ratio(&self, of_interval: bool) -> Option<f64> {
        self.retransmitted(of_interval)?.share()
    }

    /// That share for the connection with the largest one.
    pub fn worst_ratio(&self, of_interval: bool) -> Option<f64> {
        self.retransmitted(of_interval)?.worst
    }

    fn retransmitted(&self, of_interval: bool) -> Option<&Retransmitted> {
        let details = self.details.as_ref()?;
        Some(if of_interval { &details.interval } else { &details.lives })
    }

    fn sums(&self) -> impl Iterator<Item = (&'static Field, u64)> + '_ {
        self.details.iter().flat_map(|details| details.sums.iter())
    }

    fn growths(&self) -> impl Iterator<Item = (&'static Field, u64)> + '_ {
        self.details.iter().flat_map(|details| details.growth.iter())
    }

    /// Writes the figures as keys of a map; those of the interval if its length is known.
    pub(super) fn entries<M: SerializeMap>(
        &self,
        map: &mut M,
        repeats: bool,
        interval_s: Option<f64>,
    ) -> Result<(), M::Error> {
        map.serialize_entry("count", &self.count)?;
        if repeats {
            map.serialize_entry("opened", &interval_s.map(|_| self.opened))?;
            map.serialize_entry("closed", &interval_s.map(|_| self.closed))?;
        }
        map.serialize_entry("states", &States(self))?;
        let queues =
            [("recv_q", self.recv_q), ("send_q", self.send_q), ("accept_queue", self.accept_queue)];
        for (key, sum) in queues {
            if let Some(sum) = sum {
                map.serialize_entry(key, &sum)?;
            }
        }
        for (field, sum) in self.sums() {
            map.serialize_entry(field.key, &sum)?;
        }
        map.serialize_entry("rtt_us", &Rtt::of(self))?;
        map.serialize_entry("retrans_ratio", &self.retrans_ratio(false))?;
        map.serialize_entry("retrans_ratio_worst", &self.worst_ratio(false))?;
        if repeats {
            map.serialize_entry("delta", &interval_s.map(|seconds| Growth(self, seconds)))?;
        }
        Ok(())
    }
}

impl Details {
    fn add(&mut self, row: &Connection<'_>) {
        let socket = row.socket;
        if socket.tcp_info.is_some() {
            if let Some(rtt) = t::RTT.integer(socket) {
                self.rtt.add(rtt);
            }
            if let Some((again, sent)) = retransmitted_segments(socket) {
                self.lives.add(again, sent);
            }
        }
        if socket.tcp_info.is_some() || socket.skmem.is_some() {
            self.sums.add_each(|position| COUNTERS.get(position)?.integer(socket));
        }
        let Some(delta) = row.delta else { return };
        self.growth.add_each(|position| delta.growth(COUNTERS.get(position)?));
        let again = delta.growth(&t::TOTAL_RETRANS);
        if let Some((again, sent)) = again.zip(delta.growth(&t::SEGS_OUT)) {
            self.interval.add(again as f64, sent as f64);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.rtt.merge(&other.rtt);
        self.sums.add_each(|position| other.sums.0.get(position).copied().flatten());
        self.lives.merge(&other.lives);
        self.growth.add_each(|position| other.growth.0.get(position).copied().flatten());
        self.interval.merge(&other.interval);
    }

    fn clear(&mut self) {
        self.rtt.clear();
        self.sums.clear();
        self.growth.clear();
        (self.lives, self.interval) = Default::default();
    }
}

struct States<'a>(&'a Figures);

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.states().map(|(state, count)| (state.name(), count)))
    }
}

#[derive(serde::Serialize)]
struct Rtt {
    p50: u64,
    p90: u64,
    p99: u64,
}

impl Rtt {
    fn of(figures: &Figures) -> Option<Self> {
        let quantile = |share| figures.rtt(share);
        Some(Self { p50: quantile(0.5)?, p90: quantile(0.9)?, p99: quantile(0.99)? })
    }
}

/// What grew in an interval of this many seconds.
struct Growth<'a>(&'a Figures, f64);

impl Serialize for Growth<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(figures, seconds) = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("interval_s", &seconds)?;
        for (field, growth) in figures.growths() {
            map.serialize_entry(field.key, &growth)?;
        }
        map.serialize_entry("retrans_ratio", &figures.retrans_ratio(true))?;
        map.serialize_entry("retrans_ratio_worst", &figures.worst_ratio(true))?;
        map.serialize_entry("rates", &Rates(figures, seconds))?;
        map.end()
    }
}

struct Rates<'a>(&'a Figures, f64);

impl Serialize for Rates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rates = self.0.growths();
        serializer.collect_map(rates.map(|(field, growth)| (field.key, growth as f64 / self.1)))
    }
}
