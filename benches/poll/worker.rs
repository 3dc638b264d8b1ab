//! Dumps and polls inside one process, told apart from the process that starts
//! programs: `ru_maxrss` of a program begins at its parent's, and a ledger of
//! 50,000 sockets is large.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tcpdiag::model::{Families, Socket, StateSet};
use tcpdiag::procfs::Host;
use tcpdiag::socket_diag::{Query, Sockets};
use tcpdiag::tracking::Latest;
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form};

use super::clock::own_cpu_us;
use super::drain::Drain;

/// A local port that no socket of the namespace has.
const NOBODYS: u16 = 9;

/// What the worker can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Receive a whole dump and throw it away: the floor.
    Floor,
    /// Decode everything into rows and compare with the poll before.
    Poll,
    /// The floor of two by-family walks.
    TwoWalks,
    /// The floor of one by-family walk for IPv4.
    V4Walk,
    /// A single walk that finds nothing, as with a narrow filter.
    Vain,
    /// Two by-family walks that find nothing.
    TwoVain,
}

const TASKS: [(&str, Task); 6] = [
    ("floor", Task::Floor),
    ("poll", Task::Poll),
    ("two", Task::TwoWalks),
    ("v4", Task::V4Walk),
    ("vain", Task::Vain),
    ("twovain", Task::TwoVain),
];

/// The worker as its owner sees it.
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

    /// Has a task done `times` times; tells microseconds of processor time and
    /// the sockets seen, each for one time.
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

/// What the worker does.
pub(super) fn work() -> anyhow::Result<()> {
    let mut bench = Bench {
        raw: Drain::open()?,
        sockets: Sockets::open()?,
        ledger: Latest::new(),
        ecn: Host::this().ecn_word(),
    };
    // The first poll opens the accounts; it is the later ones that count.
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
    sockets: Sockets,
    ledger: Latest,
    ecn: EcnWord,
}

impl Bench {
    fn once(&mut self, task: Task) -> anyhow::Result<u64> {
        Ok(match task {
            Task::Floor => self.drain(Form::Both, 0)?,
            Task::TwoWalks => self.drain(Form::Ipv4, 0)? + self.drain(Form::Ipv6, 0)?,
            Task::V4Walk => self.drain(Form::Ipv4, 0)?,
            Task::Vain => self.drain(Form::Both, NOBODYS)?,
            Task::TwoVain => self.drain(Form::Ipv4, NOBODYS)? + self.drain(Form::Ipv6, NOBODYS)?,
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
        let query = Query {
            families: Families::BOTH,
            states: StateSet::DEFAULT,
            extensions: Extensions::ALL,
            local_port: 0,
            remote_port: 0,
            program: &[],
        };
        self.ledger.begin();
        let (ledger, ecn) = (&mut self.ledger, self.ecn);
        let mut socket = Socket::BLANK;
        let outcome = self.sockets.read(&query, |reply| {
            if socket.fill(reply, ecn) {
                black_box(&ledger.enter(&socket));
            }
            ControlFlow::Continue(())
        })?;
        self.ledger.end(|_| {});
        Ok(outcome.sockets)
    }
}
