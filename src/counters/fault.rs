//! Files that could not be read whole: missing, empty, cut short, or damaged.
//!
//! What such a file counts is not known. It must not be taken for zero.

use serde::Serialize;

use super::devices::parse_devices;
use super::full_name::Item;
use super::softnet::parse_softnet;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// There is no such file, although every kernel has it.
    Missing,
    /// It has no text.
    Empty,
    /// Its end, or a part that every kernel prints, is missing.
    Cut,
    /// It is whole, but some of its values make no sense.
    Malformed,
    /// It exists, but reading it failed.
    Unreadable,
}

impl Fault {
    /// What it means for the figures, behind the file's path.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "is missing: what it shows is not known",
            Self::Empty => "is empty: what it shows is not known",
            Self::Cut => "is cut short: part of what it shows is not known",
            Self::Malformed => "has values that make no sense: what they show is not known",
            Self::Unreadable => "cannot be read: what it shows is not known",
        }
    }
}

/// A file that could not be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Its name, as recordings have it.
    pub file: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The size of connection tracking: its current and its largest.
const CONNTRACK: [&str; 2] = ["nf_conntrack_count", "nf_conntrack_max"];

impl FileFault {
    /// The path of the file on a live host.
    pub fn path(&self) -> String {
        let directory = if CONNTRACK.contains(&self.file) { "sys/net/netfilter" } else { "net" };
        format!("/proc/{directory}/{}", self.file)
    }
}

/// The fault of a text of counters, if it has one. `expected` are the groups that every kernel
/// prints, `is_in` tells whether a name belongs to one.
pub(super) fn of_counters(
    text: &str,
    expected: &[&str],
    is_in: impl Fn(&str, &[&str; 4]) -> bool,
    visit: impl Fn(&str, &mut dyn FnMut(Item<'_>)),
) -> Option<Fault> {
    if text.trim().is_empty() {
        return Some(Fault::Empty);
    }
    let (mut is_cut, mut is_malformed, mut found) = (!ends_whole(text), false, 0u64);
    visit(text, &mut |item| match item {
        Item::Named(name, Some(value)) => {
            is_malformed |= super::full_name::parse_value(value).is_none();
            for (position, group) in expected.iter().enumerate() {
                found |= u64::from(is_in(group, &name.0)) << position;
            }
        }
        // A line of values that is shorter than its line of names.
        Item::Named(_, None) => is_cut = true,
        Item::Malformed => is_malformed = true,
    });
    is_cut |= found.count_ones() as usize != expected.len();
    match (is_cut, is_malformed) {
        (true, _) => Some(Fault::Cut),
        (false, true) => Some(Fault::Malformed),
        (false, false) => None,
    }
}

/// Whether a text ends as the kernel ends it: with a line feed. `mptcp_seq_show()` in 5.7 to 5.10
/// did not print one before the first MPTCP socket.
fn ends_whole(text: &str) -> bool {
    text.ends_with('\n')
        || text.lines().next_back().is_some_and(|line| line.starts_with("MPTcpExt:"))
}

/// The faults of the files about the host besides the counters, whose texts `text` returns. `None`
/// for a file that does not exist.
pub fn host_faults<'t, E>(text: impl Fn(&str) -> Result<Option<&'t str>, E>) -> Vec<FileFault> {
    let of = |file: &'static str, judge: fn(&str) -> Option<Fault>| {
        let fault = match text(file) {
            Err(_) => Some(Fault::Unreadable),
            Ok(None) => Some(Fault::Missing),
            Ok(Some(text)) if text.trim().is_empty() => Some(Fault::Empty),
            Ok(Some(text)) if !text.ends_with('\n') => Some(Fault::Cut),
            Ok(Some(text)) => judge(text),
        };
        fault.map(|fault| FileFault { file, fault })
    };
    let mut faults: Vec<FileFault> =
        [of("softnet_stat", of_softnet), of("dev", of_devices)].into_iter().flatten().collect();
    // Without connection tracking there is neither file.
    let is_tracked = CONNTRACK.iter().any(|file| !matches!(text(file), Ok(None)));
    if is_tracked {
        faults.extend(CONNTRACK.iter().filter_map(|file| of(file, of_number)));
    }
    faults
}

