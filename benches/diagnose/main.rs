//! The cost of `tcpdiag diagnose` in addition to a poll, compared with the drain floor.
//!
//! `cargo bench --bench diagnose` makes live loopback sockets in its own network namespace and
//! prints a table. `-- --test` runs everything once with few sockets. The target: a sample of all
//! connections, beyond decoding, plus its share of the evaluation at the end of the default ten
//! seconds, costs at most half as much as receiving one dump and discarding it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

#[path = "../poll/clock.rs"]
#[allow(dead_code, reason = "the bench of polls also runs programs to their end")]
mod clock;
#[path = "../poll/drain.rs"]
mod drain;
#[path = "../poll/monitored.rs"]
mod monitored;
#[path = "../poll/namespace.rs"]
mod namespace;
#[path = "../poll/population.rs"]
#[allow(dead_code, reason = "the bench of polls also filters, and needs bystanders")]
mod population;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clock::own_cpu_us;
use drain::Drain;
use monitored::Monitored;
use population::{IpVersions, Population};
use tcpdiag::counters::CounterWidth;
use tcpdiag::diagnosis::{Diagnosis, FilteredDiagnosis, Question, RULES, RuleLimits};
use tcpdiag::filter::Expr;
use tcpdiag::model::{Families, Role, RoleBasis, Socket, StateSet};
use tcpdiag::monitor::{CounterFiles, PollRequest, SocketFilter};
use tcpdiag::procfs::Host;
use tcpdiag::settings::Values;
use tcpdiag::socket_diag::{Query, Sockets};
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form, Messages, Reply};

const EXTENSIONS: Extensions = Extensions::INFO.with(Extensions::SKMEMINFO).with(Extensions::CONG);

/// A sample and its share of the evaluation may cost this part of the floor, beyond decoding.
const TARGET: f64 = 0.5;

/// Samples in the default ten seconds.
const SAMPLES: f64 = 11.0;

