//! How a run ends.

use std::io;
use std::process::ExitCode;

/// Exit codes that other programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// Done, with partial data, where `--strict` asked to be told.
    Partial,
}

/// Wrong usage or a fatal error.
const USAGE_OR_FATAL: u8 = 2;

pub(super) fn of_result(result: anyhow::Result<Exit>) -> ExitCode {
    match result {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Partial) => ExitCode::from(3),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcpdiag: {error:#}");
            ExitCode::from(USAGE_OR_FATAL)
        }
    }
}

/// Help and version are results; everything else is wrong usage.
pub(super) fn of_usage(error: &clap::Error) -> ExitCode {
    // A closed pipe behind `--help | head` is a normal end.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE_OR_FATAL) } else { ExitCode::SUCCESS }
}

/// Whether the reader of standard output went away, as `head` does.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}
