//! Baselines: a reading kept on purpose, and how another one compares with it.
//!
//! Two hosts, or two moments, differ in how long they counted and in how much traffic they
//! had. So every counter is divided by both the seconds and the segments of its own span.

use std::path::Path;

use super::error::HistoryError;
use super::growth::growth;
use super::last_run::replace;
use super::reading::{BASELINE, Origin, Reading};
use crate::counters::{Amount, CounterWidth, Kind};

/// Writes a baseline. An existing file is only replaced if it is a baseline itself.
///
/// # Errors
/// When the file cannot be written, or is something else.
pub fn save(path: &Path, reading: &Reading) -> Result<(), HistoryError> {
    Reading::load(path, BASELINE)?;
    // A link stays a link: what it points to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&path, reading, true)
}

/// Reads a baseline.
///
/// # Errors
/// When there is none, or it is something else.
pub fn load(path: &Path) -> Result<Reading, HistoryError> {
    Reading::load(path, BASELINE)?.ok_or_else(|| {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file, or empty");
        HistoryError::io("read", path)(missing)
    })
}

/// What the two sides of a comparison cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Same boot and namespace: up to the baseline, and since.
    Since,
    /// Two counts from zero: two hosts, boots or namespaces.
    Totals,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// Seconds that were counted.
    pub seconds: f64,
    /// Segments in and out in that time.
    pub segments: u64,
}

/// One counter on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// nstat's name.
    pub name: String,
    /// Events up to the baseline.
    pub before: u64,
    /// Events since, or of the other host.
    pub after: u64,
    /// Events per segment afterwards by those before; `None` where one side has no traffic, or
    /// the baseline had no event.
    pub factor: Option<f64>,
    /// How telling the change is: what it is sorted by.
    pub weight: f64,
}

/// Two readings side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What the sides cover.
    pub span: Span,
    /// The baseline's.
    pub before: Side,
    /// The present one's.
    pub after: Side,
    /// What differs between the sides and matters, in words.
    pub differences: Vec<String>,
    /// Every counter that counted anything on a side, biggest relative change first.
    pub changes: Vec<Change>,
    /// Counters that fell although the place is the same.
    pub backwards: Vec<String>,
}

/// Added to both sides before they are compared, so that 1 against 0 is no discovery.
const DOUBT: f64 = 5.0;

/// Fewer segments than this tell nothing by the thousand.
const FEW: u64 = 1000;

impl Comparison {
    /// Compares `now` with a baseline. `kind` tells counters from gauges, which are left out.
    pub fn between(
        baseline: &Reading,
        now: &Reading,
        width: CounterWidth,
        kind: impl Fn(&str) -> Kind,
    ) -> Self {
        let same = baseline.origin.is_same_place(&now.origin)
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
                    Amount::Absent => None,
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
    // Without segments on both sides, by time.
    let (scale_before, scale_after) = if traffic {
        (one.segments as f64, other.segments as f64)
    } else {
        (one.seconds.max(1e-9), other.seconds.max(1e-9))
    };
    let relative = |events: f64, scale: f64| events / scale;
    let factor = (traffic && before > 0)
        .then(|| relative(after as f64, scale_after) / relative(before as f64, scale_before));
    // What would be expected of the shorter side, had nothing changed, doubted by a few events.
    let expected = before as f64 * (scale_after / scale_before);
    let weight = ((after as f64 + DOUBT) / (expected + DOUBT)).ln().abs();
    let weight = if weight.is_finite() { weight } else { 0.0 };
    Change {
        name: name.to_owned(),
        before,
        after,
        factor: factor.filter(|f| f.is_finite()),
        weight,
    }
}

/// What differs and matters for the comparison.
fn differences(one: &Origin, other: &Origin) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |what: &str, before: &str, now: &str| {
        if before != now {
            said.push(format!("{what}: {before} then, {now} now"));
        }
    };
    let netns = |origin: &Origin| match &origin.netns_name {
        Some(name) => format!("{name} ({})", origin.netns),
        None => origin.netns.to_string(),
    };
    let boot = |origin: &Origin| origin.boot_id.clone().unwrap_or_else(|| "unknown".to_owned());
    say("host", &one.hostname, &other.hostname);
    say("kernel", &one.kernel, &other.kernel);
    say("boot id", &boot(one), &boot(other));
    say("network namespace", &netns(one), &netns(other));
    if one.is_same_place(other) && other.uptime_s < one.uptime_s {
        said.push(
            "the baseline is younger than this reading although the boot is the same".to_owned(),
        );
    }
    said
}
