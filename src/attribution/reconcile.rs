//! Divides the growth of every counter among services, with the rest and its reasons.

use super::counters::{Class, Context, Outside, Plan, exact, plan};
use super::divide::{Estimate, Share, divide};
use super::interval::{Grown, Interval};
use super::kinds::{KindTable, KindTableBuilder};
use super::reason::Reason;
use super::tally::Tallies;
use crate::identity::ServiceId;

/// A service's part in a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The service.
    pub service: ServiceId,
    /// How much of the growth belongs to it.
    pub estimate: Estimate,
    /// How much its sockets show beyond the counter's growth: the host counted it in another
    /// interval.
    pub(super) surplus: u64,
}

/// One counter that grew. The services' values add up to `attributed`; `attributed` and
/// `unattributed` add up to `delta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// Its name in nstat's spelling.
    pub counter: Box<str>,
    /// How reliable this attribution is.
    pub class: Class,
    /// Whether it is a gauge: `delta` is its current level.
    pub gauge: bool,
    /// What it grew by.
    pub delta: u64,
    /// How much of it may belong to the neighbouring intervals.
    pub skew: u64,
    /// The part attributed to services.
    pub attributed: u64,
    /// The rest.
    pub unattributed: u64,
    /// Reasons for the rest. Empty if there is none.
    pub reasons: Vec<Reason>,
    /// The services, largest part first, including those with a value of 0 whose upper bound is not
    /// 0.
    pub by_service: Vec<Part>,
}

/// The result of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciliation {
    /// Every TCP counter that grew, in the order of the kernel's files.
    pub counters: Vec<Attribution>,
    /// Counters that did not move while sockets show growth: the host counted it in another
    /// interval, and an [`Accumulator`](super::Accumulator) sets the two off.
    pub late: Vec<Attribution>,
    /// Retransmits by kind and service.
    pub kinds: KindTable,
}

/// Reconciles the host's counters with what its sockets did.
pub fn reconcile(interval: &Interval<'_>) -> Reconciliation {
    let (mut builder, mut tallies) = (KindTableBuilder::new(interval), Tallies::new(interval));
    for work in interval.work {
        let growth = work.growth();
        builder.add(work, &growth);
        tallies.add(work, &growth);
    }
    let kinds = builder.solve(interval);
    tallies.finish(interval, &kinds);
    let mut counters: Vec<Attribution> = established(interval).into_iter().collect();
    let mut late = Vec::new();
    for (name, grown) in interval.grown() {
        let Grown { delta, skew } = grown;
        let context = Context { interval, tallies: &tallies, delta, skew };
        if grown.delta > 0 {
            let plan = plan(name, &context);
            counters.extend(plan.map(|plan| attribute(name, grown, &plan, &context)));
        } else if let Some(plan) = exact(name, &context) {
            let attribution = attribute(name, grown, &plan, &context);
            late.extend(attribution.has_surplus().then_some(attribution));
        }
    }
    Reconciliation { counters, late, kinds }
}

impl Attribution {
    /// Whether sockets show more than the counter grew by.
    pub(super) fn has_surplus(&self) -> bool {
        self.by_service.iter().any(|part| part.surplus > 0)
    }
}

