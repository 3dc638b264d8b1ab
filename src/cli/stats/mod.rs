//! `tcpdiag stats`.

mod run;

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::recording_args::SpanArgs;
use super::repeat::RepeatArgs;
use super::table_args::TableArgs;
use crate::monitor::wants_all;

/// Show the system's TCP counters: what grew, how fast, and whether that is healthy.
///
/// Shows the ratios that need attention first, with their numbers, thresholds and advice, then the
/// counters by category. Without --interval: totals since boot, and changes since your last run.
/// With --interval, deltas and verdicts are of the interval.
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
explains a ratio or a counter.")]
pub(super) struct StatsCommand {
    /// Categories, counters or patterns to show; default: everything.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Show zeros as well, and the counters of other protocols.
    #[arg(long, short)]
    all: bool,

    /// Read another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Do not compare with the last run, and do not store this one.
    #[arg(long, help_heading = "Past readings")]
    no_history: bool,

    /// Discard the last run and start again.
    #[arg(long, conflicts_with_all = ["no_history", "interval", "against", "read"], help_heading = "Past readings")]
    reset: bool,

    /// Save this reading as a baseline; replaces an existing baseline.
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
    table: TableArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    span: SpanArgs,
}

impl StatsCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        for (flag, file) in [("--against", &self.against), ("--save", &self.save)] {
            if file.is_some() && (self.netns.len() > 1 || wants_all(&self.netns)) {
                anyhow::bail!("{flag} needs one network namespace; select one with --netns");
            }
        }
        run::run(&self)
    }
}
