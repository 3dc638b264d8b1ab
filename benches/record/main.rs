//! The cost of recording: ways to compress real bytes, and the time that recording adds to polls.
//!
//! `cargo bench --bench record` makes live loopback sockets in its own network namespace and prints
//! tables. `-- --help` lists the options; RESULTS.md has results.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

mod candidates;
#[path = "../poll/clock.rs"]
#[allow(dead_code, reason = "the bench of polls also runs programs to their end")]
mod clock;
#[path = "../poll/drain.rs"]
mod drain;
#[path = "../poll/namespace.rs"]
mod namespace;
mod population;
#[path = "../poll/table.rs"]
#[allow(dead_code, reason = "the bench of polls also counts rounds")]
mod table;

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tcpdiag::model::{Families, StateSet};
use tcpdiag::recording::{
    About, Compression, NamespaceInterface, RecordingTransport, SampleBegun, SampleEnded,
    SharedWriter, Writer,
};
use tcpdiag::socket_diag::{Query, Sockets};
use tcpdiag::sys::NetlinkSocket;
use tcpdiag::wire::{DumpRequest, Extensions, Form};

use candidates::{CANDIDATES, FORMS, Trial};
use clock::own_cpu_us;
use drain::Drain;
use population::Population;
use table::{Finding, Series};

const HELP: &str = "\
Usage: cargo bench --bench record -- [OPTIONS]
  --sockets N    live sockets, a fifth of which move each sample [10000]
  --samples N    samples to compress with each candidate [20]
  --rounds N     number of rounds [15]
  --check        missed targets are an error
  --test         few sockets, one round, targets not checked";

/// The time that recording may add to a poll, in drain floors.
const ADDED: f64 = 0.3;

/// Samples needed to fill the largest window.
const WARM: usize = 8;

/// Time between samples, so that times since the last segment differ realistically.
const PAUSE: Duration = Duration::from_millis(250);

const QUERY: Query<'static> = Query {
    families: Families::BOTH,
    states: StateSet::ALL,
    extensions: Extensions::ALL,
    local_port: 0,
    remote_port: 0,
    program: &[],
};

struct Options {
    sockets: usize,
    samples: usize,
    rounds: usize,
    check: bool,
    smoke: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("record: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::parse(&arguments)?;
    if !namespace::is_entered() {
        return namespace::enter(&arguments);
    }
    let mut population = Population::new(options.sockets)?;
    compare(&options, &mut population)?;
    println!();
    live(&options, &mut population)
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { sockets: 10_000, samples: 20, rounds: 15, check: false, smoke: false };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word {
                "--sockets" => options.sockets = value()?.parse().context("--sockets")?,
                "--samples" => options.samples = value()?.parse().context("--samples")?,
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--check" => options.check = true,
                "--test" | "--quick" => options.smoke = true,
                // Cargo's own.
                "--bench" => {}
                "--help" => bail!("{HELP}"),
                other => bail!("unknown option {other}\n{HELP}"),
            }
        }
        if options.smoke {
            (options.sockets, options.samples, options.rounds) = (200, 3, 1);
        }
        Ok(options)
    }
}

fn writer<W: Write>(out: W, compression: Compression) -> anyhow::Result<Writer<W>> {
    let about = About { program: "bench", system: "Linux", machine: "" };
    Ok(Writer::new(out, compression, &about, &NamespaceInterface { inode: 1, name: None })?)
}

/// The blocks of each sample, as passed to the compression.
fn capture(
    options: &Options,
    population: &mut Population,
) -> anyhow::Result<(Vec<Vec<Vec<u8>>>, u64)> {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let recorder = SharedWriter::new(writer(BlockCollector(Rc::clone(&kept)), Compression::None)?);
    let mut sockets =
        Sockets::over(RecordingTransport::new(NetlinkSocket::open()?, recorder, Rc::default()));
    let mut samples = Vec::new();
    let mut count = 0;
    for number in 0..options.samples {
        population.talk(number)?;
        std::thread::sleep(PAUSE);
        count = sockets.read(&QUERY, |_| ControlFlow::Continue(()))?.sockets;
        samples.push(kept.take());
    }
    Ok((samples, count))
}

/// Keeps each block that is written.
struct BlockCollector(Rc<RefCell<Vec<Vec<u8>>>>);

