//! `tcpdiag conns`.

use clap::Args;

use super::exit::Exit;
use super::grouped;
use super::kill::{self, KillArgs};
use super::lines::{self, LinesArgs};
use super::peer_names::NamesArgs;
use super::run::{SocketArgs, Subject};
use crate::config::Config;
use crate::model::StateSet;
use crate::output::{ColumnSets, RowSchema};
use crate::report::GroupKey;

/// Show TCP connections: end points, role, times, loss, queues, owners.
///
/// Without flags: established and closing connections of this network namespace. Flags of different
/// names combine with AND, repeats of a flag with OR.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag conns --port 2181 --role server --processes
  tcpdiag conns 'rtt > 50ms and total_retrans > 0 and comm = java'
  tcpdiag conns state established dst 10.0.0.0/8 sport = :443
  tcpdiag conns --sort -total_retrans --limit 10
  tcpdiag conns --port 443 --interval 1s --count 5
  tcpdiag conns --by remote --limit 10             connections per remote host
  tcpdiag conns --by service,state                 who has CLOSE-WAIT
  tcpdiag conns --by process --interval 1s --sort -bytes_sent_per_s
  tcpdiag conns --port 443 -i 1s --lines
  tcpdiag conns -o json | jq '.connections[] | select(.tcp_info.rtt_us > 50000)'
  tcpdiag conns --read incident.pcapng.zst --at 2026-11-21T04:45:00Z
  tcpdiag conns --netns all --columns netns,local,remote,rtt
  tcpdiag conns 'dst 10.0.0.7 and dport = :5432' --kill

The expression takes what ss takes (state, exclude, src, dst, sport, dport, dev,
fwmark, cgroup, and, or, not, parentheses), any figure of `--columns help` with
units (us ms s, kB MiB, kbit Mbit, %), and pid, comm, user, unit, container,
service, role, family, congestion, netns. A figure that a socket does not have
compares as false.")]
pub(super) struct Conns {
    /// Count and add up the sockets by these: state, service, remote, remote-port, process, unit,
    /// container, cgroup, local, local-port, role, user, netns, pid, family, congestion, interface,
    /// or a field that is no counter, such as snd_mss. --sort, --limit and --columns then are about
    /// groups, of which those with the most sockets come first, and --interval shows rates.
    #[arg(long, value_name = "KEY,KEY", value_delimiter = ',', value_parser = GroupKey::parse, conflicts_with_all = ["detail", "lines", "names"])]
    by: Vec<GroupKey>,

    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    names: NamesArgs,
    #[command(flatten)]
    lines: LinesArgs,
    #[command(flatten)]
    kill: KillArgs,
}

const SUBJECT: Subject = Subject {
    schema: RowSchema {
        document: "tcpdiag.conns/1",
        row: "tcpdiag.conns.row/1",
        end: "tcpdiag.conns.end/1",
        rows: "connections",
    },
    columns: ColumnSets::CONNECTIONS,
    default_states: StateSet::DEFAULT,
    only_states: StateSet::ALL,
    owners: false,
    count_requests: false,
};

impl Conns {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.kill.is_asked() {
            return kill::run(&self.sockets, self.kill, SUBJECT);
        }
        if self.lines.is_asked() {
            return lines::run(&self.sockets, SUBJECT);
        }
        if self.by.is_empty() {
            // Files that may not be read are reported where the services are read.
            let names = self.names.load(|| Config::load(None).map(|config| config.hosts))?;
            self.sockets.run(SUBJECT, names)
        } else {
            grouped::run(self.sockets, self.by)
        }
    }
}
