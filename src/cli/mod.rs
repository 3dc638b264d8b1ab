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
mod grouped;
mod habits;
mod kill;
mod lines;
mod listeners;
mod man;
mod output;
mod peer_names;
mod record;
mod recording_args;
mod redirect;
mod repeat;
mod run;
mod services;
mod size;
mod sockets;
mod stats;
mod summary;
mod sums;
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
    args_override_self = true,
    max_term_width = 100,
    after_help = "Examples:
  tcpdiag summary                               all sockets in one screen
  tcpdiag conns                                 all connections of this host
  tcpdiag conns --port 2181 --role server       who is connected to port 2181
  tcpdiag conns 'rtt > 50ms and total_retrans > 0'
  tcpdiag conns --by remote                     connections per remote host
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
    Summary(summary::SummaryCommand),
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
    Ss(habits::SsCommand),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let (cli, typed) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            return match error.downcast_ref::<clap::Error>() {
                Some(error) => exit::of_usage(error),
                None => exit::of_result(Err(error)),
            };
        }
    };
    fail_at_file_size_limit();
    raise_descriptor_limit();
    let result = match cli.command {
        Command::Summary(command) => command.run(),
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
        // Replaced before the arguments are parsed, where they are text.
        Command::Ss(_) => Err(anyhow::anyhow!("tcpdiag ss: an argument is not valid UTF-8")),
        Command::Completions(command) => command.run(&mut Cli::command()),
        Command::Man(command) => command.run(Cli::command()),
    };
    exit::of_result(result.map_err(|error| habits::meant(error, &typed)))
}

/// Parses the process's own arguments. Returns the name of the command too.
fn parse() -> anyhow::Result<(Cli, String)> {
    let words = std::env::args_os().skip(1).map(std::ffi::OsString::into_string);
    let Ok(words) = words.collect::<Result<Vec<String>, _>>() else {
        // A file's name that is no text needs no help with flags.
        return Ok((Cli::try_parse()?, String::new()));
    };
    let start = habits::start(words, &Cli::command())?;
    let from = |words: &[String]| {
        Cli::try_parse_from(std::iter::once("tcpdiag").chain(words.iter().map(String::as_str)))
    };
    let name = start.words.first().cloned().unwrap_or_default();
    if let Some(note) = start.note {
        exit::eprint_line(format_args!("tcpdiag: {note}"));
    }
    if let Some(words) = &start.with_defaults {
        match (from(words), from(&start.words)) {
            (Ok(cli), _) => return Ok((cli, name)),
            (Err(_), Ok(cli)) => {
                exit::eprint_line(format_args!(
                    "tcpdiag: the configuration's defaults of `{name}` do not go with these arguments \
                     and are left out"
                ));
                return Ok((cli, name));
            }
            (Err(_), Err(error)) => return Err(error.into()),
        }
    }
    Ok((from(&start.words)?, name))
}
