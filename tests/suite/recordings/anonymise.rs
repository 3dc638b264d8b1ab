//! `tcpdiag convert --anonymise` removes everything that identifies the recording's host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tcpdiag::model::Socket;
use tcpdiag::recording::{
    CgroupPath, Compression, Direction, DumpBegun, DumpEnded, Ending, FilterFact, HostFacts,
    InterfaceName, Kind, NamespaceInterface, NamespaceOf, Reader, SampleBegun, SampleEnded,
    SocketHolder, SocketOwners, Span, Walk, Writer,
};
use tcpdiag::sys::Clocks;
use tcpdiag::wire::bytecode::{Condition, Formula, Side, assemble, verify};
use tcpdiag::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use tcpdiag::wire::{DumpRequest, Extensions, Form, Messages, Reply};

use super::content::{Item, read};
use super::convert::{stderr, stdout, tcpdiag};
use super::tshark::{occurrences, tshark};
use crate::decode::capture::{KERNELS, Kernel};
use crate::decode::script::{Step, datagrams};

const INODE: u64 = 4_026_531_833;

/// Every name in a recording.
const NAMES: [&str; 17] = [
    "shop-db-17",
    "acme",
    "blue-team",
    "vlan-acme0",
    "checkout-java",
    "ledger-java",
    "payments",
    "b4c0ffee",
    "01d0c0de-1111",
    "incident-at-acme",
    "secret-kept",
    "unknown-attribute",
    "held-by-somebody",
    "acme_cc",
    "bgp-password",
    "green-team",
    "orders.slice",
];

/// A prefix used in a filter.
const FILTERED: &str = "198.51.100.0";

fn clocks(second: u64) -> Clocks {
    Clocks { realtime_ns: second * 1_000_000_000, monotonic_ns: second * 1_000_000_000 }
}

fn host(kernel: Kernel) -> HostFacts {
    HostFacts {
        hostname: "shop-db-17".to_owned(),
        kernel: format!("{}-acme", kernel.release),
        machine: "x86_64".to_owned(),
        boot_id: Some("01d0c0de-1111-2222-3333-444455556666".to_owned()),
        version: "0.1.0".to_owned(),
        arguments: vec!["tcpdiag".to_owned(), "incident-at-acme".to_owned()],
        interval_ns: 1_000_000_000,
        net_admin: true,
        run: None,
        clocks: clocks(1),
    }
}

/// A request for the sockets of a network.
fn request() -> Vec<u8> {
    let address = FILTERED.parse().unwrap();
    let formula = Formula::Is(Condition::Prefix(Side::Remote, address, 24));
    let bytecode = assemble(&formula).unwrap();
    let request = DumpRequest {
        form: Form::Both,
        states: 0xfff,
        extensions: Extensions::ALL,
        local_port: 0,
        remote_port: 0,
        bytecode: &bytecode,
    };
    request.encode(7)
}

/// A record with attributes that the fixtures lack: an unknown attribute, a custom congestion
/// control, an MD5 key, BPF storage.
fn unusual_record(kernel: Kernel) -> Vec<u8> {
    let bytes = kernel.bytes("tcp4.nl");
    let (message, _) = Messages::new(&bytes).framed().next().unwrap();
    let mut payload = message.unwrap().payload[..72].to_vec();
    // A cookie that no other socket has.
    payload[44..52].fill(0xee);
    let mut put = |kind: u16, value: &[u8]| {
        payload.extend(((4 + value.len()) as u16).to_ne_bytes());
        payload.extend(kind.to_ne_bytes());
        payload.extend(value);
        payload.resize(payload.len().next_multiple_of(4), 0);
    };
    put(4, b"acme_cc\0");
    put(20, b"held-by-somebody");
    put(99, b"unknown-attribute");
    let mut md5 = vec![2, 24, 12, 0];
    md5.extend([203, 0, 113, 0]);
    md5.resize(20, 0);
    md5.extend(b"bgp-password");
    md5.resize(100, 0);
    put(18, &md5);
    let mut framed = ((16 + payload.len()) as u32).to_ne_bytes().to_vec();
    framed.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    framed.resize(16, 0);
    framed.extend(payload);
    framed
}

