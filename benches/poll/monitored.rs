//! The program's own polls of the namespace of this process.

use std::path::Path;

use tcpdiag::identity::{Grouping, Rules, ServiceRegistry};
use tcpdiag::monitor::{
    Consumer, CounterFiles, CounterGate, MonitorError, NamespaceMonitor, Opening, OwnerResolver,
    PollRequest, Shared,
};
use tcpdiag::procfs::{Host, Namespaces, PortNames, Scope};
use tcpdiag::socket_diag::EventOptions;

/// A namespace and what its polls are delivered to.
pub(super) struct Monitored<C> {
    pub(super) monitor: NamespaceMonitor,
    pub(super) consumer: C,
    shared: Shared,
}

impl<C: Consumer> Monitored<C> {
    /// Opens the namespace; `make` makes its consumer.
    pub(super) fn open(
        files: CounterFiles,
        events: bool,
        make: impl FnOnce(&NamespaceMonitor) -> C,
    ) -> anyhow::Result<Self> {
        let shared = Shared {
            registry: ServiceRegistry::new(
                Rules::default(),
                Grouping::default(),
                PortNames::load(),
            ),
            owners: OwnerResolver::kernel(Scope::First)?,
            ecn: Host::this().ecn_word(),
            recorder: None,
        };
        let opening = Opening {
            files,
            events: events.then(EventOptions::default),
            gate: CounterGate::new(None),
        };
        let namespace = Namespaces::new(Path::new("/proc")).current()?;
        let monitor = NamespaceMonitor::open(&namespace, opening, None)?;
        let consumer = make(&monitor);
        Ok(Self { monitor, consumer, shared })
    }

    /// Polls it.
    pub(super) fn poll(&mut self, request: &PollRequest<'_>) -> Result<(), MonitorError> {
        self.monitor.poll(&mut self.shared, request, &mut self.consumer)
    }
}
