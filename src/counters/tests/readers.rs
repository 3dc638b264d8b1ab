//! The readers against real files, layout changes and damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fixtures::{KERNELS, dir, text};
use crate::counters::{
    CounterReader, CounterWidth, Counters, Delta, LayoutChange, ReadError, deltas, parse_snmp,
    parse_snmp6, parse_sockstat, parse_sockstat6, parse_softnet, read,
};

#[test]
fn fixtures_parse_without_a_fault() {
    for (kernel, tcp_ext, mptcp) in [
        ("5.10.223", 123, 0),
        ("6.1.192", 125, 56),
        ("6.12.107", 131, 70),
        ("6.18.44", 135, 76),
        ("7.2.13", 135, 76),
    ] {
        let counters = read(&dir(kernel, "dump")).unwrap();
        assert_eq!(counters.malformed(), 0, "{kernel}");
        let count =
            |group: &str| counters.iter().filter(|(name, _)| name.starts_with(group)).count();
        assert_eq!(
            (count("TcpExt"), count("MPTcpExt"), count("IpExt")),
            (tcp_ext, mptcp, 18),
            "{kernel}"
        );
        assert_eq!(count("Tcp") - count("TcpExt"), 15, "{kernel}");
        assert_eq!(counters.get("TcpMaxConn"), Some(-1), "{kernel}");
        for name in [
            "TcpRetransSegs",
            "Ip6InOctets",
            "sockstat.TCP.mem",
            "sockstat6.TCP6.inuse",
            "UdpInDatagrams",
        ] {
            assert!(counters.get(name).is_some(), "{kernel}: {name}");
        }
    }
}

#[test]
fn values_of_one_fixture() {
    let counters = read(&dir("7.2.13", "dump")).unwrap();
    for (name, value) in [
        ("TcpExtTW", 4),
        ("TcpExtTCPOrigDataSent", 2204),
        ("IpExtInOctets", 1_959_167),
        ("MPTcpExtMPCurrEstab", 2),
        ("TcpExtTCPAODroppedIcmps", 0),
    ] {
        assert_eq!(counters.get(name), Some(value), "{name}");
    }
    // UdpLite is gone in 7.2: absent, not 0.
    assert_eq!(counters.get("UdpLiteInDatagrams"), None);
}

#[test]
fn growth_between_two_readings() {
    for kernel in KERNELS {
        let before = read(&dir(kernel, "dump")).unwrap();
        let after = read(&dir(kernel, "after")).unwrap();
        let all: Vec<_> = deltas(&before, &after, CounterWidth::Bits64).collect();
        assert!(all.len() > 200, "{kernel}");
        assert!(all.iter().all(|(_, delta)| *delta != Delta::Backwards), "{kernel}");
        let grown = all.iter().filter(|(_, delta)| delta.growth() > Some(0)).count();
        assert!(grown > 3, "{kernel}: {grown}");
    }
}

