//! Samples of `stats` in the form that was asked for.

use std::io::{self, Write};

use super::stats::{TableLayout, stats};
use super::{Form, OutputWriter, Rows, human, json_line};
use crate::counters::{Selection, is_shown_by_default};
use crate::recording::localised_short;
use crate::report::{Basis, CounterRow, Note, Stats, StatsEnd, StatsLine};

/// What is written of each sample, and how.
#[derive(Debug)]
pub struct StatsWriter<'a> {
    /// The form.
    pub form: Form,
    /// Which counters tables show.
    pub selection: &'a Selection,
    /// More than one namespace: each is headed by its name.
    pub many: bool,
    /// The titles of CSV were written.
    pub has_titles: bool,
}

impl StatsWriter<'_> {
    /// Writes one sample.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        sample: &Stats<'_>,
        layout: TableLayout,
    ) -> io::Result<()> {
        match self.form {
            Form::Table => self.table(out, sample, layout),
            Form::Json => json_line(out, sample),
            Form::Jsonl => lines(out, sample),
            Form::Csv => csv(out, sample, !std::mem::replace(&mut self.has_titles, true)),
        }
    }

    /// Writes a sample as a table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn table(
        &self,
        out: &mut OutputWriter<impl Write>,
        sample: &Stats<'_>,
        layout: TableLayout,
    ) -> io::Result<()> {
        let moved_only = matches!(
            sample.since.as_ref().map(|since| since.basis),
            Some(Basis::Interval | Basis::WholeRun)
        );
        let mut title = Vec::new();
        if sample.basis == Basis::Interval {
            title.push(localised_short(&sample.document.captured_at));
        }
        if let (true, Some(netns)) = (self.many, &sample.document.netns) {
            let name = netns.name.as_deref().unwrap_or("without a name");
            title.push(format!("network namespace {name} ({})", netns.inode));
        }
        if !title.is_empty() {
            out.heading(&title.join("  "), layout.style)?;
        }
        stats(out, sample, layout, moved_only, |row| shows(self.selection, row, moved_only))?;
        if self.many || sample.since.as_ref().is_some_and(|since| since.basis != Basis::LastRun) {
            out.blank()?;
        }
        Ok(())
    }
}

/// The closing line of a repeated run, from each namespace's sample of the whole of it.
pub fn stats_summary(whole: &[Stats<'_>], samples: u64) -> String {
    let mut line = human::counted(samples, "sample");
    for sample in whole {
        let took = sample.since.as_ref().map_or(0.0, |since| since.seconds);
        if took <= 0.0 {
            // Nothing can grow in a single one.
            continue;
        }
        let growth = |name: &str| {
            sample.counters.iter().find(|row| row.name == name).and_then(|row| row.delta)
        };
        if let (Some(sent), Some(again)) = (growth("TcpOutSegs"), growth("TcpRetransSegs")) {
            let mut time = String::new();
            human::microseconds((took * 1e6) as u64, &mut time);
            line.push_str(&format!(
                "; in {time} {} segments sent, {} retransmitted",
                human::grouped(sent.unsigned_abs()),
                human::grouped(again.unsigned_abs())
            ));
        }
    }
    line
}

fn netns(sample: &Stats<'_>) -> Option<u64> {
    sample.document.netns.as_ref().map(|netns| netns.inode)
}

fn lines(out: &mut OutputWriter<impl Write>, sample: &Stats<'_>) -> io::Result<()> {
    let (captured_at, netns) = (sample.document.captured_at.as_str(), netns(sample));
    for row in &sample.counters {
        let schema = "tcpdiag.stats.row/1";
        json_line(&mut *out, &StatsLine { schema, captured_at, netns, row })?;
    }
    for row in &sample.ratios {
        let schema = "tcpdiag.stats.ratio/1";
        json_line(&mut *out, &StatsLine { schema, captured_at, netns, row })?;
    }
    let end = StatsEnd {
        schema: "tcpdiag.stats.end/1",
        captured_at,
        shown: sample.counters.len(),
        quality: &sample.quality,
        cost: sample.cost,
    };
    json_line(out, &end)
}

fn csv(out: &mut OutputWriter<impl Write>, sample: &Stats<'_>, titles: bool) -> io::Result<()> {
    let names = ["time", "netns", "name", "category", "kind", "value", "delta", "rate", "note"];
    let mut rows = Rows::begin(out, titles.then_some(&names))?;
    let (captured_at, netns) = (&sample.document.captured_at, netns(sample));
    for row in &sample.counters {
        rows.row([
            captured_at.into(),
            netns.into(),
            (&*row.name).into(),
            (&*row.category).into(),
            row.kind.name().into(),
            row.value.into(),
            row.delta.into(),
            row.rate.into(),
            row.note.map(Note::name).into(),
        ])?;
    }
    rows.flush()
}

/// Whether a table shows a row of the document. For an interval, it shows counters that moved.
fn shows(selection: &Selection, row: &CounterRow, moved_only: bool) -> bool {
    let all = selection.with_zeros();
    let usual = !selection.is_everything() || all || is_shown_by_default(&row.name);
    let moves = if moved_only {
        row.delta.is_some_and(|delta| delta != 0)
    } else {
        row.value != 0 || row.delta.is_some_and(|delta| delta != 0)
    };
    selection.names(&row.name) || usual && (all || moves || row.note.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{Kind, parse_snmp};

    #[test]
    fn what_a_table_shows() {
        let row = |name: &str, value: i64, delta: Option<i64>| CounterRow {
            name: name.to_owned(),
            category: String::new(),
            kind: Kind::Counter,
            scope: None,
            value,
            delta,
            rate: None,
            note: None,
            meaning: None,
        };
        let counters = parse_snmp("Tcp: OutSegs\nTcp: 1\nUdp: NoPorts\nUdp: 9\n");
        let select = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Selection::new(&names, false, &counters).unwrap()
        };
        let all = select(&[]);
        assert!(shows(&all, &row("TcpOutSegs", 1, None), false));
        assert!(!shows(&all, &row("TcpOutSegs", 0, None), false), "zeros only with --all");
        assert!(!shows(&all, &row("TcpOutSegs", 9, Some(0)), true), "did not move");
        assert!(!shows(&all, &row("UdpNoPorts", 9, None), false), "another protocol");
        let named = select(&["TcpOutSegs", "udp"]);
        assert!(shows(&named, &row("TcpOutSegs", 0, Some(0)), true), "asked for by name");
        assert!(shows(&named, &row("UdpNoPorts", 9, None), false));
    }
}
