//! A program that is stopped, and limits on files: what was missed is not made up for, runs end
//! when their time is over, and what was written can be read.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long the program is stopped.
const STOPPED: Duration = Duration::from_millis(1500);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdiag"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Stops the program for [`STOPPED`].
fn stop(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::sleep(STOPPED);
    kill_process(pid, Signal::CONT).unwrap();
}

/// Runs a command that writes a document for each interval, and stops it after the first one.
/// Returns the lengths of the intervals, and how long the run took.
fn stopped(arguments: &[&str]) -> (Vec<f64>, Duration) {
    let begun = Instant::now();
    let mut child = program(arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lengths = Vec::new();
    let mut is_first = true;
    for line in lines {
        let document: Value = serde_json::from_str(&line.unwrap()).unwrap();
        // The whole run of `services` is no interval.
        if document["basis"] != "whole_run" {
            lengths.extend(document["interval_s"].as_f64());
        }
        if std::mem::take(&mut is_first) {
            stop(&child);
        }
    }
    let took = begun.elapsed();
    assert!(child.wait().unwrap().success());
    (lengths, took)
}

#[test]
fn missed_intervals_are_not_made_up_for() {
    for command in [&["conns"][..], &["stats"]] {
        let arguments = [command, &["-i", "400ms", "--count", "5", "-o", "json"]].concat();
        let (lengths, _) = stopped(&arguments);
        assert_eq!(lengths.len(), 4, "{command:?}: {lengths:?}");
        assert!(lengths.iter().all(|length| *length > 0.15), "{command:?}: {lengths:?}");
        assert!(lengths.iter().any(|length| *length > 1.1), "{command:?}: {lengths:?}");
    }
    let arguments = ["services", "-i", "400ms", "--count", "5", "-o", "json"];
    let (lengths, _) = stopped(&arguments);
    assert!(lengths.len() >= 5 && lengths.iter().all(|length| *length > 0.15), "{lengths:?}");
    assert!(lengths.iter().any(|length| *length > 1.1), "{lengths:?}");
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let arguments = ["services", "-i", "200ms", "--duration", "2s", "-o", "json"];
    ends_in(Duration::from_millis(3000), || {
        let (lengths, took) = stopped(&arguments);
        assert!(took >= Duration::from_secs(2), "{took:?}");
        // Without the stop there would be ten.
        assert!(lengths.len() < 8, "{lengths:?}");
        took
    });

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.pcapng.zst");
    let path = file.to_str().unwrap();
    let long = Duration::from_millis(2000);
    for (arguments, most) in [
        (&["record", path, "-i", "200ms", "--duration", "2s"][..], long),
        (&["diagnose", "--duration", "2s", "-o", "json"], long),
        // Its time is over while it is stopped.
        (&["record", path, "-i", "200ms", "--duration", "1s"], Duration::ZERO),
    ] {
        let most = most.max(STOPPED + Duration::from_millis(500)) + Duration::from_secs(1);
        ends_in(most, || {
            let _ = std::fs::remove_file(&file);
            let begun = Instant::now();
            let mut child = program(arguments).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(500));
            stop(&child);
            assert!(child.wait().unwrap().success());
            begun.elapsed()
        });
    }
}

/// Checks that a run takes less than `most`. A busy machine may schedule it late: one run of several
/// has to.
fn ends_in(most: Duration, run: impl FnMut() -> Duration) {
    let mut runs = std::iter::repeat_with(run).take(4).inspect(|took| println!("{took:?}"));
    assert!(runs.any(|took| took < most), "each took more than {most:?}");
}

#[test]
fn the_limit_on_the_size_of_files_is_an_error_and_keeps_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    for (name, compress, samples) in [("plain", "none", "400"), ("packed", "zstd", "2000")] {
        let file = directory.path().join(name);
        let path = file.to_str().unwrap();
        // 128 KiB: the shell counts in blocks of 512 bytes.
        let shell = "ulimit -f 256; exec \"$0\" \"$@\"";
        let mut child = Command::new("sh")
            .args(["-c", shell, env!("CARGO_BIN_EXE_tcpdiag"), "record", path, "-i", "10ms"])
            .args(["--compress", compress, "--count", samples])
            // No sockets: samples are as large on every host.
            .args(["--port", "1"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(2), "{name}: {message}");
        assert!(message.contains(path), "{message}");
        assert!(message.contains("the limit on the size of files is reached"), "{message}");
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 128 << 10);
        let output = program(&["stats", "--read", path, "-o", "json"]).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{message}");
        assert!(message.contains("recording ends early"), "{message}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["since"]["seconds"].as_f64().unwrap() > 0.0, "{document}");
    }
}
