//! Builds the document from readings: growth, rates, ratios.

use std::time::Duration;

use super::{
    Basis, Cost, CounterQuality, CounterRow, Document, Note, Outcome, RatioRow, STATS, Since, Stats,
};
use crate::counters::{
    Amount, Catalogue, CounterWidth, Counters, Delta, Kind, Ratio, Retransmits, Selection,
    Threshold, category_of, is_host_wide,
};
use crate::history::{Grown, Reading, growth};
use crate::monitor::{CounterWatch, ReadingTime};
use crate::procfs::Host;
use crate::sys::Usage;

/// What the reading is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Past<'a> {
    /// Nothing.
    Nothing,
    /// The last run's reading.
    LastRun(&'a Reading),
    /// An earlier sample of this run.
    Sample(Basis, &'a Counters, &'a ReadingTime),
}

impl Past<'_> {
    fn get(self, name: &str) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::LastRun(reading) => reading.get(name),
            Self::Sample(_, counters, _) => counters.get(name),
        }
    }

    fn since(self, now: &ReadingTime) -> Option<Since> {
        let (basis, captured_at, uptime_s) = match self {
            Self::Nothing => return None,
            Self::LastRun(reading) => {
                (Basis::LastRun, &reading.origin.captured_at, reading.origin.uptime_s)
            }
            Self::Sample(basis, _, moment) => {
                (basis, &moment.captured_at, moment.uptime.as_secs_f64())
            }
        };
        let seconds = (now.uptime.as_secs_f64() - uptime_s).max(0.0);
        Some(Since { basis, captured_at: Some(captured_at.clone()), seconds })
    }
}

/// What is the same for every sample.
pub struct StatsReporter<'a> {
    /// The host.
    pub host: &'a Host,
    /// Thresholds of ratios.
    pub threshold: &'a dyn Fn(&Ratio) -> Threshold,
    /// The share of the segments sent below which rare events are no trouble.
    pub rare: f64,
    /// Which counters and ratios.
    pub selection: &'a Selection,
    /// Width of the kernel's counters.
    pub width: CounterWidth,
}

impl StatsReporter<'_> {
    /// The document of a reading compared with `past`.
    pub fn report(&self, watch: &CounterWatch, past: Past<'_>, usage: Usage) -> Stats<'_> {
        let since = past.since(&watch.at);
        let elapsed = since.as_ref().map_or(watch.at.uptime, |since| {
            Duration::try_from_secs_f64(since.seconds).unwrap_or_default()
        });
        let counters = self.rows(watch, past, elapsed);
        let mut quality = CounterQuality::of(&watch.now);
        if let Past::Sample(_, before, _) = past {
            quality.common.add_counters(before);
        }
        quality.backwards = counters
            .iter()
            .filter(|row| row.note == Some(Note::Backwards))
            .map(|row| row.name.clone())
            .collect();
        let moved = |name: &str| {
            amount(watch, name, elapsed, &|kind, value| {
                growth(name, kind, self.width, past.get(name), value).amount()
            })
        };
        let may_have_wrapped = segments_may_have_wrapped(&watch.now, self.width);
        let total = |name: &str| {
            if may_have_wrapped && ["TcpInSegs", "TcpOutSegs"].contains(&name) {
                return Amount::Wrapped;
            }
            amount(watch, name, watch.at.uptime, &|kind, value| {
                Grown { value, kind, delta: None }.total()
            })
        };
        // For a single sample, verdicts are about the totals, which do not depend on earlier runs.
        let (basis, ratios, kinds) = match past {
            Past::Sample(basis, ..) => (
                basis,
                self.ratios(basis, moved, None::<fn(&str) -> Amount>),
                Retransmits::of(moved),
            ),
            Past::LastRun(_) => (
                Basis::Total,
                self.ratios(Basis::Total, total, Some(moved)),
                Retransmits::of(total),
            ),
            Past::Nothing => (
                Basis::Total,
                self.ratios(Basis::Total, total, None::<fn(&str) -> Amount>),
                Retransmits::of(total),
            ),
        };
        let kinds = kinds.filter(|_| self.selection.holds("TcpRetransSegs"));
        let interval_s = since
            .as_ref()
            .filter(|since| since.basis == Basis::Interval)
            .map(|since| since.seconds);
        Stats {
            document: Document {
                schema: STATS,
                captured_at: watch.at.captured_at.clone(),
                host: self.host,
                netns: Some(watch.namespace.clone()),
                interval_s,
            },
            since,
            basis,
            counters,
            ratios,
            retransmits_by_kind: kinds,
            findings: [],
            quality,
            cost: Cost::new(usage.elapsed(), 0),
        }
    }

    /// The counters by category.
    fn rows(&self, watch: &CounterWatch, past: Past<'_>, elapsed: Duration) -> Vec<CounterRow> {
        let mut rows: Vec<(usize, CounterRow)> = watch
            .now
            .with_kinds()
            .filter(|(name, ..)| self.selection.holds(name))
            .map(|(name, kind, value)| {
                row(name, growth(name, kind, self.width, past.get(name), value), elapsed)
            })
            .collect();
        // Stable: counters outside the catalogue stay in the order of the files.
        rows.sort_by_key(|(rank, _)| *rank);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The ratios of the `main` period, and those since the last run.
    fn ratios(
        &self,
        basis: Basis,
        main: impl Fn(&str) -> Amount,
        recent: Option<impl Fn(&str) -> Amount>,
    ) -> Vec<RatioRow> {
        let selected = Ratio::all().iter().filter(|ratio| self.selection.holds_ratio(ratio));
        let row = |ratio: &'static Ratio| {
            let threshold = (self.threshold)(ratio);
            let outcome = Outcome::new(basis, ratio.judge(threshold, self.rare, &main));
            let mut row = RatioRow::new(ratio, threshold, outcome);
            row.since_last_run = recent.as_ref().map(|recent| {
                Outcome::new(Basis::LastRun, ratio.judge(threshold, self.rare, recent))
            });
            row
        };
        selected.map(row).collect()
    }
}

