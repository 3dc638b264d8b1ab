//! Several files that are read as one recording.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tcpdiag::recording::{
    Compression, Direction, DumpBegun, DumpEnded, HostFacts, Kind, NamespaceInterface, NamespaceOf,
    SampleBegun, SampleEnded,
};
use tcpdiag::socket_diag::DumpOutcome;
use tcpdiag::sys::Clocks;

use super::command::{Recorder, samples, start, wait_for};
use super::content::{NAMESPACE, writer};
use super::convert::{Connection, stderr, stdout, tcpdiag};
use super::diff::FakeSocket;

/// The recordings of a directory, oldest first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // Those of one second are numbered from 2.
    files.sort_by_key(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().replace(".pcapng", "");
        let (time, number) = name.strip_prefix("part-").unwrap().split_at(16);
        (time.to_owned(), number.trim_start_matches('-').parse().unwrap_or(1))
    });
    files
}

fn all_samples(directory: &Path) -> usize {
    files(directory).iter().map(|path| samples(path)).sum()
}

/// Documents or rows of JSON.
fn json(arguments: &[&str]) -> Vec<Value> {
    let text = stdout(&tcpdiag(arguments));
    serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
}

fn sum(rows: &[&Value], key: &str) -> u64 {
    rows.iter().filter_map(|row| row[key].as_u64()).sum()
}

/// Two recordings of the same traffic: one in many files, one in a single file.
struct Recorded {
    _directory: tempfile::TempDir,
    rotated: PathBuf,
    single: PathBuf,
    port: u16,
    client: u64,
    short: u64,
    /// A time between the two transfers, for `--at`.
    between: String,
}

const BYTES: [usize; 2] = [30_000, 50_000];

