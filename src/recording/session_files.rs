//! The files of a session, in time order.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::counted_file::{BytesRead, CountedFile};
use super::facts::{HostFacts, NamespaceOf, SampleBegun};
use super::session_error::{FileDamage, SessionError};
use super::timeline::Timeline;
use super::{ClockStep, Damage, Entry, Kind, Mark, ReadError, Reader};
use crate::sys::Clocks;

/// The most bytes of the namespaces that all files begin with: of 100,000.
const MOST_NAMES: usize = 16 << 20;

/// A file of a session.
#[derive(Debug)]
pub(super) struct SessionFile {
    pub(super) path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    pub(super) size: u64,
    pub(super) is_regular: bool,
    in_directory: bool,
    /// What it begins with; `None` for the only file of a session, which may be a pipe.
    pub(super) head: Option<Head>,
}

/// What a file begins with, up to its first sample.
#[derive(Debug)]
pub(super) struct Head {
    /// When its first sample began, or it itself if it has none.
    pub(super) begun: Clocks,
    /// Without its command line.
    host: HostFacts,
    pub(super) namespaces: Vec<NamespaceOf>,
    pub(super) is_capture: bool,
}

/// The files that were found.
#[derive(Debug)]
pub(super) struct SessionFiles {
    pub(super) files: Vec<SessionFile>,
    /// Files of directories that are no recordings of this program.
    pub(super) skipped: u64,
    /// Recordings that end before their first sample could be read.
    pub(super) damage: Vec<FileDamage>,
    /// All are of the same boot, so their monotonic clocks can be compared.
    pub(super) is_one_boot: bool,
    /// Bytes of the namespaces that files begin with.
    names: usize,
}

impl SessionFile {
    fn new(path: &Path, metadata: &Metadata, in_directory: bool) -> Self {
        Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            is_regular: metadata.is_file(),
            in_directory,
            head: None,
        }
    }

    /// Whether this is the metadata of the same file.
    pub(super) fn is_same(&self, metadata: &Metadata) -> bool {
        self.identity == (metadata.dev(), metadata.ino())
    }

    /// When its first sample began, if that is known.
    fn begun(&self) -> Clocks {
        self.head.as_ref().map(|head| head.begun).unwrap_or_default()
    }

    /// Begins to read it; adds what is read to `read`.
    pub(super) fn open(&self, read: &BytesRead) -> Result<Reader<CountedFile>, SessionError> {
        let file = CountedFile::open(&self.path, read)
            .map_err(|source| SessionError::Open { path: self.path.clone(), source })?;
        let reader =
            Reader::new(file).map_err(|why| SessionError::Read { path: self.path.clone(), why })?;
        if !reader.is_of_this_byte_order() {
            return Err(SessionError::ByteOrder { path: self.path.clone() });
        }
        Ok(reader)
    }
}

impl SessionFiles {
    /// The recordings that these paths name, files or directories.
    pub(super) fn find(paths: &[PathBuf]) -> Result<Self, SessionError> {
        let mut found = Self {
            files: Vec::new(),
            skipped: 0,
            damage: Vec::new(),
            is_one_boot: false,
            names: 0,
        };
        let mut seen = FxHashSet::default();
        for path in paths {
            let open = |source| SessionError::Open { path: path.clone(), source };
            let metadata = fs::metadata(path).map_err(open)?;
            if metadata.is_dir() {
                let (before, skipped) = (found.files.len(), found.skipped);
                found.add_directory(path, &mut seen).map_err(open)?;
                found.read_heads(before)?;
                if found.files.len() == before && found.damage.is_empty() {
                    let skipped = found.skipped - skipped;
                    return Err(SessionError::EmptyDirectory { path: path.clone(), skipped });
                }
            } else if seen.insert((metadata.dev(), metadata.ino())) {
                found.files.push(SessionFile::new(path, &metadata, false));
            }
        }
        if found.files.len() > 1 {
            found.read_heads(0)?;
        }
        match (found.files.is_empty(), found.damage.first()) {
            (true, Some(FileDamage { path, why })) => {
                Err(SessionError::Read { path: path.clone(), why: why.clone() })
            }
            (true, None) => Err(SessionError::NoPath),
            (false, _) => {
                found.order()?;
                Ok(found)
            }
        }
    }

