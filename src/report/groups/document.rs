//! The `groups` document.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Figures, Group, GroupKey, KeyValue};
use crate::identity::ServiceBasis;
use crate::report::{Cost, Document, Quality};

/// How the figures of groups are shown.
#[derive(Debug, Clone, Copy)]
pub struct GroupView<'a> {
    /// The keys.
    pub keys: &'a [GroupKey],
    /// Whether there are several samples.
    pub repeats: bool,
    /// Seconds since the previous sample.
    pub interval_s: Option<f64>,
}

/// The whole document.
#[derive(Debug, serde::Serialize)]
pub struct GroupDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// The keys.
    pub by: Vec<&'static str>,
    /// The groups.
    pub groups: Vec<GroupEntry<'a>>,
    /// All groups that are not in `groups`, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestEntry<'a>>,
    /// All sockets.
    pub total: FiguresEntry<'a>,
    /// See [`Quality`].
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
}

impl GroupDocument<'_> {
    /// Its schema.
    pub const SCHEMA: &'static str = "tcpdiag.groups/1";
    /// The schema of a group on a line of its own.
    pub const ROW: &'static str = "tcpdiag.groups.row/1";
    /// The schema of the last line.
    pub const END: &'static str = "tcpdiag.groups.end/1";
}

/// One group.
#[derive(Debug, Clone, Copy)]
pub struct GroupEntry<'a> {
    /// The group.
    pub group: &'a Group,
    /// How it is shown.
    pub view: GroupView<'a>,
}

impl Serialize for GroupEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &KeyEntry(self))?;
        if self.group.key.iter().any(KeyValue::is_guess) {
            map.serialize_entry("service_basis", ServiceBasis::PortName.name())?;
        }
        self.group.figures.entries(&mut map, self.view.repeats, self.view.interval_s)?;
        map.end()
    }
}

struct KeyEntry<'a, 'e>(&'e GroupEntry<'a>);

impl Serialize for KeyEntry<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GroupEntry { group, view } = self.0;
        let names = view.keys.iter().map(|key| key.name());
        serializer.collect_map(names.zip(&group.key))
    }
}

/// Figures without a key.
#[derive(Debug, Clone, Copy)]
pub struct FiguresEntry<'a> {
    /// The figures.
    pub figures: &'a Figures,
    /// How they are shown.
    pub view: GroupView<'a>,
}

impl Serialize for FiguresEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.figures.entries(&mut map, self.view.repeats, self.view.interval_s)?;
        map.end()
    }
}

/// The groups that are not shown.
#[derive(Debug, Clone, Copy)]
pub struct RestEntry<'a> {
    /// How many there are; at least, if sockets did not fit into the groups that are kept apart.
    pub groups: u64,
    /// Whether there may be more.
    pub is_least: bool,
    /// Their figures.
    pub figures: FiguresEntry<'a>,
}

impl Serialize for RestEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("groups", &self.groups)?;
        map.serialize_entry("groups_at_least", &self.is_least)?;
        let FiguresEntry { figures, view } = self.figures;
        figures.entries(&mut map, view.repeats, view.interval_s)?;
        map.end()
    }
}

/// A group on a line of its own.
#[derive(Debug, serde::Serialize)]
pub struct GroupRowLine<'a> {
    /// [`GroupDocument::ROW`].
    pub schema: &'static str,
    /// When the sample was taken.
    pub captured_at: &'a str,
    /// The group.
    #[serde(flatten)]
    pub entry: GroupEntry<'a>,
}

/// The last line of a sample.
#[derive(Debug, serde::Serialize)]
pub struct GroupRowEnd<'a> {
    /// [`GroupDocument::END`].
    pub schema: &'static str,
    /// Groups written.
    pub shown: u64,
    /// All others, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestEntry<'a>>,
    /// All sockets.
    pub total: FiguresEntry<'a>,
    /// See [`Quality`].
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
}
