//! How intervals are written.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::time::Duration;

use super::ServicesCommand;
use super::sum::Sum;
use crate::attribution::Classifier;
use crate::cli::exit::say;
use crate::cli::look::Form;
use crate::cli::past::in_full;
use crate::cli::stats::selection::Selection;
use crate::cli::summary;
use crate::output::{
    CounterChoice, ServicesView, attribution_csv, human, json_line, services, services_csv,
    services_jsonl,
};
use crate::procfs::Host;
use crate::report::{Basis, Cost, Frame, Namespace, Polls, Services};
use crate::sys::UsageSince;

/// What all documents of an interval have in common.
pub(super) struct Told<'a> {
    pub(super) host: &'a Host,
    pub(super) names: &'a Classifier,
    pub(super) used: UsageSince,
    /// Between the polls at both ends.
    pub(super) length: Duration,
    /// When the last of them began, in nanoseconds since 1970.
    pub(super) captured_at: u64,
    pub(super) polls: Polls,
    pub(super) basis: Basis,
    /// More than one namespace: each is headed by its name.
    pub(super) many: bool,
}

/// Where they go.
pub(super) struct Output<'a> {
    command: &'a ServicesCommand,
    selection: Option<Selection>,
    out: BufWriter<Stdout>,
    /// Tables drawn in place of the one before.
    redrawn: bool,
    csv_headed: bool,
    /// Warnings that were said already.
    said: Vec<String>,
}

impl<'a> Output<'a> {
    /// `is_watched` if documents come as slowly as somebody can read them.
    pub(super) fn new(
        command: &'a ServicesCommand,
        selection: Option<Selection>,
        is_watched: bool,
    ) -> Self {
        let repeats = is_watched && command.count() != Some(1);
        Self {
            command,
            selection,
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            redrawn: repeats && command.look.output == Form::Table && io::stdout().is_terminal(),
            csv_headed: false,
            said: Vec::new(),
        }
    }

    /// Begins an interval's documents.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.redrawn { self.out.write_all(b"\x1b[H\x1b[2J") } else { Ok(()) }
    }

    /// Writes what an interval, or the whole run, came to in a namespace, or in all.
    pub(super) fn show(
        &mut self,
        told: &Told<'_>,
        namespace: Option<&Namespace>,
        sum: &Sum,
    ) -> anyhow::Result<()> {
        let frame = Frame {
            basis: told.basis,
            captured_at: in_full(told.captured_at),
            host: told.host,
            netns: namespace.cloned(),
            interval_s: Some(told.length.as_secs_f64()),
            coverage: sum.coverage,
            polls: told.polls,
            quality: sum.quality.clone(),
            cost: Cost::new(told.used, sum.dumped),
        };
        let reconciled = sum.counters.total();
        let mut document = Services::new(frame, &sum.table, &reconciled, told.names);
        if let Some(selection) = &self.selection {
            document.attribution.retain(|entry| selection.holds(&entry.attribution.counter));
        }
        match self.command.look.output {
            Form::Table => self.table(&document, told)?,
            Form::Json => json_line(&mut self.out, &document)?,
            Form::Jsonl => services_jsonl(&mut self.out, &document)?,
            // Rows of the whole run would count twice.
            Form::Csv if told.basis == Basis::WholeRun => {}
            Form::Csv => {
                let write = if self.selection.is_some() { attribution_csv } else { services_csv };
                write(&mut self.out, &document, !self.csv_headed)?;
                self.csv_headed = true;
            }
        }
        Ok(())
    }

    fn table(&mut self, document: &Services<'_>, told: &Told<'_>) -> anyhow::Result<()> {
        let look = self.command.look.look();
        if told.many {
            let (bold, plain) = look.style.heading();
            let title = match &document.document.netns {
                None => "All network namespaces".to_owned(),
                Some(netns) => format!(
                    "Network namespace {} ({})",
                    netns.name.as_deref().unwrap_or("without a name"),
                    netns.inode
                ),
            };
            writeln!(self.out, "{bold}{}{plain}", crate::output::escape::text(&title))?;
        }
        let names: Vec<String> = match &self.selection {
            Some(selection) => selection
                .asked(document.attribution.iter().map(|entry| &*entry.attribution.counter)),
            None => Vec::new(),
        };
        let counters = match (&self.selection, self.command.all) {
            (Some(_), _) => CounterChoice::Named(&names),
            (None, true) => CounterChoice::All,
            (None, false) => CounterChoice::Trouble,
        };
        let top = self.command.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
        services(&mut self.out, document, look, &ServicesView { top, counters })?;
        writeln!(self.out)?;
        Ok(())
    }

    /// Hands everything on, and says what is missing, each thing once.
    pub(super) fn end(&mut self, sum: &Sum) -> io::Result<()> {
        // What is said comes after what it is about.
        self.out.flush()?;
        for warning in summary::warnings(&sum.quality) {
            if !self.said.contains(&warning) {
                say(format_args!("tcpdiag: {warning}"));
                self.said.push(warning);
            }
        }
        Ok(())
    }

    /// The closing line of a recording: `12 intervals of 1min, 13 polls read in 0.4s`.
    pub(super) fn close_recording(&self, told: &Told<'_>, intervals: u64) {
        let mut line = counted(intervals, "interval");
        line.push_str(" of the recording's ");
        human::microseconds(told.length.as_micros() as u64, &mut line);
        line.push_str("; ");
        line.push_str(&counted(told.polls.regular + told.polls.early, "poll"));
        line.push_str(" read in ");
        human::microseconds(told.used.wall.as_micros() as u64, &mut line);
        say(line);
    }

    /// The closing line: `12 intervals in 1min, polled 96 times (84 early); 0.42% of a processor`.
    pub(super) fn close(&self, told: &Told<'_>, intervals: u64) {
        let mut line = match intervals {
            1 => "1 interval in ".to_owned(),
            many => format!("{} intervals in ", human::grouped(many)),
        };
        human::microseconds(told.used.wall.as_micros() as u64, &mut line);
        let Polls { regular, early, skipped, cpu_budget, .. } = told.polls;
        line.push_str(&format!(
            "; polled {} times, {} of them early; ",
            human::grouped(regular + early),
            human::grouped(early)
        ));
        let used = (told.used.user + told.used.system).as_secs_f64();
        let share = used / told.used.wall.as_secs_f64().max(1e-9);
        human::share(share, &mut line);
        line.push_str(" of one processor used");
        if let Some(skipped @ 1..) = skipped {
            line.push_str(&format!(
                ", {} looks found no budget for an early poll (--cpu-budget ",
                human::grouped(skipped)
            ));
            human::share(cpu_budget.unwrap_or(0.0), &mut line);
            line.push(')');
        }
        say(line);
    }
}

fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", human::grouped(number), if number == 1 { "" } else { "s" })
}
