//! Recording what polls read.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::error::MonitorError;
use super::interfaces::Interfaces;
use super::live_namespace::LiveNamespace;
use super::owners::{OwnerResolver, OwnerScope, wanted};
use super::quality::Quality;
use super::recorded_owners::RecordedOwners;
use super::settings::recorded_settings;
use crate::model::Socket;
use crate::procfs::NetNamespace;
use crate::recording::{
    Compression, Direction, DumpBegun, DumpEnded, EventsDrained, InterfaceName, Kind,
    NamespaceInterface, NamespaceOf, Output, Preamble, RecordedTotals, RecordingTransport,
    SampleBegun, SampleEnded, SharedWriter, StoreError, Writer, check_path,
};
use crate::socket_diag::{Drained, DumpOutcome, Query};
use crate::sys::{Clocks, NetlinkSocket};
use crate::wire::Reply;

/// The recording of a run.
#[derive(Debug)]
pub struct Recorder {
    writer: SharedWriter<Output>,
    path: PathBuf,
    /// Whether TCP-MD5 keys are recorded.
    with_keys: bool,
    /// The namespace that the file was begun with, which has an interface already.
    first: Option<u64>,
    /// The number of the next sample.
    number: u64,
    /// Totals of the current file.
    totals: Rc<Cell<RecordedTotals>>,
    owners: RecordedOwners,
}

/// One namespace's part of it.
#[derive(Debug)]
pub struct NamespaceRecorder {
    writer: SharedWriter<Output>,
    namespace: Rc<LiveNamespace>,
    /// In the file that is written. Shared with the transport.
    interface: Rc<Cell<u32>>,
    settings: String,
    totals: Rc<Cell<RecordedTotals>>,
    /// Indices of network interfaces whose names are recorded, or will be after the dump.
    named: FxHashSet<u32>,
    unnamed: Vec<u32>,
}

impl Recorder {
    /// Creates the file of a run that takes a sample in each interval; `first` is its first
    /// namespace.
    ///
    /// # Errors
    /// When it exists already, or cannot be written.
    pub fn create(
        path: &Path,
        interval: Duration,
        first: &NetNamespace,
    ) -> Result<Self, MonitorError> {
        check_path(path)?;
        let output = Output::create(path, false)?;
        let writer = Preamble::new(interval, None)
            .begin(output, Compression::default(), first, 0, Vec::new())
            .map_err(|error| StoreError::write(path, error))?;
        let mut recorder = Self::new(false);
        recorder.begin_file(writer, path, first.inode, 0)?;
        Ok(recorder)
    }

    /// Without a file: [`begin_file`](Self::begin_file) begins one.
    pub fn new(with_keys: bool) -> Self {
        Self {
            writer: SharedWriter::empty(),
            path: PathBuf::new(),
            with_keys,
            first: None,
            number: 0,
            totals: Rc::default(),
            owners: RecordedOwners::default(),
        }
    }

    /// Continues in a file that was begun for the namespace with the inode `first`, with a sample
    /// of this number. Returns the bytes of the file before, if that was in memory, and what it
    /// holds. Namespaces that were added before have to be declared again.
    ///
    /// # Errors
    /// When the file before cannot be written.
    pub fn begin_file(
        &mut self,
        writer: Writer<Output>,
        path: &Path,
        first: u64,
        number: u64,
    ) -> Result<Option<(Vec<u8>, RecordedTotals)>, MonitorError> {
        let former =
            self.writer.replace(writer).and_then(|former| former.map(Output::close).transpose());
        let former = former.map_err(|source| self.failure(source))?;
        path.clone_into(&mut self.path);
        (self.first, self.number) = (Some(first), number);
        self.owners.forget();
        let totals = self.totals.take();
        Ok(former.map(|bytes| (bytes, totals)))
    }

