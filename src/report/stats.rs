//! The document of `stats`: counters, their growth, ratios and verdicts.

use serde::Serialize;

use super::{Cost, Document, Quality};
use crate::counters::{Judgement, Kind, NoData, Ratio, Retransmits, Threshold, Verdict};

/// Schema of the whole document.
pub const STATS: &str = "tcpdiag.stats/1";

/// What deltas and verdicts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Everything since the namespace was made, at most since boot.
    Total,
    /// Since this user's last run.
    LastRun,
    /// Since the previous sample.
    Interval,
    /// Since the first sample.
    WholeRun,
}

/// The time that deltas are about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Since {
    /// Which.
    pub basis: Basis,
    /// When it began, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<String>,
    /// How long it is.
    pub seconds: f64,
}

/// Something odd about a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A 32-bit counter started again from 0; its growth is right all the same.
    Wrapped,
    /// The counter fell: another namespace's, or reset. There is no growth to tell.
    Backwards,
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
    /// `host` for those that are not the namespace's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// Now.
    pub value: i64,
    /// Change; null without anything before, or when it went backwards.
    pub delta: Option<i64>,
    /// Change per second, of counters.
    pub rate: Option<f64>,
    /// What is odd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// What it is, for people; programs ask `explain`.
    #[serde(skip)]
    pub meaning: Option<&'static str>,
}

/// A ratio worked out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// What it is about.
    pub basis: Basis,
    /// Numerator by denominator.
    pub value: Option<f64>,
    /// Events of the numerator.
    pub numerator: Option<u64>,
    /// Events of the denominator.
    pub denominator: Option<u64>,
    /// `ok`, `warn`, `critical` or `no_data`.
    pub verdict: Verdict,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl Outcome {
    /// From what was worked out.
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
    /// What people call it.
    pub title: &'static str,
    /// What it comes to.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The same since the last run, where the main one is of the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_last_run: Option<Outcome>,
    /// What it was held against.
    pub threshold: Threshold,
    /// Smallest denominator for which there is a verdict.
    pub least: u64,
    /// Counters of the numerator.
    pub numerator_counters: &'static [String],
    /// Counters of the denominator.
    pub denominator_counters: &'static [String],
    /// What it tells.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
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
        }
    }

    /// The worse one of its verdicts.
    pub fn worst(&self) -> &Outcome {
        match &self.since_last_run {
            Some(recent) if recent.verdict > self.outcome.verdict => recent,
            _ => &self.outcome,
        }
    }
}

/// What the reader must know, beyond what any document says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CounterQuality {
    /// As in every document.
    #[serde(flatten)]
    pub common: Quality,
    /// Groups of counters that the kernel should have and that are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups_missing: Vec<&'static str>,
    /// Counters whose value could not be read, and are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Counters that fell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backwards: Vec<String>,
    /// Why the last run is not compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
}

impl CounterQuality {
    /// Whether something is missing. A history that cannot be kept takes nothing away.
    pub fn is_partial(&self) -> bool {
        self.common.is_partial() || !self.groups_missing.is_empty() || !self.unreadable.is_empty()
    }

    /// Each as a line for people.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.groups_missing.is_empty() {
            lines.push(format!(
                "the kernel shows no counters of {}; what needs them is left out",
                self.groups_missing.join(", ")
            ));
        }
        match self.unreadable.as_slice() {
            [] => {}
            names => lines.push(format!("{} could not be read: {}", counters(names), few(names))),
        }
        let elsewhere = self.common.decode_errors.saturating_sub(self.unreadable.len() as u64);
        if elsewhere > 0 {
            lines.push(format!("{elsewhere} lines or values of the counter files make no sense"));
        }
        match self.backwards.as_slice() {
            [] => {}
            names => lines.push(format!(
                "{} went backwards, so there is no growth to tell: {}",
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

/// All of one sample of one namespace.
#[derive(Debug, Clone, Serialize)]
pub struct Stats<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// What deltas are about; null without.
    pub since: Option<Since>,
    /// What the ratios are about.
    pub basis: Basis,
    /// Counters, by category.
    pub counters: Vec<CounterRow>,
    /// Ratios.
    pub ratios: Vec<RatioRow>,
    /// Kinds of retransmits; null where the kernel does not tell.
    pub retransmits_by_kind: Option<Retransmits>,
    /// As in `diagnose`; none yet.
    pub findings: [(); 0],
    /// What to know before trusting it.
    pub quality: CounterQuality,
    /// What it cost.
    pub cost: Cost,
}

/// A line of `-o jsonl`: a counter or a ratio of one sample.
#[derive(Debug, Serialize)]
pub struct StatsLine<'a, T> {
    /// `tcpdiag.stats.row/1` or `tcpdiag.stats.ratio/1`.
    pub schema: &'static str,
    /// When.
    pub captured_at: &'a str,
    /// Inode of the namespace.
    pub netns: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub row: &'a T,
}

/// The last line of a sample in `-o jsonl`.
#[derive(Debug, Serialize)]
pub struct StatsEnd<'a> {
    /// `tcpdiag.stats.end/1`.
    pub schema: &'static str,
    /// When.
    pub captured_at: &'a str,
    /// Counters written.
    pub shown: usize,
    /// What to know before trusting it.
    pub quality: &'a CounterQuality,
    /// What it cost.
    pub cost: Cost,
}
