//! `tcpdiag diff`.

use clap::{Args, ValueEnum};

use super::exit::{Exit, configuration, eprint_line, reader_left};
use super::output::{Colour, at_least_one, width};
use super::recording_args::{complain, opened};
use crate::comparison::{Side, SideError, SideReader, SideSource, compare};
use crate::identity::{Grouping, ServiceRegistry};
use crate::output::InputProgress;
use crate::output::human::grouped;
use crate::output::{OutputWriter, TableLayout, diff, json_line};
use crate::procfs::PortNames;
use crate::sys::Interrupt;

/// Show what changed between two recordings, or between two times of one.
///
/// Services are compared by what their sockets did, the host by its counters. All measures are per
/// second or per segment, so the two may differ in length. A difference counts as a change only if
/// it exceeds three standard deviations, of independent events or of the observed intervals,
/// whichever is larger. Services and counters that are on one side only appeared or are gone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag diff yesterday.pcapng.zst today.pcapng.zst
  tcpdiag diff night.pcapng.zst@..2026-11-21T04:40 @2026-11-21T04:45..
  tcpdiag diff a.pcapng.zst@2026-11-21T04:00..2026-11-21T04:10 b.pcapng.zst
  tcpdiag diff night.pcapng.zst@2026-11-21T04:40 @2026-11-21T04:45 --all
  tcpdiag diff a.pcapng.zst b.pcapng.zst --by remote -o json

A side is FILE, FILE@FROM..TO, FILE@FROM.., FILE@..TO, or FILE@TIME: the interval that ends with
the last sample up to that time. Without FILE the second side is of the first one's recording. Times
are those of `conns --at`. A directory stands for all recordings in it. An interval belongs to the
span that contains its end.")]
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

    /// Take this network namespace of the recordings, by name or inode, or `all`, instead of the
    /// first; repeatable.
    #[arg(long, short = 'N', value_name = "NETNS")]
    netns: Vec<String>,

    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table, value_name = "FORMAT", help_heading = "Output")]
    output: Form,

    /// Also show differences that may be due to chance.
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
        let first = SideSource::parse(&self.a, None)?;
        let second = SideSource::parse(&self.b, Some(&first.path))?;
        let mut sides = Vec::new();
        let mut damaged = false;
        for side in [&first, &second] {
            match self.read(side, &interrupt)? {
                Some((side, is_damaged)) => {
                    damaged |= is_damaged;
                    sides.push(side);
                }
                None => return Ok(Exit::Interrupted),
            }
        }
        let [before, after] = sides.as_slice() else { return Ok(Exit::Interrupted) };
        let document = compare(before, after, self.all);
        document.gaps.iter().for_each(|line| eprint_line(format_args!("tcpdiag: {line}")));
        let mut out = OutputWriter::standard();
        let written = match self.output {
            Form::Json => json_line(&mut out, &document),
            Form::Table => {
                let layout = TableLayout { width: Some(width()), style: self.color.style() };
                let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
                diff(&mut out, &document, limit, layout)
            }
        };
        reader_left(written.and_then(|()| out.flush()))?;
        let partial = damaged || before.is_partial() || after.is_partial();
        Ok(if self.strict && partial { Exit::Partial } else { Exit::Done })
    }

    /// Reads a side; returns whether its files are damaged. `None` if the user interrupted.
    fn read(
        &self,
        source: &SideSource,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<(Side, bool)>> {
        let (mut session, span) = match source.open(&self.netns) {
            Err(SideError::Session(error)) => opened(Err(error))?,
            side => side?,
        };
        let services = configuration(None)?.services;
        let registry = ServiceRegistry::new(services, self.by, PortNames::load());
        let mut reader = SideReader::new(&session, span, registry);
        let mut progress = InputProgress::new();
        let mut samples = 0u64;
        loop {
            reader.take(session.sample_mut())?;
            samples += 1;
            progress.show(session.progress(), || format!("{} samples", grouped(samples)));
            if interrupt.is_asked() {
                return Ok(None);
            }
            if !session.advance() {
                break;
            }
        }
        progress.clear();
        let damaged = complain(&session);
        Ok(Some((reader.finish(&session)?, damaged)))
    }
}
