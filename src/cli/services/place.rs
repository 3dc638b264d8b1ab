//! One network namespace that is watched: its kernel tables, and its attributor.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustc_hash::FxHashSet;

use super::feed::{Deaths, Feed, Files, Heard, Side};
use super::gate::Gate;
use super::sum::Sum;
use super::tee::Keep;
use crate::attribution::{Attributor, Classifier, Closing, Facts, Owner, Polled, ServiceId};
use crate::cli::owners::{Around, People};
use crate::cli::record::settings;
use crate::cli::scene::Line;
use crate::counters::{CounterReader, CounterTexts, CounterWidth};
use crate::model::{Families, Role, Socket, State, StateSet};
use crate::procfs::{NetNamespace, Scope};
use crate::recording;
use crate::report::{Coverage, Namespace, Quality};
use crate::socket_diag::{
    Drained, DumpOutcome, Error, EventOptions, Events, Listeners, Query, Sockets,
};
use crate::sys::{NetlinkSocket, Usage};
use crate::tracking::{Ending, Watch};
use crate::wire::{EcnWord, Extensions, Reply, TcpInfo};

/// The files of whichever namespace the thread that opens them is in.
const COUNTERS: &str = "/proc/thread-self/net";
const EPHEMERAL: &str = "net.ipv4.ip_local_port_range";

/// The kernel's default of that range.
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// How often the listeners are read that the kernel says changed meanwhile.
const TRIES: u32 = 3;

/// Sockets that wait for their holders to be looked up together: so many, or as many as have been
/// looked up in this dump already, for each time takes a walk through all processes.
const BATCH: usize = 4096;

/// But not more: some 50 MB.
const LARGEST_BATCH: usize = 65_536;

/// All but listeners, which are read before, and TIME-WAIT, which is no socket any more and
/// mostly the larger part.
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

/// What all namespaces have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) classifier: Classifier,
    /// Holders of listeners, kept from poll to poll.
    pub(super) servers: People,
    /// Holders of other sockets, asked for once; in a recording all are in one place.
    pub(super) holders: Option<People>,
    pub(super) ecn: EcnWord,
    /// Where all of it is kept.
    pub(super) keep: Option<Keep>,
}

impl Common {
    /// The service of a socket, by what is known around it.
    fn classify(&mut self, socket: &Socket, role: Role, whose: Whose) -> ServiceId {
        let people = match whose {
            Whose::Listener => &self.servers,
            Whose::Connection | Whose::Unasked => self.holders.as_ref().unwrap_or(&self.servers),
        };
        let around = match whose {
            Whose::Listener | Whose::Connection => people.around(socket),
            Whose::Unasked => people.around_unasked(socket),
        };
        let facts =
            Facts { local: socket.local, remote: socket.remote, role, owner: owner(&around) };
        self.classifier.classify(&facts)
    }
}

/// Which of the people hold a socket.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Listener,
    Connection,
    /// A connection of which its holders need not be known.
    Unasked,
}

fn owner<'a>(around: &'a Around<'_>) -> Owner<'a> {
    Owner {
        process: around.process(),
        unit: around.unit.as_deref(),
        container: around.container.as_deref(),
        cgroup: around.cgroup_path,
    }
}

/// How a namespace is opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) width: CounterWidth,
    /// `None` to do without.
    pub(super) events: Option<EventOptions>,
    pub(super) gate: Gate,
}

/// A poll that is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poll {
    /// When it began.
    pub(super) at: Instant,
    /// Whether it ends an interval, see [`Attributor::begin`].
    pub(super) levels: bool,
    /// Whether the counters were read just now, by [`Place::moved`].
    pub(super) read: bool,
}

/// One network namespace.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) namespace: Namespace,
    attributor: Attributor,
    /// What has to be known of the interval that runs.
    quality: Quality,
    coverage: Coverage,
    /// Records that the kernel sent in the interval that runs.
    dumped: u64,
    /// What polling it cost last time.
    pub(super) cost: Duration,
    feed: Feed,
    /// Why there are no events although they were asked for.
    pub(super) deaf: Option<String>,
    listeners: Listeners,
    /// Cookies of the listeners whose holders were looked up.
    known: FxHashSet<u64>,
    ephemeral: RangeInclusive<u16>,
    gate: Gate,
}

