//! The cost of `tcpdiag services`: polls compared with the drain floor, memory per socket, watching
//! a quiet host, dividing a busy interval.
//!
//! `cargo bench --bench services` makes live loopback sockets in its own network namespace and
//! prints tables. `-- --help` lists the options; RESULTS.md has results.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

mod allocations;
mod attributed;
mod busy;
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
mod program;
#[path = "../poll/table.rs"]
#[allow(dead_code, reason = "the bench of polls also counts rounds")]
mod table;

use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

use attributed::Attributed;
use busy::{Busy, Cost};
use clock::own_cpu_us;
use population::{IpVersions, Population};
use table::{Finding, Series};

const HELP: &str = "\
Usage: cargo bench --bench services -- [OPTIONS] [poll] [memory] [quiet] [owners] [busy]
  --rounds N         number of rounds [15]
  --quiet-for TIME   how long a quiet host is watched [30s]
  --check            missed targets are an error
  --test             few sockets, one round, targets not checked";

/// Numbers of sockets for measuring polls.
const POLLED: [usize; 2] = [10_000, 50_000];

/// A poll may cost this many times the floor.
const POLL_TO_FLOOR: f64 = 1.3;

/// Numbers of sockets for measuring memory, in addition to none.
const KEPT: [usize; 2] = [50_000, 100_000];

/// The most bytes per socket.
const BYTES_OF_ONE: f64 = 200.0;

/// Sockets of a quiet host.
const QUIET: usize = 10_000;

/// The processor time that watching it may take, milliseconds per second.
const QUIET_MS: f64 = 10.0;

/// Number of sockets for measuring the owner search.
const OWNED: usize = 50_000;

/// The longest first poll that finds all owners, milliseconds.
const FIRST_POLL_MS: f64 = 3_000.0;

#[derive(Debug)]
struct Options {
    sections: Vec<String>,
    rounds: usize,
    quiet_for: String,
    check: bool,
    smoke: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(missed) if missed => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("services: {error:#}");
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
    let options = Options::parse(&arguments)?;
    if !namespace::is_entered() {
        return namespace::enter(&arguments);
    }
    measure(&options)
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            sections: Vec::new(),
            rounds: 15,
            quiet_for: "30s".to_owned(),
            check: false,
            smoke: false,
        };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--quiet-for" => options.quiet_for = value()?.to_owned(),
                "--check" => options.check = true,
                "--test" => options.smoke = true,
                // Cargo's own.
                "--bench" => {}
                "poll" | "memory" | "quiet" | "owners" | "busy" => {
                    options.sections.push(word.to_owned());
                }
                "--help" => bail!("{HELP}"),
                other => bail!("unknown option {other}\n{HELP}"),
            }
        }
        Ok(options)
    }

    fn is_selected(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }

    /// The number of sockets; few in a smoke test.
    fn sockets(&self, wanted: usize) -> usize {
        if self.smoke { wanted / 500 } else { wanted }
    }
}

fn measure(options: &Options) -> anyhow::Result<bool> {
    println!("{}", Finding::HEADING);
    let mut findings = Vec::new();
    let mut print = |found: Vec<Finding>| {
        found.iter().for_each(|finding| println!("{finding}"));
        findings.extend(found);
    };
    if options.is_selected("poll") {
        for sockets in POLLED {
            print(polls(options.sockets(sockets), options)?);
        }
    }
    if options.is_selected("memory") {
        print(memory(options)?);
    }
    if options.is_selected("quiet") {
        print(quiet(options)?);
    }
    if options.is_selected("owners") {
        print(owners(options)?);
    }
    if options.is_selected("busy") {
        divisions(options)?;
    }
    let missed = findings.iter().filter(|finding| finding.is_missed()).count();
    if !options.smoke {
        println!("\n{missed} of the targets missed");
    }
    Ok(options.check && !options.smoke && missed > 0)
}

/// Polls without changes, compared with the same dumps discarded.
fn polls(size: usize, options: &Options) -> anyhow::Result<Vec<Finding>> {
    let _population = Population::new(size, IpVersions::Mixed)?;
    let mut attributed = Attributed::open()?;
    let (mut floor, mut poll, mut last) = (Series::default(), Series::default(), Series::default());
    let times = if options.smoke { 1 } else { (100_000 / size).max(2) };
    let rounds = if options.smoke { 1 } else { options.rounds };
    for round in 0..rounds {
        // The order alternates, because the first one finds its caches cold.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => floor.push(cost(times, || attributed.floor())?),
                1 => poll.push(cost(times, || attributed.poll())?),
                _ => last.push(cost(times, || attributed.end_interval().map(drop))?),
            }
        }
    }
    let table = attributed.end_interval()?.table;
    let seen = table.rows().flat_map(|(_, row)| row.connections()).map(|(_, count)| count);
    let seen: u64 = seen.sum();
    ensure!(seen == size as u64, "{size} sockets made, {seen} seen");
    let allocated = each(attributed.allocated(), size);
    eprintln!("{size} sockets: {allocated:.1} bytes each in the attributor");
    let reference = ("drain floor", &floor);
    Ok(vec![
        Finding::cpu(size, ("poll", &poll), reference, Some(POLL_TO_FLOOR)),
        Finding::cpu(size, ("poll that ends an interval", &last), reference, None),
    ])
}

