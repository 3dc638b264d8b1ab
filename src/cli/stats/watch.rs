//! One network namespace whose counters are watched.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::past::in_full;
use crate::counters::{CounterReader, Counters};
use crate::history::Origin;
use crate::procfs::{Host, NetNamespace};
use crate::recording::RecordedNamespace;
use crate::report::{CounterQuality, Namespace};
use crate::sys::{Clocks, uptime};

/// The files of whichever namespace the thread that opens them is in.
const ROOT: &str = "/proc/thread-self/net";

/// A sample: the clock, and the time since boot.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) captured_at: String,
    pub(super) uptime: Duration,
}

impl Sample {
    pub(super) fn now() -> Self {
        Self { captured_at: format!("{:.9}", Timestamp::now()), uptime: uptime() }
    }

    /// Of a recording, whose clock does not count the time that the machine was suspended.
    fn recorded(clocks: Clocks) -> Self {
        let uptime = Duration::from_nanos(clocks.monotonic_ns);
        Self { captured_at: in_full(clocks.realtime_ns), uptime }
    }
}

/// Its files, and what they said first, before and last.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) namespace: Namespace,
    reader: CounterReader,
    pub(super) first: Counters,
    pub(super) before: Counters,
    pub(super) now: Counters,
    /// When those were read; one, then two, then three different samples.
    pub(super) began: Sample,
    pub(super) previous: Option<Sample>,
    pub(super) at: Sample,
}

impl Watch {
    /// Opens the files of a namespace and reads them.
    pub(super) fn open(place: &NetNamespace) -> anyhow::Result<Self> {
        let mut reader = place.inside(|| CounterReader::new(Path::new(ROOT)).open())??;
        let mut now = Counters::default();
        reader.sample(&mut now)?;
        let at = Sample::now();
        Ok(Self {
            namespace: Namespace { inode: place.inode, name: place.name.clone() },
            reader,
            first: now.clone(),
            before: Counters::default(),
            now,
            began: at.clone(),
            previous: None,
            at,
        })
    }

    /// Of a recording's namespace, with what a sample says.
    pub(super) fn recorded(namespace: &RecordedNamespace, clocks: Clocks) -> anyhow::Result<Self> {
        let mut reader = CounterReader::given();
        reader.give(texts(namespace));
        let mut now = Counters::default();
        reader.sample(&mut now)?;
        let at = Sample::recorded(clocks);
        Ok(Self {
            namespace: Namespace { inode: namespace.inode, name: namespace.name.clone() },
            reader,
            first: now.clone(),
            before: Counters::default(),
            now,
            began: at.clone(),
            previous: None,
            at,
        })
    }

    /// Takes what another sample says.
    pub(super) fn take(
        &mut self,
        namespace: &RecordedNamespace,
        clocks: Clocks,
    ) -> anyhow::Result<()> {
        self.reader.give(texts(namespace));
        std::mem::swap(&mut self.before, &mut self.now);
        self.reader.sample(&mut self.now)?;
        self.previous = Some(std::mem::replace(&mut self.at, Sample::recorded(clocks)));
        Ok(())
    }

    /// Reads again.
    pub(super) fn sample(&mut self) -> anyhow::Result<()> {
        std::mem::swap(&mut self.before, &mut self.now);
        self.reader.sample(&mut self.now)?;
        self.previous = Some(std::mem::replace(&mut self.at, Sample::now()));
        Ok(())
    }

    /// Where the last reading comes from.
    pub(super) fn origin(&self, host: &Host) -> Origin {
        Origin {
            captured_at: self.at.captured_at.clone(),
            uptime_s: self.at.uptime.as_secs_f64(),
            hostname: host.hostname.clone(),
            kernel: host.kernel.clone(),
            boot_id: host.boot_id.clone(),
            netns: self.namespace.inode,
            netns_name: self.namespace.name.clone(),
        }
    }

    /// What is wrong with the last reading.
    pub(super) fn quality(&self) -> CounterQuality {
        quality(&self.now)
    }
}

/// The counter files of a sample, as they were when it began.
fn texts(namespace: &RecordedNamespace) -> impl Iterator<Item = (&str, &str)> + Clone {
    let [before, _] = &namespace.part.counters;
    before.iter().map(|(name, text)| (name.as_str(), text.as_str()))
}

/// What is wrong with a reading: whole groups that are not there, values that make no sense.
fn quality(counters: &Counters) -> CounterQuality {
    let has = |group: &str, but: &str| {
        counters
            .layout()
            .names()
            .any(|name| name.starts_with(group) && (but.is_empty() || !name.starts_with(but)))
    };
    let mut quality = CounterQuality::default();
    quality.common.decode_errors = counters.malformed() as u64;
    quality.unreadable = counters.unreadable().map(str::to_owned).collect();
    let groups = [("Tcp", "TcpExt"), ("TcpExt", ""), ("IpExt", "")];
    quality.groups_missing =
        groups.iter().filter(|(group, but)| !has(group, but)).map(|(group, _)| *group).collect();
    quality
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::read;

    /// Writes counter files, reads them, and tells what is said of them.
    fn said(snmp: &str, netstat: &str) -> (Vec<String>, Counters) {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("snmp"), snmp).unwrap();
        std::fs::write(root.path().join("netstat"), netstat).unwrap();
        let counters = read(root.path()).unwrap();
        (quality(&counters).warnings(), counters)
    }

    const EXT: &str = "TcpExt: TW\nTcpExt: 3\nIpExt: InOctets\nIpExt: 4\n";

    #[test]
    fn sound_files_have_no_note() {
        assert_eq!(said("Tcp: InSegs\nTcp: 1\n", EXT).0, Vec::<String>::new());
    }

    #[test]
    fn odd_files_have_one_and_the_rest_is_intact() {
        for (snmp, netstat, wanted) in [
            ("Tcp: InSegs\nTcp: 1\n", "", "no counters of TcpExt, IpExt"),
            ("", EXT, "no counters of Tcp;"),
            ("Tcp: InSegs\nTcp: 1 2 3\n", EXT, "2 lines or values of the counter files"),
            (
                "Tcp: InSegs OutSegs\nTcp: 1 99999999999999999999\n",
                EXT,
                "1 counter could not be read: TcpOutSegs",
            ),
            (
                "Tcp: A B C D E F\nTcp: 1\n",
                EXT,
                "5 counters could not be read: TcpB, TcpC, TcpD, TcpE, ...",
            ),
            ("Udp: A\nTcp: InSegs\nTcp: 1\n", EXT, "1 lines or values"),
        ] {
            let (lines, counters) = said(snmp, netstat);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains(wanted), "{lines:?}");
            if !netstat.is_empty() {
                assert_eq!(counters.get("IpExtInOctets"), Some(4));
            }
            if snmp.contains("InSegs") {
                assert_eq!(counters.get("TcpInSegs"), Some(1));
            }
        }
    }
}