#[test]
fn absent_files_are_absent() {
    let root = Scratch::new("absent");
    fs::write(root.path().join("snmp"), "Tcp: InSegs\nTcp: 1\n").unwrap();
    let counters = read(root.path()).unwrap();
    assert_eq!(counters.iter().collect::<Vec<_>>(), [("TcpInSegs", 1)]);
    assert!(matches!(read(Path::new("/nowhere")), Err(ReadError::Nothing { .. })));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let root = Scratch::new("unreadable");
    fs::create_dir(root.path().join("netstat")).unwrap();
    let error = read(root.path()).unwrap_err();
    assert!(error.to_string().ends_with("netstat"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn sampling_keeps_the_layout_until_names_change() {
    let root = Scratch::new("layout");
    let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
    write("snmp", "Tcp: InSegs OutSegs\nTcp: 1 2\n");
    let mut reader = CounterReader::new(root.path());
    let (mut a, mut b) = (Counters::default(), Counters::default());
    assert_eq!(reader.sample(&mut a).unwrap(), LayoutChange::Changed);

    write("snmp", "Tcp: InSegs OutSegs\nTcp: 3 x\n");
    assert_eq!(reader.sample(&mut b).unwrap(), LayoutChange::Same);
    assert!(Arc::ptr_eq(a.layout(), b.layout()));
    assert_eq!((b.get("TcpInSegs"), b.get("TcpOutSegs"), b.malformed()), (Some(3), None, 1));

    // A new line in the middle, as IcmpMsg is; then a new file, as snmp6 of a module.
    write("snmp", "Icmp: InMsgs\nIcmp: 9\nTcp: InSegs OutSegs\nTcp: 5 6\n");
    assert_eq!(reader.sample(&mut b).unwrap(), LayoutChange::Changed);
    assert_eq!(b.get("TcpOutSegs"), Some(6));
    write("snmp6", "Ip6InOctets 8\n");
    assert_eq!(reader.sample(&mut b).unwrap(), LayoutChange::Changed);
    assert_eq!(b.get("Ip6InOctets"), Some(8));
    // Names that are removed.
    write("snmp", "Tcp: InSegs OutSegs\nTcp: 7 8\n");
    assert_eq!(reader.sample(&mut b).unwrap(), LayoutChange::Changed);
    assert_eq!(reader.sample(&mut a).unwrap(), LayoutChange::Same);
    assert_eq!(a.iter().collect::<Vec<_>>(), b.iter().collect::<Vec<_>>());
    let growth =
        deltas(&b, &a, CounterWidth::Bits64).filter_map(|(_, delta)| delta.growth()).sum::<u64>();
    assert_eq!(growth, 0);
}

#[test]
fn opened_files_are_not_opened_again() {
    let root = Scratch::new("open");
    let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
    write("snmp", "Tcp: InSegs\nTcp: 1\n");
    let mut reader = CounterReader::new(root.path()).open().unwrap();
    let mut counters = Counters::default();
    reader.sample(&mut counters).unwrap();
    write("netstat", "TcpExt: TW\nTcpExt: 2\n");
    assert_eq!(reader.sample(&mut counters).unwrap(), LayoutChange::Same);
    assert_eq!(counters.iter().collect::<Vec<_>>(), [("TcpInSegs", 1)]);
    assert!(CounterReader::new(Path::new("/nowhere")).open().is_ok(), "said at the first sample");
}

#[test]
fn unreadable_values_are_named() {
    let counters = parse_snmp("Tcp: A B C\nTcp: 1 99999999999999999999999 x\n");
    assert_eq!(counters.unreadable().collect::<Vec<_>>(), ["TcpB", "TcpC"]);
    assert_eq!(counters.get("TcpA"), Some(1));
}

#[test]
fn this_machine_can_be_sampled() {
    let mut reader = CounterReader::new(&crate::sys::own_counters());
    let (mut before, mut after) = (Counters::default(), Counters::default());
    reader.sample(&mut before).unwrap();
    reader.sample(&mut after).unwrap();
    assert_eq!(after.malformed(), 0);
    assert!(
        deltas(&before, &after, CounterWidth::Bits64).all(|(_, delta)| delta != Delta::Backwards)
    );
}

/// Damages the files in thousands of ways: nothing may panic, and no new name may appear.
#[test]
fn damaged_files_do_no_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for kernel in KERNELS {
        for file in ["snmp", "netstat", "snmp6", "sockstat", "sockstat6"] {
            let whole = text(kernel, file);
            for _ in 0..200 {
                let mut bytes = whole.clone().into_bytes();
                for _ in 0..=random.below(4) {
                    injure(&mut bytes, &mut random);
                }
                let damaged = String::from_utf8_lossy(&bytes);
                for counters in [
                    parse_snmp(&damaged),
                    parse_snmp6(&damaged),
                    parse_sockstat(&damaged),
                    parse_sockstat6(&damaged),
                ] {
                    assert!(counters.len() <= damaged.len());
                    assert_eq!(counters.iter().count(), counters.len());
                }
                parse_softnet(&damaged);
            }
        }
    }
}

fn injure(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes[at] = b"\0\n: -9z\xff"[random.below(8)],
        2 => bytes.insert(at, b"\n: 7"[random.below(4)]),
        3 => {
            bytes.remove(at);
        }
        _ => {
            let end = (at + random.below(200)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

/// xorshift64: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tcpdiag-counters-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
