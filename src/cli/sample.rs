//! One look at the sockets of all namespaces: dump, filter, owners, order.

use std::cmp::Ordering;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::owners::People;
use super::scene::{Interfaces, Scene};
use crate::filter::{Candidate, Expr, Owner, Plan, Verdict};
use crate::model::{Endpoint, Families, Field, Role, RoleBasis, Socket, State, StateSet, fields};
use crate::render::Column;
use crate::report::{Change, Connection, Namespace, Quality};
use crate::sample::{Delta, Ledger, Movement};
use crate::source::{Listener, Listeners, PortNames, Query, Scope};
use crate::wire::{EcnWord, Extensions, Reply};

/// Rows that wait for their owners to be looked up together. Fewer sockets than
/// this are hunted one by one, for more all processes are read.
const BATCH: usize = 4096;

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
    pub(super) quality: Quality,
    states: FxHashMap<State, u64>,
}

impl Tally {
    /// Rows of a state.
    pub(super) fn by_state(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
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
struct Row {
    socket: Socket,
    role: Role,
    basis: RoleBasis,
    delta: Option<Delta>,
    change: Option<Change>,
    scene: usize,
    interval_s: Option<f64>,
    syn_recv: Option<u64>,
}

/// Where a sample is shown: what all rows of a namespace have in common.
#[derive(Clone, Copy)]
struct Backdrop<'a> {
    question: &'a Question,
    captured_at: &'a str,
    namespace: &'a Namespace,
}

/// Where rows go.
pub(super) type Put<'a> = dyn FnMut(&Connection<'_>) -> io::Result<()> + 'a;

/// Looks once and hands every row to `put`.
pub(super) fn sample(
    question: &Question,
    captured_at: &str,
    scenes: &mut [Scene],
    people: &mut People,
    put: &mut Put<'_>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut sorted = Vec::new();
    for index in 0..scenes.len() {
        if tally.limited {
            break;
        }
        let Some(scene) = scenes.get_mut(index) else { break };
        look(question, captured_at, scene, index, people, &mut tally, &mut sorted, put)?;
    }
    if let Some((column, descending)) = &question.sort {
        order(&mut sorted, column, *descending, question, scenes, people);
        for row in &sorted {
            if question.limit.is_some_and(|limit| tally.shown >= limit) {
                tally.limited = true;
                break;
            }
            tally.count(row);
            if let Some(scene) = scenes.get(row.scene) {
                let backdrop = Backdrop { question, captured_at, namespace: &scene.namespace };
                backdrop.show(people, &scene.interfaces, row, put)?;
            }
        }
    }
    people.report(&mut tally.quality);
    Ok(tally)
}

