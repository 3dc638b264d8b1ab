//! One sample of a recording, and what was known by then.

use std::io::Read;

use rustc_hash::FxHashMap;

use super::facts::{CgroupPath, FilterFact, HostFacts, InterfaceName, NamespaceOf, SocketOwners};
use super::{Entry, Kind, Note, ReadError, Reader, Way};
use crate::sys::Clocks;

/// A network namespace in a sample.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The recording's interface.
    pub interface: u32,
    /// Its inode.
    pub inode: u64,
    /// Its name.
    pub name: Option<String>,
    /// The datagrams of its dump, each padded to a multiple of four bytes.
    pub dump: Vec<u8>,
    /// Names of its network interfaces.
    pub interfaces: FxHashMap<u32, String>,
    /// Whether a dump of it runs, so that its datagrams are not events.
    dumping: bool,
}

/// A sample with what belongs to it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The host.
    pub host: HostFacts,
    /// When the sample began.
    pub clocks: Clocks,
    /// Which sample it is, from 0.
    pub number: u32,
    /// Network namespaces, in the recording's order.
    pub scenes: Vec<Scene>,
    /// Holders by inode of the socket.
    pub owners: FxHashMap<u32, SocketOwners>,
    /// Paths of cgroups by id.
    pub cgroups: FxHashMap<u64, String>,
    /// Which sockets were recorded, where it was not all of them.
    pub filter: Option<String>,
}

/// What was found when a moment was looked for.
#[derive(Debug)]
pub struct Found {
    /// The last whole sample that began by the time asked for; `None` if there is none.
    pub moment: Option<Moment>,
    /// When the first whole sample began.
    pub first: Option<u64>,
    /// The damage that ended the search before the recording's end.
    pub damage: Option<ReadError>,
}

/// What is known at some place of a recording.
#[derive(Default)]
struct Search {
    host: Option<HostFacts>,
    clocks: Option<Clocks>,
    number: u32,
    scenes: Vec<Scene>,
    owners: FxHashMap<u32, SocketOwners>,
    cgroups: FxHashMap<u64, String>,
    filter: Option<String>,
    /// Owners of the sample that is not whole yet.
    news: Vec<SocketOwners>,
    /// Datagrams of the last whole sample, by scene, and whose it was.
    whole: Option<(Clocks, u32, Vec<Vec<u8>>)>,
    first: Option<u64>,
}

impl Moment {
    /// Looks for the last whole sample that began at `at` or before, in nanoseconds since 1970;
    /// the last of all without.
    pub fn find<R: Read>(reader: &mut Reader<R>, at: Option<u64>) -> Found {
        let mut search = Search::default();
        let damage = loop {
            match reader.read_entry() {
                Ok(None) => break None,
                Err(error) => break Some(error),
                Ok(Some(Entry::Datagram(datagram))) if datagram.way == Way::Received => {
                    search.hear(datagram.interface, datagram.bytes);
                }
                Ok(Some(Entry::Datagram(_))) => {}
                Ok(Some(Entry::Note(note))) => {
                    if !search.read(&note, at) {
                        break None;
                    }
                }
            }
        };
        let first = search.first;
        Found { moment: search.moment(), first, damage }
    }
}

impl Search {
    fn hear(&mut self, interface: u32, datagram: &[u8]) {
        let scene = self.scenes.iter_mut().find(|scene| scene.interface == interface);
        if let Some(scene) = scene.filter(|scene| scene.dumping) {
            scene.dump.extend_from_slice(datagram);
            scene.dump.resize(scene.dump.len().next_multiple_of(4), 0);
        }
    }

    /// Reads a note; `false` where the sample asked for is behind. A payload that is not what its
    /// kind says is as if it were not there.
    fn read(&mut self, note: &Note<'_>, at: Option<u64>) -> bool {
        match note.kind {
            Kind::Host => self.host = note.json().ok(),
            Kind::Namespace => {
                if let Ok(NamespaceOf { interface, inode, name }) = note.json() {
                    self.scenes.push(Scene { interface, inode, name, ..Scene::default() });
                }
            }
            Kind::Sample => return self.begin(note, at),
            Kind::SampleEnd => self.end(),
            Kind::DumpBegin | Kind::DumpEnd => {
                let dumping = note.kind == Kind::DumpBegin;
                self.scene(note.namespace).into_iter().for_each(|scene| scene.dumping = dumping);
            }
            Kind::Interfaces => {
                if let Some(scene) = self.scene(note.namespace) {
                    let names = note.json_lines::<InterfaceName>().filter_map(Result::ok);
                    scene.interfaces.extend(names.map(|name| (name.index, name.name)));
                }
            }
            Kind::Owners => self.news.extend(note.json_lines().filter_map(Result::ok)),
            Kind::Cgroup => {
                let paths = note.json_lines::<CgroupPath>().filter_map(Result::ok);
                self.cgroups.extend(paths.map(|cgroup| (cgroup.id, cgroup.path)));
            }
            Kind::Filter => self.filter = note.json::<FilterFact>().ok().map(|fact| fact.filter),
            // Its dump is empty from now on.
            Kind::NamespaceGone => {}
            Kind::Counters | Kind::EventsDrained | Kind::Sysctl | Kind::End => {}
        }
        true
    }

    fn scene(&mut self, inode: u64) -> Option<&mut Scene> {
        self.scenes.iter_mut().find(|scene| scene.inode == inode)
    }

    fn begin(&mut self, note: &Note<'_>, at: Option<u64>) -> bool {
        self.clocks = note.json().ok();
        let time = self.clocks.map(|clocks| clocks.realtime_ns);
        if let (Some(time), Some(at)) = (time, at)
            && time > at
        {
            self.first = self.first.or(time.into());
            return false;
        }
        self.number = note.sample;
        self.news.clear();
        for scene in &mut self.scenes {
            scene.dump.clear();
            scene.dumping = false;
        }
        true
    }

    /// The sample is whole: what it told holds.
    fn end(&mut self) {
        let Some(clocks) = self.clocks else { return };
        for owners in self.news.drain(..) {
            self.owners.insert(owners.inode, owners);
        }
        self.first = self.first.or(Some(clocks.realtime_ns));
        let mut dumps = self.whole.take().map(|(.., dumps)| dumps).unwrap_or_default();
        dumps.resize_with(self.scenes.len(), Vec::new);
        for (scene, dump) in self.scenes.iter_mut().zip(&mut dumps) {
            std::mem::swap(&mut scene.dump, dump);
        }
        self.whole = Some((clocks, self.number, dumps));
    }

    fn moment(self) -> Option<Moment> {
        let (clocks, number, dumps) = self.whole?;
        let mut scenes = self.scenes;
        scenes.iter_mut().zip(dumps).for_each(|(scene, dump)| scene.dump = dump);
        let (owners, cgroups, filter) = (self.owners, self.cgroups, self.filter);
        Some(Moment { host: self.host?, clocks, number, scenes, owners, cgroups, filter })
    }
}
