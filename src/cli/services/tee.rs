//! A run that keeps what it reads in a recording.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use crate::cli::owners::People;
use crate::cli::record::{Output, Preamble, is_file};
use crate::model::{Socket, State, StateSet};
use crate::procfs::NetNamespace;
use crate::recording::{
    CgroupPath, Compression, DumpBegun, DumpEnded, Ending, EventsDrained, Kind, NamespaceOf, Place,
    RecordingTransport, SampleBegun, SampleEnded, SharedWriter, SocketOwners, Way,
};
use crate::report::Quality;
use crate::socket_diag::{Drained, DumpOutcome, Query};
use crate::sys::{Clocks, NetlinkSocket};
use crate::wire::Extensions;

use super::ServicesCommand;

/// The recording that a run writes.
#[derive(Debug)]
pub(super) struct Keep {
    tape: SharedWriter<Output>,
    path: String,
    /// The first namespace has an interface already.
    first: Option<u64>,
    samples: u64,
    sums: Rc<RefCell<Sums>>,
    /// What was told of holders and cgroups.
    owners: FxHashMap<u32, SocketOwners>,
    cgroups: FxHashMap<u64, String>,
    news: Vec<SocketOwners>,
}

#[derive(Debug, Default)]
struct Sums {
    sockets: u64,
    events: u64,
    events_lost: u64,
}

/// One namespace's part of it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Tee {
    tape: SharedWriter<Output>,
    interface: u32,
    inode: u64,
    sums: Rc<RefCell<Sums>>,
}

impl Keep {
    /// Makes the file.
    pub(super) fn new(
        command: &ServicesCommand,
        path: &Path,
        place: &NetNamespace,
    ) -> anyhow::Result<Self> {
        is_file(path).context("--record")?;
        let output = Output::create(path, false).context("--record")?;
        let writer = Preamble::new(command.interval(), None)
            .begin(output, Compression::default(), place)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            tape: SharedWriter::new(writer),
            path: path.display().to_string(),
            first: Some(place.inode),
            samples: 0,
            sums: Rc::default(),
            owners: FxHashMap::default(),
            cgroups: FxHashMap::default(),
            news: Vec::new(),
        })
    }

    /// Adds a namespace.
    pub(super) fn add(&mut self, place: &NetNamespace, settings: &str) -> Tee {
        let (inode, name) = (place.inode, place.name.as_deref());
        let interface = match self.first.take_if(|first| *first == inode) {
            Some(_) => 0,
            None => self.tape.add_place(&Place { inode, name }),
        };
        let namespace = NamespaceOf { interface, inode, name: place.name.clone() };
        self.tape.json(Kind::Namespace, inode, &namespace);
        self.tape.note(Kind::Sysctl, inode, settings.as_bytes());
        Tee { tape: self.tape.clone(), interface, inode, sums: Rc::clone(&self.sums) }
    }

    /// Begins a sample; `early` if it does not end an interval.
    pub(super) fn begin(&mut self, clocks: Clocks, early: bool) {
        let number = u32::try_from(self.samples).unwrap_or(u32::MAX);
        self.tape.begin_sample_of(number, &SampleBegun { clocks, early });
    }

    /// Notes who holds these sockets, and where they live.
    pub(super) fn note<'s>(&mut self, sockets: impl Iterator<Item = &'s Socket>, people: &People) {
        for socket in sockets {
            self.note_cgroup(socket, people);
            let Some(line) = people.line(socket.inode) else { continue };
            // The inode of a socket that is gone may come back as another one's.
            if self.owners.get(&line.inode) != Some(&line) {
                self.owners.insert(line.inode, line.clone());
                self.news.push(line);
            }
        }
    }

    /// Notes where a socket lives.
    pub(super) fn note_cgroup(&mut self, socket: &Socket, people: &People) {
        let known = socket.cgroup_id.zip(people.cgroup_path(socket));
        let Some((id, path)) = known else { return };
        if let Entry::Vacant(place) = self.cgroups.entry(id) {
            place.insert(path.to_owned());
            self.tape.json_lines(Kind::Cgroup, 0, [CgroupPath { id, path: path.to_owned() }]);
        }
    }

    /// Ends the sample.
    pub(super) fn end(&mut self, hidden: &Quality) -> anyhow::Result<()> {
        self.tape.json_lines(Kind::Owners, 0, self.news.drain(..));
        self.tape.end_sample_of(&SampleEnded {
            clocks: Clocks::now(),
            processes_hidden: hidden.processes_hidden,
            permission_limited: hidden.permission_limited.clone(),
        });
        self.tape.flush().with_context(|| format!("cannot write {}", self.path))?;
        self.samples += 1;
        Ok(())
    }

    /// Ends the recording.
    pub(super) fn finish(self, why: &str) -> anyhow::Result<()> {
        let sums = self.sums.borrow();
        self.tape.json(
            Kind::End,
            0,
            &Ending {
                why: why.to_owned(),
                samples: self.samples,
                sockets: sums.sockets,
                events: sums.events,
                events_lost: sums.events_lost,
            },
        );
        let finished = self.tape.finish().and_then(Output::close);
        finished.map(drop).with_context(|| format!("cannot write {}", self.path))
    }
}

impl Tee {
    /// A line to the kernel that goes through it.
    pub(super) fn tap(&self, socket: NetlinkSocket) -> RecordingTransport<NetlinkSocket, Output> {
        RecordingTransport::new(socket, self.tape.clone(), Rc::new(Cell::new(self.interface)))
    }

    /// A counter file.
    pub(super) fn counters(&self, name: &str, text: &str) {
        self.tape.note(Kind::Counters, self.inode, format!("{name}\n{text}").as_bytes());
    }

    /// Begins a dump; hands back what to ask for, so that the recording has everything: all
    /// attributes, and with the connections all else that is no listener.
    pub(super) fn begin_dump<'q>(&self, query: &Query<'q>) -> Query<'q> {
        let listeners = StateSet::of(&[State::Listen]);
        let states = if query.states == listeners { listeners } else { listeners.complement() };
        let query = Query { states, extensions: Extensions::ALL, ..*query };
        self.tape.json(
            Kind::DumpBegin,
            self.inode,
            &DumpBegun {
                states: query.states.bits(),
                extensions: query.extensions.0,
                ipv4: query.families.v4,
                ipv6: query.families.v6,
            },
        );
        query
    }

    /// Ends it.
    pub(super) fn end_dump(&self, outcome: &DumpOutcome) {
        self.sums.borrow_mut().sockets += outcome.sockets;
        self.tape.json(Kind::DumpEnd, self.inode, &DumpEnded::from(*outcome));
    }

    /// A destroy event.
    pub(super) fn event(&self, datagram: &[u8]) {
        self.tape.datagram(self.interface, Way::Received, datagram);
    }

    /// There are no more for now.
    pub(super) fn drained(&self, drained: Drained) {
        let mut sums = self.sums.borrow_mut();
        sums.events += drained.events;
        sums.events_lost += drained.lost;
        self.tape.json(Kind::EventsDrained, self.inode, &EventsDrained::from(drained));
    }
}
