//! Services and their part in counters: for people, as CSV and as lines of JSON.

mod csv;
mod lines;
mod list;
mod notes;
mod parts;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use super::stats::Look;
use super::{escape, human};
use crate::attribution::Estimate;
use crate::report::Services;

pub use csv::{attribution_csv, services_csv};
pub use lines::services_jsonl;

/// What of a document is shown to people.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServicesView<'a> {
    /// At most so many services in each list. Without: ten in the list of services, three under
    /// a counter, all of them under a counter that was asked for by name.
    pub top: Option<usize>,
    /// Which counters are shown.
    pub counters: CounterChoice<'a>,
}

/// Which counters are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CounterChoice<'a> {
    /// Those that tell of trouble, in short.
    #[default]
    Trouble,
    /// Every one, in short.
    All,
    /// These, in nstat's spelling, in full. They are the answer to a question: the list of
    /// services is not shown with them.
    Named(&'a [String]),
}

/// Services in the list when nothing else was asked for.
const TOP: usize = 10;

/// Writes it for people.
///
/// # Errors
/// What the writer answers.
pub fn services(
    out: &mut impl Write,
    services: &Services<'_>,
    look: Look,
    view: &ServicesView<'_>,
) -> io::Result<()> {
    match view.counters {
        CounterChoice::Named(names) => parts::in_full(out, services, look, names, view.top)?,
        choice => {
            list::list(out, services, look, view.top.unwrap_or(TOP))?;
            writeln!(out)?;
            parts::in_short(out, services, look, choice == CounterChoice::All, view.top)?;
        }
    }
    notes::notes(out, services, look)
}

/// ` in the last 5s`; nothing without an interval.
fn span(services: &Services<'_>) -> String {
    let seconds = services.document.interval_s;
    seconds.map_or_else(String::new, |seconds| {
        format!(" {}", super::stats::span(services.basis, seconds))
    })
}

/// A name that others have chosen, made safe before it is measured.
fn safe(name: &str) -> String {
    escape::text(name).into_owned()
}

/// `5`, or `5 [4-6]` where it is not certain.
fn ranged(estimate: Estimate) -> String {
    let mut text = human::grouped(estimate.value);
    if let Some(range) = range(estimate) {
        text.push_str(&format!(" [{range}]"));
    }
    text
}

/// `4-6`, where the two differ.
fn range(Estimate { low, high, .. }: Estimate) -> Option<String> {
    (low < high).then(|| format!("{}-{}", human::grouped(low), human::grouped(high)))
}

fn share(value: f64) -> String {
    let mut text = String::new();
    human::share(value, &mut text);
    text
}

/// `1 connection`, `12 connections`.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", human::grouped(count), if count == 1 { one } else { many })
}

/// Columns beside an indentation.
fn room(width: Option<usize>, indent: usize) -> usize {
    width.map_or(usize::MAX, |width| width.saturating_sub(indent))
}
