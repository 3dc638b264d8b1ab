//! `tcpdiag conns --by`.

use anyhow::{anyhow, bail};

use super::exit::{Exit, eprint_line};
use super::output::{Format, OutputArgs, table_width};
use super::run::SocketArgs;
use super::sockets::{Selected, Wanted};
use super::sums::SumRun;
use crate::model::StateSet;
use crate::output::{
    Column, GroupColumn, GroupColumns, GroupOrder, GroupSample, GroupWriter, OutputWriter,
    Requirements, UnknownGroupColumn, find_column, group_column, groups_summary, human,
};
use crate::procfs::capabilities;
use crate::recording::localised_short;
use crate::report::{GroupDocument, GroupKey, GroupTable};
use crate::sys::is_terminal;
use crate::wire::Extensions;

/// Runs the command with these keys.
pub(super) fn run(arguments: SocketArgs, keys: Vec<GroupKey>) -> anyhow::Result<Exit> {
    let SocketArgs { filter, output, repeat, recorded } = arguments;
    let repeats = repeat.interval.is_some();
    if output.wants_column_list() {
        let mut out = OutputWriter::standard();
        for column in GroupColumns::all(&keys, repeats).shown {
            out.line(column.name)?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    }
    output.check()?;
    let (columns, sort) = (columns(&output, &keys, repeats)?, sort(&output, &keys, repeats)?);
    let selected = Selected::new(&filter, &recorded, repeats)?;
    let of_keys: Vec<Column> = keys.iter().filter_map(|key| find_column(key.name())).collect();
    let mut requirements = Requirements::of(&of_keys);
    requirements.extensions =
        requirements.extensions.with(Extensions::INFO).with(Extensions::SKMEMINFO);
    requirements = requirements.with_filter(&selected.needs);
    requirements.owners |= filter.asks_for_owners();
    if requirements.owners && selected.sample.as_ref().is_some_and(|sample| sample.capture) {
        bail!("owners are asked for, and a capture by another program has none");
    }
    let is_of = |wanted: &str| keys.iter().any(|key| key.name() == wanted);
    let withheld = match &selected.sample {
        None if is_of("mark") && !capabilities::has_net_admin() => {
            let missing = capabilities::missing_net_admin();
            vec![format!("mark: {missing} would show it; without, no socket has one")]
        }
        _ => Vec::new(),
    };
    let wanted = Wanted {
        default_states: if is_of("state") { StateSet::ALL } else { StateSet::DEFAULT },
        only_states: StateSet::ALL,
        requirements,
        many_namespaces: filter.has_many_namespaces() || is_of("netns"),
        repeats,
        count_requests: false,
        counters: false,
        reports_owners: requirements.services,
    };
    let run = SumRun {
        schema: GroupDocument::SCHEMA,
        repeat,
        netns: filter.netns.clone(),
        damaged: selected.damaged,
        strict: output.strict,
        withheld,
    };
    let (settings, sample) = selected.settings(&filter, wanted)?;
    let writer = GroupWriter { columns, order: GroupOrder { sort, limit: output.limit } };
    run.run(settings, sample, GroupTable::new(keys, repeats), |mut out, sample| {
        let appended = repeats && output.output == Format::Table;
        let redrawn = appended && is_terminal();
        if redrawn {
            out.clear_screen()?;
        }
        if appended {
            out.line(localised_short(&sample.document.captured_at))?;
        }
        let form = output.form(redrawn, sample.is_first, repeats);
        let shown = GroupSample { quality: sample.quality, cost: sample.cost, repeats };
        let (mut out, counts) = writer.write(out, form, sample.sums, sample.document, shown)?;
        if appended && !redrawn {
            out.blank()?;
        }
        if redrawn && counts.unseen() > 0 {
            // It stands below the table, which clears the screen.
            out.flush()?;
            let unseen = human::grouped(counts.unseen());
            eprint_line(format_args!("{unseen} more groups do not fit this terminal"));
        }
        Ok((out, groups_summary(&counts, &writer.columns, sample.used.wall)))
    })
}

fn columns(output: &OutputArgs, keys: &[GroupKey], repeats: bool) -> anyhow::Result<GroupColumns> {
    if !output.columns.is_empty() {
        return GroupColumns::named(keys, repeats, &output.columns)
            .map_err(|(name, error)| unknown("--columns", &name, &error));
    }
    let unlimited = output.wide || output.oneline;
    Ok(match output.output {
        Format::Table => GroupColumns::usual(keys, repeats, table_width().filter(|_| !unlimited)),
        Format::Json | Format::Jsonl | Format::Csv | Format::Tsv => {
            GroupColumns::all(keys, repeats)
        }
    })
}

/// The column to sort by, and whether the largest come first.
fn sort(
    output: &OutputArgs,
    keys: &[GroupKey],
    repeats: bool,
) -> anyhow::Result<Option<(GroupColumn, bool)>> {
    let Some(text) = &output.sort else { return Ok(None) };
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text.as_str(), false),
    };
    match group_column(keys, repeats, name) {
        Ok(column) => Ok(Some((column, descending))),
        Err(error) => Err(unknown("--sort", name, &error)),
    }
}

fn unknown(flag: &str, name: &str, error: &UnknownGroupColumn) -> anyhow::Error {
    let near = error.near.as_ref();
    let near = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
    anyhow!("{flag}: groups have no column '{name}'{near}; accepted are {}", error.accepted)
}
