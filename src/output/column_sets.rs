//! The columns that commands show unless others are asked for.

use std::io::{self, Write};

use super::{Column, OutputWriter, all_columns, find_column};
use crate::tracking::COUNTERS;

/// A column of a set: its name, the width that is set aside for it, and its rank. Where lines have
/// to fit, those of the highest rank are left out first, whatever the data; rank 0 always stays.
type Ranked = (&'static str, usize, u8);

/// The columns that a command shows.
#[derive(Debug, Clone, Copy)]
pub struct ColumnSets {
    /// Once.
    pub usual: &'static [Ranked],
    /// In repeated samples.
    pub repeated: &'static [Ranked],
    /// The names of more columns, however wide lines become.
    pub wide: &'static [&'static str],
}

/// What decides about the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnChoice {
    /// Whether the wide set is asked for.
    pub wide: bool,
    /// Whether there are several samples.
    pub repeats: bool,
    /// Whether sockets of several namespaces are shown.
    pub netns: bool,
    /// Whether owners are shown.
    pub owners: Owners,
    /// The width that lines have to fit in.
    pub width: Option<usize>,
}

/// Whether the holders of sockets are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owners {
    /// They are not looked up.
    #[default]
    No,
    /// Where there is room.
    Cheap,
    /// The user asks for them.
    Asked,
}

/// Columns, and the headers of those that do not fit.
#[derive(Debug, Clone, Default)]
pub struct ShownColumns {
    /// The columns.
    pub shown: Vec<Column>,
    /// What is left out.
    pub dropped: Vec<String>,
}

/// Rank of holders that the user asks for.
const ASKED: u8 = 2;