    /// Adds a namespace with these settings.
    pub(super) fn add(
        &mut self,
        namespace: &Rc<LiveNamespace>,
        settings: String,
    ) -> NamespaceRecorder {
        let mut recorder = NamespaceRecorder {
            writer: self.writer.clone(),
            namespace: Rc::clone(namespace),
            interface: Rc::default(),
            settings,
            totals: Rc::clone(&self.totals),
            named: FxHashSet::default(),
            unnamed: Vec::new(),
        };
        self.declare(&mut recorder);
        recorder
    }

    /// Declares a namespace in a file that was begun after it was added.
    pub(super) fn declare_again(&mut self, recorder: &mut NamespaceRecorder) {
        // A namespace that cannot be entered any more keeps the last settings.
        if let Ok(settings) = recorder.namespace.inside(recorded_settings) {
            recorder.settings = settings;
        }
        self.declare(recorder);
    }

    fn declare(&mut self, recorder: &mut NamespaceRecorder) {
        let namespace = NamespaceInterface::from(&recorder.namespace.namespace);
        let interface = match self.first.take_if(|first| *first == namespace.inode) {
            Some(_) => 0,
            None => self.writer.add_namespace(&namespace),
        };
        recorder.declare(interface);
    }

    /// Makes a transport that records what passes through it.
    pub(super) fn transport(
        &self,
        socket: NetlinkSocket,
        namespace: &NamespaceRecorder,
    ) -> RecordingTransport<NetlinkSocket, Output> {
        let interface = Rc::clone(&namespace.interface);
        RecordingTransport::new(socket, self.writer.clone(), interface).with_keys(self.with_keys)
    }

    /// Begins a sample; `early` if it does not end an interval.
    pub fn begin_sample(&mut self, clocks: Clocks, early: bool) {
        if !early {
            self.owners.begin_interval();
        }
        let number = u32::try_from(self.number).unwrap_or(u32::MAX);
        self.writer.begin_sample(number, &SampleBegun { clocks, early });
    }

    /// Adds a socket whose holders [`write_holders`](Self::write_holders) looks up.
    #[inline]
    pub(super) fn add_socket(&mut self, reply: &Reply<'_>) {
        self.owners.want(reply);
    }

    /// Looks up and writes the holders and cgroups of all sockets that were added.
    ///
    /// # Errors
    /// When the processes cannot be searched.
    pub(super) fn write_holders(&mut self, owners: &mut OwnerResolver) -> Result<(), MonitorError> {
        let wanted = self.owners.take_wanted();
        owners.resolve_wanted(&wanted, OwnerScope::Connections, false)?;
        wanted.iter().for_each(|wanted| self.owners.add(wanted, owners));
        Ok(())
    }

    /// Writes the holders and cgroups of these sockets.
    pub(super) fn write_owners<'s>(
        &mut self,
        sockets: impl Iterator<Item = &'s Socket>,
        owners: &OwnerResolver,
    ) {
        sockets.for_each(|socket| self.owners.add(&wanted(socket), owners));
    }

    /// Writes the path of a socket's cgroup.
    pub(super) fn write_cgroup(&mut self, socket: &Socket, owners: &OwnerResolver) {
        self.owners.add_cgroup(socket.cgroup_id, owners);
    }

    /// Ends the sample.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end_sample(&mut self, quality: &Quality) -> Result<(), MonitorError> {
        self.owners.write(&self.writer);
        self.writer.end_sample(&SampleEnded {
            clocks: Clocks::now(),
            processes_hidden: quality.processes_hidden,
            permission_limited: quality.permission_limited.clone(),
        });
        self.writer.flush().map_err(|source| self.failure(source))?;
        self.number += 1;
        add(&self.totals, RecordedTotals { samples: 1, ..RecordedTotals::default() });
        Ok(())
    }

    /// Bytes of the file so far.
    pub(super) fn written(&self) -> u64 {
        self.writer.written()
    }

    /// What the file holds so far.
    pub(super) fn totals(&self) -> RecordedTotals {
        self.totals.get()
    }

    /// Writes the note that ends the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn end_file(&self, why: &str) -> Result<(), MonitorError> {
        self.writer.json(Kind::End, 0, &self.totals().ending(why));
        self.writer.flush().map_err(|source| self.failure(source))
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self, why: &str) -> Result<(), MonitorError> {
        self.end_file(why)?;
        let finished = self.writer.finish().and_then(Output::close);
        finished.map(drop).map_err(|source| self.failure(source))
    }

    fn failure(&self, source: std::io::Error) -> MonitorError {
        let samples = self.totals().samples;
        MonitorError::Record { path: self.path.clone(), samples, source }
    }
}

