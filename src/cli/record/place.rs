//! One network namespace that is recorded.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::holders::Holders;
use super::narrowing::Filter;
use super::output::Output;
use crate::cli::scene::Interfaces;
use crate::counters::CounterTexts;
use crate::procfs::NetNamespace;
use crate::recording::{
    DumpBegun, DumpEnded, EventsDrained, InterfaceName, Kind, NamespaceOf, RecordingTransport,
    SharedWriter,
};
use crate::settings::{Value, Values};
use crate::socket_diag::{DumpOutcome, EventOptions, Events, Sockets};
use crate::sys::NetlinkSocket;

/// The files of whichever namespace the thread that opens them is in.
pub(super) const COUNTERS: &str = "/proc/thread-self/net";
const SETTINGS: &str = "/proc/sys";

/// Not among the settings that are checked, but tells clients' ports.
const EPHEMERAL: &str = "net.ipv4.ip_local_port_range";

/// What a sample of it came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) sockets: u64,
    pub(super) events: u64,
    pub(super) events_lost: u64,
}

impl Taken {
    pub(super) fn add(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.events += other.events;
        self.events_lost += other.events_lost;
    }
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
            texts: place.inside(CounterTexts::open_with_host)??,
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
    pub(super) namespace: NetNamespace,
    interface: Rc<Cell<u32>>,
    sockets: Sockets<RecordingTransport<NetlinkSocket, Output>>,
    texts: CounterTexts,
    events: Option<Events>,
    /// Why there are no events.
    pub(super) deaf: Option<String>,
    settings: String,
    interfaces: Interfaces,
    /// Indices whose names were told.
    told: FxHashSet<u32>,
}

impl Place {
    /// Begins to record what was opened; it has to be introduced first.
    pub(super) fn new(
        opened: Opened,
        tape: &SharedWriter<Output>,
        with_keys: bool,
    ) -> anyhow::Result<Self> {
        let Opened { place, socket, texts, events, settings } = opened;
        let interfaces = Interfaces::of(&socket)?;
        let (events, deaf) = match events {
            Ok(events) => (Some(events), None),
            Err(why) => (None, Some(why)),
        };
        let interface = Rc::new(Cell::new(0));
        let tap = RecordingTransport::new(socket, tape.clone(), Rc::clone(&interface))
            .with_keys(with_keys);
        Ok(Self {
            namespace: place,
            interface,
            sockets: Sockets::over(tap),
            texts,
            events,
            deaf,
            settings,
            interfaces,
            told: FxHashSet::default(),
        })
    }

    fn fact(&self) -> NamespaceOf {
        let NetNamespace { inode, name, .. } = &self.namespace;
        NamespaceOf { interface: self.interface.get(), inode: *inode, name: name.clone() }
    }

    /// Says at the start of a recording what it is, which has this interface there.
    pub(super) fn introduce(&mut self, interface: u32, tape: &SharedWriter<Output>) {
        self.interface.set(interface);
        self.told.clear();
        let inode = self.namespace.inode;
        tape.json(Kind::Namespace, inode, &self.fact());
        tape.note(Kind::Sysctl, inode, self.settings.as_bytes());
    }

    /// Reads its settings again.
    pub(super) fn refresh(&mut self) {
        // What cannot be entered any more has those that it had.
        if let Ok(settings) = self.namespace.inside(settings) {
            self.settings = settings;
        }
    }

    /// Says that nothing more comes of it.
    pub(super) fn leave(&self, tape: &SharedWriter<Output>) {
        tape.json(Kind::NamespaceGone, self.namespace.inode, &self.fact());
    }

    /// Takes a sample: counters, sockets, deaths, and counters again, as `services` reads them.
    pub(super) fn sample(
        &mut self,
        tape: &SharedWriter<Output>,
        holders: &mut Holders,
        filter: &mut Filter,
    ) -> anyhow::Result<Taken> {
        self.counters(tape)?;
        let outcome = self.dump(tape, holders, filter)?;
        let mut taken = Taken { sockets: outcome.sockets, ..Taken::default() };
        self.drain(tape, filter, &mut taken);
        self.counters(tape)?;
        Ok(taken)
    }

    fn counters(&mut self, tape: &SharedWriter<Output>) -> anyhow::Result<()> {
        let inode = self.namespace.inode;
        self.texts.read(|name, text| {
            tape.note(Kind::Counters, inode, format!("{name}\n{text}").as_bytes());
        })?;
        Ok(())
    }

    fn dump(
        &mut self,
        tape: &SharedWriter<Output>,
        holders: &mut Holders,
        filter: &mut Filter,
    ) -> anyhow::Result<DumpOutcome> {
        let (query, seen) = filter.ask();
        let inode = self.namespace.inode;
        let begun = DumpBegun {
            states: query.states.bits(),
            extensions: query.extensions.0,
            ipv4: query.families.v4,
            ipv6: query.families.v6,
        };
        tape.json(Kind::DumpBegin, inode, &begun);
        let (interfaces, told) = (&mut self.interfaces, &mut self.told);
        let mut names = Vec::new();
        let outcome = self.sockets.read(&query, |reply| {
            let index = reply.interface();
            if index != 0 && told.insert(index) {
                interfaces.learn(index);
                let name = interfaces.interface(index).and_then(|interface| interface.name);
                names.extend(name.map(|name| InterfaceName { index, name: name.to_owned() }));
            }
            seen.add(reply);
            holders.see(reply);
            ControlFlow::Continue(())
        })?;
        if self.sockets.refuses_programs() {
            anyhow::bail!("this kernel does not take the filter program that the filter needs");
        }
        tape.json(Kind::DumpEnd, inode, &DumpEnded::from(outcome));
        tape.json_lines(Kind::Interfaces, inode, names);
        Ok(outcome)
    }

    fn drain(&mut self, tape: &SharedWriter<Output>, filter: &Filter, taken: &mut Taken) {
        let Some(events) = &mut self.events else { return };
        let interface = self.interface.get();
        let mut kept = 0;
        // They bring no keys: `tcp_info` is their only attribute.
        let drained = events.drain_datagrams(|datagram, reply| {
            if filter.takes_death(reply) {
                kept += 1;
                tape.datagram(interface, crate::recording::Way::Received, datagram);
            }
        });
        match drained {
            Ok(drained) => {
                (taken.events, taken.events_lost) = (kept, drained.lost);
                let drained = EventsDrained { events: kept, ..EventsDrained::from(drained) };
                tape.json(Kind::EventsDrained, self.namespace.inode, &drained);
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
