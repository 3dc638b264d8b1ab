//! Recordings give the same answers as the kernel.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;
use tcpdiag::model::{Families, Socket, State, StateSet};
use tcpdiag::recording::{
    CgroupPath, Compression, Direction, DumpBegun, DumpEnded, Found, HostFacts, Kind, NamespaceOf,
    Reader, ReplayTransport, Sample, SocketOwners,
};
use tcpdiag::socket_diag::{Query, Sockets, Transport};
use tcpdiag::sys::Clocks;
use tcpdiag::wire::Extensions;

use super::content::{NAMESPACE, writer};
use crate::decode::capture::{KERNELS, Kernel, json};
use crate::decode::script::{Script, Step, datagrams};

pub const EVERYTHING: Query<'static> = Query {
    families: Families::BOTH,
    states: StateSet::ALL,
    extensions: Extensions::ALL,
    local_port: 0,
    remote_port: 0,
    program: &[],
};

fn clocks(second: u64) -> Clocks {
    Clocks { realtime_ns: second * 1_000_000_000, monotonic_ns: second }
}

/// A recording of these samples: the second of each, and its dump.
fn recording(samples: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut writer = writer(Compression::Zstd);
    let inode = NAMESPACE.inode;
    let host = HostFacts {
        hostname: "h".to_owned(),
        kernel: "6.1.0".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: None,
        version: "0.0.0".to_owned(),
        arguments: Vec::new(),
        interval_ns: 1,
        net_admin: true,
        run: None,
        clocks: clocks(0),
    };
    writer.json(Kind::Host, 0, &host).unwrap();
    let namespace = NamespaceOf { interface: 0, inode, name: None };
    writer.json(Kind::Namespace, inode, &namespace).unwrap();
    for (number, (second, dump)) in (0..).zip(samples) {
        writer.set_sample(number);
        writer.json(Kind::Sample, 0, &clocks(*second)).unwrap();
        let begun = DumpBegun { states: 0, extensions: 0, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, inode, &begun).unwrap();
        writer.datagram(0, Direction::Sent, b"a request").unwrap();
        for step in datagrams(dump) {
            let Step::Datagram(bytes) = step else { panic!("{step:?}") };
            writer.datagram(0, Direction::Received, &bytes).unwrap();
        }
        writer.json(Kind::DumpEnd, inode, &()).unwrap();
        // An event belongs to no dump.
        writer.datagram(0, Direction::Received, dump).unwrap();
        let owners =
            SocketOwners { inode: 100 + number, holders: Vec::new(), omitted: 0, hidden: true };
        writer.json_lines(Kind::Owners, 0, [owners]).unwrap();
        let cgroup = CgroupPath { id: number.into(), path: format!("/{number}") };
        writer.json_lines(Kind::Cgroup, 0, [cgroup]).unwrap();
        writer.json(Kind::SampleEnd, 0, &clocks(*second)).unwrap();
        writer.flush().unwrap();
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    writer.finish().unwrap()
}

fn find(file: &[u8], at: Option<u64>) -> Found {
    Sample::find(&mut Reader::new(file).unwrap(), at)
}

/// Reads all sockets; returns rows by cookie.
fn rows<T: Transport>(transport: T, kernel: Kernel, query: &Query<'_>) -> BTreeMap<u64, Value> {
    let mut rows = BTreeMap::new();
    let mut sockets = Sockets::over(transport);
    // Twice, like a program that requests listeners first.
    for _ in 0..2 {
        rows.clear();
        let outcome = sockets
            .read(query, |reply| {
                let socket = Socket::new(reply, kernel.ecn()).unwrap();
                assert!(rows.insert(socket.cookie, json(&socket)).is_none());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(outcome.sockets, rows.len() as u64);
        assert_eq!((outcome.decode_errors, outcome.interrupted), (0, 0));
    }
    rows
}

#[test]
fn a_recording_gives_the_kernels_answers() {
    for kernel in KERNELS {
        let dump = kernel.bytes("legacy.nl");
        let sample = find(&recording(&[(1, dump.clone())]), None).sample.unwrap();
        let played = |dump: &[u8]| ReplayTransport::new(dump.to_vec());
        let namespace = &sample.namespaces[0].part.dump;
        let live = rows(Script::new(|_| datagrams(&dump)), kernel, &EVERYTHING);
        assert_eq!(live.len(), kernel.records[2]);
        assert!(rows(played(namespace), kernel, &EVERYTHING) == live, "{}", kernel.release);

        // A request by family and state gets the sockets that a kernel would select.
        let listeners = StateSet::of(&[State::Listen]);
        for (families, name, states) in [
            (Families { v4: true, v6: false }, "ipv4", StateSet::ALL),
            (Families { v4: false, v6: true }, "ipv6", StateSet::ALL),
            (Families::BOTH, "", listeners),
        ] {
            let query = Query { families, states, ..EVERYTHING };
            let mut wanted = live.clone();
            wanted.retain(|_, row| {
                (name.is_empty() || row["family"] == name)
                    && (states == StateSet::ALL || row["state"] == "listen")
            });
            assert!(!wanted.is_empty());
            assert!(rows(played(namespace), kernel, &query) == wanted, "{} {name}", kernel.release);
        }
        let query = Query { local_port: 20_010, ..EVERYTHING };
        let mut wanted = live.clone();
        wanted.retain(|_, row| row["local"]["port"] == 20_010);
        assert!(rows(played(namespace), kernel, &query) == wanted);
        // Filter programs are refused; the request is repeated without one.
        let query = Query { program: &[1, 4, 4, 0], ..EVERYTHING };
        assert!(rows(played(namespace), kernel, &query) == live);
    }
}

#[test]
fn dumps_by_family_answer_a_single_walk() {
    let kernel = KERNELS[4];
    let mut dump = kernel.bytes("tcp4.nl");
    dump.extend(kernel.bytes("tcp6.nl"));
    let sample = find(&recording(&[(1, dump)]), None).sample.unwrap();
    let found =
        rows(ReplayTransport::new(sample.namespaces[0].part.dump.clone()), kernel, &EVERYTHING);
    assert_eq!(found.len(), kernel.records[0] + kernel.records[1]);
}

#[test]
fn finds_the_sample_at_a_time() {
    let kernel = KERNELS[0];
    let dumps = ["tcp4.nl", "tcp6.nl", "legacy.nl"].map(|name| kernel.bytes(name));
    let samples: Vec<(u64, Vec<u8>)> = (10..).step_by(10).zip(dumps).collect();
    let file = recording(&samples);
    for (at, wanted) in [
        (None, Some(2)),
        (Some(9), None),
        (Some(10), Some(0)),
        (Some(19), Some(0)),
        (Some(20), Some(1)),
        (Some(4000), Some(2)),
    ] {
        let found = find(&file, at.map(|second| second * 1_000_000_000));
        assert_eq!(found.first, Some(10_000_000_000));
        assert!(found.damage.is_none());
        let Some(sample) = found.sample else {
            assert_eq!(wanted, None);
            continue;
        };
        let wanted: u32 = wanted.unwrap();
        assert_eq!((sample.number, sample.host.hostname.as_str()), (wanted, "h"));
        let (second, dump) = &samples[wanted as usize];
        assert_eq!(sample.clocks, clocks(*second));
        assert!(sample.namespaces[0].part.dump == *dump);
        // Notes up to this sample, and no later ones.
        assert_eq!(sample.owners.len() as u32, wanted + 1);
        assert_eq!(sample.cgroups.get(&wanted.into()), Some(&format!("/{wanted}")));
    }
    // A recording cut in the third sample gives the second.
    let found = find(&file[..file.len() - 100], None);
    assert!(found.damage.is_some());
    let sample = found.sample.unwrap();
    assert_eq!((sample.number, sample.owners.len()), (1, 2));
    assert!(sample.namespaces[0].part.dump == samples[1].1);
}

#[test]
fn a_repeated_dump_counts_once_and_is_marked_interrupted() {
    let kernel = KERNELS[0];
    let dump = kernel.bytes("legacy.nl");
    let mut writer = writer(Compression::None);
    let inode = NAMESPACE.inode;
    writer.json(Kind::Host, 0, &HostFacts::default()).unwrap();
    let namespace = NamespaceOf { interface: 0, inode, name: None };
    writer.json(Kind::Namespace, inode, &namespace).unwrap();
    writer.json(Kind::Sample, 0, &clocks(1)).unwrap();
    for interrupted in [5, 2] {
        let begun = DumpBegun { states: 0x3fff, extensions: 0, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, inode, &begun).unwrap();
        for step in datagrams(&dump) {
            let Step::Datagram(bytes) = step else { panic!("{step:?}") };
            writer.datagram(0, Direction::Received, &bytes).unwrap();
        }
        let sockets = kernel.records[2] as u64;
        let ended =
            DumpEnded { sockets, decode_errors: 0, bad_attributes: 0, interrupted, foreign: 0 };
        writer.json(Kind::DumpEnd, inode, &ended).unwrap();
    }
    writer.json(Kind::SampleEnd, 0, &clocks(1)).unwrap();
    writer.note(Kind::End, 0, b"{}").unwrap();
    let mut sample = find(&writer.finish().unwrap(), None).sample.unwrap();
    let part = &mut sample.namespaces[0].part;
    assert!(part.dump == dump);
    let mut played = ReplayTransport::default();
    played.load(part);
    let outcome = Sockets::over(played).read(&EVERYTHING, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((outcome.sockets, outcome.interrupted), (kernel.records[2] as u64, 2));
}
