//! Connections that were to die, and what became of each.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::{Document, KeptConnection};
use crate::socket_diag::Killed;

/// The schema of the document.
pub const KILL: &str = "tcpdiag.kill/1";

/// The result of `conns --kill`.
#[derive(Debug, Serialize)]
pub struct KillDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// What became of each connection.
    pub results: &'a [KillEntry],
}

/// One connection.
#[derive(Debug)]
pub struct KillEntry {
    /// As it was listed.
    pub connection: KeptConnection,
    /// What became of it.
    pub killed: Killed,
}

impl Serialize for KillEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("result", self.killed.name())?;
        if let Some(reason) = self.killed.reason() {
            map.serialize_entry("reason", &reason)?;
        }
        self.connection.with("", |connection| connection.entries(&mut map))?;
        map.end()
    }
}

/// One connection as a line of its own.
#[derive(Debug, Serialize)]
pub struct KillLine<'a> {
    schema: &'static str,
    #[serde(flatten)]
    entry: &'a KillEntry,
}

impl<'a> KillLine<'a> {
    /// Of this one.
    pub fn new(entry: &'a KillEntry) -> Self {
        Self { schema: "tcpdiag.kill.row/1", entry }
    }
}
