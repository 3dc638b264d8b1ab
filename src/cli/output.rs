//! Output flags and forms.

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::output::{
    Column, ColumnChoice, ColumnSets, Layout, Owners, RowForm, ShownColumns, Style, all_columns,
    find_column, record_columns,
};
use crate::sys::{is_terminal, terminal_size};
use crate::text;

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

/// Lines of a screen beside the rows: time, header, what does not fit, the closing line in up to
/// three lines, the prompt.
const AROUND: usize = 7;

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

    /// Show more columns, however wide the terminal is.
    #[arg(long, short = 'w', conflicts_with_all = ["columns", "detail"])]
    pub(super) wide: bool,

    /// Show all usual columns, however wide the terminal is.
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

impl OutputArgs {
    /// Whether `--columns help` was asked.
    pub(super) fn wants_column_list(&self) -> bool {
        matches!(self.columns.as_slice(), [only] if only == "help" || only == "list")
    }

    /// The form as it is written.
    pub(super) fn name(&self) -> &'static str {
        match self.output {
            Format::Table => "table",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
        }
    }

    /// Whether the output is JSON, which holds everything.
    pub(super) fn is_structured(&self) -> bool {
        matches!(self.output, Format::Json | Format::Jsonl)
    }

    /// Refuses flags that contradict the form of output.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.is_structured() && !self.columns.is_empty() {
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
        owners: Owners,
    ) -> anyhow::Result<ShownColumns> {
        let all = |shown| ShownColumns { shown, dropped: Vec::new() };
        if !self.columns.is_empty() {
            let named: anyhow::Result<_> =
                self.columns.iter().map(|it| column(it.trim())).collect();
            return named.map(all);
        }
        Ok(match self.output {
            Format::Csv | Format::Tsv => all(record_columns(repeats).collect()),
            Format::Table | Format::Json | Format::Jsonl => {
                let width = table_width().filter(|_| !self.oneline);
                let wide = self.wide;
                sets.columns(ColumnChoice { wide, repeats, netns, owners, width })
            }
        })
    }

    /// Whether the usual columns of a table are shown, which also have what is cheap to have.
    pub(super) fn has_usual_columns(&self) -> bool {
        self.output == Format::Table && self.columns.is_empty() && !self.detail
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

    /// The form of a sample; only the first has headers.
    pub(super) fn form(&self, redrawn: bool, first: bool, repeats: bool) -> RowForm {
        let header = first && !self.no_header;
        match self.output {
            Format::Table if self.detail => RowForm::Detail {
                width: terminal_size().map_or(80, |(columns, _)| usize::from(columns)),
                style: self.color.style(),
            },
            Format::Table => RowForm::Table(self.layout(redrawn)),
            Format::Json => RowForm::Json { one_line: repeats },
            Format::Jsonl => RowForm::JsonLines,
            Format::Csv => RowForm::Delimited { delimiter: b',', header },
            Format::Tsv => RowForm::Delimited { delimiter: b'\t', header },
        }
    }

    /// The look of a table. On a terminal it fits; `redrawn` it also fits in height.
    fn layout(&self, redrawn: bool) -> Layout {
        let terminal = terminal_size();
        let unlimited = self.wide || self.oneline || !self.columns.is_empty();
        Layout {
            width: table_width().filter(|_| !unlimited),
            shorten: terminal.is_some(),
            header: !self.no_header,
            rows: redrawn
                .then_some(terminal)
                .flatten()
                .map(|(_, rows)| usize::from(rows).saturating_sub(AROUND)),
            style: self.color.style(),
        }
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
                is_terminal() && !refused
            }
        };
        Style::new(colour)
    }
}

/// The columns that text should fit in: of the terminal, of `COLUMNS`, else 80.
pub(super) fn width() -> usize {
    table_width().unwrap_or(80)
}

/// The columns that rows should fit in: of the terminal or of `COLUMNS`. Other programs read lines
/// of any length.
pub(super) fn table_width() -> Option<usize> {
    let terminal = terminal_size().map(|(columns, _)| usize::from(columns));
    let from_environment = || std::env::var("COLUMNS").ok()?.parse::<usize>().ok();
    terminal.or_else(from_environment).map(|width| width.max(40))
}

fn column(name: &str) -> anyhow::Result<Column> {
    if let Some(column) = find_column(name) {
        return Ok(column);
    }
    match text::nearest(name, all_columns().map(|column| column.name)) {
        Some(near) => {
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
