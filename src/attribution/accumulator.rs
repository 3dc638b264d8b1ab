//! Many intervals together.

use rustc_hash::FxHashMap;

use super::counters::Class;
use super::divide::Estimate;
use super::kinds::{KindRow, KindTable};
use super::reason::Reason;
use super::reconcile::{Attribution, Part, Reconciliation};
use super::services::ServiceId;

/// Sums of intervals: values and bounds add up. Short intervals, in which few sockets did
/// anything, need little inference, so their sum is closer than one long interval would be.
///
/// One for a namespace; several of the same services can be put into one for the host.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    counters: Vec<Account>,
    places: FxHashMap<Box<str>, usize>,
    kinds: FxHashMap<ServiceId, KindRow>,
    outside: KindRow,
    intervals: u64,
}

#[derive(Debug, Clone)]
struct Account {
    counter: Box<str>,
    class: Class,
    gauge: bool,
    delta: u64,
    skew: u64,
    unattributed: u64,
    reasons: Vec<Reason>,
    services: FxHashMap<ServiceId, (Estimate, u64)>,
}

impl Accumulator {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interval.
    pub fn add(&mut self, interval: &Reconciliation) {
        self.intervals += 1;
        self.counters.iter_mut().for_each(Account::forget_level);
        self.join(interval);
    }

    /// Adds another namespace's part of the interval that was added last.
    pub fn join(&mut self, interval: &Reconciliation) {
        for attribution in interval.counters.iter().chain(&interval.late) {
            let place = self.places.get(&attribution.counter).copied();
            match place.and_then(|place| self.counters.get_mut(place)) {
                Some(account) => account.add(attribution),
                None => {
                    self.places.insert(attribution.counter.clone(), self.counters.len());
                    self.counters.push(Account::of(attribution));
                }
            }
        }
        for (service, row) in &interval.kinds.services {
            self.kinds.entry(*service).or_default().add(row);
        }
        self.outside.add(&interval.kinds.outside);
    }

    /// How many intervals were added.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// What they come to.
    pub fn total(&self) -> Reconciliation {
        let mut services: Vec<_> = self.kinds.iter().map(|(id, row)| (*id, *row)).collect();
        services.sort_by_key(|(service, _)| *service);
        let all = self.counters.iter().map(Account::attribution);
        let (counters, mut late): (_, Vec<_>) = all.partition(|counter| counter.delta > 0);
        late.retain(Attribution::has_surplus);
        Reconciliation { counters, late, kinds: KindTable { services, outside: self.outside } }
    }
}

impl Account {
    fn of(attribution: &Attribution) -> Self {
        let mut account = Self {
            counter: attribution.counter.clone(),
            class: attribution.class,
            gauge: attribution.gauge,
            delta: 0,
            skew: 0,
            unattributed: 0,
            reasons: Vec::new(),
            services: FxHashMap::default(),
        };
        account.add(attribution);
        account
    }

    /// Levels do not add up over time: the last one counts, which may be 0.
    fn forget_level(&mut self) {
        if self.gauge {
            (self.delta, self.skew, self.unattributed) = (0, 0, 0);
            self.services.clear();
            self.reasons.clear();
        }
    }

    fn add(&mut self, more: &Attribution) {
        // The least firm interval decides what may be said of all.
        self.class = self.class.max(more.class);
        self.delta += more.delta;
        self.skew += more.skew;
        self.unattributed += more.unattributed;
        for reason in &more.reasons {
            if !self.reasons.contains(reason) {
                self.reasons.push(*reason);
            }
        }
        for part in &more.by_service {
            let (estimate, surplus) = self.services.entry(part.service).or_default();
            estimate.add(part.estimate);
            *surplus += part.surplus;
        }
        if !self.gauge {
            self.settle();
        }
    }

    /// What sockets show in one interval and the host counted in another (a child inherits what
    /// its request repeated, a counter is read a moment before the sockets) meets here.
    fn settle(&mut self) {
        let mut owed: Vec<ServiceId> = self
            .services
            .iter()
            .filter(|(_, (_, surplus))| *surplus > 0)
            .map(|(service, _)| *service)
            .collect();
        owed.sort_unstable();
        for service in owed {
            let Some((estimate, surplus)) = self.services.get_mut(&service) else { continue };
            let met = (*surplus).min(self.unattributed);
            *surplus -= met;
            self.unattributed -= met;
            estimate.value += met;
            estimate.high = estimate.high.saturating_add(met);
        }
    }

    fn attribution(&self) -> Attribution {
        let mut by_service: Vec<Part> = self
            .services
            .iter()
            .map(|(&service, &(estimate, surplus))| Part {
                service,
                estimate: Estimate { high: estimate.high.min(self.delta), ..estimate },
                surplus,
            })
            .collect();
        by_service.sort_by_key(|part| (std::cmp::Reverse(part.estimate.value), part.service));
        let reasons = if self.unattributed > 0 { self.reasons.clone() } else { Vec::new() };
        Attribution {
            counter: self.counter.clone(),
            class: self.class,
            gauge: self.gauge,
            delta: self.delta,
            skew: self.skew,
            attributed: self.delta - self.unattributed,
            unattributed: self.unattributed,
            reasons,
            by_service,
        }
    }
}

#[cfg(test)]
#[path = "accumulator_tests.rs"]
mod tests;