/// A kernel's answers in one sample, with names in every kind of note.
fn recording(kernel: Kernel) -> Vec<u8> {
    let namespace = NamespaceInterface { inode: INODE, name: Some("blue-team") };
    let about = tcpdiag::recording::About {
        program: "tcpdiag 0.1.0",
        system: "Linux 6.1-acme",
        machine: "x86_64",
    };
    let mut writer = Writer::new(Vec::new(), Compression::Zstd, &about, &namespace).unwrap();
    writer.set_time(1_700_000_000_000_000_000);
    writer.json(Kind::Host, 0, &host(kernel)).unwrap();
    let name = Some("blue-team".to_owned());
    let namespace = NamespaceOf { interface: 0, inode: INODE, name };
    writer.json(Kind::Namespace, INODE, &namespace).unwrap();
    let filter = format!("--remote-ip {FILTERED}/24 cgroup = /orders.slice");
    writer.json(Kind::Filter, 0, &FilterFact { filter }).unwrap();
    let settings = "net.ipv4.ip_local_port_range 32768 60999\n\
                    net.ipv4.tcp_congestion_control acme_cc\n\
                    net.ipv4.tcp_fastopen_key b4c0ffee-1-2-3\n";
    writer.note(Kind::Sysctl, INODE, settings.as_bytes()).unwrap();
    let begun = SampleBegun { clocks: clocks(1), early: false };
    writer.json(Kind::Sample, 0, &begun).unwrap();
    let counters = format!("snmp\n{}Acme: payments\n(payments): 1\n", kernel.text("dump/snmp"));
    writer.note(Kind::Counters, INODE, counters.as_bytes()).unwrap();
    let devices = "dev\nInter-| of acme\nvlan-acme0: 9 8 7 6 5 4 3 2 1 2 3 4 5 6 7 8\n";
    writer.note(Kind::Counters, INODE, devices.as_bytes()).unwrap();
    let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
    writer.json(Kind::DumpBegin, INODE, &begun).unwrap();
    writer.datagram(0, Direction::Sent, &request()).unwrap();
    for file in ["tcp4.nl", "tcp6.nl"] {
        for step in datagrams(&kernel.bytes(file)) {
            let Step::Datagram(bytes) = step else { panic!("{step:?}") };
            writer.datagram(0, Direction::Received, &bytes).unwrap();
        }
    }
    writer.datagram(0, Direction::Received, &unusual_record(kernel)).unwrap();
    // A refusal quotes the request.
    let mut refusal = 0u32.to_ne_bytes().to_vec();
    refusal.extend(request());
    let mut framed = ((16 + refusal.len()) as u32).to_ne_bytes().to_vec();
    framed.extend([2, 0, 0, 0]);
    framed.resize(16, 0);
    framed.extend(refusal);
    writer.datagram(0, Direction::Received, &framed).unwrap();
    let sockets = (kernel.records[0] + kernel.records[1] + 1) as u64;
    let ended =
        DumpEnded { sockets, decode_errors: 0, bad_attributes: 0, interrupted: 0, foreign: 0 };
    writer.json(Kind::DumpEnd, INODE, &ended).unwrap();
    let interface = |index, name: &str| InterfaceName { index, name: name.to_owned() };
    let interfaces = [interface(1, "lo"), interface(2, "vlan-acme0")];
    writer.json_lines(Kind::Interfaces, INODE, interfaces).unwrap();
    for step in datagrams(&kernel.bytes("destroy.nl")) {
        let Step::Datagram(bytes) = step else { panic!("{step:?}") };
        writer.datagram(0, Direction::Received, &bytes).unwrap();
    }
    let path = "/system.slice/payments.service".to_owned();
    writer.json_lines(Kind::Cgroup, 0, [CgroupPath { id: 7, path: path.clone() }]).unwrap();
    let holder = SocketHolder {
        pid: 17,
        fd: 3,
        comm: "checkout-java".to_owned(),
        program: Some("ledger-java".to_owned()),
        cgroup: Some(path),
    };
    let owners = SocketOwners { inode: 9, holders: vec![holder], omitted: 5, hidden: false };
    writer.json_lines(Kind::Owners, 0, [owners]).unwrap();
    let ended = SampleEnded {
        clocks: clocks(1),
        processes_hidden: 3,
        permission_limited: vec!["secret-kept: acme".to_owned()],
    };
    writer.json(Kind::SampleEnd, 0, &ended).unwrap();
    let gone = NamespaceOf { name: Some("green-team".to_owned()), ..namespace };
    writer.json(Kind::NamespaceGone, INODE, &gone).unwrap();
    writer.json(Kind::End, 0, &serde_json::json!({"why": "acme"})).unwrap();
    let why = "payments".to_owned();
    let ending = Ending { why, samples: 1, sockets, events: 1, events_lost: 0 };
    writer.json(Kind::End, 0, &ending).unwrap();
    writer.finish().unwrap()
}