/// Every processor has as many columns as the others.
fn of_softnet(text: &str) -> Option<Fault> {
    let softnet = parse_softnet(text);
    let mut lengths = softnet.cpus.iter().map(|cpu| cpu.columns.len());
    let first = lengths.next();
    if lengths.any(|length| Some(length) != first) {
        return Some(Fault::Cut);
    }
    (softnet.malformed > 0).then_some(Fault::Malformed)
}

/// Two lines of titles, and a line for every device: each namespace has at least the loopback
/// device.
fn of_devices(text: &str) -> Option<Fault> {
    let lines = text.lines().filter(|line| !line.contains('|')).count();
    match parse_devices(text).len() {
        0 => Some(Fault::Cut),
        devices => (devices < lines).then_some(Fault::Malformed),
    }
}

fn of_number(text: &str) -> Option<Fault> {
    text.trim().parse::<u64>().is_err().then_some(Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTNET: &str = "00000100 00000000\n00000100 00000000\n";
    const DEV: &str = "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";

    fn faults(texts: &[(&str, &'static str)]) -> Vec<(&'static str, Fault)> {
        let text = |wanted: &str| {
            let found = texts.iter().find(|(name, _)| *name == wanted);
            Ok::<_, std::io::Error>(found.map(|(_, text)| *text))
        };
        host_faults(text).into_iter().map(|it| (it.file, it.fault)).collect()
    }

    #[test]
    fn whole_files_have_no_fault() {
        assert_eq!(faults(&[("softnet_stat", SOFTNET), ("dev", DEV)]), []);
        let tracked =
            [("softnet_stat", SOFTNET), ("dev", DEV), (CONNTRACK[0], "3\n"), (CONNTRACK[1], "9\n")];
        assert_eq!(faults(&tracked), []);
    }

    #[test]
    fn files_about_the_host() {
        use Fault::{Cut, Empty, Malformed, Missing};
        for (softnet, dev, wanted) in [
            (None, None, vec![("softnet_stat", Missing), ("dev", Missing)]),
            (Some(""), Some("\n"), vec![("softnet_stat", Empty), ("dev", Empty)]),
            (Some("00000100 0000"), Some(&DEV[..70]), vec![("softnet_stat", Cut), ("dev", Cut)]),
            (
                Some("1 2\n1\n"),
                Some("Inter-|\n face |\n"),
                vec![("softnet_stat", Cut), ("dev", Cut)],
            ),
            (Some("x y\n"), Some(DEV), vec![("softnet_stat", Malformed)]),
        ] {
            let texts: Vec<(&str, &str)> =
                [softnet.map(|text| ("softnet_stat", text)), dev.map(|text| ("dev", text))]
                    .into_iter()
                    .flatten()
                    .collect();
            assert_eq!(faults(&texts), wanted, "{texts:?}");
        }
        let mut texts = vec![("softnet_stat", SOFTNET), ("dev", DEV), (CONNTRACK[0], "12")];
        assert_eq!(faults(&texts), [(CONNTRACK[0], Cut), (CONNTRACK[1], Missing)]);
        texts[2].1 = "x\n";
        assert_eq!(faults(&texts), [(CONNTRACK[0], Malformed), (CONNTRACK[1], Missing)]);
    }

    #[test]
    fn paths() {
        let path = |file| FileFault { file, fault: Fault::Empty }.path();
        assert_eq!(path("netstat"), "/proc/net/netstat");
        assert_eq!(path(CONNTRACK[1]), "/proc/sys/net/netfilter/nf_conntrack_max");
    }
}
