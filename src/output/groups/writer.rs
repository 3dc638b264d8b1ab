//! Writes the groups of one sample.

use std::cmp::Ordering;
use std::io::{self, Write};
use std::time::Duration;

use super::column::Span;
use super::{GroupColumn, GroupColumns};
use crate::model::Unit;
use crate::output::aligned::Aligned;
use crate::output::{
    Align, Layout, OutputWriter, RowCell, RowForm, Rows, Tone, human, json_line, summary,
};
use crate::report::{
    Cost, Document, FiguresEntry, Group, GroupDocument, GroupEntry, GroupRowEnd, GroupRowLine,
    GroupTable, GroupView, Quality, RestEntry,
};

/// Order and number of the groups; the same for every sample.
#[derive(Debug, Clone)]
pub struct GroupOrder {
    /// The column to sort by, and whether the largest come first; by default the groups with the
    /// most sockets come first.
    pub sort: Option<(GroupColumn, bool)>,
    /// The most groups to write.
    pub limit: Option<u64>,
}

/// What is known of a sample besides its groups.
#[derive(Debug, Clone, Copy)]
pub struct GroupSample<'a> {
    /// What limits its reliability.
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
    /// Whether there are several samples.
    pub repeats: bool,
}

/// Writes samples.
#[derive(Debug, Clone)]
pub struct GroupWriter {
    /// The columns of tables and CSV.
    pub columns: GroupColumns,
    /// Which groups.
    pub order: GroupOrder,
}

/// How many groups there are, and how many of them were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCounts {
    groups: u64,
    shown: u64,
    sockets: u64,
    /// Sockets of groups beyond those that are kept.
    beyond_limit: u64,
}

impl GroupCounts {
    /// Groups that were not written.
    pub fn unseen(&self) -> u64 {
        self.groups - self.shown
    }
}

