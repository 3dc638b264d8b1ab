//! Runs `tcpdiag services` itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// The program under test.
const TCPDIAG: &str = env!("CARGO_BIN_EXE_tcpdiag");

/// Intervals before memory is measured, so that what the first ones leave behind is included.
const SETTLED: usize = 3;

fn start(arguments: &[&str]) -> anyhow::Result<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new(TCPDIAG)
        .args(["services", "-o", "json"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("tcpdiag services")?;
    let output = child.stdout.take().context("no output")?;
    Ok((child, BufReader::new(output)))
}

/// Anonymous memory of a settled run, kilobytes: heap and stacks, not the pages of the program's
/// file, whose resident part varies.
pub(super) fn resident_kb(arguments: &[&str]) -> anyhow::Result<u64> {
    let (mut child, mut output) = start(arguments)?;
    let mut line = String::new();
    for _ in 0..SETTLED {
        line.clear();
        ensure!(output.read_line(&mut line)? > 0, "tcpdiag services ended");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    child.kill()?;
    child.wait()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = resident.and_then(|rest| rest.trim().strip_suffix("kB"));
    Ok(number.context("no RssAnon")?.trim().parse()?)
}

/// The cost of a run, as it reports itself.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) cpu_ms: f64,
    pub(super) wall_ms: f64,
    /// From start to end, including the first poll.
    pub(super) whole: Duration,
    /// The closing line.
    pub(super) closing: String,
}

/// Runs for the given duration.
pub(super) fn run(arguments: &[&str]) -> anyhow::Result<Run> {
    let started = Instant::now();
    let (mut child, output) = start(arguments)?;
    let last = output.lines().last().context("tcpdiag services said nothing")??;
    let mut closing = String::new();
    child.stderr.take().context("no messages")?.read_to_string(&mut closing)?;
    child.wait()?;
    let whole = started.elapsed();
    let document: Value = serde_json::from_str(&last)?;
    let cost = |name: &str| document["cost"][name].as_f64().context("no cost");
    Ok(Run {
        cpu_ms: cost("cpu_user_ms")? + cost("cpu_sys_ms")?,
        wall_ms: cost("wall_ms")?,
        whole,
        closing: closing.trim().to_owned(),
    })
}