impl NamespaceRecorder {
    fn inode(&self) -> u64 {
        self.namespace.namespace.inode
    }

    fn fact(&self) -> NamespaceOf {
        let NetNamespace { inode, name, .. } = &self.namespace.namespace;
        NamespaceOf { interface: self.interface.get(), inode: *inode, name: name.clone() }
    }

    /// Declares it at the start of a file, where it has this interface.
    fn declare(&mut self, interface: u32) {
        self.interface.set(interface);
        self.named.clear();
        let inode = self.inode();
        self.writer.json(Kind::Namespace, inode, &self.fact());
        self.writer.note(Kind::Sysctl, inode, self.settings.as_bytes());
    }

    /// Notes that the namespace is gone.
    pub(super) fn declare_gone(&self) {
        self.writer.json(Kind::NamespaceGone, self.inode(), &self.fact());
    }

    /// Records a counter file.
    pub(super) fn counters(&self, name: &str, text: &str) {
        let note = format!("{name}\n{text}");
        self.writer.note(Kind::Counters, self.inode(), note.as_bytes());
    }

    /// Begins a dump.
    pub(super) fn begin_dump(&self, query: &Query<'_>) {
        let begun = DumpBegun {
            states: query.states.bits(),
            extensions: query.extensions.0,
            ipv4: query.families.v4,
            ipv6: query.families.v6,
        };
        self.writer.json(Kind::DumpBegin, self.inode(), &begun);
    }

    /// Adds the network interface that a socket is bound to.
    #[inline]
    pub(super) fn add_interface(&mut self, index: u32) {
        if index != 0 && self.named.insert(index) {
            self.unnamed.push(index);
        }
    }

    /// Ends a dump.
    pub(super) fn end_dump(&self, outcome: &DumpOutcome) {
        let &DumpOutcome { sockets, foreign, .. } = outcome;
        add(&self.totals, RecordedTotals { sockets, foreign, ..RecordedTotals::default() });
        self.writer.json(Kind::DumpEnd, self.inode(), &DumpEnded::from(*outcome));
    }

    /// Records the names of the network interfaces that dumps showed.
    pub(super) fn write_interfaces(&mut self, interfaces: &mut Interfaces) {
        let mut names = Vec::new();
        for index in self.unnamed.drain(..) {
            interfaces.learn(index);
            let name = interfaces.interface(index).and_then(|interface| interface.name);
            names.extend(name.map(|name| InterfaceName { index, name: name.to_owned() }));
        }
        self.writer.json_lines(Kind::Interfaces, self.inode(), names);
    }

    /// Records a destroy event. It has no keys: `tcp_info` is its only attribute.
    pub(super) fn event(&self, datagram: &[u8]) {
        self.writer.datagram(self.interface.get(), Direction::Received, datagram);
    }

    /// Ends the events of a sample, `events` of which were recorded.
    pub(super) fn drained(&self, drained: Drained, events: u64) {
        let Drained { lost: events_lost, foreign, .. } = drained;
        let more = RecordedTotals { events, events_lost, foreign, ..RecordedTotals::default() };
        add(&self.totals, more);
        let drained = EventsDrained { events, ..EventsDrained::from(drained) };
        self.writer.json(Kind::EventsDrained, self.inode(), &drained);
    }
}

fn add(totals: &Cell<RecordedTotals>, other: RecordedTotals) {
    let mut sum = totals.get();
    sum.add(other);
    totals.set(sum);
}
