//! The columns of tables of groups.

use std::cmp::Ordering;

use crate::model::{Field, State, Unit};
use crate::output::Tone;
use crate::output::cells::per_second;
use crate::report::{Group, GroupKey};
use crate::text::{self, human};
use crate::tracking::COUNTERS;

/// What a column shows.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The value of a key, by its position.
    Key(usize),
    Count,
    Opened,
    Closed,
    InState(State),
    RecvQ,
    SendQ,
    AcceptQueue,
    /// The round-trip time that this share of the connections does not exceed.
    Rtt(f64),
    /// The share of retransmitted segments over the lives of the sockets or in the interval, and that
    /// of the worst connection.
    Ratio {
        of_interval: bool,
    },
    Worst {
        of_interval: bool,
    },
    /// A counter over the lives of the sockets, in the interval, and per second.
    Sum(&'static Field),
    Growth(&'static Field),
    Rate(&'static Field),
}

/// One column.
#[derive(Debug, Clone)]
pub struct GroupColumn {
    /// The name that `--columns` and `--sort` take: an identifier of SQL.
    pub name: String,
    /// The title in tables.
    pub header: String,
    /// The title in CSV: times have their unit.
    pub title: String,
    kind: Kind,
    /// The width that it usually needs.
    width: usize,
    /// Columns with a high rank are left out first where there is little room.
    rank: usize,
}

/// A number and its unit, or nothing.
type Number = Option<(f64, Unit)>;

/// The span of time that figures of a sample are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Whether there are several samples.
    pub(super) repeats: bool,
    /// Seconds since the previous one.
    pub(super) interval_s: Option<f64>,
}

/// A name that is no column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGroupColumn {
    /// The column that was perhaps meant.
    pub near: Option<String>,
    /// All columns.
    pub accepted: String,
}

/// Columns in the order of tables: name, title, usual width, rank.
const ONCE: [(&str, &str, usize, usize); 13] = [
    ("count", "COUNT", 6, 0),
    ("established", "ESTAB", 6, 9),
    ("bytes_received", "RECEIVED", 8, 1),
    ("bytes_sent", "SENT", 8, 2),
    ("rtt_p50", "RTT50", 6, 3),
    ("rtt_p90", "RTT90", 6, 8),
    ("rtt_p99", "RTT99", 6, 4),
    ("total_retrans", "RETRANS", 7, 5),
    ("retrans_ratio", "RETR%", 6, 6),
    ("retrans_ratio_worst", "WORST", 6, 7),
    ("recv_q", "RECV-Q", 6, 10),
    ("send_q", "SEND-Q", 6, 11),
    ("drops", "DROPS", 5, 12),
];

/// The same for repeated samples.
const REPEATED: [(&str, &str, usize, usize); 13] = [
    ("count", "COUNT", 6, 0),
    ("opened", "OPENED", 6, 9),
    ("closed", "CLOSED", 6, 10),
    ("bytes_received_per_s", "RECV/S", 8, 1),
    ("bytes_sent_per_s", "SEND/S", 8, 2),
    ("rtt_p50", "RTT50", 6, 3),
    ("rtt_p90", "RTT90", 6, 8),
    ("rtt_p99", "RTT99", 6, 4),
    ("total_retrans_delta", "RETRANS+", 8, 5),
    ("interval_retrans_ratio", "RETR%", 6, 6),
    ("interval_retrans_ratio_worst", "WORST", 6, 7),
    ("recv_q", "RECV-Q", 6, 11),
    ("send_q", "SEND-Q", 6, 12),
];

/// The usual widths of the first key and of further ones.
const KEY_WIDTHS: [usize; 2] = [17, 12];

/// Spaces between columns.
const GAP: usize = 2;

/// The columns to show, and the titles of those that do not fit.
#[derive(Debug, Clone)]
pub struct GroupColumns {
    /// Keys first.
    pub shown: Vec<GroupColumn>,
    /// Left out.
    pub dropped: Vec<String>,
}

