//! What each file of a run begins with.

use std::io;
use std::time::Duration;

use super::file::Output;
use super::{
    About, ClockStep, Compression, FilterFact, HostFacts, Kind, NamespaceInterface, RunFile, Writer,
};
use crate::procfs::{Host, NetNamespace, capabilities};
use crate::sys::Clocks;

/// The most bytes of a command line. In JSON a byte may take six.
const LONGEST_COMMAND: usize = 32 << 10;

/// The facts about the host and the run, which each file of a run begins with.
#[derive(Debug)]
pub struct Preamble {
    facts: HostFacts,
    filter: Option<FilterFact>,
}

impl Preamble {
    /// For a run on this host that takes a sample in each interval, of the sockets of `filter`.
    pub fn new(interval: Duration, filter: Option<String>) -> Self {
        let host = Host::this();
        let facts = HostFacts {
            hostname: host.hostname,
            kernel: host.kernel,
            machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
            boot_id: host.boot_id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            arguments: arguments(),
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            net_admin: capabilities::has_net_admin(),
            run: None,
            clocks: Clocks::now(),
        };
        Self { facts, filter: filter.map(|filter| FilterFact { filter }) }
    }

    pub(super) fn facts(&self) -> &HostFacts {
        &self.facts
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
        Writer::new(output, compression, &about, &NamespaceInterface::from(first))
    }

    /// A recording that begins now, as the file of this number in the run. `clock_steps`: where the
    /// wall clock was set in the file before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(
        &self,
        output: Output,
        compression: Compression,
        first: &NetNamespace,
        number: u64,
        clock_steps: Vec<ClockStep>,
    ) -> io::Result<Writer<Output>> {
        let mut writer = self.writer(output, compression, first)?;
        let clocks = Clocks::now();
        let begun_ns = self.facts.clocks.monotonic_ns;
        let run = RunFile { begun_ns, number, clock_steps };
        writer.set_time(clocks.realtime_ns);
        writer.json(Kind::Host, 0, &HostFacts { clocks, run: Some(run), ..self.facts.clone() })?;
        if let Some(filter) = &self.filter {
            writer.json(Kind::Filter, 0, filter)?;
        }
        Ok(writer)
    }
}

/// The command line, as far as a note holds it.
fn arguments() -> Vec<String> {
    let mut left = LONGEST_COMMAND;
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let fits = |argument: &String| {
        left = left.saturating_sub(argument.len() + 1);
        left > 0
    };
    arguments.take_while(fits).collect()
}
