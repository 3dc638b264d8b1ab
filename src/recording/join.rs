//! One recording out of several that follow each other.

use std::io::{self, Read, Write};

use rustc_hash::{FxHashMap, FxHashSet};

use super::facts::NamespaceOf;
use super::{Datagram, Entry, Kind, Note, Place, Reader, Writer};

/// Writes what these recordings hold to `writer`, which was begun with the namespace of inode
/// `first` and nothing else. What each of them tells at its start is told once; their ends are
/// left out.
///
/// # Errors
/// What the file answers; `InvalidData` when one of them cannot be read.
pub fn join<R: Read, W: Write>(
    parts: impl IntoIterator<Item = R>,
    first: u64,
    writer: &mut Writer<W>,
) -> io::Result<()> {
    let mut joint = Joint { known: FxHashMap::default(), told: FxHashSet::default() };
    joint.known.insert(first, 0);
    for part in parts {
        joint.add(part, writer)?;
    }
    Ok(())
}

/// What was written so far.
struct Joint {
    /// Interfaces of namespaces.
    known: FxHashMap<u64, u32>,
    /// What a recording tells once, by namespace.
    told: FxHashSet<(Kind, u64)>,
}

impl Joint {
    fn add<R: Read, W: Write>(&mut self, part: R, writer: &mut Writer<W>) -> io::Result<()> {
        let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut reader = Reader::new(part).map_err(damaged)?;
        // Interfaces here and there.
        let mut interfaces = FxHashMap::default();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            // Kept, since the time is known only when the entry is let go.
            let entry = match reader.read_entry().map_err(damaged)? {
                None => return Ok(()),
                Some(Entry::Datagram(Datagram { interface, way, bytes: datagram })) => {
                    bytes.extend_from_slice(datagram);
                    Ok((interface, way))
                }
                Some(Entry::Note(Note { kind, sample, namespace, payload })) => {
                    bytes.extend_from_slice(payload);
                    Err((kind, sample, namespace))
                }
            };
            writer.set_time(reader.time());
            match entry {
                Ok((interface, way)) => {
                    let interface = interfaces.get(&interface).copied().unwrap_or(0);
                    writer.datagram(interface, way, &bytes)?;
                }
                Err((kind, sample, namespace)) => {
                    writer.set_sample(sample);
                    if kind == Kind::Namespace {
                        self.place(&bytes, &mut interfaces, writer)?;
                    } else if self.is_news(kind, namespace) {
                        writer.note(kind, namespace, &bytes)?;
                    }
                }
            }
        }
    }

    /// Whether a note says what none before it did.
    fn is_news(&mut self, kind: Kind, namespace: u64) -> bool {
        match kind {
            Kind::End => false,
            Kind::Host | Kind::Filter | Kind::Sysctl => self.told.insert((kind, namespace)),
            _ => true,
        }
    }

    /// Assigns a namespace's interface.
    fn place<W: Write>(
        &mut self,
        payload: &[u8],
        interfaces: &mut FxHashMap<u32, u32>,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let NamespaceOf { interface, inode, name } = serde_json::from_slice(payload)?;
        let known = match self.known.get(&inode) {
            Some(known) => *known,
            None => {
                let added = writer.add_place(&Place { inode, name: name.as_deref() })?;
                self.known.insert(inode, added);
                added
            }
        };
        interfaces.insert(interface, known);
        if self.told.insert((Kind::Namespace, inode)) {
            writer.json(Kind::Namespace, inode, &NamespaceOf { interface: known, inode, name })?;
        }
        Ok(())
    }
}
