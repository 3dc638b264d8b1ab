//! One sample of a recording, and what was known by then.

use std::io::Read;

use rustc_hash::FxHashMap;

use super::facts::{EventsDrained, HostFacts, SocketOwners};
use super::{ReadError, Reader, Span, Walk};
use crate::sys::Clocks;

/// What a dump of a network namespace was asked for, and how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// States: bit n for state n. 0 where the recording does not tell.
    pub states: u32,
    /// Where its datagrams begin in those of the sample.
    pub start: usize,
    /// Times the table changed under it; `None` where the recording does not tell.
    pub interrupted: Option<u64>,
}

/// What a sample holds of a network namespace.
#[derive(Debug, Clone, Default)]
pub struct SamplePart {
    /// The datagrams of its dumps, each padded to a multiple of four bytes.
    pub dump: Vec<u8>,
    /// The dumps that these are of; none where it was not dumped.
    pub parts: Vec<Part>,
    /// Sockets that died since the sample before: messages, padded in the same way.
    pub events: Vec<u8>,
    /// What taking these came to; `None` where nobody listened.
    pub drained: Option<EventsDrained>,
    /// The counter files, name and text, as they were before the dump, and after the events.
    pub counters: [Vec<(String, String)>; 2],
}

impl SamplePart {
    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.dump.clear();
        self.parts.clear();
        self.events.clear();
        self.drained = None;
        self.counters.iter_mut().for_each(Vec::clear);
    }
}

/// A network namespace in a sample.
#[derive(Debug, Clone, Default)]
pub struct RecordedNamespace {
    /// The recording's interface.
    pub interface: u32,
    /// Its inode.
    pub inode: u64,
    /// Its name.
    pub name: Option<String>,
    /// Names of its network interfaces.
    pub interfaces: FxHashMap<u32, String>,
    /// Its settings: a line for each, its name, a blank, its value.
    pub settings: String,
    /// What the sample holds of it.
    pub part: SamplePart,
}

impl RecordedNamespace {
    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

/// A sample with what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The host.
    pub host: HostFacts,
    /// When the sample began.
    pub clocks: Clocks,
    /// Which sample it is, from 0.
    pub number: u32,
    /// Another program captured it: there are dumps in it, and nothing else is known.
    pub capture: bool,
    /// Whether it was taken ahead of its time, because something moved.
    pub early: bool,
    /// Network namespaces, in the recording's order.
    pub namespaces: Vec<RecordedNamespace>,
    /// Holders by inode of the socket.
    pub owners: FxHashMap<u32, SocketOwners>,
    /// Paths of cgroups by id.
    pub cgroups: FxHashMap<u64, String>,
    /// Processes whose descriptors could not be read.
    pub processes_hidden: u64,
    /// What could not be seen for lack of privilege.
    pub permission_limited: Vec<String>,
    /// Which sockets were recorded, where it was not all of them.
    pub filter: Option<String>,
}

/// What was found when a sample was looked for.
#[derive(Debug)]
pub struct Found {
    /// The last whole sample that began by the time asked for; `None` if there is none.
    pub sample: Option<Sample>,
    /// When the first whole sample began.
    pub first: Option<u64>,
    /// The damage that ended the search before the recording's end.
    pub damage: Option<ReadError>,
}

impl Sample {
    /// Looks for the last whole sample that began at `at` or before, in nanoseconds since 1970;
    /// the last of all without.
    pub fn find<R: Read>(reader: &mut Reader<R>, at: Option<u64>) -> Found {
        let mut walk = Walk::new(reader, Span { from: None, to: at });
        let mut found = false;
        while walk.advance() {
            found = true;
        }
        let (first, damage) = (walk.first(), walk.damage().cloned());
        Found { sample: found.then(|| walk.into_sample()), first, damage }
    }
}
