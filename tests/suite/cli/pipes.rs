//! A closed pipe is not an error.

use std::io::pipe;
use std::process::{Command, Stdio};

use super::Connection;
use crate::lab::program;

/// A pipe whose reading end is closed.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn tcpdiag(arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null());
    command
}

const PRINTING: [&[&str]; 15] = [
    &["conns"],
    &["conns", "--state", "all", "-o", "json"],
    &["conns", "-o", "jsonl"],
    &["conns", "-o", "csv"],
    &["conns", "--sort", "rtt", "-o", "tsv"],
    &["conns", "--detail"],
    &["conns", "-P"],
    &["conns", "--interval", "20ms"],
    &["listeners"],
    &["services", "--interval", "20ms"],
    &["services", "--interval", "20ms", "-o", "json"],
    &["services", "--interval", "20ms", "-o", "csv"],
    &["conns", "--columns", "help"],
    &["conns", "--help"],
    &["man"],
];

#[test]
fn standard_output_may_be_closed() {
    let _connection = Connection::new();
    for arguments in PRINTING {
        let output = tcpdiag(arguments).stdout(closed()).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn standard_error_may_be_closed() {
    let _connection = Connection::new();
    for arguments in [&["conns"][..], &["conns", "--interval", "20ms", "--count", "2"]] {
        let output = tcpdiag(arguments).stderr(closed()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty());
    }
    for arguments in [&["conns", "--port", "0"][..], &["conns", "-4", "-6"]] {
        for stdout in [closed(), Stdio::null()] {
            let status = tcpdiag(arguments).stderr(closed()).stdout(stdout).status().unwrap();
            assert_eq!(status.code(), Some(2), "{arguments:?}");
        }
    }
}

#[test]
fn standard_output_may_be_closed_between_intervals() {
    use std::io::{BufRead as _, BufReader};
    for (command, form) in [("conns", "jsonl"), ("services", "json"), ("services", "jsonl")] {
        let mut child = tcpdiag(&[command, "--interval", "20ms", "-o", form])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let schema = format!("{{\"schema\":\"tcpdiag.{command}");
        assert!(line.starts_with(&schema), "{line}");
        // Like `head -1`, the reader closes the pipe.
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        // What this user may not see was reported before that.
        let is_privilege =
            |line: &&str| line.contains("owners: ") || line.contains("CAP_NET_ADMIN");
        let messages: Vec<&str> = stderr.lines().filter(|line| !is_privilege(line)).collect();
        assert!(messages.is_empty(), "{messages:?}");
    }
}

/// An unreadable file of counters is missing data, and a reader that left does not change that.
#[test]
fn what_is_missing_counts_without_a_reader() {
    let damaged = cut_recording();
    let file = damaged.path().join("cut.pcapng.zst");
    let file = file.to_str().unwrap();
    for arguments in [
        &["conns", "--state", "all", "--read", file][..],
        &["conns", "--state", "all", "--sort", "rtt", "--read", file],
        &["listeners", "--read", file],
        &["stats", "--read", file],
        // What follows an interval is not read any more.
        &["services", "--interval", "1h", "--read", file],
        &["diagnose", "--read", file],
        // Rows would be written, and the reader missed, before the damage is met.
        &["convert", "--all-rows", "--state", "all", "--port", "1", file],
        &["diff", file, file],
    ] {
        for (strict, code) in [(&[][..], 0), (&["--strict"][..], 3)] {
            let all = [arguments, strict].concat();
            let mut command = tcpdiag(&all);
            let output = command.stdout(closed()).stderr(Stdio::piped()).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{all:?}: {stderr}");
        }
    }
}

/// A recording that was cut short.
fn cut_recording() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.pcapng.zst");
    let path = whole.to_str().unwrap();
    let recorded = tcpdiag(&["record", path, "--count", "6", "-i", "20ms"]).output().unwrap();
    assert!(recorded.status.success());
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(directory.path().join("cut.pcapng.zst"), &bytes[..bytes.len() - 200]).unwrap();
    directory
}

#[test]
fn a_baseline_is_saved_without_a_reader() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("baseline");
    let path = path.to_str().unwrap();
    for form in ["table", "json", "jsonl", "csv"] {
        let all = ["stats", "--no-history", "--all", "--save", path, "-o", form];
        let output = tcpdiag(&all).stdout(closed()).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains("tcpdiag: saved "), "{stderr}");
        let against = tcpdiag(&["stats", "--against", path]).output().unwrap();
        assert_eq!(against.status.code(), Some(0));
    }
}
