//! The services' parts in counters: in short below every counter, or in full for a few.

use std::io::{self, Write};

use super::{counted, range, ranged, safe, share, span};
use crate::attribution::Class;
use crate::counters::{Catalogue, indicates_problem};
use crate::output::aligned::Aligned;
use crate::output::shorten::shorten;
use crate::output::wrap::fold;
use crate::output::{Align, OutputWriter, TableLayout, Tone, human};
use crate::report::{AttributionEntry, PartEntry, Services};

/// Services under a counter by default.
const TOP: usize = 3;
/// Indentation below a counter.
const INDENT: usize = 4;
/// From this width on, meanings fit beside the numbers.
const WIDE: usize = 110;

/// Writes a line for each counter and the first services under it.
pub(super) fn in_short(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    layout: TableLayout,
    all: bool,
    top: Option<usize>,
) -> io::Result<()> {
    let columns = [
        ("COUNTER", Align::Left),
        ("GROWTH", Align::Right),
        ("UNATTRIBUTED", Align::Right),
        ("CLASS", Align::Left),
        ("", Align::Left),
    ];
    let mut table = Aligned::new(&columns, 0).shrinkable(0);
    let shown: Vec<&AttributionEntry<'_>> = services
        .attribution
        .iter()
        .filter(|entry| all || indicates_problem(&entry.attribution.counter))
        .collect();
    if shown.is_empty() {
        let (text, tone) = match (services.quality.counters_unread > 0, all) {
            (true, _) => {
                ("No counter grew of those that could be read; others could not.", Tone::Warn)
            }
            (false, true) => ("No counter of TCP grew.", Tone::Quiet),
            (false, false) => ("No counter of trouble grew.", Tone::Quiet),
        };
        table.text(0, text, tone);
        return table.write(out, layout.width, layout.style);
    }
    let which = if all { "Counters" } else { "Counters of trouble" };
    table.heading(&format!("{which} that grew{}, by service", span(services)));
    table.titles();
    for entry in &shown {
        short(&mut table, entry, layout, top.unwrap_or(TOP));
    }
    legend(&mut table, &shown);
    table.write(out, layout.width, layout.style)
}

fn short(table: &mut Aligned, entry: &AttributionEntry<'_>, layout: TableLayout, top: usize) {
    let attribution = entry.attribution;
    let roomy = layout.width.is_none_or(|width| width >= WIDE);
    let meaning = meaning(&attribution.counter).filter(|_| roomy).unwrap_or_default();
    let mut growth = human::grouped(attribution.delta);
    if attribution.gauge {
        growth.push_str(" now");
    }
    let rest = attribution.unattributed;
    table.row(vec![
        (attribution.counter.to_string(), Tone::Plain),
        (growth, Tone::Plain),
        (human::grouped(rest), if rest == 0 { Tone::Quiet } else { Tone::Plain }),
        (attribution.class.name().to_owned(), Tone::Quiet),
        (meaning.to_owned(), Tone::Quiet),
    ]);
    for line in fold(&first(entry, top), super::text_width(layout.width, INDENT)) {
        table.text(INDENT, &line, Tone::Plain);
    }
    if let Some(text) = reasons(entry) {
        table.text(INDENT, &format!("unattributed: {text}"), Tone::Quiet);
    }
}

/// `java 38 (93%)`, ..., `and 4 more`. Services with 0 are left out.
fn first(entry: &AttributionEntry<'_>, top: usize) -> Vec<String> {
    let had = || entry.parts().filter(|part| part.estimate.value > 0);
    let mut items: Vec<String> = had().take(top).map(item).collect();
    let more = had().count().saturating_sub(top);
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    items
}

fn item(part: PartEntry<'_>) -> String {
    /// Two of these fit on a line.
    const NAME: usize = 24;
    let name = shorten(&safe(&part.key.label()), NAME);
    format!("{name} {} ({})", ranged(part.estimate), share(part.share))
}

/// Reasons for the unattributed rest.
fn reasons(entry: &AttributionEntry<'_>) -> Option<String> {
    let reasons: Vec<&str> =
        entry.attribution.reasons.iter().map(|reason| reason.meaning()).collect();
    (entry.attribution.unattributed > 0 && !reasons.is_empty()).then(|| reasons.join("; or "))
}

