//! `tcpdiag conns`.

use clap::Args;

use super::exit::Exit;
use super::expression::FilterArgs;
use super::output::{ColumnSets, OutputArgs};
use super::past::PastArgs;
use super::repeat::RepeatArgs;
use super::run::{Run, Subject};
use super::sink::Schema;
use crate::model::StateSet;

/// Show TCP connections: end points, role, times, loss, queues, owners.
///
/// Without flags: established and closing connections of this network
/// namespace. Flags of different names must all hold; of a flag given several
/// times one must.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag conns --port 2181 --role server --processes
  tcpdiag conns 'rtt > 50ms and total_retrans > 0 and comm = java'
  tcpdiag conns state established dst 10.0.0.0/8 sport = :443
  tcpdiag conns --sort -total_retrans --limit 10
  tcpdiag conns --port 443 --interval 1s --count 5
  tcpdiag conns -o json | jq '.connections[] | select(.tcp_info.rtt_us > 50000)'
  tcpdiag conns --read incident.pcapng.zst --at 2026-11-21T04:45:00Z
  tcpdiag conns --netns all --columns netns,local,remote,rtt

The expression takes what ss takes (state, exclude, src, dst, sport, dport, dev,
fwmark, cgroup, and, or, not, parentheses), any figure of `--columns help` with
units (us ms s, kB MiB, kbit Mbit, %), and pid, comm, user, unit, container,
service, role, family, congestion, netns. A figure that a socket does not have
compares as false.")]
pub(super) struct Conns {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    past: PastArgs,
}

const SUBJECT: Subject = Subject {
    schema: Schema {
        document: "tcpdiag.conns/1",
        row: "tcpdiag.conns.row/1",
        end: "tcpdiag.conns.end/1",
        rows: "connections",
    },
    columns: ColumnSets {
        usual: &[
            "state",
            "role",
            "local",
            "remote",
            "rtt",
            "retr",
            "process",
            "service",
            "snd_cwnd",
            "queues",
            "delivery_rate",
            "limited",
        ],
        repeated: &[
            "change",
            "state",
            "role",
            "local",
            "remote",
            "rtt",
            "total_retrans+",
            "bytes_sent/s",
            "bytes_received/s",
            "limited",
            "snd_cwnd",
            "segs_out/s",
            "segs_in/s",
            "queues",
            "process",
            "service",
        ],
        wide: &[
            "state",
            "role",
            "local",
            "remote",
            "service",
            "process",
            "rtt",
            "rttvar",
            "min_rtt",
            "rto",
            "retr",
            "retrans_ratio",
            "lost",
            "snd_cwnd",
            "snd_ssthresh",
            "congestion",
            "snd_mss",
            "recv_q",
            "send_q",
            "notsent_bytes",
            "unacked",
            "limited",
            "delivery_rate",
            "pacing_rate",
            "bytes_acked",
            "bytes_received",
            "segs_out",
            "segs_in",
            "total_rto",
            "dsack_dups",
            "reord_seen",
            "rcv_ooopack",
            "drops",
            "snd_wnd",
            "rcv_wnd",
            "timer",
            "uid",
            "cgroup",
            "cookie",
        ],
    },
    default_states: StateSet::DEFAULT,
    only_states: StateSet::ALL,
    owners: false,
    count_requests: false,
};

impl Conns {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        Run {
            subject: SUBJECT,
            filter: self.filter,
            output: self.output,
            repeat: self.repeat,
            past: self.past,
        }
        .run()
    }
}