/// Looks at one namespace.
#[expect(clippy::too_many_arguments, reason = "each is one thing that a look takes, used once")]
fn look(
    question: &Question,
    captured_at: &str,
    scene: &mut Scene,
    index: usize,
    people: &mut People,
    tally: &mut Tally,
    sorted: &mut Vec<Row>,
    put: &mut Put<'_>,
) -> anyhow::Result<()> {
    let outcome = scene.listeners.read(&mut scene.sockets)?;
    tally.quality.add_dump(&outcome);
    let requests = if question.count_requests { requests(scene, tally)? } else { Vec::new() };
    let now = Instant::now();
    let interval_s = scene.sampled.replace(now).map(|before| (now - before).as_secs_f64());
    let mut pass = Pass {
        backdrop: Backdrop { question, captured_at, namespace: &scene.namespace },
        index,
        listeners: &scene.listeners,
        interfaces: &mut scene.interfaces,
        requests,
        interval_s,
        people,
        tally,
        batch: Vec::new(),
        all_read: false,
        sorted,
        put,
        error: None,
    };
    let plan = &question.plan;
    let states = if question.repeats { lasting(plan.states) } else { plan.states };
    let query = Query {
        families: plan.families,
        states,
        extensions: question.extensions,
        local_port: plan.local_port,
        remote_port: plan.remote_port,
        program: &plan.program,
    };
    let ledger = &mut scene.ledger;
    ledger.begin();
    let outcome = scene.sockets.read(&query, |reply| pass.take(reply, ledger))?;
    pass.flush()?;
    pass.tally.listed += outcome.sockets;
    pass.tally.quality.add_dump(&outcome);
    if question.repeats {
        let mut vanished = Vec::new();
        ledger.end(|socket| vanished.push(*socket));
        vanished.iter().try_for_each(|socket| pass.closed(socket))?;
    }
    match pass.error {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// A connection that only leaves the states asked for has not vanished: when
/// samples repeat, all that it may go through are listed.
fn lasting(states: StateSet) -> StateSet {
    states.union(StateSet::DEFAULT).union(StateSet::of(&[State::SynSent]))
}

/// The requests that wait for the handshake's last ACK, by the end they came to.
fn requests(scene: &mut Scene, tally: &mut Tally) -> anyhow::Result<Vec<(Endpoint, u32)>> {
    let mut requests = Vec::new();
    let query = Query {
        families: Families::BOTH,
        states: StateSet::of(&[State::SynRecv]),
        extensions: Extensions::default(),
        local_port: 0,
        remote_port: 0,
        program: &[],
    };
    let outcome = scene.sockets.read(&query, |reply| {
        let end = Endpoint { address: reply.local_address(), port: reply.local_port() };
        requests.push((end, reply.interface()));
        ControlFlow::Continue(())
    })?;
    tally.quality.add_dump(&outcome);
    Ok(requests)
}

/// One namespace's dump on its way to the output.
struct Pass<'a, 'p> {
    backdrop: Backdrop<'a>,
    index: usize,
    listeners: &'a Listeners,
    interfaces: &'a mut Interfaces,
    requests: Vec<(Endpoint, u32)>,
    interval_s: Option<f64>,
    people: &'a mut People,
    tally: &'a mut Tally,
    /// Rows whose owners are not known yet.
    batch: Vec<Row>,
    /// All processes were read in this sample.
    all_read: bool,
    sorted: &'a mut Vec<Row>,
    put: &'a mut Put<'p>,
    error: Option<anyhow::Error>,
}

impl Pass<'_, '_> {
    /// Takes one record.
    #[inline]
    fn take(&mut self, reply: &Reply<'_>, ledger: &mut Ledger) -> ControlFlow<()> {
        let Some(socket) = Socket::new(reply, self.backdrop.question.ecn) else {
            self.tally.quality.decode_errors += 1;
            return ControlFlow::Continue(());
        };
        if socket.tcp_info.is_some_and(|info| info.is_cut()) {
            self.tally.quality.truncated_tcp_info += 1;
        }
        let (delta, change) = if self.backdrop.question.repeats {
            match ledger.enter(&socket) {
                Movement::First => (None, None),
                Movement::Opened => (None, Some(Change::Opened)),
                Movement::Stayed(delta) => (Some(delta), None),
            }
        } else {
            (None, None)
        };
        if !self.backdrop.question.plan.states.contains(socket.state) {
            // Only listed to tell whether it is still there.
            return ControlFlow::Continue(());
        }
        let (role, basis) = self.listeners.role(&socket);
        self.people.learn_cgroup(&socket);
        let wants_owners = self.people.wants_owners();
        let verdict = self.verdict(&socket, role, &Owner::Pending);
        if verdict == Verdict::No {
            return ControlFlow::Continue(());
        }
        let row = Row {
            socket,
            role,
            basis,
            delta,
            change,
            scene: self.index,
            interval_s: self.interval_s,
            syn_recv: self.requests_of(&socket),
        };
        let result = if wants_owners {
            self.batch.push(row);
            if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
        } else {
            self.deliver(row)
        };
        match result {
            Ok(()) if self.tally.limited => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn verdict(&self, socket: &Socket, role: Role, owner: &Owner<'_>) -> Verdict {
        if self.backdrop.question.expr == Expr::True {
            return Verdict::Yes;
        }
        self.backdrop.question.expr.eval(&Candidate {
            socket,
            role,
            service: service(&self.backdrop.question.ports, socket, role),
            netns: self.backdrop.namespace.name.as_deref(),
            netns_inode: self.backdrop.namespace.inode,
            cgroup_path: self.people.cgroup_path(socket),
            owner: *owner,
        })
    }

    /// For a listener: how many requests wait on it.
    fn requests_of(&self, socket: &Socket) -> Option<u64> {
        if !self.backdrop.question.count_requests || socket.state != State::Listen {
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
        if batch.len() >= BATCH {
            self.all_read = true;
        }
        let scope = self.all_read.then_some(Scope::All);
        self.people.resolve(batch.iter().map(|row| &row.socket), scope)?;
        for row in batch {
            let verdict = {
                let around = self.people.around(&row.socket);
                let processes = around.for_filter();
                self.verdict(&row.socket, row.role, &around.owner(&processes))
            };
            if verdict != Verdict::No && !self.tally.limited {
                self.deliver(row)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, row: Row) -> anyhow::Result<()> {
        self.interfaces.learn(row.socket.interface);
        if self.backdrop.question.sort.is_some() {
            self.sorted.push(row);
            return Ok(());
        }
        if self.backdrop.question.limit.is_some_and(|limit| self.tally.shown >= limit) {
            self.tally.limited = true;
            return Ok(());
        }
        self.tally.count(&row);
        self.backdrop.show(self.people, self.interfaces, &row, self.put)?;
        Ok(())
    }

    /// Shows a connection that is gone as it was last seen, if it was shown then.
    fn closed(&mut self, socket: &Socket) -> anyhow::Result<()> {
        let (role, basis) = self.listeners.role(socket);
        let verdict = self.verdict(socket, role, &Owner::Pending);
        if verdict != Verdict::Yes || !self.backdrop.question.plan.states.contains(socket.state) {
            return Ok(());
        }
        self.deliver(Row {
            socket: *socket,
            role,
            basis,
            delta: None,
            change: Some(Change::Closed),
            scene: self.index,
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

impl Backdrop<'_> {
    fn show(
        &self,
        people: &People,
        interfaces: &Interfaces,
        row: &Row,
        put: &mut Put<'_>,
    ) -> io::Result<()> {
        let around = people.around(&row.socket);
        put(&Connection {
            socket: &row.socket,
            role: row.role,
            role_basis: row.basis,
            service: service(&self.question.ports, &row.socket, row.role),
            netns: self.question.many_namespaces.then_some(self.namespace),
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
        })
    }
}

/// What a row is sorted by: numbers before texts, nothing last.
#[derive(Debug, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
    Nothing,
}

fn order(
    rows: &mut Vec<Row>,
    column: &Column,
    descending: bool,
    question: &Question,
    scenes: &[Scene],
    people: &People,
) {
    let mut cell = String::new();
    let mut keyed: Vec<(Key, Row)> = std::mem::take(rows)
        .into_iter()
        .map(|row| {
            cell.clear();
            if let Some(scene) = scenes.get(row.scene) {
                // Writing to a String cannot fail.
                let backdrop = Backdrop { question, captured_at: "", namespace: &scene.namespace };
                let _ = backdrop.show(people, &scene.interfaces, &row, &mut |shown| {
                    column.write(shown, true, &mut cell);
                    Ok(())
                });
            }
            let key = match (cell.as_str(), cell.parse()) {
                ("", _) => Key::Nothing,
                (_, Ok(number)) => Key::Number(number),
                (text, Err(_)) => Key::Text(text.to_owned()),
            };
            (key, row)
        })
        .collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
        let nothing = matches!(one, Key::Nothing) || matches!(other, Key::Nothing);
        if descending && !nothing { order.reverse() } else { order }
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}
