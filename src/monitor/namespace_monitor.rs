//! One network namespace that is polled.

mod listeners;

use std::ops::RangeInclusive;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::consumer::{Consumer, Identities, Identity, Placement, PollBegun, PollEnded};
use super::counter_gate::CounterGate;
use super::error::MonitorError;
use super::host_files::{HostReading, read_host};
use super::input::{CounterFiles, EventSource, NamespaceInput, Received, Side};
use super::interfaces::{Interface, Interfaces};
use super::live_namespace::LiveNamespace;
use super::owners::{OwnerResolver, OwnerScope};
use super::poll::Pass;
use super::quality::{Namespace, Quality};
use super::recorder::Recorder;
use super::recording_filter::RecordingFilter;
use super::request::PollRequest;
use super::settings::{port_range, read_settings, recorded_port_range};
use crate::counters::{Counters, Fault};
use crate::identity::{NamespaceIdentity, ServiceRegistry, Subject};
use crate::model::{Role, RoleBasis, Socket, State, StateSet};
use crate::procfs::NetNamespace;
use crate::recording::RecordedNamespace;
use crate::settings::Values;
use crate::socket_diag::{Drained, DumpOutcome, Error, EventOptions, Events, Query};
use crate::sys::{NetlinkSocket, Usage};
use crate::tracking::{Ending, Watch};
use crate::wire::{EcnWord, Reply};

/// What all namespaces of a run have in common.
#[derive(Debug)]
pub struct Shared {
    /// The services of the run.
    pub registry: ServiceRegistry,
    /// Who holds sockets.
    pub owners: OwnerResolver,
    /// How `tcp_info` of this kernel is to be read.
    pub ecn: EcnWord,
    /// Records all that is read.
    pub recorder: Option<Recorder>,
}

/// How a namespace is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Which counter files are read.
    pub files: CounterFiles,
    /// How destroy events are received; `None` for none.
    pub events: Option<EventOptions>,
    /// Which counters call for an early poll.
    pub gate: CounterGate,
}

/// The source of a namespace.
#[derive(Debug)]
enum Origin {
    Kernel(Rc<LiveNamespace>),
    /// A recording, with these settings.
    Recording {
        settings: String,
    },
}

/// One network namespace.
#[derive(Debug)]
pub struct NamespaceMonitor {
    /// Its inode and name.
    pub namespace: Namespace,
    origin: Origin,
    input: NamespaceInput,
    identity: NamespaceIdentity,
    interfaces: Interfaces,
    gate: CounterGate,
    /// The counters at the end of the last poll.
    before: Counters,
    /// The counters before the dump of the current poll, and after its events.
    counters: [Counters; 2],
    /// The cost of the last poll.
    pub cost: Duration,
    /// Why there are no destroy events although they were requested. Reported once, then cleared.
    pub no_events: Option<String>,
    /// Cookies of the listeners whose holders were looked up.
    known: FxHashSet<u64>,
    found: Vec<Socket>,
    /// What is wrong with the setting that its ephemeral ports are from.
    ephemeral_fault: Option<(String, Fault)>,
    /// Whether the holders of the listeners are looked up when a connection needs them.
    is_unresolved: bool,
}