fn attribute(name: &str, grown: Grown, plan: &Plan, context: &Context<'_>) -> Attribution {
    let gaps = context.interval.has_gaps();
    let shares: Vec<Share> = context
        .tallies
        .services
        .iter()
        .map(|(_, tally)| {
            let share = (plan.share)(tally);
            // An unobserved socket may have had any amount.
            if gaps { Share { high: u64::MAX, ..share } } else { share }
        })
        .collect();
    let open = gaps || plan.outside == Outside::Others;
    let outside = if open { Share::between(0, u64::MAX, 0.0) } else { Share::exactly(0) };
    let division = divide(grown.delta, &shares, outside);
    // The bounds hold from dump to dump. From counter to counter they may differ by what was
    // counted in between. Any service may have had the unattributed rest.
    let rest = if plan.class == Class::Estimated { 0 } else { division.outside };
    let widened = |estimate: Estimate| Estimate {
        value: estimate.value,
        low: estimate.low.saturating_sub(grown.skew),
        high: estimate.high.saturating_add(grown.skew).saturating_add(rest).min(grown.delta),
    };
    let ids = context.tallies.services.iter().map(|(service, _)| *service);
    let mut by_service: Vec<Part> = ids
        .zip(shares.iter().zip(&division.rows))
        .filter_map(|(service, (share, row))| {
            let surplus = match plan.class {
                Class::Exact => share.low.saturating_sub(row.value),
                _ => 0,
            };
            let can = share.likely > 0 && share.weight > 0.0;
            let shown = row.value > 0 || surplus > 0 || can;
            shown.then(|| Part { service, estimate: widened(*row), surplus })
        })
        .collect();
    by_service.sort_by_key(|part| (std::cmp::Reverse(part.estimate.value), part.service));
    Attribution {
        counter: name.into(),
        class: class_of(plan.class, context, &division.rows),
        gauge: false,
        delta: grown.delta,
        skew: grown.skew,
        attributed: grown.delta - division.outside,
        unattributed: division.outside,
        reasons: reasons(plan, division.outside, grown, context.interval),
        by_service,
    }
}

/// Exact sums are exact for a service only if its sockets are its own beyond doubt.
fn class_of(class: Class, context: &Context<'_>, rows: &[Estimate]) -> Class {
    let mut services = context.tallies.services.iter().zip(rows);
    let is_inferred = services.any(|((_, tally), row)| row.value > 0 && tally.inferred > 0);
    if class == Class::Exact && is_inferred { Class::Inferred } else { class }
}

fn reasons(plan: &Plan, rest: u64, grown: Grown, interval: &Interval<'_>) -> Vec<Reason> {
    if rest == 0 {
        return Vec::new();
    }
    let causes = [
        (interval.events_lost > 0, Reason::EventsLost),
        (!interval.notified, Reason::NotNotified),
        (grown.skew > 0, Reason::Skew),
    ];
    let known = causes.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason);
    known.chain(plan.reasons.iter().copied()).collect()
}

/// `TcpCurrEstab` is the number of sockets in ESTABLISHED and CLOSE-WAIT, including kernel sockets
/// and those that are not accepted yet (`tcp_set_state()`).
fn established(interval: &Interval<'_>) -> Option<Attribution> {
    let level = |counters: &crate::counters::Counters| {
        counters.get("TcpCurrEstab").and_then(|level| u64::try_from(level).ok())
    };
    let delta = level(interval.after.second).filter(|level| *level > 0)?;
    let skew = level(interval.after.first).unwrap_or(delta).abs_diff(delta);
    let shares: Vec<Share> =
        interval.established.iter().map(|(_, sockets)| Share::exactly(*sockets)).collect();
    let division = divide(delta, &shares, Share::between(0, u64::MAX, 0.0));
    let parts = interval.established.iter().zip(&division.rows).map(|((service, sockets), row)| {
        let high = row.high.saturating_add(skew).min(delta);
        let estimate = Estimate { low: row.low.saturating_sub(skew), high, ..*row };
        Part { service: *service, estimate, surplus: sockets.saturating_sub(row.value) }
    });
    let mut by_service: Vec<Part> = parts.filter(|part| part.estimate.value > 0).collect();
    by_service.sort_by_key(|part| (std::cmp::Reverse(part.estimate.value), part.service));
    let rest = division.outside;
    Some(Attribution {
        counter: "TcpCurrEstab".into(),
        class: if interval.is_established_inferred { Class::Inferred } else { Class::Exact },
        gauge: true,
        delta,
        skew,
        attributed: delta - rest,
        unattributed: rest,
        reasons: if rest > 0 { vec![Reason::Skew] } else { Vec::new() },
        by_service,
    })
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
