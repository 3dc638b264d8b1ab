//! What the output looks like.

use std::io::{IsTerminal, stdout};

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::output::{Column, Layout, Style, all_columns, find_column};
use crate::sys::terminal_size;
use crate::tracking::COUNTERS;

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns with units, for people.
    Table,
    /// One JSON object; one per line with --interval.
    Json,
    /// One JSON object per socket and line.
    Jsonl,
    /// Comma-separated values in base units.
    Csv,
    /// Tab-separated values in base units.
    Tsv,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Output flags.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(super) output: Format,

    /// Columns to show, separated by commas; `--columns help` lists them all.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub(super) columns: Vec<String>,

    /// Show more columns, on one line per socket.
    #[arg(long, short = 'w', conflicts_with_all = ["columns", "detail"])]
    pub(super) wide: bool,

    /// One line per socket, however wide the terminal is.
    #[arg(long, short = 'O', conflicts_with = "detail")]
    pub(super) oneline: bool,

    /// Show everything there is about each socket.
    #[arg(long, short = 'd', conflicts_with = "columns")]
    pub(super) detail: bool,

    /// Sort by a column; a leading `-` puts the largest first. Needs all rows in memory.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub(super) sort: Option<String>,

    /// Show at most this many sockets.
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one)]
    pub(super) limit: Option<u64>,

    /// Leave out the header line.
    #[arg(long)]
    pub(super) no_header: bool,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(super) color: Colour,

    /// Exit with 3 when something could not be read or was hidden.
    #[arg(long)]
    pub(super) strict: bool,
}

/// Sets of columns for a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnSets {
    /// Without flags; the most wanted first.
    pub(super) usual: &'static [&'static str],
    /// With `--interval`.
    pub(super) repeated: &'static [&'static str],
    /// With `--wide`.
    pub(super) wide: &'static [&'static str],
}

impl OutputArgs {
    /// Whether `--columns help` was asked.
    pub(super) fn wants_column_list(&self) -> bool {
        matches!(self.columns.as_slice(), [only] if only == "help" || only == "list")
    }

    /// Refuses flags that contradict the form of output.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let structured = matches!(self.output, Format::Json | Format::Jsonl);
        if structured && !self.columns.is_empty() {
            bail!(
                "--columns does not go with -o json or jsonl, which hold everything; use -o csv or tsv, or jq"
            );
        }
        if self.detail && self.output != Format::Table {
            bail!("--detail only goes with -o table; -o json holds everything");
        }
        Ok(())
    }

    /// The columns to show: with `netns` and with owners only where there are any.
    pub(super) fn columns(
        &self,
        sets: ColumnSets,
        repeats: bool,
        netns: bool,
        owners: bool,
    ) -> anyhow::Result<Vec<Column>> {
        let records = matches!(self.output, Format::Csv | Format::Tsv);
        if records && self.columns.is_empty() {
            // Programs take what they need: all columns, growth where there is any.
            let growth = COUNTERS.iter().filter(|_| repeats);
            return all_columns()
                .map(Ok)
                .chain(growth.map(|field| column(&format!("{}+", field.name))))
                .collect();
        }
        let names: Vec<&str> = if !self.columns.is_empty() {
            self.columns.iter().map(|name| name.trim()).collect()
        } else {
            let mut names: Vec<&str> = Vec::new();
            let repeated = if repeats { sets.repeated } else { &[] };
            let set = match (self.wide, repeats) {
                (true, _) => sets.wide,
                (false, true) => &[],
                (false, false) => sets.usual,
            };
            for name in netns.then_some(&"netns").into_iter().chain(repeated).chain(set) {
                if !names.contains(name) && (owners || *name != "process") {
                    names.push(name);
                }
            }
            names
        };
        names.into_iter().map(column).collect()
    }

    /// The column to sort by, and whether the largest come first.
    pub(super) fn sort(&self) -> anyhow::Result<Option<(Column, bool)>> {
        let Some(text) = &self.sort else { return Ok(None) };
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        Ok(Some((column(name)?, descending)))
    }

    /// The look of a table. On a terminal it fits; `redrawn` it also fits in height.
    pub(super) fn layout(&self, redrawn: bool) -> Layout {
        let terminal = terminal_size();
        let unlimited = self.wide || self.oneline || !self.columns.is_empty();
        Layout {
            width: if unlimited { None } else { Some(width()) },
            shorten: terminal.is_some(),
            header: !self.no_header,
            rows: redrawn
                .then_some(terminal)
                .flatten()
                .map(|(_, rows)| usize::from(rows).saturating_sub(4)),
            style: self.style(),
        }
    }

    /// Colours or none.
    pub(super) fn style(&self) -> Style {
        self.color.style()
    }
}

impl Colour {
    /// What that means for standard output as it is.
    pub(super) fn style(self) -> Style {
        let colour = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
                    || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                stdout().is_terminal() && !refused
            }
        };
        Style::new(colour)
    }
}

/// The columns that output should fit in: of the terminal, of `COLUMNS`, else 80.
pub(super) fn width() -> usize {
    let terminal = terminal_size().map(|(columns, _)| usize::from(columns));
    let from_environment = || std::env::var("COLUMNS").ok()?.parse::<usize>().ok();
    terminal.or_else(from_environment).unwrap_or(80).max(40)
}

fn column(name: &str) -> anyhow::Result<Column> {
    if let Some(column) = find_column(name) {
        return Ok(column);
    }
    // Of a short name nearly every other one differs by three letters only.
    let farthest = (name.chars().count() / 2).min(3);
    let near = all_columns()
        .map(|column| (strsim::damerau_levenshtein(name, column.name), column.name))
        .min()
        .filter(|(distance, _)| *distance <= farthest);
    match near {
        Some((_, near)) => {
            bail!("unknown column '{name}'; did you mean '{near}'? `--columns help` lists them all")
        }
        None => bail!("unknown column '{name}'; `--columns help` lists them all"),
    }
}

/// A count that leaves something.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| format!("`{text}` is no count; accepted are whole numbers from 1"))
}
