//! One sample of a recording, and what is known at its time.

use std::io::Read;

use rustc_hash::FxHashMap;

use super::facts::{EventsDrained, HostFacts, SocketOwners};
use super::{ClockStep, Mark, ReadError, Reader, Span, Walk};
use crate::sys::Clocks;

/// The request and the outcome of a dump of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// States: bit n for state n. 0 if the recording does not have them.
    pub states: u32,
    /// Where its datagrams begin in those of the sample.
    pub start: usize,
    /// How often the table changed during it; `None` if the recording does not have that.
    pub interrupted: Option<u64>,
}

/// What a sample holds of a network namespace.
#[derive(Debug, Clone, Default)]
pub struct SamplePart {
    /// The datagrams of its dumps, each padded to a multiple of four bytes.
    pub dump: Vec<u8>,
    /// The dumps that they are from; empty if the namespace was not dumped.
    pub parts: Vec<Part>,
    /// Destroy events since the sample before: messages, padded in the same way.
    pub events: Vec<u8>,
    /// The outcome of receiving them; `None` if destroy events were not received.
    pub drained: Option<EventsDrained>,
    /// The counter files, name and text, as they were before the dump, and after the events.
    pub counters: [Vec<(String, String)>; 2],
}

impl SamplePart {
    /// Empties it, and keeps its memory.
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
    /// Its dumps, events and counters.
    pub part: SamplePart,
}

impl RecordedNamespace {
    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

/// A sample, with what holds at its time.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The host.
    pub host: HostFacts,
    /// When the sample began.
    pub clocks: Clocks,
    /// Its number, from 0.
    pub number: u32,
    /// Another program captured it, so it has dumps and nothing else.
    pub capture: bool,
    /// Whether it was taken early, because a counter moved.
    pub early: bool,
    /// Network namespaces, in the recording's order.
    pub namespaces: Vec<RecordedNamespace>,
    /// Holders by inode of the socket.
    pub owners: FxHashMap<u32, SocketOwners>,
    /// Paths of cgroups by id.
    pub cgroups: FxHashMap<u64, String>,
    /// Processes whose descriptors could not be read.
    pub processes_hidden: u64,
    /// What could not be read for lack of privilege.
    pub permission_limited: Vec<String>,
    /// Which sockets were recorded, if not all.
    pub filter: Option<String>,
    /// Where the wall clock was set since the sample that was shown before.
    pub clock_steps: Vec<ClockStep>,
}

/// The result of searching a sample.
#[derive(Debug)]
pub struct Found {
    /// The last complete sample that began at the time or before; `None` if there is none.
    pub sample: Option<Sample>,
    /// When the first complete sample began.
    pub first: Option<u64>,
    /// The damage that ended the search before the recording's end.
    pub damage: Option<ReadError>,
}

impl Sample {
    /// Searches the last complete sample that began at `at` or before, in nanoseconds since 1970 by
    /// a wall clock that was not set; without `at`, the last of all.
    pub fn find<R: Read>(reader: &mut Reader<R>, at: Option<u64>) -> Found {
        let mut walk = Walk::new(reader, Span { from: None, to: at.map(Mark::wall) });
        let mut found = false;
        while walk.advance() {
            found = true;
        }
        let (first, damage) = (walk.first(), walk.damage().cloned());
        Found { sample: found.then(|| walk.into_sample()), first, damage }
    }
}
