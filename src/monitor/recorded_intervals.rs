//! What the sockets of a recording did, sample by sample, in all chosen namespaces.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::counter_gate::CounterGate;
use super::error::MonitorError;
use super::input::CounterFiles;
use super::namespace_monitor::{NamespaceMonitor, Opening, Shared};
use super::namespace_set::NamespaceSet;
use super::owners::OwnerResolver;
use super::request::PollRequest;
use super::socket_intervals::{Gaps, ObservationSink, SocketIntervals};
use crate::identity::ServiceRegistry;
use crate::model::{Families, StateSet};
use crate::recording::{NamespaceChoice, Sample, Session};
use crate::socket_diag::{EventOptions, Query};
use crate::wire::Extensions;

/// How many owners and cgroups may be added before they are cleaned again.
const SPARE: usize = 4096;

/// Polls the samples of a recording, and reports to a sink what each socket did.
pub struct RecordedIntervals<S> {
    set: NamespaceSet<SocketIntervals<S>>,
    sink: Rc<RefCell<S>>,
    choice: NamespaceChoice,
    minisocks: bool,
    gaps: Rc<Cell<Gaps>>,
    /// Owners and cgroups that were left when they were last cleaned.
    kept: usize,
    /// Stands for the monotonic time of the first sample.
    epoch: (Instant, u64),
}

impl<S: ObservationSink> RecordedIntervals<S> {
    /// For the samples of this session. `minisocks`: TIME-WAIT and SYN-RECV records too.
    pub fn new(
        session: &Session,
        registry: ServiceRegistry,
        sink: Rc<RefCell<S>>,
        minisocks: bool,
    ) -> Self {
        let shared = Shared {
            registry,
            owners: OwnerResolver::recording(),
            ecn: session.host().ecn_word(),
            recorder: None,
        };
        let opening = Opening {
            files: CounterFiles::None,
            events: Some(EventOptions::default()),
            gate: CounterGate::new(None),
        };
        Self {
            set: NamespaceSet::new(shared, opening),
            sink,
            choice: session.choice().clone(),
            minisocks,
            gaps: Rc::default(),
            kept: 0,
            epoch: (Instant::now(), session.sample().clocks.monotonic_ns),
        }
    }

    /// Polls a sample. Drops the owners of sockets that cannot be reported any more.
    ///
    /// # Errors
    /// When the sample cannot be polled.
    pub fn take(&mut self, sample: &mut Sample) -> Result<(), MonitorError> {
        let (here, there) = self.epoch;
        let passed = Duration::from_nanos(sample.clocks.monotonic_ns.saturating_sub(there));
        let request = PollRequest {
            at: here.checked_add(passed).unwrap_or(here),
            ends_interval: true,
            reads_counters: false,
            counters_are_read: false,
            names_services: true,
            keeps_owners: true,
            query: Query {
                families: Families::BOTH,
                states: StateSet::ALL,
                extensions: Extensions::ALL,
                local_port: 0,
                remote_port: 0,
                program: &[],
            },
            most_descriptors: None,
            dump_tries: 1,
        };
        let (sink, gaps, minisocks) = (&self.sink, &self.gaps, self.minisocks);
        let consumer = |monitor: &NamespaceMonitor| {
            let namespace = monitor.namespace.clone();
            SocketIntervals::new(Rc::clone(sink), namespace, minisocks, Rc::clone(gaps))
        };
        self.set.poll_sample(sample, &self.choice, &request, consumer, |_, _| Ok(()))?;
        self.clean(sample);
        Ok(())
    }

    /// Removes the names of sockets that cannot be reported any more.
    fn clean(&mut self, sample: &mut Sample) {
        if sample.owners.len() + sample.cgroups.len() <= 2 * self.kept + SPARE {
            return;
        }
        let mut inodes = FxHashSet::default();
        let mut cgroups = FxHashSet::default();
        for member in &self.set.members {
            member.consumer.names_in_use(&mut inodes, &mut cgroups);
        }
        sample.owners.retain(|inode, _| inodes.contains(inode));
        sample.cgroups.retain(|id, _| cgroups.contains(id));
        self.kept = sample.owners.len() + sample.cgroups.len();
    }

    /// What was incomplete so far.
    pub fn gaps(&self) -> Gaps {
        self.gaps.get()
    }
}
