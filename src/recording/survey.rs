//! Finding the times that a user asks for, before the samples are read.

use std::ops::ControlFlow;

use super::clock_step::ClockStep;
use super::counted_file::BytesRead;
use super::mark::Mark;
use super::session::SessionOptions;
use super::session_error::SessionError;
use super::session_files::{SessionFile, SessionFiles};
use super::timeline::{TimePosition, Timeline};
use super::when::{When, time_of_day_in};
use super::{Sample, Span, Walk};
use crate::sys::Clocks;

/// A time that the wall clock showed several times, because it was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatedTime {
    /// The time, in nanoseconds since 1970.
    pub time: u64,
    /// How often it occurs.
    pub times: usize,
    /// Which of them was taken, from 1.
    pub taken: usize,
}

/// The result.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) span: Span,
    /// Where the wall clock was set; `None` if that was not searched.
    pub(super) steps: Option<Vec<ClockStep>>,
    pub(super) repeated: Vec<RepeatedTime>,
    /// A time that the recording has to reach, which only reading it shows.
    pub(super) unchecked: Option<u64>,
}

impl Survey {
    /// Finds the times of these options. Absolute times, and those that have to be in the recording,
    /// take a reading of the files whose times are not known from what they begin with.
    pub(super) fn of(
        found: &SessionFiles,
        name: &str,
        options: &SessionOptions,
    ) -> Result<Self, SessionError> {
        let SessionOptions { from, to, at, .. } = *options;
        let times = [from, to, at].into_iter().flatten();
        let is_absolute = |when: When| matches!(when, When::At(_));
        if times.clone().count() == 0 {
            return Ok(Self::default());
        }
        if let Some(file) = found.files.iter().find(|file| !file.is_regular) {
            return unsurveyed(file, options);
        }
        let mut surveyor = Surveyor { found, name, timeline: None, exact: Vec::new() };
        if at.is_some() || times.clone().any(is_absolute) {
            surveyor.survey(&times.filter_map(absolute).collect::<Vec<_>>())?;
        }
        let mut survey = Self::default();
        survey.span.from = from.map(|when| surveyor.mark(when, false, &mut survey)).transpose()?;
        let (to, is_strict) = at.map_or((to, false), |at| (Some(at), true));
        survey.span.to = to.map(|when| surveyor.mark(when, is_strict, &mut survey)).transpose()?;
        survey.steps = surveyor.timeline.map(|timeline| timeline.steps().collect());
        match survey.span {
            Span { from: Some(from), to: Some(to) } if from.is_later_than(to) => {
                Err(SessionError::Reversed { from: from.realtime_ns, to: to.realtime_ns })
            }
            _ => Ok(survey),
        }
    }
}

fn absolute(when: When) -> Option<u64> {
    match when {
        When::At(time) => Some(time),
        When::AfterFirst(_) | When::BeforeLast(_) | When::TimeOfDay(_) => None,
    }
}

/// Of a file that can be read only once: absolute times are taken as they come.
fn unsurveyed(file: &SessionFile, options: &SessionOptions) -> Result<Survey, SessionError> {
    let mark = |when: Option<When>| match when {
        None => Ok(None),
        Some(When::At(time)) => Ok(Some(Mark::wall(time))),
        Some(_) => Err(SessionError::ReadOnce { path: file.path.clone() }),
    };
    let at = mark(options.at)?;
    let span = Span { from: mark(options.from)?, to: at.or(mark(options.to)?) };
    if let Span { from: Some(from), to: Some(to) } = span
        && from.is_later_than(to)
    {
        return Err(SessionError::Reversed { from: from.realtime_ns, to: to.realtime_ns });
    }
    Ok(Survey { span, unchecked: at.map(|at| at.realtime_ns), ..Survey::default() })
}

struct Surveyor<'f> {
    found: &'f SessionFiles,
    name: &'f str,
    timeline: Option<Timeline>,
    /// Absolute times that samples began at, and when by the monotonic clock.
    exact: Vec<(u64, u64)>,
}

