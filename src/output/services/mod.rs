//! Services and their part in counters: for people, as CSV and as JSON lines.

mod csv;
mod lines;
mod list;
mod notes;
mod parts;
mod summary;
#[cfg(test)]
mod tests;
mod writer;

use std::io::{self, Write};

use super::stats::TableLayout;
use super::{OutputWriter, escape, human};
use crate::attribution::Estimate;
use crate::report::{ServiceOrder, Services};

pub use csv::{attribution_csv, services_csv};
pub use lines::services_jsonl;
pub use summary::services_summary;
pub use writer::ServicesWriter;

/// Which parts of a document are shown to people.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServicesView<'a> {
    /// The most services in each list. By default ten in the list of services, three under a
    /// counter, and all under a counter that was asked for by name.
    pub top: Option<usize>,
    /// What the list is sorted by, if it is not by retransmits.
    pub order: Option<ServiceOrder>,
    /// Which counters are shown.
    pub counters: CounterChoice<'a>,
}

/// Which counters are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CounterChoice<'a> {
    /// Counters that indicate problems, in short.
    #[default]
    Problems,
    /// Every counter, in short.
    All,
    /// These counters (nstat's spelling) in full, without the list of services.
    Named(&'a [String]),
}

/// Services in the list by default.
const TOP: usize = 10;

/// Writes the document for people.
///
/// # Errors
/// Errors of the writer.
pub fn services(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    layout: TableLayout,
    view: &ServicesView<'_>,
) -> io::Result<()> {
    match view.counters {
        CounterChoice::Named(names) => parts::in_full(out, services, layout, names, view.top)?,
        choice => {
            let order = view.order.unwrap_or(ServiceOrder::Retrans);
            list::list(out, services, layout, view.top.unwrap_or(TOP), order)?;
            out.blank()?;
            parts::in_short(out, services, layout, choice == CounterChoice::All, view.top)?;
        }
    }
    notes::notes(out, services, layout)
}

/// ` in the last 5s`; nothing without an interval.
fn span(services: &Services<'_>) -> String {
    let seconds = services.document.interval_s;
    seconds.map_or_else(String::new, |seconds| {
        format!(" {}", super::stats::span(services.basis, seconds))
    })
}

/// A name chosen by others, escaped before its width is measured.
fn safe(name: &str) -> String {
    escape::text(name).into_owned()
}

/// `5`, or `5 [4-6]` if it is not certain.
fn ranged(estimate: Estimate) -> String {
    let mut text = human::grouped(estimate.value);
    if let Some(range) = range(estimate) {
        text.push_str(&format!(" [{range}]"));
    }
    text
}

/// `4-6`, if the two differ.
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

/// The width beside an indentation.
fn text_width(width: Option<usize>, indent: usize) -> usize {
    width.map_or(usize::MAX, |width| width.saturating_sub(indent))
}