/// Whether the counts of segments may have wrapped since the host was started. They have 32 bits on
/// a 32-bit kernel. Every segment is in a packet of at least 40 bytes, and those have 64 bits
/// everywhere. What IPv6 carried is known where its counters were read.
fn segments_may_have_wrapped(now: &Counters, width: CounterWidth) -> bool {
    const OCTETS: [&str; 4] = ["IpExtInOctets", "IpExtOutOctets", "Ip6InOctets", "Ip6OutOctets"];
    if width == CounterWidth::Bits64 {
        return false;
    }
    let known = OCTETS.iter().filter_map(|name| u64::try_from(now.get(name)?).ok());
    let octets = known.reduce(u64::saturating_add);
    octets.is_none_or(|octets| octets >= 40 << 32)
}

/// A ratio's amount of one counter, or of the time.
fn amount(
    watch: &CounterWatch,
    name: &str,
    elapsed: Duration,
    of: &dyn Fn(Kind, i64) -> Amount,
) -> Amount {
    if name == Ratio::ELAPSED_MS {
        return Amount::Events(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    }
    match watch.now.get(name) {
        Some(value) => of(Kind::of(name), value),
        None if watch.now.is_unread(name) => Amount::Unread,
        None => Amount::Absent,
    }
}

fn row(name: &str, grown: Grown, elapsed: Duration) -> (usize, CounterRow) {
    let (rank, category) = category_of(name);
    let (delta, note) = match grown.delta {
        None => (None, None),
        Some(Delta::Backwards) => (None, Some(Note::Backwards)),
        Some(Delta::Wrapped(growth)) => (i64::try_from(growth).ok(), Some(Note::Wrapped)),
        Some(Delta::Grew(growth)) => (i64::try_from(growth).ok(), None),
        Some(Delta::Level { from, to }) => (to.checked_sub(from), None),
    };
    let row = CounterRow {
        name: name.to_owned(),
        category: category.to_owned(),
        kind: grown.kind,
        scope: is_host_wide(name).then_some("host"),
        value: grown.value,
        delta,
        rate: grown.delta.and_then(|delta| delta.rate(elapsed)),
        note,
        meaning: Catalogue::builtin().entry(name).map(|entry| entry.meaning.as_str()),
    };
    (rank, row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_snmp;

    #[test]
    fn segments_of_a_32_bit_kernel_wrap() {
        use CounterWidth::{Bits32, Bits64};
        let octets =
            |sent: u64| parse_snmp(&format!("IpExt: InOctets OutOctets\nIpExt: 0 {sent}\n"));
        for (sent, width, expected) in
            [(1 << 30, Bits32, false), (40 << 32, Bits32, true), (40 << 32, Bits64, false)]
        {
            assert_eq!(segments_may_have_wrapped(&octets(sent), width), expected, "{sent}");
        }
        assert!(segments_may_have_wrapped(&parse_snmp(""), Bits32));
    }
}
