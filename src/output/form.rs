//! Forms of output.

/// Forms of output of the commands that do not list sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns, for people.
    Table,
    /// One JSON object; one per line where there are several.
    Json,
    /// One JSON object per row and line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}
