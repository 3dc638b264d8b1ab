//! Recording, sample by sample.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;

use super::RecordCommand;
use super::census::Census;
use super::holders::Holders;
use super::narrowing::Filter;
use super::output::{Output, is_file};
use super::place::{Opened, Place, Taken};
use super::preamble::Preamble;
use super::progress::{Figures, Progress, counted, in_words};
use super::store::Store;
use super::trigger::Trigger;
use crate::cli::exit::{Exit, say};
use crate::cli::scene::{is_all, places};
use crate::cli::size::spelled;
use crate::output::human::grouped;
use crate::recording::{Ending, Kind, SharedWriter};
use crate::sys::Interrupt;

/// Room for what ends a recording.
const CLOSING: u64 = 512;

pub(super) fn run(command: &RecordCommand) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::install()?;
    if command.ring.is_some() {
        interrupt.heed_nudges()?;
    }
    is_file(&command.file)?;
    // All that can fail without a file fails before there is one.
    let filter = command.narrowing.filter()?;
    let opened = open_places(&command.netns)?;
    let holders = Holders::new()?;
    let mut session = Session::new(command, filter, opened, holders)?;
    let result = session.record(&interrupt);
    session.end(result)
}

/// Opens the namespaces that were asked for; says which cannot be.
fn open_places(specs: &[String]) -> anyhow::Result<Vec<Opened>> {
    let (found, mut unreachable) = places(specs)?;
    let mut opened = Vec::new();
    for place in &found {
        match Opened::new(place) {
            Ok(place) => opened.push(place),
            Err(error) if is_all(specs) => unreachable.push(format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    if opened.is_empty() {
        anyhow::bail!("no network namespace could be entered: {}", unreachable.join("; "));
    }
    unreachable.iter().for_each(|reason| say(format_args!("tcpdiag: not recorded: {reason}")));
    Ok(opened)
}

/// Why a recording ends, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Count,
    Duration,
    Size,
    Interrupted,
    /// Another file goes on.
    Rotated,
    /// These are the last minutes of a ring.
    Kept,
}

impl Why {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Interrupted => "interrupted",
            Self::Rotated => "rotated",
            Self::Kept => "kept",
        }
    }
}

/// What was recorded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) samples: u64,
    pub(super) taken: Taken,
}

impl Sum {
    pub(super) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.taken.add(other.taken);
    }

    /// As a recording's end tells it.
    pub(super) fn ending(&self, why: &str) -> Ending {
        let Taken { sockets, events, events_lost } = self.taken;
        Ending { why: why.to_owned(), samples: self.samples, sockets, events, events_lost }
    }
}

/// A recording being made.
struct Session<'a> {
    command: &'a RecordCommand,
    preamble: Preamble,
    store: Store,
    tape: SharedWriter<Output>,
    places: Vec<Place>,
    /// With all namespaces.
    census: Option<Census>,
    filter: Filter,
    holders: Holders,
    trigger: Option<Trigger>,
    progress: Progress,
    started: Instant,
    /// Of all files.
    all: Sum,
    /// Of the file, or segment, that is written.
    part: Sum,
    part_begun: Instant,
    /// Sockets of the last sample.
    sockets: u64,
    /// Bytes that the last one took.
    growth: u64,
}

impl<'a> Session<'a> {
    fn new(
        command: &'a RecordCommand,
        filter: Filter,
        opened: Vec<Opened>,
        holders: Holders,
    ) -> anyhow::Result<Self> {
        let first = opened.first().context("no network namespace to record")?.namespace().clone();
        let trigger =
            command.trigger.as_ref().map(|told| Trigger::new(told, &first)).transpose()?;
        let preamble = Preamble::new(command.interval, filter.told.clone());
        let (store, output) = Store::open(command, &preamble)?;
        let compression = store.compression(command.compress.into());
        let writer = preamble
            .begin(output, compression, &first)
            .with_context(|| format!("cannot write {}", store.path(command).display()))?;
        let tape = SharedWriter::new(writer);
        let mut session = Self {
            command,
            preamble,
            store,
            tape,
            places: Vec::new(),
            census: is_all(&command.netns).then(Census::new),
            filter,
            holders,
            trigger,
            progress: Progress::new(),
            started: Instant::now(),
            all: Sum::default(),
            part: Sum::default(),
            part_begun: Instant::now(),
            sockets: 0,
            growth: 0,
        };
        for place in opened {
            session.places.push(Place::new(place, &session.tape, command.with_keys)?);
        }
        session.introduce();
        Ok(session)
    }