impl NamespaceMonitor {
    /// Opens a live namespace and begins to receive destroy events, without polling.
    ///
    /// # Errors
    /// When it cannot be entered, or its tables or files cannot be opened.
    pub fn open(
        namespace: &NetNamespace,
        opening: Opening,
        recorder: Option<&mut Recorder>,
    ) -> Result<Self, MonitorError> {
        let is_entered_again = recorder.is_some() || opening.files == CounterFiles::All;
        let live = Rc::new(LiveNamespace::open(namespace, is_entered_again)?);
        // Before the first poll, so that every socket in it has an event.
        let (events, no_events) = match opening.events {
            None => (None, None),
            Some(options) => match Events::open_in(namespace, &options) {
                Ok(events) => (Some(events), None),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        let socket = live
            .inside(NetlinkSocket::open)?
            .map_err(|source| Error::Socket { operation: "open", source })?;
        let interfaces = Interfaces::of(socket.handle());
        let events = events.map_or(EventSource::None, EventSource::Kernel);
        let input = NamespaceInput::kernel(&live, socket, opening.files, events, recorder)?;
        let (range, ephemeral_fault) = live.inside(port_range)?;
        let name = Namespace { inode: namespace.inode, name: namespace.name.clone() };
        let origin = Origin::Kernel(live);
        let monitor = Self::new(name, origin, input, range, opening.gate);
        Ok(Self { no_events, interfaces, ephemeral_fault, ..monitor })
    }

    /// A namespace of a recording, whose samples [`load`](Self::load) loads.
    pub fn replay(recorded: &RecordedNamespace, opening: Opening) -> Self {
        let namespace = Namespace { inode: recorded.inode, name: recorded.name.clone() };
        let (range, ephemeral_fault) = recorded_port_range(recorded);
        let has_events = opening.events.is_some() && recorded.part.drained.is_some();
        let input = NamespaceInput::replay(opening.files, has_events);
        let origin = Origin::Recording { settings: recorded.settings.clone() };
        let monitor = Self::new(namespace, origin, input, range, opening.gate);
        Self { ephemeral_fault, ..monitor }
    }

    fn new(
        namespace: Namespace,
        origin: Origin,
        input: NamespaceInput,
        ephemeral: RangeInclusive<u16>,
        gate: CounterGate,
    ) -> Self {
        Self {
            namespace,
            origin,
            input,
            identity: NamespaceIdentity::new(ephemeral),
            interfaces: Interfaces::default(),
            gate,
            before: Counters::default(),
            counters: Default::default(),
            cost: Duration::ZERO,
            no_events: None,
            known: FxHashSet::default(),
            found: Vec::new(),
            ephemeral_fault: None,
            is_unresolved: false,
        }
    }

    /// Loads its part of the next sample of the recording.
    pub fn load(&mut self, recorded: &mut RecordedNamespace) {
        self.interfaces.set_recorded(&recorded.interfaces);
        self.input.load(&mut recorded.part);
        if let Origin::Recording { settings } = &mut self.origin
            && *settings != recorded.settings
        {
            settings.clone_from(&recorded.settings);
        }
    }

    /// The interface of an index, with its name where that can be had.
    pub fn interface(&mut self, index: u32) -> Option<Interface<'_>> {
        self.interfaces.learn(index);
        self.interfaces.interface(index)
    }

    /// Whether the kernel has refused a filter program and therefore sent more sockets.
    pub fn refuses_programs(&self) -> bool {
        self.input.sockets.refuses_programs()
    }

    /// Whether destroy events are received.
    pub fn has_events(&self) -> bool {
        self.input.has_events()
    }

    /// Its settings.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn settings(&self) -> Result<Values, MonitorError> {
        Ok(match &self.origin {
            Origin::Kernel(namespace) => namespace.inside(read_settings)?,
            Origin::Recording { settings } => Values::recorded(settings),
        })
    }

    /// Its range of ephemeral ports.
    pub fn ephemeral(&self) -> &RangeInclusive<u16> {
        self.identity.ephemeral()
    }

    /// Reads the host's side: counters, processors, devices and connection tracking.
    ///
    /// # Errors
    /// When the counter files cannot be read.
    pub fn read_host(&mut self, side: Side) -> Result<HostReading, MonitorError> {
        let namespace = match &self.origin {
            Origin::Kernel(namespace) => Some(&**namespace),
            Origin::Recording { .. } => None,
        };
        read_host(&mut self.input, namespace, side)
    }

    /// Reads the counters and returns them.
    ///
    /// # Errors
    /// When the counter files cannot be read.
    pub fn read_counters(&mut self) -> Result<&Counters, MonitorError> {
        let [first, _] = &mut self.counters;
        self.input.read_counters(Side::Before, first)?;
        Ok(first)
    }

    /// Whether a watched counter moved since the last poll.
    ///
    /// # Errors
    /// When the counter files cannot be read.
    pub fn has_moved(&mut self) -> Result<bool, MonitorError> {
        let [first, _] = &mut self.counters;
        self.input.read_counters_between(first)?;
        Ok(self.gate.has_moved(&self.before, first))
    }

