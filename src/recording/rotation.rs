//! A recording in many files, of which old ones are deleted.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::file::Output;
use super::naming::Naming;
use super::store_error::StoreError;
use super::when::timestamp;
use super::{Entry, HostFacts, Kind, Reader};
use crate::sys::Clocks;

/// When the next file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateAt {
    /// When the file has this age.
    Age(Duration),
    /// Before the file is larger than this.
    Size(u64),
}

/// Which files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Those with samples of the last time of this length.
    Time(Duration),
    /// This number of files.
    Files(usize),
}

/// A file that should be deleted and could not be.
#[derive(Debug)]
pub struct DeleteFailure {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Names that are not used again after their files were deleted.
const MOST_NAMES: usize = 4096;

/// The files of a recording.
#[derive(Debug)]
pub(super) struct Rotation {
    naming: Naming,
    rotate: RotateAt,
    retention: Option<Retention>,
    hostname: String,
    boot_id: Option<String>,
    /// When the run began.
    started: Clocks,
    /// The files of this run that are left, in their order, and when each was begun.
    own: Vec<(PathBuf, Clocks)>,
    /// The seconds and numbers in the last names.
    names: VecDeque<(i64, u32)>,
    /// The file that is being written.
    pub(super) current: PathBuf,
    /// The file that is complete next.
    written: PathBuf,
    /// Complete files and their bytes, with those that were deleted.
    pub(super) finished: u64,
    pub(super) size: u64,
    /// Files that could not be deleted, which is reported once.
    undeletable: Vec<PathBuf>,
}

/// A file that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    /// When it was begun.
    begun: Clocks,
    /// The boot of the host in which it was; `None` if that is not known.
    boot_id: Option<String>,
    /// The time and number in its name, which only decide between files that are otherwise equal.
    name: (Timestamp, u32),
}

impl Rotation {
    /// Begins the first file of a run on the host of these facts.
    pub(super) fn begin(
        naming: Naming,
        rotate: RotateAt,
        retention: Option<Retention>,
        host: &HostFacts,
    ) -> Result<(Self, Output), StoreError> {
        let mut rotation = Self {
            naming,
            rotate,
            retention,
            hostname: host.hostname.clone(),
            boot_id: host.boot_id.clone(),
            started: host.clocks,
            own: Vec::new(),
            names: VecDeque::new(),
            written: PathBuf::new(),
            current: PathBuf::new(),
            finished: 0,
            size: 0,
            undeletable: Vec::new(),
        };
        let output = rotation.next(host.clocks)?;
        rotation.written.clone_from(&rotation.current);
        Ok((rotation, output))
    }

    /// Begins the next file. The name of a file that was deleted is not used again, as it could be
    /// after the clock was set back.
    pub(super) fn next(&mut self, now: Clocks) -> Result<Output, StoreError> {
        let time = timestamp(now.realtime_ns);
        let second = time.as_second();
        let used = self.names.iter().filter(|(known, _)| *known == second);
        let least = used.map(|(_, number)| number.saturating_add(1)).max().unwrap_or(1);
        let (path, number, output) = self.naming.create(time, least)?;
        if self.names.len() == MOST_NAMES {
            self.names.pop_front();
        }
        self.names.push_back((second, number));
        if self.retention.is_none() {
            self.own.clear();
        }
        self.own.push((path.clone(), now));
        self.current = path;
        Ok(output)
    }

    /// The file before the current one is complete; at the end, the current one.
    pub(super) fn finish(&mut self) {
        let path = std::mem::replace(&mut self.written, self.current.clone());
        self.finished += 1;
        self.size += fs::metadata(path).map_or(0, |metadata| metadata.len());
    }

    /// Whether a file of this age, and of this size with one more sample, is full.
    pub(super) fn is_due(&self, age: Duration, size_then: u64) -> bool {
        match self.rotate {
            RotateAt::Age(time) => age >= time,
            RotateAt::Size(most) => size_then > most,
        }
    }

    /// Deletes the files that need not be kept: only those with such a name that are recordings of
    /// this host, and never the current one.
    pub(super) fn delete_expired(&mut self, now: Clocks) -> Vec<DeleteFailure> {
        let mut failures = Vec::new();
        let Some(retention) = self.retention else { return failures };
        let Ok(mut files) = self.candidates() else { return failures };
        order(&mut files, self.boot_id.as_deref());
        for path in self.expired(&files, retention, now) {
            if self.is_current(&path) || self.undeletable.contains(&path) {
                continue;
            }
            if let Err(error) = fs::remove_file(&path) {
                self.undeletable.push(path.clone());
                failures.push(DeleteFailure { path, error });
            }
        }
        self.own.retain(|(path, _)| *path == self.current || path.symlink_metadata().is_ok());
        failures
    }

