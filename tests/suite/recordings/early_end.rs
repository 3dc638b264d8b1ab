//! Messages and exit codes of commands for recordings that end early.

use std::path::Path;
use std::process::Stdio;

use tcpdiag::recording::Kind;

use super::content::read;
use crate::lab::program;

const COMMANDS: [&[&str]; 6] = [
    &["conns"],
    &["listeners"],
    &["services"],
    &["stats"],
    &["stats", "--interval", "20ms"],
    &["services", "-o", "json", "--interval", "1s"],
];

/// Runs a command on a recording; returns the exit code and standard error.
fn run_on(command: &[&str], file: &Path, strict: bool) -> (Option<i32>, String) {
    let output = program()
        .args(command)
        .args(strict.then_some("--strict"))
        .arg("--read")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Makes an uncompressed recording of some samples.
fn record(file: &Path) -> Vec<u8> {
    let made = program()
        .args(["record", "-i", "20ms", "--count", "4", "--compress", "none"])
        .arg(file)
        .output()
        .unwrap();
    assert!(made.status.success());
    std::fs::read(file).unwrap()
}

#[test]
fn every_command_reports_it_and_strict_exits_with_3() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording.pcapng");
    let whole = record(&file);
    for command in COMMANDS {
        let (code, message) = run_on(command, &file, false);
        assert_eq!(code, Some(0), "{command:?}: {message}");
        assert!(!message.contains("recording ends early"), "{command:?}: {message}");
    }
    // The last note is the end. A block's length also follows it, so its start can be found.
    let length = |end: usize| u32::from_ne_bytes(whole[end - 4..end].try_into().unwrap()) as usize;
    let end = whole.len() - length(whole.len());
    let sample_end = end - length(end);
    let (items, _) = read(&whole[..end]);
    let Some((_, super::content::Item::Note { kind, .. })) = items.last() else { panic!() };
    assert_eq!(*kind, Kind::SampleEnd);
    for (cut, words) in [
        (whole.len() - 10, format!("recording ends early at byte {end}: it is cut in the middle")),
        (end, format!("recording ends early at byte {end}: it has no end")),
        (sample_end, format!("recording ends early at byte {sample_end}: it has no end")),
        (end - 1, format!("recording ends early at byte {sample_end}: it is cut in the middle")),
    ] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        for command in COMMANDS {
            for strict in [false, true] {
                let (code, message) = run_on(command, &file, strict);
                assert!(message.contains(&words), "{command:?} {cut}: {message}");
                assert_eq!(message.matches("ends early").count(), 1, "{command:?}: {message}");
                assert_eq!(code, Some(if strict { 3 } else { 0 }), "{command:?}: {message}");
            }
        }
    }
    // A cut after the requested sample is not reported.
    std::fs::write(&file, &whole[..end - 1]).unwrap();
    for command in [&["conns", "--at", "+10ms"][..], &["stats", "--to", "+25ms"]] {
        let (code, message) = run_on(command, &file, true);
        assert_ne!(code, Some(2), "{command:?}: {message}");
        assert!(!message.contains("ends early"), "{command:?}: {message}");
    }
    // No sample is left to show.
    std::fs::write(&file, &whole[..whole.len() / 6]).unwrap();
    for command in COMMANDS {
        let (code, message) = run_on(command, &file, false);
        assert_eq!(code, Some(2), "{command:?}: {message}");
        assert!(message.contains("ends early") && message.contains("no whole sample"), "{message}");
    }
}