fn main() -> ExitCode {
    match run() {
        Ok(missed) if missed => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("diagnose: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [hold, connections, family] = arguments.as_slice()
        && hold == "--hold"
    {
        population::hold(connections.parse()?, family == "v6")?;
        return Ok(false);
    }
    if !namespace::is_entered() {
        return namespace::enter(&arguments);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let (sockets, rounds) = if has("--test") { (500, 1) } else { (50_000, 15) };
    let missed = measure(sockets, rounds)?;
    Ok(missed && has("--check"))
}

fn question() -> Question {
    Question {
        limits: RuleLimits::default(),
        asked: vec![true; RULES.len()],
        target_rate: None,
        width: CounterWidth::Bits64,
    }
}

/// Processor time of a function, microseconds.
fn cost<T>(act: impl FnOnce() -> T) -> (f64, T) {
    let before = own_cpu_us();
    let done = act();
    ((own_cpu_us() - before) as f64, done)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(sockets: usize, rounds: usize) -> anyhow::Result<bool> {
    let _population = Population::new(sockets, IpVersions::Mixed)?;
    let mut bench = Bench {
        raw: Drain::open()?,
        sockets: Sockets::open()?,
        ecn: Host::this().ecn_word(),
        polls: Monitored::open(CounterFiles::None, true, |monitor| {
            let filter = SocketFilter::new(Expr::True);
            FilteredDiagnosis::new(question(), filter, monitor.namespace.clone())
        })?,
    };
    bench.poll()?;
    let (mut floor, mut decoding, mut poll) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (took, drained) = cost(|| bench.drain());
        drained?;
        floor.push(took);
        let (took, decoded) = cost(|| bench.decode());
        decoded?;
        decoding.push(took);
        let (took, polled) = cost(|| bench.poll());
        polled?;
        poll.push(took);
    }
    let judging = (0..rounds).map(|_| {
        let mut diagnosis = Diagnosis::new(question());
        std::mem::swap(&mut bench.polls.consumer.diagnosis, &mut diagnosis);
        bench.poll()?;
        bench.poll()?;
        Ok(conclude(diagnosis))
    });
    let judging = judging.collect::<anyhow::Result<Vec<f64>>>()?;
    let moving: Vec<[f64; 2]> = (0..rounds).map(|_| moving(sockets)).collect();
    let (floor, decoding, poll) = (median(floor), median(decoding), median(poll));
    let column = |place: usize| median(moving.iter().map(|row| row[place]).collect());
    println!("{sockets} connections, medians of {rounds}; the floor: {:.1} ms", floor / 1e3);
    println!("{:<46} {:>9} {:>9}", "", "ms", "floors");
    println!("{:<46} {:>9.1} {:>9.2}", "a dump decoded", decoding / 1e3, decoding / floor);
    let mut missed = false;
    let judged = median(judging);
    for (what, look, judged) in
        [("idle ones", poll - decoding, judged), ("moving ones", column(0), column(1))]
    {
        let each = look + judged / SAMPLES;
        missed |= each / floor > TARGET;
        for (part, took) in [
            ("a look beyond decoding", look),
            ("judging, once", judged),
            ("a look with its part of judging", each),
        ] {
            let (what, ratio) = (format!("{what}: {part}"), took / floor);
            println!("{what:<46} {:>9.1} {ratio:>9.2}", took / 1e3);
        }
    }
    println!("{}", if missed { "MISSED" } else { "met" });
    Ok(missed)
}

struct Bench {
    raw: Drain,
    sockets: Sockets,
    ecn: EcnWord,
    polls: Monitored<FilteredDiagnosis>,
}

impl Bench {
    fn drain(&mut self) -> std::io::Result<u64> {
        self.raw.dump(&DumpRequest {
            form: Form::Both,
            states: StateSet::DEFAULT.bits(),
            extensions: EXTENSIONS,
            local_port: 0,
            remote_port: 0,
            bytecode: &[],
        })
    }

    fn decode(&mut self) -> anyhow::Result<()> {
        let (ecn, mut socket) = (self.ecn, Socket::BLANK);
        self.sockets.read(&query(), |reply| {
            black_box(socket.fill(reply, ecn));
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// A poll as `tcpdiag diagnose` makes it.
    fn poll(&mut self) -> anyhow::Result<()> {
        Ok(self.polls.poll(&PollRequest {
            reads_counters: false,
            names_services: false,
            query: query(),
            ..PollRequest::of_connections(Instant::now(), false)
        })?)
    }
}

fn query() -> Query<'static> {
    Query {
        families: Families::BOTH,
        states: StateSet::DEFAULT,
        extensions: EXTENSIONS,
        local_port: 0,
        remote_port: 0,
        program: &[],
    }
}

/// The cost of the evaluation, microseconds.
fn conclude(diagnosis: Diagnosis) -> f64 {
    let settings = Values::read(Path::new("/proc/sys"));
    let (took, conclusion) = cost(|| diagnosis.conclude(settings, |ratio| ratio.threshold()));
    black_box(conclusion);
    took
}

/// Established sockets as Linux 6.18 sends them, after this many more segments.
fn templates(round: u32) -> Vec<Socket> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/6.18.44/tcp4.nl");
    let mut bytes = std::fs::read(path).unwrap_or_default();
    // Every tcp_info has counters after its attribute header: length 284, type 2.
    for at in 0..bytes.len().saturating_sub(284) {
        if bytes[at..at + 4] == [28, 1, 2, 0] {
            for field in [120, 136, 140, 156, 200] {
                let at = at + 4 + field;
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[at..at + 4]);
                let value = u32::from_ne_bytes(word).wrapping_add(round * 1000);
                bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            }
        }
    }
    let replies = Messages::new(&bytes).filter_map(|message| Reply::new(message.ok()?.payload));
    let established = replies.filter(|reply| reply.state() == 1);
    established.filter_map(|reply| Socket::new(&reply, EcnWord::Halves)).collect()
}

/// The cost of a sample and of the evaluation if every connection moves, microseconds.
fn moving(count: usize) -> [f64; 2] {
    let mut diagnosis = Diagnosis::new(question());
    let mut looks = Vec::new();
    for round in 0..4 {
        let mut templates = templates(round);
        let kinds = templates.len();
        let (took, ()) = cost(|| {
            diagnosis.begin(Duration::from_secs(round.into()));
            for number in 0..count {
                let socket = &mut templates[number % kinds];
                socket.cookie = number as u64 + 1;
                diagnosis.observe(socket, (Role::Server, RoleBasis::TcpInfo));
            }
            diagnosis.end(true, true);
        });
        looks.push(took);
    }
    // The first sample creates the accounts.
    [median(looks.split_off(1)), conclude(diagnosis)]
}
