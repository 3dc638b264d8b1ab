//! `tcpdiag stats`.

mod against;
mod categories;
mod history;
mod replay;
mod run;
pub(super) mod selection;
mod tell;
mod watch;

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::look::LookArgs;
use super::past::SpanArgs;
use super::repeat::RepeatArgs;

/// Show the system's TCP counters: what grew, how fast, and whether that is healthy.
///
/// First the ratios that need attention, with their numbers, thresholds and what to do, then
/// the counters by category. Without --interval: totals since boot, and what changed since your
/// last run. Deltas and verdicts are of the interval where there is one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag stats                                 totals, and growth since the last run
  tcpdiag stats --interval 5s --count 12        growth and rates every 5 seconds
  tcpdiag stats retransmission rto              only these categories
  tcpdiag stats RetransSegs 'Tcp*Drop' Ip6InOctets
  tcpdiag stats --all                           zeros and other protocols too
  tcpdiag stats --read night.pcapng.zst         what grew in a recording
  tcpdiag stats --save before.json; ...; tcpdiag stats --against before.json
  tcpdiag stats -o json | jq '.ratios[] | select(.verdict == \"critical\")'

A name is a category, a counter in any spelling (RetransSegs, TcpRetransSegs,
Tcp:RetransSegs) or a pattern of * and ?. JSON and CSV always hold every counter
that the kernel exports, also without --all. What the last run saw is kept under
$XDG_STATE_HOME/tcpdiag (~/.local/state/tcpdiag). Thresholds can be set in
~/.config/tcpdiag/config.toml or /etc/tcpdiag/config.toml:

  [thresholds]
  retransmission = { warn = 0.02, critical = 0.1 }

`tcpdiag explain --category ratios` lists the ratios, `tcpdiag explain NAME`
tells what any of them, or a counter, means.")]
pub(super) struct StatsCommand {
    /// Categories, counters or patterns to show; everything without.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Show zeros as well, and the counters of other protocols.
    #[arg(long, short)]
    all: bool,

    /// Look into another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Neither compare with the last run nor remember this one.
    #[arg(long, help_heading = "Past readings")]
    no_history: bool,

    /// Forget the last run and begin anew.
    #[arg(long, conflicts_with_all = ["no_history", "interval", "against", "read"], help_heading = "Past readings")]
    reset: bool,

    /// Save this reading as a baseline; another baseline in its place is replaced.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["interval", "against"], help_heading = "Past readings")]
    save: Option<PathBuf>,

    /// Compare with a baseline, of this host or another one, by time and by segments.
    #[arg(long, value_name = "FILE", conflicts_with = "interval", help_heading = "Past readings")]
    against: Option<PathBuf>,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Exit with 3 when something could not be read.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    span: SpanArgs,
}

impl StatsCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.against.is_some() { against::run(&self) } else { run::run(&self) }
    }

    /// The one namespace that a file of past readings can be of.
    fn one_namespace(&self, flag: &str) -> anyhow::Result<()> {
        if self.netns.len() > 1 || super::scene::is_all(&self.netns) {
            anyhow::bail!("{flag} is of one network namespace; name one with --netns");
        }
        Ok(())
    }
}
