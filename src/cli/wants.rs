//! What the columns of an output take: attributes, owners, cgroups.

use crate::model::{Field, Group};
use crate::output::{Column, ColumnKind};
use crate::wire::Extensions;

/// What has to be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub(super) extensions: Extensions,
    pub(super) owners: bool,
    pub(super) cgroups: bool,
}

impl Wants {
    /// All that the kernel sends, and cgroups.
    pub(super) fn everything() -> Self {
        Self { extensions: Extensions::ALL, owners: false, cgroups: true }
    }

    /// What these columns show.
    pub(super) fn of(columns: &[Column]) -> Self {
        columns.iter().map(of_column).fold(Self::default(), Self::with)
    }

    /// Both.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            extensions: self.extensions.with(other.extensions),
            owners: self.owners || other.owners,
            cgroups: self.cgroups || other.cgroups,
        }
    }

    /// Whether the column of this name shows owners.
    pub(super) fn is_of_owners(name: &str) -> bool {
        matches!(name, "process" | "pid")
    }
}

fn of_column(column: &Column) -> Wants {
    let extensions = match column.kind {
        ColumnKind::Field(field) | ColumnKind::Growth(field) | ColumnKind::Rate(field) => {
            of_field(field)
        }
        ColumnKind::Text(_) => match column.name {
            "retr" | "limited" | "ulp" => Extensions::INFO,
            "congestion" => Extensions::CONG,
            _ => Extensions::default(),
        },
    };
    Wants {
        extensions,
        owners: Wants::is_of_owners(column.name),
        cgroups: matches!(column.name, "cgroup" | "unit" | "container"),
    }
}

fn of_field(field: &Field) -> Extensions {
    match (field.group, field.name) {
        (Group::TcpInfo | Group::Derived, _) => Extensions::INFO,
        (Group::Skmem, _) => Extensions::SKMEMINFO,
        (Group::Socket, "tos") => Extensions::TOS,
        (Group::Socket, "tclass" | "class_id") => Extensions::TCLASS,
        (Group::Socket, _) => Extensions::default(),
    }
}
