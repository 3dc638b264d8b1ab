//! Reads a recording: its samples, and what each service did.
//!
//! ```text
//! cargo run --example read_recording -- incident.pcapng.zst
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example prints what it shows"
)]

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use tcpdiag::{Error, Filter, Recording};

const USAGE: &str = "usage: read_recording FILE_OR_DIRECTORY...";

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    match read(&paths) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("read_recording: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn read(paths: &[PathBuf]) -> Result<(), Error> {
    let recording = Recording::open(paths)?;
    println!("recording of {}", recording.hostname());
    let (mut samples, mut most) = (0, 0);
    let mut snapshots = recording.snapshots(&Filter::default())?;
    for snapshot in snapshots.by_ref() {
        samples += 1;
        most = most.max(snapshot?.rows.len());
    }
    println!("{samples} samples, with {most} connections at most");
    for damage in snapshots.damage() {
        eprintln!("{damage}");
    }

    // Sums over all intervals: retransmits and segments sent.
    let mut services: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for interval in Recording::open(paths)?.intervals(None)? {
        for service in interval?.services {
            let (retransmits, segments) = services.entry(service.label).or_default();
            *retransmits += service.retransmits;
            *segments += service.segments_out.unwrap_or(0);
        }
    }
    for (label, (retransmits, segments)) in services {
        println!("{label:<30} {retransmits:>8} retransmits of {segments:>10} segments");
    }
    Ok(())
}