impl Place {
    /// Opens its tables and begins to listen for events; the first poll is still to be made.
    pub(super) fn open(
        place: &NetNamespace,
        opening: Opening,
        keep: Option<&mut Keep>,
    ) -> anyhow::Result<Self> {
        // Before the first poll, so that every socket in it is told of when it dies.
        let (events, deaf) = match opening.events {
            None => (None, None),
            Some(options) => match Events::open_in(place, &options) {
                Ok(events) => (Some(events), None),
                Err(error) => (None, Some(error.to_string())),
            },
        };
        let socket = place
            .inside(NetlinkSocket::open)?
            .map_err(|source| Error::Socket { operation: "open", source })?;
        let root = Path::new(COUNTERS);
        let feed = match keep {
            None => Feed {
                sockets: Sockets::over(Line::Kernel(socket)),
                files: Files::Kernel(place.inside(|| CounterReader::watched(root).open())??),
                deaths: events.map_or(Deaths::None, Deaths::Kernel),
            },
            Some(keep) => {
                let tee = keep.add(place, &place.inside(settings)?);
                Feed {
                    sockets: Sockets::over(Line::Taped(tee.tap(socket))),
                    deaths: events
                        .map_or(Deaths::None, |events| Deaths::Taped(events, tee.clone())),
                    files: Files::Taped {
                        texts: place.inside(|| CounterTexts::open(root))??,
                        reader: CounterReader::given_watched(),
                        tee,
                    },
                }
            }
        };
        let namespace = Namespace { inode: place.inode, name: place.name.clone() };
        let ephemeral = place.inside(ephemeral)?;
        Ok(Self { deaf, ..Self::over(feed, namespace, ephemeral, opening) })
    }

    /// A namespace of a recording.
    pub(super) fn recorded(recorded: &recording::RecordedNamespace, opening: Opening) -> Self {
        let namespace = Namespace { inode: recorded.inode, name: recorded.name.clone() };
        let ephemeral = recorded.setting(EPHEMERAL).and_then(range).unwrap_or(USUAL_EPHEMERAL);
        let is_heard = opening.events.is_some() && recorded.part.drained.is_some();
        Self::over(Feed::recorded(is_heard), namespace, ephemeral, opening)
    }

    fn over(
        feed: Feed,
        namespace: Namespace,
        ephemeral: RangeInclusive<u16>,
        opening: Opening,
    ) -> Self {
        let destroy_events = feed.hears().then_some(0);
        Self {
            namespace,
            attributor: Attributor::new(opening.width),
            quality: Quality::default(),
            coverage: Coverage { destroy_events, ..Coverage::default() },
            dumped: 0,
            cost: Duration::ZERO,
            feed,
            deaf: None,
            listeners: Listeners::default(),
            known: FxHashSet::default(),
            ephemeral,
            gate: opening.gate,
        }
    }

    /// Takes what the next sample of a recording holds.
    pub(super) fn load(&mut self, namespace: &mut recording::RecordedNamespace) {
        self.feed.load(&mut namespace.part);
    }

    /// Whether a watched counter moved since the last poll.
    pub(super) fn moved(&mut self) -> anyhow::Result<bool> {
        self.feed.count(Side::Before, &mut self.attributor.readings().first)?;
        let (before, now) = self.attributor.compared();
        Ok(self.gate.moved(before, now))
    }

    /// Polls it.
    pub(super) fn poll(&mut self, common: &mut Common, poll: Poll) -> anyhow::Result<Polled> {
        let usage = Usage::now();
        let Poll { at, levels, read } = poll;
        // What is kept has every reading that counts.
        if !read || common.keep.is_some() {
            self.feed.count(Side::Before, &mut self.attributor.readings().first)?;
        }
        common.classifier.enter(self.namespace.inode, self.ephemeral.clone());
        self.attributor.begin(at, levels);
        let mut outcome = self.listen(common, levels)?;
        outcome.add(&self.dump(common)?);
        let watch = self.drain(common.ecn);
        self.feed.count(Side::After, &mut self.attributor.readings().second)?;
        let whole_dump = outcome.interrupted == 0 && outcome.decode_errors == 0;
        let (watch, events_lost) = watch;
        let closing = Closing { ending: Ending { watch, whole_dump }, events_lost };
        let polled = self.attributor.end(closing, &mut common.classifier, &self.listeners);
        self.quality.add_dump(&outcome);
        self.quality.events_lost += events_lost;
        self.dumped += outcome.sockets;
        self.count(&polled);
        let used = usage.elapsed();
        self.cost = used.user + used.system;
        Ok(polled)
    }

