//! Puts samples together from the entries of one file, or of several that follow each other.

use std::io::Read;
use std::mem;

use super::bounds::{Allowance, MOST_NAMESPACES, MOST_NAMESPACES_EVER, Shown, sockets};
use super::error::Damage;
use super::facts::{
    CgroupPath, DumpBegun, DumpEnded, FilterFact, HostFacts, InterfaceName, NamespaceOf,
    SampleBegun, SampleEnded, SocketOwners,
};
use super::known_facts::{KnownFacts, size_of_cgroup, size_of_interface, size_of_owners};
use super::nlmon_capture::{Group, NlmonCapture};
use super::sample::{Part, RecordedNamespace, Sample, SamplePart};
use super::{Datagram, Direction, Entry, Kind, Mark, Note, ReadError, Reader};
use crate::sys::Clocks;

/// The longest text of counters. The kernel's have up to 8 kB.
const LONGEST_COUNTERS: usize = 256 << 10;

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
    /// Whether the facts of samples stay within bounds.
    facts: KnownFacts,
    /// Why no further sample of the file is read.
    failed: Option<Damage>,
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
    /// What is added to numbers of the file, which may hold several recordings.
    number_offset: u32,
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
    /// What the sample holds.
    allowance: Allowance,
    /// What is held until the sample is shown, however often it begins.
    facts: Allowance,
}

/// A namespace, and what the next sample holds of it.
struct NamespaceState {
    inode: u64,
    name: Option<String>,
    /// In the file that is read; `None` before the file declares it.
    interface: Option<u32>,
    /// It was deleted, or is of an earlier file that this one does not continue.
    is_gone: bool,
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
            is_gone: false,
            part: SamplePart::default(),
            dumping: false,
        }
    }
}

/// What an entry means for the sample.
enum Step {
    Continue,
    SampleBegun(Clocks),
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
            facts: KnownFacts::default(),
            failed: None,
        }
    }

    /// The following entries are from another file of the same boot. What is known of owners,
    /// cgroups and settings stays; interface numbers are the new file's own.
    pub(super) fn begin_file(&mut self) {
        self.failed = None;
        self.next.number_offset = 0;
        self.begin_recording();
    }

    /// The same for a recording behind another one in the same file.
    fn begin_recording(&mut self) {
        self.next.begin_recording();
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

    /// Corrects the monotonic time of the sample that was read ahead.
    pub(super) fn set_next_monotonic(&mut self, monotonic_ns: u64) {
        if let Some(begun) = &mut self.next.begun {
            begun.clocks.monotonic_ns = monotonic_ns;
        }
    }

    /// The usual time between samples of the recording.
    pub(super) fn interval(&self) -> u64 {
        self.next.host.as_ref().unwrap_or(&self.sample.host).interval_ns
    }

    /// Drops the sample that was read ahead. What it reported of owners and names stays.
    pub(super) fn pass_over(&mut self) {
        (self.next.begun, self.next.ended) = (None, None);
        let owners = &mut self.next.earlier_owners;
        owners.append(&mut self.next.owners);
        let held: usize = owners.iter().map(size_of_owners).sum();
        if held > 2 * shown(&self.next.namespaces).allowance() {
            owners.clear();
            self.failed = Some(Damage::Facts);
        }
    }

    /// Reads up to the end of the next sample that begins at `to` or before.
    pub(super) fn fetch<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<Mark>) -> Fetched {
        if let Some(why) = self.failed.take() {
            return Fetched::FileEnd(Some(reader.damaged(why)));
        }
        if self.capture.is_some() {
            return self.fetch_capture(reader, to);
        }
        loop {
            let step = match reader.read_entry() {
                Ok(Some(Entry::Datagram(Datagram { direction: Direction::Sent, .. }))) => continue,
                Ok(Some(Entry::Datagram(datagram))) => {
                    self.next.add_datagram(datagram.interface, datagram.bytes)
                }
                Ok(Some(Entry::Note(note))) => self.next.read(&note),
                Ok(Some(Entry::Recording)) => {
                    self.next.number_offset = self.next.number.saturating_add(1);
                    self.begin_recording();
                    continue;
                }
                Ok(None) => {
                    let damage = (!reader.is_complete()).then(|| reader.unfinished());
                    return Fetched::FileEnd(damage);
                }
                Err(error) => return Fetched::FileEnd(Some(error)),
            };
            match step {
                Ok(Step::Continue) => {}
                Ok(Step::SampleBegun(clocks)) => {
                    if to.is_some_and(|to| to.is_before(clocks)) {
                        return Fetched::PastSpan(clocks);
                    }
                }
                Ok(Step::SampleComplete) => return Fetched::Sample,
                Err(why) => {
                    self.next.drop_sample();
                    return Fetched::FileEnd(Some(reader.damaged(why)));
                }
            }
        }
    }

    /// The same, from a capture by another program.
    fn fetch_capture<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<Mark>) -> Fetched {
        let Some(capture) = &mut self.capture else { return Fetched::FileEnd(None) };
        let mut damage = None;
        let group = loop {
            let datagram = match reader.read_entry() {
                Ok(Some(Entry::Datagram(datagram))) => datagram.bytes,
                Ok(Some(Entry::Note(_))) => continue,
                Ok(Some(Entry::Recording)) => match capture.end() {
                    Some(group) => break Some(group),
                    None => continue,
                },
                Ok(None) => break capture.end(),
                Err(error) => {
                    damage = Some(error);
                    break capture.end();
                }
            };
            // The reader knows the time only after the datagram is given back.
            let datagram = datagram.to_vec();
            match capture.add(reader.time(), &datagram) {
                Ok(None) => {}
                Ok(Some(group)) => break Some(group),
                Err(why) => {
                    *capture = NlmonCapture::default();
                    return Fetched::FileEnd(Some(reader.damaged(why)));
                }
            }
        };
        let Some(group) = group else { return Fetched::FileEnd(damage) };
        let clocks = Clocks { realtime_ns: group.time, monotonic_ns: group.time };
        if to.is_some_and(|to| to.is_before(clocks)) {
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
        self.facts.add(next.show_facts(sample));
        if let Err(why) = self.facts.check(sample) {
            self.failed = Some(why);
        }
        Some(begun)
    }
}

