//! The document of `diagnose`: findings, and what there was to see.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::{Cost, Document, Namespace, Quality};
use crate::diagnosis::{Advice, Conclusion, Example, Finding, Measure, Seen, Subject, Words, fill};
use crate::model::Endpoint;

/// Schema of the whole document.
pub const DIAGNOSE: &str = "tcpdiag.diagnose/1";

/// Names of those that findings are about.
pub trait Naming {
    /// The service of a socket: `nginx:443`, `→ mysql:3306`.
    fn service(&self, example: &Example) -> String;
    /// Processes that hold it: id and name; empty where that is not asked or not known.
    fn processes(&self, example: &Example) -> Vec<(u32, String)>;
}

/// A socket that a finding is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExampleEntry {
    /// Its state.
    pub state: &'static str,
    /// Own end.
    #[serde(serialize_with = "end")]
    pub local: Endpoint,
    /// The peer's end; absent for listeners.
    #[serde(serialize_with = "optional_end", skip_serializing_if = "Option::is_none")]
    pub remote: Option<Endpoint>,
    /// The kernel's name for it.
    pub cookie: String,
    /// Inode of its file; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    /// Owner's user id.
    pub uid: u32,
    /// Processes that hold it, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessEntry>,
    /// What speaks for it: the finding's own evidence where this is its worst example.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<MeasureEntry>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessEntry {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub comm: String,
}

/// A figure that speaks for a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasureEntry {
    /// Of what.
    pub field: &'static str,
    /// How much.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// From where on it counts; null where it only informs.
    pub threshold: Option<f64>,
    /// `interval`, or `lifetime` where there is nothing else.
    pub basis: &'static str,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdviceEntry {
    /// What.
    pub text: String,
    /// What to type; null where there is nothing.
    pub command: Option<String>,
}

/// Who a finding is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectEntry {
    /// For people: `412 connections of → mysql:3306`.
    pub text: String,
    /// The service's name; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `server`, `client`, `listener`, `unknown`; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The serving end's port; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How many there are.
    pub count: u64,
    /// Which part of it, where it is one: a peer, a device, a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The worst of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleEntry>,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingEntry {
    /// `TD101`.
    pub code: &'static str,
    /// In words with hyphens.
    pub name: &'static str,
    /// `info`, `warning`, `critical`.
    pub severity: &'static str,
    /// `high`, `medium`, `low`.
    pub confidence: &'static str,
    /// `connection`, `listener`, `service`, `host`.
    pub scope: &'static str,
    /// What is said of the subject, in few words.
    pub title: &'static str,
    /// Who.
    pub subject: SubjectEntry,
    /// What speaks for it: of several the worst one's.
    pub evidence: Vec<MeasureEntry>,
    /// Why.
    pub cause: String,
    /// What to do.
    pub advice: Vec<AdviceEntry>,
    /// What the other side can tell.
    pub other_side: &'static str,
    /// The namespace it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
}

/// What there was to see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Rules that were asked.
    pub rules: u64,
    /// Connections at the last look.
    pub connections: u64,
    /// Connections that did something.
    pub active: u64,
    /// Connections that ended meanwhile.
    pub closed: u64,
    /// Of these, how many there was no room to judge.
    pub unjudged: u64,
    /// Listeners.
    pub listeners: u64,
    /// Looks at each namespace.
    pub looks: u32,
}

impl Checked {
    /// Adds what there was to see in another namespace.
    pub fn add(&mut self, seen: &Seen) {
        self.rules = seen.rules;
        self.connections += seen.connections;
        self.active += seen.active;
        self.closed += seen.closed;
        self.unjudged += seen.unjudged;
        self.listeners += seen.listeners;
        self.looks = self.looks.max(seen.looks);
    }
}

/// The whole document.
#[derive(Debug, Serialize)]
pub struct DiagnosisDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// Worst first.
    pub findings: Vec<FindingEntry>,
    /// What there was to see.
    pub checked: Checked,
    /// What to know before trusting it.
    pub quality: Quality,
    /// What it cost.
    pub cost: Cost,
}

