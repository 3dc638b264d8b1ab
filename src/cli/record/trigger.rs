//! A counter that grows faster than it should.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::place::COUNTERS;
use crate::cli::stats::selection::Selection;
use crate::counters::{CounterReader, Counters, Kind};
use crate::output::human::grouped;
use crate::procfs::NetNamespace;

/// Growth that a counter has to pass, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Threshold {
    counter: String,
    above: f64,
    /// In a second, and not in an interval.
    per_second: bool,
}

/// Reads `NAME > NUMBER`, or `NAME > NUMBER/s`.
pub(super) fn threshold(text: &str) -> Result<Threshold, String> {
    let wrong = || {
        format!(
            "`{text}` is no threshold; accepted are a counter and its growth, in an interval or \
             a second: 'TcpRetransSegs > 500', 'TcpRetransSegs > 1000/s'"
        )
    };
    let (counter, number) = text.split_once('>').ok_or_else(wrong)?;
    let (counter, number) = (counter.trim(), number.trim());
    let (number, per_second) = match number.strip_suffix("/s") {
        Some(number) => (number.trim_end(), true),
        None => (number, false),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let above = number.parse().ok().filter(|_| plain && !counter.is_empty()).ok_or_else(wrong)?;
    Ok(Threshold { counter: counter.to_owned(), above, per_second })
}

/// A threshold that is watched.
#[derive(Debug)]
pub(super) struct Trigger {
    /// As the kernel spells the counter.
    name: String,
    above: f64,
    per_second: bool,
    reader: CounterReader,
    counters: Counters,
    last: Option<(Instant, i64)>,
}

impl Trigger {
    /// Watches the counters of this namespace.
    pub(super) fn new(threshold: &Threshold, place: &NetNamespace) -> anyhow::Result<Self> {
        let mut reader = place.inside(|| CounterReader::new(Path::new(COUNTERS)).open())??;
        let mut counters = Counters::default();
        reader.sample(&mut counters)?;
        let named = std::slice::from_ref(&threshold.counter);
        let selection = Selection::new(named, false, &counters).context("--trigger")?;
        let asked = selection.asked(counters.layout().names());
        let [name] = asked.as_slice() else {
            bail!("--trigger: `{}` are several counters; name one", threshold.counter)
        };
        if counters.get(name).is_none() {
            bail!("--trigger: this kernel does not have the counter {name}");
        }
        if Kind::of(name) == Kind::Gauge {
            bail!("--trigger: {name} is no counter that grows, but a level that rises and falls");
        }
        let Threshold { above, per_second, .. } = *threshold;
        Ok(Self { name: name.clone(), above, per_second, reader, counters, last: None })
    }

    /// Looks at the counter; what it did, if that is more than it should.
    pub(super) fn fires(&mut self, now: Instant) -> anyhow::Result<Option<String>> {
        self.reader.sample(&mut self.counters)?;
        let Some(value) = self.counters.get(&self.name) else { return Ok(None) };
        let Some((before, was)) = self.last.replace((now, value)) else { return Ok(None) };
        // Counters of 32 bits pass their end; that is no growth of anything like a threshold.
        let grown = u64::try_from(value.wrapping_sub(was)).unwrap_or(0);
        let seconds = (now - before).as_secs_f64().max(1e-3);
        let amount = if self.per_second { grown as f64 / seconds } else { grown as f64 };
        let unit = if self.per_second { "/s" } else { "" };
        Ok((amount > self.above)
            .then(|| format!("{} grew by {}{unit}", self.name, grouped(amount.round() as u64))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        for (text, counter, above, per_second) in [
            ("TcpRetransSegs > 1000/s", "TcpRetransSegs", 1000.0, true),
            ("retranssegs>5", "retranssegs", 5.0, false),
            (" TcpExt TCPTimeouts > 0.5 /s ", "TcpExt TCPTimeouts", 0.5, true),
        ] {
            let counter = counter.to_owned();
            assert_eq!(threshold(text), Ok(Threshold { counter, above, per_second }), "{text}");
        }
        for text in
            ["", "TcpRetransSegs", "> 5", "a > ", "a > b", "a > -1", "a > 1/m", "a >= 1", "a > nan"]
        {
            assert!(threshold(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
