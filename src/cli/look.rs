//! What the output of the commands that show no sockets looks like.

use clap::{Args, ValueEnum};

use super::output::{Colour, width};
use crate::output::Look;

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Aligned columns, for people.
    Table,
    /// One JSON object; one per line where there are several.
    Json,
    /// One JSON object per row and line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

/// Flags of the output.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct LookArgs {
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    pub(super) output: Form,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
}

impl LookArgs {
    /// For tables.
    pub(super) fn look(&self) -> Look {
        Look { width: Some(width()), style: self.color.style() }
    }
}