impl GroupColumns {
    /// The usual columns, as far as they fit in this width; which ones does not depend on the data.
    pub fn usual(keys: &[GroupKey], repeats: bool, width: Option<usize>) -> Self {
        let set = if repeats { REPEATED } else { ONCE };
        let of_set = set.iter().filter_map(|(name, header, width, rank)| {
            let header = (*header).to_owned();
            let found = find_figure(name, repeats)?;
            Some(GroupColumn { header, width: *width, rank: *rank, ..found })
        });
        let mut shown: Vec<GroupColumn> = keys_of(keys).chain(of_set).collect();
        let mut dropped = Vec::new();
        let needed = |columns: &[GroupColumn]| {
            columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
        };
        while width.is_some_and(|width| needed(&shown) > width) {
            let last = shown.iter().enumerate().skip(keys.len()).max_by_key(|(_, it)| it.rank);
            let Some((at, _)) = last.filter(|(_, column)| column.rank > 0) else { break };
            dropped.push(shown.remove(at).header);
        }
        dropped.sort_by_key(|title| set.iter().position(|(_, header, ..)| header == title));
        Self { shown, dropped }
    }

    /// The keys, and the columns of these names.
    ///
    /// # Errors
    /// When a name is no column.
    pub fn named(
        keys: &[GroupKey],
        repeats: bool,
        names: &[String],
    ) -> Result<Self, (String, UnknownGroupColumn)> {
        let mut shown: Vec<GroupColumn> = keys_of(keys).collect();
        for name in names {
            let found = group_column(keys, repeats, name.trim());
            let found = found.map_err(|error| (name.trim().to_owned(), error))?;
            if !matches!(found.kind, Kind::Key(_)) {
                shown.push(found);
            }
        }
        Ok(Self { shown, dropped: Vec::new() })
    }

    /// All columns, for programs.
    pub fn all(keys: &[GroupKey], repeats: bool) -> Self {
        let figures = figure_names(repeats);
        let figures = figures.iter().filter_map(|name| find_figure(name, repeats));
        Self { shown: keys_of(keys).chain(figures).collect(), dropped: Vec::new() }
    }
}

fn keys_of(keys: &[GroupKey]) -> impl Iterator<Item = GroupColumn> {
    keys.iter().enumerate().map(|(at, key)| GroupColumn {
        name: key.name().to_owned(),
        header: key.header(),
        title: key.name().to_owned(),
        kind: Kind::Key(at),
        width: KEY_WIDTHS.get(at.min(1)).copied().unwrap_or(0),
        rank: 0,
    })
}

/// The names of all columns but the keys.
fn figure_names(repeats: bool) -> Vec<String> {
    let own = ["count", "recv_q", "send_q", "accept_queue", "rtt_p50", "rtt_p90", "rtt_p99"];
    let own = own.into_iter().chain(["retrans_ratio", "retrans_ratio_worst"]);
    let repeated = ["opened", "closed", "interval_retrans_ratio", "interval_retrans_ratio_worst"];
    let repeated = repeated.into_iter().filter(|_| repeats);
    let states = State::ALL.iter().map(|state| state.name());
    let mut names: Vec<String> = own.chain(repeated).chain(states).map(str::to_owned).collect();
    for counter in COUNTERS {
        names.push(counter.key.to_owned());
        if repeats {
            names.push(format!("{}_delta", counter.key));
            names.push(format!("{}_per_s", counter.key));
        }
    }
    names
}

/// The column of this name or title, in any case.
///
/// # Errors
/// When there is none.
pub fn group_column(
    keys: &[GroupKey],
    repeats: bool,
    name: &str,
) -> Result<GroupColumn, UnknownGroupColumn> {
    let plain = name.to_ascii_lowercase().replace('-', "_");
    if let Some(key) = keys_of(keys).find(|column| column.name == plain) {
        return Ok(key);
    }
    let set = if repeats { REPEATED } else { ONCE };
    let titled = set.iter().find(|(_, header, ..)| header.eq_ignore_ascii_case(name));
    let titled = titled.and_then(|(name, ..)| find_figure(name, repeats));
    titled.or_else(|| find_figure(&plain, repeats)).ok_or_else(|| {
        let all = || keys_of(keys).map(|key| key.name).chain(figure_names(repeats));
        UnknownGroupColumn {
            near: text::nearest(&plain, all()),
            accepted: all().collect::<Vec<_>>().join(", "),
        }
    })
}

