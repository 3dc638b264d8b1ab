//! Polls network namespaces, or a sample of a recording, for the rows of `conns` and `listeners`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use jiff::Timestamp;

use super::connection_rows::ConnectionRows;
use super::{RowOptions, RowSink};
use crate::identity::{Grouping, Rules, ServiceRegistry};
use crate::monitor::{
    CounterFiles, CounterGate, Level, MonitorError, Namespace, NamespaceMonitor, NamespaceSet,
    Opening, OwnerResolver, PollRequest, Quality, Shared,
};
use crate::procfs::{Host, PortNames, Scope};
use crate::recording::{NamespaceChoice, Sample, timestamp};
use crate::socket_diag::Query;
use crate::wire::Extensions;

/// How often a disturbed dump is read, if its rows can be removed.
const TRIES: u32 = 3;

/// The options of a [`ConnectionPoller`].
#[derive(Debug)]
pub struct PollerSettings {
    /// Which rows are made.
    pub options: RowOptions,
    /// Attributes that the kernel is asked for.
    pub extensions: Extensions,
    /// Whether only the kernel can decide a part of the filter.
    pub needs_program: bool,
    /// Rules that name services.
    pub services: Rules,
    /// Names of ports.
    pub ports: PortNames,
    /// How far the holders of a socket are looked up.
    pub owners: Scope,
    /// Whether the counters are read too.
    pub counters: bool,
    /// Whether owners that are hidden are reported also where only services are named.
    pub reports_owners: bool,
}

/// Polls namespaces and passes their rows to a sink.
#[derive(Debug)]
pub struct ConnectionPoller<S> {
    options: Rc<RowOptions>,
    sink: Rc<RefCell<S>>,
    extensions: Extensions,
    needs_program: bool,
    reads_counters: bool,
    reports_owners: bool,
    set: NamespaceSet<ConnectionRows<S>>,
    /// The sample of a recording, with the namespaces that are asked for.
    recorded: Option<Sample>,
    host: Host,
    /// The first namespace.
    namespace: Option<Namespace>,
    has_polled: bool,
}

impl<S: RowSink> ConnectionPoller<S> {
    /// Polls the namespaces of these specifications, or those of a sample of a recording.
    ///
    /// # Errors
    /// When a namespace cannot be opened, or /proc not be read.
    pub fn open(
        settings: PollerSettings,
        namespaces: &[String],
        sample: Option<Sample>,
        sink: Rc<RefCell<S>>,
    ) -> Result<Self, MonitorError> {
        let PollerSettings { mut options, extensions, needs_program, services, ports, .. } =
            settings;
        let PollerSettings { owners, counters, reports_owners, .. } = settings;
        let is_capture = sample.as_ref().is_some_and(|sample| sample.capture);
        if is_capture {
            // Captures by other programs have neither owners nor cgroups.
            options.level = Level::Role;
        }
        let owners = match (&sample, options.level) {
            (_, Level::Nothing | Level::Role) => OwnerResolver::none(),
            (Some(_), _) => OwnerResolver::recording(),
            (None, Level::Service | Level::Processes) => OwnerResolver::kernel(owners)?,
        };
        let host = sample.as_ref().map_or_else(Host::this, |sample| Host::from(&sample.host));
        let registry = ServiceRegistry::new(services, Grouping::Service, ports);
        let shared = Shared { registry, owners, ecn: host.ecn_word(), recorder: None };
        let files = if counters { CounterFiles::Catalogue } else { CounterFiles::None };
        let opening = Opening { files, events: None, gate: CounterGate::new(None) };
        let mut poller = Self {
            options: Rc::new(options),
            sink,
            extensions,
            needs_program,
            reads_counters: counters,
            reports_owners,
            set: NamespaceSet::new(shared, opening),
            recorded: None,
            host,
            namespace: None,
            has_polled: false,
        };
        let namespace = match sample {
            None => {
                let rows = poller.make_rows();
                poller.set.find(namespaces, |_, _| Ok(()), rows)?;
                poller.set.members.first().map(|member| member.monitor.namespace.clone())
            }
            Some(sample) => {
                let first = sample.namespaces.first();
                let first = first.map(|it| Namespace { inode: it.inode, name: it.name.clone() });
                poller.recorded = Some(sample);
                first
            }
        };
        // A capture by another program does not record its namespace.
        let is_only = !poller.options.many_namespaces;
        poller.namespace = namespace.filter(|namespace| is_only && namespace.inode != 0);
        Ok(poller)
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The namespace of all rows, if they are of one and it is known.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// The time of the sample of a recording, or else now, RFC 3339.
    pub fn time(&self) -> String {
        let recorded = self.recorded.as_ref();
        let time =
            recorded.map_or_else(Timestamp::now, |sample| timestamp(sample.clocks.realtime_ns));
        format!("{time:.9}")
    }

    /// Polls all namespaces once.
    ///
    /// # Errors
    /// When a poll fails.
    pub fn poll(&mut self, at: Instant) -> Result<(), MonitorError> {
        let options = Rc::clone(&self.options);
        let plan = &options.plan;
        let dump_tries =
            if self.sink.borrow().holds_rows() && !options.repeats { TRIES } else { 1 };
        let request = PollRequest {
            at,
            // The first poll looks up the holders of listeners where a connection needs them.
            ends_interval: std::mem::replace(&mut self.has_polled, true),
            reads_counters: self.reads_counters,
            counters_are_read: false,
            names_services: options.level >= Level::Service,
            keeps_owners: true,
            query: Query {
                families: plan.families,
                states: options.states(),
                extensions: self.extensions,
                local_port: plan.local_port,
                remote_port: plan.remote_port,
                program: &plan.program,
            },
            most_descriptors: Some(PollRequest::FEW_DESCRIPTORS),
            dump_tries,
        };
        let rows = self.make_rows();
        match &mut self.recorded {
            None => self.set.poll(0, &request)?,
            Some(sample) => {
                let all = NamespaceChoice::default();
                self.set.poll_sample(sample, &all, &request, rows, |_, _| Ok(()))?;
            }
        }
        let is_refused = self.set.members.iter().any(|member| member.monitor.refuses_programs());
        if self.needs_program && is_refused {
            return Err(MonitorError::Program("`autobound`"));
        }
        Ok(())
    }

    /// Adds what limits the reliability of the poll beside its dumps.
    pub fn report_limits(&mut self, quality: &mut Quality) {
        if self.options.level == Level::Processes || self.reports_owners {
            self.set.shared.owners.report(quality);
        }
        quality.permission_limited.extend(self.set.unreachable());
        if let Some(sample) = &mut self.recorded {
            quality.recorded_filter.clone_from(&sample.filter);
            quality.take_clock_steps(sample);
            if self.reports_owners {
                quality.processes_hidden = sample.processes_hidden;
                quality.permission_limited.append(&mut sample.permission_limited);
            }
        }
    }

    /// Makes the rows of a namespace.
    fn make_rows(&self) -> impl Fn(&NamespaceMonitor) -> ConnectionRows<S> + use<S> {
        let (options, sink) = (Rc::clone(&self.options), Rc::clone(&self.sink));
        move |monitor| {
            let namespace = monitor.namespace.clone();
            ConnectionRows::new(Rc::clone(&options), Rc::clone(&sink), namespace)
        }
    }
}
