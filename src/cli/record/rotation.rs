//! A recording in many files, of which old ones go.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::output::{Naming, Output};
use crate::cli::exit::say;
use crate::cli::repeat::interval;
use crate::cli::size::{size, spelled};
use crate::output::escape;
use crate::recording::{Entry, HostFacts, Kind, Reader};

/// Smaller files would be mostly what every file begins with.
const SMALLEST: u64 = 64 << 10;

/// When a further file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotate {
    Every(Duration),
    Size(u64),
}

pub(super) fn rotate(text: &str) -> Result<Rotate, String> {
    if let Ok(time) = interval(text) {
        return Ok(Rotate::Every(time));
    }
    match size(text, 1 << 50) {
        Ok(size) if size >= SMALLEST => Ok(Rotate::Size(size)),
        _ => Err(format!(
            "`{text}` is no time and no size; accepted are e.g. 1h, 30m, 100MiB, sizes of at \
             least {}",
            spelled(SMALLEST)
        )),
    }
}

/// Which files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Those with something of the last while.
    Time(Duration),
    /// So many.
    Files(usize),
}

pub(super) fn keep(text: &str) -> Result<Keep, String> {
    if let Ok(number) = text.parse::<usize>()
        && number > 0
    {
        return Ok(Keep::Files(number));
    }
    interval(text).map(Keep::Time).map_err(|_| {
        format!("`{text}` is no time and no number of files; accepted are e.g. 24h, 7d, 10")
    })
}

/// The files of a recording.
#[derive(Debug)]
pub(super) struct Rotation {
    naming: Naming,
    rotate: Rotate,
    keep: Option<Keep>,
    hostname: String,
    /// The file that is written.
    pub(super) current: PathBuf,
    /// The one that is whole next.
    written: PathBuf,
    /// Files that are whole, and their bytes, also of those that were deleted.
    pub(super) finished: u64,
    pub(super) size: u64,
    /// Files that could not be deleted, of which that was said.
    told: Vec<PathBuf>,
}

impl Rotation {
    /// Begins the first file.
    pub(super) fn begin(
        naming: Naming,
        rotate: Rotate,
        keep: Option<Keep>,
        hostname: String,
    ) -> anyhow::Result<(Self, Output)> {
        let (current, output) = naming.create(Timestamp::now())?;
        let rotation = Self {
            naming,
            rotate,
            keep,
            hostname,
            written: current.clone(),
            current,
            finished: 0,
            size: 0,
            told: Vec::new(),
        };
        Ok((rotation, output))
    }

    /// Begins a further file.
    pub(super) fn next(&mut self) -> anyhow::Result<Output> {
        let (path, output) = self.naming.create(Timestamp::now())?;
        self.current = path;
        Ok(output)
    }

    /// The file before the current one is whole; at the end, the current one.
    pub(super) fn finish(&mut self) {
        let path = std::mem::replace(&mut self.written, self.current.clone());
        self.finished += 1;
        self.size += fs::metadata(path).map_or(0, |metadata| metadata.len());
    }

    /// Whether a file of this age and size, which the next sample will make larger, is full.
    pub(super) fn is_due(&self, age: Duration, size_then: u64) -> bool {
        match self.rotate {
            Rotate::Every(time) => age >= time,
            Rotate::Size(most) => size_then > most,
        }
    }

    /// Deletes what need not be kept: only files with such a name that are recordings of this
    /// program on this host, and never the one that is written.
    pub(super) fn clean(&mut self) {
        let Some(keep) = self.keep else { return };
        let Ok(entries) = fs::read_dir(self.naming.directory()) else { return };
        let mut files: Vec<(Timestamp, u32, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let (time, number) = self.naming.time_in(entry.file_name().to_str()?)?;
                Some((time, number, entry.path()))
            })
            .filter(|(.., path)| self.is_current(path) || self.is_ours(path))
            .collect();
        files.sort();
        for path in expired(&files, keep, Timestamp::now()) {
            if self.is_current(&path) || self.told.contains(&path) {
                continue;
            }
            if let Err(error) = fs::remove_file(&path) {
                say(format_args!("tcpdiag: cannot delete {}: {error}", shown(&path)));
                self.told.push(path);
            }
        }
    }

    fn is_current(&self, path: &Path) -> bool {
        path.file_name() == self.current.file_name()
    }

    /// Whether a file is a recording of this host, and nothing that stands for another file.
    fn is_ours(&self, path: &Path) -> bool {
        if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return false;
        }
        let Ok(file) = File::open(path) else { return false };
        let Ok(mut reader) = Reader::new(file) else { return false };
        match reader.read_entry() {
            Ok(Some(Entry::Note(note))) if note.kind == Kind::Host => {
                note.json::<HostFacts>().is_ok_and(|facts| facts.hostname == self.hostname)
            }
            _ => false,
        }
    }
}

fn shown(path: &Path) -> String {
    escape::text(&path.display().to_string()).into_owned()
}

/// Which of these files, by age, need not be kept. A file ends where the next begins.
fn expired(files: &[(Timestamp, u32, PathBuf)], keep: Keep, now: Timestamp) -> Vec<PathBuf> {
    let count = match keep {
        Keep::Files(most) => files.len().saturating_sub(most),
        Keep::Time(time) => {
            let Ok(oldest) = now.checked_sub(time) else { return Vec::new() };
            files.iter().skip(1).take_while(|(begun, ..)| *begun < oldest).count()
        }
    };
    files.iter().take(count).map(|(.., path)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(rotate("1h"), Ok(Rotate::Every(Duration::from_secs(3600))));
        assert_eq!(rotate("100MiB"), Ok(Rotate::Size(100 << 20)));
        assert_eq!(keep("24h"), Ok(Keep::Time(Duration::from_secs(86_400))));
        assert_eq!(keep("10"), Ok(Keep::Files(10)));
        for text in ["", "0", "10", "-1h", "often", "10KiB"] {
            assert!(rotate(text).unwrap_err().contains("accepted are e.g. 1h"), "{text}");
        }
        for text in ["", "0", "-1", "forever", "100MiB"] {
            assert!(keep(text).unwrap_err().contains("accepted are e.g. 24h"), "{text}");
        }
    }

    #[test]
    fn what_goes() {
        let time = |hour: u8| -> Timestamp { format!("2026-11-21T{hour:02}:00Z").parse().unwrap() };
        let files: Vec<_> =
            (0..6).map(|hour| (time(hour), 1, PathBuf::from(hour.to_string()))).collect();
        let gone = |keep| expired(&files, keep, time(6)).len();
        assert_eq!(gone(Keep::Files(2)), 4);
        assert_eq!(gone(Keep::Files(6)), 0);
        assert_eq!(gone(Keep::Files(60)), 0);
        // The file of hour 3 ends at 4, two hours before now.
        assert_eq!(gone(Keep::Time(Duration::from_secs(2 * 3600 - 1))), 4);
        assert_eq!(gone(Keep::Time(Duration::from_secs(2 * 3600))), 3);
        // The last one is the one that runs.
        assert_eq!(gone(Keep::Time(Duration::from_secs(1))), 5);
        assert_eq!(gone(Keep::Time(Duration::from_secs(1 << 40))), 0);
        assert_eq!(expired(&[], Keep::Files(1), time(6)), Vec::<PathBuf>::new());
    }
}
