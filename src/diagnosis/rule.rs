//! What a rule is.

use super::evidence::Evidence;
use super::finding::RuleMatch;
use super::groups::{Group, GroupKey};
use super::host::HostHistory;
use super::listening::ListenerHistory;
use crate::settings::Values;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Info,
    /// Somebody waits longer than need be.
    Warning,
    /// Something does not work.
    Critical,
}

impl Severity {
    /// All, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// One explanation among others.
    Low,
    /// The likely explanation.
    Medium,
    /// The kernel says so.
    High,
}

impl Confidence {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleScope {
    /// One connection.
    Connection,
    /// One listener.
    Listener,
    /// All connections of a service.
    Service,
    /// The host, or its network namespace.
    Host,
}

impl RuleScope {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Listener => "listener",
            Self::Service => "service",
            Self::Host => "host",
        }
    }
}

/// A number that a rule decides by, which the configuration file may set.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name in the configuration file.
    pub key: &'static str,
    /// What it is when nobody sets it.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

impl Limit {
    /// One that is this much when nobody sets it.
    pub const fn new(
        key: &'static str,
        value: f64,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { key, value, unit, meaning }
    }
}

/// Something to do. Words in braces are filled in: settings by their names as they are on this
/// host (`{net.ipv4.tcp_wmem}`), and what the finding offers. Where one of them is not known the
/// advice is not given.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    /// What, for people.
    pub text: &'static str,
    /// What to type, if there is something.
    pub command: Option<&'static str>,
    /// It is given only where the finding offers this word.
    pub only_with: Option<&'static str>,
}

impl Advice {
    /// Something to do that is no command.
    pub const fn new(text: &'static str) -> Self {
        Self { text, command: None, only_with: None }
    }

    /// Something to do, with what to type.
    pub const fn by(text: &'static str, command: &'static str) -> Self {
        Self { text, command: Some(command), only_with: None }
    }
}

impl Advice {
    /// The same, but only where the finding offers this word.
    #[must_use]
    pub const fn only_with(self, word: &'static str) -> Self {
        Self { only_with: Some(word), ..self }
    }
}

/// A rule: its documentation and its function.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable, never used for anything else: `TD101`.
    pub code: &'static str,
    /// In words with hyphens.
    pub name: &'static str,
    /// What is said of its subjects, to follow "3 connections of X: ".
    pub title: &'static str,
    /// What it is about.
    pub scope: RuleScope,
    /// What it means.
    pub meaning: &'static str,
    /// What it goes by.
    pub evidence: &'static str,
    /// What it must not be taken in by, and how it is not.
    pub guards: &'static str,
    /// Which side of a connection can see it.
    pub seen_from: &'static str,
    /// What to look at on the other side.
    pub other_side: &'static str,
    /// What to do, the likeliest remedy first.
    pub advice: &'static [Advice],
    /// RFCs and functions of the kernel.
    pub references: &'static [&'static str],
    /// Codes that, where they are found of the same subject, say what this one would in better
    /// words.
    pub explained_by: &'static [&'static str],
    /// What it decides by.
    pub limits: &'static [Limit],
    /// Names in braces that its rule_matches may offer to the advice.
    pub offers: &'static [&'static str],
    /// The function.
    pub judge: Judge,
}

/// How a rule judges.
#[derive(Debug, Clone, Copy)]
pub enum Judge {
    /// Each connection that did something, or should have.
    Connection(fn(&RuleInput<'_>) -> Option<RuleMatch>),
    /// Each listener.
    Listener(fn(&ListenerInput<'_>) -> Option<RuleMatch>),
    /// Each group of connections.
    Service(fn(&ServiceInput<'_>) -> Option<RuleMatch>),
    /// Everything at once; each rule_match is a finding of its own.
    Host(fn(&HostInput<'_>) -> Vec<RuleMatch>),
}

/// What all cases have in common.
#[derive(Debug)]
pub struct Context {
    /// The namespace's settings.
    pub settings: Values,
    /// Bytes per second that each connection should reach, where that was asked about.
    pub target_rate: Option<f64>,
    /// Seconds that were watched.
    pub elapsed_s: f64,
    /// Looks at the sockets.
    pub polls: u32,
    /// What the host's counters did.
    pub host: HostHistory,
}

/// One connection before a rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleInput<'a> {
    /// What it did.
    pub evidence: &'a Evidence,
    /// What is true for all.
    pub context: &'a Context,
    /// The rule's limits.
    pub limits: &'a [f64],
}

/// One listener before a rule.
#[derive(Debug, Clone, Copy)]
pub struct ListenerInput<'a> {
    /// What it did.
    pub listener: &'a ListenerHistory,
    /// Whether it is the only one of which that could be said.
    pub alone: bool,
    /// What is true for all.
    pub context: &'a Context,
    /// The rule's limits.
    pub limits: &'a [f64],
}

/// The connections of a service before a rule.
#[derive(Debug, Clone, Copy)]
pub struct ServiceInput<'a> {
    /// Which.
    pub key: GroupKey,
    /// What they did.
    pub group: &'a Group,
    /// What is true for all.
    pub context: &'a Context,
    /// The rule's limits.
    pub limits: &'a [f64],
}

/// The host before a rule.
#[derive(Debug, Clone, Copy)]
pub struct HostInput<'a> {
    /// What is true.
    pub context: &'a Context,
    /// The rule's limits.
    pub limits: &'a [f64],
}

/// A limit by its place; infinite where there is none, so that nothing reaches it.
fn limit(limits: &[f64], place: usize) -> f64 {
    limits.get(place).copied().unwrap_or(f64::INFINITY)
}

macro_rules! limited {
    ($($case:ident),*) => {$(
        impl $case<'_> {
            /// The rule's limit at this place of its list.
            pub fn limit(&self, place: usize) -> f64 {
                limit(self.limits, place)
            }
        }
    )*};
}

limited!(RuleInput, ListenerInput, ServiceInput, HostInput);
