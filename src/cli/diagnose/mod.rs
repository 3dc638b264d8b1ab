//! `tcpdiag diagnose`.

mod choice;
mod naming;
mod output;
mod place;
mod progress;
mod replay;
mod run;
mod tell;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::config::Config;
use super::exit::Exit;
use super::expression::FilterArgs;
use super::look::LookArgs;
use super::past::SpanArgs;
use super::repeat::interval;
use crate::counters::CounterWidth;
use crate::diagnosis::{Question, Severity};

/// Tell what holds connections back, and what is wrong with listeners, services and the host.
///
/// Watches for 10 seconds, then names what it found, worst first: with the figures that speak for
/// it, the cause, what to do with this host's own values, and what the other side can tell. What
/// counts is what happened meanwhile, not what stands in totals since a connection began.
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
  tcpdiag explain TD101                         what a rule goes by, and what it guards against

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

    /// How long to watch, 10s without; Ctrl-C ends it early, with what was seen until then. Of a
    /// recording so much from its beginning, or from --from.
    #[arg(long, short, value_name = "TIME", value_parser = interval, help_heading = "DiagnosisDocument")]
    duration: Option<Duration>,

    /// Ask this rule only, by code or name; repeatable.
    #[arg(long, value_name = "RULE", help_heading = "DiagnosisDocument")]
    rule: Vec<String>,

    /// Leave this rule out; repeatable.
    #[arg(long, value_name = "RULE", help_heading = "DiagnosisDocument")]
    without: Vec<String>,

    /// The rate that each connection should be able to reach, e.g. 10Gbit or 100MB: says which
    /// buffers are too small for it, and how large they have to be.
    #[arg(long, value_name = "RATE", value_parser = choice::rate, help_heading = "DiagnosisDocument")]
    target_rate: Option<f64>,

    /// Do without the kernel's notices of sockets that die: what short connections did then stays
    /// unseen.
    #[arg(long, help_heading = "DiagnosisDocument")]
    no_events: bool,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE", help_heading = "DiagnosisDocument")]
    config: Option<PathBuf>,

    /// Tell information in full as well.
    #[arg(long, short, help_heading = "Output")]
    all: bool,

    /// Exit with 1 when something of this severity or a worse one was found.
    #[arg(long, value_name = "SEVERITY", value_parser = choice::severity(), help_heading = "Output")]
    fail_on: Option<Severity>,

    /// Exit with 3 when something could not be read, was lost or was hidden.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    past: SpanArgs,
}

/// How long to watch when nothing is said.
const USUAL: Duration = Duration::from_secs(10);

impl DiagnoseCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let config = Config::load(self.config.as_deref())?;
        let asked = choice::asked(&self.rule, &self.without)?;
        match self.past.recording()? {
            None => run::run(&self, &config, asked),
            Some(recording) => replay::run(&self, &config, asked, recording),
        }
    }

    /// What is asked of a host with such a processor.
    fn question(&self, config: &Config, asked: Vec<bool>, machine: &str) -> Question {
        Question {
            limits: config.limits(),
            asked,
            target_rate: self.target_rate,
            width: CounterWidth::of_machine(machine),
            ephemeral: place::EPHEMERAL,
        }
    }
}