impl Write for BlockCollector {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Ways to compress, given the same bytes.
fn compare(options: &Options, population: &mut Population) -> anyhow::Result<()> {
    let (samples, sockets) = capture(options, population)?;
    // The kernel has to provide memory that the compression touches for the first time.
    let warm = WARM.min(samples.len() - 1);
    let raw: usize = samples.iter().skip(warm).flatten().map(Vec::len).sum();
    let sockets_in_all = (sockets * (samples.len() - warm) as u64) as f64;
    println!(
        "{sockets} sockets, a fifth of which move; {:.0} bytes for each from the kernel\n",
        raw as f64 / sockets_in_all
    );
    println!("| compression | bytes per socket and sample | of the first | ns per socket |");
    println!("| --- | ---: | ---: | ---: |");
    let mut trials: Vec<Trial> =
        CANDIDATES.iter().map(Trial::begin).collect::<anyhow::Result<_>>()?;
    let mut costs = vec![Vec::new(); trials.len()];
    // All candidates in turn for each sample, so that other load affects them equally.
    for sample in &samples {
        for (trial, costs) in trials.iter_mut().zip(&mut costs) {
            costs.push(trial.add(sample)?);
        }
    }
    let each = sockets as f64;
    for (candidate, costs) in CANDIDATES.iter().zip(&costs) {
        let (_, warmed) = costs.split_at(warm);
        let mut times = Series::default();
        warmed.iter().for_each(|cost| times.push(cost.cpu_us));
        println!(
            "| {} | {:.1} | {:.1} | {:.0} |",
            candidate.name,
            warmed.iter().map(|cost| cost.bytes).sum::<f64>() / warmed.len() as f64 / each,
            costs[0].bytes / each,
            times.median() * 1e3 / each
        );
    }
    Ok(())
}

/// Polls alone, recorded, and discarded.
fn live(options: &Options, population: &mut Population) -> anyhow::Result<bool> {
    let mut floor = Drain::open()?;
    let request = DumpRequest {
        form: Form::Both,
        states: QUERY.states.bits(),
        extensions: QUERY.extensions,
        local_port: 0,
        remote_port: 0,
        bytecode: &[],
    };
    let mut bare = Sockets::open()?;
    let directory = tempfile::tempdir()?;
    let mut recorded = Vec::new();
    for (name, form) in FORMS {
        let path = directory.path().join(name);
        let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        let recorder = SharedWriter::new(writer(file, form)?);
        let sockets = Sockets::over(RecordingTransport::new(
            NetlinkSocket::open()?,
            recorder.clone(),
            Rc::default(),
        ));
        recorded.push((name, recorder, sockets, Series::default()));
    }
    let (mut floors, mut polls) = (Series::default(), Series::default());
    let mut count = 0;
    let warm = if options.smoke { 1 } else { WARM };
    for round in 0..options.rounds + warm {
        population.talk(round)?;
        std::thread::sleep(PAUSE);
        let start = own_cpu_us();
        floor.dump(&request)?;
        let floor = own_cpu_us() - start;
        let start = own_cpu_us();
        count = bare.read(&QUERY, |_| ControlFlow::Continue(()))?.sockets;
        let poll = own_cpu_us() - start;
        if round >= warm {
            floors.push(floor as f64);
            polls.push(poll as f64);
        }
        for (_, recorder, sockets, series) in &mut recorded {
            let start = own_cpu_us();
            recorder.begin_sample(round as u32, &SampleBegun::default());
            sockets.read(&QUERY, |_| ControlFlow::Continue(()))?;
            recorder.end_sample(&SampleEnded::default());
            recorder.flush()?;
            // The first rounds fill the memory of the compression.
            if round >= warm {
                series.push((own_cpu_us() - start).saturating_sub(poll) as f64);
            }
        }
    }
    let program = program(options, population, directory.path())?;
    println!("{}", Finding::HEADING);
    let sockets = count as usize;
    println!("{}", Finding::cpu(sockets, ("poll", &polls), ("drain floor", &floors), None));
    let mut missed = false;
    for (name, _, _, added) in &recorded {
        let target = (*name == FORMS[0].0).then_some(ADDED);
        let finding = Finding::cpu(sockets, (name, added), ("drain floor", &floors), target);
        missed |= finding.is_missed();
        println!("{finding}");
    }
    let what = "a sample of `tcpdiag record`, its poll included";
    println!("{}", Finding::cpu(sockets, (what, &program), ("drain floor", &floors), None));
    Ok(options.check && !options.smoke && missed)
}

/// The cost of another sample in the whole program, including counters, owners and destroy events.
fn program(
    options: &Options,
    population: &mut Population,
    directory: &Path,
) -> anyhow::Result<Series> {
    let (few, many) = if options.smoke { (1, 2) } else { (WARM, 3 * WARM) };
    let file = directory.join("program").display().to_string();
    let pause = format!("{}ms", PAUSE.as_millis());
    let mut series = Series::default();
    for _ in 0..if options.smoke { 1 } else { 3 } {
        let mut cost = |samples: usize| -> anyhow::Result<f64> {
            let count = samples.to_string();
            let arguments = ["record", &file, "--force", "-i", &pause, "--count", &count];
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let talking = scope.spawn(|| -> std::io::Result<()> {
                    for number in 0.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        population.talk(number)?;
                        std::thread::sleep(PAUSE);
                    }
                    Ok(())
                });
                let spent = clock::run(env!("CARGO_BIN_EXE_tcpdiag"), &arguments);
                done.store(true, Ordering::Relaxed);
                talking.join().map_err(|_| anyhow::anyhow!("the sockets failed"))??;
                Ok(spent?.cpu_us as f64)
            })
        };
        let first = cost(few)?;
        series.push((cost(many)? - first) / (many - few) as f64);
    }
    Ok(series)
}
