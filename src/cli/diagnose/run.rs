//! One diagnosis, of what happens here or in a recording.

use std::io;

use anyhow::Context as _;

use super::{DiagnoseCommand, USUAL};
use crate::cli::exit::{Exit, configuration, eprint_line, reader_left};
use crate::cli::recording_args::complain;
use crate::cli::table_args::Form;
use crate::counters::CounterWidth;
use crate::diagnosis::{DiagnosisOptions, DiagnosisRun, Question, selected_rules};
use crate::identity::{Grouping, ServiceRegistry};
use crate::monitor::{FilterNames, NameSource};
use crate::output::summary;
use crate::output::{
    DiagnosisView, OutputWriter, Progress, diagnosis, diagnosis_csv, diagnosis_jsonl, human,
    json_line,
};
use crate::procfs::{Host, PortNames, Scope};
use crate::report::DiagnosisDocument;
use crate::sys::{Interrupt, Usage, give_memory_back};

pub(super) fn run(command: &DiagnoseCommand) -> anyhow::Result<Exit> {
    let config = configuration(command.config.as_deref())?;
    let asked = selected_rules(&command.rule, &command.without)?;
    let recorded = command.past.session(&command.filter.netns)?;
    let usage = Usage::now();
    let interrupt = Interrupt::install()?;
    let ports = PortNames::load();
    let past = recorded.as_ref().map(|(session, _)| session.sample());
    let width = past.map_or_else(CounterWidth::of_this_host, |sample| {
        CounterWidth::of_machine(&sample.host.machine)
    });
    let filter = &command.filter;
    let source = match &recorded {
        Some((session, _)) => NameSource::Recording(session.sample(), session.choice()),
        None => NameSource::Host(&filter.netns),
    };
    let options = DiagnosisOptions {
        question: Question {
            limits: config.limits(),
            asked,
            target_rate: command.target_rate,
            width,
        },
        sockets: filter.expression(&FilterNames { ports: &ports, source })?,
        plan: filter.plan_options(),
        netns: filter.netns.clone(),
        owners: if filter.all_owners { Scope::All } else { Scope::First },
        with_processes: filter.processes || filter.all_owners,
        no_events: command.no_events,
    };
    let registry = ServiceRegistry::new(config.services.clone(), Grouping::Service, ports);
    give_memory_back();
    let (run, host, damaged) = match recorded {
        Some((mut session, pace)) => {
            let duration = command.duration;
            let run =
                DiagnosisRun::replay(options, registry, duration, &interrupt, &mut session, pace)
                    .with_context(|| session.name().to_owned())?;
            (run, session.host(), complain(&session))
        }
        None => match watch(command, options, registry, &interrupt)? {
            Some(run) => (run, Host::this(), false),
            None => return Ok(Exit::Interrupted),
        },
    };
    let diagnosed = run.conclude(|ratio| config.threshold(ratio))?;
    let document = DiagnosisDocument::new(&host, diagnosed, usage);
    // What was found counts, whether or not somebody reads all of it.
    reader_left(write(command, &document))?;
    let partial = damaged || document.quality.is_partial();
    Ok(if command.fail_on.is_some_and(|least| document.has(least)) {
        Exit::Found
    } else if command.strict && partial {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Watches the kernel, with a progress line on the terminal.
fn watch(
    command: &DiagnoseCommand,
    options: DiagnosisOptions,
    registry: ServiceRegistry,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<DiagnosisRun>> {
    let mut progress = Progress::new();
    let duration = command.duration.unwrap_or(USUAL);
    let run = DiagnosisRun::watch(options, registry, duration, interrupt, &mut |sockets, left| {
        progress.show(|| {
            let (sockets, left) = (human::grouped(sockets), human::in_words(left));
            format!("watching {sockets} sockets, {left} left; Ctrl-C ends it with what was seen")
        });
    });
    progress.clear();
    Ok(run?)
}

fn write(command: &DiagnoseCommand, document: &DiagnosisDocument<'_>) -> io::Result<()> {
    let mut out = OutputWriter::standard();
    match command.table.output {
        Form::Table => {
            let view = DiagnosisView { all: command.all };
            diagnosis(&mut out, document, view, command.table.layout())?;
        }
        Form::Json => json_line(&mut out, document)?,
        Form::Jsonl => diagnosis_jsonl(&mut out, document)?,
        Form::Csv => diagnosis_csv(&mut out, document)?,
    }
    out.flush()?;
    if document.quality.events_lost > 0 {
        let lost = human::grouped(document.quality.events_lost);
        eprint_line(format_args!(
            "tcpdiag: {lost} destroy events were lost: what those sockets did last is not judged"
        ));
    }
    for line in summary::warnings(&document.quality) {
        eprint_line(format_args!("tcpdiag: {line}"));
    }
    Ok(())
}
