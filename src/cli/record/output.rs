//! Where a recording goes: a file, or memory until it is wanted.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

/// What is gathered before it is written: a plain recording has a block for each event.
const BUFFER: usize = 1 << 18;

/// For the owner's eyes only: other users' addresses and processes are in it.
const MODE: u32 = 0o600;

/// The end of a file name that a time goes before.
const ENDINGS: [&str; 3] = [".pcapng.zst", ".pcapng", ".zst"];

/// How a time stands in a name: UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A recording's bytes.
#[derive(Debug)]
pub(in crate::cli) enum Output {
    Disk(BufWriter<fs::File>),
    Memory(Vec<u8>),
}

impl Output {
    /// A new file, or with `force` an empty one.
    pub(in crate::cli) fn create(path: &Path, force: bool) -> anyhow::Result<Self> {
        Ok(Self::Disk(BufWriter::with_capacity(BUFFER, create(path, force)?)))
    }

    /// Sends everything to the disk, if it goes there; else hands it back.
    pub(in crate::cli) fn close(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                // Some file systems tell only now that they are full.
                file.sync_all()?;
                Ok(Vec::new())
            }
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// Refuses what elsewhere stands for standard output.
pub(in crate::cli) fn is_file(path: &Path) -> anyhow::Result<()> {
    if path == Path::new("-") {
        anyhow::bail!("a recording goes to a file, not to standard output: give it a name");
    }
    Ok(())
}

fn create(path: &Path, force: bool) -> anyhow::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let cannot = || format!("cannot create {}", path.display());
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => anyhow::Error::new(error).context(cannot()),
    })?;
    if force && file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        // What was there before may have been for everybody.
        file.set_permissions(fs::Permissions::from_mode(MODE)).with_context(cannot)?;
    }
    Ok(file)
}

pub(super) fn exists(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} exists already; --force overwrites it", path.display())
}

/// A file's name in two parts, between which a time goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming {
    directory: PathBuf,
    before: String,
    after: String,
}

impl Naming {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| {
            format!("{}: a time goes into the name, so it has to be UTF-8", path.display())
        })?;
        let ending = ENDINGS.iter().find(|ending| name.ends_with(*ending) && name != **ending);
        let at = match ending {
            Some(ending) => name.len() - ending.len(),
            None => name.rfind('.').filter(|at| *at > 0).unwrap_or(name.len()),
        };
        let (before, after) = name.split_at(at);
        Ok(Self {
            directory: path.parent().unwrap_or(Path::new("")).to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// The directory of such files.
    pub(super) fn directory(&self) -> &Path {
        if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory }
    }

    /// The name with this time in it; `further` ones of the same second are numbered from 2.
    pub(super) fn at(&self, time: Timestamp, number: u32) -> PathBuf {
        let time = time.strftime(TIME);
        let further = if number > 1 { format!("-{number}") } else { String::new() };
        self.directory.join(format!("{}-{time}{further}{}", self.before, self.after))
    }

    /// The time in a file name, and which it is of its second; `None` if it is none of these.
    pub(super) fn time_in(&self, name: &str) -> Option<(Timestamp, u32)> {
        let middle = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let middle = middle.strip_prefix('-')?;
        let (time, number) = match middle.split_once('-') {
            None => (middle, 1),
            Some((time, number)) => (time, number.parse().ok().filter(|number| *number > 1)?),
        };
        let civil = jiff::civil::DateTime::strptime(TIME, time).ok()?;
        let time = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        // Nothing else that may be read as the same time.
        let name_of_it = self.at(time, number);
        (name_of_it.file_name()?.to_str()? == name).then_some((time, number))
    }

    /// Creates a file named after this time. An existing one is never touched.
    pub(super) fn create(&self, time: Timestamp) -> anyhow::Result<(PathBuf, Output)> {
        let mut number = 1;
        loop {
            let path = self.at(time, number);
            if number < 1000 && path.symlink_metadata().is_ok() {
                number += 1;
                continue;
            }
            let output = Output::create(&path, false)?;
            return Ok((path, output));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, number: u32) -> String {
        let time = "2026-11-21T05:45:12.9Z".parse().unwrap();
        Naming::of(Path::new(path)).unwrap().at(time, number).display().to_string()
    }

    #[test]
    fn times_in_names() {
        for (path, wanted) in [
            ("web.pcapng.zst", "web-20261121T054512Z.pcapng.zst"),
            ("/var/tmp/a.b.pcapng", "/var/tmp/a.b-20261121T054512Z.pcapng"),
            ("x.zst", "x-20261121T054512Z.zst"),
            ("x.rec", "x-20261121T054512Z.rec"),
            ("bare", "bare-20261121T054512Z"),
            (".zst", ".zst-20261121T054512Z"),
        ] {
            assert_eq!(at(path, 1), wanted);
        }
        assert_eq!(at("bare", 2), "bare-20261121T054512Z-2");
        assert!(Naming::of(Path::new("..")).is_err());
    }

    #[test]
    fn names_are_read_back_and_others_are_not() {
        let naming = Naming::of(Path::new("d/web.pcapng.zst")).unwrap();
        let time: Timestamp = "2026-11-21T05:45:12Z".parse().unwrap();
        for number in [1, 2, 30] {
            let path = naming.at(time, number);
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(naming.time_in(name), Some((time, number)));
        }
        for other in [
            "web.pcapng.zst",
            "web-20261121T054512Z.pcapng",
            "web-20261121T054512Z-1.pcapng.zst",
            "web-20261121T054512Z-02.pcapng.zst",
            "web-20261121T054512.pcapng.zst",
            "web-20261321T054512Z.pcapng.zst",
            "web-20261121T054512Z-x.pcapng.zst",
            "web2-20261121T054512Z.pcapng.zst",
            "xweb-20261121T054512Z.pcapng.zst",
            "web-prod-20261121T054512Z.pcapng.zst",
        ] {
            assert_eq!(naming.time_in(other), None, "{other}");
        }
    }
}
