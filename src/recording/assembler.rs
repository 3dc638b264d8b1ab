//! Puts samples together from the entries of one file, or of several that follow each other.

use std::io::Read;
use std::mem;

use super::facts::{
    CgroupPath, DumpBegun, DumpEnded, FilterFact, HostFacts, InterfaceName, NamespaceOf,
    SampleBegun, SampleEnded, SocketOwners,
};
use super::nlmon_capture::{Group, NlmonCapture};
use super::sample::{Part, RecordedNamespace, Sample, SamplePart};
use super::{Direction, Entry, Kind, Note, ReadError, Reader};
use crate::sys::Clocks;

/// The sample that is shown, and the one after it, which is read ahead.
///
/// A payload that does not have the form of its kind is ignored.
pub(super) struct SampleAssembler {
    sample: Sample,
    next: NextSample,
    /// `None` in a recording of this program.
    capture: Option<NlmonCapture>,
    /// Samples that were taken from the capture.
    captured: u32,
}

/// What reading up to the end of the next sample came to.
pub(super) enum Fetched {
    /// A sample is complete.
    Sample,
    /// A sample began after the end of the span.
    PastSpan(Clocks),
    /// The file has no further sample; the damage, if that is why.
    FileEnd(Option<ReadError>),
}

/// The sample after the one that is shown.
#[derive(Default)]
struct NextSample {
    host: Option<HostFacts>,
    begun: Option<SampleBegun>,
    /// In its file.
    number: u32,
    /// All namespaces so far, in the order of their first appearance.
    namespaces: Vec<NamespaceState>,
    owners: Vec<SocketOwners>,
    /// Owners from samples that are not shown.
    earlier_owners: Vec<SocketOwners>,
    cgroups: Vec<CgroupPath>,
    interfaces: Vec<(u64, InterfaceName)>,
    settings: Vec<(u64, String)>,
    filter: Option<String>,
    ended: Option<SampleEnded>,
}

/// A namespace, and what the next sample holds of it.
struct NamespaceState {
    inode: u64,
    name: Option<String>,
    /// In the file that is read; `None` before the file declares it.
    interface: Option<u32>,
    part: SamplePart,
    /// A dump is running, so datagrams are part of it and not destroy events.
    dumping: bool,
}

impl NamespaceState {
    fn new(fact: NamespaceOf) -> Self {
        Self {
            inode: fact.inode,
            name: fact.name,
            interface: Some(fact.interface),
            part: SamplePart::default(),
            dumping: false,
        }
    }
}

/// What a note means for the sample.
enum Step {
    Continue,
    SampleComplete,
}

impl SampleAssembler {
    /// Begins before the first sample; `capture` says that another program made the file.
    pub(super) fn new(capture: bool) -> Self {
        Self {
            sample: Sample { capture, ..Sample::default() },
            next: NextSample::default(),
            capture: capture.then(NlmonCapture::default),
            captured: 0,
        }
    }

    /// The following entries are from another file of the same boot. What is known of owners,
    /// cgroups and settings stays; interface numbers are the new file's own.
    pub(super) fn begin_file(&mut self) {
        let next = &mut self.next;
        (next.begun, next.ended, next.filter) = (None, None, None);
        next.owners.clear();
        for state in &mut next.namespaces {
            state.part.clear();
            (state.interface, state.dumping) = (None, false);
        }
        if let Some(capture) = &mut self.capture {
            *capture = NlmonCapture::default();
            self.captured = 0;
        }
    }

    /// The sample that is shown.
    pub(super) fn sample(&self) -> &Sample {
        &self.sample
    }

    pub(super) fn sample_mut(&mut self) -> &mut Sample {
        &mut self.sample
    }

    pub(super) fn into_sample(self) -> Sample {
        self.sample
    }

    /// When the sample that was read ahead began; `None` if there is none.
    pub(super) fn next_clocks(&self) -> Option<Clocks> {
        self.next.ended.as_ref()?;
        self.next.begun.map(|begun| begun.clocks)
    }

    /// Drops the sample that was read ahead. What it reported of owners and names stays.
    pub(super) fn pass_over(&mut self) {
        (self.next.begun, self.next.ended) = (None, None);
        self.next.earlier_owners.append(&mut self.next.owners);
    }

