//! Judging what was seen, and telling of it.

use std::cell::RefCell;
use std::time::Duration;

use jiff::Timestamp;

use super::DiagnoseCommand;
use super::naming::{Names, owner, socket};
use super::output;
use super::place::{Place, ephemeral};
use crate::attribution::{Classifier, Grouping};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::owners::People;
use crate::diagnosis::{Conclusion, Severity, Subject};
use crate::model::Socket;
use crate::procfs::{Host, PortNames, Scope};
use crate::report::{
    Checked, Cost, DIAGNOSE, DiagnosisDocument, Document, FindingEntry, Namespace, Quality, entries,
};
use crate::sys::Usage;

/// What is told of all namespaces together.
pub(super) struct Teller<'a> {
    command: &'a DiagnoseCommand,
    config: &'a Config,
    classifier: Classifier,
    many: bool,
    findings: Vec<FindingEntry>,
    checked: Checked,
    quality: Quality,
    dumped: u64,
    /// The first.
    netns: Option<Namespace>,
}

impl<'a> Teller<'a> {
    /// Nothing judged yet; `many`: there are several namespaces.
    pub(super) fn new(
        command: &'a DiagnoseCommand,
        config: &'a Config,
        many: bool,
        quality: Quality,
    ) -> Self {
        let services = config.services.clone();
        Self {
            command,
            config,
            classifier: Classifier::new(services, Grouping::Service, PortNames::load()),
            many,
            findings: Vec::new(),
            checked: Checked::default(),
            quality,
            dumped: 0,
            netns: None,
        }
    }

    /// Judges what was seen of one namespace, and finds names for it: among the people of a
    /// recording, where it is of one.
    pub(super) fn conclude(&mut self, place: Place, past: Option<&People>) -> anyhow::Result<()> {
        let settings = place.settings()?;
        self.classifier.enter(place.namespace.inode, ephemeral(&settings));
        self.quality.add(place.quality);
        self.dumped += place.dumped;
        let (serving, namespace) = (place.serving, place.namespace);
        let conclusion = place.diagnosis.conclude(settings, |ratio| self.config.threshold(ratio));
        let own;
        let people = match past {
            Some(people) => people,
            None => {
                own = people(self.command, &serving, &conclusion)?;
                own.report(&mut self.quality);
                &own
            }
        };
        for listener in &serving {
            let around = people.around(listener);
            self.classifier.learn_listener(listener.local, &owner(&around));
        }
        self.checked.add(&conclusion.seen);
        let names = Names {
            classifier: RefCell::new(&mut self.classifier),
            people,
            with_processes: self.command.filter.processes || self.command.filter.all_owners,
        };
        let netns = Some(&namespace as &Namespace).filter(|_| self.many);
        self.findings.extend(entries(&conclusion, &names, netns));
        self.netns.get_or_insert(namespace);
        Ok(())
    }

    /// Writes it all; tells how the run ends.
    pub(super) fn tell(
        self,
        host: &Host,
        captured_at: Timestamp,
        elapsed: Duration,
        usage: Usage,
    ) -> anyhow::Result<Exit> {
        let Self { command, many, mut findings, checked, quality, dumped, netns, .. } = self;
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
        let told = DiagnosisDocument {
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
        };
        output::write(command, &told)?;
        Ok(exit(command, &told))
    }
}

/// Looks up who holds the sockets that are to be named.
fn people(
    command: &DiagnoseCommand,
    serving: &[Socket],
    conclusion: &Conclusion,
) -> anyhow::Result<People> {
    let scope = if command.filter.all_owners { Scope::All } else { Scope::First };
    let mut people = People::new(true, true, scope)?;
    let named = conclusion.findings.iter().flat_map(|finding| match &finding.subject {
        Subject::Connections { worst, .. } => {
            worst.iter().map(|(one, _)| socket(one)).collect::<Vec<_>>()
        }
        Subject::Listener(one) | Subject::Service(one) => vec![socket(one)],
        Subject::Host => Vec::new(),
    });
    let named: Vec<Socket> = named.collect();
    if !named.is_empty() {
        people.resolve(serving.iter().chain(&named), None)?;
    }
    Ok(people)
}

fn exit(command: &DiagnoseCommand, told: &DiagnosisDocument<'_>) -> Exit {
    let severe = |finding: &FindingEntry| {
        let own = Severity::ALL.into_iter().find(|one| one.name() == finding.severity);
        command.fail_on.is_some_and(|least| own.is_some_and(|own| own >= least))
    };
    if told.findings.iter().any(severe) {
        Exit::Found
    } else if command.strict && told.quality.is_partial() {
        Exit::Partial
    } else {
        Exit::Done
    }
}
