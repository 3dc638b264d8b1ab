//! What the holders of listeners that share an address are called.

use super::owner::Owner;

/// What the holders of some listeners have in common.
#[derive(Debug)]
pub(super) enum GroupName<'a> {
    /// They are hidden, or do not hold the connections.
    Unknown,
    /// All of them are of one service.
    One(Owner<'a>),
    /// They are of several.
    Several(String),
}

impl<'a> GroupName<'a> {
    /// The owner of a connection of which only what surrounds the socket itself is known.
    pub(super) fn owner_for<'b>(&self, own: &Owner<'b>) -> Owner<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Unknown => *own,
            Self::One(listener) => Owner {
                process: listener.process,
                unit: listener.unit.or(own.unit),
                container: listener.container.or(own.container),
                cgroup: own.cgroup.or(listener.cgroup),
            },
            Self::Several(_) => Owner { cgroup: own.cgroup, ..Owner::default() },
        }
    }

    pub(super) fn shared(&self) -> Option<&str> {
        match self {
            Self::Several(names) => Some(names),
            Self::Unknown | Self::One(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::One(owner) => owner.service_name(),
            Self::Several(names) => Some(names),
        }
    }
}
