//! `tcpdiag listeners`.

use clap::Args;

use super::exit::Exit;
use super::run::{SocketArgs, Subject};
use crate::model::{State, StateSet};
use crate::output::{ColumnSets, RowSchema};

/// Show listening sockets: accept queue against its limit, drops, owner.
///
/// QUEUES is how many connections wait for accept() and the backlog: the queue holds one more,
/// then the kernel drops. SYN-RECV counts requests whose handshake is not complete. DROPS counts all
/// segments that the listener discarded over its life: those that found a queue full, and those that
/// a filter, TCP-MD5 or a check refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag listeners
  tcpdiag listeners --port 443
  tcpdiag listeners 'accept_queue > 0 or drops > 0'
  tcpdiag listeners --sort -drops --interval 1s")]
pub(super) struct ListenersCommand {
    #[command(flatten)]
    sockets: SocketArgs,
}

const SUBJECT: Subject = Subject {
    schema: RowSchema {
        document: "tcpdiag.listeners/1",
        row: "tcpdiag.listeners.row/1",
        end: "tcpdiag.listeners.end/1",
        rows: "listeners",
    },
    columns: ColumnSets::LISTENERS,
    default_states: StateSet::of(&[State::Listen]),
    only_states: StateSet::of(&[State::Listen]),
    owners: true,
    count_requests: true,
};

impl ListenersCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        self.sockets.run(SUBJECT, None)
    }
}
