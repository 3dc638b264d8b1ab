//! The command line: arguments in, exit code out.
//!
//! Knows flags, files, terminals and exit codes. Knows no kernel bytes.

mod closed;
mod completions;
mod conns;
mod convert;
mod diagnose;
mod diff;
mod exit;
mod explain;
mod expression;
mod kill;
mod lines;
mod listeners;
mod man;
mod output;
mod peer_names;
mod record;
mod recording_args;
mod repeat;
mod run;
mod services;
mod size;
mod stats;
mod sysctl;
mod table_args;
mod warnings;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::sys::{fail_at_file_size_limit, raise_descriptor_limit};

/// Every TCP socket of a Linux host, straight from the kernel.
#[derive(Debug, Parser)]
#[command(
    name = "tcpdiag",
    version,
    max_term_width = 100,
    after_help = "Examples:
  tcpdiag conns                                 all connections of this host
  tcpdiag conns --port 2181 --role server       who is connected to port 2181
  tcpdiag conns 'rtt > 50ms and total_retrans > 0'
  tcpdiag closed                                each connection as it ends
  tcpdiag listeners                             accept queues and their owners
  tcpdiag services                              whose retransmits these are
  tcpdiag diagnose                              what holds connections back, and what to do
  tcpdiag stats                                 what the host's TCP counters show
  tcpdiag record incident.pcapng.zst            keep what the kernel says, for later
  tcpdiag convert incident.pcapng.zst           rows for a database
  tcpdiag diff a.pcapng.zst b.pcapng.zst        what changed between two recordings
  tcpdiag explain TCPLostRetransmit             what a counter, field or state means
  tcpdiag sysctl                                TCP settings, and what contradicts

Exit codes: 0 done, 1 findings of `diagnose --fail-on`, 2 wrong usage or fatal error,
3 partial data under --strict, 4 connections of `conns --kill` live on, 130 interrupted before
any result."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Conns(conns::Conns),
    Closed(closed::ClosedCommand),
    Listeners(listeners::ListenersCommand),
    Services(services::ServicesCommand),
    Diagnose(diagnose::DiagnoseCommand),
    Stats(stats::StatsCommand),
    Record(record::RecordCommand),
    Convert(convert::ConvertCommand),
    Diff(diff::DiffCommand),
    Explain(explain::Explain),
    Sysctl(sysctl::Sysctl),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&error),
    };
    fail_at_file_size_limit();
    raise_descriptor_limit();
    let result = match cli.command {
        Command::Conns(command) => command.run(),
        Command::Closed(command) => command.run(),
        Command::Listeners(command) => command.run(),
        Command::Services(command) => command.run(),
        Command::Diagnose(command) => command.run(),
        Command::Stats(command) => command.run(),
        Command::Record(command) => command.run(),
        Command::Convert(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Sysctl(command) => command.run(),
        Command::Completions(command) => command.run(&mut Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
    };
    exit::of_result(result)
}