    /// Reads up to the end of the next sample that begins at `to` or before.
    pub(super) fn fetch<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<u64>) -> Fetched {
        if self.capture.is_some() {
            return self.fetch_capture(reader, to);
        }
        loop {
            match reader.read_entry() {
                Ok(Some(Entry::Datagram(datagram))) => {
                    if datagram.direction == Direction::Received {
                        self.next.add_datagram(datagram.interface, datagram.bytes);
                    }
                }
                Ok(Some(Entry::Note(note))) => {
                    let begins = note.kind == Kind::Sample;
                    let step = self.next.read(&note);
                    if let Some(begun) = self.next.begun.filter(|_| begins)
                        && to.is_some_and(|to| begun.clocks.realtime_ns > to)
                    {
                        return Fetched::PastSpan(begun.clocks);
                    }
                    if matches!(step, Step::SampleComplete) {
                        return Fetched::Sample;
                    }
                }
                Ok(None) => {
                    let damage = (!reader.is_complete()).then(|| reader.unfinished());
                    return Fetched::FileEnd(damage);
                }
                Err(error) => return Fetched::FileEnd(Some(error)),
            }
        }
    }

    /// The same, from a capture by another program.
    fn fetch_capture<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<u64>) -> Fetched {
        let Some(capture) = &mut self.capture else { return Fetched::FileEnd(None) };
        let mut damage = None;
        let group = loop {
            let datagram = match reader.read_entry() {
                Ok(Some(Entry::Datagram(datagram))) => Some(datagram.bytes),
                Ok(Some(Entry::Note(_))) => continue,
                Ok(None) => None,
                Err(error) => {
                    damage = Some(error);
                    None
                }
            };
            let Some(datagram) = datagram else { break capture.end() };
            // The reader knows the time only after the datagram is given back.
            let datagram = datagram.to_vec();
            if let Some(group) = capture.add(reader.time(), &datagram) {
                break Some(group);
            }
        };
        let Some(group) = group else { return Fetched::FileEnd(damage) };
        let clocks = Clocks { realtime_ns: group.time, monotonic_ns: group.time };
        if to.is_some_and(|to| group.time > to) {
            return Fetched::PastSpan(clocks);
        }
        let kernel = reader.system().map(|system| system.trim_start_matches("Linux "));
        let kernel = kernel.unwrap_or_default().to_owned();
        let host = HostFacts { kernel, ..HostFacts::default() };
        self.next.take_captured(group, clocks, host, self.captured);
        self.captured += 1;
        // The damage is reported again when the next sample is asked for.
        Fetched::Sample
    }

    /// Shows the sample that was read ahead: what it reported holds from here on. `None` if there
    /// is none.
    pub(super) fn show_next(&mut self) -> Option<SampleBegun> {
        let (next, sample) = (&mut self.next, &mut self.sample);
        let ended = next.ended.take()?;
        let begun = next.begun.take()?;
        if let Some(host) = next.host.take() {
            sample.host = host;
        }
        (sample.clocks, sample.early, sample.number) = (begun.clocks, begun.early, next.number);
        sample.filter.clone_from(&next.filter);
        sample.processes_hidden = ended.processes_hidden;
        sample.permission_limited = ended.permission_limited;
        for known in next.namespaces.iter().skip(sample.namespaces.len()) {
            sample
                .namespaces
                .push(RecordedNamespace { inode: known.inode, ..RecordedNamespace::default() });
        }
        for (namespace, state) in sample.namespaces.iter_mut().zip(&mut next.namespaces) {
            if namespace.name != state.name {
                namespace.name.clone_from(&state.name);
            }
            namespace.interface = state.interface.unwrap_or(namespace.interface);
            mem::swap(&mut namespace.part, &mut state.part);
        }
        let owners = next.earlier_owners.drain(..).chain(next.owners.drain(..));
        sample.owners.extend(owners.map(|owners| (owners.inode, owners)));
        sample.cgroups.extend(next.cgroups.drain(..).map(|cgroup| (cgroup.id, cgroup.path)));
        for (inode, InterfaceName { index, name }) in next.interfaces.drain(..) {
            if let Some(namespace) = find(&mut sample.namespaces, inode) {
                namespace.interfaces.insert(index, name);
            }
        }
        for (inode, settings) in next.settings.drain(..) {
            if let Some(namespace) = find(&mut sample.namespaces, inode) {
                namespace.settings = settings;
            }
        }
        Some(begun)
    }
}