    /// The live namespace; `None` for one of a recording.
    pub fn kernel_namespace(&self) -> Option<&NetNamespace> {
        match &self.origin {
            Origin::Kernel(live) => Some(&live.namespace),
            Origin::Recording { .. } => None,
        }
    }

    /// Its netlink socket's descriptor; `None` for one of a recording.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.interfaces.descriptor()
    }

    /// Declares it in a file that the recorder has begun since it was opened.
    pub(super) fn declare_again(&mut self, recorder: &mut Recorder) {
        if let Some(namespace) = &mut self.input.recorder {
            recorder.declare_again(namespace);
        }
    }

    /// Notes in a recording that it is gone.
    pub(super) fn declare_gone(&self) {
        if let Some(recorder) = &self.input.recorder {
            recorder.declare_gone();
        }
    }

    /// Records a sample of the sockets that the filter selects, as the kernel sends them: counters,
    /// sockets, destroy events, and counters again. Their holders are still to be looked up. Returns
    /// which files could not be read whole.
    ///
    /// # Errors
    /// When something that every sample needs could not be read.
    pub(super) fn record(
        &mut self,
        recorder: &mut Recorder,
        filter: &mut RecordingFilter,
    ) -> Result<Quality, MonitorError> {
        let (interfaces, mut faults) = (&mut self.interfaces, Vec::new());
        let each = |reply: &Reply<'_>| recorder.add_socket(reply);
        let received =
            self.input.record(self.namespace.inode, filter, interfaces, each, &mut faults)?;
        if let Received::NoMore(reason) = received {
            self.no_events = Some(reason);
        }
        let mut quality = Quality::default();
        quality.add_faults(&faults);
        Ok(quality)
    }

    /// Polls it. The consumer receives what the request asks for.
    ///
    /// # Errors
    /// When something that every poll needs could not be read.
    pub fn poll(
        &mut self,
        shared: &mut Shared,
        request: &PollRequest<'_>,
        consumer: &mut dyn Consumer,
    ) -> Result<(), MonitorError> {
        let usage = Usage::now();
        // A recording has every reading that counts.
        if request.reads_counters && (!request.counters_are_read || shared.recorder.is_some()) {
            let [first, _] = &mut self.counters;
            self.input.read_counters(Side::Before, first)?;
        }
        if request.ends_interval {
            self.identity.begin_interval();
        }
        consumer.begin(&PollBegun {
            namespace: &self.namespace,
            at: request.at,
            ends_interval: request.ends_interval,
            ecn: shared.ecn,
        });
        let mut quality = Quality::default();
        let mut outcome = self.read_listeners(shared, request)?;
        let stopped = self.deliver_listeners(shared, request, consumer, &mut quality)?;
        if !stopped {
            outcome.add(&self.dump(shared, request, consumer, &mut quality)?);
        }
        self.input.record_interfaces(&mut self.interfaces);
        let (ending, events, events_lost) = self.drain(shared, consumer, &outcome, &mut quality);
        if request.reads_counters {
            let [_, second] = &mut self.counters;
            self.input.read_counters(Side::After, second)?;
            self.counters.iter().for_each(|counters| quality.add_counters(counters));
        }
        if let Some((path, fault)) = &self.ephemeral_fault {
            quality.add_setting(path.clone(), *fault);
        }
        quality.add_dump(&outcome);
        quality.events_lost += events_lost;
        let [first, second] = &self.counters;
        let identities =
            &mut Identities { identity: &mut self.identity, registry: &mut shared.registry };
        let ended = PollEnded {
            counters: [first, second],
            ending,
            events,
            events_lost,
            dumped: outcome.sockets,
            quality: &quality,
            recorded: self.input.recorded_bytes(),
            interfaces: &mut self.interfaces,
            owners: &shared.owners,
        };
        consumer.end(ended, identities);
        std::mem::swap(&mut self.before, &mut self.counters[1]);
        let used = usage.elapsed();
        self.cost = used.user + used.system;
        Ok(())
    }

    /// Identifies sockets that were delivered before: role, service and holders of each.
    ///
    /// # Errors
    /// When the processes cannot be searched.
    pub fn name_sockets(
        &mut self,
        shared: &mut Shared,
        sockets: &[(Socket, Role)],
        each: &mut dyn FnMut(&Socket, &Identity<'_>),
    ) -> Result<(), MonitorError> {
        let of = OwnerScope::Listeners(self.namespace.inode);
        shared.owners.resolve(self.found.iter(), of, false)?;
        for socket in &self.found {
            let info = shared.owners.info(socket);
            self.identity.set_listener_owner(socket, &info.owner());
        }
        let wanted = sockets.iter().map(|(socket, _)| socket);
        shared.owners.resolve(wanted, OwnerScope::Connections, false)?;
        for (socket, role) in sockets {
            let owner = shared.owners.info(socket);
            let subject = Subject::new(socket, owner.owner(), owner.is_held());
            let role = (*role, RoleBasis::Remembered);
            let identified = self.identity.identify(&mut shared.registry, &subject, role);
            let registry = &shared.registry;
            let (role, role_basis) = role;
            let identified = Some(identified);
            let placement = Placement::default();
            each(socket, &Identity { role, role_basis, identified, owner, placement, registry });
        }
        Ok(())
    }

    /// Reads all other sockets.
    fn dump(
        &mut self,
        shared: &mut Shared,
        request: &PollRequest<'_>,
        consumer: &mut dyn Consumer,
        quality: &mut Quality,
    ) -> Result<DumpOutcome, MonitorError> {
        let states = request.query.states.without(State::Listen);
        if states == StateSet::NONE {
            return Ok(DumpOutcome::default());
        }
        let query = Query { states, ..request.query };
        let (identity, interfaces) = (&mut self.identity, &mut self.interfaces);
        identity.begin_dump();
        let mut pass = Pass::new(consumer, identity, interfaces, quality, shared);
        pass.most_descriptors = request.most_descriptors;
        if self.is_unresolved {
            pass.unresolved = &self.found;
            pass.namespace = self.namespace.inode;
        }
        let mut socket = Socket::BLANK;
        let mut outcome = self.input.dump(&query, |reply| pass.take(reply, &mut socket))?;
        for _ in 1..request.dump_tries {
            if outcome.interrupted == 0 || pass.stopped {
                break;
            }
            pass.restart();
            pass.identity.begin_dump();
            outcome = self.input.dump(&query, |reply| pass.take(reply, &mut socket))?;
        }
        let passed = pass.finish()?;
        if self.is_unresolved && passed.listeners_resolved {
            self.is_unresolved = false;
            self.known.clear();
            self.known.extend(self.found.iter().map(|socket| socket.cookie));
        }
        if passed.looked_up && !request.keeps_owners {
            shared.owners.forget_connections();
        }
        Ok(outcome)
    }

    /// Delivers the destroy events with what is known of the closed sockets. Returns how many
    /// events there were, and how many were lost.
    fn drain(
        &mut self,
        shared: &mut Shared,
        consumer: &mut dyn Consumer,
        outcome: &DumpOutcome,
        quality: &mut Quality,
    ) -> (Ending, Option<u64>, u64) {
        let mut socket = Socket::BLANK;
        let mut unread = 0;
        let ecn = shared.ecn;
        let identities =
            &mut Identities { identity: &mut self.identity, registry: &mut shared.registry };
        let received = self.input.drain(
            |_| true,
            |reply| match socket.fill(reply, ecn) {
                true => consumer.on_destroy(&socket, identities),
                false => unread += 1,
            },
        );
        let (watch, events, lost) = match received {
            Received::Nothing => (Watch::Off, None, 0),
            Received::Events(Drained { events, decode_errors, lost, foreign, .. }) => {
                let bad = decode_errors + unread;
                quality.foreign_datagrams += foreign;
                quality.decode_errors += bad;
                let watch = if lost + bad == 0 { Watch::Whole } else { Watch::Lossy };
                (watch, Some(events), lost)
            }
            Received::NoMore(reason) => {
                // Events received so far count; no more will come.
                self.no_events = Some(reason);
                (Watch::Lossy, None, 0)
            }
        };
        let whole_dump = outcome.interrupted == 0 && outcome.decode_errors == 0;
        (Ending { watch, whole_dump }, events, lost)
    }
}
