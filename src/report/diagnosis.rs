//! The document of `diagnose`: findings, and what was checked.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::{Cost, Document, Namespace, Quality};
use crate::diagnosis::{
    Advice, Conclusion, Coverage, Diagnosed, DiagnosedNamespace, Example, Explained, Finding,
    Measure, Severity, SocketNames, Subject, Words, fill,
};
use crate::identity::ServiceBasis;
use crate::model::Endpoint;
use crate::procfs::Host;
use crate::sys::Usage;

/// Schema of the whole document.
pub const DIAGNOSE: &str = "tcpdiag.diagnose/1";

/// A socket that a finding is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExampleEntry {
    /// Its state.
    pub state: &'static str,
    /// Local endpoint.
    #[serde(serialize_with = "end")]
    pub local: Endpoint,
    /// Remote endpoint; absent for listeners.
    #[serde(serialize_with = "optional_end", skip_serializing_if = "Option::is_none")]
    pub remote: Option<Endpoint>,
    /// The interface that it is bound to; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceEntry>,
    /// The socket cookie.
    pub cookie: String,
    /// Inode of its file; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    /// Owner's user id.
    pub uid: u32,
    /// Processes that hold it, if requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessEntry>,
    /// Its evidence; the finding's own evidence is that of its worst example.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<MeasureEntry>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceEntry {
    /// Its index.
    pub index: u32,
    /// Its name; absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessEntry {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub comm: String,
}

/// A figure used as evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasureEntry {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// The value's unit.
    pub unit: &'static str,
    /// The threshold; null if the figure is only informative.
    pub threshold: Option<f64>,
    /// `interval`, or `lifetime` if there is no interval.
    pub basis: &'static str,
}

/// Advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdviceEntry {
    /// The text.
    pub text: String,
    /// A command to run; null if there is none.
    pub command: Option<String>,
}

/// The subject of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectEntry {
    /// Its description, for example `412 connections of → mysql:3306`.
    pub text: String,
    /// The service's name; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What that name rests on; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_basis: Option<&'static str>,
    /// `server`, `client`, `listener`, `unknown`; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The server's port; absent for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The number of sockets.
    pub count: u64,
    /// The part of it that is affected, if only one is: a peer, a device, a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The worst examples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleEntry>,
}

/// What another finding of the same subject explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedEntry {
    /// The code, for example `TD101`.
    pub code: &'static str,
    /// The name, words joined by hyphens.
    pub name: &'static str,
    /// `info`, `warning`, `critical`.
    pub severity: &'static str,
    /// A short statement about the subject.
    pub title: &'static str,
    /// The number of connections, 1 for other subjects.
    pub count: u64,
    /// The part of the subject that is affected, if only one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The evidence; that of the worst example if there are several.
    pub evidence: Vec<MeasureEntry>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingEntry {
    /// The code, for example `TD101`.
    pub code: &'static str,
    /// The name, words joined by hyphens.
    pub name: &'static str,
    /// `info`, `warning`, `critical`.
    pub severity: &'static str,
    /// `high`, `medium`, `low`.
    pub confidence: &'static str,
    /// `connection`, `listener`, `service`, `host`.
    pub scope: &'static str,
    /// Whether it is about what the filters select, and so counts for `--fail-on`. Findings about
    /// the host are not, if there is a filter.
    pub selected: bool,
    /// A short statement about the subject.
    pub title: &'static str,
    /// The subject.
    pub subject: SubjectEntry,
    /// The evidence; that of the worst example if there are several.
    pub evidence: Vec<MeasureEntry>,
    /// What else matched the same subject and is explained by this finding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explains: Vec<ExplainedEntry>,
    /// The cause.
    pub cause: String,
    /// What to do.
    pub advice: Vec<AdviceEntry>,
    /// What the other side can observe.
    pub other_side: &'static str,
    /// Its namespace, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u64>,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Rules applied.
    pub rules: u64,
    /// Connections in the last sample.
    pub connections: u64,
    /// Connections with traffic.
    pub active: u64,
    /// Connections that closed.
    pub closed: u64,
    /// Closed connections that were not checked, because there were too many.
    pub unjudged: u64,
    /// Listeners.
    pub listeners: u64,
    /// Samples of each namespace.
    pub looks: u32,
}

