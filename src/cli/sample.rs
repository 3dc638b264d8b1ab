//! One look at the sockets of all namespaces: dump, filter, owners, order.

use std::cmp::Ordering;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::owners::{Around, People};
use super::scene::{Interfaces, Line, RecordedNamespace};
use crate::filter::{Candidate, Expr, Owner, Plan, Verdict};
use crate::model::{Endpoint, Families, Field, Role, RoleBasis, Socket, State, StateSet, fields};
use crate::output::Column;
use crate::procfs::{PortNames, Scope};
use crate::report::{Change, Connection, Namespace, Quality};
use crate::socket_diag::{Listener, Listeners, Query, Sockets};
use crate::sys::Interrupt;
use crate::tracking::{Delta, Latest, Movement};
use crate::wire::{EcnWord, Extensions, Reply, TcpInfo};

/// Rows that wait for their owners to be looked up together. Fewer sockets than
/// this are hunted one by one, for more all processes are read.
const BATCH: usize = 4096;

/// How often a dump is read, where rows are held, that the kernel says was
/// disturbed.
const TRIES: u32 = 3;

/// What to look for; the same for every sample.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) expr: Expr,
    pub(super) plan: Plan,
    pub(super) extensions: Extensions,
    pub(super) ecn: EcnWord,
    pub(super) ports: PortNames,
    /// Whether rows say which namespace they are of.
    pub(super) many_namespaces: bool,
    pub(super) repeats: bool,
    /// Whether only the kernel can decide a part of it.
    pub(super) needs_program: bool,
    /// Whether listeners' requests in SYN-RECV are counted.
    pub(super) count_requests: bool,
    pub(super) sort: Option<(Column, bool)>,
    pub(super) limit: Option<u64>,
}

/// What a sample came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows written.
    pub(super) shown: u64,
    /// Records that the kernel sent.
    pub(super) listed: u64,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) retransmitted: u64,
    pub(super) segments: u64,
    /// The limit ended it.
    pub(super) limited: bool,
    /// The user ended it.
    pub(super) interrupted: bool,
    pub(super) quality: Quality,
    states: FxHashMap<State, u64>,
}

impl Tally {
    /// Rows of a state.
    pub(super) fn by_state(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// Adds what another sample came to.
    pub(super) fn add(&mut self, other: Self) {
        self.shown += other.shown;
        self.listed += other.listed;
        self.opened += other.opened;
        self.closed += other.closed;
        self.retransmitted += other.retransmitted;
        self.segments += other.segments;
        self.interrupted |= other.interrupted;
        self.quality.add(other.quality);
    }

    fn count(&mut self, row: &Row) {
        self.shown += 1;
        match row.change {
            Some(Change::Opened) => self.opened += 1,
            Some(Change::Closed) => return self.closed += 1,
            None => {}
        }
        *self.states.entry(row.socket.state).or_default() += 1;
        let growth =
            |field: &Field| row.delta.as_ref().and_then(|delta| delta.growth(field)).unwrap_or(0);
        self.retransmitted += growth(&fields::tcp_info::TOTAL_RETRANS);
        self.segments += growth(&fields::tcp_info::SEGS_OUT);
    }
}

/// A socket that is to be shown.
#[derive(Debug, Clone)]
pub(super) struct Row {
    socket: Socket,
    role: Role,
    basis: RoleBasis,
    delta: Option<Delta>,
    change: Option<Change>,
    namespace: usize,
    interval_s: Option<f64>,
    syn_recv: Option<u64>,
}

/// Where rows go.
pub(super) type Put<'a> = dyn FnMut(&Connection<'_>) -> io::Result<()> + 'a;

/// What all rows of a sample have in common.
#[derive(Clone, Copy)]
pub(super) struct Backdrop<'a> {
    pub(super) question: &'a Question,
    /// RFC 3339.
    pub(super) captured_at: &'a str,
}

