//! `tcpdiag services`.

mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::exit::Exit;
use super::expression::WhichArgs;
use super::recording_args::SpanArgs;
use super::repeat::interval;
use super::size::size;
use super::table_args::TableArgs;
use crate::identity::Grouping;
use crate::monitor::parse_share;
use crate::report::ServiceOrder;

/// Show whose retransmits these are: the growth of the host's TCP counters by service.
///
/// Watches for an interval, then shows what each service did, and divides what every counter
/// grew by among them: exactly where sockets keep the same count, within bounds or as an estimate
/// where they do not. What belongs to no socket is shown as unattributed, with the reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag services                              the next 5 seconds, by service
  tcpdiag services -i 10s                       every 10 seconds, until interrupted
  tcpdiag services -i 1s --duration 1m --top 5
  tcpdiag services --counter TCPLossProbes      who causes these?
  tcpdiag services nginx -i 1s --lines          one line per second of this service
  tcpdiag services --by process                 also: port, unit, container, remote, cgroup
  tcpdiag services --sort out                   top talkers
  tcpdiag services dst 10.0.0.0/8               only connections to these hosts
  tcpdiag services --netns all -o json | jq '.attribution'

Server sockets are grouped by their listener, client sockets by the service they use
(`→ mysql:3306`). A service is called after the first that is known: a rule of the
configuration file, container, systemd unit, process, name of the port, port.

  # ~/.config/tcpdiag/config.toml or /etc/tcpdiag/config.toml
  [[service]]
  name = \"shop\"
  port = [8000, 8001]        # and any of: address, process, unit, container,
  role = \"server\"            # cgroup, role; `*` and `?` are wildcards

A filter selects connections by what they are: end points, role, service, process,
unit, container, cgroup, user, interface. All others together are the service
`(not selected)`, so that the parts of a counter still add up.

Classes: `exact` counts are sums over sockets; `bounded` ones lie between sums;
`estimated` ones are divided by what makes them likely, within [low-high].")]
pub(super) struct ServicesCommand {
    /// Group sockets by this.
    #[arg(long, value_name = "GROUP", default_value_t = Grouping::Service, value_parser = grouping())]
    by: Grouping,

    /// Show these counters only, with every service's part; any spelling, patterns of * and ?,
    /// or a category.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    counter: Vec<String>,

    /// Sort services by this, the largest first: bytes in or out, connections opened, segments
    /// dropped by listeners, retransmits, median round-trip time. Without, by retransmits, then
    /// segments, then connections.
    #[arg(long, value_name = "KEY", value_parser = order())]
    sort: Option<ServiceOrder>,

    /// Show this many services in tables, in all and for each counter.
    #[arg(long, short = 'n', value_name = "N", value_parser = super::output::at_least_one)]
    top: Option<u64>,

    /// Show every counter that grew, not only those that indicate trouble.
    #[arg(long, short, conflicts_with = "counter")]
    all: bool,

    /// Read another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Show what happened in each interval of this length; 5s without.
    #[arg(long, short = 'i', value_name = "TIME", value_parser = interval, help_heading = "Repeating")]
    interval: Option<Duration>,

    /// End after this many intervals; 1 without --interval and --duration.
    #[arg(long, value_name = "N", value_parser = super::output::at_least_one, help_heading = "Repeating")]
    count: Option<u64>,

    /// End after this time, without that in which the host is suspended; without --interval that
    /// is one interval.
    #[arg(long, value_name = "TIME", value_parser = interval, conflicts_with = "count", help_heading = "Repeating")]
    duration: Option<Duration>,

    /// Show one line per interval, as vmstat does, of the service whose name stands before an
    /// expression; `*` and `?` are wildcards. RTT is the median of round trips.
    #[arg(long, conflicts_with_all = ["counter", "top", "all"], help_heading = "Repeating")]
    lines: bool,

    /// How often to read the counters, to poll sockets as soon as one that indicates trouble moves;
    /// `off` polls at the end of intervals only.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = every, help_heading = "Cost")]
    watch: Every,

    /// Processor time that this program may use with early polls, and with reading the counters for
    /// them, as a share of one processor.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_share, help_heading = "Cost")]
    cpu_budget: f64,

    /// Do not receive the kernel's destroy events: connections shorter than an interval are then
    /// not seen, nor is the last part of all others.
    #[arg(long, help_heading = "Cost")]
    no_events: bool,

    /// Receive buffer for destroy events; without CAP_NET_ADMIN no more than net.core.rmem_max is
    /// granted.
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = |text: &str| size(text, 1 << 30), conflicts_with = "no_events", help_heading = "Cost")]
    event_buffer: u64,

    /// Also write all that is read to a recording, for --read here and in other commands.
    #[arg(long, value_name = "FILE", conflicts_with = "read", help_heading = "Recordings")]
    record: Option<PathBuf>,

    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    span: SpanArgs,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Exit with 3 when something could not be read, was lost or was hidden.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    table: TableArgs,
}

/// The default length of an interval.
const USUAL: Duration = Duration::from_secs(5);

impl ServicesCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        run::run(&self)
    }

    /// The length of an interval; with --duration alone, the whole run.
    fn interval(&self) -> Duration {
        match (self.interval, self.duration) {
            (Some(interval), Some(duration)) => interval.min(duration),
            (one, other) => one.or(other).unwrap_or(USUAL),
        }
    }

    /// Whether the arguments limit the run.
    fn is_bounded(&self) -> bool {
        self.count.is_some() || self.duration.is_some()
    }

    /// How many intervals there are; `None` until interrupted.
    fn count(&self) -> Option<u64> {
        let of_duration = |duration: Duration| {
            let intervals = duration.as_secs_f64() / self.interval().as_secs_f64();
            // The last one may be shorter.
            (intervals - 1e-6).ceil().max(1.0) as u64
        };
        let once = self.interval.is_none() && self.duration.is_none();
        self.count.or_else(|| self.duration.map(of_duration)).or(once.then_some(1))
    }
}

fn grouping() -> impl clap::builder::TypedValueParser<Value = Grouping> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(Grouping::ALL.map(Grouping::name))
        .try_map(|name| name.parse::<Grouping>().map_err(|error| error.to_string()))
}

fn order() -> impl clap::builder::TypedValueParser<Value = ServiceOrder> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(ServiceOrder::ALL.map(ServiceOrder::name)).map(|name| {
        ServiceOrder::ALL.into_iter().find(|it| it.name() == name).unwrap_or(ServiceOrder::Retrans)
    })
}

/// How often something is done, if at all.
#[derive(Debug, Clone, Copy)]
struct Every(Option<Duration>);

fn every(text: &str) -> Result<Every, String> {
    match text {
        "off" | "0" => Ok(Every(None)),
        text => interval(text)
            .map(|every| Every(Some(every)))
            .map_err(|error| format!("{error}, or `off`")),
    }
}
