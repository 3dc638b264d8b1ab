//! Findings: what a rule matched, and of what.

use super::explanation::Explained;
use super::rule::{Confidence, Rule, Severity};
use crate::model::{Endpoint, Role, ScopedAddress, Socket, State};

/// A figure that supports a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// A field, a counter, or a computed figure.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// The unit of the value.
    pub unit: &'static str,
    /// The limit that it was compared with.
    pub threshold: Option<f64>,
    /// It covers the connection's whole life: nothing shorter is known.
    pub lifetime: bool,
}

impl Measure {
    /// A figure of the watched time.
    pub fn new(field: &'static str, value: f64, unit: &'static str) -> Self {
        Self { field, value, unit, threshold: None, lifetime: false }
    }

    /// The same, compared with a threshold.
    #[must_use]
    pub fn over(self, threshold: f64) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// The same, covering the connection's whole life.
    #[must_use]
    pub fn over_lifetime(self) -> Self {
        Self { lifetime: true, ..self }
    }
}

/// What a rule found in one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleMatch {
    /// How bad it is.
    pub severity: Severity,
    /// How certain it is.
    pub confidence: Confidence,
    /// Orders matches of one rule with equal severity and confidence.
    pub effect: f64,
    /// The figures that support it.
    pub evidence: Vec<Measure>,
    /// Values for the placeholders of the advice.
    pub words: Vec<(&'static str, String)>,
    /// The part of the subject that it is about: a peer, a device, a ratio.
    pub about: Option<String>,
    /// The cause, if it differs from the rule's meaning.
    pub cause: Option<String>,
    /// Codes that explain this match, beside those of the rule.
    pub explained_by: &'static [&'static str],
    /// It is about retransmits of the host: findings explain it that cover most of them.
    pub counts_retransmits: bool,
    /// What the other side can observe, if it differs from what the rule says.
    pub other_side: Option<&'static str>,
    /// It is that the peer does not answer on this connection.
    pub silence: Option<Silence>,
}

/// A peer that does not answer on a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    /// Seconds since something last came from it on this connection, or since it was opened.
    pub seconds: f64,
    /// The cause if the same peer answers other connections meanwhile.
    pub cause_if_up: &'static str,
    /// The cause of a connect without an answer, if others to the same end point succeed meanwhile.
    pub cause_if_connected: Option<&'static str>,
}

impl RuleMatch {
    /// A match without figures.
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
            counts_retransmits: false,
            other_side: None,
            silence: None,
        }
    }

    /// The same, of a peer that has not answered on this connection for some seconds. `cause_if_up`
    /// replaces the cause if it answers other connections meanwhile. The finding then sets the
    /// placeholder `elsewhere`, and `nowhere` otherwise.
    #[must_use]
    pub fn of_silent_peer(mut self, seconds: f64, cause_if_up: &'static str) -> Self {
        self.silence = Some(Silence { seconds, cause_if_up, cause_if_connected: None });
        self
    }

    /// The same of a connect. `cause` replaces the cause if other connects to the same end point
    /// succeed meanwhile. The finding then sets the placeholder `same_port` instead.
    #[must_use]
    pub fn or_if_connected(mut self, cause: &'static str) -> Self {
        if let Some(silence) = &mut self.silence {
            silence.cause_if_connected = Some(cause);
        }
        self
    }

    /// Adds a figure.
    #[must_use]
    pub fn with(mut self, measure: Measure) -> Self {
        self.evidence.push(measure);
        self
    }

    /// Adds a measure, if there is one.
    #[must_use]
    pub fn with_known(mut self, measure: Option<Measure>) -> Self {
        self.evidence.extend(measure);
        self
    }

    /// Adds the growth of a counter of the host as evidence, where it is known.
    #[must_use]
    pub fn with_growth(self, counter: &'static str, growth: Option<u64>) -> Self {
        self.with_known(growth.map(|growth| Measure::new(counter, growth as f64, "events")))
    }

    /// Adds the value of a placeholder.
    #[must_use]
    pub fn with_word(mut self, name: &'static str, word: impl Into<String>) -> Self {
        self.words.push((name, word.into()));
        self
    }

    /// Whether it is worse than another match of the same rule.
    pub fn is_worse_than(&self, other: &Self) -> bool {
        let order = (self.severity, self.confidence).cmp(&(other.severity, other.confidence));
        order.then(self.effect.total_cmp(&other.effect)).is_gt()
    }
}

/// A socket that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Its cookie.
    pub cookie: u64,
    /// Its role.
    pub role: Role,
    /// Its last state.
    pub state: State,
    /// The local end.
    pub local: Endpoint,
    /// The remote end.
    pub remote: Endpoint,
    /// Interface it is bound to, 0 for none.
    pub interface: u32,
    /// The owner's user id.
    pub uid: u32,
    /// Inode of its file, 0 for none.
    pub inode: u32,
    /// The cgroup that created it.
    pub cgroup_id: Option<u64>,
}

impl Example {
    /// From a record of a dump, or from a destroy event.
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

    /// The host at the remote end.
    pub fn remote_host(&self) -> ScopedAddress {
        ScopedAddress::of(self.remote.address, self.interface)
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Connections of one service; the worst of them first.
    Connections {
        /// Their number.
        count: u64,
        /// The worst of them, with their matches.
        worst: Vec<(Example, RuleMatch)>,
    },
    /// A listener.
    Listener(Example),
    /// All connections of a service; one of them as an example.
    Service(Example),
    /// The host.
    Host,
}

impl Subject {
    /// The worst socket, or the example; `None` for the host.
    pub fn example(&self) -> Option<&Example> {
        match self {
            Self::Connections { worst, .. } => worst.first().map(|(one, _)| one),
            Self::Listener(one) | Self::Service(one) => Some(one),
            Self::Host => None,
        }
    }
}

/// A finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What it is about.
    pub subject: Subject,
    /// The match; with several connections that of the worst.
    pub rule_match: RuleMatch,
    /// What else matched the same subject and is explained by this.
    pub explains: Vec<Explained>,
    /// Segments that the subject retransmitted.
    pub(super) retrans: u64,
}
