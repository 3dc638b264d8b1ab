//! Captures of `nlmon` by other programs while ss ran.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tcpdiag::model::State;
use tcpdiag::recording::{Compression, Direction, Reader, Sample, Span, Walk};

use super::content::{read, writer};
use crate::decode::capture::{KERNELS, Kernel, folder};
use crate::lab::program;

const KERNEL: Kernel = KERNELS[1];

fn file(name: &str) -> PathBuf {
    folder().join(KERNEL.release).join(name)
}

fn tcpdiag(command: &str, file: &Path, arguments: &[&str]) -> Output {
    program().arg(command).arg("--read").arg(file).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn document(command: &str, file: &Path, arguments: &[&str]) -> Value {
    let output = tcpdiag(command, file, &[arguments, &["-o", "json", "--strict"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// State, queues and ends of a socket, as ss prints them.
type Line = [String; 5];

fn as_ss(name: &str) -> BTreeSet<Line> {
    let text = KERNEL.text(name);
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        [(); 5].map(|()| words.next().unwrap())
    };
    text.lines().map(line).collect()
}

fn as_rows(document: &Value) -> BTreeSet<Line> {
    let label = |name: &Value| {
        State::ALL.into_iter().find(|state| name == state.name()).unwrap().label().to_owned()
    };
    let end = |row: &Value| {
        let address = match row["addr"].as_str().unwrap() {
            "::" => "*".to_owned(),
            address if address.contains(':') => format!("[{address}]"),
            address => address.to_owned(),
        };
        match row["port"].as_u64().unwrap() {
            0 => format!("{address}:*"),
            port => format!("{address}:{port}"),
        }
    };
    let row = |row: &Value| {
        let queues = match row["state"].as_str().unwrap() {
            "listen" => [&row["accept_queue"], &row["accept_queue_max"]],
            _ => [&row["recv_q"], &row["send_q"]],
        };
        let [recv, send] = queues.map(|queue| queue.as_u64().unwrap_or(0).to_string());
        [label(&row["state"]), recv, send, end(&row["local"]), end(&row["remote"])]
    };
    document["connections"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn sockets_are_those_that_ss_printed() {
    let all = document("conns", &file("nlmon.pcapng"), &["--state", "all"]);
    assert_eq!(as_rows(&all), as_ss("nlmon-ss.txt"));
    assert_eq!(all["host"]["kernel"], "6.1.0-56-cloud-amd64");
    assert_eq!([&all["host"]["hostname"], &all["netns"]], [&Value::Null; 2]);
    let rows = all["connections"].as_array().unwrap();
    for row in rows {
        assert!(row.get("processes").is_none_or(Value::is_null), "{row}");
    }
    assert!(rows.iter().any(|row| row["role"] == "server"));
    let sent = |row: &Value| row["tcp_info"]["bytes_sent"].as_u64();
    assert!(rows.iter().filter_map(sent).sum::<u64>() > 100_000);
    let listeners = document("listeners", &file("nlmon.pcapng"), &[]);
    assert_eq!(listeners["listeners"].as_array().unwrap().len(), 6);

    // Without listeners, counters and ports decide which end is the server.
    let some = document("conns", &file("nlmon.pcap"), &["--state", "all"]);
    assert_eq!(as_rows(&some), as_ss("nlmon-ss-established.txt"));
    assert_eq!(some["host"]["kernel"], Value::Null);
    for row in some["connections"].as_array().unwrap() {
        let basis = row["role_basis"].as_str().unwrap();
        assert!(["syn_sent", "tcp_info", "ports"].contains(&basis), "{row}");
        let other = rows.iter().find(|other| other["cookie"] == row["cookie"]).unwrap();
        assert_eq!(row["role"], other["role"], "with listeners: {other}");
    }
}

#[test]
fn missing_data_is_reported() {
    let (older, newer) = (file("nlmon.pcap"), file("nlmon.pcapng"));
    let message = stderr(&tcpdiag("conns", &older, &[]));
    assert!(
        message.contains("captured by another program: states established, syn_sent"),
        "{message}"
    );
    assert!(message.contains("nothing known of owners"), "{message}");
    for (command, file, arguments, words) in [
        ("conns", &newer, &["--process", "sshd"][..], "a capture by another program has none"),
        ("services", &newer, &[], "another program captured it, without counters"),
        ("stats", &older, &[], "another program captured it, without counters"),
        ("conns", &newer, &["--at", "1999-01-01T00:00:00Z"], "nothing before its first"),
    ] {
        let output = tcpdiag(command, file, arguments);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

fn samples(file: &[u8]) -> Vec<Sample> {
    let mut reader = Reader::new(file).unwrap();
    let mut walk = Walk::new(&mut reader, Span::default());
    let mut samples = Vec::new();
    while walk.advance() {
        samples.push(walk.sample().clone());
    }
    samples
}

#[test]
fn every_truncated_capture_ends_with_a_clear_message() {
    for name in ["nlmon.pcap", "nlmon.pcapng"] {
        let whole = KERNEL.bytes(name);
        let (items, end) = read(whole.as_slice());
        assert!(end.is_ok() && items.len() > 5);
        let steps = if name == "nlmon.pcap" { 1 } else { 7 };
        for length in (24..whole.len()).step_by(steps) {
            let Ok(mut reader) = Reader::new(&whole[..length]) else { continue };
            let mut walk = Walk::new(&mut reader, Span::default());
            let mut count = 0;
            while walk.advance() {
                count += 1;
            }
            assert!(count <= 1);
            if let Some(damage) = walk.damage() {
                assert!(damage.to_string().starts_with("recording ends early at byte "));
            }
        }
        assert_eq!(samples(&whole).len(), 1);
    }
}

/// The datagrams of a capture, repeated, in a file without notes.
fn repeated(times: usize) -> Vec<u8> {
    let (items, _) = read(KERNEL.bytes("nlmon.pcapng").as_slice());
    let mut writer = writer(Compression::None);
    for time in 0..times as u64 {
        for (at, item) in &items {
            let super::content::Item::Datagram { bytes, .. } = item else { panic!("{item:?}") };
            writer.set_time(at + time * 1_000_000_000);
            writer.datagram(0, Direction::Received, bytes).unwrap();
        }
    }
    let mut file = writer.finish().unwrap();
    // Without tcpdiag's notes: the interface has another name.
    let name = file.windows(7).position(|bytes| bytes == b"tcpdiag").unwrap();
    let second = file[name + 1..].windows(7).position(|bytes| bytes == b"tcpdiag").unwrap();
    file[name + 1 + second] = b'T';
    file
}

#[test]
fn each_run_of_ss_is_a_sample() {
    let samples = samples(&repeated(3));
    assert_eq!(samples.len(), 3);
    let [one, two, three] = &samples[..] else { panic!() };
    assert_eq!(two.clocks.realtime_ns - one.clocks.realtime_ns, 1_000_000_000);
    assert_eq!([one, two, three].map(|sample| sample.number), [0, 1, 2]);
    for sample in &samples {
        assert!(sample.capture && sample.owners.is_empty());
        let [namespace] = &sample.namespaces[..] else { panic!() };
        assert_eq!(namespace.part.parts.len(), 2, "IPv4 and IPv6, and not UDP");
        assert_eq!(namespace.part.dump, one.namespaces[0].part.dump);
    }
}
