//! File names with a time in them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::file::Output;
use super::store_error::StoreError;

/// Endings of file names that a time goes before.
const ENDINGS: [&str; 3] = [".pcapng.zst", ".pcapng", ".zst"];

/// The form of a time in a name: UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Files of one second are numbered up to this.
const MOST_NUMBERS: u32 = 1000;

/// A file name in two parts, between which a time goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming {
    directory: PathBuf,
    before: String,
    after: String,
}

impl Naming {
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| StoreError::Name { path: path.to_owned() })?;
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

    /// The name with this time in it; further ones of the same second are numbered from 2.
    pub(super) fn at(&self, time: Timestamp, number: u32) -> PathBuf {
        let time = time.strftime(TIME);
        let further = if number > 1 { format!("-{number}") } else { String::new() };
        self.directory.join(format!("{}-{time}{further}{}", self.before, self.after))
    }

    /// The time in a file name, and its number in that second; `None` if it has another form.
    pub(super) fn time_in(&self, name: &str) -> Option<(Timestamp, u32)> {
        let middle = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let middle = middle.strip_prefix('-')?;
        let (time, number) = match middle.split_once('-') {
            None => (middle, 1),
            Some((time, number)) => (time, number.parse().ok().filter(|number| *number > 1)?),
        };
        let civil = jiff::civil::DateTime::strptime(TIME, time).ok()?;
        let time = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        // Another spelling of the same time is another name.
        let expected = self.at(time, number);
        (expected.file_name()?.to_str()? == name).then_some((time, number))
    }

    /// Creates a file named after this time, and never overwrites one; returns its number in that
    /// second, which is at least `least`.
    pub(super) fn create(
        &self,
        time: Timestamp,
        least: u32,
    ) -> Result<(PathBuf, u32, Output), StoreError> {
        let mut number = least;
        loop {
            let path = self.at(time, number);
            match Output::create(&path, false) {
                Err(StoreError::Exists { .. }) if number - least < MOST_NUMBERS => number += 1,
                output => return Ok((path, number, output?)),
            }
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
