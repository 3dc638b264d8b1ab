//! What `tcpdiag diagnose` costs beyond a poll, side by side with the drain floor.
//!
//! `cargo bench --bench diagnose` makes live loopback sockets in a network namespace of its own
//! and prints a table. `-- --test` runs everything once with few of them. The target: what each
//! look at all connections costs beyond decoding them, with its part of judging them all at the
//! end of the usual ten seconds, is at most half of what it costs to receive one dump and throw
//! it away.
#![allow(clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

#[path = "../poll/clock.rs"]
#[allow(dead_code, reason = "the bench of polls also runs programs to their end")]
mod clock;
#[path = "../poll/drain.rs"]
mod drain;
#[path = "../poll/namespace.rs"]
mod namespace;
#[path = "../poll/population.rs"]
#[allow(dead_code, reason = "the bench of polls also filters, and needs bystanders")]
mod population;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clock::own_cpu_us;
use drain::Drain;
use population::{Blend, Population};
use tcpdiag::counters::CounterWidth;
use tcpdiag::diagnosis::{Diagnosis, Limits, Question, RULES};
use tcpdiag::model::{Families, Role, Socket, StateSet};
use tcpdiag::procfs::Host;
use tcpdiag::settings::Values;
use tcpdiag::socket_diag::{Listeners, Query, Sockets};
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form, Messages, Reply};

const EXTENSIONS: Extensions = Extensions::INFO.with(Extensions::SKMEMINFO);

/// A look and its part of judging may cost this part of the floor, beyond decoding.
const TARGET: f64 = 0.5;

/// Looks of the usual ten seconds.
const LOOKS: f64 = 11.0;

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
        limits: Limits::default(),
        asked: vec![true; RULES.len()],
        target_rate: None,
        width: CounterWidth::Bits64,
        ephemeral: 32_768..=60_999,
    }
}

/// Processor time of something, microseconds.
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
    let _population = Population::new(sockets, Blend::Mixed)?;
    let mut bench = Bench {
        raw: Drain::open()?,
        sockets: Sockets::open()?,
        ecn: Host::this().ecn_word(),
        listeners: Listeners::default(),
        diagnosis: Diagnosis::new(question()),
        at: Duration::ZERO,
    };
    bench.look()?;
    let (mut floor, mut decoding, mut look) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (took, drained) = cost(|| bench.drain());
        drained?;
        floor.push(took);
        let (took, decoded) = cost(|| bench.decode());
        decoded?;
        decoding.push(took);
        let (took, looked) = cost(|| bench.look());
        looked?;
        look.push(took);
    }
    let judging = (0..rounds).map(|_| {
        let mut diagnosis = Diagnosis::new(question());
        std::mem::swap(&mut bench.diagnosis, &mut diagnosis);
        bench.look()?;
        bench.look()?;
        Ok(conclude(diagnosis))
    });
    let judging = judging.collect::<anyhow::Result<Vec<f64>>>()?;
    let moving: Vec<[f64; 2]> = (0..rounds).map(|_| moving(sockets)).collect();
    let (floor, decoding, look) = (median(floor), median(decoding), median(look));
    let column = |place: usize| median(moving.iter().map(|row| row[place]).collect());
    println!("{sockets} connections, medians of {rounds}; the floor: {:.1} ms", floor / 1e3);
    println!("{:<46} {:>9} {:>9}", "", "ms", "floors");
    println!("{:<46} {:>9.1} {:>9.2}", "a dump decoded", decoding / 1e3, decoding / floor);
    let mut missed = false;
    let judged = median(judging);
    for (what, look, judged) in
        [("idle ones", look - decoding, judged), ("moving ones", column(0), column(1))]
    {
        let each = look + judged / LOOKS;
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
    listeners: Listeners,
    diagnosis: Diagnosis,
    at: Duration,
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

    fn look(&mut self) -> anyhow::Result<()> {
        let (ecn, mut socket) = (self.ecn, Socket::BLANK);
        self.listeners.read(&mut self.sockets)?;
        let (diagnosis, listeners) = (&mut self.diagnosis, &self.listeners);
        self.at += Duration::from_secs(1);
        diagnosis.begin(self.at);
        self.sockets.read(&query(), |reply| {
            if socket.fill(reply, ecn) {
                let (role, _) = listeners.role(&socket);
                diagnosis.enter(&socket, role);
            }
            ControlFlow::Continue(())
        })?;
        diagnosis.end(true, true);
        Ok(())
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

/// What judging costs, microseconds.
fn conclude(diagnosis: Diagnosis) -> f64 {
    let settings = Values::read(Path::new("/proc/sys"));
    let (took, conclusion) = cost(|| diagnosis.conclude(settings, |ratio| ratio.threshold()));
    black_box(conclusion);
    took
}

/// Established sockets as Linux 6.18 sends them, after so many more segments.
fn templates(round: u32) -> Vec<Socket> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/6.18.44/tcp4.nl");
    let mut bytes = std::fs::read(path).unwrap_or_default();
    // Every tcp_info has counters behind the header of its attribute: length 284, type 2.
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

/// What a look costs and what judging does where every connection moves, microseconds.
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
                diagnosis.enter(socket, Role::Server);
            }
            diagnosis.end(true, true);
        });
        looks.push(took);
    }
    // The first opens the accounts.
    [median(looks.split_off(1)), conclude(diagnosis)]
}