fn meaning(counter: &str) -> Option<&'static str> {
    Catalogue::builtin().entry(counter).map(|entry| entry.meaning.as_str())
}

/// The meaning of the words and brackets that occur.
fn legend(table: &mut Aligned, shown: &[&AttributionEntry<'_>]) {
    let mut words: Vec<&str> = [Class::Exact, Class::Bounded, Class::Estimated]
        .into_iter()
        .filter(|class| shown.iter().any(|entry| entry.attribution.class == *class))
        .map(class_meaning)
        .collect();
    let open = |part: PartEntry<'_>| part.estimate.value > 0 && range(part.estimate).is_some();
    if shown.iter().any(|entry| entry.parts().any(open)) {
        words.push("[low-high]: where the true number lies");
    }
    table.text(0, &format!("{}.", words.join("; ")), Tone::Quiet);
}

fn class_meaning(class: Class) -> &'static str {
    match class {
        Class::Exact => "exact: the kernel counts it per connection too",
        Class::Inferred => "inferred: such counts, but whose some connections are is inferred",
        Class::Bounded => "bounded: what connections show sets limits",
        Class::Estimated => "estimated: shared out among connections that may have caused it",
    }
}

/// Writes the counters with these names, with all their services.
pub(super) fn in_full(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    layout: TableLayout,
    names: &[String],
    top: Option<usize>,
) -> io::Result<()> {
    let columns = [
        ("SERVICE", Align::Left),
        ("ROLE", Align::Left),
        ("PART", Align::Right),
        ("SHARE", Align::Right),
        ("LOW-HIGH", Align::Right),
    ];
    let mut table = Aligned::new(&columns, INDENT).shrinkable(0);
    let wanted = |entry: &&AttributionEntry<'_>| {
        names.iter().any(|name| **name == *entry.attribution.counter)
    };
    for entry in services.attribution.iter().filter(wanted) {
        table.blank();
        full(&mut table, entry, &span(services), top.unwrap_or(usize::MAX));
    }
    let idle: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| {
            services.attribution.iter().all(|entry| *name != &*entry.attribution.counter)
        })
        .collect();
    let (unread, idle): (Vec<&str>, Vec<&str>) =
        idle.into_iter().partition(|name| services.quality.is_unread(name));
    for (text, names, tone) in [
        (format!("Did not grow{}", span(services)), idle, Tone::Quiet),
        ("Not known, because it could not be read".to_owned(), unread, Tone::Warn),
    ] {
        if !names.is_empty() {
            table.blank();
            table.text(0, &format!("{text}: {}.", names.join(", ")), tone);
        }
    }
    table.write(out, layout.width, layout.style)
}

fn full(table: &mut Aligned, entry: &AttributionEntry<'_>, span: &str, top: usize) {
    let attribution = entry.attribution;
    let (name, delta) = (&attribution.counter, human::grouped(attribution.delta));
    table.heading(&if attribution.gauge {
        format!("{name} is {delta}")
    } else {
        format!("{name} grew by {delta}{span}")
    });
    if let Some(meaning) = meaning(name) {
        table.text(INDENT, meaning, Tone::Quiet);
    }
    table.text(INDENT, &format!("{}.", class_meaning(attribution.class)), Tone::Quiet);
    table.titles();
    for part in entry.parts().take(top) {
        let tone = if part.estimate.value == 0 { Tone::Quiet } else { Tone::Plain };
        table.row(vec![
            (part.key.label().into_owned(), tone),
            (part.key.role.name().to_owned(), Tone::Quiet),
            (human::grouped(part.estimate.value), tone),
            (share(part.share), tone),
            (range(part.estimate).unwrap_or_default(), Tone::Quiet),
        ]);
    }
    let more = entry.parts().count().saturating_sub(top);
    if more > 0 {
        let text = format!("and {} more", counted(more as u64, "service", "services"));
        table.text(INDENT, &text, Tone::Quiet);
    }
    if attribution.unattributed > 0 {
        table.row(vec![
            ("unattributed".to_owned(), Tone::Plain),
            (String::new(), Tone::Plain),
            (human::grouped(attribution.unattributed), Tone::Plain),
            (share(entry.unattributed_share()), Tone::Plain),
        ]);
    }
    if let Some(text) = reasons(entry) {
        table.text(INDENT, &format!("possible reasons: {text}"), Tone::Quiet);
    }
}