    /// Tells the recording that was just begun of which namespaces it is.
    fn introduce(&mut self) {
        for (number, place) in self.places.iter_mut().enumerate() {
            // The first is what it was begun with.
            let interface = if number == 0 {
                0
            } else {
                self.tape.add_place(&Preamble::place(&place.namespace))
            };
            place.introduce(interface, &self.tape);
        }
    }

    /// Takes samples until there is a reason to end.
    fn record(&mut self, interrupt: &Interrupt) -> anyhow::Result<Why> {
        let mut next = self.started;
        let end = self.command.duration.map(|duration| self.started + duration);
        loop {
            self.sample()?;
            self.progress.show(&self.figures());
            if interrupt.is_asked() {
                return Ok(Why::Interrupted);
            }
            self.heed(interrupt)?;
            if self.command.count == Some(self.all.samples) {
                return Ok(Why::Count);
            }
            let then = self.tape.written() + self.growth + CLOSING;
            let is_one = matches!(self.store, Store::One);
            if is_one && self.command.max_size.is_some_and(|most| then > most) {
                return Ok(Why::Size);
            }
            // One that takes longer than the interval lets others be missed, not come late.
            next = (next + self.command.interval).max(Instant::now());
            match end {
                Some(end) if Instant::now() >= end => return Ok(Why::Duration),
                Some(end) => next = next.min(end),
                None => {}
            }
            if interrupt.sleep_until(next) {
                return Ok(Why::Interrupted);
            }
            if Instant::now() < next {
                // Woken by a nudge: the sample that was due is still to be taken.
                next = next.checked_sub(self.command.interval).unwrap_or(next);
            }
            if self.store.is_due(self.part_begun.elapsed(), then) {
                self.turn()?;
            }
            self.count_places();
        }
    }

    fn sample(&mut self) -> anyhow::Result<()> {
        let before = self.tape.written();
        // In a ring segments become one recording.
        let is_ring = matches!(self.store, Store::Ring(_));
        let number = if is_ring { self.all.samples } else { self.part.samples };
        self.tape.begin_sample(u32::try_from(number).unwrap_or(u32::MAX));
        self.filter.begin();
        let mut taken = Taken::default();
        for place in &mut self.places {
            taken.add(place.sample(&self.tape, &mut self.holders, &mut self.filter)?);
            if let Some(reason) = place.deaf.take() {
                self.progress.clear();
                say(format_args!("tcpdiag: {reason}; deaths of sockets are not recorded"));
            }
        }
        self.holders.tell(&self.tape)?;
        self.tape.end_sample();
        self.tape.flush().with_context(|| self.failure())?;
        self.growth = self.tape.written() - before;
        self.sockets = taken.sockets;
        let one = Sum { samples: 1, taken };
        self.all.add(one);
        self.part.add(one);
        Ok(())
    }

    /// Has the ring written if a signal or a counter asks for it.
    fn heed(&mut self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let now = Instant::now();
        let fired = self.trigger.as_mut().map(|trigger| trigger.fires(now)).transpose()?.flatten();
        let fired = match &mut self.store {
            Store::Ring(ring) => fired.filter(|_| ring.trigger(now)),
            Store::One | Store::Rotation(_) => None,
        };
        let nudged = interrupt.take_nudge().then(|| "SIGUSR1".to_owned());
        let Some(reason) = nudged.or(fired) else { return Ok(()) };
        // What cannot be written now may be at another time; it is still in memory.
        if let Err(error) = self.write_ring(&reason) {
            self.progress.clear();
            say(format_args!("tcpdiag: {error:#}"));
        }
        Ok(())
    }

    /// Writes what a ring keeps.
    fn write_ring(&mut self, reason: &str) -> anyhow::Result<()> {
        self.turn()?;
        let Store::Ring(ring) = &mut self.store else { return Ok(()) };
        let place = self.places.first().context("no network namespace is recorded any more")?;
        let said = ring.write(self.command, &self.preamble, &place.namespace)?;
        self.progress.clear();
        say(format_args!("{said} ({reason})"));
        Ok(())
    }

    /// Ends the file or segment that is written and begins the next.
    fn turn(&mut self) -> anyhow::Result<()> {
        let place = self.places.first().context("no network namespace is recorded any more")?;
        self.tape.json(Kind::End, 0, &self.part.ending(Why::Rotated.name()));
        self.tape.flush().with_context(|| self.failure())?;
        let failure = self.failure();
        let output = self.store.next()?;
        let compression = self.store.compression(self.command.compress.into());
        let writer = self
            .preamble
            .begin(output, compression, &place.namespace)
            .with_context(|| format!("cannot write {}", self.path().display()))?;
        let former = self.tape.replace(writer).and_then(Output::close).context(failure)?;
        let sum = std::mem::take(&mut self.part);
        self.store.finished(former, sum, self.part_begun);
        self.part_begun = Instant::now();
        self.places.iter_mut().for_each(Place::refresh);
        self.introduce();
        self.holders.forget();
        Ok(())
    }

