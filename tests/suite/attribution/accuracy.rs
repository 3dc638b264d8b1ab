//! Retransmits by service and kind, compared with the kernel's trace.
//!
//! ```text
//! cargo test --release --test suite attribution::accuracy -- --nocapture
//! ```
//! prints the figures that the README quotes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::observer::{Observer, Summary, distance};
use crate::lab::{Kinds, Medium, Profile, Scenario, Service, Shape, Side, Truth, lab};

/// A debug build needs several times the processor time.
const BUDGET: &str = if cfg!(debug_assertions) { "10%" } else { "1%" };

/// Four services at once under different loss, long flows and short connections.
fn busy_host() -> Scenario {
    let uploads = Profile::Upload { flows: 3, rate: Some(500_000) };
    Scenario::builder()
        .service(2181, Profile::short(32, 2_000), 0.01)
        .service(6379, Profile::short(24, 20_000), 0.02)
        .service(9092, Profile::Download { flows: 4, rate: Some(1_000_000) }, 0.005)
        .with(Service { congestion: Some("cubic"), ..Service::new(5432, uploads, 0.1) })
}

/// Summaries of the observers at both ends.
struct Summaries {
    /// With events and fast polls, at the client's and the server's end.
    whole: [Summary; 2],
    /// At the server's end, without events.
    without_events: Summary,
    /// Also without fast polls.
    polling_alone: Summary,
}

/// Runs in which no destroy event was lost. Ordinary users cannot raise the limit of the socket's
/// buffer, and on a busy host the program may be scheduled too late.
fn observe(scenario: &Scenario, duration: Duration) -> Option<(Truth, Summaries)> {
    const ATTEMPTS: usize = 3;
    for _ in 0..ATTEMPTS {
        let (truth, seen) = run(scenario, duration)?;
        let lost = |summary: &Summary| summary.document["quality"]["events_lost"] != 0;
        if !seen.whole.iter().any(lost) {
            return Some((truth, seen));
        }
    }
    panic!("destroy events were lost in each of {ATTEMPTS} runs");
}

fn run(scenario: &Scenario, duration: Duration) -> Option<(Truth, Summaries)> {
    scenario.run_with(duration, |running| {
        let whole =
            Side::BOTH.map(|side| Observer::begin(running, side, &["1s", "--cpu-budget", BUDGET]));
        let no_events = ["1s", "--no-events", "--cpu-budget", BUDGET];
        let without_events = Observer::begin(running, Side::Server, &no_events);
        let alone = ["1s", "--no-events", "--watch", "off"];
        let polling_alone = Observer::begin(running, Side::Server, &alone);
        running.wait();
        Summaries {
            whole: whole.map(Observer::end),
            without_events: without_events.end(),
            polling_alone: polling_alone.end(),
        }
    })
}

/// A share as a percentage.
fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

/// Retransmits attributed to the wrong service or to none, as a share of all.
fn share_misattributed(truth: &BTreeMap<u16, Kinds>, seen: &BTreeMap<u16, u64>) -> f64 {
    let total: u64 = truth.values().map(Kinds::total).sum();
    let wrong: u64 = truth
        .iter()
        .map(|(port, kinds)| kinds.total().abs_diff(seen.get(port).copied().unwrap_or(0)))
        .sum();
    wrong as f64 / total.max(1) as f64
}

