//! Going through the samples of a recording, one after the other.

use std::io::Read;
use std::mem;

use super::facts::{
    CgroupPath, DumpBegun, DumpEnded, FilterFact, HostFacts, InterfaceName, NamespaceOf,
    SampleBegun, SampleEnded, SocketOwners,
};
use super::nlmon_capture::{Group, NlmonCapture};
use super::sample::{Part, RecordedNamespace, Sample, SamplePart};
use super::{Entry, Kind, Note, ReadError, Reader, Way};
use crate::sys::Clocks;

/// A part of a recording, in nanoseconds since 1970; all of it where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Samples that began earlier are passed over. What they told of owners holds.
    pub from: Option<u64>,
    /// With the first sample that began later it is over.
    pub to: Option<u64>,
}

/// The whole samples of a recording in a span, one after the other.
///
/// One sample is read ahead, so that the last is known to be the last. A payload that is not what
/// its kind says is as if it were not there.
pub struct Walk<'r, R: Read> {
    reader: &'r mut Reader<R>,
    span: Span,
    sample: Sample,
    coming: Coming,
    /// `None` in a recording that this program made.
    overheard: Option<NlmonCapture>,
    /// Something was read.
    begun: bool,
    first: Option<u64>,
    damage: Option<ReadError>,
}

/// The sample after the one that is shown.
#[derive(Default)]
struct Coming {
    host: Option<HostFacts>,
    begun: Option<SampleBegun>,
    number: u32,
    /// All namespaces so far, and what the sample holds of each.
    namespaces: Vec<NamespaceOf>,
    takes: Vec<SamplePart>,
    /// Which of them a dump runs of, so that its datagrams are not events.
    dumping: Vec<bool>,
    owners: Vec<SocketOwners>,
    cgroups: Vec<CgroupPath>,
    interfaces: Vec<(u64, InterfaceName)>,
    settings: Vec<(u64, String)>,
    filter: Option<String>,
    ended: Option<SampleEnded>,
}

/// What a note means for the walk.
enum Step {
    On,
    /// The sample is whole.
    Whole,
    /// What follows is behind the span.
    Over,
}

impl<'r, R: Read> Walk<'r, R> {
    /// Begins before the first sample.
    pub fn new(reader: &'r mut Reader<R>, span: Span) -> Self {
        let capture = !reader.has_notes();
        let sample = Sample { capture, ..Sample::default() };
        let overheard = capture.then(NlmonCapture::default);
        let coming = Coming::default();
        Self { reader, span, sample, coming, overheard, begun: false, first: None, damage: None }
    }

    /// Goes to the next sample; `false` if there is none.
    pub fn advance(&mut self) -> bool {
        if !mem::replace(&mut self.begun, true) {
            self.fetch();
        }
        loop {
            let Some(begun) = self.arrive() else { return false };
            self.fetch();
            if self.span.from.is_none_or(|from| begun.clocks.realtime_ns >= from) {
                return true;
            }
        }
    }

    /// The sample that it is at; without meaning before the first.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// The same, to take out of it what is in it.
    pub fn sample_mut(&mut self) -> &mut Sample {
        &mut self.sample
    }

    /// The sample that it is at, to be kept.
    pub fn into_sample(self) -> Sample {
        self.sample
    }

    /// Whether no other sample follows.
    pub fn is_last(&self) -> bool {
        self.coming.ended.is_none()
    }

    /// When the first whole sample of the recording began, in nanoseconds since 1970, or one that
    /// is behind the span.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// What is wrong with the recording, as far as it was read.
    pub fn damage(&self) -> Option<&ReadError> {
        self.damage.as_ref()
    }

    /// Reads up to the end of the next sample.
    fn fetch(&mut self) {
        if self.damage.is_some() {
            return;
        }
        if self.overheard.is_some() {
            return self.listen();
        }
        loop {
            let step = match self.reader.read_entry() {
                Ok(Some(Entry::Datagram(datagram))) => {
                    if datagram.way == Way::Received {
                        self.coming.hear(datagram.interface, datagram.bytes);
                    }
                    continue;
                }
                Ok(Some(Entry::Note(note))) => {
                    let begins = note.kind == Kind::Sample;
                    let step = self.coming.read(&note);
                    match self.coming.begun.filter(|_| begins) {
                        Some(begun) if self.span.to.is_some_and(|to| begun.is_after(to)) => {
                            Step::Over
                        }
                        _ => step,
                    }
                }
                Ok(None) => {
                    if !self.reader.is_complete() {
                        self.damage = Some(self.reader.unfinished());
                    }
                    return;
                }
                Err(error) => {
                    self.damage = Some(error);
                    return;
                }
            };
            let time = self.coming.begun.map(|begun| begun.clocks.realtime_ns);
            match step {
                Step::On => {}
                Step::Whole | Step::Over => return self.first = self.first.or(time),
            }
        }
    }