/// The findings of one namespace.
pub fn entries(
    conclusion: &Conclusion,
    naming: &dyn Naming,
    netns: Option<&Namespace>,
) -> Vec<FindingEntry> {
    let settings = &conclusion.context.settings;
    let entry = |finding: &Finding| {
        let words = words(finding);
        let rule = finding.rule;
        FindingEntry {
            code: rule.code,
            name: rule.name,
            severity: finding.rule_match.severity.name(),
            confidence: finding.rule_match.confidence.name(),
            scope: rule.scope.name(),
            title: rule.title,
            subject: subject(finding, naming),
            evidence: measures(&finding.rule_match.evidence),
            cause: finding.rule_match.cause.clone().unwrap_or_else(|| rule.meaning.to_owned()),
            advice: rule
                .advice
                .iter()
                .filter(|advice| advice.only_with.is_none_or(|word| words.has(word)))
                .filter_map(|advice: &Advice| {
                    let command = advice.command.map(|command| fill(command, &words, settings));
                    // A command whose words are not known is none.
                    let command = match command {
                        None => None,
                        Some(filled) => Some(filled?),
                    };
                    Some(AdviceEntry { text: fill(advice.text, &words, settings)?, command })
                })
                .collect(),
            other_side: rule.other_side,
            netns: netns.map(|netns| netns.inode),
        }
    };
    conclusion.findings.iter().map(entry).collect()
}

/// What the advice of a finding may name.
fn words(finding: &Finding) -> Words {
    let mut words = Words::default();
    let one = match &finding.subject {
        Subject::Connections { worst, .. } => worst.first().map(|(one, _)| one),
        Subject::Listener(one) | Subject::Service(one) => Some(one),
        Subject::Host => None,
    };
    if let Some(one) = one {
        words.say("remote_address", one.remote.address.to_canonical().to_string());
        words.say("local_port", one.local.port.to_string());
    }
    for (name, word) in &finding.rule_match.words {
        words.say(name, word.clone());
    }
    words
}

fn subject(finding: &Finding, naming: &dyn Naming) -> SubjectEntry {
    let about = finding.rule_match.about.clone();
    let of = |one: &Example, count: u64, text: String, service: String| SubjectEntry {
        text,
        service: Some(service),
        role: Some(one.role.name()),
        port: Some(crate::diagnosis::GroupKey::of(one).port),
        count,
        about: about.clone(),
        examples: Vec::new(),
    };
    match &finding.subject {
        Subject::Connections { count, worst } => {
            let Some((one, _)) = worst.first() else { return host(about) };
            let service = naming.service(one);
            let connections = if *count == 1 { "connection" } else { "connections" };
            let mut entry = of(one, *count, format!("{count} {connections} of {service}"), service);
            entry.examples = worst
                .iter()
                .map(|(one, rule_match)| example(one, measures(&rule_match.evidence), naming))
                .collect();
            entry
        }
        Subject::Listener(one) => {
            let service = naming.service(one);
            let mut entry = of(one, 1, format!("listener of {service}"), service);
            entry.examples = vec![example(one, Vec::new(), naming)];
            entry
        }
        Subject::Service(one) => {
            let service = naming.service(one);
            let text = match &about {
                Some(about) => format!("{service}, {about}"),
                None => service.clone(),
            };
            of(one, 1, text, service)
        }
        Subject::Host => host(about),
    }
}

fn host(about: Option<String>) -> SubjectEntry {
    SubjectEntry {
        text: about.clone().map_or_else(|| "host".to_owned(), |about| format!("host, {about}")),
        service: None,
        role: None,
        port: None,
        count: 1,
        about,
        examples: Vec::new(),
    }
}

fn example(one: &Example, evidence: Vec<MeasureEntry>, naming: &dyn Naming) -> ExampleEntry {
    let processes = naming.processes(one);
    ExampleEntry {
        state: one.state.name(),
        local: one.local,
        remote: Some(one.remote).filter(|remote| remote.port != 0),
        cookie: format!("{:#x}", one.cookie),
        inode: Some(one.inode).filter(|&inode| inode != 0),
        uid: one.uid,
        processes: processes.into_iter().map(|(pid, comm)| ProcessEntry { pid, comm }).collect(),
        evidence,
    }
}

fn measures(measures: &[Measure]) -> Vec<MeasureEntry> {
    let entry = |measure: &Measure| MeasureEntry {
        field: measure.field,
        value: measure.value,
        unit: measure.unit,
        threshold: measure.threshold.filter(|threshold| threshold.is_finite()),
        basis: if measure.lifetime { "lifetime" } else { "interval" },
    };
    measures.iter().map(entry).collect()
}

fn end<S: Serializer>(end: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("addr", &end.address)?;
    map.serialize_entry("port", &end.port)?;
    map.end()
}

fn optional_end<S: Serializer>(it: &Option<Endpoint>, serializer: S) -> Result<S::Ok, S::Error> {
    match it {
        Some(it) => end(it, serializer),
        None => serializer.serialize_none(),
    }
}