impl<'a> Backdrop<'a> {
    fn connection(
        self,
        row: &'a Row,
        around: &'a Around<'_>,
        namespace: &'a Namespace,
        interfaces: &'a Interfaces,
    ) -> Connection<'a> {
        Connection {
            socket: &row.socket,
            role: row.role,
            role_basis: row.basis,
            service: service(&self.question.ports, &row.socket, row.role),
            netns: self.question.many_namespaces.then_some(namespace),
            interface: interfaces.interface(row.socket.interface),
            cgroup_path: around.cgroup_path,
            unit: around.unit.as_deref(),
            container: around.container.as_deref(),
            processes: around.processes(),
            change: row.change,
            repeats: self.question.repeats,
            captured_at: self.captured_at,
            delta: row.delta.as_ref(),
            interval_s: row.interval_s,
            syn_recv: row.syn_recv,
        }
    }
}

/// One look at all namespaces.
pub(super) struct Sampler<'a, 'p> {
    pub(super) backdrop: Backdrop<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) people: &'a mut People,
    pub(super) put: &'a mut Put<'p>,
    pub(super) tally: Tally,
    /// Rows that wait for the others to be put in order.
    pub(super) sorted: Vec<Row>,
}

impl Sampler<'_, '_> {
    /// Hands every row of these namespaces to `put`; tells what it came to.
    pub(super) fn run(mut self, namespaces: &mut [RecordedNamespace]) -> anyhow::Result<Tally> {
        for (index, namespace) in namespaces.iter_mut().enumerate() {
            if self.is_over() {
                break;
            }
            self.look(namespace, index)?;
        }
        if let Some((column, descending)) = &self.backdrop.question.sort {
            self.order(column, *descending, namespaces);
            for row in std::mem::take(&mut self.sorted) {
                if let Some(namespace) = namespaces.get(row.namespace) {
                    self.write(&row, &namespace.namespace, &namespace.interfaces)?;
                }
            }
        }
        self.people.report(&mut self.tally.quality);
        Ok(self.tally)
    }

    /// Whether nothing more is wanted. Repeated samples have to see every
    /// socket, to know which are gone.
    fn is_over(&self) -> bool {
        self.tally.limited && !self.backdrop.question.repeats || self.tally.interrupted
    }

    /// Looks at one namespace.
    fn look(&mut self, namespace: &mut RecordedNamespace, index: usize) -> anyhow::Result<()> {
        let question = self.backdrop.question;
        if namespace.has_listeners {
            let outcome = namespace.listeners.read(&mut namespace.sockets)?;
            self.tally.quality.add_dump(&outcome);
        }
        let requests = if question.count_requests {
            requests(&mut namespace.sockets, &mut self.tally)?
        } else {
            Vec::new()
        };
        let now = Instant::now();
        let interval_s = namespace.sampled.replace(now).map(|before| (now - before).as_secs_f64());
        let plan = &question.plan;
        let query = Query {
            families: plan.families,
            states: if question.repeats { lasting(plan.states) } else { plan.states },
            extensions: question.extensions,
            local_port: plan.local_port,
            remote_port: plan.remote_port,
            program: &plan.program,
        };
        let mut pass = Pass {
            sampler: self,
            index,
            namespace: &namespace.namespace,
            listeners: &namespace.listeners,
            interfaces: &mut namespace.interfaces,
            requests,
            interval_s,
            batch: Vec::new(),
            all_read: false,
            error: None,
        };
        let latest = &mut namespace.latest;
        latest.begin();
        let mut socket = Socket::BLANK;
        let mut outcome =
            namespace.sockets.read(&query, |reply| pass.take(reply, &mut socket, latest))?;
        // What was written cannot be taken back, nor what was entered.
        let tries = if question.sort.is_some() && !question.repeats { TRIES } else { 1 };
        for _ in 1..tries {
            if outcome.interrupted == 0 {
                break;
            }
            pass.forget();
            outcome =
                namespace.sockets.read(&query, |reply| pass.take(reply, &mut socket, latest))?;
        }
        if let Some(error) = pass.error.take() {
            return Err(error);
        }
        pass.flush()?;
        if question.repeats && !pass.sampler.tally.interrupted {
            let mut vanished = Vec::new();
            latest.end(|socket| vanished.push(*socket));
            vanished.iter().try_for_each(|socket| pass.closed(socket))?;
        }
        self.tally.listed += outcome.sockets;
        self.tally.quality.add_dump(&outcome);
        if question.needs_program && namespace.sockets.refuses_programs() {
            anyhow::bail!("this kernel does not take the filter program that `autobound` needs");
        }
        Ok(())
    }