    /// The recordings of this host with such names, and when they were begun.
    fn candidates(&self) -> io::Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for entry in fs::read_dir(self.naming.directory())?.flatten() {
            let file_name = entry.file_name();
            let name = file_name.to_str().and_then(|name| self.naming.time_in(name));
            let Some(name) = name else { continue };
            let own = self.own.iter().find(|(path, _)| path.file_name() == Some(&file_name));
            let (path, begun, boot_id) = match own {
                // What it says of itself may not be on the disk yet.
                Some((path, begun)) => (path.clone(), *begun, self.boot_id.clone()),
                None => match self.facts(&entry.path()) {
                    Some(facts) => (entry.path(), facts.clocks, facts.boot_id),
                    None => continue,
                },
            };
            candidates.push(Candidate { path, begun, boot_id, name });
        }
        Ok(candidates)
    }

    fn is_current(&self, path: &Path) -> bool {
        path.file_name() == self.current.file_name()
    }

    /// What a file says of its host, if it is a recording of this one, and no link to another file.
    fn facts(&self, path: &Path) -> Option<HostFacts> {
        path.symlink_metadata().ok().filter(Metadata::is_file)?;
        let mut reader = Reader::new(File::open(path).ok()?).ok()?;
        let Ok(Some(Entry::Note(note))) = reader.read_entry() else { return None };
        let facts = (note.kind == Kind::Host).then(|| note.json::<HostFacts>().ok()).flatten()?;
        (facts.hostname == self.hostname).then_some(facts)
    }

    /// The files that need not be kept, of these, oldest first. A file ends where the next begins.
    ///
    /// The age of what was recorded since the host was booted is that of the monotonic clock,
    /// whatever the wall clock was set to meanwhile. Before that there is only the wall clock: the
    /// earlier of what it shows, and what it would show had it not been set during this run.
    fn expired(&self, files: &[Candidate], retention: Retention, now: Clocks) -> Vec<PathBuf> {
        let passed = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
        let of_run = now.monotonic_ns.saturating_sub(self.started.monotonic_ns);
        let wall = now.realtime_ns.min(self.started.realtime_ns.saturating_add(of_run));
        let age = |file: &Candidate| match is_of_boot(file, self.boot_id.as_deref()) {
            true => passed(file.begun.monotonic_ns, now.monotonic_ns),
            false => passed(file.begun.realtime_ns, wall),
        };
        let count = match retention {
            Retention::Files(most) => files.len().saturating_sub(most),
            // Whatever is before a file that began so long ago has ended, also where the clock of
            // an earlier boot was ahead.
            Retention::Time(time) => {
                files.iter().skip(1).rposition(|next| age(next) > time).map_or(0, |at| at + 1)
            }
        };
        files.iter().take(count).map(|file| file.path.clone()).collect()
    }
}

fn is_of_boot(file: &Candidate, boot_id: Option<&str>) -> bool {
    boot_id.is_some() && file.boot_id.as_deref() == boot_id
}

