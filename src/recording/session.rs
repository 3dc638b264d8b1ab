//! Reading one recording, or several files as one.

use std::fs::Metadata;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use super::assembler::{Fetched, SampleAssembler};
use super::clock_step::{ClockStep, SteadyClock, StepWatch};
use super::counted_file::{BytesRead, CountedFile};
use super::namespace_choice::NamespaceChoice;
use super::session_error::{FileDamage, Overlap, SessionError};
use super::session_files::{SessionFiles, unreadable};
use super::survey::{RepeatedTime, Survey};
use super::timeline::MOST_STRETCHES;
use super::when::When;
use super::{Reader, Sample, Span};
use crate::procfs::Host;
use crate::sys::Clocks;

/// What to read of the recordings.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Network namespaces by name or inode, or `all`. Without any, the first one of the recording.
    pub namespaces: Vec<String>,
    /// The first time of the span.
    pub from: Option<When>,
    /// The last time of the span.
    pub to: Option<When>,
    /// The last time of the span, which has to be in the recording: not before its first sample, nor
    /// later after the last than the usual interval.
    pub at: Option<When>,
    /// Also visit the samples before `from`, because growth needs what came before.
    /// [`Session::span`] says which samples are in the span.
    pub lead_in: bool,
    /// Counters are needed, which captures by other programs do not have.
    pub counters: bool,
}

/// Samples of one or several recordings, in time order.
///
/// Files that follow each other, as `tcpdiag record --rotate` writes them, are read as one
/// recording: what is known of sockets, owners and settings carries over. One sample is read
/// ahead, also across files, so that the last is known to be the last. Damage ends the reading of
/// its file only.
pub struct Session {
    found: SessionFiles,
    name: String,
    assembler: SampleAssembler,
    /// The file that is read.
    open: Option<(usize, Reader<CountedFile>)>,
    next_file: usize,
    span: Span,
    lead_in: bool,
    choice: NamespaceChoice,
    begun: bool,
    first: Option<u64>,
    /// The sample that was read last, and its file.
    ahead: Option<(usize, Clocks)>,
    /// The file of the current sample, and its number there.
    position: Option<(usize, u32)>,
    /// What is added to the numbers of samples in the file.
    number_offset: u32,
    damage: Vec<FileDamage>,
    overlaps: Vec<Overlap>,
    survey: Survey,
    clock: SteadyClock,
    watch: StepWatch,
    /// Where the wall clock was set, as far as it was read, and how many of these were shown.
    steps: Vec<ClockStep>,
    shown_steps: usize,
    /// A sample after the span was read.
    passed_span: bool,
    read: BytesRead,
    size: u64,
}

impl Session {
    /// Opens these files, or all recordings in these directories, and goes to the first sample of
    /// the span.
    ///
    /// # Errors
    /// When a path is no recording, when files are of different hosts or boots, or when there is
    /// no sample in the span.
    pub fn open(paths: &[PathBuf], options: &SessionOptions) -> Result<Self, SessionError> {
        let mut session = Self::prepare(paths, options)?;
        let start = session.span.from.filter(|_| !session.lead_in);
        let file = start.map_or(0, |from| session.found.covering(from));
        session.begin_at(file);
        if !session.advance() {
            return Err(session.empty());
        }
        session.choose(&options.namespaces)?;
        Ok(session)
    }

    /// The same, but goes to the last sample of the span.
    ///
    /// # Errors
    /// The same.
    pub fn open_last(paths: &[PathBuf], options: &SessionOptions) -> Result<Self, SessionError> {
        let mut session = Self::prepare(paths, options)?;
        let last = session.found.files.len().saturating_sub(1);
        let mut file = session.span.to.map_or(last, |to| session.found.covering(to));
        loop {
            session.begin_at(file);
            let mut found = false;
            while session.advance() {
                found = true;
            }
            if found {
                break;
            }
            // Its first sample is not complete, so the file before has the last one.
            match file.checked_sub(1) {
                Some(before) => file = before,
                None => return Err(session.empty()),
            }
        }
        session.check_end()?;
        session.choose(&options.namespaces)?;
        Ok(session)
    }