    /// Counts and writes one row, up to the limit.
    fn write(
        &mut self,
        row: &Row,
        namespace: &Namespace,
        interfaces: &Interfaces,
    ) -> io::Result<()> {
        if self.backdrop.question.limit.is_some_and(|limit| self.tally.shown >= limit) {
            self.tally.limited = true;
            return Ok(());
        }
        self.tally.count(row);
        let around = self.people.around(&row.socket);
        let connection = self.backdrop.connection(row, &around, namespace, interfaces);
        (self.put)(&connection)
    }

    /// Puts the rows in the order of a column.
    fn order(&mut self, column: &Column, descending: bool, namespaces: &[RecordedNamespace]) {
        let rows = std::mem::take(&mut self.sorted);
        let mut keyed: Vec<(Key, Row)> =
            rows.into_iter().map(|row| (self.key(&row, column, namespaces), row)).collect();
        keyed.sort_by(|(one, _), (other, _)| {
            let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
            let nothing = matches!(one, Key::Nothing) || matches!(other, Key::Nothing);
            if descending && !nothing { order.reverse() } else { order }
        });
        self.sorted = keyed.into_iter().map(|(_, row)| row).collect();
    }

    fn key(&self, row: &Row, column: &Column, namespaces: &[RecordedNamespace]) -> Key {
        let mut cell = String::new();
        if let Some(namespace) = namespaces.get(row.namespace) {
            let around = self.people.around(&row.socket);
            let connection =
                self.backdrop.connection(row, &around, &namespace.namespace, &namespace.interfaces);
            column.write(&connection, true, &mut cell);
        }
        match cell.parse() {
            _ if cell.is_empty() => Key::Nothing,
            Ok(number) => Key::Number(number),
            Err(_) => Key::Text(cell),
        }
    }
}

/// A connection that only leaves the states asked for has not vanished: when
/// samples repeat, all that it may go through are listed.
fn lasting(states: StateSet) -> StateSet {
    states.union(StateSet::DEFAULT).union(StateSet::of(&[State::SynSent]))
}

/// The requests that wait for the handshake's last ACK: the end they came to,
/// and by which interface.
fn requests(
    sockets: &mut Sockets<Line>,
    tally: &mut Tally,
) -> anyhow::Result<Vec<(Endpoint, u32)>> {
    let mut requests = Vec::new();
    let query = Query {
        families: Families::BOTH,
        states: StateSet::of(&[State::SynRecv]),
        extensions: Extensions::default(),
        local_port: 0,
        remote_port: 0,
        program: &[],
    };
    let outcome = sockets.read(&query, |reply| {
        let end = Endpoint { address: reply.local_address(), port: reply.local_port() };
        requests.push((end, reply.interface()));
        ControlFlow::Continue(())
    })?;
    tally.quality.add_dump(&outcome);
    Ok(requests)
}

/// One namespace's dump on its way to the output.
struct Pass<'s, 'a, 'p> {
    sampler: &'s mut Sampler<'a, 'p>,
    index: usize,
    namespace: &'s Namespace,
    listeners: &'s Listeners,
    interfaces: &'s mut Interfaces,
    requests: Vec<(Endpoint, u32)>,
    interval_s: Option<f64>,
    /// Rows whose owners are not known yet.
    batch: Vec<Row>,
    /// All processes were read in this sample.
    all_read: bool,
    error: Option<anyhow::Error>,
}