impl GroupWriter {
    /// Writes a sample; returns the writer and what was written.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write<W: Write>(
        &self,
        mut out: OutputWriter<W>,
        form: RowForm,
        table: &GroupTable,
        document: Document<'_>,
        sample: GroupSample<'_>,
    ) -> io::Result<(OutputWriter<W>, GroupCounts)> {
        let span = Span { repeats: sample.repeats, interval_s: document.interval_s };
        let groups = table.sorted(|one, other| self.compare(one, other, span));
        let of_terminal = match form {
            RowForm::Table(layout) => layout.rows,
            _ => None,
        };
        let limit = self.order.limit.and_then(|limit| usize::try_from(limit).ok());
        let most = limit.into_iter().chain(of_terminal).min().unwrap_or(usize::MAX);
        let (shown, others) = groups.split_at(most.min(groups.len()));
        let mut rest = table.rest().clone();
        others.iter().for_each(|group| rest.merge(&group.figures));
        let total = table.total();
        let counts = GroupCounts {
            groups: groups.len() as u64,
            shown: shown.len() as u64,
            sockets: total.count,
            beyond_limit: table.rest().count,
        };
        let view = GroupView {
            keys: &table.keys,
            repeats: sample.repeats,
            interval_s: document.interval_s,
        };
        let rest = (!rest.is_empty()).then_some(RestEntry {
            groups: others.len() as u64,
            is_least: !table.rest().is_empty(),
            figures: FiguresEntry { figures: &rest, view },
        });
        let total = FiguresEntry { figures: &total, view };
        match form {
            RowForm::Table(layout) => self.table(&mut out, shown, span, layout)?,
            RowForm::Detail { .. } => {}
            RowForm::Json { .. } => {
                let document = GroupDocument {
                    document,
                    by: table.keys.iter().map(|key| key.name()).collect(),
                    groups: shown.iter().map(|group| GroupEntry { group, view }).collect(),
                    rest,
                    total,
                    quality: sample.quality,
                    cost: sample.cost,
                };
                json_line(&mut out, &document)?;
            }
            RowForm::JsonLines => {
                for group in shown {
                    let (schema, captured_at) = (GroupDocument::ROW, &*document.captured_at);
                    json_line(
                        &mut out,
                        &GroupRowLine { schema, captured_at, entry: GroupEntry { group, view } },
                    )?;
                }
                let end = GroupRowEnd {
                    schema: GroupDocument::END,
                    shown: counts.shown,
                    rest,
                    total,
                    quality: sample.quality,
                    cost: sample.cost,
                };
                json_line(&mut out, &end)?;
            }
            RowForm::Delimited { delimiter, header } => {
                out = self.delimited(out, shown, span, &document.captured_at, delimiter, header)?;
            }
        }
        Ok((out, counts))
    }

    fn compare(&self, one: &Group, other: &Group, span: Span) -> Ordering {
        match &self.order.sort {
            Some((column, descending)) => column.compare(one, other, span, *descending),
            None => other.figures.count.cmp(&one.figures.count),
        }
    }

    fn table(
        &self,
        out: &mut OutputWriter<impl Write>,
        groups: &[&Group],
        span: Span,
        layout: Layout,
    ) -> io::Result<()> {
        let columns = &self.columns.shown;
        let align = |column: &GroupColumn| match column.key() {
            Some(_) => ("", Align::Left),
            None => ("", Align::Right),
        };
        let alignment: Vec<_> = columns.iter().map(align).collect();
        let keys =
            (0..columns.len()).filter(|at| columns.get(*at).is_some_and(|it| it.key().is_some()));
        let mut table = keys.fold(Aligned::new(&alignment, 0), Aligned::shrinkable);
        if layout.header {
            let titles = columns.iter().map(|column| (column.header.clone(), Tone::Quiet));
            table.row(titles.collect());
        }
        for group in groups {
            table.row(columns.iter().map(|column| column.cell(group, span)).collect());
        }
        table.write(out, layout.width, layout.style)
    }

    fn delimited<W: Write>(
        &self,
        out: OutputWriter<W>,
        groups: &[&Group],
        span: Span,
        captured_at: &str,
        delimiter: u8,
        header: bool,
    ) -> io::Result<OutputWriter<W>> {
        let columns = &self.columns.shown;
        let mut rows = Rows::of(out, delimiter);
        let interval = span.repeats.then_some("interval_s");
        if header {
            let first = ["time"].into_iter().chain(interval);
            rows.titles(first.chain(columns.iter().map(|column| &*column.title)))?;
        }
        for group in groups {
            let time = std::iter::once(RowCell::from(captured_at));
            let interval = interval.map(|_| RowCell::from(span.interval_s));
            let values = columns.iter().map(|column| match column.key() {
                Some(at) => group.key.get(at).map_or(RowCell::Empty, |key| key.text().into()),
                None => plain(column, group, span),
            });
            rows.row(time.chain(interval).chain(values))?;
        }
        rows.end()
    }
}

/// A number in base units.
fn plain(column: &GroupColumn, group: &Group, span: Span) -> RowCell<'static> {
    match column.number(group, span) {
        None => RowCell::Empty,
        Some((value, Unit::Ratio | Unit::BytesPerSecond | Unit::None)) => RowCell::Number(value),
        Some((value, _)) => RowCell::Integer(value as i128),
    }
}

/// `12 groups of 10,034 sockets in 5.2ms`, and what of it is not shown.
pub fn groups_summary(counts: &GroupCounts, columns: &GroupColumns, took: Duration) -> String {
    let mut line = human::counted(counts.groups, "group");
    line.push_str(" of ");
    line.push_str(&human::counted(counts.sockets, "socket"));
    if counts.unseen() > 0 {
        line.push_str(&format!(", {} shown", human::grouped(counts.shown)));
    }
    line.push_str(" in ");
    human::microseconds(took.as_micros() as u64, &mut line);
    if counts.beyond_limit > 0 {
        let sockets = human::counted(counts.beyond_limit, "socket");
        line.push_str(&format!("; {sockets} of further groups are only in the total"));
    }
    line.push_str(&summary::not_shown(&columns.dropped));
    line
}
