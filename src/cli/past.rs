//! Asking a recording instead of the kernel.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::exit::say;
use crate::record::{Found, Moment, Reader};
use crate::source::Host;

/// Which recording, and when.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct PastArgs {
    /// Ask a recording of `tcpdiag record` instead of the kernel: its last sample without --at.
    #[arg(long, value_name = "FILE", conflicts_with = "interval")]
    read: Option<PathBuf>,
    /// The last sample up to this time: 2026-11-21T04:45:00Z, or in local time 2026-11-21T04:45.
    #[arg(long, value_name = "TIME", requires = "read", value_parser = time)]
    at: Option<Timestamp>,
}

impl PastArgs {
    /// The moment that was asked for; `None` for now.
    pub(super) fn moment(&self) -> anyhow::Result<Option<Moment>> {
        self.read.as_deref().map(|path| self.of(path)).transpose()
    }

    fn of(&self, path: &Path) -> anyhow::Result<Moment> {
        let name = || path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut reader = Reader::new(file).with_context(name)?;
        let at = self.at.map(|at| u64::try_from(at.as_nanosecond().max(0)).unwrap_or(u64::MAX));
        let Found { moment, first, damage } = Moment::find(&mut reader, at);
        if let Some(damage) = damage {
            say(format_args!("tcpdiag: {}: {damage}", path.display()));
        }
        if !reader.is_of_this_byte_order() {
            bail!("{}: recorded on a machine of the other byte order", path.display());
        }
        match (moment, first) {
            (Some(moment), _) => {
                let time = in_full(moment.clocks.realtime_ns);
                say(format_args!("{}: sample {} of {time}", path.display(), moment.number + 1));
                Ok(moment)
            }
            (None, Some(first)) => {
                bail!("{}: nothing before its first sample, of {}", path.display(), in_full(first))
            }
            (None, None) => bail!("{}: no whole sample in it", path.display()),
        }
    }
}

/// The host of a moment.
pub(super) fn host(moment: &Moment) -> Host {
    let facts = &moment.host;
    Host {
        hostname: facts.hostname.clone(),
        kernel: facts.kernel.clone(),
        boot_id: facts.boot_id.clone(),
    }
}

/// A time of a recording.
pub(super) fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// In full, so that it can be given back to `--at`.
fn in_full(nanoseconds: u64) -> String {
    format!("{:.9}", timestamp(nanoseconds))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
    text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp())).ok_or_else(|| {
        format!(
            "`{text}` is no time; accepted are times such as 2026-11-21T04:45:00Z, \
             2026-11-21T04:45:00+01:00 and, in local time, 2026-11-21T04:45"
        )
    })
}
