//! One network namespace that is recorded.

use std::ops::ControlFlow;
use std::path::Path;

use rustc_hash::FxHashSet;

use super::holders::Holders;
use crate::cli::scene::Interfaces;
use crate::counters::CounterTexts;
use crate::model::{Families, StateSet};
use crate::record::{
    DumpBegun, DumpEnded, EventsDrained, InterfaceName, Kind, NamespaceOf, Tap, Tape,
};
use crate::settings::{Value, Values};
use crate::source::{DumpOutcome, EventOptions, Events, NetNamespace, Query, Sockets};
use crate::sys::NetlinkSocket;
use crate::wire::Extensions;

use super::run::File;

/// The files of whichever namespace the thread that opens them is in.
const COUNTERS: &str = "/proc/thread-self/net";
const SETTINGS: &str = "/proc/sys";

/// Not among the settings that are checked, but tells clients' ports.
const EPHEMERAL: &str = "net.ipv4.ip_local_port_range";

/// Everything.
const QUERY: Query<'static> = Query {
    families: Families::BOTH,
    states: StateSet::ALL,
    extensions: Extensions::ALL,
    local_port: 0,
    remote_port: 0,
    program: &[],
};

/// What a sample of it came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) sockets: u64,
    pub(super) events: u64,
    pub(super) events_lost: u64,
}

/// Its kernel tables as they were opened, before there is a file.
pub(super) struct Opened {
    place: NetNamespace,
    socket: NetlinkSocket,
    texts: CounterTexts,
    /// Why there are none, if so.
    events: Result<Events, String>,
    settings: String,
}

impl Opened {
    /// Opens them, and begins to listen for events.
    pub(super) fn new(place: &NetNamespace) -> anyhow::Result<Self> {
        // Before the first dump, so that every socket in it is told of when it dies.
        let events = Events::open_in(place, &EventOptions::default());
        Ok(Self {
            socket: place.inside(NetlinkSocket::open)??,
            texts: place.inside(|| CounterTexts::open(Path::new(COUNTERS)))??,
            events: events.map_err(|error| error.to_string()),
            settings: place.inside(settings)?,
            place: place.clone(),
        })
    }

    pub(super) fn namespace(&self) -> &NetNamespace {
        &self.place
    }
}

/// A namespace that is recorded.
pub(super) struct Place {
    inode: u64,
    interface: u32,
    sockets: Sockets<Tap<NetlinkSocket, File>>,
    texts: CounterTexts,
    events: Option<Events>,
    /// Why there are no events.
    pub(super) deaf: Option<String>,
    interfaces: Interfaces,
    /// Indices whose names were told.
    told: FxHashSet<u32>,
}

impl Place {
    /// Begins to record what was opened, as this interface of the recording.
    pub(super) fn new(opened: Opened, interface: u32, tape: &Tape<File>) -> anyhow::Result<Self> {
        let Opened { place, socket, texts, events, settings } = opened;
        let inode = place.inode;
        tape.json(Kind::Namespace, inode, &NamespaceOf { interface, inode, name: place.name });
        tape.note(Kind::Sysctl, inode, settings.as_bytes());
        let interfaces = Interfaces::of(&socket)?;
        let (events, deaf) = match events {
            Ok(events) => (Some(events), None),
            Err(why) => (None, Some(why)),
        };
        let sockets = Sockets::over(Tap::new(socket, tape.clone(), interface));
        let told = FxHashSet::default();
        Ok(Self { inode, interface, sockets, texts, events, deaf, interfaces, told })
    }

    /// Takes a sample: counters, sockets, deaths, and counters again, as `services` reads them.
    pub(super) fn sample(
        &mut self,
        tape: &Tape<File>,
        holders: &mut Holders,
    ) -> anyhow::Result<Taken> {
        self.counters(tape)?;
        let outcome = self.dump(tape, holders)?;
        let mut taken = Taken { sockets: outcome.sockets, ..Taken::default() };
        self.drain(tape, &mut taken);
        self.counters(tape)?;
        Ok(taken)
    }

    fn counters(&mut self, tape: &Tape<File>) -> anyhow::Result<()> {
        let inode = self.inode;
        self.texts.read(|name, text| {
            tape.note(Kind::Counters, inode, format!("{name}\n{text}").as_bytes());
        })?;
        Ok(())
    }

    fn dump(&mut self, tape: &Tape<File>, holders: &mut Holders) -> anyhow::Result<DumpOutcome> {
        let begun = DumpBegun {
            states: QUERY.states.bits(),
            extensions: QUERY.extensions.0,
            ipv4: QUERY.families.v4,
            ipv6: QUERY.families.v6,
        };
        tape.json(Kind::DumpBegin, self.inode, &begun);
        let (interfaces, told) = (&mut self.interfaces, &mut self.told);
        let mut names = Vec::new();
        let outcome = self.sockets.read(&QUERY, |reply| {
            let index = reply.interface();
            if index != 0 && told.insert(index) {
                interfaces.learn(index);
                let name = interfaces.interface(index).and_then(|interface| interface.name);
                names.extend(name.map(|name| InterfaceName { index, name: name.to_owned() }));
            }
            holders.see(reply);
            ControlFlow::Continue(())
        })?;
        tape.json(Kind::DumpEnd, self.inode, &DumpEnded::from(outcome));
        tape.json_lines(Kind::Interfaces, self.inode, names);
        Ok(outcome)
    }

    fn drain(&mut self, tape: &Tape<File>, taken: &mut Taken) {
        let Some(events) = &mut self.events else { return };
        let interface = self.interface;
        let drained = events.drain_datagrams(|datagram, _| {
            tape.datagram(interface, crate::record::Way::Received, datagram);
        });
        match drained {
            Ok(drained) => {
                (taken.events, taken.events_lost) = (drained.events, drained.lost);
                tape.json(Kind::EventsDrained, self.inode, &EventsDrained::from(drained));
            }
            Err(error) => {
                // What came until now stands; from now on it goes without.
                self.deaf = Some(error.to_string());
                self.events = None;
            }
        }
    }
}

/// The settings of this thread's namespace.
pub(in crate::cli) fn settings() -> String {
    let mut text = String::new();
    for (setting, value) in Values::read(Path::new(SETTINGS)).iter() {
        if let Value::Text(value) = value {
            text.push_str(&format!("{} {value}\n", setting.name));
        }
    }
    let path = Path::new(SETTINGS).join(EPHEMERAL.replace('.', "/"));
    if let Ok(range) = std::fs::read_to_string(path)
        && !text.contains(EPHEMERAL)
    {
        let range = range.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{EPHEMERAL} {range}\n"));
    }
    text
}