    /// Reads the listeners and learns whose they are. Their holders are looked up again at the end
    /// of each interval, and when there are new ones.
    fn listen(&mut self, common: &mut Common, levels: bool) -> anyhow::Result<DumpOutcome> {
        let query = query(StateSet::of(&[State::Listen]));
        let mut found = Vec::new();
        let mut socket = Socket::BLANK;
        let mut outcome = DumpOutcome::default();
        for _ in 0..TRIES {
            found.clear();
            outcome = self.feed.read(&query, |reply| {
                if socket.fill(reply, common.ecn) {
                    found.push(socket);
                }
                ControlFlow::Continue(())
            })?;
            if outcome.interrupted == 0 {
                break;
            }
        }
        outcome.decode_errors += outcome.sockets - found.len() as u64;
        self.listeners.clear();
        found.iter().for_each(|socket| self.listeners.learn(socket));
        let news = found.iter().any(|socket| !self.known.contains(&socket.cookie));
        if levels || news {
            common.servers.resolve(found.iter(), None)?;
            self.known = found.iter().map(|socket| socket.cookie).collect();
            if let Some(keep) = &mut common.keep {
                keep.note(found.iter(), &common.servers);
            }
            for socket in &found {
                let around = common.servers.around(socket);
                common.classifier.learn_listener(socket.local, &owner(&around));
            }
        }
        for socket in &found {
            let service = common.classify(socket, Role::Listener, Whose::Listener);
            // Unlike a connection it goes with whoever holds it now.
            self.attributor.hand_over(socket, service);
            if !self.attributor.see(socket) {
                self.attributor.assign(socket, service);
            }
        }
        Ok(outcome)
    }

    /// Reads all other sockets.
    fn dump(&mut self, common: &mut Common) -> anyhow::Result<DumpOutcome> {
        let mut pass = Pass {
            attributor: &mut self.attributor,
            listeners: &self.listeners,
            quality: &mut self.quality,
            common,
            waiting: Vec::new(),
            looked_up: 0,
            error: None,
        };
        let mut socket = Socket::BLANK;
        let outcome = self.feed.read(&query(CONNECTIONS), |reply| pass.take(reply, &mut socket))?;
        match pass.error.take() {
            Some(error) => return Err(error),
            None => pass.flush()?,
        }
        if pass.looked_up > 0
            && let Some(holders) = &mut common.holders
        {
            holders.forget();
        }
        Ok(outcome)
    }

    /// Takes the events; tells what is known of deaths, and how many events were lost.
    fn drain(&mut self, ecn: EcnWord) -> (Watch, u64) {
        let mut socket = Socket::BLANK;
        let mut unread = 0;
        let heard = self.feed.drain(|reply| match socket.fill(reply, ecn) {
            true => self.attributor.on_destroy(&socket),
            false => unread += 1,
        });
        match heard {
            Heard::Nothing => (Watch::Off, 0),
            Heard::These(Drained { events, decode_errors, lost, .. }) => {
                let bad = decode_errors + unread;
                self.quality.decode_errors += bad;
                if let Some(sum) = &mut self.coverage.destroy_events {
                    *sum += events;
                }
                (if lost + bad == 0 { Watch::Whole } else { Watch::Lossy }, lost)
            }
            Heard::NoMore(reason) => {
                // What came until now stands; from now on it goes without.
                self.deaf = Some(reason);
                (Watch::Lossy, 0)
            }
        }
    }

