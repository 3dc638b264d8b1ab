//! One network namespace whose counters are watched.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::error::MonitorError;
use super::quality::Namespace;
use crate::counters::{CounterReader, Counters};
use crate::procfs::{HeldNamespace, NetNamespace};
use crate::recording::{RecordedNamespace, full_time};
use crate::sys::{Clocks, OWN_COUNTERS, uptime};

/// The time of a sample: the clock, and the time since boot.
#[derive(Debug, Clone)]
pub struct ReadingTime {
    /// RFC 3339.
    pub captured_at: String,
    /// Time since boot.
    pub uptime: Duration,
}

impl ReadingTime {
    /// The current time.
    pub fn now() -> Self {
        Self { captured_at: format!("{:.9}", Timestamp::now()), uptime: uptime() }
    }

    /// From a recording, whose clock does not count suspended time.
    fn recorded(clocks: Clocks) -> Self {
        let uptime = Duration::from_nanos(clocks.monotonic_ns);
        Self { captured_at: full_time(clocks.realtime_ns), uptime }
    }
}

/// The files of a namespace, and their first, previous and last contents.
#[derive(Debug)]
pub struct CounterWatch {
    /// The namespace.
    pub namespace: Namespace,
    /// The namespace of the kernel that is entered for each reading; `None` for a recording.
    held: Option<HeldNamespace>,
    reader: CounterReader,
    /// The first reading.
    pub first: Counters,
    /// The reading before the last.
    pub before: Counters,
    /// The last reading.
    pub now: Counters,
    /// Times of these readings; all equal after the first sample.
    pub began: ReadingTime,
    /// The time of the reading before; `None` after the first.
    pub previous: Option<ReadingTime>,
    /// The time of the last reading.
    pub at: ReadingTime,
}

impl CounterWatch {
    /// Enters a namespace and reads its files.
    pub fn open(namespace: &NetNamespace) -> Result<Self, MonitorError> {
        let held = Some(namespace.hold()?);
        let (inode, name) = (namespace.inode, namespace.name.clone());
        let reader = CounterReader::new(Path::new(OWN_COUNTERS));
        Self::new(Namespace { inode, name }, held, reader, ReadingTime::now)
    }

    /// From a recorded namespace, with the readings of a sample.
    pub fn recorded(namespace: &RecordedNamespace, clocks: Clocks) -> Result<Self, MonitorError> {
        let mut reader = CounterReader::given();
        reader.give(texts(namespace));
        let (inode, name) = (namespace.inode, namespace.name.clone());
        Self::new(Namespace { inode, name }, None, reader, || ReadingTime::recorded(clocks))
    }

    /// Takes the first reading; `time` is asked for the time after it.
    fn new(
        namespace: Namespace,
        held: Option<HeldNamespace>,
        mut reader: CounterReader,
        time: impl FnOnce() -> ReadingTime,
    ) -> Result<Self, MonitorError> {
        let mut now = Counters::default();
        read(held.as_ref(), &mut reader, &mut now)?;
        let at = time();
        Ok(Self {
            namespace,
            held,
            reader,
            first: now.clone(),
            before: Counters::default(),
            now,
            began: at.clone(),
            previous: None,
            at,
        })
    }

    /// Takes the readings of another sample.
    pub fn take(
        &mut self,
        namespace: &RecordedNamespace,
        clocks: Clocks,
    ) -> Result<(), MonitorError> {
        self.reader.give(texts(namespace));
        std::mem::swap(&mut self.before, &mut self.now);
        self.reader.sample(&mut self.now)?;
        self.previous = Some(std::mem::replace(&mut self.at, ReadingTime::recorded(clocks)));
        Ok(())
    }

    /// Reads again.
    pub fn sample(&mut self) -> Result<(), MonitorError> {
        std::mem::swap(&mut self.before, &mut self.now);
        read(self.held.as_ref(), &mut self.reader, &mut self.now)?;
        self.previous = Some(std::mem::replace(&mut self.at, ReadingTime::now()));
        Ok(())
    }
}

/// Takes a reading. The files of a namespace of the kernel are closed again: five of each are too
/// many.
fn read(
    held: Option<&HeldNamespace>,
    reader: &mut CounterReader,
    into: &mut Counters,
) -> Result<(), MonitorError> {
    let Some(held) = held else {
        reader.sample(into)?;
        return Ok(());
    };
    let change = held.inside(|| reader.sample(into))?;
    reader.close();
    change?;
    Ok(())
}

/// The counter files of a sample, as of its start.
fn texts(namespace: &RecordedNamespace) -> impl Iterator<Item = (&str, &str)> + Clone {
    let [before, _] = &namespace.part.counters;
    before.iter().map(|(name, text)| (name.as_str(), text.as_str()))
}