    /// Adds the regular files of a directory, by name, without those of directories in it.
    fn add_directory(
        &mut self,
        directory: &Path,
        seen: &mut FxHashSet<(u64, u64)>,
    ) -> io::Result<()> {
        let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            // It may be deleted meanwhile, as `record --keep` does.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            // Opening a FIFO would wait for its writer.
            if metadata.is_file() {
                if seen.insert((metadata.dev(), metadata.ino())) {
                    self.files.push(SessionFile::new(&path, &metadata, true));
                }
            } else if !metadata.is_dir() {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    /// Reads the heads of the files from number `first` on that have none yet. Drops those that
    /// are no recordings.
    fn read_heads(&mut self, first: usize) -> Result<(), SessionError> {
        for mut file in self.files.split_off(first) {
            if file.head.is_some() {
                self.files.push(file);
                continue;
            }
            if !file.is_regular {
                return Err(SessionError::NotAFile { path: file.path });
            }
            let error = match file.open(&BytesRead::default()) {
                Ok(mut reader) => {
                    if file.in_directory && !reader.has_notes() {
                        self.skipped += 1;
                    } else {
                        let head = Head::read(&mut reader);
                        self.names += head.size();
                        if self.names <= MOST_NAMES {
                            file.head = Some(head);
                            self.files.push(file);
                        } else {
                            let why = reader.damaged(Damage::Facts);
                            self.damage.push(FileDamage { path: file.path, why });
                        }
                    }
                    continue;
                }
                Err(error) => error,
            };
            let damage = match error {
                SessionError::Read { why: ReadError::NotARecording { .. }, .. }
                    if file.in_directory =>
                {
                    self.skipped += 1;
                    continue;
                }
                SessionError::Read { why: why @ ReadError::EndsEarly { .. }, .. } => why,
                SessionError::Open { source, .. } if file.in_directory => {
                    if source.kind() == io::ErrorKind::NotFound {
                        continue;
                    }
                    unreadable(&source)
                }
                error => return Err(error),
            };
            self.damage.push(FileDamage { path: file.path, why: damage });
        }
        Ok(())
    }

    /// Puts the files into time order; refuses those that do not belong together.
    fn order(&mut self) -> Result<(), SessionError> {
        self.files.sort_by_key(|file| file.begun().realtime_ns);
        let heads = || self.files.iter().filter_map(|file| Some((&file.path, file.head.as_ref()?)));
        for (one, other) in heads().zip(heads().skip(1)) {
            check_pair(one, other)?;
        }
        // Beside recordings that do not know their boot there may be two that differ.
        let booted = || heads().filter(|(_, head)| head.host.boot_id.is_some());
        for (one, other) in booted().zip(booted().skip(1)) {
            check_pair(one, other)?;
        }
        self.is_one_boot = booted().count() == self.files.len();
        if self.is_one_boot {
            // The wall clock may have been set back between two files.
            self.files.sort_by_key(|file| file.begun().monotonic_ns);
        }
        Ok(())
    }

    /// The last file whose first sample began at this mark or before; the first file if there is
    /// none.
    pub(super) fn covering(&self, mark: Mark) -> usize {
        let begins_by =
            |file: &SessionFile| file.head.as_ref().is_none_or(|head| !mark.is_before(head.begun));
        self.files.iter().rposition(begins_by).unwrap_or(0)
    }

    /// Whether samples of all files have an order by their monotonic clocks.
    pub(super) fn has_monotonic_order(&self) -> bool {
        let is_capture =
            |file: &SessionFile| file.head.as_ref().is_some_and(|head| head.is_capture);
        self.is_one_boot || self.files.len() == 1 && !self.files.iter().any(is_capture)
    }

    /// When the samples of a file were taken, as far as the wall clock was set between them: at the
    /// first one, and around each step. `None` if only reading the file shows that.
    pub(super) fn times_of(&self, at: usize) -> Option<Vec<Clocks>> {
        let head = self.files.get(at)?.head.as_ref()?;
        let next = self.files.get(at + 1)?.head.as_ref()?;
        if !self.is_one_boot {
            return None;
        }
        let mut times = vec![head.begun];
        match (&head.host.run, &next.host.run) {
            (Some(run), Some(after))
                if run.begun_ns == after.begun_ns
                    && after.number == run.number.saturating_add(1) =>
            {
                times.extend(after.clock_steps.iter().flat_map(|step| [step.before, step.after]));
                times.sort_by_key(|clocks| clocks.monotonic_ns);
                Some(times)
            }
            // Earlier versions did not write where it was set.
            (None, None) if ClockStep::between(head.begun, next.begun).is_none() => Some(times),
            _ => None,
        }
    }

    /// Where the wall clock was set before a file, as far as that is known from what files begin
    /// with.
    pub(super) fn steps_before(&self, at: usize) -> Vec<ClockStep> {
        let mut timeline = Timeline::new(!self.has_monotonic_order());
        for (number, file) in self.files.iter().enumerate().take(at) {
            let begun = || file.head.iter().map(|head| head.begun).collect();
            self.times_of(number).unwrap_or_else(begun).into_iter().for_each(|it| timeline.add(it));
        }
        let first = self.files.get(at).and_then(|file| file.head.as_ref());
        first.into_iter().for_each(|head| timeline.add(head.begun));
        timeline.steps().collect()
    }
}

/// Refuses two files that are not of the same boot of the same host.
fn check_pair(
    (one, a): (&PathBuf, &Head),
    (other, b): (&PathBuf, &Head),
) -> Result<(), SessionError> {
    let paths = (one.clone(), other.clone());
    if a.is_capture != b.is_capture {
        let (recording, capture) = if b.is_capture { paths } else { (paths.1, paths.0) };
        return Err(SessionError::Mixed { recording, capture });
    }
    let (a, b) = (&a.host, &b.host);
    match (&a.boot_id, &b.boot_id) {
        // A host may be renamed while it runs.
        (Some(boot), Some(other)) if boot == other => Ok(()),
        _ if a.hostname != b.hostname => {
            let hosts = (a.hostname.clone(), b.hostname.clone());
            Err(SessionError::Hosts { paths, hosts })
        }
        (Some(_), Some(_)) => Err(SessionError::Boots { paths, host: a.hostname.clone() }),
        _ => Ok(()),
    }
}

impl Head {
    /// Reads up to the first sample, or to the damage before it.
    fn read<R: Read>(reader: &mut Reader<R>) -> Self {
        let mut host = HostFacts::default();
        let mut namespaces = Vec::new();
        let mut known = FxHashSet::default();
        let is_capture = !reader.has_notes();
        let mut begun = None;
        while let Ok(Some((time, entry))) = reader.read_timed() {
            match entry {
                Entry::Note(note) => match note.kind {
                    Kind::Host => host = note.json().unwrap_or(host),
                    Kind::Namespace => {
                        let fact = note.json::<NamespaceOf>().ok();
                        namespaces.extend(fact.filter(|fact| known.insert(fact.inode)));
                    }
                    Kind::Sample => {
                        begun = note.json().ok().map(|begun: SampleBegun| begun.clocks);
                        break;
                    }
                    _ => {}
                },
                Entry::Datagram(_) if is_capture => {
                    begun = Some(Clocks { realtime_ns: time, monotonic_ns: time });
                    break;
                }
                Entry::Datagram(_) | Entry::Recording => {}
            }
        }
        let begun = begun.unwrap_or(host.clocks);
        host.arguments = Vec::new();
        Self { begun, host, namespaces, is_capture }
    }

    /// The bytes of its namespaces.
    fn size(&self) -> usize {
        let size = |fact: &NamespaceOf| {
            size_of::<NamespaceOf>() + fact.name.as_ref().map_or(0, String::len)
        };
        self.namespaces.iter().map(size).sum()
    }
}

/// That nothing of a file can be read.
pub(super) fn unreadable(error: &io::Error) -> ReadError {
    ReadError::EndsEarly { at: 0, compressed: false, why: Damage::Stream(error.to_string()) }
}
