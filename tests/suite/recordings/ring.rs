//! The ring: the last minutes, written on request.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use tcpdiag::recording::{Compression, Direction, Ending, HostFacts, Kind, NamespaceOf};

use super::command::{
    Connection, Recorder, items, json, new_file, notes, record, sockets, stderr, wait_for,
};
use super::content::{Item, Timed, read};
use crate::lab::{Firewall, Socket, Tcpdiag, lab};

/// Starts it and waits until it handles signals.
fn start(file: &Path, arguments: &[&str]) -> Recorder {
    let child = Recorder::spawn(file, arguments);
    let status = format!("/proc/{}/status", child.id());
    let caught = || {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    wait_for(|| caught() & (1 << (Signal::USR1.as_raw() - 1)) != 0);
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Whether a file is complete.
fn is_whole(file: &Path) -> bool {
    std::fs::read(file)
        .is_ok_and(|bytes| matches!(read(bytes.as_slice()), (_, Ok(end)) if end.is_complete))
}

/// Checks a written ring; returns the numbers of its samples.
fn check(items: &[Timed]) -> Vec<u32> {
    let [host]: [HostFacts; 1] = json(&notes(items, Kind::Host)).try_into().unwrap();
    assert!(host.clocks.realtime_ns <= items[items.len() - 1].0);
    let [namespace]: [NamespaceOf; 1] = json(&notes(items, Kind::Namespace)).try_into().unwrap();
    assert_eq!(namespace.interface, 0);
    let [ending]: [Ending; 1] = json(&notes(items, Kind::End)).try_into().unwrap();
    assert_eq!(ending.why, "kept");
    assert_eq!(sockets(items).len() as u64, ending.sockets + ending.events);
    let numbers = items.iter().filter_map(|(_, item)| match item {
        Item::Note { kind: Kind::SampleEnd, sample, .. } => Some(*sample),
        _ => None,
    });
    let numbers: Vec<u32> = numbers.collect();
    assert_eq!(numbers.len() as u64, ending.samples);
    // Numbers are consecutive and times increase.
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(items.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    numbers
}

#[test]
fn a_signal_writes_the_ring() {
    let connection = Connection::new();
    let (directory, file) = new_file();
    // Segments of 30 ms, so that many become one recording.
    let child = start(&file, &["--ring", "240ms", "-i", "10ms"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(!file.exists());
    signal(&child, Signal::USR1);
    wait_for(|| is_whole(&file));
    let first = items(&file);
    let numbers = check(&first);
    assert!(numbers[0] > 0, "the oldest are gone: {numbers:?}");
    let [_, client] = connection.ports();
    assert!(sockets(&first).iter().any(|socket| socket.local.port == client));
    let length = first[first.len() - 1].0 - first[0].0;
    assert!(length < 30_000_000_000, "{length}");
    // It continues, and the next file has another name.
    let others = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| *path != file);
        // A file that is being written has another name.
        let is_named =
            |path: &PathBuf| !path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
        paths.filter(is_named).collect::<Vec<_>>()
    };
    signal(&child, Signal::USR1);
    wait_for(|| others().first().is_some_and(|other| is_whole(other)));
    let [other] = others().try_into().unwrap();
    let name = other.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("recording-20") && name.ends_with("Z.pcapng.zst"), "{name}");
    let later = check(&items(&other));
    assert!(later.last() > numbers.last());
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let message = stderr(&output);
    assert_eq!(message.matches("(SIGUSR1)").count(), 2, "{message}");
    assert!(message.contains("written 2 times: "), "{message}");
    assert_eq!(others().len(), 1);
    // It can be read like any other recording.
    let path = file.to_str().unwrap();
    let port = client.to_string();
    let rows = Tcpdiag::new().rows(&["conns", "--read", path, "--local-port", &port]);
    assert_eq!(rows.len(), 1);
}

#[test]
fn the_end_writes_the_ring_only_on_request() {
    for (arguments, is_written) in
        [(&["--ring", "1m"][..], false), (&["--ring", "1m", "--write-on-exit"], true)]
    {
        let (_directory, file) = new_file();
        let child = start(&file, arguments);
        signal(&child, Signal::TERM);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(file.exists(), is_written, "{}", stderr(&output));
        if is_written {
            assert_eq!(check(&items(&file)), [0]);
            let bytes = std::fs::read(&file).unwrap();
            let (entries, _) = read(bytes.as_slice());
            assert_eq!(entries.len(), items(&file).len());
        }
    }
    let (_directory, file) = new_file();
    let output = record(
        &file,
        &["--ring", "1m", "--count", "3", "-i", "10ms", "--write-on-exit", "--compress", "none"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(check(&items(&file)), [0, 1, 2]);
    std::fs::write(&file, "somebody's").unwrap();
    let output = record(&file, &["--ring", "1m", "--count", "1"]);
    assert!(stderr(&output).contains("exists already; --force"), "{}", stderr(&output));
}

lab!(
    fn growth_of_a_counter_writes_the_ring() {
        let Some(firewall) = Firewall::new() else { return };
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let listener = Socket::listening(local, 0, 8);
        let (directory, file) = new_file();
        let trigger = "retranssegs > 2";
        let mut child = start(&file, &["--ring", "1h", "-i", "200ms", "--trigger", trigger]);
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert!(!file.exists(), "nothing was retransmitted");
        // Unanswered SYNs are retransmitted after one second and after three.
        firewall.deafen(listener.port());
        let clients: Vec<Socket> = (0..10)
            .map(|_| {
                let client = Socket::of(local);
                client.begin_connect(local, listener.port());
                client
            })
            .collect();
        wait_for(|| is_whole(&file));
        let items = items(&file);
        check(&items);
        let repeated = sockets(&items)
            .iter()
            .filter(|socket| socket.remote.port == listener.port())
            .any(|socket| socket.cookie == clients[0].cookie());
        assert!(repeated);
        // The next retransmits come within the hour, so nothing more is written.
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(child.try_wait().unwrap().is_none());
        signal(&child, Signal::INT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let message = stderr(&output);
        assert!(message.contains("(TcpRetransSegs grew by "), "{message}");
    }
);

/// Segments with different interfaces become one recording.
#[test]
fn joined_segments_keep_the_interfaces_of_namespaces() {
    use tcpdiag::recording::{NamespaceInterface, Writer, join};
    let begin = |first: u64| {
        let namespace = NamespaceInterface { inode: first, name: None };
        Writer::new(Vec::new(), Compression::Zstd, &super::content::ABOUT, &namespace).unwrap()
    };
    let segment = |inodes: &[u64]| {
        let mut writer = begin(inodes[0]);
        writer.note(Kind::Host, 0, b"{}").unwrap();
        for (number, inode) in inodes.iter().enumerate() {
            let interface = match number {
                0 => 0,
                _ => {
                    writer.add_namespace(&NamespaceInterface { inode: *inode, name: None }).unwrap()
                }
            };
            let fact = NamespaceOf { interface, inode: *inode, name: None };
            writer.json(Kind::Namespace, *inode, &fact).unwrap();
            writer.datagram(interface, Direction::Received, &inode.to_ne_bytes()).unwrap();
        }
        writer.note(Kind::End, 0, b"{}").unwrap();
        writer.finish().unwrap()
    };
    let parts = [segment(&[7, 8]), segment(&[8, 9, 7]), segment(&[9])];
    let mut joint = begin(9);
    join(parts.iter().map(Vec::as_slice), 9, &mut joint).unwrap();
    joint.note(Kind::End, 0, b"{}").unwrap();
    let (items, end) = read(joint.finish().unwrap().as_slice());
    assert!(end.unwrap().is_complete);
    let facts: Vec<NamespaceOf> = json(&notes(&items, Kind::Namespace));
    assert_eq!(facts.len(), 3);
    assert_eq!((notes(&items, Kind::Host).len(), notes(&items, Kind::End).len()), (1, 1));
    let mut datagrams = 0;
    for (_, item) in &items {
        let Item::Datagram { interface, bytes, .. } = item else { continue };
        let inode = u64::from_ne_bytes(bytes.as_slice().try_into().unwrap());
        let fact = facts.iter().find(|fact| fact.inode == inode).unwrap();
        assert_eq!(fact.interface, *interface);
        datagrams += 1;
    }
    assert_eq!(datagrams, 6);
    assert!(join([&b"nothing"[..]], 9, &mut begin(9)).is_err());
}