impl Surveyor<'_> {
    /// Reads when samples were taken. Of these times, those that samples began at are found.
    fn survey(&mut self, times: &[u64]) -> Result<(), SessionError> {
        let is_whole = self.read_times(times, true)?;
        let is_repeated = |timeline: &Timeline| {
            times
                .iter()
                .any(|time| matches!(timeline.position(*time), TimePosition::Recorded(marks) if marks.len() > 1))
        };
        if !is_whole && self.timeline.as_ref().is_some_and(is_repeated) {
            // Only the samples show which of the places was meant.
            self.read_times(times, false)?;
        }
        Ok(())
    }

    /// Reads the times of all samples; `skip`: but for those of files whose times are known
    /// without. Returns whether all were read.
    fn read_times(&mut self, times: &[u64], skip: bool) -> Result<bool, SessionError> {
        let mut timeline = Timeline::new(!self.found.has_monotonic_order());
        self.exact.clear();
        let mut is_whole = true;
        for (at, file) in self.found.files.iter().enumerate() {
            if let Some(known) = self.found.times_of(at).filter(|_| skip) {
                known.into_iter().for_each(|clocks| timeline.add(clocks));
                is_whole = false;
                continue;
            }
            let exact = &mut self.exact;
            walk(file, |sample| {
                let (clocks, interval) = (sample.clocks, sample.host.interval_ns);
                timeline.order_by_wall(sample.capture);
                if times.contains(&clocks.realtime_ns) {
                    exact.push((clocks.realtime_ns, clocks.monotonic_ns));
                }
                let gap =
                    timeline.last().map(|last| clocks.realtime_ns.saturating_sub(last.realtime_ns));
                // A capture by another program has no interval, but dumps follow each other.
                let usual = Some(interval).filter(|interval| *interval > 0).or(gap);
                timeline.interval = usual.unwrap_or(timeline.interval);
                timeline.add(clocks);
                ControlFlow::Continue(())
            })?;
        }
        self.timeline = Some(timeline);
        Ok(is_whole)
    }

    /// The mark of a time; `is_strict` if it has to be in the recording.
    fn mark(&self, when: When, is_strict: bool, survey: &mut Survey) -> Result<Mark, SessionError> {
        let relative = match when {
            When::At(time) => return self.absolute(time, is_strict, survey),
            When::AfterFirst(_) => self.edge(false)?,
            When::BeforeLast(_) => self.edge(true)?,
            When::TimeOfDay(time) => {
                let ((first, _), (last, _)) = (self.edge(false)?, self.edge(true)?);
                let time = time_of_day_in(time, first.realtime_ns, last.realtime_ns);
                return self.absolute(time, is_strict, survey);
            }
        };
        let (edge, by_wall) = relative;
        let time = when.relative_to(edge.realtime_ns);
        if by_wall {
            return self.checked(Mark::wall(time), is_strict);
        }
        let monotonic_ns = when.relative_to(edge.monotonic_ns);
        self.checked(Mark::monotonic(Clocks { realtime_ns: time, monotonic_ns }), is_strict)
    }

    /// A relative time that is in the recording, if it has to be.
    fn checked(&self, mark: Mark, is_strict: bool) -> Result<Mark, SessionError> {
        let Some(timeline) = self.timeline.as_ref().filter(|_| is_strict) else { return Ok(mark) };
        let late = |last: Clocks| Clocks {
            realtime_ns: last.realtime_ns.saturating_add(timeline.interval),
            monotonic_ns: last.monotonic_ns.saturating_add(timeline.interval),
        };
        if timeline.first().is_some_and(|first| mark.is_before(first)) {
            return Err(self.out_of_range(timeline, mark.realtime_ns, TimePosition::Before));
        }
        if timeline.last().is_some_and(|last| mark.is_after(late(last))) {
            return Err(self.out_of_range(timeline, mark.realtime_ns, TimePosition::After));
        }
        Ok(mark)
    }

    fn absolute(
        &self,
        time: u64,
        is_strict: bool,
        survey: &mut Survey,
    ) -> Result<Mark, SessionError> {
        let Some(timeline) = &self.timeline else { return Ok(Mark::wall(time)) };
        match timeline.position(time) {
            TimePosition::Recorded(marks) => Ok(self.choose(time, &marks, survey)),
            TimePosition::Between(mark) => Ok(mark),
            position @ (TimePosition::Before | TimePosition::After) if !is_strict => {
                let monotonic_ns = if position == TimePosition::Before { 0 } else { u64::MAX };
                let mark = Mark::monotonic(Clocks { realtime_ns: time, monotonic_ns });
                Ok(if timeline.is_by_wall() { Mark::wall(time) } else { mark })
            }
            place => Err(self.out_of_range(timeline, time, place)),
        }
    }

    /// Chooses among the places of a time: the one where a sample began just then, or else the last,
    /// at which the clock was right if it was set only once.
    fn choose(&self, time: u64, marks: &[Mark], survey: &mut Survey) -> Mark {
        let is_exact = |mark: &Mark| {
            self.exact.iter().any(|(exact, monotonic)| {
                let holds = |(begins, ends)| *monotonic >= begins && *monotonic < ends;
                *exact == time && mark.stretch.is_some_and(holds)
            })
        };
        let last = marks.len().saturating_sub(1);
        let taken = marks.iter().rposition(is_exact).unwrap_or(last);
        if marks.len() > 1 {
            let repeated = RepeatedTime { time, times: marks.len(), taken: taken + 1 };
            survey.repeated.push(repeated);
        }
        marks.get(taken).copied().unwrap_or(Mark::wall(time))
    }

    fn out_of_range(&self, timeline: &Timeline, time: u64, position: TimePosition) -> SessionError {
        SessionError::OutOfRange {
            name: self.name.to_owned(),
            time,
            is_before: position == TimePosition::Before,
            is_after: position == TimePosition::After,
            ranges: timeline.ranges(),
        }
    }

    /// When the first or the last sample began, and whether only its wall clock counts.
    fn edge(&self, is_last: bool) -> Result<(Clocks, bool), SessionError> {
        if let Some(timeline) = &self.timeline {
            let edge = if is_last { timeline.last() } else { timeline.first() };
            return edge.map(|edge| (edge, timeline.is_by_wall())).ok_or_else(|| self.empty());
        }
        let mut files: Vec<&SessionFile> = self.found.files.iter().collect();
        if is_last {
            files.reverse();
        }
        for file in files {
            let mut edge = Timeline::new(!self.found.has_monotonic_order());
            walk(file, |sample| {
                let clocks = sample.clocks;
                edge.order_by_wall(sample.capture);
                edge.add(clocks);
                // Two show whether there is a monotonic clock.
                let is_found = !is_last && edge.first() != Some(clocks);
                if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            let found = if is_last { edge.last() } else { edge.first() };
            if let Some(found) = found {
                return Ok((found, edge.is_by_wall()));
            }
        }
        Err(self.empty())
    }

    fn empty(&self) -> SessionError {
        let (name, damage) = (self.name.to_owned(), self.found.damage.clone());
        SessionError::Empty { name, span: Box::default(), first: None, damage }
    }
}

/// Visits the complete samples of a file. Damage ends the file; it is reported when the samples are
/// read.
fn walk(
    file: &SessionFile,
    mut visit: impl FnMut(&Sample) -> ControlFlow<()>,
) -> Result<(), SessionError> {
    let mut reader = match file.open(&BytesRead::default()) {
        Ok(reader) => reader,
        Err(error) if file.head.is_none() => return Err(error),
        Err(_) => return Ok(()),
    };
    let mut walk = Walk::new(&mut reader, Span::default());
    while walk.advance() {
        if visit(walk.sample()).is_break() {
            break;
        }
    }
    Ok(())
}
