//! `tcpdiag diagnose`.

mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::exit::Exit;
use super::expression::FilterArgs;
use super::recording_args::SpanArgs;
use super::repeat::interval;
use super::table_args::TableArgs;
use crate::diagnosis::Severity;
use crate::filter::parse_rate;

/// Show what holds connections back, and what is wrong with listeners, services and the host.
///
/// Watches for 10 seconds, then shows its findings, worst first: with the evidence, the cause, what
/// to do with this host's own values, and what to check on the other side. Findings are about what
/// happened meanwhile, not about totals since a connection began.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag diagnose                              everything here, for 10 seconds
  tcpdiag diagnose --port 5432 --duration 30s
  tcpdiag diagnose dst 10.0.0.0/8 --target-rate 10Gbit
  tcpdiag diagnose --rule TD152 --rule TD153    only these rules
  tcpdiag diagnose --without TD104 --all
  tcpdiag diagnose --fail-on warning || echo trouble
  tcpdiag diagnose -o json | jq '.findings[] | {code, subject: .subject.text}'
  tcpdiag diagnose --read night.pcapng.zst --from +5m --duration 30s
  tcpdiag explain TD101                         what a rule is based on, and what it guards against

Which connections: as for `tcpdiag conns`. Limits of rules can be set in
~/.config/tcpdiag/config.toml or /etc/tcpdiag/config.toml:

  [diagnose]
  TD101 = { share = 0.5 }
  TD110 = { share = 0.02, least = 50 }

Thresholds of ratios ([thresholds], see `tcpdiag stats --help`) count for TD401, and
services ([[service]], see `tcpdiag services --help`) for the names.")]
pub(super) struct DiagnoseCommand {
    #[command(flatten)]
    filter: FilterArgs,

    /// How long to watch, by default 10s, without time in which the host is suspended; Ctrl-C ends it early, with what was seen until then. Of a
    /// recording, this much is read, from its beginning or from --from.
    #[arg(long, short, value_name = "TIME", value_parser = interval, help_heading = "Diagnosis")]
    duration: Option<Duration>,

    /// Apply only this rule, by code or name; repeatable.
    #[arg(long, value_name = "RULE", help_heading = "Diagnosis")]
    rule: Vec<String>,

    /// Leave this rule out; repeatable.
    #[arg(long, value_name = "RULE", help_heading = "Diagnosis")]
    without: Vec<String>,

    /// The rate that each connection should be able to reach, e.g. 10Gbit or 100MB: reports which
    /// buffers are too small for it, and how large they have to be.
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "Diagnosis")]
    target_rate: Option<f64>,

    /// Do not receive the kernel's destroy events: what short connections did is then not seen.
    #[arg(long, help_heading = "Diagnosis")]
    no_events: bool,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE", help_heading = "Diagnosis")]
    config: Option<PathBuf>,

    /// Show findings of severity information in full as well.
    #[arg(long, short, help_heading = "Output")]
    all: bool,

    /// Exit with 1 when something of this severity or a worse one was found. With a filter, findings
    /// about the host do not count: other connections may cause them.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), help_heading = "Output")]
    fail_on: Option<Severity>,

    /// Exit with 3 when something could not be read, was lost or was hidden.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    past: SpanArgs,
}

/// The default time to watch.
const USUAL: Duration = Duration::from_secs(10);

impl DiagnoseCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        run::run(&self)
    }
}

/// Severities by name.
fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name)).map(|name| {
        Severity::ALL.into_iter().find(|one| one.name() == name).unwrap_or(Severity::Info)
    })
}
