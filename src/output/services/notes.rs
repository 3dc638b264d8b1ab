//! Notes on what was not observed. Empty if everything was.

use std::io::{self, Write};

use super::counted;
use crate::output::aligned::Aligned;
use crate::output::stats::percent;
use crate::output::{OutputWriter, TableLayout, Tone};
use crate::report::Services;

/// Writes the notes below the tables.
pub(super) fn notes(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    layout: TableLayout,
) -> io::Result<()> {
    let notes = all(services);
    if notes.is_empty() {
        return Ok(());
    }
    let mut table = Aligned::new(&[], 0);
    for (text, tone) in notes {
        table.text(0, &text, tone);
    }
    out.blank()?;
    table.write(out, layout.width, layout.style)
}

fn all(services: &Services<'_>) -> Vec<(String, Tone)> {
    let (coverage, polls) = (&services.coverage, &services.polls);
    let mut notes = Vec::new();
    notes.extend(unseen(services));
    if coverage.counters_zeroed > 0 {
        let text = format!(
            "{} ended with counters that the kernel had zeroed: the last figures are missing.",
            counted(coverage.counters_zeroed, "connection", "connections")
        );
        notes.push((text, Tone::Plain));
    }
    if coverage.closing_unconfirmed > 0 {
        let text = format!(
            "{} over, but a program still holds the socket: the last figures show when it is \
             closed.",
            counted(coverage.closing_unconfirmed, "connection is", "connections are")
        );
        notes.push((text, Tone::Quiet));
    }
    if coverage.given_up > 0 {
        let text = format!(
            "{} over and not tracked any more, because there were too many: they count twice if \
             their destroy events still arrive.",
            counted(coverage.given_up, "connection was", "connections were")
        );
        notes.push((text, Tone::Plain));
    }
    if let Some(skipped @ 1..) = polls.skipped {
        let text = format!(
            "{} left out to stay within {} of one processor: ranges are wider than they could \
             be.",
            counted(skipped, "early poll was", "early polls were"),
            percent(polls.cpu_budget.unwrap_or(0.0))
        );
        notes.push((text, Tone::Quiet));
    }
    if let (Some(looks), Some(skipped)) = (polls.looks, polls.looks_skipped)
        && skipped > looks
    {
        let text = format!(
            "The counters were read {} instead of {}, to stay within {} of one processor: ranges \
             are wider than they could be.",
            counted(looks, "time", "times"),
            counted(looks + skipped, "time", "times"),
            percent(polls.cpu_budget.unwrap_or(0.0))
        );
        notes.push((text, Tone::Quiet));
    }
    notes
}

/// Connections whose end no destroy event reported.
fn unseen(services: &Services<'_>) -> Option<(String, Tone)> {
    let (coverage, lost) = (&services.coverage, services.quality.events_lost);
    let ended = counted(coverage.without_event, "connection", "connections");
    let some = coverage.without_event > 0;
    if coverage.destroy_events.is_none() {
        let text = if some {
            format!(
                "Without destroy events: the last figures of {ended} are missing, and connections \
                 shorter than the time between two polls are missing altogether."
            )
        } else {
            "Without destroy events: connections shorter than the time between two polls are \
             missing."
                .to_owned()
        };
        return Some((text, Tone::Plain));
    }
    if lost > 0 {
        let events = counted(lost, "destroy event was", "destroy events were");
        let known = if some {
            format!("the last figures of {ended} are missing, and ")
        } else {
            String::new()
        };
        let text = format!("{events} lost: {known}short connections may be missing altogether.");
        return Some((text, Tone::Alarm));
    }
    some.then(|| {
        (format!("{ended} ended without an event: the last figures are missing."), Tone::Plain)
    })
}
