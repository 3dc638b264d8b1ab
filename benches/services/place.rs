//! What the program does with one network namespace, and the floor of it.
//!
//! The program's own place (`src/cli/services/place.rs`) is private, so its poll
//! is written here once more, as far as sockets go that are known already: what
//! is new is only classified, and nobody's holders are looked up.
//! `program` measures the program itself.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use tcpdiag::attribution::{Attributor, Classifier, Closing, Facts, Grouping, Owner, Rules};
use tcpdiag::counters::{CounterReader, CounterWidth};
use tcpdiag::model::{Families, Role, Socket, State, StateSet};
use tcpdiag::procfs::{Host, PortNames};
use tcpdiag::socket_diag::{EventOptions, Events, Listeners, Query, Sockets};
use tcpdiag::tracking::{Ending, Watch};
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form, TcpInfo};

use super::drain::Drain;

const LISTENERS: StateSet = StateSet::of(&[State::Listen]);

const CONNECTIONS: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::SynRecv,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::LastAck,
    State::Closing,
]);

const EXTENSIONS: Extensions = Extensions::INFO.with(Extensions::SKMEMINFO);

/// The namespace that this process is in.
pub(super) struct Place {
    raw: Drain,
    sockets: Sockets,
    reader: CounterReader,
    events: Events,
    listeners: Listeners,
    found: Vec<Socket>,
    classifier: Classifier,
    attributor: Attributor,
    ecn: EcnWord,
}

impl Place {
    /// Makes the first poll too: it opens the accounts, and the later ones count.
    pub(super) fn open() -> anyhow::Result<Self> {
        let mut place = Self {
            raw: Drain::open()?,
            sockets: Sockets::open()?,
            reader: CounterReader::watched(Path::new("/proc/thread-self/net")).open()?,
            events: Events::open(&EventOptions::default())?,
            listeners: Listeners::default(),
            found: Vec::new(),
            classifier: Classifier::new(Rules::default(), Grouping::Service, PortNames::load()),
            attributor: Attributor::new(CounterWidth::Bits64),
            ecn: Host::this().ecn_word(),
        };
        place.poll(true)?;
        Ok(place)
    }

    /// Bytes that the accounts occupy.
    pub(super) fn allocated(&self) -> usize {
        self.attributor.allocated()
    }

    /// The dumps that a poll asks for, thrown away. Tells bytes.
    pub(super) fn floor(&mut self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for states in [LISTENERS, CONNECTIONS] {
            bytes += self.raw.dump(&DumpRequest {
                form: Form::Both,
                states: states.bits(),
                extensions: EXTENSIONS,
                local_port: 0,
                remote_port: 0,
                bytecode: &[],
            })?;
        }
        Ok(bytes)
    }

    /// One poll; `levels` as at the end of an interval. Tells connections.
    pub(super) fn poll(&mut self, levels: bool) -> anyhow::Result<u64> {
        self.reader.sample(&mut self.attributor.readings().first)?;
        self.attributor.begin(Instant::now(), levels);
        self.listen()?;
        let sockets = self.dump()?;
        let (attributor, ecn) = (&mut self.attributor, self.ecn);
        let mut socket = Socket::BLANK;
        self.events.drain(|reply| {
            if socket.fill(reply, ecn) {
                attributor.on_destroy(&socket);
            }
        })?;
        self.reader.sample(&mut self.attributor.readings().second)?;
        let ending = Ending { watch: Watch::Whole, whole_dump: true };
        let closing = Closing { ending, events_lost: 0 };
        self.attributor.end(closing, &mut self.classifier, &self.listeners);
        if levels {
            self.attributor.begin_interval();
        }
        Ok(sockets)
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let (found, ecn) = (&mut self.found, self.ecn);
        found.clear();
        let mut socket = Socket::BLANK;
        self.sockets.read(&query(LISTENERS), |reply| {
            if socket.fill(reply, ecn) {
                found.push(socket);
            }
            ControlFlow::Continue(())
        })?;
        self.listeners.clear();
        found.iter().for_each(|socket| self.listeners.learn(socket));
        for socket in found.iter() {
            if !self.attributor.see(socket) {
                assign(&mut self.attributor, &mut self.classifier, socket, Role::Listener);
            }
        }
        Ok(())
    }

    fn dump(&mut self) -> anyhow::Result<u64> {
        let Self { sockets, attributor, classifier, listeners, ecn, .. } = self;
        let (mut socket, mut errors) = (Socket::BLANK, 0);
        let outcome = sockets.read(&query(CONNECTIONS), |reply| {
            if !socket.fill(reply, *ecn) {
                errors += 1;
                return ControlFlow::Continue(());
            }
            if socket.tcp_info.as_ref().is_some_and(TcpInfo::is_cut) {
                errors += 1;
            }
            if !attributor.see(&socket) {
                assign(attributor, classifier, &socket, listeners.role(&socket).0);
            }
            ControlFlow::Continue(())
        })?;
        ensure!(errors == 0, "{errors} records could not be read");
        Ok(outcome.sockets)
    }
}

fn assign(attributor: &mut Attributor, classifier: &mut Classifier, socket: &Socket, role: Role) {
    let facts = Facts { local: socket.local, remote: socket.remote, role, owner: Owner::default() };
    attributor.assign(socket, classifier.classify(&facts));
}

fn query(states: StateSet) -> Query<'static> {
    Query {
        families: Families::BOTH,
        states,
        extensions: EXTENSIONS,
        local_port: 0,
        remote_port: 0,
        program: &[],
    }
}
