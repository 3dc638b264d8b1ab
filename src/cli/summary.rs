//! `tcpdiag summary`.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::expression::FilterArgs;
use super::output::{Colour, at_least_one, width};
use super::recording_args::SampleArgs;
use super::repeat::RepeatArgs;
use super::sockets::{Selected, Wanted};
use super::sums::{SumRun, SumSample};
use crate::model::StateSet;
use crate::output::{Requirements, TableLayout, human, json_line, socket_summary};
use crate::procfs::{FEW_FILES, open_files};
use crate::recording::localised_short;
use crate::report::{SUMMARY, SummaryDocument, SummarySums};
use crate::sys::{is_terminal, terminal_size};
use crate::wire::Extensions;

/// Show all sockets in one screen: by state, service, peer and process; listeners with waiting
/// connections or drops; what was retransmitted.
///
/// Counts connections in all states, TIME-WAIT included. Counters are those since the network
/// namespace was created, at most since boot: nothing is kept between two runs. With --interval,
/// every sample after the first shows what grew since the one before.
///
/// The holders of connections are looked up where that is cheap, or with --processes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag summary
  tcpdiag summary -i 1s                         what grows now
  tcpdiag summary --port 443                    the connections of one port
  tcpdiag summary --netns all -o json | jq .states
  tcpdiag summary --read incident.pcapng.zst --at -5m

A filter selects sockets as in `conns`; counters are always of the whole network
namespace.")]
pub(super) struct SummaryCommand {
    #[command(flatten)]
    filter: FilterArgs,

    #[command(flatten)]
    repeat: RepeatArgs,

    #[command(flatten)]
    recorded: SampleArgs,

    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table, value_name = "FORMAT", help_heading = "Output")]
    output: Format,

    /// Show this many lines of each list; 5 in tables and all in JSON without.
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one, help_heading = "Output")]
    limit: Option<u64>,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Output")]
    color: Colour,

    /// Exit with 3 when something could not be read or was hidden.
    #[arg(long, help_heading = "Output")]
    strict: bool,
}

/// Forms of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One screen, for people.
    Table,
    /// One JSON object; one per line with --interval.
    Json,
}

/// Lines of each list in tables.
const LINES: usize = 5;

impl SummaryCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let Self { filter, repeat, recorded, output, limit, color, strict } = self;
        let repeats = repeat.interval.is_some();
        let selected = Selected::new(&filter, &recorded, repeats)?;
        let is_asked = filter.asks_for_owners() || selected.needs.owner;
        let skipped = match &selected.sample {
            Some(sample) if sample.capture => {
                Some("a capture by another program has none".to_owned())
            }
            Some(_) => None,
            None if is_asked => None,
            None => too_many_files(open_files()),
        };
        let mut requirements = Requirements {
            extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
            services: true,
            owners: skipped.is_none(),
        };
        requirements = requirements.with_filter(&selected.needs);
        let wanted = Wanted {
            default_states: StateSet::ALL,
            only_states: StateSet::ALL,
            requirements,
            many_namespaces: filter.has_many_namespaces(),
            repeats,
            count_requests: false,
            counters: true,
            reports_owners: true,
        };
        let run = SumRun {
            schema: SUMMARY,
            repeat,
            netns: filter.netns.clone(),
            damaged: selected.damaged,
            strict,
            withheld: Vec::new(),
        };
        let (settings, sample) = selected.settings(&filter, wanted)?;
        let sums = SummarySums::new(repeats, skipped.is_none());
        let of_table = (output == Format::Table).then_some(LINES as u64);
        let most = limit.or(of_table).map_or(usize::MAX, |most| most as usize);
        let layout = TableLayout { width: Some(width()), style: color.style() };
        run.run(settings, sample, sums, |mut out, sample| {
            let SumSample { sums, document, quality, cost, used, is_first } = sample;
            let mut closing = human::counted(cost.sockets_dumped, "socket");
            closing.push_str(" listed in ");
            human::microseconds(used.wall.as_micros() as u64, &mut closing);
            if output == Format::Table && repeats {
                match is_terminal() && terminal_size().is_some() {
                    true => out.clear_screen()?,
                    false if is_first => {}
                    false => out.blank()?,
                }
                out.line(localised_short(&document.captured_at))?;
            }
            let skipped = skipped.as_deref();
            let summary = SummaryDocument::new(document, sums, most, skipped, quality, cost);
            match output {
                Format::Table => socket_summary(&mut out, &summary, layout, most)?,
                Format::Json => json_line(&mut out, &summary)?,
            }
            Ok((out, closing))
        })
    }
}

/// Why the holders of connections are not looked up, if there are so many open files.
fn too_many_files(open: Option<u64>) -> Option<String> {
    let open = open.filter(|&open| open > FEW_FILES)?;
    let open = human::grouped(open);
    Some(format!("not looked up among the host's {open} open files; -P looks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_looked_up_where_few_files_are_open() {
        // Without /proc/sys it is not known how many there are.
        for few in [None, Some(0), Some(FEW_FILES)] {
            assert_eq!(too_many_files(few), None);
        }
        let reason = too_many_files(Some(11_389)).unwrap();
        assert_eq!(reason, "not looked up among the host's 11,389 open files; -P looks");
    }
}
