//! Live polls compared with the drain floor and with ss, in one run.
//!
//! `cargo bench --bench poll` makes live loopback sockets in its own network namespace and prints a
//! table of processor times (user and system) and ratios. `-- --help` lists the options; RESULTS.md
//! has results.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]

mod clock;
mod drain;
mod monitored;
mod namespace;
mod population;
mod table;
mod worker;

use std::io::{self, Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use clock::Spent;
use population::{IpVersions, Population};
use table::{Finding, Series};
use worker::{Task, Worker};

const HELP: &str = "\
Usage: cargo bench --bench poll -- [OPTIONS]
  --sizes N,N,..     live sockets to measure at [1000,10000,50000]
  --rounds N         maximum number of rounds [15]
  --bystanders N     processes without sockets [500]
  --check            missed targets are an error
  --test, --quick    1000 sockets, one round, targets not checked
  --shell COMMAND    only create the first size, and run a command meanwhile";

/// The program under test.
const TCPDIAG: &str = env!("CARGO_BIN_EXE_tcpdiag");

/// The longest time for one size; the rounds are reduced if need be.
const LONGEST_SIZE: Duration = Duration::from_secs(240);

/// In-process measurements are repeated until they cover this many sockets.
const SOCKETS_AT_ONCE: usize = 100_000;

/// `ss` with the figures of `tcpdiag conns`, one line per socket.
const SS_FIGURES: &[&str] = &["-tinemOH"];

/// The same with processes. `conns` needs the holders of listeners to name services.
const SS_OWNERS: &[&str] = &["-tinempOH"];

/// The columns of `conns` but the service, which needs no owners.
const FIGURES: &[&str] = &[
    "conns",
    "--columns",
    "state,role,local,remote,rtt,retr,snd_cwnd,queues,delivery_rate,limited",
];

/// Peak memory may differ by this factor between the smallest size and any other.
const PEAK_FACTOR: f64 = 1.1;

#[derive(Debug)]
struct Options {
    sizes: Vec<usize>,
    rounds: usize,
    bystanders: usize,
    check: bool,
    smoke: bool,
    shell: Option<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(missed) if missed => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("poll: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--work"] => return worker::work().map(|()| false),
        ["--hold", connections, family] => {
            population::hold(connections.parse()?, *family == "v6")?;
            return Ok(false);
        }
        _ => {}
    }
    let options = Options::parse(&arguments)?;
    if !namespace::is_entered() {
        return namespace::enter(&arguments);
    }
    if let (Some(command), Some(&size)) = (&options.shell, options.sizes.first()) {
        let _population = Population::new(size, IpVersions::Mixed)?;
        let status = Command::new("sh").args(["-c", command]).env("TCPDIAG", TCPDIAG).status()?;
        return Ok(!status.success());
    }
    measure(&options)
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            sizes: vec![1_000, 10_000, 50_000],
            rounds: 15,
            bystanders: 500,
            check: false,
            smoke: false,
            shell: None,
        };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word {
                "--sizes" => {
                    let sizes = value()?.split(',').map(str::parse);
                    options.sizes = sizes.collect::<Result<_, _>>().context("--sizes")?;
                }
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--bystanders" => options.bystanders = value()?.parse().context("--bystanders")?,
                "--check" => options.check = true,
                "--test" | "--quick" => options.smoke = true,
                "--shell" => options.shell = Some(value()?.to_owned()),
                // Cargo's own.
                "--bench" => {}
                "--help" => bail!("{HELP}"),
                other => bail!("unknown option {other}\n{HELP}"),
            }
        }
        if options.smoke {
            (options.sizes, options.rounds, options.bystanders) = (vec![1_000], 1, 20);
        }
        Ok(options)
    }
}

