//! Adds up many intervals.

use rustc_hash::FxHashMap;

use super::counters::Class;
use super::divide::Estimate;
use super::kinds::{KindRow, KindTable};
use super::reason::Reason;
use super::reconcile::{Attribution, Part, Reconciliation};
use crate::identity::ServiceId;

/// Sums of intervals: values and bounds add up. In short intervals few sockets do anything and
/// little has to be inferred, so their sum is more accurate than one long interval.
///
/// Use one per namespace; several with the same services can be added up for the host.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    counters: Vec<Account>,
    positions: FxHashMap<Box<str>, usize>,
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
    /// Without intervals.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interval.
    pub fn add(&mut self, interval: &Reconciliation) {
        self.intervals += 1;
        self.counters.iter_mut().for_each(Account::forget_level);
        self.join(interval);
    }

    /// Adds another namespace's part of the last added interval.
    pub fn join(&mut self, interval: &Reconciliation) {
        for attribution in interval.counters.iter().chain(&interval.late) {
            let position = self.positions.get(&attribution.counter).copied();
            match position.and_then(|position| self.counters.get_mut(position)) {
                Some(account) => account.add(attribution),
                None => {
                    self.positions.insert(attribution.counter.clone(), self.counters.len());
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

    /// The sum of all intervals.
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
        // The least reliable interval decides the class of the sum.
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

    /// Sets off what sockets show in one interval against what the host counted in another: a child
    /// inherits its request's repeats, or a counter is read just before the sockets.
    fn settle(&mut self) {
        let mut with_surplus: Vec<ServiceId> = self
            .services
            .iter()
            .filter(|(_, (_, surplus))| *surplus > 0)
            .map(|(service, _)| *service)
            .collect();
        with_surplus.sort_unstable();
        for service in with_surplus {
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