impl ColumnSets {
    /// The columns of connections: what state it is in, who holds it up.
    pub const CONNECTIONS: Self = Self {
        usual: &[
            ("state", 5, 0),
            ("role", 4, 0),
            ("local", 16, 0),
            ("remote", 16, 0),
            ("service", 10, 4),
            ("process", 14, 7),
            ("rtt", 6, 1),
            ("retrans_ratio", 6, 3),
            ("queues", 9, 6),
            ("limited", 9, 5),
            ("delivery_rate", 8, 8),
            ("snd_cwnd", 4, 9),
        ],
        repeated: &[
            ("change", 1, 0),
            ("state", 5, 0),
            ("role", 4, 0),
            ("local", 16, 0),
            ("remote", 16, 0),
            ("service", 10, 7),
            ("process", 14, 9),
            ("rtt", 6, 1),
            ("total_retrans_delta", 6, 3),
            ("bytes_sent_per_s", 8, 4),
            ("bytes_received_per_s", 8, 5),
            ("queues", 9, 8),
            ("limited", 9, 6),
            ("segs_out_per_s", 10, 11),
            ("segs_in_per_s", 9, 11),
            ("snd_cwnd", 4, 10),
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
            "queues",
            "limited",
            "delivery_rate",
            "pacing_rate",
            "snd_cwnd",
            "snd_ssthresh",
            "congestion",
            "snd_mss",
            "notsent_bytes",
            "unacked",
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
            ("local", 21, 0),
            ("queues", 9, 0),
            ("syn_recv_count", 8, 3),
            ("drops", 6, 1),
            ("process", 16, 2),
            ("service", 14, 4),
            ("unit", 16, 5),
        ],
        repeated: &[
            ("change", 1, 0),
            ("local", 21, 0),
            ("queues", 9, 0),
            ("syn_recv_count", 8, 4),
            ("drops", 6, 3),
            ("drops_delta", 6, 1),
            ("process", 16, 2),
            ("service", 14, 5),
        ],
        wide: &[
            "local",
            "queues",
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

    /// The columns to show: `netns` and `process` only where there are any.
    pub fn columns(&self, choice: ColumnChoice) -> ShownColumns {
        let set = if choice.repeats { self.repeated } else { self.usual };
        let mut ranked: Vec<Ranked> = Vec::new();
        if choice.netns {
            ranked.push(("netns", 12, 2));
        }
        if choice.repeats || !choice.wide {
            ranked.extend(set);
        }
        let mut dropped = Vec::new();
        if choice.wide {
            for name in self.wide {
                if ranked.iter().all(|(known, ..)| known != name) {
                    ranked.push((*name, 0, 0));
                }
            }
        }
        ranked.retain(|(name, ..)| choice.owners != Owners::No || *name != "process");
        if choice.owners == Owners::Asked {
            let process = ranked.iter_mut().filter(|(name, ..)| *name == "process");
            process.for_each(|(.., rank)| *rank = (*rank).min(ASKED));
        }
        let needed =
            |ranked: &[Ranked]| ranked.iter().map(|(_, width, _)| width + 1).sum::<usize>();
        while choice.width.is_some_and(|width| !choice.wide && needed(&ranked) > width + 1) {
            let least = ranked.iter().enumerate().filter(|(_, (.., rank))| *rank > 0);
            let Some((at, _)) = least.max_by_key(|(_, (.., rank))| *rank) else { break };
            dropped.push(ranked.remove(at).0);
        }
        let shown = ranked.iter().filter_map(|(name, ..)| find_column(name)).collect();
        // In the order in which they would stand.
        let order = |name: &&str| set.iter().position(|(known, ..)| known == name);
        dropped.sort_by_key(order);
        let header = |name: &str| find_column(name).map(|column| column.header.to_uppercase());
        ShownColumns { shown, dropped: dropped.into_iter().filter_map(header).collect() }
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
            for (name, width, _) in set.usual.iter().chain(set.repeated) {
                let column = find_column(name);
                assert!(column.is_some_and(|it| it.header.len() <= *width), "{name}");
            }
            for (name, ..) in set.usual {
                assert!(set.wide.contains(name), "-w shows {name} too");
            }
            assert!(set.wide.iter().all(|name| find_column(name).is_some()));
        }
        assert_eq!(record_columns(true).count(), all_columns().count() + COUNTERS.len());
    }

    fn headers(choice: ColumnChoice) -> (String, String) {
        let columns = ColumnSets::CONNECTIONS.columns(choice);
        let shown: Vec<String> =
            columns.shown.iter().map(|column| column.header.to_uppercase()).collect();
        (shown.join(" "), columns.dropped.join(" "))
    }

    #[test]
    fn columns_are_left_out_by_rank() {
        let at = |width| ColumnChoice { owners: Owners::Cheap, width, ..ColumnChoice::default() };
        let (all, none) = headers(at(Some(120)));
        let expected = "STATE ROLE LOCAL REMOTE SERVICE PROCESS RTT RETR% QUEUES LIMITED";
        assert_eq!((all.as_str(), none.as_str()), (&*format!("{expected} DELIVERY CWND"), ""));
        assert_eq!(headers(at(None)), headers(at(Some(120))));
        let (shown, dropped) = headers(at(Some(80)));
        assert_eq!(shown, "STATE ROLE LOCAL REMOTE SERVICE RTT RETR% LIMITED");
        assert_eq!(dropped, "PROCESS QUEUES DELIVERY CWND");
        assert_eq!(headers(at(Some(60))).0, "STATE ROLE LOCAL REMOTE RTT RETR%");
        assert_eq!(headers(at(Some(10))).0, "STATE ROLE LOCAL REMOTE");
        let (repeated, _) = headers(ColumnChoice { repeats: true, ..at(Some(80)) });
        assert_eq!(repeated, " STATE ROLE LOCAL REMOTE RTT RETR+ SEND/S RECV/S");
    }

    #[test]
    fn namespaces_and_owners_are_shown_where_there_are_any() {
        let of = |netns, owners, width| {
            headers(ColumnChoice { netns, owners, width, ..ColumnChoice::default() }).0
        };
        assert!(!of(false, Owners::No, None).contains("PROCESS"));
        assert!(of(false, Owners::Cheap, None).contains("PROCESS"));
        assert!(of(false, Owners::Asked, Some(80)).contains("PROCESS"));
        assert!(of(true, Owners::No, Some(80)).starts_with("NETNS"));
    }
}
