//! What every file of a run begins with.

use std::io;
use std::time::Duration;

use super::output::Output;
use crate::procfs::{Host, NetNamespace, capabilities};
use crate::recording::{self, About, Compression, FilterFact, HostFacts, Kind, Writer};
use crate::sys::Clocks;

/// The facts that do not change.
#[derive(Debug)]
pub(in crate::cli) struct Preamble {
    facts: HostFacts,
    filter: Option<FilterFact>,
}

impl Preamble {
    /// Of a run that takes a sample at every interval.
    pub(in crate::cli) fn new(interval: Duration, filter: Option<String>) -> Self {
        let host = Host::this();
        let facts = HostFacts {
            hostname: host.hostname,
            kernel: host.kernel,
            machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
            boot_id: host.boot_id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arguments: std::env::args_os()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect(),
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            net_admin: capabilities::has_net_admin(),
            clocks: Clocks::now(),
        };
        Self { facts, filter: filter.map(|filter| FilterFact { filter }) }
    }

    pub(super) fn hostname(&self) -> &str {
        &self.facts.hostname
    }

    /// A namespace as recordings have it.
    pub(in crate::cli) fn place(namespace: &NetNamespace) -> recording::Place<'_> {
        recording::Place { inode: namespace.inode, name: namespace.name.as_deref() }
    }

    /// A recording without any facts.
    pub(super) fn writer(
        &self,
        output: Output,
        compression: Compression,
        first: &NetNamespace,
    ) -> io::Result<Writer<Output>> {
        let about = About {
            program: concat!("tcpdiag ", env!("CARGO_PKG_VERSION")),
            system: &format!("Linux {}", self.facts.kernel),
            machine: &self.facts.machine,
        };
        Writer::new(output, compression, &about, &Self::place(first))
    }

    /// A recording that begins now.
    pub(in crate::cli) fn begin(
        &self,
        output: Output,
        compression: Compression,
        first: &NetNamespace,
    ) -> io::Result<Writer<Output>> {
        let mut writer = self.writer(output, compression, first)?;
        let clocks = Clocks::now();
        writer.set_time(clocks.realtime_ns);
        writer.json(Kind::Host, 0, &HostFacts { clocks, ..self.facts.clone() })?;
        if let Some(filter) = &self.filter {
            writer.json(Kind::Filter, 0, filter)?;
        }
        Ok(writer)
    }
}