    fn prepare(paths: &[PathBuf], options: &SessionOptions) -> Result<Self, SessionError> {
        let found = SessionFiles::find(paths)?;
        let read = BytesRead::default();
        let name = name(paths);
        let survey = Survey::of(&found, &name, options)?;
        let mut open = None;
        let mut is_capture = false;
        if let Some((at, file)) = found.files.iter().enumerate().next() {
            is_capture = match &file.head {
                Some(head) => head.is_capture,
                None => {
                    let reader = file.open(&read)?;
                    let is_capture = !reader.has_notes();
                    open = Some((at, reader));
                    is_capture
                }
            };
            if is_capture && options.counters {
                return Err(SessionError::Capture { path: file.path.clone() });
            }
        }
        Ok(Self {
            damage: found.damage.clone(),
            found,
            name,
            assembler: SampleAssembler::new(is_capture),
            open,
            next_file: 0,
            span: survey.span,
            survey,
            clock: SteadyClock::default(),
            watch: StepWatch::default(),
            steps: Vec::new(),
            shown_steps: 0,
            passed_span: false,
            lead_in: options.lead_in,
            choice: NamespaceChoice::default(),
            begun: false,
            first: None,
            ahead: None,
            position: None,
            number_offset: 0,
            overlaps: Vec::new(),
            read,
            size: 0,
        })
    }

    /// Goes to the next sample; `false` if there is none.
    pub fn advance(&mut self) -> bool {
        if !mem::replace(&mut self.begun, true) {
            self.fetch();
        }
        loop {
            let Some((file, _)) = self.ahead else { return false };
            let Some(begun) = self.assembler.show_next() else { return false };
            let sample = self.assembler.sample_mut();
            // Those that the sample read ahead follows are not its own.
            sample.clock_steps.extend(self.steps.iter().skip(self.shown_steps));
            self.shown_steps = self.steps.len();
            if let Some((_, number)) = self.position.filter(|(before, _)| *before != file) {
                // Each file begins its numbers anew.
                self.number_offset = self.number_offset.saturating_add(number).saturating_add(1);
            }
            self.position = Some((file, sample.number));
            sample.number = sample.number.saturating_add(self.number_offset);
            self.fetch();
            let is_in = !self.span.from.is_some_and(|from| from.is_after(begun.clocks));
            if is_in || self.lead_in {
                return true;
            }
        }
    }

    /// The current sample.
    pub fn sample(&self) -> &Sample {
        self.assembler.sample()
    }

    /// The current sample, to take its contents.
    pub fn sample_mut(&mut self) -> &mut Sample {
        self.assembler.sample_mut()
    }

    /// The current sample, to keep, with the chosen namespaces only.
    pub fn into_sample(self) -> Sample {
        let mut sample = self.assembler.into_sample();
        sample.namespaces.retain(|namespace| self.choice.includes(namespace));
        sample
    }

    /// Whether no other sample follows, in whatever file.
    pub fn is_last(&self) -> bool {
        self.assembler.next_clocks().is_none()
    }

    /// Which network namespaces were asked for.
    pub fn choice(&self) -> &NamespaceChoice {
        &self.choice
    }

    /// The host of the recordings.
    pub fn host(&self) -> Host {
        Host::from(&self.sample().host)
    }

    /// Where the wall clock was set, as far as that is known: all of it if times were asked for,
    /// otherwise what was read so far.
    pub fn clock_steps(&self) -> &[ClockStep] {
        self.survey.steps.as_deref().unwrap_or(&self.steps)
    }

    /// Times that were asked for and that occur several times.
    pub fn repeated_times(&self) -> &[RepeatedTime] {
        &self.survey.repeated
    }

    /// Samples that were no later than the one before, by the only clock there is. They are shown
    /// in the order in which they were read.
    pub fn unordered(&self) -> u64 {
        self.clock.unordered
    }