fn find(namespaces: &mut [RecordedNamespace], inode: u64) -> Option<&mut RecordedNamespace> {
    namespaces.iter_mut().find(|namespace| namespace.inode == inode)
}

impl NextSample {
    /// A group of captured dumps is the sample.
    fn take_captured(&mut self, group: Group, clocks: Clocks, host: HostFacts, number: u32) {
        self.host = Some(host);
        self.number = number;
        self.begun = Some(SampleBegun { clocks, early: false });
        self.ended = Some(SampleEnded::default());
        let fact = NamespaceOf { interface: 0, inode: 0, name: None };
        self.namespaces = vec![NamespaceState { part: group.part, ..NamespaceState::new(fact) }];
    }

    fn add_datagram(&mut self, interface: u32, datagram: &[u8]) {
        let mut states = self.namespaces.iter_mut();
        let Some(state) = states.find(|state| state.interface == Some(interface)) else { return };
        let part = &mut state.part;
        let into = if state.dumping { &mut part.dump } else { &mut part.events };
        into.extend_from_slice(datagram);
        into.resize(into.len().next_multiple_of(4), 0);
    }

    fn read(&mut self, note: &Note<'_>) -> Step {
        match note.kind {
            Kind::Host => self.host = note.json().ok().or(self.host.take()),
            Kind::Namespace => {
                if let Ok(fact) = note.json() {
                    self.add_namespace(fact);
                }
            }
            Kind::Sample => self.begin(note),
            Kind::SampleEnd => {
                self.ended = self.begun.map(|_| note.json().unwrap_or_default());
                if self.ended.is_some() {
                    return Step::SampleComplete;
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
            Kind::Counters => self.add_counters(note),
            Kind::EventsDrained => {
                if let Some(state) = self.namespace(note.namespace) {
                    state.part.drained = note.json().ok();
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
        Step::Continue
    }

    fn namespace(&mut self, inode: u64) -> Option<&mut NamespaceState> {
        self.namespaces.iter_mut().find(|state| state.inode == inode)
    }

    /// Takes note of a namespace, or of the interface that a known one has from here on.
    fn add_namespace(&mut self, fact: NamespaceOf) {
        match self.namespace(fact.inode) {
            Some(known) => {
                known.interface = Some(fact.interface);
                known.name = fact.name.or(known.name.take());
            }
            None => self.namespaces.push(NamespaceState::new(fact)),
        }
    }

    fn begin(&mut self, note: &Note<'_>) {
        self.begun = note.json().ok();
        self.number = note.sample;
        self.ended = None;
        self.owners.clear();
        for state in &mut self.namespaces {
            state.part.clear();
            state.dumping = false;
        }
    }

    fn begin_dump(&mut self, note: &Note<'_>) {
        let states = note.json().map_or(0, |begun: DumpBegun| begun.states);
        let Some(NamespaceState { part, dumping, .. }) = self.namespace(note.namespace) else {
            return;
        };
        *dumping = true;
        // A repeat of the same dump replaces an answer that was interrupted.
        if let Some(last) = part.parts.pop_if(|last| last.states == states) {
            part.dump.truncate(last.start);
        }
        part.parts.push(Part { states, start: part.dump.len(), interrupted: None });
    }

    fn end_dump(&mut self, note: &Note<'_>) {
        let Some(state) = self.namespace(note.namespace) else { return };
        state.dumping = false;
        if let Some(part) = state.part.parts.last_mut() {
            part.interrupted = note.json().ok().map(|ended: DumpEnded| ended.interrupted);
        }
    }

    /// A counter file: read before the dump, and once more after it.
    fn add_counters(&mut self, note: &Note<'_>) {
        let Some((name, text)) = note.named_text() else { return };
        let Some(state) = self.namespace(note.namespace) else { return };
        let dumped = !state.part.parts.is_empty();
        let [before, after] = &mut state.part.counters;
        let again = before.iter().any(|(known, _)| known == name);
        let into = if again || dumped { after } else { before };
        into.push((name.to_owned(), text.to_owned()));
    }
}
