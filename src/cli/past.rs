//! Asking a recording instead of the kernel.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::exit::say;
use super::repeat::interval;
use crate::model::{State, StateSet};
use crate::procfs::Host;
use crate::recording::{Found, ReadError, Reader, Sample, Span, Walk};
use crate::sys::Interrupt;

/// Which recording, and when.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct PastArgs {
    /// Ask a recording of `tcpdiag record` instead of the kernel: its last sample without --at.
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    /// The last sample up to this time: 2026-11-21T04:45:00Z, in local time 2026-11-21T04:45, or
    /// +30s after the first sample, -5m before the last.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    at: Option<When>,
}

/// Which recording, and how much of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct SpanArgs {
    /// Ask a recording of `tcpdiag record` instead of the kernel: all of it, at its own times.
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    /// Begin with the first sample from this time on: 2026-11-21T04:45:00Z, in local time
    /// 2026-11-21T04:45, or +30s after the first sample, -5m before the last.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    from: Option<When>,
    /// End with the last sample up to this time.
    #[arg(long, visible_alias = "at", value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    to: Option<When>,
    /// As fast as it happened, or this many times faster; without, as fast as it can be read.
    #[arg(long, value_name = "N", requires = "read", value_parser = speed)]
    speed: Option<f64>,
}

/// A time of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nanoseconds since 1970.
    At(u64),
    AfterFirst(Duration),
    BeforeLast(Duration),
}

/// The time that is meant in a recording, in nanoseconds since 1970.
pub(super) fn resolve(path: &Path, when: When) -> anyhow::Result<u64> {
    match when {
        When::At(time) => Ok(time),
        relative => Recording::open(path)?.resolve(relative),
    }
}

/// A recording that was opened.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    reader: Reader<File>,
    span: Span,
    speed: Option<f64>,
}

impl PastArgs {
    /// Whether a recording is asked.
    pub(super) fn is_given(&self) -> bool {
        self.read.is_some()
    }

    /// The sample that was asked for; `None` for now.
    pub(super) fn sample(&self) -> anyhow::Result<Option<Past>> {
        let Some(path) = &self.read else { return Ok(None) };
        let mut recording = Recording::open(path)?;
        recording.span.to = self.at.map(|at| recording.resolve(at)).transpose()?;
        recording.sample().map(Some)
    }
}

/// A sample of a recording.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) sample: Sample,
    /// The recording is damaged behind it.
    pub(super) damaged: bool,
}

impl SpanArgs {
    /// The recording that was asked for; `None` for the kernel.
    pub(super) fn recording(&self) -> anyhow::Result<Option<Recording>> {
        let Some(path) = &self.read else { return Ok(None) };
        let mut recording = Recording::open(path)?;
        if !recording.reader.has_notes() {
            let path = path.display();
            bail!(
                "{path}: another program captured it, without counters; `tcpdiag conns` reads it"
            );
        }
        let resolve = |when: Option<When>| when.map(|when| recording.resolve(when)).transpose();
        let span = Span { from: resolve(self.from)?, to: resolve(self.to)? };
        if let (Some(from), Some(to)) = (span.from, span.to)
            && from > to
        {
            bail!("--from {} is after --to {}", in_full(from), in_full(to));
        }
        (recording.span, recording.speed) = (span, self.speed);
        Ok(Some(recording))
    }
}

impl Recording {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let reader = Reader::new(file).with_context(name)?;
        if !reader.is_of_this_byte_order() {
            bail!("{}: recorded on a machine of the other byte order", path.display());
        }
        Ok(Self { path: path.to_owned(), reader, span: Span::default(), speed: None })
    }

    /// The time that is meant, in nanoseconds since 1970. Times that are told from an end take a
    /// reading of their own up to there.
    fn resolve(&self, when: When) -> anyhow::Result<u64> {
        let mut reading;
        let mut walk = match when {
            When::At(time) => return Ok(time),
            When::AfterFirst(_) | When::BeforeLast(_) => {
                reading = Self::open(&self.path)?;
                Walk::new(&mut reading.reader, Span::default())
            }
        };
        let mut time = None;
        while walk.advance() {
            time = Some(walk.sample().clocks.realtime_ns);
            if matches!(when, When::AfterFirst(_)) {
                break;
            }
        }
        let Some(time) = time else { return Err(self.nothing(walk.first())) };
        let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Ok(match when {
            When::At(time) => time,
            When::AfterFirst(length) => time.saturating_add(nanoseconds(length)),
            When::BeforeLast(length) => time.saturating_sub(nanoseconds(length)),
        })
    }

    fn sample(&mut self) -> anyhow::Result<Past> {
        let Found { sample, first, damage } = Sample::find(&mut self.reader, self.span.to);
        if let Some(damage) = &damage {
            self.complain(damage);
        }
        let Some(sample) = sample else { return Err(self.nothing(first)) };
        let time = in_full(sample.clocks.realtime_ns);
        let (path, number) = (self.path.display(), sample.number + 1);
        if sample.capture {
            say(format_args!(
                "{path}: dump {number} of {time}, captured by another program: states {}; nothing \
                 known of owners, cgroups and names of interfaces",
                states(&sample)
            ));
        } else {
            say(format_args!("{path}: sample {number} of {time}"));
        }
        Ok(Past { sample, damaged: damage.is_some() })
    }

    /// How much of it was asked for.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Its samples, one after the other; its name, and their pace.
    pub(super) fn walk(&mut self) -> (Walk<'_, File>, &Path, Pace) {
        let walk = Walk::new(&mut self.reader, self.span);
        (walk, &self.path, Pace { speed: self.speed, began: None })
    }

    /// Says what is wrong with it.
    fn complain(&self, damage: &ReadError) {
        complain(&self.path, damage);
    }

    fn nothing(&self, first: Option<u64>) -> anyhow::Error {
        nothing(&self.path, self.span, first)
    }
}

