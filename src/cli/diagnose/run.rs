//! Watching, judging, telling.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::DiagnoseCommand;
use super::choice;
use super::naming::{Names, owner, socket};
use super::output;
use super::place::{Place, Wanted};
use super::progress::Progress;
use crate::attribute::{Classifier, Grouping};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::expression::Lookups;
use crate::cli::owners::People;
use crate::cli::scene::{is_all, places};
use crate::counters::CounterWidth;
use crate::diagnose::{Conclusion, Question, Subject};
use crate::model::{Socket, State, StateSet};
use crate::report::{
    Checked, Cost, DIAGNOSE, Diagnosis, Document, FindingEntry, Namespace, Quality, entries,
};
use crate::source::{Host, PortNames, Scope};
use crate::sys::{Interrupt, Usage, give_memory_back};

/// Looks come so often at most, and at least.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(1);

/// Looks that a watch of whatever length shall have.
const LOOKS: u32 = 10;

/// Everything but bound sockets that are no connections.
const STATES: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::SynRecv,
    State::FinWait1,
    State::FinWait2,
    State::TimeWait,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
]);

pub(super) fn run(command: &DiagnoseCommand) -> anyhow::Result<Exit> {
    let asked = choice::asked(&command.rule, &command.without)?;
    let config = Config::load(command.config.as_deref())?;
    let usage = Usage::now();
    let host = Host::this();
    let wanted = wanted(command, &host)?;
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let question = Question {
        limits: config.limits(),
        asked,
        target_rate: command.target_rate,
        width: CounterWidth::of_machine(&machine),
    };
    let mut quality = Quality::default();
    let mut opened = open(command, &question, &mut quality)?;
    let mut people = People::new(wanted.asks_for_owners, true, Scope::First)?;
    let watched = watch(command, &mut opened, &wanted, &mut people, &interrupt)?;
    let Some(elapsed) = watched else { return Ok(Exit::Interrupted) };
    let classifier = Classifier::new(config.services.clone(), Grouping::Service, PortNames::load());
    let mut telling = Teller {
        command,
        config: &config,
        classifier,
        many: opened.len() > 1 || is_all(&command.filter.netns),
        findings: Vec::new(),
        checked: Checked::default(),
        quality,
        dumped: 0,
    };
    let namespace = opened.first().map(|place| place.namespace.clone());
    for place in opened {
        telling.conclude(place)?;
    }
    let many = telling.many;
    let Teller { mut findings, checked, quality, dumped, .. } = telling;
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
    let told = Diagnosis {
        document: Document {
            schema: DIAGNOSE,
            captured_at: format!("{:.9}", Timestamp::now()),
            host: &host,
            netns: namespace.filter(|_| !many),
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

fn exit(command: &DiagnoseCommand, told: &Diagnosis<'_>) -> Exit {
    let severe = |finding: &FindingEntry| {
        let severities = crate::diagnose::Severity::ALL;
        let own = severities.into_iter().find(|one| one.name() == finding.severity);
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

fn wanted(command: &DiagnoseCommand, host: &Host) -> anyhow::Result<Wanted> {
    let ports = PortNames::load();
    let expr = command.filter.expression(&Lookups { ports: &ports, past: None })?;
    let mut plan = expr.plan(STATES, command.filter.plan_options());
    plan.states = plan.states.intersection(STATES);
    let asks_for_owners = expr.needs().owner;
    Ok(Wanted { expr, plan, asks_for_owners, ports, ecn: host.ecn_word() })
}

/// Opens the namespaces; of `all` those that can be entered.
fn open(
    command: &DiagnoseCommand,
    question: &Question,
    quality: &mut Quality,
) -> anyhow::Result<Vec<Place>> {
    let specs = &command.filter.netns;
    let (places, unreachable) = places(specs)?;
    quality.permission_limited.extend(unreachable);
    let mut opened = Vec::new();
    for place in &places {
        match Place::open(place, question.clone(), !command.no_events, quality) {
            Ok(place) => opened.push(place),
            Err(error) if is_all(specs) => quality.permission_limited.push(format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    if opened.is_empty() {
        anyhow::bail!("no network namespace could be entered");
    }
    Ok(opened)
}

/// Looks at them until the time is up, or the user asks to end. Tells how long that was; `None`
/// where there was no second look.
fn watch(
    command: &DiagnoseCommand,
    places: &mut [Place],
    wanted: &Wanted,
    people: &mut People,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Duration>> {
    let progress = Progress::new();
    let every = (command.duration / LOOKS).clamp(OFTEN, SELDOM).min(command.duration);
    let start = Instant::now();
    let end = start + command.duration;
    for place in places.iter_mut() {
        place.read_host()?;
        place.look(wanted, people, Duration::ZERO)?;
    }
    let mut next = start;
    loop {
        next = (next + every).max(Instant::now());
        // The last look is at the end, and not just before it.
        if next + every / 2 > end {
            next = end;
        }
        let sockets = places.iter().map(|place| place.examination.len() as u64).sum();
        progress.show(sockets, end.saturating_duration_since(Instant::now()));
        let asked = interrupt.sleep_until(next);
        let at = start.elapsed();
        let last = asked || next >= end;
        if asked && at < OFTEN {
            progress.clear();
            return Ok(None);
        }
        for place in places.iter_mut() {
            place.look(wanted, people, at)?;
            if last {
                place.read_host()?;
            }
        }
        if last {
            progress.clear();
            return Ok(Some(at));
        }
    }
}

/// What is told of all namespaces together.
struct Teller<'a> {
    command: &'a DiagnoseCommand,
    config: &'a Config,
    classifier: Classifier,
    many: bool,
    findings: Vec<FindingEntry>,
    checked: Checked,
    quality: Quality,
    dumped: u64,
}

impl Teller<'_> {
    /// Judges what was seen of one namespace, and finds names for it.
    fn conclude(&mut self, place: Place) -> anyhow::Result<()> {
        let settings = place.settings()?;
        self.classifier.enter(place.namespace.inode, Place::ephemeral(&settings));
        self.quality.add(place.quality);
        self.dumped += place.dumped;
        let (serving, namespace) = (place.serving, place.namespace);
        let conclusion = place.examination.conclude(settings, |ratio| self.config.threshold(ratio));
        let people = self.people(&serving, &conclusion)?;
        people.report(&mut self.quality);
        self.checked.add(&conclusion.seen);
        let names = Names {
            classifier: RefCell::new(&mut self.classifier),
            people: &people,
            with_processes: self.command.filter.processes || self.command.filter.all_owners,
        };
        let netns = Some(&namespace as &Namespace).filter(|_| self.many);
        self.findings.extend(entries(&conclusion, &names, netns));
        Ok(())
    }

    /// Looks up who holds the sockets that are to be named, and teaches the classifier the
    /// listeners.
    fn people(&mut self, serving: &[Socket], conclusion: &Conclusion) -> anyhow::Result<People> {
        let scope = if self.command.filter.all_owners { Scope::All } else { Scope::First };
        let mut people = People::new(true, true, scope)?;
        let named = conclusion.findings.iter().flat_map(|finding| match &finding.subject {
            Subject::Connections { worst, .. } => {
                worst.iter().map(|(one, _)| socket(one)).collect::<Vec<_>>()
            }
            Subject::Listener(one) | Subject::Service(one) => vec![socket(one)],
            Subject::Host => Vec::new(),
        });
        let named: Vec<Socket> = named.collect();
        if named.is_empty() {
            return Ok(people);
        }
        people.resolve(serving.iter().chain(&named), None)?;
        for listener in serving {
            let around = people.around(listener);
            self.classifier.learn_listener(listener.local, &owner(&around));
        }
        Ok(people)
    }
}