fn recorded() -> Recorded {
    let directory = tempfile::tempdir().unwrap();
    let rotated = directory.path().join("rotated");
    std::fs::create_dir(&rotated).unwrap();
    let single = directory.path().join("single.pcapng.zst");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut whole = start(&single, &["-i", "20ms"]);
    let rotation = ["--rotate", "150ms", "-i", "20ms"];
    let mut parts = Recorder::spawn(&rotated.join("part.pcapng.zst"), &rotation);
    let wait = |more: usize| {
        let before = [samples(&single), all_samples(&rotated)];
        wait_for(|| samples(&single) >= before[0] + more);
        wait_for(|| all_samples(&rotated) >= before[1] + more);
    };
    wait(3);
    let mut long = Connection::to(&listener);
    long.send(BYTES[0]);
    // Until its last acknowledgement is recorded.
    wait(12);
    let between = format!("{:.9}", jiff::Timestamp::now());
    wait(5);
    long.send(BYTES[1]);
    let mut short = Connection::to(&listener);
    short.send(2_000);
    let (client, port) = (long.port(), listener.local_addr().unwrap().port());
    let short_port = short.port();
    drop(short.client);
    drop(short.server);
    wait(12);
    for child in [&mut parts, &mut whole] {
        kill_process(Pid::from_child(child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert!(files(&rotated).len() > 2, "{:?}", files(&rotated));
    drop((long, listener));
    Recorded { _directory: directory, rotated, single, port, client, short: short_port, between }
}

#[test]
fn a_rotated_recording_is_read_like_a_single_one() {
    let recorded = recorded();
    let Recorded { port, client, short, between, .. } = &recorded;
    let (rotated, single) = (recorded.rotated.to_str().unwrap(), recorded.single.to_str().unwrap());
    let filter = format!("port = :{port}");

    // One sample.
    let client_filter = format!("sport = :{client}");
    for (at, bytes) in [(Some(between), BYTES[0]), (None, BYTES[0] + BYTES[1])] {
        let document = |path: &str| {
            let mut arguments = vec!["conns", "--processes", "-o", "json", "--read", path];
            arguments.extend(at.iter().flat_map(|at| ["--at", at.as_str()]));
            arguments.push(&client_filter);
            json(&arguments).remove(0)
        };
        for path in [rotated, single] {
            let document = document(path);
            let [row] = &document["connections"].as_array().unwrap()[..] else {
                panic!("{document}")
            };
            assert_eq!(row["tcp_info"]["bytes_sent"], bytes, "{path} {at:?}");
            assert_eq!(row["role"], "client");
            assert_eq!(row["processes"][0]["pid"], std::process::id(), "{row}");
        }
    }

    // All rows.
    let paths = files(&recorded.rotated);
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let backwards: Vec<&str> = paths.iter().rev().copied().collect();
    let convert = |paths: &[&str]| json(&[&["convert"], paths, &[filter.as_str()]].concat());
    let (parts, whole) = (convert(&[rotated]), convert(&[single]));
    assert_eq!(convert(&backwards), parts);
    for rows in [&parts, &whole] {
        let of = |local: u64| -> Vec<&Value> {
            rows.iter().filter(|row| row["lport"] == local).collect()
        };
        for (local, bytes) in [(*client, BYTES[0] + BYTES[1]), (*short, 2_000)] {
            let own = of(local);
            assert_eq!(sum(&own, "bytes_sent_delta"), bytes as u64, "{own:?}");
            let count = |flag: &str| own.iter().filter(|row| row[flag] == true).count();
            assert_eq!([count("first"), count("opened")], [1, 1], "{own:?}");
            assert_eq!(count("closed"), usize::from(local == *short), "{own:?}");
        }
        let numbers: Vec<u64> = rows.iter().map(|row| row["sample"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
    let cookies =
        |rows: &[Value]| rows.iter().map(|row| row["cookie"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(cookies(&parts), cookies(&whole));

    // Attribution of the whole run: our connections were opened in it, once.
    for path in [rotated, single] {
        let documents =
            json(&["services", "-o", "json", "--all", "--interval", "1h", "--read", path]);
        let [document] = &documents[..] else { panic!("{documents:?}") };
        let mut attribution = document["attribution"].as_array().unwrap().iter();
        let opened = attribution.find(|entry| entry["counter"] == "TcpActiveOpens");
        let opened = opened.unwrap_or_else(|| panic!("{path}: {document:#}"));
        assert!(opened["delta"].as_u64().unwrap() >= 2, "{path}: {opened}");
    }
    for command in ["stats", "diagnose"] {
        let output = tcpdiag(&[command, "--read", rotated]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let sides = [format!("{rotated}@..{between}"), format!("@{between}..")];
    assert_eq!(json(&["diff", &sides[0], &sides[1], "-o", "json"]).len(), 1);

    // Without names they become one file.
    let copy = recorded.rotated.with_file_name("copy.pcapng.zst");
    let copy = copy.to_str().unwrap();
    let output = tcpdiag(&["convert", "--anonymise", "--strict", rotated, "--into", copy]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let of_client = |rows: Vec<Value>| -> Vec<Value> {
        let kept = ["time_ns", "sample", "lport", "cookie", "pid", "bytes_sent_delta", "closed"];
        let own = rows.into_iter().filter(|row| row["lport"] == *client);
        own.map(|row| kept.iter().map(|key| row[key].clone()).collect()).collect()
    };
    assert_eq!(of_client(convert(&[copy])), of_client(parts));

    // A truncated file loses only its own end; a file that is no recording is skipped.
    let cut = std::fs::read(paths[1]).unwrap();
    std::fs::write(paths[1], &cut[..cut.len() * 2 / 3]).unwrap();
    std::fs::write(recorded.rotated.join("notes.txt"), "a text").unwrap();
    let output = tcpdiag(&["convert", rotated, "--strict", &filter]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains(&format!("{}: recording ends early", paths[1])), "{message}");
    assert!(message.contains("1 other file"), "{message}");
    let rows = String::from_utf8(output.stdout).unwrap();
    let ends = |rows: &str, of: &str| rows.lines().filter(|row| row.contains(of)).count();
    assert_eq!(ends(&rows, "\"closed\":true"), 2, "{rows}");
}

/// Two samples of two namespaces, each with a listener on another port.
fn two_namespaces() -> Vec<u8> {
    let mut writer = writer(Compression::Zstd);
    let facts = HostFacts { machine: "x86_64".to_owned(), ..HostFacts::default() };
    writer.json(Kind::Host, 0, &facts).unwrap();
    let other = NamespaceInterface { inode: 17, name: Some("blue") };
    let namespaces = [(NAMESPACE, 0), (other, writer.add_namespace(&other).unwrap())];
    for (NamespaceInterface { inode, name }, interface) in namespaces {
        let fact = NamespaceOf { interface, inode, name: name.map(str::to_owned) };
        writer.json(Kind::Namespace, inode, &fact).unwrap();
    }
    for sample in 0..2u32 {
        let nanoseconds = 1_700_000_000_000_000_000 + u64::from(sample) * 1_000_000_000;
        let clocks = Clocks { realtime_ns: nanoseconds, monotonic_ns: nanoseconds };
        writer.set_sample(sample);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false }).unwrap();
        for (NamespaceInterface { inode, .. }, interface) in namespaces {
            let counters = format!("snmp\nTcp: InSegs OutSegs\nTcp: {} 7\n", 100 * sample);
            writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
            let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
            writer.json(Kind::DumpBegin, inode, &begun).unwrap();
            let dump = FakeSocket::listener(1000 + interface as u16).message();
            writer.datagram(interface, Direction::Received, &dump).unwrap();
            writer.json(Kind::DumpEnd, inode, &DumpEnded::from(DumpOutcome::default())).unwrap();
        }
        writer.json(Kind::SampleEnd, 0, &SampleEnded { clocks, ..SampleEnded::default() }).unwrap();
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    writer.finish().unwrap()
}

#[test]
fn every_command_takes_the_first_namespace_by_default() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("two.pcapng.zst");
    std::fs::write(&path, two_namespaces()).unwrap();
    let path = path.to_str().unwrap();
    let own = NAMESPACE.inode;
    for (netns, expected) in
        [(&[][..], &[own][..]), (&["--netns", "blue"], &[17]), (&["--netns", "all"], &[own, 17])]
    {
        let listeners = json(&[&["listeners", "-o", "jsonl", "--read", path], netns].concat());
        let ports: BTreeSet<_> =
            listeners.iter().filter_map(|row| row["local"]["port"].as_u64()).collect();
        assert_eq!(ports.len(), expected.len(), "{netns:?}: {listeners:?}");
        let rows = json(&[&["convert", path, "--all-rows"], netns].concat());
        let inodes: BTreeSet<_> = rows.iter().map(|row| row["netns"].as_u64().unwrap()).collect();
        assert_eq!(inodes, expected.iter().copied().collect(), "{netns:?}");
        let stats = json(&[&["stats", "-o", "json", "--read", path], netns].concat());
        let inodes: BTreeSet<_> =
            stats.iter().map(|row| row["netns"]["inode"].as_u64().unwrap()).collect();
        assert_eq!(inodes, expected.iter().copied().collect(), "{netns:?}");
        let sides = [path, "@..", "--all", "-o", "json"];
        let diff = json(&[&["diff"], &sides[..], netns].concat());
        let segments = diff[0]["changes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["kind"] == "counter" && row["name"] == "TcpInSegs");
        assert_eq!(segments.unwrap()["a"], 100.0 * expected.len() as f64, "{netns:?}: {diff:?}");
    }
}

#[test]
fn directories_without_recordings_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let output = tcpdiag(&["stats", "--read", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no recording of tcpdiag in this directory"));
    std::fs::write(directory.path().join("a.txt"), "a text").unwrap();
    let output = tcpdiag(&["conns", "--read", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("in this directory, but 1 other file"));
}