/// What the sample shows so far.
fn shown(namespaces: &[NamespaceState]) -> Shown {
    let parts = namespaces.iter().map(|state| &state.part);
    let datagrams = parts.flat_map(|part| [part.dump.as_slice(), &part.events]);
    let live = namespaces.iter().filter(|state| !state.is_gone).count();
    Shown { sockets: sockets(datagrams), namespaces: live }
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

    /// Another recording begins: interfaces are its own, and its first sample is still to come.
    fn begin_recording(&mut self) {
        self.filter = None;
        self.drop_sample();
        self.namespaces.iter_mut().for_each(|state| state.interface = None);
    }

    /// Forgets the sample, and what it holds.
    fn drop_sample(&mut self) {
        (self.begun, self.ended) = (None, None);
        self.owners.clear();
        self.allowance.clear();
        for state in &mut self.namespaces {
            state.part.clear();
            state.dumping = false;
        }
    }

    /// Holds so many bytes more for the sample.
    fn hold(&mut self, bytes: usize) -> Result<(), Damage> {
        self.allowance.take(bytes, || shown(&self.namespaces))
    }

    /// The same for facts that outlast it.
    fn hold_fact(&mut self, bytes: usize) -> Result<(), Damage> {
        self.facts.take(bytes, || shown(&self.namespaces))
    }

    /// Moves the facts to the sample that is shown; returns their bytes.
    fn show_facts(&mut self, sample: &mut Sample) -> usize {
        let mut bytes = 0;
        let owners = self.earlier_owners.drain(..).chain(self.owners.drain(..));
        sample.owners.extend(owners.map(|owners| {
            bytes += size_of_owners(&owners);
            (owners.inode, owners)
        }));
        sample.cgroups.extend(self.cgroups.drain(..).map(|cgroup| {
            bytes += size_of_cgroup(&cgroup);
            (cgroup.id, cgroup.path)
        }));
        for (inode, interface) in self.interfaces.drain(..) {
            if let Some(namespace) = find(&mut sample.namespaces, inode) {
                bytes += size_of_interface(&interface);
                namespace.interfaces.insert(interface.index, interface.name);
            }
        }
        for (inode, settings) in self.settings.drain(..) {
            if let Some(namespace) = find(&mut sample.namespaces, inode) {
                bytes += settings.len();
                namespace.settings = settings;
            }
        }
        self.facts.clear();
        bytes
    }

    fn add_datagram(&mut self, interface: u32, datagram: &[u8]) -> Result<Step, Damage> {
        self.hold(datagram.len())?;
        let mut states = self.namespaces.iter_mut();
        let Some(state) = states.find(|state| state.interface == Some(interface)) else {
            return Err(Damage::Unassigned(interface));
        };
        let part = &mut state.part;
        let into = if state.dumping { &mut part.dump } else { &mut part.events };
        into.extend_from_slice(datagram);
        into.resize(into.len().next_multiple_of(4), 0);
        Ok(Step::Continue)
    }

    fn read(&mut self, note: &Note<'_>) -> Result<Step, Damage> {
        match note.kind {
            Kind::Host => self.host = note.json().ok().or(self.host.take()),
            Kind::Namespace => {
                if let Ok(fact) = note.json() {
                    self.add_namespace(fact)?;
                }
            }
            Kind::Sample => {
                self.begin(note);
                return Ok(self.begun.map_or(Step::Continue, |it| Step::SampleBegun(it.clocks)));
            }
            Kind::SampleEnd => {
                self.ended = self.begun.map(|_| note.json().unwrap_or_default());
                if self.ended.is_some() {
                    return Ok(Step::SampleComplete);
                }
            }
            Kind::DumpBegin => self.begin_dump(note)?,
            Kind::DumpEnd => self.end_dump(note),
            Kind::Interfaces => {
                for name in note.json_lines().filter_map(Result::ok) {
                    self.hold_fact(size_of_interface(&name))?;
                    self.interfaces.push((note.namespace, name));
                }
            }
            Kind::Owners => {
                for owners in note.json_lines().filter_map(Result::ok) {
                    self.hold(size_of_owners(&owners))?;
                    self.owners.push(owners);
                }
            }
            Kind::Cgroup => {
                for cgroup in note.json_lines().filter_map(Result::ok) {
                    self.hold_fact(size_of_cgroup(&cgroup))?;
                    self.cgroups.push(cgroup);
                }
            }
            Kind::Counters => self.add_counters(note)?,
            Kind::EventsDrained => {
                if let Some(state) = self.namespace(note.namespace) {
                    state.part.drained = note.json().ok();
                }
            }
            Kind::Sysctl => {
                let settings = String::from_utf8_lossy(note.payload).into_owned();
                self.hold_fact(settings.len())?;
                self.settings.push((note.namespace, settings));
            }
            Kind::Filter => self.filter = note.json().ok().map(|fact: FilterFact| fact.filter),
            // Its dumps are empty from now on.
            Kind::NamespaceGone => {
                let gone =
                    note.json().ok().and_then(|gone: NamespaceOf| self.namespace(gone.inode));
                if let Some(gone) = gone {
                    gone.is_gone = true;
                }
            }
            Kind::End => {}
        }
        Ok(Step::Continue)
    }

    fn namespace(&mut self, inode: u64) -> Option<&mut NamespaceState> {
        self.namespaces.iter_mut().find(|state| state.inode == inode)
    }

    /// Takes note of a namespace, or of the interface that a known one has from here on.
    fn add_namespace(&mut self, fact: NamespaceOf) -> Result<(), Damage> {
        if let Some(known) = self.namespace(fact.inode) {
            (known.interface, known.is_gone) = (Some(fact.interface), false);
            known.name = fact.name.or(known.name.take());
        } else if self.namespaces.iter().filter(|state| !state.is_gone).count() >= MOST_NAMESPACES
            || self.namespaces.len() >= MOST_NAMESPACES_EVER
        {
            return Err(Damage::Namespaces(MOST_NAMESPACES));
        } else {
            self.namespaces.push(NamespaceState::new(fact));
        }
        Ok(())
    }

    fn begin(&mut self, note: &Note<'_>) {
        self.drop_sample();
        self.begun = note.json().ok();
        self.number = note.sample.saturating_add(self.number_offset);
    }

    fn begin_dump(&mut self, note: &Note<'_>) -> Result<(), Damage> {
        let states = note.json().map_or(0, |begun: DumpBegun| begun.states);
        self.hold(size_of::<Part>())?;
        let found = self.namespaces.iter_mut().find(|state| state.inode == note.namespace);
        let Some(NamespaceState { part, dumping, .. }) = found else { return Ok(()) };
        *dumping = true;
        // A repeat of the same dump replaces an answer that was interrupted.
        if let Some(last) = part.parts.pop_if(|last| last.states == states) {
            self.allowance.give_back(part.dump.len() - last.start);
            part.dump.truncate(last.start);
        }
        part.parts.push(Part { states, start: part.dump.len(), interrupted: None });
        Ok(())
    }

    fn end_dump(&mut self, note: &Note<'_>) {
        let Some(state) = self.namespace(note.namespace) else { return };
        state.dumping = false;
        if let Some(part) = state.part.parts.last_mut() {
            part.interrupted = note.json().ok().map(|ended: DumpEnded| ended.interrupted);
        }
    }

    /// A counter file: read before the dump, and once more after it.
    fn add_counters(&mut self, note: &Note<'_>) -> Result<(), Damage> {
        let Some((name, text)) = note.named_text() else { return Ok(()) };
        // These two have a line for each device and processor.
        if !["dev", "softnet_stat"].contains(&name) && text.len() > LONGEST_COUNTERS {
            return Err(Damage::NoteLength { kind: note.kind.name(), most: LONGEST_COUNTERS });
        }
        self.hold(size_of::<(String, String)>() + note.payload.len())?;
        let Some(state) = self.namespace(note.namespace) else { return Ok(()) };
        let dumped = !state.part.parts.is_empty();
        let [before, after] = &mut state.part.counters;
        let again = before.iter().any(|(known, _)| known == name);
        let into = if again || dumped { after } else { before };
        into.push((name.to_owned(), text.to_owned()));
        Ok(())
    }
}
