//! `tcpdiag stats --against FILE`.

use std::io::{self, BufWriter, Write as _};

use anyhow::Context as _;

use super::StatsCommand;
use super::categories::place;
use super::replay;
use super::selection::Selection;
use super::watch::Watch;
use crate::cli::exit::Exit;
use crate::cli::look::Form;
use crate::cli::past;
use crate::cli::scene::places;
use crate::counters::{CounterWidth, Kind};
use crate::history::{BASELINE, Change, Comparison, Reading, Side, Span, load};
use crate::output::{comparison, json_line};
use crate::procfs::Host;
use crate::report::{
    COMPARISON, ChangeRow, ComparedSide, ComparisonDocument, Cost, Document, Share, StatsLine,
};
use crate::sys::Usage;

/// Changes that a table shows without --all.
const FIRST: usize = 25;

pub(super) fn run(command: &StatsCommand) -> anyhow::Result<Exit> {
    let usage = Usage::now();
    let Some(path) = &command.against else { return Ok(Exit::Done) };
    command.one_namespace("--against")?;
    let baseline = load(path).context("--against")?;
    let (watch, host, machine, damaged) = match command.span.recording()? {
        Some(mut recording) => {
            let (watch, moment, damaged) = replay::reading(command, &mut recording)?;
            let (host, machine) = (past::host(&moment), moment.host.machine);
            (watch, host, machine, damaged)
        }
        None => {
            let (places, _) = places(&command.netns)?;
            let place = places.first().context("there is no network namespace")?;
            let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
            (Watch::open(place)?, Host::this(), machine, false)
        }
    };
    let selection = Selection::new(&command.names, command.all, &watch.now)?;
    let now = Reading::new(BASELINE, watch.origin(&host), &watch.now);
    let width = CounterWidth::of_machine(&machine);
    let mut compared = Comparison::between(&baseline, &now, width, Kind::of);
    compared.changes.retain(|change| selection.holds(&change.name));
    let side = |side: Side| ComparedSide { seconds: side.seconds, segments: side.segments };
    let document = ComparisonDocument {
        document: Document {
            schema: COMPARISON,
            captured_at: watch.at.captured_at.clone(),
            host: &host,
            netns: Some(watch.namespace.clone()),
            interval_s: None,
        },
        span: match compared.span {
            Span::Since => "since",
            Span::Totals => "totals",
        },
        baseline: &baseline.origin,
        before: side(compared.before),
        after: side(compared.after),
        changes: compared.changes.iter().map(|change| row(change, &compared)).collect(),
        differences: compared.differences,
        backwards: compared.backwards,
        cost: Cost::new(usage.elapsed(), 0),
    };
    write(command, &document)?;
    for warning in watch.quality().warnings() {
        eprintln!("tcpdiag: {warning}");
    }
    let partial = watch.quality().is_partial() || damaged;
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}

fn row(change: &Change, compared: &Comparison) -> ChangeRow {
    let share = |count: u64, side: Side| Share {
        count,
        per_second: (side.seconds > 0.0).then(|| count as f64 / side.seconds),
        per_1000_segments: (side.segments > 0)
            .then(|| count as f64 * 1000.0 / side.segments as f64),
    };
    ChangeRow {
        name: change.name.clone(),
        category: place(&change.name).1.to_owned(),
        before: share(change.before, compared.before),
        after: share(change.after, compared.after),
        factor: change.factor,
    }
}

fn write(command: &StatsCommand, document: &ComparisonDocument<'_>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    match command.look.output {
        Form::Table => {
            let limit = if command.all { usize::MAX } else { FIRST };
            comparison(&mut out, document, limit, command.look.look())?;
        }
        Form::Json => json_line(&mut out, document)?,
        Form::Jsonl => {
            for row in &document.changes {
                let schema = "tcpdiag.stats.comparison.row/1";
                let captured_at = document.document.captured_at.as_str();
                let netns = document.document.netns.as_ref().map(|netns| netns.inode);
                json_line(&mut out, &StatsLine { schema, captured_at, netns, row })?;
            }
        }
        Form::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            writer.write_record([
                "name",
                "category",
                "before",
                "before_per_second",
                "before_per_1000_segments",
                "after",
                "after_per_second",
                "after_per_1000_segments",
                "factor",
            ])?;
            for row in &document.changes {
                let (b, a) = (row.before, row.after);
                writer.serialize((
                    &row.name,
                    &row.category,
                    b.count,
                    b.per_second,
                    b.per_1000_segments,
                    a.count,
                    a.per_second,
                    a.per_1000_segments,
                    row.factor,
                ))?;
            }
            writer.flush()?;
        }
    }
    Ok(out.flush()?)
}