    fn count(&mut self, polled: &Polled) {
        let totals = &polled.totals;
        let coverage = &mut self.coverage;
        coverage.opened += polled.opened;
        coverage.closed += polled.closed;
        coverage.between_polls += polled.between_polls;
        coverage.counters_zeroed += totals.wiped;
        coverage.without_event += polled.without_event;
        coverage.given_up += totals.given_up;
        coverage.closing_unconfirmed = totals.closing_unconfirmed as u64;
    }

    /// Tells what the interval came to, as of the last poll, and begins a new one.
    pub(super) fn begin_interval(&mut self) -> Sum {
        let destroy_events = self.feed.hears().then_some(0);
        let coverage = Coverage {
            destroy_events,
            closing_unconfirmed: self.coverage.closing_unconfirmed,
            ..Coverage::default()
        };
        let table = self.attributor.table().clone();
        Sum {
            table,
            counters: self.attributor.begin_interval(),
            coverage: std::mem::replace(&mut self.coverage, coverage),
            quality: std::mem::take(&mut self.quality),
            dumped: std::mem::take(&mut self.dumped),
        }
    }
}

/// This namespace's range of ephemeral ports.
fn ephemeral() -> RangeInclusive<u16> {
    let path = Path::new("/proc/sys").join(EPHEMERAL.replace('.', "/"));
    let text = std::fs::read_to_string(path).ok();
    text.as_deref().and_then(range).unwrap_or(USUAL_EPHEMERAL)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = text.split_whitespace().map_while(|end| end.parse::<u16>().ok());
    Some(ends.next()?..=ends.next()?)
}

fn query(states: StateSet) -> Query<'static> {
    Query {
        families: Families::BOTH,
        states,
        extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
        local_port: 0,
        remote_port: 0,
        program: &[],
    }
}

/// A dump on its way into the attributor.
struct Pass<'a> {
    attributor: &'a mut Attributor,
    listeners: &'a Listeners,
    quality: &'a mut Quality,
    common: &'a mut Common,
    /// Sockets whose holders are not known yet.
    waiting: Vec<(Socket, Role)>,
    /// How many sockets' were asked for so far.
    looked_up: usize,
    error: Option<anyhow::Error>,
}

impl Pass<'_> {
    #[inline]
    fn take(&mut self, reply: &Reply<'_>, socket: &mut Socket) -> ControlFlow<()> {
        if !socket.fill(reply, self.common.ecn) {
            self.quality.decode_errors += 1;
            return ControlFlow::Continue(());
        }
        if socket.tcp_info.as_ref().is_some_and(TcpInfo::is_cut) {
            self.quality.truncated_tcp_info += 1;
        }
        if self.attributor.see(socket) { ControlFlow::Continue(()) } else { self.meet(socket) }
    }

    /// A socket that was not there before.
    fn meet(&mut self, socket: &Socket) -> ControlFlow<()> {
        let (role, _) = self.listeners.role(socket);
        if let Some(holders) = &mut self.common.holders {
            holders.learn_cgroup(socket);
        }
        let held = socket.inode != 0;
        let asks = self.common.classifier.asks_for_process(socket.local, socket.remote, role);
        if held && asks {
            self.waiting.push((*socket, role));
            if self.waiting.len() >= self.looked_up.clamp(BATCH, LARGEST_BATCH) {
                self.error = self.flush().err();
            }
        } else {
            if let (Some(keep), Some(holders)) = (&mut self.common.keep, &self.common.holders) {
                keep.note_cgroup(socket, holders);
            }
            let service = self.common.classify(socket, role, Whose::Unasked);
            self.attributor.assign(socket, service);
        }
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Looks up the holders of the sockets that wait.
    fn flush(&mut self) -> anyhow::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        // For so many a walk through all processes is cheaper than a hunt.
        let scope = (waiting.len() >= BATCH).then_some(Scope::All);
        let sockets = waiting.iter().map(|(socket, _)| socket);
        if let Some(holders) = &mut self.common.holders {
            holders.resolve(sockets.clone(), scope).context("while polling")?;
            if let Some(keep) = &mut self.common.keep {
                keep.note(sockets, holders);
            }
        }
        self.looked_up += waiting.len();
        for (socket, role) in &waiting {
            let service = self.common.classify(socket, *role, Whose::Connection);
            self.attributor.assign(socket, service);
        }
        Ok(())
    }
}
