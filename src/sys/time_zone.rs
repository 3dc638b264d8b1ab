//! The user's time zone: the environment variable TZ, or /etc/localtime.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use super::regular_file::{RegularFileError, read_regular_file};

/// The zone of the host, as the C library has it.
const LOCAL_TIME: &str = "/etc/localtime";

/// Where zones are by name, unless TZDIR names another directory.
const ZONES: &str = "/usr/share/zoneinfo";

/// The largest file of a zone that is read. Those of tzdata 2025b have up to 4 KiB.
const LARGEST: u64 = 1 << 16;

/// The rule of POSIX zones that name daylight saving time without saying when it holds. The C
/// library takes the same (`__tzset_parse_tz`, glibc 2.36).
const USUAL_RULE: &str = ",M3.2.0,M11.1.0";

/// Why there is no zone.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{name} is no time zone: {why}; accepted are names such as Europe/Berlin, files, and rules of \
     POSIX such as CET-1CEST,M3.5.0,M10.5.0/3"
)]
pub struct TimeZoneError {
    /// `TZ=Europe/Berln`, or the file.
    name: String,
    why: String,
}

static ZONE: OnceLock<Result<TimeZone, TimeZoneError>> = OnceLock::new();

/// The user's time zone, looked up once.
///
/// # Errors
/// When TZ, or else the host, names something that is no time zone.
pub fn local_time_zone() -> Result<&'static TimeZone, &'static TimeZoneError> {
    let zone = ZONE.get_or_init(|| {
        let directory = std::env::var_os("TZDIR").filter(|directory| !directory.is_empty());
        let directory = directory.map_or_else(|| PathBuf::from(ZONES), PathBuf::from);
        find(std::env::var_os("TZ"), &directory, Path::new(LOCAL_TIME))
    });
    zone.as_ref()
}

/// Why there is no time zone, if [`local_time_zone`] was asked for it.
pub fn missing_time_zone() -> Option<&'static TimeZoneError> {
    ZONE.get()?.as_ref().err()
}

/// The zone that `tz` stands for, the value of TZ.
fn find(
    tz: Option<OsString>,
    directory: &Path,
    local_time: &Path,
) -> Result<TimeZone, TimeZoneError> {
    let Some(tz) = tz else {
        return match read(local_time, local_time.as_os_str()) {
            Err(Unread::File(error)) if error.is_missing() => Ok(TimeZone::UTC),
            Err(why) => {
                Err(TimeZoneError { name: local_time.display().to_string(), why: why.to_string() })
            }
            Ok(zone) => Ok(zone),
        };
    };
    let wanted = tz.as_bytes().strip_prefix(b":").unwrap_or(tz.as_bytes());
    let wanted = OsStr::from_bytes(wanted);
    if wanted.is_empty() {
        return Ok(TimeZone::UTC);
    }
    // An absolute path replaces the directory.
    let path = directory.join(wanted);
    read(&path, wanted).or_else(|why| {
        posix(wanted).ok_or_else(|| TimeZoneError {
            name: format!("TZ={}", tz.as_bytes().escape_ascii()),
            why: match why {
                Unread::File(error) if error.is_missing() => {
                    format!("there is no file {}", path.as_os_str().as_bytes().escape_ascii())
                }
                why => {
                    format!("{}: {why}", path.as_os_str().as_bytes().escape_ascii())
                }
            },
        })
    })
}

/// Why a file gives no zone.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    File(#[from] RegularFileError),
    #[error("not a file of a time zone (TZif)")]
    Content,
}

fn read(path: &Path, name: &OsStr) -> Result<TimeZone, Unread> {
    let bytes = read_regular_file(path, LARGEST)?;
    TimeZone::tzif(&name.to_string_lossy(), &bytes).map_err(|_| Unread::Content)
}

/// A rule of POSIX: `CET-1CEST,M3.5.0,M10.5.0/3`.
fn posix(text: &OsStr) -> Option<TimeZone> {
    let text = text.to_str()?;
    let with_rule = || TimeZone::posix(&format!("{text}{USUAL_RULE}"));
    TimeZone::posix(text).or_else(|_| with_rule()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rustix::fs::{FileType, Mode};

    use super::*;

    /// A TZif file of one type, an hour east of Greenwich.
    fn one_hour_east() -> Vec<u8> {
        let mut bytes = Vec::new();
        for version in 0..2 {
            bytes.extend(b"TZif2");
            bytes.extend([0; 15]);
            // Counts: UT, standard, leap seconds, transitions, types, characters.
            for count in [0u32, 0, 0, 0, 1, 4] {
                bytes.extend(count.to_be_bytes());
            }
            bytes.extend(3600i32.to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(b"ONE\0");
            if version == 1 {
                bytes.extend(b"\nONE-1\n");
            }
        }
        bytes
    }

    fn offset(zone: &TimeZone, time: &str) -> i32 {
        zone.to_offset(time.parse::<Timestamp>().unwrap()).seconds()
    }

    #[test]
    fn zones_by_name_file_and_rule() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let missing = root.join("missing");
        std::fs::create_dir(root.join("Here")).unwrap();
        let file = root.join("Here/There");
        std::fs::write(&file, one_hour_east()).unwrap();
        let seconds = |tz: Option<&str>, local: &Path, time: &str| {
            find(tz.map(OsString::from), root, local).map(|zone| offset(&zone, time))
        };
        let (winter, summer) = ("2026-01-01T00:00Z", "2026-07-01T00:00Z");
        let path = file.to_str().unwrap();
        for (tz, expected) in [
            (None, 0),
            (Some(""), 0),
            (Some(":"), 0),
            (Some("Here/There"), 1),
            (Some(":Here/There"), 1),
            (Some(path), 1),
            (Some(&*format!(":{path}")), 1),
            (Some("CET-1CEST,M3.5.0,M10.5.0/3"), 1),
            (Some("EST5EDT"), -5),
            (Some("<+0530>-5:30"), 5),
        ] {
            let found = seconds(tz, &missing, winter).unwrap();
            assert_eq!(found.div_euclid(3600), expected, "{tz:?}");
        }
        assert_eq!(seconds(Some("CET-1CEST,M3.5.0,M10.5.0/3"), &missing, summer).unwrap(), 7200);
        assert_eq!(seconds(Some("EST5EDT"), &missing, summer).unwrap(), -4 * 3600);
        assert_eq!(seconds(None, &file, winter).unwrap(), 3600);
    }

    #[test]
    fn what_is_no_zone_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let fifo = root.join("fifo");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
        std::fs::write(root.join("text"), "a text").unwrap();
        std::fs::write(root.join("huge"), vec![0; 1 << 17]).unwrap();
        for (tz, words) in [
            ("Mars/Base", "TZ=Mars/Base is no time zone: there is no file"),
            ("fifo", "not a regular file"),
            ("/dev/zero", "not a regular file"),
            ("/", "not a regular file"),
            ("huge", "larger than 65536 bytes"),
            ("text", "not a file of a time zone"),
            ("a\u{1b}[31m", r"TZ=a\x1b[31m is no time zone"),
        ] {
            let error = find(Some(tz.into()), root, root).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("accepted are"), "{error}");
        }
        let error = find(None, root, &fifo).unwrap_err().to_string();
        assert!(error.contains("fifo is no time zone: not a regular file"), "{error}");
    }
}
