//! Shows which services retransmit, interval by interval.
//!
//! ```text
//! cargo run --example watch_retransmits -- 5 3
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example prints what it shows"
)]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use tcpdiag::{Error, Interval, Monitor, MonitorOptions};

const USAGE: &str = "usage: watch_retransmits SECONDS COUNT   e.g. watch_retransmits 5 3";

fn main() -> ExitCode {
    let Some((length, count)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match watch(length, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watch_retransmits: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The length of an interval, and how many there are.
fn arguments() -> Option<(Duration, u32)> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next()?.parse().ok()?;
    let count = arguments.next()?.parse().ok()?;
    let length = Duration::try_from_secs_f64(seconds).ok()?;
    (arguments.next().is_none() && !length.is_zero()).then_some((length, count))
}

fn watch(length: Duration, count: u32) -> Result<(), Error> {
    let mut monitor = Monitor::start(&MonitorOptions::new())?;
    for _ in 0..count {
        show(&monitor.poll_after(length)?);
    }
    Ok(())
}

fn show(interval: &Interval) {
    // The host's own count, of which the services' are parts.
    let all = interval.counter("TcpRetransSegs");
    let (growth, rest) = all.map_or((0, 0), |counter| (counter.growth, counter.unattributed));
    println!("{:.1?}: {growth} retransmits, {rest} of no service", interval.length);
    for service in interval.services.iter().filter(|service| service.retransmits > 0) {
        let sent = service.segments_out.map_or_else(|| "?".to_owned(), |sent| sent.to_string());
        println!("  {:<30} {:>8} of {sent} segments", service.label, service.retransmits);
    }
}
