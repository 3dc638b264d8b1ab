//! Arguments that choose recordings and times in them.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::exit::{eprint_line, eprint_wrapped};
use crate::monitor::{Pace, parse_speed};
use crate::output::summary;
pub(super) use crate::recording::parse_time as time;
use crate::recording::{
    Sample, Session, SessionError, SessionOptions, StoreError, When, local_time,
};

/// One sample of recordings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct SampleArgs {
    /// Read a recording of `tcpdiag record` instead of the kernel: its last sample without --at. A
    /// directory stands for all recordings in it; repeatable.
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// The last sample up to this time: 2026-11-21T04:45:00Z, in local time (TZ) 2026-11-21T04:45,
    /// or +30s after the first sample, -5m before the last. It has to be in the recording. Of a time
    /// that occurs twice because the clock was set back, the last is meant, unless a sample began at
    /// exactly the first.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    at: Option<When>,
}

/// A span of recordings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct SpanArgs {
    /// Read a recording of `tcpdiag record` instead of the kernel: all of it, at its own times. A
    /// directory stands for all recordings in it; repeatable.
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Begin with the first sample from this time on: 2026-11-21T04:45:00Z, in local time
    /// 2026-11-21T04:45, or +30s after the first sample, -5m before the last.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    from: Option<When>,
    /// End with the last sample up to this time.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time, allow_hyphen_values = true)]
    to: Option<When>,
    /// The same, but the recording has to reach this time.
    #[arg(long, value_name = "TIME", requires = "read", conflicts_with = "to", value_parser = time, allow_hyphen_values = true)]
    at: Option<When>,
    /// Replay at the recorded speed (1), or this many times faster; by default as fast as it can be
    /// read.
    #[arg(long, value_name = "N", requires = "read", value_parser = parse_speed)]
    speed: Option<f64>,
}

/// A sample of a recording.
#[derive(Debug)]
pub(super) struct RecordedSample {
    pub(super) sample: Sample,
    /// The recording is damaged.
    pub(super) damaged: bool,
}

impl SampleArgs {
    /// Whether a recording is read.
    pub(super) fn is_given(&self) -> bool {
        !self.read.is_empty()
    }

    /// The sample that was asked for, of these namespaces; `None` for the kernel.
    pub(super) fn sample(&self, netns: &[String]) -> anyhow::Result<Option<RecordedSample>> {
        if !self.is_given() {
            return Ok(None);
        }
        let options =
            SessionOptions { namespaces: netns.to_vec(), at: self.at, ..SessionOptions::default() };
        let session = opened(Session::open_last(&self.read, &options))?;
        let damaged = complain(&session);
        eprint_wrapped(summary::recorded_sample(&session));
        Ok(Some(RecordedSample { sample: session.into_sample(), damaged }))
    }
}

impl SpanArgs {
    /// Whether a recording is read.
    pub(super) fn is_given(&self) -> bool {
        !self.read.is_empty()
    }

    /// The recordings that were asked for, at the first sample, and their pace; `None` for the
    /// kernel.
    pub(super) fn session(&self, netns: &[String]) -> anyhow::Result<Option<(Session, Pace)>> {
        if self.read.is_empty() {
            return Ok(None);
        }
        let options = SessionOptions {
            namespaces: netns.to_vec(),
            from: self.from,
            to: self.to,
            at: self.at,
            lead_in: false,
            counters: true,
        };
        let session = opened(Session::open(&self.read, &options))?;
        Ok(Some((session, Pace::new(self.speed))))
    }
}

/// A session as it was opened. Reports damage that may be why there is no sample.
pub(super) fn opened<T>(session: Result<T, SessionError>) -> anyhow::Result<T> {
    session.map_err(|error| match error {
        SessionError::Reversed { from, to } => {
            anyhow!("--from {} is after --to {}", local_time(from), local_time(to))
        }
        error => {
            if let SessionError::Empty { damage, .. } = &error {
                damage.iter().for_each(|damage| eprint_line(format_args!("tcpdiag: {damage}")));
            }
            error.into()
        }
    })
}

/// Reports what is missing in a session that was read to its end; true if files are damaged.
pub(super) fn complain(session: &Session) -> bool {
    let warnings = summary::recording_warnings(session);
    warnings.iter().for_each(|line| eprint_line(format_args!("tcpdiag: {line}")));
    !session.damage().is_empty()
}

/// Why a file cannot be written, where `--force` overwrites an existing one.
pub(super) fn with_force_hint(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Exists { .. } => anyhow!("{error}; --force overwrites it"),
        error => error.into(),
    }
}
