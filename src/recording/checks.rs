//! What the notes of a file must agree on.

use rustc_hash::FxHashSet;

use super::bounds::MOST_NAMESPACES;
use super::error::Damage;
use super::facts::{HostFacts, NamespaceOf, SampleBegun};
use super::{Kind, Note};
use crate::sys::Clocks;

/// What the notes of a file said so far.
///
/// A file may hold several recordings, one behind the other, as `cat a.pcapng b.pcapng` makes it.
/// They are read as one, so they have to be of the same boot and to follow each other.
#[derive(Debug, Default)]
pub(super) struct NoteChecks {
    host: Option<(String, Option<String>)>,
    /// The current recording's host is known.
    has_host: bool,
    namespaces: FxHashSet<u64>,
    /// When the last sample began.
    last: Option<Clocks>,
    /// The current recording has a sample.
    has_sample: bool,
}

impl NoteChecks {
    /// Another recording begins.
    pub(super) fn begin_recording(&mut self) {
        (self.has_host, self.has_sample) = (false, false);
        self.namespaces.clear();
    }

    /// Checks a note.
    pub(super) fn check(&mut self, note: &Note<'_>) -> Result<(), Damage> {
        let most = note.kind.longest();
        if note.payload.len() > most {
            return Err(Damage::NoteLength { kind: note.kind.name(), most });
        }
        match note.kind {
            Kind::Host => note.json().map_or(Ok(()), |facts| self.host(facts)),
            Kind::Namespace => note.json().map_or(Ok(()), |fact: NamespaceOf| {
                self.namespaces.insert(fact.inode);
                let is_too_much = self.namespaces.len() > MOST_NAMESPACES;
                if is_too_much { Err(Damage::Namespaces(MOST_NAMESPACES)) } else { Ok(()) }
            }),
            Kind::NamespaceGone => note.json().map_or(Ok(()), |fact: NamespaceOf| {
                self.namespaces.remove(&fact.inode);
                Ok(())
            }),
            Kind::Sample => {
                note.json().map_or(Ok(()), |begun: SampleBegun| self.sample(begun.clocks))
            }
            _ => Ok(()),
        }
    }

    fn host(&mut self, facts: HostFacts) -> Result<(), Damage> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(Damage::SecondHost);
        }
        let HostFacts { hostname, boot_id, .. } = facts;
        let Some((known, boot)) = &self.host else {
            self.host = Some((hostname, boot_id));
            return Ok(());
        };
        let is_same = match (boot, &boot_id) {
            // A host may be renamed while it runs.
            (Some(boot), Some(other)) => boot == other,
            _ => *known == hostname,
        };
        if is_same { Ok(()) } else { Err(Damage::OtherHost) }
    }

    fn sample(&mut self, clocks: Clocks) -> Result<(), Damage> {
        let is_first = !std::mem::replace(&mut self.has_sample, true);
        let has_boot = self.host.as_ref().is_some_and(|(_, boot)| boot.is_some());
        let is_later = |last: Clocks| match has_boot {
            true => clocks.monotonic_ns > last.monotonic_ns,
            false => clocks.realtime_ns > last.realtime_ns,
        };
        if is_first && !self.last.is_none_or(is_later) {
            return Err(Damage::Order);
        }
        self.last = Some(clocks);
        Ok(())
    }
}
