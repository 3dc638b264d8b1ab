//! `tcpdiag diff`.

mod compare;
mod measure;
mod side;
mod span;

use std::io::{self, BufWriter, Write as _};

use clap::{Args, ValueEnum};

use super::exit::{Exit, say};
use super::output::{Colour, at_least_one, width};
use crate::attribution::Grouping;
use crate::output::{Look, diff, json_line};
use crate::sys::Interrupt;

/// Show what changed between two recordings, or between two times of one.
///
/// Services are compared by what their sockets did, the host by its counters. All is measured by
/// the second or by the segment, so the two may be of different length. What chance may have made
/// is not shown as a change: the difference has to be more than three standard deviations, of what
/// independent events would vary by, or of what the intervals were seen to vary by, whichever is
/// more. Services and counters that are on one side only appeared or are gone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag diff yesterday.pcapng.zst today.pcapng.zst
  tcpdiag diff night.pcapng.zst@..2026-11-21T04:40 @2026-11-21T04:45..
  tcpdiag diff a.pcapng.zst@2026-11-21T04:00..2026-11-21T04:10 b.pcapng.zst
  tcpdiag diff night.pcapng.zst@2026-11-21T04:40 @2026-11-21T04:45 --all
  tcpdiag diff a.pcapng.zst b.pcapng.zst --by remote -o json

A side is FILE, FILE@FROM..TO, FILE@FROM.., FILE@..TO, or FILE@TIME: the interval that ends with
the last sample up to that time. Without FILE the second is of the first one's. Times are those of
`conns --at`. An interval belongs to the span that its end is in.")]
pub(super) struct DiffCommand {
    /// The first side: FILE, FILE@FROM..TO or FILE@TIME.
    #[arg(value_name = "A")]
    a: String,

    /// The second side, which is compared with the first.
    #[arg(value_name = "B")]
    b: String,

    /// What to group sockets by.
    #[arg(long, value_name = "WHAT", default_value_t = Grouping::Service)]
    by: Grouping,

    /// Only this network namespace of the recordings, by name or inode; repeatable.
    #[arg(long, short = 'N', value_name = "NETNS")]
    netns: Vec<String>,

    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table, value_name = "FORMAT", help_heading = "Output")]
    output: Form,

    /// Also what chance may have made.
    #[arg(long, help_heading = "Output")]
    all: bool,

    /// Rows of services and of counters in a table.
    #[arg(long, short = 'n', value_name = "N", default_value = "20", value_parser = at_least_one, help_heading = "Output")]
    limit: u64,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Output")]
    color: Colour,

    /// Exit with 3 when a recording ends early, or something is missing in it.
    #[arg(long, help_heading = "Output")]
    strict: bool,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Aligned columns, for people.
    Table,
    /// One JSON object.
    Json,
}

impl DiffCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let interrupt = Interrupt::install()?;
        let first = span::Asked::read(&self.a, None)?;
        let second = span::Asked::read(&self.b, Some(&first.file))?;
        let mut sides = Vec::new();
        for asked in [&first, &second] {
            match side::read(asked, &self, &interrupt)? {
                Some(side) => sides.push(side),
                None => return Ok(Exit::Interrupted),
            }
        }
        let [before, after] = sides.as_slice() else { return Ok(Exit::Interrupted) };
        let document = compare::compare(before, after, self.all);
        document.gaps.iter().for_each(|line| say(format_args!("tcpdiag: {line}")));
        let mut out = BufWriter::new(io::stdout().lock());
        match self.output {
            Form::Json => json_line(&mut out, &document)?,
            Form::Table => {
                let look = Look { width: Some(width()), style: self.color.style() };
                let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
                diff(&mut out, &document, limit, look)?;
            }
        }
        out.flush()?;
        let partial = before.is_partial() || after.is_partial();
        Ok(if self.strict && partial { Exit::Partial } else { Exit::Done })
    }
}
