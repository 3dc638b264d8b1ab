//! What commands say of recordings that end early, and with which code they exit.

use std::path::Path;
use std::process::{Command, Stdio};

use tcpdiag::recording::Kind;

use super::content::read;

const COMMANDS: [&[&str]; 6] = [
    &["conns"],
    &["listeners"],
    &["services"],
    &["stats"],
    &["stats", "--interval", "20ms"],
    &["services", "-o", "json", "--interval", "1s"],
];

/// Asks a recording; the exit code and what was said.
fn ask(command: &[&str], file: &Path, strict: bool) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdiag"))
        .args(command)
        .args(strict.then_some("--strict"))
        .arg("--read")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Makes a recording of some samples that is not compressed.
fn record(file: &Path) -> Vec<u8> {
    let made = Command::new(env!("CARGO_BIN_EXE_tcpdiag"))
        .args(["record", "-i", "20ms", "--count", "4", "--compress", "none"])
        .arg(file)
        .output()
        .unwrap();
    assert!(made.status.success());
    std::fs::read(file).unwrap()
}

#[test]
fn is_said_by_all_and_strict_tells_it_by_the_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording.pcapng");
    let whole = record(&file);
    for command in COMMANDS {
        let (code, said) = ask(command, &file, false);
        assert_eq!(code, Some(0), "{command:?}: {said}");
        assert!(!said.contains("recording ends early"), "{command:?}: {said}");
    }
    // The last note is the end; with its length it is told where it begins.
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
                let (code, said) = ask(command, &file, strict);
                assert!(said.contains(&words), "{command:?} {cut}: {said}");
                assert_eq!(said.matches("ends early").count(), 1, "{command:?}: {said}");
                assert_eq!(code, Some(if strict { 3 } else { 0 }), "{command:?}: {said}");
            }
        }
    }
    // Nobody is told of a cut that is behind what was asked for.
    std::fs::write(&file, &whole[..end - 1]).unwrap();
    for command in [&["conns", "--at", "+1ns"][..], &["stats", "--to", "+25ms"]] {
        let (_, said) = ask(command, &file, true);
        assert!(!said.contains("ends early"), "{command:?}: {said}");
    }
    // Nothing of it is left to show.
    std::fs::write(&file, &whole[..whole.len() / 6]).unwrap();
    for command in COMMANDS {
        let (code, said) = ask(command, &file, false);
        assert_eq!(code, Some(2), "{command:?}: {said}");
        assert!(said.contains("ends early") && said.contains("no whole sample"), "{said}");
    }
}
