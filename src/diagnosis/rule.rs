//! Rules: their documentation, and the functions that judge.

use super::evidence::Evidence;
use super::finding::RuleMatch;
use super::groups::{Group, GroupKey};
use super::host::HostHistory;
use super::limits::Limit;
use super::listening::ListenerHistory;
use super::registry::RuleLimits;
use crate::settings::Values;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Information; nothing is wrong.
    Info,
    /// Something is slower than it could be.
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

/// How certain a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// One explanation among others.
    Low,
    /// The likely explanation.
    Medium,
    /// The kernel reports it.
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

/// Something to do. Placeholders in braces are filled in: this host's settings by their names
/// (`{net.ipv4.tcp_wmem}`), and values of the finding. Advice with a placeholder that has no value
/// is left out.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    /// What to do, as a sentence.
    pub text: &'static str,
    /// A command that does it, if there is one.
    pub command: Option<&'static str>,
    /// Given only if the finding sets this placeholder.
    pub only_with: Option<&'static str>,
}

impl Advice {
    /// Advice without a command.
    pub const fn new(text: &'static str) -> Self {
        Self { text, command: None, only_with: None }
    }

    /// Advice with a command.
    pub const fn with_command(text: &'static str, command: &'static str) -> Self {
        Self { text, command: Some(command), only_with: None }
    }

    /// The same, but only if the finding sets this placeholder.
    #[must_use]
    pub const fn only_with(self, word: &'static str) -> Self {
        Self { only_with: Some(word), ..self }
    }
}

/// A rule: its documentation and its function.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable and never reused: `TD101`.
    pub code: &'static str,
    /// In words with hyphens.
    pub name: &'static str,
    /// What is reported of its subjects: it follows "3 connections of X: ".
    pub title: &'static str,
    /// What it is about.
    pub scope: RuleScope,
    /// What it means.
    pub meaning: &'static str,
    /// The figures that it uses.
    pub evidence: &'static str,
    /// What could mislead it, and how that is prevented.
    pub guards: &'static str,
    /// Which side of a connection can see it.
    pub seen_from: &'static str,
    /// What to look at on the other side.
    pub other_side: &'static str,
    /// What to do, the most likely remedy first.
    pub advice: &'static [Advice],
    /// RFCs and kernel functions.
    pub references: &'static [&'static str],
    /// Codes that explain it: if one of them matches the same subject, this rule is not reported.
    pub explained_by: &'static [&'static str],
    /// The limits that it decides by.
    pub limits: &'static [Limit],
    /// Placeholders that its matches may set for the advice.
    pub placeholders: &'static [&'static str],
    /// The function that judges.
    pub judge: Judge,
}

/// What a rule judges, and the function that does. Each receives the limits of all rules and reads
/// its own.
#[derive(Debug, Clone, Copy)]
pub enum Judge {
    /// Each connection that is not quiet.
    Connection(fn(&RuleInput<'_>, &RuleLimits) -> Option<RuleMatch>),
    /// Each listener.
    Listener(fn(&ListenerInput<'_>, &RuleLimits) -> Option<RuleMatch>),
    /// Each group of connections.
    Service(fn(&ServiceInput<'_>, &RuleLimits) -> Option<RuleMatch>),
    /// The host; each match is a finding.
    Host(fn(&HostInput<'_>, &RuleLimits) -> Vec<RuleMatch>),
}

/// What all rules are given.
#[derive(Debug)]
pub struct Context {
    /// The namespace's settings.
    pub settings: Values,
    /// Bytes per second that each connection should reach, if the user asked for a rate.
    pub target_rate: Option<f64>,
    /// Seconds that were watched.
    pub elapsed_s: f64,
    /// Polls of the sockets.
    pub polls: u32,
    /// Whether the ends of all connections were seen, as destroy events.
    pub has_events: bool,
    /// The growth of the host's counters.
    pub host: HostHistory,
}

impl Context {
    /// Those of some settings below net.ipv4 that are 0 on this host, with the values that switch
    /// them on: arguments of `sysctl -w`. `None` if none is.
    pub(super) fn switch_on(&self, settings: &[(&str, i64)]) -> Option<String> {
        let is_off = |name: &str| self.settings.number(name) == Some(0);
        let off = settings.iter().filter(|(name, _)| is_off(name));
        let words: Vec<String> = off.map(|(name, on)| format!("net.ipv4.{name}={on}")).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Whether the kernel gives up on sockets without a program later than the advice of three
    /// timeouts would have it (`tcp_orphan_retries()`; 0 stands for 8).
    pub(super) fn gives_up_late(&self) -> bool {
        let retries = self.settings.number("tcp_orphan_retries");
        retries.is_some_and(|retries| retries == 0 || retries > 3)
    }

    /// Whether bbr is available on this host and is not the congestion control of new connections.
    pub(super) fn can_switch_to_bbr(&self) -> bool {
        let has = |setting: &str| {
            let text = self.settings.text(setting).unwrap_or_default();
            text.split_whitespace().any(|name| name == "bbr")
        };
        has("tcp_available_congestion_control") && !has("tcp_congestion_control")
    }
}

/// One connection to be judged.
#[derive(Debug, Clone, Copy)]
pub struct RuleInput<'a> {
    /// What it did.
    pub evidence: &'a Evidence,
    /// The largest segments, in bytes, that its remote host acknowledged while it was watched, on any
    /// connection; 0 if none of a full one.
    pub peer_takes: u64,
    /// The listener that it is to, if that is on this host and its accept queue was full.
    pub full_listener: Option<&'a ListenerHistory>,
    /// What all rules are given.
    pub context: &'a Context,
}

/// One listener to be judged.
#[derive(Debug, Clone, Copy)]
pub struct ListenerInput<'a> {
    /// What it did.
    pub listener: &'a ListenerHistory,
    /// Whether it is the only listener of the namespace, so that host counters are about it.
    pub is_only_listener: bool,
    /// What all rules are given.
    pub context: &'a Context,
}

impl ListenerInput<'_> {
    /// The placeholder that tells what limits the backlog: `capped` if net.core.somaxconn does,
    /// `asked` if the program did in listen().
    pub(super) fn backlog_limit(&self) -> &'static str {
        let most = self.context.settings.number("somaxconn");
        let most = most.and_then(|most| u32::try_from(most).ok());
        if most.is_some_and(|most| self.listener.backlog >= most) { "capped" } else { "asked" }
    }

    /// Twice the backlog, as advice has it.
    pub(super) fn twice_the_backlog(&self) -> String {
        self.listener.backlog.saturating_mul(2).to_string()
    }

    /// Whether one of the listener's queues was nearly full at some poll, or no other listener can
    /// have dropped something.
    pub fn may_have_been_full(&self) -> bool {
        let Self { listener, .. } = self;
        let queued = u64::from(listener.most_queued) * 4;
        let requests = u64::from(listener.requests) * 4;
        self.is_only_listener
            || queued >= u64::from(listener.capacity()) * 3
            || requests >= u64::from(listener.backlog.max(1)) * 3
    }
}

/// The connections of a service to be judged.
#[derive(Debug, Clone, Copy)]
pub struct ServiceInput<'a> {
    /// The service.
    pub key: GroupKey,
    /// What they did.
    pub group: &'a Group,
    /// What all rules are given.
    pub context: &'a Context,
}

/// The host to be judged.
#[derive(Debug, Clone, Copy)]
pub struct HostInput<'a> {
    /// What all rules are given.
    pub context: &'a Context,
}
