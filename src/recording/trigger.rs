//! A counter that grows faster than it should, which has a ring written.

use std::time::Instant;

use crate::counters::{CounterReader, Counters, Kind, ReadError, Selection, SelectionError};
use crate::procfs::{NamespaceError, NetNamespace};
use crate::sys::own_counters;

/// The growth that a counter may have.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterThreshold {
    /// The counter's name, in any spelling.
    pub counter: String,
    /// The most that it may grow by.
    pub above: f64,
    /// In a second, and not in an interval.
    pub per_second: bool,
}

/// The growth of a counter that is above its threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterGrowth {
    /// The counter, as the kernel spells it.
    pub counter: String,
    /// What it grew by.
    pub amount: f64,
    /// In a second, and not in an interval.
    pub per_second: bool,
}

/// Why a counter cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The counters cannot be read.
    #[error(transparent)]
    Counters(#[from] ReadError),
    /// There is no such counter.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The name stands for several counters.
    #[error("`{0}` are several counters; name one")]
    Several(String),
    /// It could not be read, so it is not known whether the kernel has it.
    #[error("the counter {0} cannot be read: its file is missing, empty or cut short")]
    Unread(String),
    /// The kernel does not have it.
    #[error("this kernel does not have the counter {0}")]
    Absent(String),
    /// It is a gauge.
    #[error("{0} is no counter that grows, but a level that rises and falls")]
    Gauge(String),
}

/// A threshold that is watched.
#[derive(Debug)]
pub struct CounterTrigger {
    threshold: CounterThreshold,
    reader: CounterReader,
    counters: Counters,
    last: Option<(Instant, i64)>,
}

impl CounterTrigger {
    /// Watches the counter of a threshold in this namespace.
    ///
    /// # Errors
    /// When there is no such counter, or it cannot be read.
    pub fn open(
        threshold: &CounterThreshold,
        namespace: &NetNamespace,
    ) -> Result<Self, TriggerError> {
        let mut reader = namespace.inside(|| CounterReader::new(&own_counters()).open())??;
        let mut counters = Counters::default();
        reader.sample(&mut counters)?;
        let named = std::slice::from_ref(&threshold.counter);
        let selection = Selection::new(named, false, &counters)?;
        let asked = selection.asked(counters.layout().names());
        let [name] = asked.as_slice() else {
            return Err(TriggerError::Several(threshold.counter.clone()));
        };
        let counter = name.clone();
        if counters.is_unread(name) {
            return Err(TriggerError::Unread(counter));
        }
        if counters.get(name).is_none() {
            return Err(TriggerError::Absent(counter));
        }
        if Kind::of(name) == Kind::Gauge {
            return Err(TriggerError::Gauge(counter));
        }
        Ok(Self::new(CounterThreshold { counter, ..threshold.clone() }, reader))
    }

    fn new(threshold: CounterThreshold, reader: CounterReader) -> Self {
        Self { threshold, reader, counters: Counters::default(), last: None }
    }

    /// Reads the counter; returns its growth if that is above the threshold.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn check(&mut self, now: Instant) -> Result<Option<CounterGrowth>, ReadError> {
        self.reader.sample(&mut self.counters)?;
        let value = self.counters.get(&self.threshold.counter);
        Ok(value.and_then(|value| self.growth(now, value)))
    }

    fn growth(&mut self, now: Instant, value: i64) -> Option<CounterGrowth> {
        let (before, was) = self.last.replace((now, value))?;
        // A counter of 32 bits that wraps around does not grow by anything like a threshold.
        let grown = u64::try_from(value.wrapping_sub(was)).unwrap_or(0);
        let seconds = (now - before).as_secs_f64().max(1e-3);
        let CounterThreshold { counter, above, per_second } = &self.threshold;
        let amount = if *per_second { grown as f64 / seconds } else { grown as f64 };
        let growth = CounterGrowth { counter: counter.clone(), amount, per_second: *per_second };
        (amount > *above).then_some(growth)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn growth_above_the_threshold() {
        let start = Instant::now();
        for (per_second, expected) in [(false, [None, Some(11.0)]), (true, [None, None])] {
            let threshold =
                CounterThreshold { counter: "TcpRetransSegs".to_owned(), above: 10.0, per_second };
            let mut trigger = CounterTrigger::new(threshold, CounterReader::given());
            assert_eq!(trigger.growth(start, 100), None);
            for (number, (value, expected)) in [110, 121].into_iter().zip(expected).enumerate() {
                let now = start + Duration::from_secs(2 * (number as u64 + 1));
                let growth = trigger.growth(now, value).map(|growth| growth.amount);
                assert_eq!(growth, expected, "{per_second}");
            }
            // A counter that begins anew.
            assert_eq!(trigger.growth(start + Duration::from_secs(9), 0), None);
        }
    }
}