fn each(all: usize, sockets: usize) -> f64 {
    all as f64 / sockets as f64
}

/// Microseconds of processor time per run.
fn cost(times: usize, mut task: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before = own_cpu_us();
    for _ in 0..times {
        task()?;
    }
    Ok((own_cpu_us() - before) as f64 / times as f64)
}

/// Memory of the whole program with sockets and without, and with twice as many, so that the common
/// part cancels out.
fn memory(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let interval = if options.smoke { "100ms" } else { "1s" };
    // Also with the owner of every socket.
    let ways: [(&str, &[&str]); 2] = [
        ("memory of each further socket", &["-i", interval]),
        ("memory of each further socket, --by process", &["-i", interval, "--by", "process"]),
    ];
    let resident = |sockets: usize| -> anyhow::Result<Vec<f64>> {
        let _population = Population::new(sockets, IpVersions::Mixed)?;
        let resident = ways.map(|(_, arguments)| program::resident_kb(arguments));
        let resident: Vec<u64> = resident.into_iter().collect::<Result<_, _>>()?;
        eprintln!(
            "{sockets} sockets: {} kB of memory, {} kB --by process",
            resident[0], resident[1]
        );
        Ok(resident.into_iter().map(|kb| kb as f64).collect())
    };
    let [some, many] = KEPT.map(|sockets| options.sockets(sockets));
    let (none, with_some, with_many) = (resident(0)?, resident(some)?, resident(many)?);
    let bytes = |fewer: f64, more: f64, sockets: usize| (more - fewer) * 1024.0 / sockets as f64;
    let allowed = ("what is allowed", BYTES_OF_ONE);
    let of_one = bytes(none[0], with_some[0], some);
    let mut findings = vec![finding(some, "memory of one socket", of_one, "bytes", allowed)];
    for (at, (what, _)) in ways.iter().enumerate() {
        let further = bytes(with_some[at], with_many[at], many - some);
        findings.push(finding(many, what, further, "bytes", allowed));
    }
    Ok(findings)
}

/// Processor time of watching idle sockets.
fn quiet(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let sockets = options.sockets(QUIET);
    let _population = Population::new(sockets, IpVersions::Mixed)?;
    let duration = if options.smoke { "300ms" } else { &options.quiet_for };
    let run = program::run(&["--duration", duration])?;
    eprintln!("{sockets} sockets: {}", run.closing);
    let share = run.cpu_ms / run.wall_ms * 1e3;
    let allowed = ("what is allowed", QUIET_MS);
    Ok(vec![finding(sockets, "a second of watching", share, "ms", allowed)])
}

/// The first poll, finding the owners of all sockets.
fn owners(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let sockets = options.sockets(OWNED);
    let _population = Population::new(sockets, IpVersions::Mixed)?;
    ["service", "process"]
        .iter()
        .map(|by| {
            let run = program::run(&["--by", by, "--duration", "100ms"])?;
            let first = run.whole.as_secs_f64() * 1e3 - run.wall_ms;
            let what = match *by {
                "process" => "first poll --by process",
                _ => "first poll",
            };
            Ok(finding(sockets, what, first, "ms", ("what is allowed", FIRST_POLL_MS)))
        })
        .collect()
}

fn finding(
    sockets: usize,
    what: &'static str,
    figure: f64,
    unit: &'static str,
    (than, reference): (&'static str, f64),
) -> Finding {
    let ratio = figure / reference;
    Finding { sockets, what, figure, unit, than, reference, ratio, target: Some(1.0) }
}

/// The cost of dividing, by the amount to divide.
fn divisions(options: &Options) -> anyhow::Result<()> {
    const INTERVALS: [Busy; 8] = {
        const fn busy(services: usize, active: usize, repeating: usize, requests: usize) -> Busy {
            Busy { services, active, repeating, requests }
        }
        [
            busy(60, 0, 0, 0),
            busy(60, 1_000, 0, 0),
            busy(60, 1_000, 1_000, 0),
            busy(60, 10_000, 10_000, 0),
            busy(5_000, 5_000, 0, 0),
            busy(5_000, 5_000, 5_000, 0),
            busy(5_000, 0, 0, 20_000),
            busy(20_000, 20_000, 20_000, 0),
        ]
    };
    println!("\n{}", Cost::HEADING);
    for mut busy in INTERVALS {
        if options.smoke {
            for count in
                [&mut busy.services, &mut busy.active, &mut busy.repeating, &mut busy.requests]
            {
                *count = count.div_ceil(100);
            }
        }
        println!("{}", busy.measure(if options.smoke { 1 } else { 7 })?);
    }
    Ok(())
}
