//! Recordings of the fault lab, as fixtures of the rules.
//!
//! ```text
//! cargo test --test suite write_recordings -- --ignored --nocapture
//! ```

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use tcpdiag::diagnosis::RULES;
use tcpdiag::recording::{
    About, Compression, Entry, Kind, NamespaceInterface, NamespaceOf, Reader, Writer,
};

use super::cases::{CASES, MADE_UP};
use crate::lab::faults::{Fault, chosen, try_all};
use crate::lab::{Side, Tcpdiag, lab, program};

/// Faults recorded at the same time.
const CONCURRENT: usize = 8;
/// The largest recording, to keep the repository small.
const LARGEST_RECORDING: u64 = 36 << 10;
/// The suffix of their names.
const SUFFIX: &str = ".pcapng.zst";

/// Their folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/diagnose")
}

/// The recording of one end of a fault.
fn name(fault: &Fault, side: Side) -> String {
    let words = fault.name.split(|character: char| !character.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{}-{side:?}", words.join("-")).to_lowercase()
}

/// All recordings that rules need.
fn needed() -> BTreeSet<String> {
    CASES
        .iter()
        .flat_map(|(_, with, without)| [(*with).to_owned(), (*without).to_owned()])
        .collect()
}

/// Records in the namespace of the caller, without this machine's file names.
fn record(file: &str) {
    let mut command = program();
    command.arg0("tcpdiag").current_dir(folder());
    let output = command.args(["record", file, "--force", "--count", "6"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

lab!(
    alone as Mapped #[ignore = "writes fixtures/diagnose"] fn write_recordings() {
        std::fs::create_dir_all(folder()).unwrap();
        let mut faults = chosen();
        let ends = |fault: &Fault| {
            Side::BOTH.map(|side| name(fault, side)).map(|name| needed().contains(&name))
        };
        faults.retain(|fault| ends(fault) != [false; 2]);
        let outcomes = try_all(&faults, CONCURRENT, |fault, setup| {
            std::thread::scope(|scope| {
                let sides = Side::BOTH.into_iter();
                for side in sides.filter(|side| ends(fault)[side.index()]) {
                    let file = name(fault, side) + SUFFIX;
                    scope.spawn(move || {
                        setup.inside(side, || record(&file));
                        let length = std::fs::metadata(folder().join(&file)).unwrap().len();
                        println!("{file}: {length} bytes");
                        assert!(length <= LARGEST_RECORDING, "{file} has {length} bytes");
                    });
                }
            });
        });
        outcomes.into_iter().for_each(|outcome| {
            outcome.unwrap();
        });
        make_up();
    }
);

/// Writes the made-up recordings.
fn make_up() {
    let original = std::fs::read(folder().join(format!("healthy-bulk-client{SUFFIX}"))).unwrap();
    for (name, change) in MADE_UP {
        let about = About { program: "tcpdiag", system: "Linux", machine: "x86_64" };
        let mut reader = Reader::new(original.as_slice()).unwrap();
        let mut writer: Option<Writer<Vec<u8>>> = None;
        let mut early = Vec::new();
        while let Some((time, entry)) = reader.read_timed().unwrap() {
            match entry {
                Entry::Recording => panic!("{name}: several recordings"),
                Entry::Datagram(datagram) => {
                    let writer = writer.as_mut().unwrap();
                    writer.set_time(time);
                    writer
                        .datagram(datagram.interface, datagram.direction, datagram.bytes)
                        .unwrap();
                }
                Entry::Note(note) => {
                    if note.kind == Kind::Namespace {
                        let of: NamespaceOf = note.json().unwrap();
                        let namespace =
                            NamespaceInterface { inode: of.inode, name: of.name.as_deref() };
                        writer = Some(
                            Writer::new(Vec::new(), Compression::Zstd, &about, &namespace).unwrap(),
                        );
                    }
                    let settings = std::str::from_utf8(note.payload).unwrap_or_default();
                    let payload = match (note.kind, note.named_text()) {
                        (Kind::Sysctl, _) => {
                            let mut text = settings.to_owned();
                            change(note.sample, "sysctl", &mut text);
                            text.into_bytes()
                        }
                        (Kind::Counters, Some((file, text))) => {
                            let mut text = text.to_owned();
                            change(note.sample, file, &mut text);
                            format!("{file}\n{text}").into_bytes()
                        }
                        _ => note.payload.to_vec(),
                    };
                    let Some(writer) = &mut writer else {
                        early.push((time, note.kind, note.sample, note.namespace, payload));
                        continue;
                    };
                    let now = (time, note.kind, note.sample, note.namespace, payload);
                    for (time, kind, sample, namespace, payload) in early.drain(..).chain([now]) {
                        writer.set_time(time);
                        writer.set_sample(sample);
                        writer.note(kind, namespace, &payload).unwrap();
                    }
                }
            }
        }
        let bytes = writer.unwrap().finish().unwrap();
        assert!(bytes.len() as u64 <= LARGEST_RECORDING, "{name} has {} bytes", bytes.len());
        std::fs::write(folder().join(format!("{name}{SUFFIX}")), bytes).unwrap();
    }
}

#[test]
fn every_rule_has_recordings_with_and_without_it() {
    let known: Vec<&str> = CASES.iter().map(|(code, ..)| *code).collect();
    let unique: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(unique.len(), known.len(), "a rule has two cases");
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(unique, rules);
}

#[test]
fn every_recording_is_needed_by_a_rule() {
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let needed: BTreeSet<String> = needed().into_iter().map(|name| name + SUFFIX).collect();
    assert_eq!(there, needed);
}

#[test]
fn rules_find_the_faults_in_recordings() {
    let mut wrong = Vec::new();
    for (code, with, without) in CASES {
        for (name, found) in [(with, true), (without, false)] {
            let path = folder().join(format!("{name}{SUFFIX}"));
            let mut arguments = vec!["diagnose", "--read", path.to_str().unwrap(), "-o", "json"];
            if *code == "TD160" {
                arguments.extend(["--target-rate", "100Mbit"]);
            }
            let document = Tcpdiag::new().document(&arguments);
            let findings = document["findings"].as_array().unwrap();
            let codes: Vec<_> = findings.iter().map(|finding| &finding["code"]).collect();
            if codes.iter().any(|other| *other == code) != found {
                wrong.push(format!("{code} in {name}: {codes:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
