//! A recording as a table.

use std::cell::RefCell;
use std::io::{BufWriter, Write};
use std::rc::Rc;

use anyhow::{Context as _, anyhow, bail};

use super::{ConvertCommand, create};
use crate::cli::exit::{Exit, configuration, eprint_line, reader_left};
use crate::cli::recording_args::{complain, opened};
use crate::filter::Expr;
use crate::identity::{Grouping, ServiceRegistry};
use crate::monitor::RecordedIntervals;
use crate::output::InputProgress;
use crate::output::human::grouped;
use crate::output::{IntervalRows, OutputWriter, named_interval_columns};
use crate::procfs::PortNames;
use crate::recording::{RecordedNames, Session, SessionOptions};
use crate::report::interval_columns;
use crate::sys::{Interrupt, is_terminal};

/// Where rows go.
type Out = Box<dyn Write>;

pub(super) fn run(command: &ConvertCommand) -> anyhow::Result<Exit> {
    if matches!(command.columns.as_slice(), [only] if only == "help" || only == "list") {
        return list_columns();
    }
    let columns = named_interval_columns(&command.columns)?;
    let interrupt = Interrupt::install()?;
    let options = SessionOptions {
        namespaces: command.netns.clone(),
        from: command.from,
        to: command.to,
        at: None,
        // Growth needs the samples before.
        lead_in: true,
        counters: false,
    };
    // No file is created before there is something to write.
    let session = opened(Session::open(&command.files(), &options))?;
    let ports = PortNames::load();
    let expr = expression(command, &ports, &session)?;
    if expr.needs().program {
        bail!("a recording does not show which ports the kernel chose, as `autobound` asks");
    }
    let out = match &command.into {
        Some(path) => {
            let file = create(path, command.force, |metadata| session.reads(metadata))?;
            OutputWriter::new(Box::new(BufWriter::with_capacity(1 << 16, file)) as Out)
        }
        None => OutputWriter::standard().boxed(),
    };
    let rows = IntervalRows::begin(out, command.form(), columns, expr, command.all_rows)?;
    let services = configuration(None)?.services;
    let registry = ServiceRegistry::new(services, Grouping::Service, ports);
    convert(command, session, registry, rows, &interrupt)
}

/// The expression. Where it names interfaces or cgroups, the files are read before for them.
fn expression(
    command: &ConvertCommand,
    ports: &PortNames,
    session: &Session,
) -> anyhow::Result<Expr> {
    let mut names = RecordedNames::new(ports);
    let expr = command.which.expression(&names)?;
    if !names.are_asked() {
        return Ok(expr);
    }
    names.look_up(session)?;
    command.which.expression(&names)
}

/// Converts the samples of a session.
fn convert(
    command: &ConvertCommand,
    mut session: Session,
    registry: ServiceRegistry,
    rows: IntervalRows<Out>,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    let cannot_write = || match &command.into {
        Some(path) => format!("cannot write {}", path.display()),
        None => "cannot write the table".to_owned(),
    };
    let minisocks = rows.has_minisocks();
    let rows = Rc::new(RefCell::new(rows));
    let mut intervals = RecordedIntervals::new(&session, registry, Rc::clone(&rows), minisocks);
    let mut progress = InputProgress::new();
    if command.into.is_none() && is_terminal() {
        // The rows go there.
        progress.disable();
    }
    let mut samples = 0u64;
    let interrupted = loop {
        samples += 1;
        rows.borrow_mut().begin_sample(&session);
        intervals.take(session.sample_mut())?;
        if reader_left(rows.borrow_mut().end_sample().with_context(cannot_write))? {
            let partial = complain(&session) || intervals.gaps().is_partial();
            return Ok(if command.strict && partial { Exit::Partial } else { Exit::Done });
        }
        progress.show(session.progress(), || {
            format!("{} samples, {} rows", grouped(samples), grouped(rows.borrow().written))
        });
        let interrupted = interrupt.is_asked();
        if interrupted || !session.advance() {
            break interrupted;
        }
    };
    progress.clear();
    let gaps = intervals.gaps();
    drop(intervals);
    let rows = Rc::into_inner(rows).ok_or_else(|| anyhow!("the rows are still being written"))?;
    let rows = rows.into_inner();
    let (written, sockets) = (rows.written, rows.sockets);
    let is_left = reader_left(rows.end().with_context(cannot_write))?;
    if !is_left {
        eprint_line(format_args!(
            "{}: {} rows of {} sockets from {} samples in {}",
            session.name(),
            grouped(written),
            grouped(sockets),
            grouped(samples),
            progress.took(),
        ));
    }
    gaps.sentences().iter().for_each(|line| eprint_line(format_args!("tcpdiag: {line}")));
    let partial = complain(&session) || gaps.is_partial();
    Ok(if interrupted && written == 0 {
        Exit::Interrupted
    } else if command.strict && partial {
        Exit::Partial
    } else {
        Exit::Done
    })
}

fn list_columns() -> anyhow::Result<Exit> {
    let mut out = OutputWriter::standard();
    for column in interval_columns() {
        out.line(format_args!("{:<28} {}", column.name, column.meaning))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