    /// The span.
    pub fn span(&self) -> Span {
        self.span
    }

    /// When the first sample began, in nanoseconds since 1970.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// The name of all of it, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files, in time order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.found.files.iter().map(|file| file.path.as_path())
    }

    /// Reads the files, in time order, from their beginnings; those that cannot be opened any more
    /// are left out. Their bytes count in [`Self::progress`].
    pub fn readers(&self) -> impl Iterator<Item = (&Path, Reader<CountedFile>)> {
        let files = self.found.files.iter();
        files.filter_map(|file| Some((file.path.as_path(), file.open(&self.read).ok()?)))
    }

    /// The file of the current sample, and the sample's number in it, from 0.
    pub fn position(&self) -> (&Path, u32) {
        let (file, number) = self.position.unwrap_or_default();
        let path = self.found.files.get(file).map_or(Path::new(""), |file| file.path.as_path());
        (path, number)
    }

    /// Whether this is the metadata of one of the files.
    pub fn reads(&self, metadata: &Metadata) -> bool {
        self.found.files.iter().any(|file| file.is_same(metadata))
    }

    /// Files in the directories that are no recordings of this program, and were skipped.
    pub fn skipped(&self) -> u64 {
        self.found.skipped
    }

    /// What is wrong with the files, as far as they were read.
    pub fn damage(&self) -> &[FileDamage] {
        &self.damage
    }

    /// Files that overlap the one before, as those of `record --ring` may: the samples that are
    /// not later than its last one were passed over.
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// Bytes read so far, and the bytes of all files that are to be read; 0 if that is unknown.
    pub fn progress(&self) -> (u64, u64) {
        (self.read.get(), self.size)
    }

    /// Starts over before the first sample of this file.
    fn begin_at(&mut self, file: usize) {
        let is_capture = self.assembler.sample().capture;
        self.assembler = SampleAssembler::new(is_capture);
        self.damage.clone_from(&self.found.damage);
        self.overlaps.clear();
        // The only file of a session is open already.
        self.next_file = if self.open.is_some() { file + 1 } else { file };
        (self.begun, self.ahead, self.number_offset) = (false, None, 0);
        self.position = None;
        (self.clock, self.watch) = (SteadyClock::default(), StepWatch::default());
        self.steps = self.found.steps_before(file);
        self.shown_steps = 0;
        let before = file.checked_sub(1).and(self.found.files.first());
        let head = before.and_then(|file| file.head.as_ref());
        self.first = head.map(|head| head.begun.realtime_ns);
        let files = self.found.files.iter().skip(file);
        self.size = files.map(|file| file.size).sum();
    }

    /// Reads the next sample ahead, in whatever file it is.
    fn fetch(&mut self) {
        loop {
            let Some((at, reader)) = &mut self.open else {
                if self.open_next() {
                    continue;
                }
                return;
            };
            let at = *at;
            match self.assembler.fetch(reader, self.span.to) {
                Fetched::Sample => {
                    let Some(clocks) = self.assembler.next_clocks() else { continue };
                    if self.overlaps_file_before(at, clocks) {
                        self.assembler.pass_over();
                        continue;
                    }
                    self.first = self.first.or(Some(clocks.realtime_ns));
                    self.ahead = Some((at, clocks));
                    self.keep_time(clocks);
                    return;
                }
                Fetched::PastSpan(clocks) => {
                    self.passed_span = true;
                    self.first = self.first.or(Some(clocks.realtime_ns));
                    (self.open, self.next_file) = (None, self.found.files.len());
                    return;
                }
                Fetched::FileEnd(damage) => {
                    self.open = None;
                    if let (Some(why), Some(file)) = (damage, self.found.files.get(at)) {
                        self.damage.push(FileDamage { path: file.path.clone(), why });
                    }
                }
            }
        }
    }

    /// Follows the clocks of the sample that was read ahead.
    fn keep_time(&mut self, clocks: Clocks) {
        let steady = self.clock.next(clocks, self.assembler.interval());
        if steady != clocks.monotonic_ns {
            self.assembler.set_next_monotonic(steady);
        } else if !self.assembler.sample().capture {
            let step = self.watch.next(clocks);
            if self.steps.len() < MOST_STRETCHES {
                self.steps.extend(step);
            }
        }
    }

    /// Refuses a file that ends too early for the time that it has to reach.
    fn check_end(&self) -> Result<(), SessionError> {
        let Some(time) = self.survey.unchecked else { return Ok(()) };
        let Sample { clocks, host, .. } = self.sample();
        let last = clocks.realtime_ns;
        if self.passed_span || last.saturating_add(host.interval_ns) >= time {
            return Ok(());
        }
        let (name, ranges) = (self.name.clone(), vec![(self.first.unwrap_or(last), last)]);
        Err(SessionError::OutOfRange { name, time, is_before: false, is_after: true, ranges })
    }

    /// Opens the next file that can be opened; `false` if there is none in the span.
    fn open_next(&mut self) -> bool {
        while let Some(file) = self.found.files.get(self.next_file) {
            let begun = file.head.as_ref().map(|head| head.begun);
            if let (Some(begun), Some(to)) = (begun, self.span.to)
                && to.is_before(begun)
            {
                self.first = self.first.or(Some(begun.realtime_ns));
                self.next_file = self.found.files.len();
                break;
            }
            let at = self.next_file;
            self.next_file += 1;
            match file.open(&self.read) {
                Ok(reader) => {
                    self.assembler.begin_file();
                    self.open = Some((at, reader));
                    return true;
                }
                // It could be opened when its head was read, so it was deleted or cut since then.
                Err(error) => {
                    let why = match error {
                        SessionError::Read { why, .. } => why,
                        SessionError::Open { source, .. } => unreadable(&source),
                        other => unreadable(&io::Error::other(other)),
                    };
                    self.damage.push(FileDamage { path: file.path.clone(), why });
                }
            }
        }
        false
    }

    /// Whether a sample is not later than the last one of the file before; counts it if so.
    fn overlaps_file_before(&mut self, at: usize, clocks: Clocks) -> bool {
        let Some((_, last)) = self.ahead.filter(|(before, _)| *before != at) else {
            return false;
        };
        let overlaps = if self.found.is_one_boot {
            clocks.monotonic_ns <= last.monotonic_ns
        } else {
            clocks.realtime_ns <= last.realtime_ns
        };
        if overlaps && let Some(file) = self.found.files.get(at) {
            match self.overlaps.last_mut().filter(|overlap| overlap.path == file.path) {
                Some(overlap) => overlap.samples += 1,
                None => self.overlaps.push(Overlap { path: file.path.clone(), samples: 1 }),
            }
        }
        overlaps
    }

    /// Chooses namespaces by these names, of all that a file declares at its start or that are known
    /// by now. The first of the first file is the default, wherever reading begins.
    fn choose(&mut self, wanted: &[String]) -> Result<(), SessionError> {
        let heads = self.found.files.iter().filter_map(|file| file.head.as_ref());
        let declared = heads.flat_map(|head| &head.namespaces);
        let namespaces = &self.assembler.sample().namespaces;
        let known = declared
            .map(|namespace| (namespace.inode, namespace.name.as_deref()))
            .chain(namespaces.iter().map(|found| (found.inode, found.name.as_deref())));
        self.choice = NamespaceChoice::of(wanted, known)?;
        Ok(())
    }

    fn empty(self) -> SessionError {
        let (name, span, first) = (self.name, self.span, self.first);
        SessionError::Empty { name, span: span.into(), first, damage: self.damage }
    }
}

/// What these paths are called together.
fn name(paths: &[PathBuf]) -> String {
    match paths {
        [] => String::new(),
        [only] => only.display().to_string(),
        [first, others @ ..] => format!("{} and {} more", first.display(), others.len()),
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "session_clock_tests.rs"]
mod clock_tests;
