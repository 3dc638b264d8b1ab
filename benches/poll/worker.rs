//! Dumps and polls in a process separate from the one that starts programs: `ru_maxrss` of a
//! program begins at its parent's, and a tracker of 50,000 sockets is large.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use tcpdiag::model::{Families, Socket, StateSet};
use tcpdiag::monitor::{
    Consumer, CounterFiles, Identities, Identity, Interest, Interfaces, PollBegun, PollEnded,
    PollRequest,
};
use tcpdiag::socket_diag::Query;
use tcpdiag::tracking::Latest;
use tcpdiag::wire::{DumpRequest, Extensions, Form};

use super::clock::own_cpu_us;
use super::drain::Drain;
use super::monitored::Monitored;

/// A local port that no socket of the namespace uses.
const UNUSED_PORT: u16 = 9;

/// The worker's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Receive a whole dump and discard it: the floor.
    Floor,
    /// Decode everything into rows and compare with the previous poll.
    Poll,
    /// The floor of two by-family walks.
    TwoWalks,
    /// The floor of one by-family walk for IPv4.
    V4Walk,
    /// A single walk that matches nothing, as with a narrow filter.
    Unmatched,
    /// Two by-family walks that match nothing.
    TwoUnmatched,
}

const TASKS: [(&str, Task); 6] = [
    ("floor", Task::Floor),
    ("poll", Task::Poll),
    ("two", Task::TwoWalks),
    ("v4", Task::V4Walk),
    ("unmatched", Task::Unmatched),
    ("twovain", Task::TwoUnmatched),
];

/// The worker, from the parent's side.
pub(super) struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub(super) fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--work")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let orders = child.stdin.take();
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    /// Runs a task `times` times; returns microseconds of processor time and the sockets seen, both
    /// per run.
    pub(super) fn cost(&mut self, task: Task, times: u32) -> io::Result<(f64, u64)> {
        let name = TASKS.iter().find(|(_, known)| *known == task).map_or("", |(name, _)| name);
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(orders, "{name} {times}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        match (words.next(), words.next()) {
            (Some(Ok(cpu_us)), Some(Ok(sockets))) => {
                Ok((cpu_us as f64 / f64::from(times), sockets))
            }
            _ => Err(io::Error::other(format!("the worker answered {line:?}"))),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// The worker's main loop.
pub(super) fn work() -> anyhow::Result<()> {
    let mut bench = Bench {
        raw: Drain::open()?,
        polls: Monitored::open(CounterFiles::None, false, |_| Deltas::default())?,
    };
    // The first poll creates the accounts; only later ones are measured.
    bench.poll()?;
    for line in io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let task = words.next().and_then(|word| TASKS.iter().find(|(name, _)| *name == word));
        let times = words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some((_, task)), Some(times)) = (task, times) else {
            anyhow::bail!("no task: {line}")
        };
        let before = own_cpu_us();
        let mut sockets = 0;
        for _ in 0..times.min(1_000) {
            sockets = bench.once(*task)?;
        }
        println!("{} {sockets}", own_cpu_us() - before);
    }
    Ok(())
}

struct Bench {
    raw: Drain,
    polls: Monitored<Deltas>,
}

/// Compares every socket with the previous poll, as `tcpdiag conns --interval` does.
#[derive(Debug, Default)]
struct Deltas {
    latest: Latest,
    /// Records of the last poll.
    dumped: u64,
}

impl Consumer for Deltas {
    fn begin(&mut self, _: &PollBegun<'_>) {
        self.latest.begin();
    }

    #[inline]
    fn observe(&mut self, socket: &Socket) -> Interest {
        black_box(&self.latest.observe(socket));
        Interest::NOTHING
    }

    fn identified(&mut self, _: &Socket, _: &Identity<'_>, _: &mut Interfaces) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn end(&mut self, poll: PollEnded<'_>, _: &mut Identities<'_>) {
        self.latest.end(|_| {});
        self.dumped = poll.dumped;
    }
}

impl Bench {
    fn once(&mut self, task: Task) -> anyhow::Result<u64> {
        Ok(match task {
            Task::Floor => self.drain(Form::Both, 0)?,
            Task::TwoWalks => self.drain(Form::Ipv4, 0)? + self.drain(Form::Ipv6, 0)?,
            Task::V4Walk => self.drain(Form::Ipv4, 0)?,
            Task::Unmatched => self.drain(Form::Both, UNUSED_PORT)?,
            Task::TwoUnmatched => {
                self.drain(Form::Ipv4, UNUSED_PORT)? + self.drain(Form::Ipv6, UNUSED_PORT)?
            }
            Task::Poll => self.poll()?,
        })
    }

    /// The same request as [`Bench::poll`]'s.
    fn drain(&mut self, form: Form, local_port: u16) -> io::Result<u64> {
        self.raw.dump(&DumpRequest {
            form,
            states: StateSet::DEFAULT.bits(),
            extensions: Extensions::ALL,
            local_port,
            remote_port: 0,
            bytecode: &[],
        })
    }

    fn poll(&mut self) -> anyhow::Result<u64> {
        self.polls.poll(&PollRequest {
            reads_counters: false,
            names_services: false,
            query: Query {
                families: Families::BOTH,
                states: StateSet::DEFAULT,
                extensions: Extensions::ALL,
                local_port: 0,
                remote_port: 0,
                program: &[],
            },
            ..PollRequest::of_connections(Instant::now(), false)
        })?;
        Ok(self.polls.consumer.dumped)
    }
}
