//! What columns require: attributes of the kernel's replies, owners, cgroups.

use super::{Column, ColumnKind};
use crate::filter::Needs;
use crate::model::{Field, Group};
use crate::monitor::Level;
use crate::wire::Extensions;

/// What has to be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Attributes that the kernel is asked for.
    pub extensions: Extensions,
    /// The processes that hold sockets.
    pub owners: bool,
    /// Services, or units and containers.
    pub services: bool,
}

impl Requirements {
    /// All that the kernel sends, and cgroups.
    pub fn everything() -> Self {
        Self { extensions: Extensions::ALL, owners: false, services: true }
    }

    /// What these columns show.
    pub fn of(columns: &[Column]) -> Self {
        columns.iter().map(of_column).fold(Self::default(), Self::with)
    }

    /// Both.
    pub fn with(self, other: Self) -> Self {
        Self {
            extensions: self.extensions.with(other.extensions),
            owners: self.owners || other.owners,
            services: self.services || other.services,
        }
    }

    /// Also what a filter expression needs.
    pub fn with_filter(mut self, needs: &Needs) -> Self {
        self.extensions = self.extensions.with(needs.extensions);
        if needs.role || needs.service || self.services {
            // The counters show which end opened a connection.
            self.extensions = self.extensions.with(Extensions::INFO);
        }
        self.owners |= needs.owner;
        self.services |= needs.cgroup_path;
        self
    }

    /// How much has to be known of a socket.
    pub fn level(&self) -> Level {
        match (self.owners, self.services) {
            (true, _) => Level::Processes,
            (false, true) => Level::Service,
            (false, false) => Level::Role,
        }
    }

    /// Whether the column of this name shows owners.
    pub fn is_of_owners(name: &str) -> bool {
        matches!(name, "process" | "pid")
    }
}

fn of_column(column: &Column) -> Requirements {
    let extensions = match column.kind {
        ColumnKind::Field(field) | ColumnKind::Growth(field) | ColumnKind::Rate(field) => {
            of_field(field)
        }
        ColumnKind::Text(_) => match column.name {
            "retr" | "limited" | "ulp" | "role" | "service" | "service_basis" => Extensions::INFO,
            "congestion" => Extensions::CONG,
            _ => Extensions::default(),
        },
    };
    Requirements {
        extensions,
        owners: Requirements::is_of_owners(column.name),
        services: matches!(
            column.name,
            "service" | "service_basis" | "cgroup" | "unit" | "container"
        ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::find_column;

    fn of(names: &[&str]) -> Requirements {
        let columns: Vec<Column> = names.iter().map(|name| find_column(name).unwrap()).collect();
        Requirements::of(&columns)
    }

    #[test]
    fn columns_and_filters_require_their_attributes_only() {
        assert_eq!(of(&["local", "remote"]), Requirements::default());
        assert_eq!(of(&["rtt", "drops"]).extensions, Extensions::INFO.with(Extensions::SKMEMINFO));
        assert_eq!(of(&["local"]).level(), Level::Role);
        assert_eq!(of(&["unit"]).level(), Level::Service);
        assert_eq!(of(&["pid", "unit"]).level(), Level::Processes);
        let of_role = Needs { role: true, ..Needs::default() };
        assert_eq!(of(&["local"]).with_filter(&of_role).extensions, Extensions::INFO);
        let of_owner = Needs { owner: true, ..Needs::default() };
        assert_eq!(of(&["local"]).with_filter(&of_owner).level(), Level::Processes);
    }
}