    /// The same, in a capture of others.
    fn listen(&mut self) {
        let Some(overheard) = &mut self.overheard else { return };
        let group = loop {
            let read = self.reader.read_entry();
            let datagram = match &read {
                Ok(Some(Entry::Datagram(datagram))) => Some(datagram.bytes),
                Ok(Some(Entry::Note(_))) => continue,
                Ok(None) => None,
                Err(error) => {
                    self.damage = Some(error.clone());
                    None
                }
            };
            let Some(datagram) = datagram else { break overheard.end() };
            // Its time can be asked for when it is not held any more.
            let datagram = datagram.to_vec();
            if let Some(group) = overheard.hear(self.reader.time(), &datagram) {
                break Some(group);
            }
        };
        let Some(group) = group else { return };
        self.first = self.first.or(Some(group.time));
        if self.span.to.is_some_and(|to| group.time > to) {
            return;
        }
        let kernel = self.reader.system().map(|system| system.trim_start_matches("Linux "));
        let kernel = kernel.unwrap_or_default().to_owned();
        self.coming.overhear(group, HostFacts { kernel, ..HostFacts::default() });
    }

    /// Makes the sample that was read the one that it is at: what it told holds from here on.
    fn arrive(&mut self) -> Option<SampleBegun> {
        let (coming, sample) = (&mut self.coming, &mut self.sample);
        let ended = coming.ended.take()?;
        let begun = coming.begun.take()?;
        if let Some(host) = coming.host.take() {
            sample.host = host;
        }
        (sample.clocks, sample.early, sample.number) = (begun.clocks, begun.early, coming.number);
        sample.filter.clone_from(&coming.filter);
        sample.processes_hidden = ended.processes_hidden;
        sample.permission_limited = ended.permission_limited;
        for known in coming.namespaces.iter().skip(sample.namespaces.len()) {
            sample.namespaces.push(RecordedNamespace {
                interface: known.interface,
                inode: known.inode,
                name: known.name.clone(),
                ..RecordedNamespace::default()
            });
        }
        for (namespace, take) in sample.namespaces.iter_mut().zip(&mut coming.takes) {
            mem::swap(&mut namespace.part, take);
        }
        let owners = coming.owners.drain(..).map(|owners| (owners.inode, owners));
        sample.owners.extend(owners);
        sample.cgroups.extend(coming.cgroups.drain(..).map(|cgroup| (cgroup.id, cgroup.path)));
        for (inode, InterfaceName { index, name }) in coming.interfaces.drain(..) {
            if let Some(namespace) =
                sample.namespaces.iter_mut().find(|namespace| namespace.inode == inode)
            {
                namespace.interfaces.insert(index, name);
            }
        }
        for (inode, settings) in coming.settings.drain(..) {
            if let Some(namespace) =
                sample.namespaces.iter_mut().find(|namespace| namespace.inode == inode)
            {
                namespace.settings = settings;
            }
        }
        Some(begun)
    }
}

impl Coming {
    /// What was overheard is the sample.
    fn overhear(&mut self, group: Group, host: HostFacts) {
        let clocks = Clocks { realtime_ns: group.time, monotonic_ns: group.time };
        self.host = Some(host);
        self.number = if self.namespaces.is_empty() { 0 } else { self.number + 1 };
        self.begun = Some(SampleBegun { clocks, early: false });
        self.ended = Some(SampleEnded::default());
        self.namespaces = vec![NamespaceOf { interface: 0, inode: 0, name: None }];
        self.takes = vec![group.part];
    }

