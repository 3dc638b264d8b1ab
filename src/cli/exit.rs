//! Exit codes, error messages and the configuration that all commands share.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;
use crate::filter::SyntaxError;
pub(super) use crate::output::{eprint_line, eprint_wrapped};
use crate::sys::{FILE_SIZE_LIMIT, missing_time_zone};

/// Exit codes that other programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// Done, and something was found that `--fail-on` names.
    Found,
    /// Done with partial data, and `--strict` was given.
    Partial,
    /// Some connections that were to be killed live on.
    NotKilled,
    /// Interrupted by the user before there was a result.
    Interrupted,
}

/// Wrong usage or a fatal error.
const USAGE_OR_FATAL: u8 = 2;

pub(super) fn of_result(result: anyhow::Result<Exit>) -> ExitCode {
    if let (Ok(_), Some(error)) = (&result, missing_time_zone()) {
        eprint_line(format_args!("tcpdiag: {error}; times are shown in UTC"));
    }
    match result {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Found) => ExitCode::from(1),
        Ok(Exit::Partial) => ExitCode::from(3),
        Ok(Exit::NotKilled) => ExitCode::from(4),
        Ok(Exit::Interrupted) => ExitCode::from(130),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(USAGE_OR_FATAL)
        }
    }
}

/// An error and its causes, each once: many an error names its cause itself.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let mut said = String::new();
    let words = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<io::Error>()
    {
        // Of standard output, which may be a file.
        Some(error) if error.raw_os_error() == Some(libc::EFBIG) => FILE_SIZE_LIMIT.to_owned(),
        _ => cause.to_string(),
    };
    for cause in error.chain().map(words) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said.push_str(": ");
            said.push_str(&cause);
        }
    }
    said
}

/// Help and version are results; everything else is a usage error, reported in one line.
pub(super) fn of_usage(error: &clap::Error) -> ExitCode {
    let asks_for_help = !error.use_stderr()
        || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asks_for_help {
        // A closed pipe, as with `--help | head`, is a normal end.
        let _ = error.print();
    } else {
        eprint_line(format_args!("tcpdiag: {}", one_line(&error.to_string())));
    }
    if error.use_stderr() { ExitCode::from(USAGE_OR_FATAL) } else { ExitCode::SUCCESS }
}

/// Clap's message without its prefix, usage and hint to ask for help.
fn one_line(message: &str) -> String {
    let message = message.split("\n\nUsage:").next().unwrap_or(message);
    let lines = message
        .lines()
        .map(|line| line.trim().trim_start_matches("error: "))
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let mut joined = String::new();
    for line in lines {
        if !joined.is_empty() {
            joined.push_str(if joined.ends_with(':') { " " } else { "; " });
        }
        joined.push_str(line);
    }
    joined
}

/// Reports an error and its causes in one line. Only errors in expressions have several lines, with
/// a mark under the place.
fn report(error: &anyhow::Error) {
    let text = format!("tcpdiag: {}", causes(error));
    if error.chain().any(|cause| cause.is::<SyntaxError>()) {
        text.lines().for_each(eprint_line);
    } else {
        eprint_line(text);
    }
}

/// The configuration. Usual files that the user may not read are named and left out.
pub(super) fn configuration(given: Option<&Path>) -> anyhow::Result<Config> {
    let config = Config::load(given)?;
    for line in &config.unreadable {
        eprint_line(format_args!("tcpdiag: {line}; its settings are not used"));
    }
    Ok(config)
}

/// What remains of a failure to write to standard output whose reader has gone away: nothing is
/// wrong, but nothing more is written. Returns whether it has. What else a command does it still does,
/// and what it knows by then decides its exit code.
pub(super) fn reader_left<E: Into<anyhow::Error>>(written: Result<(), E>) -> anyhow::Result<bool> {
    match written.map_err(Into::into) {
        Ok(()) => Ok(false),
        Err(error) if is_closed_pipe(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the reader of standard output has gone away, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open x: {source}")]
        struct Failure {
            source: io::Error,
        }
        let source = || io::Error::from_raw_os_error(1);
        let text = "Operation not permitted (os error 1)";
        let naming = anyhow::Error::from(Failure { source: source() }).context("--read");
        assert_eq!(causes(&naming), format!("--read: cannot open x: {text}"));
        let full = anyhow::Error::from(io::Error::from_raw_os_error(libc::EFBIG));
        assert_eq!(
            causes(&full.context("standard output")),
            format!("standard output: {FILE_SIZE_LIMIT}")
        );
        let silent = Err::<(), _>(source()).context("cannot open x").unwrap_err();
        assert_eq!(causes(&silent), format!("cannot open x: {text}"));
        assert_eq!(causes(&anyhow!("alone")), "alone");
    }
}