impl Pass<'_, '_, '_> {
    /// Takes one record; `socket` is the row to decode into.
    #[inline]
    fn take(
        &mut self,
        reply: &Reply<'_>,
        socket: &mut Socket,
        latest: &mut Latest,
    ) -> ControlFlow<()> {
        let question = self.sampler.backdrop.question;
        if !socket.fill(reply, question.ecn) {
            self.sampler.tally.quality.decode_errors += 1;
            return ControlFlow::Continue(());
        }
        let socket = &*socket;
        if socket.tcp_info.as_ref().is_some_and(TcpInfo::is_cut) {
            self.sampler.tally.quality.truncated_tcp_info += 1;
        }
        let (delta, change) = match question.repeats.then(|| latest.enter(socket)) {
            None | Some(Movement::First) => (None, None),
            Some(Movement::Opened) => (None, Some(Change::Opened)),
            Some(Movement::Stayed(delta)) => (Some(delta), None),
            Some(Movement::Again) => return ControlFlow::Continue(()),
        };
        if !question.plan.states.contains(socket.state) {
            // Only listed to tell whether it is still there.
            return ControlFlow::Continue(());
        }
        let (role, basis) = self.listeners.role(socket);
        self.sampler.people.learn_cgroup(socket);
        if self.verdict(socket, role, &Owner::Pending) == Verdict::No {
            return ControlFlow::Continue(());
        }
        let row = Row {
            role,
            basis,
            delta,
            change,
            namespace: self.index,
            interval_s: self.interval_s,
            syn_recv: self.requests_of(socket),
            socket: *socket,
        };
        let result = if self.sampler.people.wants_owners() {
            self.batch.push(row);
            if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
        } else {
            self.deliver(row)
        };
        self.sampler.tally.interrupted |= self.sampler.interrupt.is_asked();
        self.error = result.err();
        if self.error.is_some() || self.sampler.is_over() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Drops the rows held of this namespace, for the dump to be read again.
    fn forget(&mut self) {
        self.batch.clear();
        let index = self.index;
        self.sampler.sorted.retain(|row| row.namespace != index);
    }

    fn verdict(&self, socket: &Socket, role: Role, owner: &Owner<'_>) -> Verdict {
        let question = self.sampler.backdrop.question;
        if matches!(question.expr, Expr::True) {
            return Verdict::Yes;
        }
        question.expr.eval(&Candidate {
            socket,
            role,
            service: service(&question.ports, socket, role),
            netns: self.namespace.name.as_deref(),
            netns_inode: self.namespace.inode,
            cgroup_path: self.sampler.people.cgroup_path(socket),
            owner: *owner,
        })
    }

    /// For a listener: how many requests wait on it.
    fn requests_of(&self, socket: &Socket) -> Option<u64> {
        if !self.sampler.backdrop.question.count_requests || socket.state != State::Listen {
            return None;
        }
        let listener = Listener {
            address: socket.local.address,
            interface: socket.interface,
            v6only: socket.v6only.unwrap_or(false),
        };
        let waiting = self.requests.iter().filter(|(end, interface)| {
            end.port == socket.local.port && listener.serves(end.address, *interface)
        });
        Some(waiting.count() as u64)
    }

    /// Looks up the owners of the rows that wait, and delivers those that match.
    fn flush(&mut self) -> anyhow::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.all_read |= batch.len() >= BATCH;
        let scope = self.all_read.then_some(Scope::All);
        self.sampler.people.resolve(batch.iter().map(|row| &row.socket), scope)?;
        for row in batch {
            let verdict = {
                let around = self.sampler.people.around(&row.socket);
                let processes = around.for_filter();
                self.verdict(&row.socket, row.role, &around.owner(&processes))
            };
            if verdict != Verdict::No && !self.sampler.is_over() {
                self.deliver(row)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, row: Row) -> anyhow::Result<()> {
        self.interfaces.learn(row.socket.interface);
        if self.sampler.backdrop.question.sort.is_some() {
            self.sampler.sorted.push(row);
        } else {
            self.sampler.write(&row, self.namespace, self.interfaces)?;
        }
        Ok(())
    }

    /// Shows a connection that is gone as it was last seen, if it was shown then.
    fn closed(&mut self, socket: &Socket) -> anyhow::Result<()> {
        let (role, basis) = self.listeners.role(socket);
        let was_shown = self.sampler.backdrop.question.plan.states.contains(socket.state)
            && self.verdict(socket, role, &Owner::Pending) == Verdict::Yes;
        if !was_shown {
            return Ok(());
        }
        self.deliver(Row {
            socket: *socket,
            role,
            basis,
            delta: None,
            change: Some(Change::Closed),
            namespace: self.index,
            interval_s: self.interval_s,
            syn_recv: None,
        })
    }
}

/// The service on the server's side of a connection.
fn service<'n>(ports: &'n PortNames, socket: &Socket, role: Role) -> Option<&'n str> {
    match role {
        Role::Server | Role::Listener => ports.name(socket.local.port),
        Role::Client => ports.name(socket.remote.port),
        Role::Unknown => None,
    }
}

/// What a row is sorted by: numbers before texts, nothing last.
#[derive(Debug, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
    Nothing,
}
