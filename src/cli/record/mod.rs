//! `tcpdiag record`.

mod holders;
mod place;
pub(super) mod progress;
mod run;

pub(super) use holders::line;
pub(super) use place::settings;
pub(super) use run::{File, Start, begin};

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::repeat::interval;
use super::size::size;
use crate::record::Compression;

/// Record what the kernel says of sockets and counters, to ask it later.
///
/// At every interval all sockets in all states with everything the kernel tells of them, the
/// deaths of sockets, the counter files and who holds the sockets go to a file, byte for byte as
/// they came. Ctrl-C ends it well; a recording that was cut short can be read up to the cut.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag record incident.pcapng.zst                 every second, until interrupted
  tcpdiag record night.pcapng.zst -i 10s --duration 8h --max-size 2GiB
  tcpdiag record web.pcapng.zst --netns web --count 60
  tshark -r incident.pcapng.zst                      what Wireshark makes of it

The file is pcapng, compressed with zstd, whatever its name. It holds what root may see where
root records it: addresses, process names, the keys of TCP-MD5. It is made readable for its
owner only.")]
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

    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = interval, conflicts_with = "count")]
    duration: Option<Duration>,

    /// End when a further sample like the last one would make the file larger than this.
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| size(text, 1 << 50))]
    max_size: Option<u64>,

    /// Record another network namespace: a name of `ip netns`, a pid, a path, or `all` there are
    /// now; repeatable.
    #[arg(long, short = 'N', value_name = "NETNS")]
    netns: Vec<String>,

    /// How to compress.
    #[arg(long, value_enum, default_value_t = Form::Zstd, value_name = "FORM")]
    compress: Form,
}

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
}