fn measure(options: &Options) -> anyhow::Result<bool> {
    let mut findings = Vec::new();
    println!("{}", Finding::HEADING);
    let mut baseline = None;
    for &size in &options.sizes {
        let mut found = walks(size, options.rounds)?;
        found.extend(whole(size, options, &mut baseline)?);
        for finding in &found {
            println!("{finding}");
        }
        io::stdout().flush()?;
        findings.extend(found);
    }
    let missed = findings.iter().filter(|finding| finding.is_missed()).count();
    if !options.smoke {
        println!("\n{missed} of the targets missed");
    }
    Ok(options.check && !options.smoke && missed > 0)
}

/// Repetitions of an in-process measurement in one round.
fn times(sockets: usize) -> u32 {
    (SOCKETS_AT_ONCE / sockets.max(1)).clamp(2, 100) as u32
}

/// Which form of the request is cheaper if there are only IPv4 sockets.
fn walks(size: usize, rounds: usize) -> anyhow::Result<Vec<Finding>> {
    let _population = Population::new(size, IpVersions::V4)?;
    let mut worker = Worker::start()?;
    let mut series: [Series; 5] = Default::default();
    let tasks = [Task::Floor, Task::TwoWalks, Task::V4Walk, Task::Unmatched, Task::TwoUnmatched];
    let started = Instant::now();
    for _ in 0..rounds {
        for (series, task) in series.iter_mut().zip(tasks) {
            series.push(worker.cost(task, times(size))?.0);
        }
        if started.elapsed() > LONGEST_SIZE {
            break;
        }
    }
    let [single, two, v4, unmatched, two_unmatched] = &series;
    let reference = ("two by-family walks, only IPv4 live", two);
    Ok(vec![
        Finding::cpu(size, ("single walk", single), reference, None),
        Finding::cpu(size, ("by-family walk for IPv4 alone", v4), reference, None),
        Finding::cpu(
            size,
            ("single walk, no socket matches", unmatched),
            ("two by-family walks, no socket matches", two_unmatched),
            None,
        ),
    ])
}

/// Series of one size.
#[derive(Default)]
struct Measured {
    floor: Series,
    poll: Series,
    two: Series,
    text: Series,
    json: Series,
    ss: Series,
    narrow: Series,
    ss_narrow: Series,
    text_peak: Series,
    json_peak: Series,
    /// Without services.
    figures: Series,
    ss_owners: Series,
}

/// Peak memory at the smallest size, as text and as JSON.
type Baseline = Option<(f64, f64)>;

fn whole(size: usize, options: &Options, baseline: &mut Baseline) -> anyhow::Result<Vec<Finding>> {
    let mut population = Population::new(size, IpVersions::Mixed)?;
    population.add_bystanders(options.bystanders)?;
    let filter = ["sport".to_owned(), "=".to_owned(), format!(":{}", population.narrow_port)];
    same_sockets(size, &filter)?;
    let mut worker = Worker::start()?;
    let mut measured = Measured::default();
    let started = Instant::now();
    for round in 0..options.rounds {
        measured.round(&mut worker, size, &filter, round % 2 == 1)?;
        if started.elapsed() > LONGEST_SIZE {
            break;
        }
    }
    eprintln!("{size} sockets: {} rounds in {:.0?}", measured.floor.rounds(), started.elapsed());
    Ok(measured.findings(size, baseline))
}

impl Measured {
    /// Measures everything once. The order within a pair alternates each round: the first one warms
    /// the caches for the second.
    fn round(
        &mut self,
        worker: &mut Worker,
        size: usize,
        filter: &[String],
        poll_first: bool,
    ) -> anyhow::Result<()> {
        if poll_first {
            self.poll.push(worker.cost(Task::Poll, times(size))?.0);
        }
        self.floor.push(worker.cost(Task::Floor, times(size))?.0);
        if !poll_first {
            self.poll.push(worker.cost(Task::Poll, times(size))?.0);
        }
        self.two.push(worker.cost(Task::TwoWalks, times(size))?.0);
        let text = program(TCPDIAG, &["conns"], &[])?;
        self.text.push(text.cpu_us as f64);
        self.text_peak.push(text.peak_kb as f64);
        self.figures.push(program(TCPDIAG, FIGURES, &[])?.cpu_us as f64);
        self.ss.push(program("ss", SS_FIGURES, &[])?.cpu_us as f64);
        self.ss_owners.push(program("ss", SS_OWNERS, &[])?.cpu_us as f64);
        let json = program(TCPDIAG, &["conns", "-o", "json"], &[])?;
        self.json.push(json.cpu_us as f64);
        self.json_peak.push(json.peak_kb as f64);
        self.narrow.push(program(TCPDIAG, &["conns", "-P"], filter)?.cpu_us as f64);
        self.ss_narrow.push(program("ss", &["-tnp"], filter)?.cpu_us as f64);
        Ok(())
    }

