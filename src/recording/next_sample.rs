//! The sample that is read ahead, put together from the entries of a file.

use super::bounds::{Allowance, MOST_NAMESPACES, MOST_NAMESPACES_EVER, Shown, sockets};
use super::error::Damage;
use super::facts::{
    CgroupPath, DumpBegun, DumpEnded, FilterFact, HostFacts, InterfaceName, NamespaceOf,
    SampleBegun, SampleEnded, SocketOwners,
};
use super::known_facts::{size_of_cgroup, size_of_interface, size_of_owners};
use super::nlmon_capture::Group;
use super::sample::{Part, RecordedNamespace, Sample, SamplePart};
use super::{Kind, Note};
use crate::sys::Clocks;

/// The longest text of counters. The kernel's have up to 8 kB.
const LONGEST_COUNTERS: usize = 256 << 10;

/// The sample after the one that is shown.
#[derive(Default)]
pub(super) struct NextSample {
    pub(super) host: Option<HostFacts>,
    pub(super) begun: Option<SampleBegun>,
    /// In its file.
    pub(super) number: u32,
    /// What is added to numbers of the file, which may hold several recordings.
    pub(super) number_offset: u32,
    /// All namespaces so far, in the order of their first appearance.
    pub(super) namespaces: Vec<NamespaceState>,
    pub(super) owners: Vec<SocketOwners>,
    /// Owners from samples that are not shown.
    pub(super) earlier_owners: Vec<SocketOwners>,
    pub(super) cgroups: Vec<CgroupPath>,
    pub(super) interfaces: Vec<(u64, InterfaceName)>,
    pub(super) settings: Vec<(u64, String)>,
    pub(super) filter: Option<String>,
    pub(super) ended: Option<SampleEnded>,
    /// What the sample holds.
    pub(super) allowance: Allowance,
    /// What is held until the sample is shown, however often it begins.
    pub(super) facts: Allowance,
}

/// A namespace, and what the next sample holds of it.
pub(super) struct NamespaceState {
    pub(super) inode: u64,
    pub(super) name: Option<String>,
    /// In the file that is read; `None` before the file declares it.
    pub(super) interface: Option<u32>,
    /// It was deleted, or is of an earlier file that this one does not continue.
    pub(super) is_gone: bool,
    pub(super) part: SamplePart,
    /// A dump is running, so datagrams are part of it and not destroy events.
    pub(super) dumping: bool,
}

impl NamespaceState {
    pub(super) fn new(fact: NamespaceOf) -> Self {
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
pub(super) enum Step {
    Continue,
    SampleBegun(Clocks),
    SampleComplete,
}

/// What the sample shows so far.
pub(super) fn shown(namespaces: &[NamespaceState]) -> Shown {
    let parts = namespaces.iter().map(|state| &state.part);
    let datagrams = parts.flat_map(|part| [part.dump.as_slice(), &part.events]);
    let live = namespaces.iter().filter(|state| !state.is_gone).count();
    Shown { sockets: sockets(datagrams), namespaces: live }
}

pub(super) fn find(
    namespaces: &mut [RecordedNamespace],
    inode: u64,
) -> Option<&mut RecordedNamespace> {
    namespaces.iter_mut().find(|namespace| namespace.inode == inode)
}

impl NextSample {
    /// A group of captured dumps is the sample.
    pub(super) fn take_captured(
        &mut self,
        group: Group,
        clocks: Clocks,
        host: HostFacts,
        number: u32,
    ) {
        self.host = Some(host);
        self.number = number;
        self.begun = Some(SampleBegun { clocks, early: false });
        self.ended = Some(SampleEnded::default());
        let fact = NamespaceOf { interface: 0, inode: 0, name: None };
        self.namespaces = vec![NamespaceState { part: group.part, ..NamespaceState::new(fact) }];
    }

    /// Another recording begins: interfaces are its own, and its first sample is still to come.
    pub(super) fn begin_recording(&mut self) {
        self.filter = None;
        self.drop_sample();
        self.namespaces.iter_mut().for_each(|state| state.interface = None);
    }

    /// Forgets the sample, and what it holds.
    pub(super) fn drop_sample(&mut self) {
        (self.begun, self.ended) = (None, None);
        self.owners.clear();
        self.allowance.clear();
        for state in &mut self.namespaces {
            state.part.clear();
            state.dumping = false;
        }
    }

    /// Holds so many bytes more for the sample.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Damage> {
        self.allowance.take(bytes, || shown(&self.namespaces))
    }

    /// The same for facts that outlast it.
    pub(super) fn hold_fact(&mut self, bytes: usize) -> Result<(), Damage> {
        self.facts.take(bytes, || shown(&self.namespaces))
    }

    /// Moves the facts to the sample that is shown; returns their bytes.
    pub(super) fn show_facts(&mut self, sample: &mut Sample) -> usize {
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

    pub(super) fn add_datagram(&mut self, interface: u32, datagram: &[u8]) -> Result<Step, Damage> {
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

    pub(super) fn read(&mut self, note: &Note<'_>) -> Result<Step, Damage> {
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

    pub(super) fn namespace(&mut self, inode: u64) -> Option<&mut NamespaceState> {
        self.namespaces.iter_mut().find(|state| state.inode == inode)
    }

    /// Takes note of a namespace, or of the interface that a known one has from here on.
    pub(super) fn add_namespace(&mut self, fact: NamespaceOf) -> Result<(), Damage> {
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

    pub(super) fn begin(&mut self, note: &Note<'_>) {
        self.drop_sample();
        self.begun = note.json().ok();
        self.number = note.sample.saturating_add(self.number_offset);
    }

    pub(super) fn begin_dump(&mut self, note: &Note<'_>) -> Result<(), Damage> {
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

    pub(super) fn end_dump(&mut self, note: &Note<'_>) {
        let Some(state) = self.namespace(note.namespace) else { return };
        state.dumping = false;
        if let Some(part) = state.part.parts.last_mut() {
            part.interrupted = note.json().ok().map(|ended: DumpEnded| ended.interrupted);
        }
    }

    /// A counter file: read before the dump, and once more after it.
    pub(super) fn add_counters(&mut self, note: &Note<'_>) -> Result<(), Damage> {
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
