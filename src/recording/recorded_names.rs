//! Names in an expression, as recordings know them.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::error::Damage;
use super::known_facts::{size_of_cgroup, size_of_interface};
use super::{CgroupPath, Entry, InterfaceName, Kind, Reader, SessionError};
use crate::filter::Names;
use crate::procfs::PortNames;

/// Names from all samples of recordings.
#[derive(Debug)]
pub struct RecordedNames<'a> {
    ports: &'a PortNames,
    interfaces: FxHashMap<String, u32>,
    cgroups: FxHashMap<String, u64>,
    /// Bytes of all names.
    held: usize,
}

/// The most bytes of names: of some 50,000 cgroups.
const MOST: usize = 8 << 20;

impl<'a> RecordedNames<'a> {
    /// Names of ports only.
    pub fn new(ports: &'a PortNames) -> Self {
        Self { ports, interfaces: FxHashMap::default(), cgroups: FxHashMap::default(), held: 0 }
    }

    /// Adds all names of a recording, up to the damage if there is some, which whoever reads its
    /// samples reports.
    ///
    /// # Errors
    /// When it cannot be opened, is no recording, or has more names than are kept.
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
                        if !self.interfaces.contains_key(&name.name) {
                            self.held += size_of_interface(&name);
                            self.interfaces.insert(name.name, name.index);
                        }
                    }
                }
                Kind::Cgroup => {
                    for cgroup in note.json_lines::<CgroupPath>().filter_map(Result::ok) {
                        let size = size_of_cgroup(&cgroup);
                        let known = self.cgroups.insert(cgroup.path, cgroup.id);
                        self.held += if known.is_none() { size } else { 0 };
                    }
                }
                _ => {}
            }
            if self.held > MOST {
                let why = reader.damaged(Damage::Facts);
                return Err(SessionError::Read { path: path.to_owned(), why });
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

    fn interfaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self.interfaces.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        self.cgroups.get(path).copied()
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}