    fn findings(&self, size: usize, baseline: &mut Baseline) -> Vec<Finding> {
        let cpu = |own, other, target| Finding::cpu(size, own, other, target);
        let ss = ("ss -tinemOH", &self.ss);
        let ss_owners = ("ss -tinempOH", &self.ss_owners);
        let (text, json) = (self.text_peak.median(), self.json_peak.median());
        let (text_before, json_before) = *baseline.get_or_insert((text, json));
        let peak = |what, now: f64, before: f64| Finding {
            sockets: size,
            what,
            figure: now,
            unit: "kB",
            than: "at the smallest size",
            reference: before,
            ratio: now / before,
            target: Some(PEAK_FACTOR),
        };
        vec![
            cpu(("single walk", &self.floor), ("two by-family walks, both live", &self.two), None),
            cpu(("poll: rows and deltas", &self.poll), ("drain floor", &self.floor), Some(1.3)),
            cpu(("conns without services", &self.figures), ss, Some(1.0 / 3.0)),
            cpu(("conns", &self.text), ss, None),
            cpu(("conns", &self.text), ss_owners, Some(1.0 / 3.0)),
            cpu(("conns -o json", &self.json), ss_owners, Some(1.0)),
            cpu(
                ("conns -P sport = :PORT", &self.narrow),
                ("ss -tnp sport = :PORT", &self.ss_narrow),
                Some(0.2),
            ),
            peak("peak memory of conns", text, text_before),
            peak("peak memory of conns -o json", json, json_before),
        ]
    }
}

/// Runs a program with a filter expression; discards its output.
fn program(name: &str, arguments: &[&str], filter: &[String]) -> anyhow::Result<Spent> {
    let all: Vec<&str> =
        arguments.iter().copied().chain(filter.iter().map(String::as_str)).collect();
    clock::run(name, &all).with_context(|| format!("{name} {}", all.join(" ")))
}

/// Refuses to compare programs that do not show the same sockets.
fn same_sockets(size: usize, filter: &[String]) -> anyhow::Result<()> {
    // Counted as it arrives: a large buffer here would show in the peak memory of every program
    // started later.
    let lines = |name: &str, arguments: &[&str], filter: &[String]| -> anyhow::Result<usize> {
        let mut child = Command::new(name)
            .args(arguments)
            .args(filter)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let (mut buffer, mut output, mut lines) = ([0; 4096], output, 0);
        loop {
            let read = output.read(&mut buffer)?;
            match buffer.get(..read) {
                None | Some([]) => break,
                Some(bytes) => lines += bytes.iter().filter(|&&byte| byte == b'\n').count(),
            }
        }
        child.wait()?;
        Ok(lines)
    };
    let (ours, theirs) = (
        lines(TCPDIAG, &["conns", "--no-header", "-O"], &[])?,
        lines("ss", SS_FIGURES, &[]).context("ss of iproute2 is needed")?,
    );
    if ours != theirs || ours != size {
        bail!("{size} sockets made, ss shows {theirs}, tcpdiag {ours}");
    }
    let narrow = lines(TCPDIAG, &["conns", "--no-header", "-O", "-P"], filter)?;
    let theirs = lines("ss", &["-tnpOH"], filter)?;
    if narrow != theirs || narrow == 0 {
        bail!("{filter:?}: ss shows {theirs}, tcpdiag {narrow}");
    }
    Ok(())
}
