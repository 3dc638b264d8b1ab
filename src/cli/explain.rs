//! `tcpdiag explain`.

use std::io;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::exit::{Exit, causes, configuration, eprint_line, reader_left};
use super::recording_args::SampleArgs;
use super::table_args::{Form, TableArgs};
use crate::output::{
    OutputWriter, Reference, escape, explanation, explanation_csv, json_line, markdown,
};
use crate::report::{EXPLAIN, ExplainDocument, Explanation, Quality};

/// Explain a counter, a field, a column, a socket state, a timer, a ratio, a setting or a rule.
///
/// Shows what it counts, what moves it in the kernel, what its growth suggests, what to check next,
/// what is healthy, and which socket fields relate to it. If a name has several meanings, all are
/// explained. Limits of rules and thresholds of ratios are those that apply: where a configuration
/// file sets one, it is named. With --read, counters and settings are shown with their values in a
/// recording.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag explain TCPLostRetransmit             a counter, in any spelling
  tcpdiag explain rtt snd_ssthresh              fields of tcp_info
  tcpdiag explain close_wait zero_window_probe  states and timers
  tcpdiag explain retransmission                a ratio of `tcpdiag stats`
  tcpdiag explain 'ListenDrop*' tcp_rmem
  tcpdiag explain TD101 slow-reader             rules of `tcpdiag diagnose`
  tcpdiag explain --category memory
  tcpdiag explain RetransSegs tcp_rmem --read night.pcapng.zst
  tcpdiag explain --all -o json | jq '.entries | length'")]
pub(super) struct Explain {
    /// What to explain; a pattern of * and ? explains everything that matches.
    #[arg(value_name = "NAME", required_unless_present_any = ["category", "all"])]
    names: Vec<String>,

    /// Explain everything in a category of counters, or all of: ratios, fields, columns, states,
    /// timers, settings, rules.
    #[arg(long, value_name = "CATEGORY", conflicts_with = "all")]
    category: Vec<String>,

    /// Explain everything.
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// Write Markdown, for documentation.
    #[arg(long, conflicts_with = "output")]
    markdown: bool,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Exit with 3 when something of the recording could not be read.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    recorded: SampleArgs,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let mut reference = Reference::everything();
        match configuration(self.config.as_deref()) {
            Ok(config) => reference.configure(|of, key| {
                let (value, file) = config.set(of, key)?;
                Some((value, file.display().to_string()))
            }),
            Err(error) if self.config.is_some() => return Err(error),
            // Here one looks up what a configuration file may contain.
            Err(error) => eprint_line(format_args!(
                "tcpdiag: {}; the values shown are the usual ones",
                causes(&error)
            )),
        }
        let mut quality = None;
        if let Some(recorded) = self.recorded.sample(&[])? {
            let read = reference.add_values(&recorded.sample)?;
            for line in read.unread_files() {
                eprint_line(format_args!("tcpdiag: {line}"));
            }
            quality = Some(read);
        }
        let partial = self.strict && quality.as_ref().is_some_and(Quality::is_partial);
        let exit = if partial { Exit::Partial } else { Exit::Done };
        let entries = self.entries(&reference)?;
        reader_left(self.write(&entries, quality))?;
        Ok(exit)
    }

    fn write(&self, entries: &[&Explanation], quality: Option<Quality>) -> io::Result<()> {
        let mut out = OutputWriter::standard();
        if self.markdown {
            markdown(&mut out, entries)?;
            return out.flush();
        }
        match self.table.output {
            Form::Table => {
                let layout = self.table.layout();
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        out.blank()?;
                    }
                    explanation(&mut out, entry, layout)?;
                }
            }
            Form::Json => {
                json_line(&mut out, &ExplainDocument { schema: EXPLAIN, entries, quality })?;
            }
            Form::Jsonl => entries.iter().try_for_each(|entry| json_line(&mut out, entry))?,
            Form::Csv => explanation_csv(&mut out, entries)?,
        }
        out.flush()
    }

    fn entries<'c>(&self, reference: &'c Reference) -> anyhow::Result<Vec<&'c Explanation>> {
        if self.all {
            return Ok(reference.entries().collect());
        }
        let mut entries = Vec::new();
        for category in &self.category {
            let found = reference.in_category(category);
            if found.is_empty() {
                bail!(
                    "unknown category '{}'; there are {}",
                    escape::text(category),
                    reference.categories().join(", ")
                );
            }
            entries.extend(found);
        }
        for name in &self.names {
            let found = reference.named(name);
            if found.is_empty() {
                bail!("unknown name '{}'{}", escape::text(name), reference.hint(name));
            }
            entries.extend(found);
        }
        let mut seen: Vec<&Explanation> = Vec::new();
        entries.retain(|entry| {
            let new = !seen.iter().any(|known| std::ptr::eq(*known, *entry));
            seen.push(entry);
            new
        });
        Ok(entries)
    }
}