/// Anonymises a recording; returns the new one, decompressed, and standard error.
fn anonymised(recording: &[u8], name: &str, directory: &std::path::Path) -> (Vec<u8>, String) {
    let (from, into) = (directory.join("from"), directory.join(name));
    std::fs::write(&from, recording).unwrap();
    let [from, path] = [&from, &into].map(|path| path.to_str().unwrap());
    let output = tcpdiag(&["convert", "--anonymise", from, "--into", path]);
    assert_eq!(stdout(&output), "");
    let bytes = std::fs::read(&into).unwrap();
    (zstd::decode_all(bytes.as_slice()).unwrap(), stderr(&output))
}

/// The dumped and the destroyed sockets of a recording, in its order.
fn sockets(recording: &[u8], kernel: Kernel) -> Vec<Socket> {
    let (items, end) = read(recording);
    assert!(end.is_ok());
    let mut found = Vec::new();
    for (_, item) in &items {
        let Item::Datagram { direction: Direction::Received, bytes, .. } = item else { continue };
        for message in Messages::new(bytes).map(Result::unwrap) {
            if [SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK].contains(&message.kind) {
                let reply = Reply::new(message.payload).unwrap();
                assert!(!reply.has_bad_attribute());
                found.push(Socket::new(&reply, kernel.ecn()).unwrap());
            }
        }
    }
    found
}

/// The addresses that identify a host.
fn addresses(sockets: &[Socket]) -> BTreeSet<IpAddr> {
    let ends = sockets.iter().flat_map(|socket| [socket.local.address, socket.remote.address]);
    let peers = sockets.iter().filter_map(|socket| socket.md5.as_ref());
    let peers = peers.flat_map(|md5| md5.kept().map(|key| key.address));
    ends.chain(peers)
        .filter(|address| {
            let same = address.to_canonical();
            !(same.is_unspecified() || same.is_ipv6() && same.is_loopback())
        })
        .collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn leading(one: IpAddr, other: IpAddr) -> Option<u32> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        _ => None,
    }
}

#[test]
fn addresses_and_names_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    for kernel in KERNELS {
        let original = recording(kernel);
        let plain = zstd::decode_all(original.as_slice()).unwrap();
        let (new, error_text) =
            anonymised(&original, &format!("{}.zst", kernel.release), directory.path());
        assert!(error_text.contains("left out, what it holds not being known: "), "{error_text}");
        for what in ["1 note", "lines of notes", "2 attributes"] {
            assert!(error_text.contains(what), "{what}: {error_text}");
        }
        for name in NAMES {
            assert!(contains(&plain, name.as_bytes()), "{name} was not there");
            assert!(!contains(&new, name.as_bytes()), "{name}");
        }
        let (before, after) = (sockets(&plain, kernel), sockets(&new, kernel));
        let mut known = addresses(&before);
        known.insert(FILTERED.parse().unwrap());
        assert!(known.len() > 3, "{known:?}");
        // In requests, records, events, keys and quoted requests.
        for address in known {
            let text = address.to_string();
            let binary = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            assert!(contains(&plain, &binary), "{address} was not there");
            assert!(!contains(&new, &binary), "{address} of {}", kernel.release);
            assert!(!contains(&new, text.as_bytes()), "{address}");
        }
        check_same_but_for_addresses(&before, &after);
    }
}

