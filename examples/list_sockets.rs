//! Lists the TCP sockets that pass a filter, with the processes that hold them.
//!
//! ```text
//! cargo run --example list_sockets -- 'sport = :443 and rtt > 50ms'
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example prints what it shows"
)]

use std::env;
use std::process::ExitCode;

use tcpdiag::{Error, Filter, Owners, Snapshot, SnapshotOptions};

const USAGE: &str = "usage: list_sockets [FILTER]   e.g. list_sockets 'state listening'";

fn main() -> ExitCode {
    let text = env::args().skip(1).collect::<Vec<_>>().join(" ");
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match list(filter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("list_sockets: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list(filter: Filter) -> Result<(), Error> {
    let snapshot = Snapshot::take(&SnapshotOptions::new().filter(filter).owners())?;
    for row in &snapshot.rows {
        let owners = match &row.owners {
            Owners::Known(owners) | Owners::First(owners, _) => {
                owners.iter().map(|owner| format!("{} ({})", owner.comm, owner.pid)).collect()
            }
            Owners::Hidden => vec!["hidden".to_owned()],
            _ => Vec::new(),
        };
        let rtt = row.rtt().map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:?}"));
        println!(
            "{:<11} {:<8} {:<24} {:<24} rtt {rtt:<10} {:<20} {}",
            row.state().name(),
            row.role.name(),
            row.local().to_string(),
            row.remote().to_string(),
            row.service.as_deref().unwrap_or("-"),
            owners.join(", "),
        );
    }
    for what in &snapshot.quality.permission_limited {
        eprintln!("{what}");
    }
    Ok(())
}