    /// Takes up namespaces that came, and lets go those that went.
    fn count_places(&mut self) {
        let Some(census) = &mut self.census else { return };
        let change = census.take(self.places.iter().map(|place| &place.namespace));
        for namespace in change.came {
            let opened = Opened::new(&namespace)
                .and_then(|opened| Place::new(opened, &self.tape, self.command.with_keys));
            match opened {
                Ok(mut place) => {
                    let interface = self.tape.add_place(&Preamble::place(&place.namespace));
                    place.introduce(interface, &self.tape);
                    self.places.push(place);
                }
                Err(error) => {
                    census.refuse(namespace.inode);
                    self.progress.clear();
                    say(format_args!("tcpdiag: not recorded: {error:#}"));
                }
            }
        }
        // The program is in one itself, so there always is one left.
        self.places.retain(|place| {
            let is_there = !change.went.contains(&place.namespace.inode);
            if !is_there {
                place.leave(&self.tape);
            }
            is_there
        });
    }

    fn figures(&self) -> Figures {
        let elapsed = self.started.elapsed();
        let by_count = self.command.count.and_then(|count| {
            let intervals = u32::try_from(count.saturating_sub(self.all.samples)).ok()?;
            self.command.interval.checked_mul(intervals)
        });
        let by_time = self.command.duration.map(|duration| duration.saturating_sub(elapsed));
        let written = self.tape.written();
        let by_size = self.command.max_size.filter(|_| matches!(self.store, Store::One));
        let by_size = by_size.and_then(|most| {
            let samples = most.saturating_sub(written + CLOSING).checked_div(self.growth)?;
            self.command.interval.checked_mul(u32::try_from(samples).ok()?)
        });
        let kept = match &self.store {
            Store::Ring(ring) => {
                let (since, bytes) = ring.kept();
                Some((since.unwrap_or(self.part_begun).elapsed(), bytes + written))
            }
            Store::One | Store::Rotation(_) => None,
        };
        Figures {
            samples: self.all.samples,
            sockets: self.sockets,
            size: self.store.size() + written,
            elapsed,
            left: [by_count, by_time, by_size].into_iter().flatten().min(),
            kept,
        }
    }

    /// The file that is written.
    fn path(&self) -> PathBuf {
        self.store.path(self.command).to_owned()
    }

    /// What is said when the file cannot be written.
    fn failure(&self) -> String {
        let samples = grouped(self.part.samples);
        format!("cannot write {}, which keeps {samples} samples", self.path().display())
    }

    /// Ends the recording, also after an error, and says what it came to.
    fn end(mut self, result: anyhow::Result<Why>) -> anyhow::Result<Exit> {
        self.progress.clear();
        if matches!(self.store, Store::Ring(_)) {
            let why = result?;
            if self.command.write_on_exit {
                self.write_ring(why.name())?;
            }
            say(self.summary(why));
            return Ok(Exit::Done);
        }
        let why = result.as_ref().map_or("error", |why| why.name());
        self.tape.json(Kind::End, 0, &self.part.ending(why));
        let finished = self.tape.finish().and_then(Output::close);
        let why = result?;
        let former = finished.with_context(|| self.failure())?;
        self.store.finished(former, self.part, self.part_begun);
        say(self.summary(why));
        Ok(Exit::Done)
    }

    fn summary(&self, why: Why) -> String {
        let size = match &self.store {
            Store::One => fs::metadata(&self.command.file).map_or(0, |metadata| metadata.len()),
            Store::Rotation(_) | Store::Ring(_) => self.store.size(),
        };
        let Sum { samples, taken } = self.all;
        let mut line = format!(
            "{}: {} in {}",
            self.store.named(self.command),
            counted(samples, "sample"),
            in_words(self.started.elapsed()),
        );
        if !matches!(self.store, Store::Ring(_)) {
            line.push_str(&format!(", {}", spelled(size)));
            if taken.sockets > 0 {
                let each = size as f64 / taken.sockets as f64;
                line.push_str(&format!(" ({each:.1} bytes per socket and sample)"));
            }
        }
        line.push_str(&format!(", {}", counted(taken.events, "death")));
        if taken.events_lost > 0 {
            line.push_str(&format!(", {} not heard", grouped(taken.events_lost)));
        }
        if why == Why::Size {
            line.push_str("; ended by --max-size");
        }
        line
    }
}