    fn hear(&mut self, interface: u32, datagram: &[u8]) {
        let mut places = self.namespaces.iter().zip(&mut self.takes).zip(&self.dumping);
        let Some(((_, take), dumping)) = places.find(|((it, _), _)| it.interface == interface)
        else {
            return;
        };
        let into = if *dumping { &mut take.dump } else { &mut take.events };
        into.extend_from_slice(datagram);
        into.resize(into.len().next_multiple_of(4), 0);
    }

    fn read(&mut self, note: &Note<'_>) -> Step {
        match note.kind {
            Kind::Host => self.host = note.json().ok().or(self.host.take()),
            Kind::Namespace => {
                if let Ok(namespace) = note.json() {
                    self.namespaces.push(namespace);
                    self.takes.push(SamplePart::default());
                    self.dumping.push(false);
                }
            }
            Kind::Sample => self.begin(note),
            Kind::SampleEnd => {
                self.ended = self.begun.map(|_| note.json().unwrap_or_default());
                if self.ended.is_some() {
                    return Step::Whole;
                }
            }
            Kind::DumpBegin => self.begin_dump(note),
            Kind::DumpEnd => self.end_dump(note),
            Kind::Interfaces => {
                let names = note.json_lines().filter_map(Result::ok);
                self.interfaces.extend(names.map(|name| (note.namespace, name)));
            }
            Kind::Owners => self.owners.extend(note.json_lines().filter_map(Result::ok)),
            Kind::Cgroup => self.cgroups.extend(note.json_lines().filter_map(Result::ok)),
            Kind::Counters => self.count(note),
            Kind::EventsDrained => {
                if let Some(at) = self.place(note.namespace)
                    && let Some(take) = self.takes.get_mut(at)
                {
                    take.drained = note.json().ok();
                }
            }
            Kind::Sysctl => {
                let settings = String::from_utf8_lossy(note.payload).into_owned();
                self.settings.push((note.namespace, settings));
            }
            Kind::Filter => self.filter = note.json().ok().map(|fact: FilterFact| fact.filter),
            // Its dumps are empty from now on.
            Kind::NamespaceGone | Kind::End => {}
        }
        Step::On
    }

    fn place(&self, inode: u64) -> Option<usize> {
        self.namespaces.iter().position(|namespace| namespace.inode == inode)
    }

    fn begin(&mut self, note: &Note<'_>) {
        self.begun = note.json().ok();
        self.number = note.sample;
        self.ended = None;
        self.owners.clear();
        self.takes.iter_mut().for_each(SamplePart::clear);
        self.dumping.fill(false);
    }

    fn begin_dump(&mut self, note: &Note<'_>) {
        let states = note.json().map_or(0, |begun: DumpBegun| begun.states);
        let Some(at) = self.place(note.namespace) else { return };
        let (Some(take), Some(dumping)) = (self.takes.get_mut(at), self.dumping.get_mut(at)) else {
            return;
        };
        *dumping = true;
        // The same was asked before: that answer was not good enough.
        if let Some(last) = take.parts.pop_if(|last| last.states == states) {
            take.dump.truncate(last.start);
        }
        take.parts.push(Part { states, start: take.dump.len(), interrupted: None });
    }

    fn end_dump(&mut self, note: &Note<'_>) {
        let Some(at) = self.place(note.namespace) else { return };
        if let Some(dumping) = self.dumping.get_mut(at) {
            *dumping = false;
        }
        if let Some(part) = self.takes.get_mut(at).and_then(|take| take.parts.last_mut()) {
            part.interrupted = note.json().ok().map(|ended: DumpEnded| ended.interrupted);
        }
    }

    /// A counter file: read before the dump, and once more after it.
    fn count(&mut self, note: &Note<'_>) {
        let Some((name, text)) = note.named_text() else { return };
        let Some(take) = self.place(note.namespace).and_then(|at| self.takes.get_mut(at)) else {
            return;
        };
        let [before, after] = &mut take.counters;
        let again = before.iter().any(|(known, _)| known == name);
        let into = if again || !take.parts.is_empty() { after } else { before };
        into.push((name.to_owned(), text.to_owned()));
    }
}

impl SampleBegun {
    fn is_after(&self, time: u64) -> bool {
        self.clocks.realtime_ns > time
    }
}

impl<R: Read> std::fmt::Debug for Walk<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("reader", &self.reader)
            .field("sample", &self.sample.number)
            .finish_non_exhaustive()
    }
}
