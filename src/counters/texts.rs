//! The texts of the counter files, for recordings.

use std::path::{Path, PathBuf};

use super::error::ReadError;
use super::fault::{FileFault, host_faults};
use super::procfile::ProcFile;
use super::reader::{CounterFile, FILES, add_missing};
use crate::sys::OWN_COUNTERS;

/// Name and path of the files about the host besides the counters: received packets by CPU, drops of
/// devices, and the size of connection tracking.
pub const HOST_FILES: [(&str, &str); 4] = [
    ("softnet_stat", "/proc/thread-self/net/softnet_stat"),
    ("dev", "/proc/thread-self/net/dev"),
    ("nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_count"),
    ("nf_conntrack_max", "/proc/sys/net/netfilter/nf_conntrack_max"),
];

/// Reads the texts of the counter files of a namespace repeatedly.
#[derive(Debug)]
pub struct CounterTexts {
    files: Vec<(&'static str, ProcFile)>,
    /// Whether the files about the host are among them.
    with_host: bool,
    buffer: Vec<u8>,
}

/// The names of the counter files.
fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

impl CounterTexts {
    /// Reads snmp, netstat, snmp6, sockstat and sockstat6 below `root`.
    pub fn new(root: &Path) -> Self {
        Self::of(names().map(|name| (name, root.join(name))), false)
    }

    /// The same for the thread's own namespace, with softnet_stat, dev, nf_conntrack_count and
    /// nf_conntrack_max.
    pub fn with_host() -> Self {
        let root = Path::new(OWN_COUNTERS);
        let more = HOST_FILES.iter().map(|(name, path)| (*name, PathBuf::from(path)));
        Self::of(names().map(|name| (name, root.join(name))).chain(more), true)
    }

    fn of(paths: impl Iterator<Item = (&'static str, PathBuf)>, with_host: bool) -> Self {
        let files = paths.map(|(name, path)| (name, ProcFile::new(path)));
        Self { files: files.collect(), with_host, buffer: Vec::new() }
    }

    /// Passes on the name and text of each file that exists, in the namespace of the calling
    /// thread. Returns the files that could not be read whole. No file stays open: nine of each
    /// namespace are too many.
    ///
    /// # Errors
    /// If a file exists and cannot be opened or read.
    pub fn read(&mut self, mut each: impl FnMut(&str, &str)) -> Result<Vec<FileFault>, ReadError> {
        let (mut faults, mut missing) = (Vec::new(), Vec::new());
        let mut of_host: Vec<(&str, String)> = Vec::new();
        for (name, file) in &mut self.files {
            let counters: Option<&CounterFile> = FILES.iter().find(|known| known.name == *name);
            match (file.read(&mut self.buffer)?, counters) {
                (Some(text), Some(counters)) => {
                    let fault = counters.fault(&text);
                    faults.extend(fault.map(|fault| FileFault { file: counters.name, fault }));
                    each(name, &text);
                }
                (Some(text), None) => {
                    each(name, &text);
                    of_host.push((name, text.into_owned()));
                }
                (None, counters) => missing.extend(counters),
            }
            file.close();
        }
        add_missing(missing.iter().copied(), &mut faults);
        if self.with_host {
            let text = |wanted: &str| {
                let found = of_host.iter().find(|(name, _)| *name == wanted);
                Ok::<_, ReadError>(found.map(|(_, text)| text.as_str()))
            };
            faults.extend(host_faults(text));
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_this_machine() {
        let mut texts = CounterTexts::new(Path::new(OWN_COUNTERS));
        for _ in 0..2 {
            let mut names = Vec::new();
            texts
                .read(|name, text| {
                    assert!(text.ends_with('\n'), "{name}");
                    names.push(name.to_owned());
                })
                .unwrap();
            assert!(names.starts_with(&["snmp".to_owned(), "netstat".to_owned()]), "{names:?}");
        }
    }

    #[test]
    fn files_about_the_host_are_read_too() {
        let mut texts_read = Vec::new();
        let mut texts = CounterTexts::with_host();
        texts.read(|name, text| texts_read.push((name.to_owned(), text.to_owned()))).unwrap();
        let text =
            |wanted: &str| texts_read.iter().find(|(name, _)| name == wanted).map(|it| &it.1);
        assert!(
            crate::counters::parse_softnet(text("softnet_stat").unwrap())
                .total("dropped")
                .is_some()
        );
        let devices = crate::counters::parse_devices(text("dev").unwrap());
        assert!(devices.iter().any(|device| device.name == "lo"));
    }

    #[test]
    fn absent_files_are_left_out() {
        let mut texts = CounterTexts::new(Path::new("/proc/version/net"));
        texts.read(|name, _| panic!("{name}")).unwrap();
    }
}