/// Puts files into the order in which they were begun: those of earlier boots, then those of this
/// one. Within a boot the monotonic clock decides; which boot was earlier, and all of it where the
/// boot is not known, the wall clock.
fn order(files: &mut [Candidate], this_boot: Option<&str>) {
    let mut boots: FxHashMap<String, u64> = FxHashMap::default();
    for Candidate { boot_id, begun, .. } in files.iter() {
        let Some(boot) = boot_id else { continue };
        let first = boots.entry(boot.clone()).or_insert(u64::MAX);
        *first = begun.realtime_ns.min(*first);
    }
    files.sort_by_cached_key(|file| {
        let first = file.boot_id.as_ref().and_then(|boot| boots.get(boot)).copied();
        let monotonic = first.map_or(0, |_| file.begun.monotonic_ns);
        let begun = first.unwrap_or(file.begun.realtime_ns);
        let boot = file.boot_id.clone();
        (is_of_boot(file, this_boot), begun, boot, monotonic, file.name, file.path.clone())
    });
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;
    /// The wall clock of the run's begin.
    const WALL: u64 = 500_000 * HOUR;

    /// Hours by the wall clock, from that of the run's begin, and since the boot.
    fn clocks(wall: i64, monotonic: u64) -> Clocks {
        let realtime_ns = WALL.saturating_add_signed(wall * HOUR as i64);
        Clocks { realtime_ns, monotonic_ns: monotonic * HOUR }
    }

    fn file(name: &str, boot: Option<&str>, begun: Clocks) -> Candidate {
        let boot_id = boot.map(str::to_owned);
        Candidate { path: name.into(), begun, boot_id, name: (Timestamp::UNIX_EPOCH, 1) }
    }

    /// A run of the boot `here`, which began 10 hours after it.
    fn rotation() -> (tempfile::TempDir, Rotation, Output) {
        let directory = tempfile::tempdir().unwrap();
        let naming = Naming::of(&directory.path().join("a.pcapng")).unwrap();
        let boot_id = Some("here".to_owned());
        let host = HostFacts { boot_id, clocks: clocks(0, 10), ..HostFacts::default() };
        let rotate = RotateAt::Age(Duration::from_secs(3600));
        let (rotation, mut output) = Rotation::begin(naming, rotate, None, &host).unwrap();
        output.flush().unwrap();
        (directory, rotation, output)
    }

    /// Begins the next file. It has its name from the first flush on.
    fn begin(rotation: &mut Rotation, now: Clocks) {
        rotation.next(now).unwrap().flush().unwrap();
    }

    fn expired(files: &[Candidate], retention: Retention, now: Clocks) -> Vec<String> {
        let (_directory, rotation, _) = rotation();
        let mut files = files.to_vec();
        // Whatever order the directory has.
        files.reverse();
        order(&mut files, Some("here"));
        let expired = rotation.expired(&files, retention, now);
        expired.iter().map(|path| path.display().to_string()).collect()
    }

    fn hours(hours: u64) -> Retention {
        Retention::Time(Duration::from_secs(hours * 3600))
    }

    #[test]
    fn expired_files() {
        let files: Vec<_> = (0..6)
            .map(|hour| file(&hour.to_string(), Some("here"), clocks(hour, 10 + hour as u64)))
            .collect();
        let expired_by = |retention| expired(&files, retention, clocks(6, 16)).len();
        assert_eq!(expired_by(Retention::Files(2)), 4);
        assert_eq!(expired_by(Retention::Files(6)), 0);
        assert_eq!(expired_by(Retention::Files(60)), 0);
        // The file of hour 3 ends at 4, two hours before now.
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(2 * 3600 - 1))), 4);
        assert_eq!(expired_by(hours(2)), 3);
        // The last one is the one that runs.
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(1))), 5);
        assert_eq!(expired_by(hours(1 << 40)), 0);
        assert!(expired(&[], Retention::Files(1), clocks(6, 16)).is_empty());
    }

    #[test]
    fn what_the_wall_clock_was_set_to_does_not_matter() {
        // The clock is a day ahead in the third file, and two days behind from the fifth on.
        let walls = [0, 1, 26, 27, -44, -43];
        let files: Vec<_> = (0..6)
            .map(|at| file(&at.to_string(), Some("here"), clocks(walls[at], 10 + at as u64)))
            .collect();
        for now in [clocks(-42, 16), clocks(30, 16), clocks(5, 16)] {
            assert_eq!(expired(&files, Retention::Files(2), now), ["0", "1", "2", "3"]);
            assert_eq!(expired(&files, hours(2), now), ["0", "1", "2"]);
            assert!(expired(&files, hours(6), now).is_empty());
        }
    }

    #[test]
    fn earlier_boots_are_older_and_age_by_the_wall_clock() {
        let files = [
            file("a", Some("before"), clocks(-60, 1)),
            // The clock of that boot was set back.
            file("b", Some("before"), clocks(-70, 2)),
            file("c", Some("then"), clocks(-10, 5)),
            file("unknown", None, clocks(-5, 0)),
            // A clock that was ahead does not make a boot later than this one.
            file("ahead", Some("ahead"), clocks(900, 3)),
            file("own", Some("here"), clocks(0, 10)),
            file("current", Some("here"), clocks(1, 11)),
        ];
        let names = |retention, now| expired(&files, retention, now);
        let oldest = ["a", "b", "c", "unknown", "ahead"];
        assert_eq!(names(Retention::Files(2), clocks(1, 11)), oldest);
        assert_eq!(names(hours(24), clocks(1, 11)), ["a"]);
        assert_eq!(names(hours(10), clocks(1, 11)), ["a", "b"]);
        // A clock that was ahead keeps nothing.
        assert_eq!(names(hours(24), clocks(100, 110)), [&oldest[..], &["own"]].concat());
        // When the clock is set forward during the run, nothing gets older by that.
        assert_eq!(names(hours(24), clocks(2000, 11)), ["a"]);
    }

    #[test]
    fn names_are_not_used_again() {
        let (directory, mut rotation, _) = rotation();
        rotation.retention = Some(Retention::Files(1));
        let now = clocks(100, 20);
        let mut names = vec![];
        for _ in 0..4 {
            begin(&mut rotation, now);
            names.push(rotation.current.clone());
            assert!(rotation.delete_expired(now).is_empty());
            let left = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!((left, rotation.own.len()), (1, 1));
            assert!(rotation.current.exists());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn what_a_run_wrote_is_kept_when_the_clock_is_set_back() {
        let (_directory, mut rotation, _) = rotation();
        rotation.retention = Some(hours(3));
        for (wall, monotonic) in [(1, 11), (2, 12), (-20, 13), (-19, 14)] {
            begin(&mut rotation, clocks(wall, monotonic));
            rotation.delete_expired(clocks(wall, monotonic));
        }
        let hours = |rotation: &Rotation| -> Vec<u64> {
            rotation.own.iter().map(|(_, begun)| begun.monotonic_ns / HOUR).collect()
        };
        assert_eq!(hours(&rotation), [10, 11, 12, 13, 14]);
        rotation.delete_expired(clocks(-17, 16));
        assert_eq!(hours(&rotation), [12, 13, 14]);
    }
}
