//! What was found.

use super::rule::{Confidence, Rule, Severity};
use crate::model::{Endpoint, Role, Socket, State};

/// A figure that speaks for a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// What it is of: a field, a counter, or something worked out.
    pub field: &'static str,
    /// What it is.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// From where on it counts.
    pub threshold: Option<f64>,
    /// It is of the connection's whole life, for want of anything else.
    pub lifetime: bool,
}

impl Measure {
    /// A figure of the time that was watched.
    pub fn new(field: &'static str, value: f64, unit: &'static str) -> Self {
        Self { field, value, unit, threshold: None, lifetime: false }
    }

    /// The same, held against a threshold.
    #[must_use]
    pub fn over(self, threshold: f64) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// The same, of the connection's whole life.
    #[must_use]
    pub fn of_its_life(self) -> Self {
        Self { lifetime: true, ..self }
    }
}

/// What a rule sees in one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleMatch {
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// How large, to put equals in order: of one rule only.
    pub effect: f64,
    /// What speaks for it.
    pub evidence: Vec<Measure>,
    /// What it offers to the advice.
    pub words: Vec<(&'static str, String)>,
    /// Who it is about, where the subject has no name of its own.
    pub about: Option<String>,
    /// What to say instead of the rule's own cause.
    pub cause: Option<String>,
    /// Codes that explain this one rule_match, beside the rule's.
    pub explained_by: &'static [&'static str],
}

impl RuleMatch {
    /// One of this weight.
    pub fn new(severity: Severity, confidence: Confidence, effect: f64) -> Self {
        Self {
            severity,
            confidence,
            effect,
            evidence: Vec::new(),
            words: Vec::new(),
            about: None,
            cause: None,
            explained_by: &[],
        }
    }

    /// With this figure.
    #[must_use]
    pub fn with(mut self, measure: Measure) -> Self {
        self.evidence.push(measure);
        self
    }

    /// With this word for the advice.
    #[must_use]
    pub fn saying(mut self, name: &'static str, word: impl Into<String>) -> Self {
        self.words.push((name, word.into()));
        self
    }

    /// Whether it is worse than another of the same rule.
    pub fn is_worse_than(&self, other: &Self) -> bool {
        let order = (self.severity, self.confidence).cmp(&(other.severity, other.confidence));
        order.then(self.effect.total_cmp(&other.effect)).is_gt()
    }
}

/// A socket that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// The kernel's name for it.
    pub cookie: u64,
    /// The part it plays.
    pub role: Role,
    /// Its last state.
    pub state: State,
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Interface it is bound to, 0 for none.
    pub interface: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Inode of its file, 0 for none.
    pub inode: u32,
    /// Cgroup it was made in.
    pub cgroup_id: Option<u64>,
}

impl Example {
    /// By a dump's record, or a notice of death.
    pub fn of(socket: &Socket, role: Role) -> Self {
        Self {
            cookie: socket.cookie,
            role,
            state: socket.state,
            local: socket.local,
            remote: socket.remote,
            interface: socket.interface,
            uid: socket.uid,
            inode: socket.inode,
            cgroup_id: socket.cgroup_id,
        }
    }
}

/// Who a finding is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Connections of one service; the worst of them first.
    Connections {
        /// How many.
        count: u64,
        /// The worst, with their rule_matches.
        worst: Vec<(Example, RuleMatch)>,
    },
    /// A listener.
    Listener(Example),
    /// All connections of a service, by one of them.
    Service(Example),
    /// The host.
    Host,
}

/// Something found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// By which rule.
    pub rule: &'static Rule,
    /// About whom.
    pub subject: Subject,
    /// What: of several connections the worst one's.
    pub rule_match: RuleMatch,
}