/// Says what is wrong with a recording.
pub(super) fn complain(path: &Path, damage: &ReadError) {
    say(format_args!("tcpdiag: {}: {damage}", path.display()));
}

/// The states that a sample's dumps were asked for.
fn states(sample: &Sample) -> String {
    let parts = sample.namespaces.iter().flat_map(|namespace| &namespace.part.parts);
    let asked = parts.fold(0, |states, part| states | part.states);
    let names = State::ALL.iter().filter(|state| asked & StateSet::of(&[**state]).bits() != 0);
    let names: Vec<&str> = names.map(|state| state.name()).collect();
    if names.len() == State::ALL.len() { "all".to_owned() } else { names.join(", ") }
}

/// Why there is no sample in a span of a recording whose first sample began then.
pub(super) fn nothing(path: &Path, span: Span, first: Option<u64>) -> anyhow::Error {
    let path = path.display();
    match (first, span.to) {
        (Some(first), Some(to)) if to < first => {
            anyhow::anyhow!("{path}: nothing before its first sample, of {}", in_full(first))
        }
        (Some(first), _) => {
            let from = in_full(span.from.unwrap_or(first));
            anyhow::anyhow!(
                "{path}: no whole sample from {from} on, its first is of {}",
                in_full(first)
            )
        }
        (None, _) => anyhow::anyhow!("{path}: no whole sample in it, nor a dump of TCP sockets"),
    }
}

/// When the samples of a recording are shown.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many times faster than it happened; `None` without waiting.
    speed: Option<f64>,
    /// When the first one was, here and there.
    began: Option<(Instant, u64)>,
}

impl Pace {
    /// The first one is shown now.
    pub(super) fn start(&mut self, monotonic_ns: u64) {
        self.began = Some((Instant::now(), monotonic_ns));
    }

    /// Waits until it is time for what happened then. True when the user asked to end meanwhile.
    pub(super) fn wait(&mut self, monotonic_ns: u64, interrupt: &Interrupt) -> bool {
        let Some(speed) = self.speed else { return interrupt.is_asked() };
        let (here, there) = *self.began.get_or_insert((Instant::now(), monotonic_ns));
        let passed = Duration::from_nanos(monotonic_ns.saturating_sub(there));
        let passed = Duration::try_from_secs_f64(passed.as_secs_f64() / speed);
        let next = passed.ok().and_then(|passed| here.checked_add(passed));
        next.is_some_and(|next| interrupt.sleep_until(next))
    }

    /// Whether somebody may be watching.
    pub(super) fn is_given(&self) -> bool {
        self.speed.is_some()
    }
}

/// The host of a sample.
pub(super) fn host(sample: &Sample) -> Host {
    let facts = &sample.host;
    Host {
        hostname: facts.hostname.clone(),
        kernel: facts.kernel.clone(),
        boot_id: facts.boot_id.clone(),
    }
}

/// A time of a recording.
pub(super) fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// In full, so that it can be given back to `--at`.
pub(super) fn in_full(nanoseconds: u64) -> String {
    format!("{:.9}", timestamp(nanoseconds))
}

/// A time as it is given on the command line.
pub(super) fn time(text: &str) -> Result<When, String> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
    let told = |text: &str| interval(text).ok();
    let relative = || {
        let first = text.strip_prefix('+').and_then(told).map(When::AfterFirst);
        first.or_else(|| text.strip_prefix('-').and_then(told).map(When::BeforeLast))
    };
    let absolute = || {
        let parsed = text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp()))?;
        let nanoseconds = Timestamp::as_nanosecond(parsed).max(0);
        Some(When::At(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    };
    relative().or_else(absolute).ok_or_else(|| {
        format!(
            "`{text}` is no time; accepted are times such as 2026-11-21T04:45:00Z, \
             2026-11-21T04:45:00+01:00, in local time 2026-11-21T04:45, and +30s after the first \
             sample or -5m before the last"
        )
    })
}

fn speed(text: &str) -> Result<f64, String> {
    let parsed = text.trim_end_matches(['x', '×']).parse::<f64>().ok();
    parsed
        .filter(|speed| (0.001..=1e6).contains(speed))
        .ok_or_else(|| format!("`{text}` is no speed; accepted are numbers such as 1, 0.5 or 60"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let night = 1_795_236_300_000_000_000;
        for (text, wanted) in [
            ("2026-11-21T04:45:00Z", When::At(night)),
            ("2026-11-21T05:45:00+01:00", When::At(night)),
            ("2026-11-21T04:45:00.5Z", When::At(night + 500_000_000)),
            ("+30s", When::AfterFirst(Duration::from_secs(30))),
            ("-5m", When::BeforeLast(Duration::from_secs(300))),
        ] {
            assert_eq!(time(text), Ok(wanted), "{text}");
        }
        assert!(time("2026-11-21T04:45").is_ok());
        for text in ["", "yesterday", "04:45", "+", "-", "+-5m", "12"] {
            assert!(time(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }

    #[test]
    fn speeds() {
        for (text, wanted) in [("1", 1.0), ("0.5", 0.5), ("60x", 60.0)] {
            assert!((speed(text).unwrap() - wanted).abs() < 1e-9);
        }
        for text in ["0", "-1", "nan", "inf", "fast", ""] {
            assert!(speed(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
