//! Names in an expression, as recordings know them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use super::bounds::MOST_NAMESPACES_EVER;
use super::error::{Damage, ReadError};
use super::{
    CgroupPath, CountedFile, Entry, InterfaceName, Kind, NamespaceChoice, NamespaceOf, Reader,
    Session, SessionError,
};
use crate::filter::{InterfaceIndex, Names};
use crate::procfs::PortNames;

/// Names from all samples of recordings.
///
/// An expression is parsed twice. The first time every name is known, and what is asked for is
/// noted; [`look_up`](Self::look_up) then reads the recordings, and keeps nothing but what these
/// names mean. What is held does not grow with the host.
#[derive(Debug)]
pub struct RecordedNames<'a> {
    ports: &'a PortNames,
    /// The names that were asked for.
    asked: RefCell<Asked>,
    /// What they mean; `None` before they are looked up.
    found: Option<Found>,
}

#[derive(Debug, Default)]
struct Asked {
    interfaces: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

/// The meanings of names. A name has several where it is used in several network namespaces, or one
/// after the other.
#[derive(Debug, Default)]
struct Found {
    interfaces: BTreeMap<String, BTreeSet<InterfaceIndex>>,
    cgroups: BTreeMap<String, BTreeSet<u64>>,
    /// Interfaces that an error message lists.
    others: BTreeSet<String>,
}

/// The most meanings that the names may have together: each is compared with each socket. A name that
/// every network namespace has, in as many as a recording may have.
const MOST: usize = MOST_NAMESPACES_EVER;

/// The most names for an error message.
const MOST_OTHERS: usize = 64;

impl<'a> RecordedNames<'a> {
    /// Knows the names of ports, and notes which others are asked for.
    pub fn new(ports: &'a PortNames) -> Self {
        Self { ports, asked: RefCell::default(), found: None }
    }

    /// Whether names of interfaces or cgroups were asked for, which have to be looked up.
    pub fn are_asked(&self) -> bool {
        let asked = self.asked.borrow();
        !asked.interfaces.is_empty() || !asked.cgroups.is_empty()
    }

    /// Looks up the names that were asked for in the recordings of a session, in its chosen network
    /// namespaces. A damaged recording is read up to the damage, which whoever reads its samples
    /// reports.
    ///
    /// # Errors
    /// [`SessionError::Read`] when the names mean more than 65,536 things.
    pub fn look_up(&mut self, session: &Session) -> Result<(), SessionError> {
        let mut found = Found::default();
        for (path, reader) in session.readers() {
            self.read(reader, session.choice(), &mut found)
                .map_err(|why| SessionError::Read { path: path.to_owned(), why })?;
        }
        self.found = Some(found);
        Ok(())
    }

    fn read(
        &self,
        mut reader: Reader<CountedFile>,
        choice: &NamespaceChoice,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let asked = self.asked.borrow();
        let mut chosen: FxHashSet<u64> = FxHashSet::default();
        while let Ok(Some(entry)) = reader.read_entry() {
            let Entry::Note(note) = entry else { continue };
            match note.kind {
                Kind::Namespace => {
                    if let Ok(NamespaceOf { inode, name, .. }) = note.json()
                        && choice.includes_called(inode, name.as_deref())
                    {
                        chosen.insert(inode);
                    }
                }
                Kind::Interfaces if chosen.contains(&note.namespace) => {
                    let netns = Some(note.namespace);
                    for InterfaceName { index, name } in note.json_lines().filter_map(Result::ok) {
                        let index = InterfaceIndex { netns, index };
                        found.add_interface(name, index, &asked);
                    }
                }
                Kind::Cgroup => {
                    for CgroupPath { id, path } in note.json_lines().filter_map(Result::ok) {
                        if asked.cgroups.contains(&path) {
                            found.cgroups.entry(path).or_default().insert(id);
                        }
                    }
                }
                _ => {}
            }
            if found.len() > MOST || chosen.len() > MOST_NAMESPACES_EVER {
                return Err(reader.damaged(Damage::Meanings(MOST)));
            }
        }
        Ok(())
    }
}

impl Found {
    fn add_interface(&mut self, name: String, index: InterfaceIndex, asked: &Asked) {
        if asked.interfaces.contains(&name) {
            self.interfaces.entry(name).or_default().insert(index);
        } else if self.others.len() < MOST_OTHERS {
            self.others.insert(name);
        }
    }

    /// How many meanings there are.
    fn len(&self) -> usize {
        self.interfaces.values().map(BTreeSet::len).sum::<usize>()
            + self.cgroups.values().map(BTreeSet::len).sum::<usize>()
    }
}

impl Names for RecordedNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Vec<InterfaceIndex> {
        let Some(found) = &self.found else {
            self.asked.borrow_mut().interfaces.insert(name.to_owned());
            return vec![InterfaceIndex { netns: None, index: 1 }];
        };
        found.interfaces.get(name).into_iter().flatten().copied().collect()
    }

    fn interfaces(&self) -> Vec<String> {
        let Some(Found { interfaces, others, .. }) = &self.found else { return Vec::new() };
        let names: BTreeSet<&String> = interfaces.keys().chain(others).collect();
        names.into_iter().cloned().collect()
    }

    fn cgroup(&self, path: &str) -> Vec<u64> {
        let Some(found) = &self.found else {
            self.asked.borrow_mut().cgroups.insert(path.to_owned());
            return vec![1];
        };
        found.cgroups.get(path).into_iter().flatten().copied().collect()
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}
