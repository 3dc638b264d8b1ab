//! `tcpdiag convert`.

mod anonymise;
mod table;

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::expression::WhichArgs;
use super::recording_args::{time, with_force_hint};
use crate::output::Flat;
use crate::recording::{When, create_private};
use crate::sys::NewFile;

/// Turn a recording into a table for a database, or into one that can be given away.
///
/// The table has a row for each socket and interval between two samples: what grew in it (columns
/// that end in _delta), the figures at its end, and the identity and owner of the socket. A socket
/// has a row in its first and its last interval, and in those in which anything but a clock moved;
/// --all-rows adds the others. One that lived between two samples has a row too, from its destroy
/// event. In the first sample there is nothing to compare with, so no growth. TIME-WAIT and
/// SYN-RECV are no sockets, and have rows where --state asks for them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag convert incident.pcapng.zst --into incident.csv
  tcpdiag convert incident.pcapng.zst | jq -c 'select(.total_retrans_delta > 0)'
  tcpdiag convert night.pcapng.zst --from 2026-11-21T04:40 --to 2026-11-21T04:50 -o csv
  tcpdiag convert incident.pcapng.zst --columns time,service,raddr,rtt_us,total_retrans_delta
  tcpdiag convert /var/log/tcpdiag/ --into day.csv        all recordings in a directory
  tcpdiag convert incident.pcapng.zst --role server 'sport = :443 and rtt > 100ms'
  tcpdiag convert --anonymise incident.pcapng.zst --into to-send.pcapng.zst

The expression and its flags are those of `conns`. Times are in the column time as text and in
time_ns as a number, everything else in base units; `--columns help` lists them all. What is not
known is absent in JSON lines and empty in CSV.

--anonymise writes a recording again. Addresses become others that have as many first bits in
common as they had; names of processes, cgroups, units, namespaces, interfaces and of the host
become hashes; the command line, MD5 keys and whatever this program does not know are left out, and
what was left out is counted. The key is random and kept nowhere, so each run gives other names.
Ports, times, figures, settings, counters, process ids and user ids stay.")]
pub(super) struct ConvertCommand {
    /// A recording of `tcpdiag record`, or a directory of them. Others may follow before the
    /// expression, with a `.` or `/` in their names.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The recordings after the first.
    #[arg(skip)]
    further: Vec<PathBuf>,

    #[command(flatten)]
    which: WhichArgs,

    /// Only rows of intervals that end at this time or later: 2026-11-21T04:45:00Z, in local time
    /// 2026-11-21T04:45, or +30s after the first sample, -5m before the last.
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, help_heading = "Span")]
    from: Option<When>,

    /// Only rows of intervals that end at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true, help_heading = "Span")]
    to: Option<When>,

    /// Take this network namespace of the recording, by name or inode, or `all`, instead of the
    /// first; repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Form of the table; csv where --into ends so, else jsonl.
    #[arg(long, short, value_enum, value_name = "FORMAT", help_heading = "Output")]
    output: Option<Form>,

    /// Columns, separated by commas; `--columns help` lists them all.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', help_heading = "Output")]
    columns: Vec<String>,

    /// Also rows of intervals in which a socket did nothing.
    #[arg(long, help_heading = "Output")]
    all_rows: bool,

    /// Write to this file instead of standard output; it must not exist yet.
    #[arg(long, value_name = "OUT", help_heading = "Output")]
    into: Option<PathBuf>,

    /// Overwrite the file if it exists.
    #[arg(long, short, requires = "into", help_heading = "Output")]
    force: bool,

    /// Write a recording without addresses and names instead of a table.
    #[arg(
        long,
        visible_alias = "anonymize",
        requires = "into",
        conflicts_with_all = ["from", "to", "netns", "output", "columns", "all_rows"],
        help_heading = "Output"
    )]
    anonymise: bool,

    /// Exit with 3 when the recording ends early, or something is missing in it.
    #[arg(long, help_heading = "Output")]
    strict: bool,
}

/// Forms of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One JSON object per row and line.
    Jsonl,
    /// Comma-separated values, with a header.
    Csv,
}

impl ConvertCommand {
    pub(super) fn run(mut self) -> anyhow::Result<Exit> {
        self.split_positionals();
        if self.anonymise { anonymise::run(&self) } else { table::run(&self) }
    }

    /// Moves the recordings that stand before the expression to the first one. A plain word is
    /// always part of the expression: `src` may also be a directory here.
    fn split_positionals(&mut self) {
        let is_path = |word: &String| word.contains(['.', '/']) && Path::new(word).exists();
        let words = &mut self.which.expression;
        let further = words.iter().take_while(|word| is_path(word)).count();
        self.further.extend(words.drain(..further).map(PathBuf::from));
    }

    fn files(&self) -> Vec<PathBuf> {
        std::iter::once(&self.file).chain(&self.further).cloned().collect()
    }

    fn form(&self) -> Flat {
        let is_csv = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "csv");
        match self.output {
            Some(Form::Csv) => Flat::Csv,
            None if self.into.as_ref().is_some_and(is_csv) => Flat::Csv,
            Some(Form::Jsonl) | None => Flat::JsonLines,
        }
    }
}

/// A new file that only its owner may read, with `force` in the place of one that exists; never one
/// that is read.
fn create(
    path: &Path,
    force: bool,
    is_source: impl Fn(&Metadata) -> bool,
) -> anyhow::Result<NewFile> {
    if fs::metadata(path).is_ok_and(|old| is_source(&old)) {
        bail!("{} is the recording itself; it cannot be read and written at once", path.display());
    }
    create_private(path, force).map_err(with_force_hint)
}