/// Checks that figures are unchanged and common prefixes have the same length.
fn check_same_but_for_addresses(before: &[Socket], after: &[Socket]) {
    assert_eq!(before.len(), after.len());
    let mut pairs = Vec::new();
    for (one, other) in before.iter().zip(after) {
        let mut patched = *other;
        (patched.local.address, patched.remote.address) = (one.local.address, one.remote.address);
        patched.md5 = one.md5;
        if one.congestion.is_some_and(|name| name.as_bytes() == b"acme_cc") {
            assert!(other.congestion.unwrap().as_bytes().starts_with(b"cc-"));
            patched.congestion = one.congestion;
        }
        assert_eq!(patched, *one);
        pairs.push((one.local.address, other.local.address));
        pairs.push((one.remote.address, other.remote.address));
        if let (Some(one), Some(other)) = (&one.md5, &other.md5) {
            assert_eq!(one.total(), other.total());
            for (one, other) in one.kept().zip(other.kept()) {
                assert_eq!(one.prefix_length, other.prefix_length);
                assert_eq!(one.key_length, other.key_length);
            }
        }
    }
    pairs.sort();
    pairs.dedup();
    for (one, mapped) in &pairs {
        let kinds = |address: &IpAddr| {
            let same = address.to_canonical();
            (address.is_ipv4(), same.is_ipv4(), same.is_loopback(), same.is_unspecified())
        };
        assert_eq!(kinds(one), kinds(mapped), "{one} {mapped}");
        for (other, also) in &pairs {
            // The unspecified address is not replaced.
            let none = |address: &IpAddr| address.to_canonical().is_unspecified();
            if !none(one) && !none(other) {
                assert_eq!(leading(*one, *other), leading(*mapped, *also), "{one} {other}");
            }
            // Once as IPv4, once as IPv6.
            if one.to_canonical() == other.to_canonical() {
                assert_eq!(mapped.to_canonical(), also.to_canonical(), "{one} {other}");
            }
        }
    }
}

#[test]
fn every_run_uses_a_new_key() {
    let kernel = KERNELS[4];
    let directory = tempfile::tempdir().unwrap();
    let original = recording(kernel);
    let (one, _) = anonymised(&original, "one", directory.path());
    let (other, _) = anonymised(&original, "other", directory.path());
    let known = |bytes: &[u8]| addresses(&sockets(bytes, kernel));
    let both: Vec<_> = known(&one).intersection(&known(&other)).copied().collect();
    assert!(both.is_empty(), "{both:?}");
    let hosts = [&one, &other].map(|bytes| {
        let mut reader = Reader::new(bytes.as_slice()).unwrap();
        let mut walk = Walk::new(&mut reader, Span::default());
        assert!(walk.advance());
        walk.into_sample()
    });
    let [one, other] = hosts.map(|sample| {
        assert_eq!(sample.host.kernel, kernel.release);
        assert_eq!(sample.host.arguments, Vec::<String>::new());
        assert_eq!((sample.processes_hidden, sample.permission_limited.len()), (3, 0));
        let namespace = &sample.namespaces[0];
        assert_eq!(namespace.setting("net.ipv4.ip_local_port_range"), Some("32768 60999"));
        assert_eq!(namespace.setting("net.ipv4.tcp_congestion_control"), None);
        assert_eq!(namespace.interfaces[&1], "lo");
        let unit = tcpdiag::procfs::unit(&sample.cgroups[&7]).unwrap().into_owned();
        assert!(unit.ends_with(".service"), "{unit}");
        let holder = sample.owners[&9].holders[0].clone();
        assert_eq!((holder.pid, holder.fd), (17, 3));
        assert!(holder.program().starts_with("p-") && holder.program() != holder.comm);
        assert_eq!(holder.cgroup.as_ref(), Some(&sample.cgroups[&7]));
        [
            sample.host.hostname,
            sample.host.boot_id.unwrap(),
            namespace.name.clone().unwrap(),
            namespace.interfaces[&2].clone(),
            holder.comm,
            unit,
        ]
    });
    assert!(one.iter().zip(&other).all(|(one, other)| one != other), "{one:?} {other:?}");
}

