//! Dumps and polls inside one process, told apart from the process that starts
//! programs: `ru_maxrss` of a program begins at its parent's, and a ledger of
//! 50,000 sockets is large.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tcpdiag::model::{Families, Socket, StateSet};
use tcpdiag::sample::Latest;
use tcpdiag::source::{Host, Query, Sockets};
use tcpdiag::sys::NetlinkSocket;
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form};

use super::clock::own_cpu_us;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Length of the message that ends a dump: a header and an error number.
const END: usize = 20;

/// `nlmsg_seq` of the floor's requests.
const SEQUENCE: u32 = 0x7c9d_1a61;

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
        raw: NetlinkSocket::open()?,
        buffer: vec![0; 32 * 1024],
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
    raw: NetlinkSocket,
    buffer: Vec<u8>,
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

    /// The same request as [`Bench::poll`]'s; looks at nothing but where the
    /// answer ends. Tells bytes, not sockets.
    fn drain(&mut self, form: Form, local_port: u16) -> io::Result<u64> {
        let request = DumpRequest {
            form,
            states: StateSet::DEFAULT.bits(),
            extensions: Extensions::ALL,
            local_port,
            remote_port: 0,
            bytecode: &[],
        };
        self.raw.send(&request.encode(SEQUENCE))?;
        let mut bytes = 0;
        loop {
            let length = self.raw.receive(&mut self.buffer)?;
            bytes += length as u64;
            let datagram = self.buffer.get(..length).unwrap_or(&self.buffer);
            if kind_at(datagram, 0) == Some(ERROR) {
                return Err(io::Error::other("the kernel refused the dump"));
            }
            // The end comes in a datagram of its own, or as the last message.
            if length.checked_sub(END).and_then(|at| datagram.get(at..)).is_some_and(is_end) {
                return Ok(bytes);
            }
        }
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

/// `nlmsg_type` of the message at `at`.
fn kind_at(datagram: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes([*datagram.get(at + 4)?, *datagram.get(at + 5)?]))
}

/// Whether these bytes, the last of a datagram, are the message that ends a
/// dump and not the tail of some socket's record.
fn is_end(tail: &[u8]) -> bool {
    let sequence = tail.get(8..12) == Some(&SEQUENCE.to_ne_bytes());
    let length = tail.get(..4) == Some(&(END as u32).to_ne_bytes());
    length && sequence && kind_at(tail, 0) == Some(DONE)
}