impl Checked {
    /// Adds the coverage of another namespace.
    pub fn add(&mut self, coverage: &Coverage) {
        self.rules = coverage.rules;
        self.connections += coverage.connections;
        self.active += coverage.active;
        self.closed += coverage.closed;
        self.unjudged += coverage.unjudged;
        self.listeners += coverage.listeners;
        self.looks = self.looks.max(coverage.polls);
    }
}

/// The whole document.
#[derive(Debug, Serialize)]
pub struct DiagnosisDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// Findings, worst first.
    pub findings: Vec<FindingEntry>,
    /// What was checked.
    pub checked: Checked,
    /// What limits its reliability.
    pub quality: Quality,
    /// The cost of collecting it.
    pub cost: Cost,
}

impl<'a> DiagnosisDocument<'a> {
    /// For a run on this host.
    pub fn new(host: &'a Host, diagnosed: Diagnosed, usage: Usage) -> Self {
        let Diagnosed { namespaces, many, is_filtered, quality, dumped, elapsed, captured_at } =
            diagnosed;
        let mut findings = Vec::new();
        let mut checked = Checked::default();
        for DiagnosedNamespace { namespace, conclusion, names } in &namespaces {
            checked.add(&conclusion.coverage);
            let netns = many.then_some(namespace);
            findings.extend(entries(conclusion, names, is_filtered, netns));
        }
        if many {
            let weight = |name: &str, order: &[&str]| order.iter().position(|one| *one == name);
            findings.sort_by_key(|finding| {
                (
                    weight(finding.severity, &["critical", "warning", "info"]),
                    weight(finding.confidence, &["high", "medium", "low"]),
                    std::cmp::Reverse(finding.subject.count),
                )
            });
        }
        let netns = namespaces.into_iter().next().map(|first| first.namespace);
        Self {
            document: Document {
                schema: DIAGNOSE,
                captured_at: format!("{captured_at:.9}"),
                host,
                netns: netns.filter(|_| !many),
                interval_s: Some(elapsed.as_secs_f64()),
            },
            findings,
            checked,
            quality,
            cost: Cost::new(usage.elapsed(), dumped),
        }
    }

    /// Whether a finding about what the filters select is of this severity or a worse one.
    pub fn has(&self, least: Severity) -> bool {
        let bad = Severity::ALL.into_iter().filter(|severity| *severity >= least);
        let bad: Vec<&str> = bad.map(Severity::name).collect();
        let mut counted = self.findings.iter().filter(|finding| finding.selected);
        counted.any(|finding| bad.contains(&finding.severity))
    }
}

/// The entries for the findings of one namespace.
fn entries(
    conclusion: &Conclusion,
    names: &SocketNames,
    is_filtered: bool,
    netns: Option<&Namespace>,
) -> Vec<FindingEntry> {
    let settings = &conclusion.context.settings;
    let entry = |finding: &Finding| {
        let words = words(finding, names);
        let rule = finding.rule;
        FindingEntry {
            code: rule.code,
            name: rule.name,
            severity: finding.rule_match.severity.name(),
            confidence: finding.rule_match.confidence.name(),
            scope: rule.scope.name(),
            selected: !(is_filtered && finding.subject == Subject::Host),
            title: rule.title,
            subject: subject(finding, names),
            evidence: measures(&finding.rule_match.evidence),
            explains: finding.explains.iter().map(explained).collect(),
            cause: finding.rule_match.cause.clone().unwrap_or_else(|| rule.meaning.to_owned()),
            advice: rule
                .advice
                .iter()
                .filter(|advice| advice.only_with.is_none_or(|word| words.contains(word)))
                .filter_map(|advice: &Advice| {
                    let command = advice.command.map(|command| fill(command, &words, settings));
                    // A command with unknown placeholders is left out.
                    let command = match command {
                        None => None,
                        Some(filled) => Some(filled?),
                    };
                    Some(AdviceEntry { text: fill(advice.text, &words, settings)?, command })
                })
                .collect(),
            other_side: finding.rule_match.other_side.unwrap_or(rule.other_side),
            netns: netns.map(|netns| netns.inode),
        }
    };
    conclusion.findings.iter().map(entry).collect()
}

