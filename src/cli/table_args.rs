//! Output flags of the commands that do not list sockets.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::lines::layout;
use super::output::{Colour, width};
pub(super) use crate::output::Form;
use crate::output::{LineLayout, TableLayout};

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Json, Self::Jsonl, Self::Csv]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Table => ("table", "Aligned columns, for people"),
            Self::Json => ("json", "One JSON object; one per line where there are several"),
            Self::Jsonl => ("jsonl", "One JSON object per row and line"),
            Self::Csv => ("csv", "Comma-separated values"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Output flags.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct TableArgs {
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    pub(super) output: Form,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
}

impl TableArgs {
    /// The layout of lines.
    pub(super) fn lines(&self) -> LineLayout {
        layout(self.color, false, true)
    }

    /// The layout of tables.
    pub(super) fn layout(&self) -> TableLayout {
        TableLayout { width: Some(width()), style: self.color.style() }
    }
}
