//! The document of `stats`: counters, their growth, ratios and verdicts.

use serde::Serialize;

use super::{Cost, Document, Quality};
use crate::counters::{Counters, Judgement, Kind, NoData, Ratio, Retransmits, Threshold, Verdict};

/// Schema of the whole document.
pub const STATS: &str = "tcpdiag.stats/1";

/// The reason of a ratio without a verdict: a counter could not be read.
const UNREAD: &str = "unread";

/// The period of deltas and verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Since the namespace was created, at most since boot.
    Total,
    /// Since this user's last run.
    LastRun,
    /// Since the previous sample.
    Interval,
    /// Since the first sample.
    WholeRun,
}

/// The period of deltas.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Since {
    /// Its kind.
    pub basis: Basis,
    /// Its start, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<String>,
    /// Its length.
    pub seconds: f64,
}

/// An anomaly of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A 32-bit counter wrapped to 0; its growth is correct.
    Wrapped,
    /// The counter went backwards: it was reset, or belongs to another namespace. Its growth is
    /// unknown.
    Backwards,
}

impl Note {
    /// The name in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrapped => "wrapped",
            Self::Backwards => "backwards",
        }
    }
}

/// One counter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CounterRow {
    /// nstat's name.
    pub name: String,
    /// Id of its category.
    pub category: String,
    /// Counter or gauge.
    pub kind: Kind,
    /// `host` for counters that are not per namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// Current value.
    pub value: i64,
    /// Change; null without a previous value, or if it went backwards.
    pub delta: Option<i64>,
    /// Change per second, for counters.
    pub rate: Option<f64>,
    /// An anomaly of the delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Its meaning, for tables; programs use `explain`.
    #[serde(skip)]
    pub meaning: Option<&'static str>,
}

/// The value of a ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Its period.
    pub basis: Basis,
    /// Numerator divided by denominator.
    pub value: Option<f64>,
    /// Events of the numerator.
    pub numerator: Option<u64>,
    /// Events of the denominator.
    pub denominator: Option<u64>,
    /// `ok`, `warn`, `critical` or `no_data`.
    pub verdict: Verdict,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl Outcome {
    /// From a judgement.
    pub fn new(basis: Basis, judgement: Judgement) -> Self {
        Self {
            basis,
            value: judgement.value,
            numerator: judgement.numerator,
            denominator: judgement.denominator,
            verdict: judgement.verdict,
            reason: judgement.no_data.map(|reason| match reason {
                NoData::NotCounted => "not_counted",
                NoData::WentBack => "backwards",
                NoData::Wrapped => "wrapped",
                NoData::Unread => UNREAD,
                NoData::TooLittle => "too_little",
            }),
        }
    }
}

/// One ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioRow {
    /// Stable name.
    pub id: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// Its value.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its value since the last run, if the main one is the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_last_run: Option<Outcome>,
    /// Its thresholds.
    pub threshold: Threshold,
    /// The smallest denominator for a verdict.
    pub least: u64,
    /// Counters of the numerator.
    pub numerator_counters: &'static [String],
    /// Counters of the denominator.
    pub denominator_counters: &'static [String],
    /// Its meaning.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// A command that shows more; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'static str>,
}

impl RatioRow {
    /// A row of this ratio.
    pub fn new(ratio: &'static Ratio, threshold: Threshold, outcome: Outcome) -> Self {
        Self {
            id: &ratio.id,
            title: &ratio.title,
            outcome,
            since_last_run: None,
            threshold,
            least: ratio.least,
            numerator_counters: &ratio.numerator,
            denominator_counters: &ratio.denominator,
            meaning: &ratio.meaning,
            advice: &ratio.advice,
            command: ratio.command.as_deref(),
        }
    }

    /// Whether there is no verdict because a counter could not be read.
    pub fn is_unread(&self) -> bool {
        self.outcome.reason == Some(UNREAD)
    }

    /// The worse one of its verdicts.
    pub fn worst(&self) -> &Outcome {
        match &self.since_last_run {
            Some(recent) if recent.verdict > self.outcome.verdict => recent,
            _ => &self.outcome,
        }
    }
}

/// What limits the reliability of the counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CounterQuality {
    /// The fields that every document has.
    #[serde(flatten)]
    pub common: Quality,
    /// Groups of counters that the kernel should have but does not show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups_missing: Vec<&'static str>,
    /// Counters left out because their value could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Counters that went backwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backwards: Vec<String>,
    /// Why there is no comparison with the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
}

impl CounterQuality {
    /// Problems of a reading: missing files and groups, invalid values.
    pub fn of(counters: &Counters) -> Self {
        let has = |group: &str, but: &str| {
            counters
                .layout()
                .names()
                .any(|name| name.starts_with(group) && (but.is_empty() || !name.starts_with(but)))
        };
        let mut quality = Self::default();
        quality.common.decode_errors = counters.malformed() as u64;
        quality.common.add_counters(counters);
        quality.unreadable = counters.unreadable().map(str::to_owned).collect();
        let groups = [("Tcp", "TcpExt"), ("TcpExt", ""), ("IpExt", "")];
        quality.groups_missing = groups
            .iter()
            .filter(|(group, but)| !has(group, but))
            .map(|(group, _)| *group)
            .collect();
        quality
    }

    /// Whether something is missing. A history that cannot be stored does not count.
    pub fn is_partial(&self) -> bool {
        self.common.is_partial() || !self.groups_missing.is_empty() || !self.unreadable.is_empty()
    }

