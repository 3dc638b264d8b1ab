//! `tcpdiag listeners`.

use clap::Args;

use super::exit::Exit;
use super::expression::FilterArgs;
use super::output::{ColumnSets, OutputArgs};
use super::past::PastArgs;
use super::repeat::RepeatArgs;
use super::run::{Run, Subject};
use super::sink::Schema;
use crate::model::{State, StateSet};

/// Show listening sockets: accept queue against its limit, drops, owner.
///
/// QUEUED is how many connections wait for accept(), LIMIT the backlog: one more
/// than it fits, then the kernel drops. SYN-RECV are requests whose handshake
/// is not complete, DROPS what the listener had to drop over its life.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag listeners
  tcpdiag listeners --port 443
  tcpdiag listeners 'accept_queue > 0 or drops > 0'
  tcpdiag listeners --sort -drops --interval 1s")]
pub(super) struct ListenersCommand {
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
        document: "tcpdiag.listeners/1",
        row: "tcpdiag.listeners.row/1",
        end: "tcpdiag.listeners.end/1",
        rows: "listeners",
    },
    columns: ColumnSets {
        usual: &[
            "local",
            "accept_queue",
            "accept_queue_max",
            "syn_recv_count",
            "drops",
            "process",
            "service",
            "unit",
        ],
        repeated: &[
            "change",
            "local",
            "accept_queue",
            "accept_queue_max",
            "syn_recv_count",
            "drops",
            "drops+",
            "process",
            "service",
        ],
        wide: &[
            "local",
            "accept_queue",
            "accept_queue_max",
            "syn_recv_count",
            "drops",
            "process",
            "service",
            "unit",
            "container",
            "cgroup",
            "uid",
            "inode",
            "congestion",
            "rcvbuf",
            "sndbuf",
            "interface",
            "cookie",
        ],
    },
    default_states: StateSet::of(&[State::Listen]),
    only_states: StateSet::of(&[State::Listen]),
    owners: true,
    count_requests: true,
};

impl ListenersCommand {
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
