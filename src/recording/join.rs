//! Joining recordings that follow each other into one.

use std::io::{self, Read, Write};

use rustc_hash::{FxHashMap, FxHashSet};

use super::facts::NamespaceOf;
use super::{Datagram, Entry, Kind, NamespaceInterface, Note, Reader, Writer};

/// Writes the contents of these recordings to `writer`, which was begun with the namespace of
/// inode `first` and nothing else. Notes that each of them begins with are written once; their
/// ends are left out.
///
/// # Errors
/// When it cannot be written; `InvalidData` when one of them cannot be read.
pub fn join<R: Read, W: Write>(
    parts: impl IntoIterator<Item = R>,
    first: u64,
    writer: &mut Writer<W>,
) -> io::Result<()> {
    let mut joiner = Joiner { known: FxHashMap::default(), once: FxHashSet::default() };
    joiner.known.insert(first, 0);
    for part in parts {
        joiner.add(part, writer)?;
    }
    Ok(())
}

/// What is written so far.
struct Joiner {
    /// Interfaces of namespaces.
    known: FxHashMap<u64, u32>,
    /// Notes that are written once, by namespace.
    once: FxHashSet<(Kind, u64)>,
}

impl Joiner {
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
                Some(Entry::Recording) => {
                    interfaces.clear();
                    continue;
                }
                Some(Entry::Datagram(Datagram { interface, direction, bytes: datagram })) => {
                    bytes.extend_from_slice(datagram);
                    Ok((interface, direction))
                }
                Some(Entry::Note(Note { kind, sample, namespace, payload })) => {
                    bytes.extend_from_slice(payload);
                    Err((kind, sample, namespace))
                }
            };
            writer.set_time(reader.time());
            match entry {
                Ok((interface, direction)) => {
                    let interface = interfaces.get(&interface).copied().unwrap_or(0);
                    writer.datagram(interface, direction, &bytes)?;
                }
                Err((kind, sample, namespace)) => {
                    writer.set_sample(sample);
                    if kind == Kind::Namespace {
                        self.assign(&bytes, &mut interfaces, writer)?;
                    } else if self.is_wanted(kind, namespace) {
                        writer.note(kind, namespace, &bytes)?;
                    }
                }
            }
        }
    }

    /// Whether a note is to be written again.
    fn is_wanted(&mut self, kind: Kind, namespace: u64) -> bool {
        match kind {
            Kind::End => false,
            Kind::Host | Kind::Filter | Kind::Sysctl => self.once.insert((kind, namespace)),
            _ => true,
        }
    }

    /// Assigns a namespace's interface.
    fn assign<W: Write>(
        &mut self,
        payload: &[u8],
        interfaces: &mut FxHashMap<u32, u32>,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let NamespaceOf { interface, inode, name } = serde_json::from_slice(payload)?;
        let known = match self.known.get(&inode) {
            Some(known) => *known,
            None => {
                let added =
                    writer.add_namespace(&NamespaceInterface { inode, name: name.as_deref() })?;
                self.known.insert(inode, added);
                added
            }
        };
        interfaces.insert(interface, known);
        if self.once.insert((Kind::Namespace, inode)) {
            writer.json(Kind::Namespace, inode, &NamespaceOf { interface: known, inode, name })?;
        }
        Ok(())
    }
}