    /// One line for each problem.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = self.common.unread_files();
        match self.unreadable.as_slice() {
            [] => {}
            names => lines.push(format!("{} could not be read: {}", counters(names), few(names))),
        }
        match self.backwards.as_slice() {
            [] => {}
            names => lines.push(format!(
                "{} went backwards, so their growth is unknown: {}",
                counters(names),
                few(names)
            )),
        }
        if let Some(history) = &self.history {
            lines.push(format!("no comparison with the last run: {history}"));
        }
        lines.extend(self.common.permission_limited.iter().cloned());
        lines
    }
}

fn counters(names: &[String]) -> String {
    if names.len() == 1 { "1 counter".to_owned() } else { format!("{} counters", names.len()) }
}

fn few(names: &[String]) -> String {
    const FEW: usize = 4;
    let shown: Vec<&str> = names.iter().take(FEW).map(String::as_str).collect();
    let more = if names.len() > FEW { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// One sample of one namespace.
#[derive(Debug, Clone, Serialize)]
pub struct Stats<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// The period of deltas; null without deltas.
    pub since: Option<Since>,
    /// The period of the ratios.
    pub basis: Basis,
    /// Counters, by category.
    pub counters: Vec<CounterRow>,
    /// Ratios.
    pub ratios: Vec<RatioRow>,
    /// Kinds of retransmits; null if the kernel does not count them.
    pub retransmits_by_kind: Option<Retransmits>,
    /// Findings as in `diagnose`; always empty.
    pub findings: [(); 0],
    /// What limits its reliability.
    pub quality: CounterQuality,
    /// The cost of collecting it.
    pub cost: Cost,
}

/// A line of `-o jsonl`: a counter or a ratio of one sample.
#[derive(Debug, Serialize)]
pub struct StatsLine<'a, T> {
    /// `tcpdiag.stats.row/1` or `tcpdiag.stats.ratio/1`.
    pub schema: &'static str,
    /// Time of the sample.
    pub captured_at: &'a str,
    /// Inode of the namespace.
    pub netns: Option<u64>,
    /// The row.
    #[serde(flatten)]
    pub row: &'a T,
}

/// The last line of a sample in `-o jsonl`.
#[derive(Debug, Serialize)]
pub struct StatsEnd<'a> {
    /// `tcpdiag.stats.end/1`.
    pub schema: &'static str,
    /// Time of the sample.
    pub captured_at: &'a str,
    /// Counters written.
    pub shown: usize,
    /// What limits its reliability.
    pub quality: &'a CounterQuality,
    /// The cost of collecting it.
    pub cost: Cost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::read;

    /// Writes counter files, reads them, and returns the warnings.
    fn warnings_of(snmp: &str, netstat: &str) -> (Vec<String>, Counters) {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("snmp"), snmp).unwrap();
        std::fs::write(root.path().join("netstat"), netstat).unwrap();
        let counters = read(root.path()).unwrap();
        (CounterQuality::of(&counters).warnings(), counters)
    }

    const EXT: &str = "TcpExt: TW\nTcpExt: 3\nIpExt: InOctets\nIpExt: 4\n";

    /// A whole file with these lines of TCP.
    fn snmp(tcp: &str) -> String {
        format!("Ip: A\nIp: 1\nIcmp: A\nIcmp: 1\n{tcp}Udp: A\nUdp: 1\n")
    }

    /// The warnings about the files that the test does not write.
    fn is_other(line: &str) -> bool {
        line.starts_with("/proc/net/sockstat is missing")
    }

    #[test]
    fn valid_files_have_no_warning() {
        let (mut lines, _) = warnings_of(&snmp("Tcp: InSegs\nTcp: 1\n"), EXT);
        lines.retain(|line| !is_other(line));
        assert_eq!(lines, Vec::<String>::new());
    }

    #[test]
    fn damaged_files_have_a_warning_and_the_rest_is_read() {
        let whole = snmp("Tcp: InSegs\nTcp: 1\n");
        for (snmp, netstat, wanted) in [
            (&*whole, "", &["/proc/net/netstat is empty"][..]),
            ("", EXT, &["/proc/net/snmp is empty"]),
            (&whole[..20], EXT, &["/proc/net/snmp is cut short"]),
            (&whole, &EXT[..15], &["/proc/net/netstat is cut short"]),
            (&whole, "TcpExt: TW\nTcpExt: 3\n", &["/proc/net/netstat is cut short"]),
            (
                &snmp("Tcp: InSegs\nTcp: 1 2 3\n"),
                EXT,
                &["/proc/net/snmp has values that make no sense"],
            ),
            (
                &snmp("Tcp: InSegs OutSegs\nTcp: 1 99999999999999999999\n"),
                EXT,
                &[
                    "/proc/net/snmp has values that make no sense",
                    "1 counter could not be read: TcpOutSegs",
                ],
            ),
            (
                &snmp("Tcp: A B C D E F\nTcp: 1\n"),
                EXT,
                &[
                    "/proc/net/snmp is cut short",
                    "5 counters could not be read: TcpB, TcpC, TcpD, TcpE, ...",
                ],
            ),
        ] {
            let (mut lines, counters) = warnings_of(snmp, netstat);
            lines.retain(|line| !is_other(line));
            assert_eq!(lines.len(), wanted.len(), "{lines:?}");
            for (line, wanted) in lines.iter().zip(wanted) {
                assert!(line.starts_with(wanted), "{lines:?}");
            }
            let quality = CounterQuality::of(&counters);
            assert!(quality.is_partial());
            assert_eq!(quality.common.counters_unread, 2, "sockstat and the damaged one");
            if netstat == EXT {
                assert_eq!(counters.get("IpExtInOctets"), Some(4));
            }
            if snmp.contains("InSegs\nTcp: 1") {
                assert_eq!(counters.get("TcpInSegs"), Some(1));
            }
        }
    }
}