/// The figure of this name.
fn find_figure(name: &str, repeats: bool) -> Option<GroupColumn> {
    let column = |kind: Kind| GroupColumn {
        name: name.to_owned(),
        header: name.to_uppercase().replace('_', "-"),
        title: name.to_owned(),
        kind,
        width: 8,
        rank: 0,
    };
    let counter =
        |base: &str| COUNTERS.iter().copied().find(|field| field.name == base || field.key == base);
    let ending = |ends: [&str; 2]| ends.iter().find_map(|end| counter(name.strip_suffix(end)?));
    let of_interval = if repeats {
        let growth = ending(["_delta", "+"]).map(|field| (Kind::Growth(field), field, "_delta"));
        growth
            .or_else(|| ending(["_per_s", "/s"]).map(|field| (Kind::Rate(field), field, "_per_s")))
    } else {
        None
    };
    if let Some((kind, field, end)) = of_interval {
        let name = format!("{}{end}", field.key);
        return Some(GroupColumn { title: name.clone(), name, ..column(kind) });
    }
    if let Some(field) = counter(name) {
        return Some(GroupColumn { title: field.key.to_owned(), ..column(Kind::Sum(field)) });
    }
    let rtt = |share: f64| {
        let title = name.replace("rtt_", "rtt_us_");
        Some(GroupColumn { title, ..column(Kind::Rtt(share)) })
    };
    Some(column(match name {
        "count" => Kind::Count,
        "opened" if repeats => Kind::Opened,
        "closed" if repeats => Kind::Closed,
        "recv_q" => Kind::RecvQ,
        "send_q" => Kind::SendQ,
        "accept_queue" => Kind::AcceptQueue,
        "rtt_p50" => return rtt(0.5),
        "rtt_p90" => return rtt(0.9),
        "rtt_p99" => return rtt(0.99),
        "retrans_ratio" => Kind::Ratio { of_interval: false },
        "retrans_ratio_worst" => Kind::Worst { of_interval: false },
        "interval_retrans_ratio" if repeats => Kind::Ratio { of_interval: true },
        "interval_retrans_ratio_worst" if repeats => Kind::Worst { of_interval: true },
        name => Kind::InState(State::ALL.into_iter().find(|state| state.name() == name)?),
    }))
}

impl GroupColumn {
    /// Whether it shows a key.
    pub(super) fn key(&self) -> Option<usize> {
        if let Kind::Key(at) = self.kind { Some(at) } else { None }
    }

    /// The number it shows.
    pub(super) fn number(&self, group: &Group, span: Span) -> Number {
        let figures = &group.figures;
        let counted = |count: u64, unit: Unit| Some((count as f64, unit));
        match self.kind {
            Kind::Key(_) => None,
            Kind::Count => counted(figures.count, Unit::Connections),
            Kind::Opened | Kind::Closed if span.interval_s.is_none() => None,
            Kind::Opened => counted(figures.opened, Unit::Connections),
            Kind::Closed => counted(figures.closed, Unit::Connections),
            Kind::InState(state) => counted(figures.in_state(state), Unit::Connections),
            Kind::RecvQ => counted(figures.recv_q?, Unit::Bytes),
            Kind::SendQ => counted(figures.send_q?, Unit::Bytes),
            Kind::AcceptQueue => counted(figures.accept_queue?, Unit::Connections),
            Kind::Rtt(share) => counted(figures.rtt(share)?, Unit::Microseconds),
            Kind::Ratio { of_interval } => Some((figures.retrans_ratio(of_interval)?, Unit::Ratio)),
            Kind::Worst { of_interval } => Some((figures.worst_ratio(of_interval)?, Unit::Ratio)),
            Kind::Sum(field) => counted(figures.sum(field)?, field.unit),
            Kind::Growth(field) => counted(figures.growth(field)?, field.unit),
            Kind::Rate(field) => {
                Some((figures.growth(field)? as f64 / span.interval_s?, field.unit))
            }
        }
    }