fn explained(one: &Explained) -> ExplainedEntry {
    ExplainedEntry {
        code: one.rule.code,
        name: one.rule.name,
        severity: one.rule_match.severity.name(),
        title: one.rule.title,
        count: one.count,
        about: one.rule_match.about.clone(),
        evidence: measures(&one.rule_match.evidence),
    }
}

/// Values for the placeholders in a finding's advice.
fn words(finding: &Finding, names: &SocketNames) -> Words {
    let mut words = Words::default();
    let one = match &finding.subject {
        Subject::Connections { worst, .. } => worst.first().map(|(one, _)| one),
        Subject::Listener(one) | Subject::Service(one) => Some(one),
        Subject::Host => None,
    };
    if let Some(one) = one {
        let host = one.remote_host();
        // The command is for a shell: a name with other characters gives way to the number.
        let is_plain = |name: &&str| {
            name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-'))
        };
        let name = names.interface(one.cookie).filter(|_| host.zone() != 0).filter(is_plain);
        let remote = name.map(|name| format!("{}%{name}", host.address()));
        words.set("remote_address", remote.unwrap_or_else(|| host.to_string()));
        words.set("local_port", one.local.port.to_string());
        let is_ipv4 = host.address().to_canonical().is_ipv4();
        words.set(if is_ipv4 { "ipv4" } else { "ipv6" }, "");
    }
    for (name, word) in &finding.rule_match.words {
        words.set(name, word.clone());
    }
    words
}

fn subject(finding: &Finding, names: &SocketNames) -> SubjectEntry {
    let about = finding.rule_match.about.clone();
    // As people read it.
    let label = |one: &Example| {
        let mut label = String::new();
        let basis = names.basis(one.cookie).unwrap_or(ServiceBasis::Port);
        basis.write_name(names.service(one.cookie), &mut label);
        label
    };
    let of = |one: &Example, count: u64, text: String, service: String| SubjectEntry {
        text,
        service: Some(service),
        service_basis: names.basis(one.cookie).map(ServiceBasis::name),
        role: Some(one.role.name()),
        port: Some(crate::diagnosis::GroupKey::of(one).port),
        count,
        about: about.clone(),
        examples: Vec::new(),
    };
    match &finding.subject {
        Subject::Connections { count, worst } => {
            let Some((one, _)) = worst.first() else { return host(about) };
            let service = names.service(one.cookie).to_owned();
            let connections = if *count == 1 { "connection" } else { "connections" };
            let mut entry =
                of(one, *count, format!("{count} {connections} of {}", label(one)), service);
            entry.examples = worst
                .iter()
                .map(|(one, rule_match)| example(one, measures(&rule_match.evidence), names))
                .collect();
            entry
        }
        Subject::Listener(one) => {
            let service = names.service(one.cookie).to_owned();
            let mut entry = of(one, 1, format!("listener of {}", label(one)), service);
            entry.examples = vec![example(one, Vec::new(), names)];
            entry
        }
        Subject::Service(one) => {
            let service = names.service(one.cookie).to_owned();
            let text = match &about {
                // Of connects whose port the kernel has forgotten.
                Some(about) if one.remote.port == 0 => format!("connects, {about}"),
                Some(about) => format!("{}, {about}", label(one)),
                None => label(one),
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
        service_basis: None,
        role: None,
        port: None,
        count: 1,
        about,
        examples: Vec::new(),
    }
}

fn example(one: &Example, evidence: Vec<MeasureEntry>, names: &SocketNames) -> ExampleEntry {
    let processes = names.processes(one.cookie).iter().cloned();
    ExampleEntry {
        state: one.state.name(),
        local: one.local,
        remote: Some(one.remote).filter(|remote| remote.port != 0),
        interface: (one.interface != 0).then(|| InterfaceEntry {
            index: one.interface,
            name: names.interface(one.cookie).map(str::to_owned),
        }),
        cookie: format!("{:#x}", one.cookie),
        inode: Some(one.inode).filter(|&inode| inode != 0),
        uid: one.uid,
        processes: processes.map(|(pid, comm)| ProcessEntry { pid, comm }).collect(),
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