#[test]
fn filters_keep_their_meaning() {
    let directory = tempfile::tempdir().unwrap();
    let (new, _) = anonymised(&recording(KERNELS[0]), "new", directory.path());
    let (items, _) = read(new.as_slice());
    let sent = items.iter().find_map(|(_, item)| match item {
        Item::Datagram { direction: Direction::Sent, bytes, .. } => Some(bytes),
        _ => None,
    });
    let (before, after) = (request(), sent.unwrap());
    let (before, sequence) = DumpRequest::decode(&before).unwrap();
    let (after, same) = DumpRequest::decode(after).unwrap();
    assert_eq!(sequence, same);
    verify(after.bytecode).unwrap();
    // All but the three bytes of the prefix; the bytes after it are not addresses.
    let differing: Vec<usize> = (0..before.bytecode.len())
        .filter(|&at| before.bytecode[at] != after.bytecode[at])
        .collect();
    assert!(
        !differing.is_empty() && differing.iter().all(|at| (12..15).contains(at)),
        "{differing:?}"
    );
    assert_eq!(DumpRequest { bytecode: before.bytecode, ..after }, before);
}

#[test]
fn an_anonymised_recording_can_be_read() {
    let kernel = KERNELS[3];
    let directory = tempfile::tempdir().unwrap();
    let original = recording(kernel);
    anonymised(&original, "new.pcapng.zst", directory.path());
    let paths = ["from", "new.pcapng.zst"].map(|name| directory.path().join(name));
    let [before, after] = paths.each_ref().map(|path| {
        let arguments = ["conns", "-s", "all", "-o", "csv", "--columns", "state,lport,rport,rtt"];
        stdout(&tcpdiag(&[&arguments[..], &["--read", path.to_str().unwrap()]].concat()))
    });
    assert!(before.lines().count() > kernel.records[0], "{before}");
    assert_eq!(before, after);
    let counted = paths.each_ref().map(|path| {
        tshark(path, &["netlink-sock_diag.cookie"]).map(|lines| (lines.len(), occurrences(&lines)))
    });
    let [Some(before), Some(after)] = counted else { return };
    // All but the unknown note.
    assert_eq!((before.0 - 1, before.1), after);
}

#[test]
fn the_undamaged_part_is_converted() {
    let directory = tempfile::tempdir().unwrap();
    let original = recording(KERNELS[4]);
    let (from, into) = (directory.path().join("cut"), directory.path().join("into"));
    let plain = zstd::decode_all(original.as_slice()).unwrap();
    for length in (200..plain.len()).step_by(9_973).chain([plain.len() - 3]) {
        std::fs::write(&from, &plain[..length]).unwrap();
        let [path, out] = [&from, &into].map(|path| path.to_str().unwrap());
        let arguments = ["convert", "--anonymise", path, "--into", out, "--force", "--strict"];
        let output = tcpdiag(&arguments);
        let error_text = stderr(&output);
        // At the beginning there may be no recording yet.
        assert!(matches!(output.status.code(), Some(2 | 3)), "{length}: {error_text}");
        assert!(error_text.contains("recording ends early at byte "), "{length}: {error_text}");
        if output.status.code() == Some(3) {
            let (_, end) = read(std::fs::read(&into).unwrap().as_slice());
            assert!(end.is_ok(), "{length}");
        }
    }
}