fn check_summary(side: Side, truth: &Truth, summary: &Summary) {
    let per_port = &truth.side(side).per_port;
    let seen = summary.retransmits();
    let retransmits = summary.counter("TcpRetransSegs").expect("there are some");
    let [delta, skew, rest] =
        ["delta", "skew", "unattributed"].map(|key| retransmits[key].as_u64().unwrap());
    println!("{side:?}: RetransSegs {delta}, unattributed {rest}, skew {skew}");
    assert_eq!(delta, truth.side(side).growth("RetransSegs"));
    assert!(rest <= skew, "{retransmits:#}");
    // A debug build reads sockets so slowly that the kernel's workers may send destroy events
    // later than the program allows for.
    let spare = if cfg!(debug_assertions) { skew / 10 } else { 0 };
    // Per service.
    for (port, kinds) in per_port {
        let (true_value, value) = (kinds.total(), seen.get(port).copied().unwrap_or(0));
        println!("  {port}: {true_value} in truth, {value} seen");
        let off = true_value.abs_diff(value);
        assert!(off <= (true_value / 200).max(1) + spare, "{port}");
    }
    // By kind and service.
    let kinds = summary.kinds();
    let values = kinds.iter().map(|(port, kinds)| (*port, kinds.map(|range| range.value as f64)));
    let values: BTreeMap<u16, [f64; 5]> = values.collect();
    let inferred = distance(per_port, &values);
    let guessed = distance(per_port, &proportional(truth, side));
    println!(
        "{side:?}: by kind and service off by {} of all retransmits; guessed in proportion {}",
        percent(inferred),
        percent(guessed)
    );
    let mut wide = 0;
    for (port, truth) in per_port {
        for (kind, (truth, range)) in truth.five().iter().zip(&kinds[port]).enumerate() {
            wide += range.high - range.low;
            println!(
                "  {port} kind {kind}: {truth} in {} [{}-{}]",
                range.value, range.low, range.high
            );
            let within = range.low.saturating_sub(spare)..=range.high + spare;
            assert!(within.contains(truth), "{port}: {kind}");
        }
    }
    println!("  intervals are {wide} wide in sum");
    // A debug build polls less often within its budget; how often depends on the machine.
    let most = if cfg!(debug_assertions) { guessed / 2.0 } else { 0.03 };
    assert!(inferred <= most, "{inferred} {guessed}");
}

/// An estimate without sockets' histories: each service's retransmits divided by kind in the
/// host's proportions.
fn proportional(truth: &Truth, side: Side) -> BTreeMap<u16, [f64; 5]> {
    let per_port = &truth.side(side).per_port;
    let sum = truth.side(side).sum();
    let all = sum.total().max(1) as f64;
    let share = sum.five().map(|kind| kind as f64 / all);
    per_port
        .iter()
        .map(|(port, kinds)| (*port, share.map(|share| share * kinds.total() as f64)))
        .collect()
}

fn check_attribution(scenario: &Scenario, duration: Duration) {
    let Some((truth, seen)) = observe(scenario, duration) else { return };
    assert_eq!(truth.contradictions(), Vec::<String>::new());
    let connections: u64 = truth.work.values().map(|work| work.connections).sum();
    println!("{connections} connections");
    for (side, summary) in Side::BOTH.into_iter().zip(&seen.whole) {
        println!("{side:?}: {}", summary.closing.lines().last().unwrap_or(""));
        if truth.is_traced() {
            check_summary(side, &truth, summary);
        }
    }
    if !truth.is_traced() {
        return;
    }
    let per_port = &truth.side(Side::Server).per_port;
    let kinds_of = |summary: &Summary| {
        let kinds = summary.kinds().into_iter();
        kinds.map(|(port, kinds)| (port, kinds.map(|range| range.value as f64))).collect()
    };
    for (name, summary) in [
        ("everything", &seen.whole[Side::Server.index()]),
        ("without events", &seen.without_events),
        ("polling alone", &seen.polling_alone),
    ] {
        let found: u64 = summary.retransmits().values().sum();
        let all: u64 = per_port.values().map(Kinds::total).sum();
        println!(
            "{name}: {} of retransmits found, {} with another service or none, kinds off by {}; {}",
            percent(found as f64 / all as f64),
            percent(share_misattributed(per_port, &summary.retransmits())),
            percent(distance(per_port, &kinds_of(summary))),
            summary.closing.lines().last().unwrap_or("")
        );
    }
    let alone = share_misattributed(per_port, &seen.polling_alone.retransmits());
    assert!(alone > 0.1, "polling alone misses a good part: {alone}");
}

lab!(
    alone as Best fn attribution_is_accurate_over_a_wire() {
        check_attribution(&busy_host(), Duration::from_secs(5));
    }
);

lab!(
    alone as Best fn attribution_is_accurate_over_a_link_with_delay_and_outages() {
        let there = Shape {
            jitter: Duration::from_millis(1),
            outage: Some([Duration::from_millis(1500), Duration::from_millis(150)]),
            ..Shape::delayed(2)
        };
        check_attribution(&busy_host().over(Medium::Link([there; 2])), Duration::from_secs(6));
    }
);
