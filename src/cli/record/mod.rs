//! `tcpdiag record`.

mod arguments;
mod narrowing;
mod progress_line;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::arguments::{keep, rotate, threshold};
use self::narrowing::Narrowing;
use super::exit::Exit;
use super::repeat::interval;
use super::size::size;
use crate::recording::{
    Compression, CounterThreshold, Retention, RotateAt, StoreMode, StoreOptions,
};

/// Record what the kernel reports of sockets and counters, to read it later.
///
/// In each interval all sockets in all states with all their attributes, the destroy events, the
/// counter files and the holders of sockets are written to a file, byte for byte, without keys of
/// TCP-MD5. Ctrl-C ends it; a recording that was cut short can be read up to the cut.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag record incident.pcapng.zst                 every second, until interrupted
  tcpdiag record night.pcapng.zst -i 10s --duration 8h --max-size 2GiB
  tcpdiag record web.pcapng.zst --netns web --count 60
  tcpdiag record db.pcapng.zst --port 5432           sockets with this port only
  tcpdiag record day.pcapng.zst --rotate 1h --keep 24h
  tcpdiag record loss.pcapng.zst --ring 10m --trigger 'TcpRetransSegs > 1000/s'
  tshark -r incident.pcapng.zst                      what Wireshark makes of it

The file is pcapng, compressed with zstd, whatever its name. It holds what root may see where
root records it: addresses and process names, but no keys of TCP-MD5. It is made readable for
its owner only. Of the descriptors that hold a socket it has the first 16, by process id, and how
many others there are.

With --rotate the time at which a file begins, in UTC, goes into its name:
day-20261121T054512Z.pcapng.zst. Every file is a recording by itself; given their directory, the
--read of other commands reads them as one. --keep deletes only files with such names that are
recordings of this host; their age and order are those of the monotonic clock.

With --ring nothing is written until SIGUSR1 arrives or --trigger fires. Recording then goes on,
and later files have the time in their names. The ring takes up to --max-size of memory (256MiB by
default), and some 40 MiB for compressing.")]
pub(super) struct RecordCommand {
    /// Where to write; must not exist yet.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Overwrite the file if it exists.
    #[arg(long, short)]
    force: bool,

    /// Take a sample after each of these.
    #[arg(long, short = 'i', value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// End after this many samples.
    #[arg(long, value_name = "N", value_parser = super::output::at_least_one)]
    count: Option<u64>,

    /// End after this time, without that in which the host is suspended.
    #[arg(long, value_name = "TIME", value_parser = interval, conflicts_with = "count")]
    duration: Option<Duration>,

    /// End when a further sample like the last one would make the file larger than this. With
    /// --ring: the most to keep in memory.
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| size(text, 1 << 50))]
    max_size: Option<u64>,

    /// Record another network namespace: a name of `ip netns`, a pid, a path, or `all`, which
    /// includes those that are made later; repeatable.
    #[arg(long, short = 'N', value_name = "NETNS")]
    netns: Vec<String>,

    /// How to compress.
    #[arg(long, value_enum, default_value_t = Form::Zstd, value_name = "FORM")]
    compress: Form,

    /// Record the keys of TCP-MD5 too, if the kernel reports them (CAP_NET_ADMIN). By default they
    /// are zeroed.
    #[arg(long)]
    with_keys: bool,

    /// Exit with 3 when something could not be read, or events were lost.
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    narrowing: Narrowing,

    /// Begin a further file after this time (1h) or before it gets larger than this (100MiB).
    #[arg(long, value_name = "TIME|SIZE", value_parser = rotate, help_heading = "Many files",
        conflicts_with_all = ["force", "max_size"])]
    rotate: Option<RotateAt>,

    /// Delete files older than this time (24h), or all but this many (10).
    #[arg(long, value_name = "TIME|N", value_parser = keep, requires = "rotate",
        help_heading = "Many files")]
    keep: Option<Retention>,

    /// Keep this much time in memory, and write it on request.
    #[arg(long, value_name = "TIME", value_parser = interval, conflicts_with = "rotate",
        help_heading = "Flight recorder")]
    ring: Option<Duration>,

    /// Write it when a counter grows by more than this in an interval ('TcpRetransSegs > 500') or a
    /// second ('TcpRetransSegs > 1000/s'), at most once in the time that is kept.
    #[arg(long, value_name = "COUNTER > N", value_parser = threshold, requires = "ring",
        help_heading = "Flight recorder")]
    trigger: Option<CounterThreshold>,

    /// Write it at the end too, for example after Ctrl-C.
    #[arg(long, requires = "ring", help_heading = "Flight recorder")]
    write_on_exit: bool,
}

/// What `--ring` keeps in memory without `--max-size`.
const RING_SIZE: u64 = 256 << 20;

/// Ways to compress.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// As one stream of zstd.
    Zstd,
    /// Not at all.
    None,
}

impl From<Form> for Compression {
    fn from(form: Form) -> Self {
        match form {
            Form::Zstd => Self::Zstd,
            Form::None => Self::None,
        }
    }
}

impl RecordCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        run::run(&self)
    }

    /// Where the recording goes.
    fn store(&self) -> StoreOptions {
        let mode = match (self.rotate, self.ring) {
            (Some(at), _) => StoreMode::Rotate { at, retention: self.keep },
            (None, Some(span)) => {
                StoreMode::Ring { span, most: self.max_size.unwrap_or(RING_SIZE) }
            }
            (None, None) => StoreMode::One,
        };
        StoreOptions {
            path: self.file.clone(),
            force: self.force,
            compression: self.compress.into(),
            mode,
        }
    }
}
