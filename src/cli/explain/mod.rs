//! `tcpdiag explain`.

mod collection;
mod topics;

use std::io::{self, BufWriter, Write as _};

use anyhow::bail;
use clap::Args;

use self::collection::Collection;
use super::exit::Exit;
use super::look::{Form, LookArgs};
use super::past::PastArgs;
use crate::output::{escape, explanation, json_line, markdown};
use crate::report::{EXPLAIN, ExplainDocument, Explanation};

/// Explain a counter, a field, a column, a socket state, a timer, a ratio, a setting or a rule.
///
/// What it counts, what in the kernel makes it move, what its growth suggests, what to check
/// next, what is healthy, and what sockets know of it. Of a name that means several things all
/// are explained. With --read counters and settings come with what they were in a recording.
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
    /// What to explain; a pattern of * and ? takes all that match.
    #[arg(value_name = "NAME", required_unless_present_any = ["category", "all"])]
    names: Vec<String>,

    /// Explain everything of a category of counters, or of: ratios, fields, columns, states,
    /// timers, settings, rules.
    #[arg(long, value_name = "CATEGORY", conflicts_with = "all")]
    category: Vec<String>,

    /// Explain everything there is.
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// Write Markdown, for documentation.
    #[arg(long, conflicts_with = "output")]
    markdown: bool,

    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    past: PastArgs,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let mut collection = Collection::everything();
        if let Some(past) = self.past.sample()? {
            collection.remember(&past.sample)?;
        }
        let entries = self.entries(&collection)?;
        let mut out = BufWriter::new(io::stdout());
        if self.markdown {
            markdown(&mut out, &entries)?;
            out.flush()?;
            return Ok(Exit::Done);
        }
        match self.look.output {
            Form::Table => {
                let look = self.look.look();
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        writeln!(out)?;
                    }
                    explanation(&mut out, entry, look)?;
                }
            }
            Form::Json => {
                json_line(&mut out, &ExplainDocument { schema: EXPLAIN, entries: &entries })?;
            }
            Form::Jsonl => entries.iter().try_for_each(|entry| json_line(&mut out, entry))?,
            Form::Csv => csv(&mut out, &entries)?,
        }
        out.flush()?;
        Ok(Exit::Done)
    }

    fn entries<'c>(&self, collection: &'c Collection) -> anyhow::Result<Vec<&'c Explanation>> {
        if self.all {
            return Ok(collection.entries().collect());
        }
        let mut entries = Vec::new();
        for category in &self.category {
            let found = collection.in_category(category);
            if found.is_empty() {
                bail!(
                    "unknown category '{}'; there are {}",
                    escape::text(category),
                    collection.categories().join(", ")
                );
            }
            entries.extend(found);
        }
        for name in &self.names {
            let found = collection.named(name);
            if found.is_empty() {
                bail!("nothing is called '{}'{}", escape::text(name), collection.hint(name));
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

fn csv(out: &mut impl io::Write, entries: &[&Explanation]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["name", "kind", "category", "meaning", "suggests", "check", "since"])?;
    for entry in entries {
        writer.serialize((
            &entry.name,
            entry.kind,
            &entry.category,
            &entry.meaning,
            &entry.suggests,
            &entry.check,
            &entry.since,
        ))?;
    }
    Ok(writer.flush()?)
}