    /// The cell for people.
    pub(super) fn cell(&self, group: &Group, span: Span) -> (String, Tone) {
        if let Some(key) = self.key().and_then(|at| group.key.get(at)) {
            let text = key.shown();
            return if text.is_empty() {
                ("-".to_owned(), Tone::Quiet)
            } else {
                (text, Tone::Plain)
            };
        }
        let Some((value, unit)) = self.number(group, span) else {
            return ("-".to_owned(), Tone::Quiet);
        };
        let mut text = String::new();
        match unit {
            _ if matches!(self.kind, Kind::Rate(_)) => per_second(value, unit, &mut text),
            Unit::Microseconds => human::microseconds(value as u64, &mut text),
            Unit::Milliseconds => human::microseconds((value * 1e3) as u64, &mut text),
            Unit::Bytes => human::bytes(value as u64, &mut text),
            Unit::BytesPerSecond => human::bit_rate(value, &mut text),
            Unit::Ratio => human::share(value, &mut text),
            Unit::Segments | Unit::Connections | Unit::Events | Unit::None => {
                text = human::grouped(value.round() as u64);
            }
        }
        (text, if value == 0.0 { Tone::Quiet } else { Tone::Plain })
    }

    /// The order of two groups. Those without a value come last in both directions.
    pub(super) fn compare(
        &self,
        one: &Group,
        other: &Group,
        span: Span,
        descending: bool,
    ) -> Ordering {
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        if let Some(at) = self.key() {
            let (one, other) = (one.key.get(at), other.key.get(at));
            return turned(
                one.zip(other).map_or(Ordering::Equal, |(one, other)| one.compare(other)),
            );
        }
        match (self.number(one, span), self.number(other, span)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some((one, _)), Some((other, _))) => turned(one.total_cmp(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(
        width: Option<usize>,
        keys: &[GroupKey],
        repeats: bool,
    ) -> (Vec<String>, Vec<String>) {
        let columns = GroupColumns::usual(keys, repeats, width);
        (columns.shown.into_iter().map(|column| column.header).collect(), columns.dropped)
    }

    #[test]
    fn the_least_important_columns_are_left_out_first() {
        let by_remote = [GroupKey::Remote];
        let (shown, dropped) = titles(Some(80), &by_remote, false);
        assert_eq!(shown[..4], ["REMOTE", "COUNT", "RECEIVED", "SENT"]);
        assert!(shown.contains(&"RETR%".to_owned()), "{shown:?}");
        // In the order in which they would stand.
        assert_eq!(
            dropped,
            titles(None, &by_remote, false)
                .0
                .into_iter()
                .filter(|title| !shown.contains(title))
                .collect::<Vec<_>>()
        );
        assert!(dropped.contains(&"WORST".to_owned()), "{dropped:?}");
        let (shown, dropped) = titles(None, &by_remote, true);
        assert_eq!((shown.len(), dropped.len()), (14, 0));
        let (shown, _) = titles(Some(20), &by_remote, false);
        assert_eq!(shown, ["REMOTE", "COUNT"], "the count always stays");
    }

    #[test]
    fn every_title_and_name_is_found() {
        let keys = [GroupKey::RemotePort];
        for repeats in [false, true] {
            for column in GroupColumns::usual(&keys, repeats, None).shown {
                for name in [&column.header, &column.name, &column.header.to_lowercase()] {
                    let found = group_column(&keys, repeats, name);
                    assert_eq!(found.map(|found| found.name), Ok(column.name.clone()), "{name}");
                }
            }
            for column in GroupColumns::all(&keys, repeats).shown {
                assert!(group_column(&keys, repeats, &column.name).is_ok(), "{}", column.name);
            }
        }
        assert!(group_column(&keys, false, "total_retrans_delta").is_err());
        let unknown = group_column(&keys, false, "cuont").unwrap_err();
        assert_eq!(unknown.near.as_deref(), Some("count"));
    }
}
