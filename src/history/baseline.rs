//! Baselines: saved readings, and their comparison with another reading.
//!
//! Two hosts or two times differ in how long they counted and in how much traffic they had. So
//! every counter is divided by the seconds and by the segments of its own period.

use std::path::Path;

use super::error::HistoryError;
use super::growth::growth;
use super::last_run::replace;
use super::reading::{BASELINE, Origin, Reading};
use crate::counters::{Amount, CounterWidth, Kind};

/// Writes a baseline. Replaces an existing file only if it is a baseline.
///
/// # Errors
/// If the file cannot be written, is a symbolic link, or is not a baseline.
pub fn save(path: &Path, reading: &Reading) -> Result<(), HistoryError> {
    Reading::load(path, BASELINE)?;
    replace(path, reading, true)
}

/// Reads a baseline.
///
/// # Errors
/// If there is none, or it is not a baseline.
pub fn load(path: &Path) -> Result<Reading, HistoryError> {
    Reading::load(path, BASELINE)?.ok_or_else(|| {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file, or empty");
        HistoryError::io("read", path)(missing)
    })
}

/// The periods of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Same boot and namespace: before the baseline, and since.
    Since,
    /// Two totals since boot: different hosts, boots or namespaces.
    Totals,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// Length in seconds.
    pub seconds: f64,
    /// Segments in and out during that time.
    pub segments: u64,
}

/// One counter on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// nstat's name.
    pub name: String,
    /// Events before the baseline.
    pub before: u64,
    /// Events since the baseline, or on the other host.
    pub after: u64,
    /// Events per segment after divided by those before; `None` if one side has no traffic or the
    /// baseline has no event.
    pub factor: Option<f64>,
    /// The significance of the change: the sort key.
    pub weight: f64,
}

/// Two readings side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The periods of the sides.
    pub span: Span,
    /// The baseline's side.
    pub before: Side,
    /// The current side.
    pub after: Side,
    /// Relevant differences between the sides, in words.
    pub differences: Vec<String>,
    /// Every counter with events on a side, largest relative change first.
    pub changes: Vec<Change>,
    /// Counters that went backwards within the same boot and namespace.
    pub backwards: Vec<String>,
}

/// Added to both sides before comparison, so that 1 against 0 is not significant.
const UNCERTAINTY: f64 = 5.0;

/// With fewer segments, rates per thousand mean nothing.
const FEW: u64 = 1000;

impl Comparison {
    /// Compares `now` with a baseline. `kind` distinguishes counters from gauges, which are left
    /// out.
    pub fn between(
        baseline: &Reading,
        now: &Reading,
        width: CounterWidth,
        kind: impl Fn(&str) -> Kind,
    ) -> Self {
        let same = baseline.origin.is_same_namespace(&now.origin)
            && now.origin.uptime_s >= baseline.origin.uptime_s;
        let span = if same { Span::Since } else { Span::Totals };
        let mut backwards = Vec::new();
        let mut events = |name: &str, value: i64| match span {
            Span::Totals => u64::try_from(value).ok(),
            Span::Since => {
                match growth(name, Kind::Counter, width, baseline.get(name), value).amount() {
                    Amount::Events(events) => Some(events),
                    Amount::Broken => {
                        backwards.push(name.to_owned());
                        None
                    }
                    Amount::Absent | Amount::Wrapped | Amount::Unread => None,
                }
            }
        };
        let counted: Vec<(&str, u64, u64)> = now
            .counters
            .iter()
            .filter(|(name, _)| kind(name) == Kind::Counter)
            .filter_map(|(name, &value)| {
                let before = u64::try_from(baseline.get(name)?).ok()?;
                Some((name.as_str(), before, events(name, value)?))
            })
            .collect();
        let segments = |side: fn(&(&str, u64, u64)) -> u64| {
            let of = |wanted| counted.iter().find(|(name, ..)| *name == wanted).map_or(0, side);
            of("TcpInSegs").saturating_add(of("TcpOutSegs"))
        };
        let seconds = match span {
            Span::Since => now.origin.uptime_s - baseline.origin.uptime_s,
            Span::Totals => now.origin.uptime_s,
        };
        let before = Side {
            seconds: baseline.origin.uptime_s,
            segments: segments(|(_, before, _)| *before),
        };
        let after = Side { seconds, segments: segments(|(.., after)| *after) };
        let mut changes: Vec<Change> = counted
            .iter()
            .filter(|(_, one, other)| *one > 0 || *other > 0)
            .map(|(name, one, other)| change(name, *one, *other, before, after))
            .collect();
        changes.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        let mut differences = differences(&baseline.origin, &now.origin);
        let least = before.segments.min(after.segments);
        if least < FEW {
            differences.push(format!("{least} segments on one side are too few to compare by"));
        }
        Self { span, before, after, differences, changes, backwards }
    }
}

fn change(name: &str, before: u64, after: u64, one: Side, other: Side) -> Change {
    let traffic = one.segments > 0 && other.segments > 0;
    // By time, unless both sides have segments.
    let (scale_before, scale_after) = if traffic {
        (one.segments as f64, other.segments as f64)
    } else {
        (one.seconds.max(1e-9), other.seconds.max(1e-9))
    };
    let relative = |events: f64, scale: f64| events / scale;
    let factor = (traffic && before > 0)
        .then(|| relative(after as f64, scale_after) / relative(before as f64, scale_before));
    // The events expected on the shorter side without a change, plus a few for uncertainty.
    let expected = before as f64 * (scale_after / scale_before);
    let weight = ((after as f64 + UNCERTAINTY) / (expected + UNCERTAINTY)).ln().abs();
    let weight = if weight.is_finite() { weight } else { 0.0 };
    Change {
        name: name.to_owned(),
        before,
        after,
        factor: factor.filter(|f| f.is_finite()),
        weight,
    }
}

/// Differences that matter for the comparison.
fn differences(one: &Origin, other: &Origin) -> Vec<String> {
    let mut differences = Vec::new();
    let mut add = |what: &str, before: &str, now: &str| {
        if before != now {
            differences.push(format!("{what}: {before} then, {now} now"));
        }
    };
    let netns = |origin: &Origin| match &origin.netns_name {
        Some(name) => format!("{name} ({})", origin.netns),
        None => origin.netns.to_string(),
    };
    let boot = |origin: &Origin| origin.boot_id.clone().unwrap_or_else(|| "unknown".to_owned());
    add("host", &one.hostname, &other.hostname);
    add("kernel", &one.kernel, &other.kernel);
    add("boot id", &boot(one), &boot(other));
    add("network namespace", &netns(one), &netns(other));
    if one.is_same_namespace(other) && other.uptime_s < one.uptime_s {
        differences.push(
            "the baseline is younger than this reading although the boot is the same".to_owned(),
        );
    }
    differences
}
