//! Names in an expression, as recordings know them.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::{CgroupPath, Entry, InterfaceName, Kind, Reader, SessionError};
use crate::filter::Names;
use crate::procfs::PortNames;

/// Names from all samples of recordings.
#[derive(Debug)]
pub struct RecordedNames<'a> {
    ports: &'a PortNames,
    interfaces: FxHashMap<String, u32>,
    cgroups: FxHashMap<String, u64>,
}

impl<'a> RecordedNames<'a> {
    /// Names of ports only.
    pub fn new(ports: &'a PortNames) -> Self {
        Self { ports, interfaces: FxHashMap::default(), cgroups: FxHashMap::default() }
    }

    /// Adds all names of a recording, up to the damage if there is some, which whoever reads its
    /// samples reports.
    ///
    /// # Errors
    /// When it cannot be opened, or is no recording.
    pub fn read(&mut self, path: &Path) -> Result<(), SessionError> {
        let file = std::fs::File::open(path)
            .map_err(|source| SessionError::Open { path: path.to_owned(), source })?;
        let mut reader =
            Reader::new(file).map_err(|why| SessionError::Read { path: path.to_owned(), why })?;
        while let Ok(Some(entry)) = reader.read_entry() {
            let Entry::Note(note) = entry else { continue };
            match note.kind {
                Kind::Interfaces => {
                    for name in note.json_lines::<InterfaceName>().filter_map(Result::ok) {
                        self.interfaces.entry(name.name).or_insert(name.index);
                    }
                }
                Kind::Cgroup => {
                    let paths = note.json_lines::<CgroupPath>().filter_map(Result::ok);
                    self.cgroups.extend(paths.map(|cgroup| (cgroup.path, cgroup.id)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Names for RecordedNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        self.interfaces.get(name).copied()
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        self.cgroups.get(path).copied()
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}
