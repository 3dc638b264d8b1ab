//! Which sockets a command asks the kernel or a recording for.

use anyhow::bail;

use super::exit::configuration;
use super::expression::FilterArgs;
use super::recording_args::SampleArgs;
use crate::filter::{Expr, Needs};
use crate::model::StateSet;
use crate::monitor::{FilterNames, NameSource, SocketFilter};
use crate::output::Requirements;
use crate::procfs::{PortNames, Scope};
use crate::recording::{NamespaceChoice, Sample};
use crate::report::{PollerSettings, RowOptions};

/// The sockets that the filter arguments select, live or of a sample of a recording.
#[derive(Debug)]
pub(super) struct Selected {
    expr: Expr,
    pub(super) needs: Needs,
    ports: PortNames,
    /// The sample of a recording; `None` for the kernel.
    pub(super) sample: Option<Sample>,
    /// The recording is damaged behind its sample.
    pub(super) damaged: bool,
}

/// What a command shows of the sockets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// States when none are asked for.
    pub(super) default_states: StateSet,
    /// States that the command is about.
    pub(super) only_states: StateSet,
    /// What has to be known of a socket.
    pub(super) requirements: Requirements,
    /// Whether the namespace of each socket has to be known.
    pub(super) many_namespaces: bool,
    /// Whether there are several samples.
    pub(super) repeats: bool,
    /// Whether requests in SYN-RECV are counted for listeners.
    pub(super) count_requests: bool,
    /// Whether the counters are read too.
    pub(super) counters: bool,
    /// Whether owners that are hidden are reported also where only services are named.
    pub(super) reports_owners: bool,
}

impl Selected {
    /// Whether the filter asks for an end point, an owner or a figure.
    pub(super) fn is_selective(&self) -> bool {
        self.expr.selects()
    }

    /// Resolves the arguments.
    pub(super) fn new(
        filter: &FilterArgs,
        recorded: &SampleArgs,
        repeats: bool,
    ) -> anyhow::Result<Self> {
        if repeats && recorded.is_given() {
            bail!("the argument '--read <FILE>' cannot be used with '--interval <TIME>'");
        }
        if !recorded.is_given() {
            filter.report_absent_processes();
        }
        let ports = PortNames::load();
        let recorded = recorded.sample(&filter.netns)?;
        let damaged = recorded.as_ref().is_some_and(|recorded| recorded.damaged);
        let sample = recorded.map(|recorded| recorded.sample);
        // The sample has the chosen namespaces only.
        let chosen = NamespaceChoice::default();
        let source = match &sample {
            Some(sample) => NameSource::Recording(sample, &chosen),
            None => NameSource::Host(&filter.netns),
        };
        let expr = filter.expression(&FilterNames { ports: &ports, source })?;
        let needs = expr.needs();
        if needs.owner && sample.as_ref().is_some_and(|sample| sample.capture) {
            bail!("owners are asked for, and a capture by another program has none");
        }
        Ok(Self { expr, needs, ports, sample, damaged })
    }

    /// What is polled, and the sample of the recording.
    pub(super) fn settings(
        self,
        filter: &FilterArgs,
        wanted: Wanted,
    ) -> anyhow::Result<(PollerSettings, Option<Sample>)> {
        let Wanted { requirements, many_namespaces, repeats, count_requests, .. } = wanted;
        let mut plan = self.expr.plan(wanted.default_states, filter.plan_options());
        plan.states = plan.states.intersection(wanted.only_states);
        let sockets = SocketFilter::new(self.expr);
        let settings = PollerSettings {
            options: RowOptions {
                level: requirements.level().max(sockets.level()),
                filter: sockets,
                plan,
                many_namespaces,
                repeats,
                count_requests,
            },
            extensions: requirements.extensions,
            needs_program: self.needs.program,
            services: configuration(None)?.services,
            ports: self.ports,
            owners: if filter.all_owners { Scope::All } else { Scope::First },
            counters: wanted.counters,
            reports_owners: wanted.reports_owners,
        };
        Ok((settings, self.sample))
    }
}
