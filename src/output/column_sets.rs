//! The columns that commands show unless others are asked for.

use std::io::{self, Write};

use super::{Column, OutputWriter, all_columns, find_column};
use crate::tracking::COUNTERS;

/// Names of columns that a command shows.
#[derive(Debug, Clone, Copy)]
pub struct ColumnSets {
    /// Once; the most important first.
    pub usual: &'static [&'static str],
    /// In repeated samples.
    pub repeated: &'static [&'static str],
    /// With more columns on one line per socket.
    pub wide: &'static [&'static str],
}

impl ColumnSets {
    /// The columns of connections.
    pub const CONNECTIONS: Self = Self {
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
            "total_retrans_delta",
            "bytes_sent_per_s",
            "bytes_received_per_s",
            "limited",
            "snd_cwnd",
            "segs_out_per_s",
            "segs_in_per_s",
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
    };

    /// The columns of listeners.
    pub const LISTENERS: Self = Self {
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
            "drops_delta",
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
    };

    /// The names of the columns to show: `netns` and `process` only where there are any.
    pub fn names(&self, wide: bool, repeats: bool, netns: bool, owners: bool) -> Vec<&'static str> {
        let repeated = if repeats { self.repeated } else { &[] };
        let set = match (wide, repeats) {
            (true, _) => self.wide,
            (false, true) => &[],
            (false, false) => self.usual,
        };
        let mut names = Vec::new();
        for name in netns.then_some(&"netns").into_iter().chain(repeated).chain(set) {
            if !names.contains(name) && (owners || *name != "process") {
                names.push(*name);
            }
        }
        names
    }
}

/// The columns of rows for programs: all, and the growth of counters in repeated samples.
pub fn record_columns(repeats: bool) -> impl Iterator<Item = Column> {
    let growth = COUNTERS.iter().filter(move |_| repeats);
    all_columns().chain(growth.filter_map(|field| find_column(&format!("{}_delta", field.key))))
}

/// Writes the names of all columns and what they show.
///
/// # Errors
/// Errors of the writer.
pub fn list_columns(out: &mut OutputWriter<impl Write>) -> io::Result<()> {
    for column in all_columns() {
        out.line(format_args!("{:<26} {}", column.name, column.meaning))?;
    }
    for (name, meaning) in [
        ("COUNTER_delta", "Growth of a counter in the interval, e.g. total_retrans_delta."),
        ("COUNTER_per_s", "Its growth per second, e.g. bytes_sent_per_s."),
        ("COUNTER+, COUNTER/s", "Other names of these, of the headers of tables."),
    ] {
        out.line(format_args!("{name:<26} {meaning}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_column() {
        for set in [ColumnSets::CONNECTIONS, ColumnSets::LISTENERS] {
            for name in set.usual.iter().chain(set.repeated).chain(set.wide) {
                assert!(find_column(name).is_some(), "{name}");
            }
        }
        assert_eq!(record_columns(true).count(), all_columns().count() + COUNTERS.len());
    }

    #[test]
    fn namespaces_and_owners_are_shown_where_there_are_any() {
        let names = |netns, owners| ColumnSets::CONNECTIONS.names(false, false, netns, owners);
        assert!(!names(false, false).contains(&"process"));
        assert!(names(false, true).contains(&"process"));
        assert_eq!(names(true, false).first(), Some(&"netns"));
    }
}
