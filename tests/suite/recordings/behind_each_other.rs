//! Several recordings in one file, one behind the other.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tcpdiag::recording::{Compression, Kind};

use super::command::{record, stderr};
use super::content::{Item, Timed, recording};

fn tcpdiag(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcpdiag")).args(arguments).args(files).output().unwrap()
}

#[test]
fn they_are_read_as_one_in_time_order_only() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for compress in ["zstd", "none"] {
        let path = |name: &str| directory.path().join(format!("{name}-{compress}"));
        let [one, other] = ["one", "other"].map(path);
        for file in [&one, &other] {
            let made = record(file, &["--count", "3", "-i", "20ms", "--compress", compress]);
            assert!(made.status.success(), "{}", stderr(&made));
        }
        let join = |name: &str, parts: &[&[u8]]| {
            std::fs::write(path(name), parts.concat()).unwrap();
            path(name)
        };
        let [a, b] = [&one, &other].map(|file| std::fs::read(file).unwrap());
        let both = join("both", &[&a, &b]);
        for arguments in [
            &["convert", "--strict", "--all-rows"][..],
            &["convert", "--strict", "--all-rows", "state = listening"],
        ] {
            let (command, rest) = arguments.split_at(1);
            let run = |files: &[&Path]| {
                let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
                tcpdiag(&[command, &files, rest].concat(), &[])
            };
            let (apart, joined) = (run(&[&one, &other]), run(&[&both]));
            assert_eq!(apart.status.code(), Some(0), "{}", stderr(&apart));
            assert_eq!(joined.status.code(), Some(0), "{}", stderr(&joined));
            assert!(apart.stdout == joined.stdout, "{compress} {arguments:?}");
        }
        let counted = tcpdiag(&["stats", "--strict", "-i", "20ms", "--read"], &[&both]);
        assert_eq!(counted.status.code(), Some(0), "{}", stderr(&counted));
        assert!(stderr(&counted).contains("6 samples"), "{}", stderr(&counted));
        let into = path("anonymised");
        let copied = tcpdiag(
            &["convert", "--strict", "--anonymise", "--into", into.to_str().unwrap()],
            &[&both],
        );
        assert_eq!(copied.status.code(), Some(0), "{}", stderr(&copied));
        assert!(stderr(&copied).contains("6 samples"), "{}", stderr(&copied));
        let checked = tcpdiag(&["stats", "--strict", "--read"], &[&into]);
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));

        let reversed = join("reversed", &[&b, &a]);
        let cut = join("cut", &[&a, &b[..b.len() - 30]]);
        for (file, words) in
            [(&reversed, "an earlier recording begins here"), (&cut, "cut in the middle")]
        {
            for arguments in [
                &["conns", "--strict", "--read"][..],
                &["stats", "--strict", "--read"],
                &["convert", "--strict"],
            ] {
                let output = tcpdiag(arguments, &[file]);
                let message = stderr(&output);
                assert_eq!(output.status.code(), Some(3), "{arguments:?}: {message}");
                assert!(message.contains(words), "{arguments:?}: {message}");
            }
        }
    }
}

fn of(host: &str, boot: Option<&str>, time: u64) -> Vec<Timed> {
    let json =
        |kind, value: serde_json::Value| (time, Item::note(kind, value.to_string().as_bytes()));
    vec![
        json(
            Kind::Host,
            json!({
                "hostname": host, "kernel": "6.12.0", "machine": "x86_64", "boot_id": boot, "version": "0",
                "arguments": [], "interval_ns": 1, "net_admin": true, "monotonic_ns": time, "realtime_ns": time,
            }),
        ),
        json(Kind::Sample, json!({"monotonic_ns": time, "realtime_ns": time})),
        json(Kind::SampleEnd, json!({"monotonic_ns": time, "realtime_ns": time})),
        json(
            Kind::End,
            json!({"why": "count", "samples": 1, "sockets": 0, "events": 0, "events_lost": 0}),
        ),
    ]
}

#[test]
fn those_of_other_hosts_and_boots_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file.pcapng");
    let section = |items: &[Timed]| recording(Compression::None, items);
    let first = of("one", Some("a"), 10);
    let capture: Vec<u8> =
        [0x0a0d_0d0au32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 253, 0, 20]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
    for (behind, words) in [
        (section(&of("renamed", Some("a"), 20)), None),
        (section(&of("two", Some("b"), 20)), Some("a recording of another host")),
        (section(&of("one", Some("b"), 20)), Some("or of another boot of it")),
        (section(&of("two", None, 20)), Some("a recording of another host")),
        (section(&of("one", Some("a"), 10)), Some("an earlier recording begins here")),
        (capture, Some("a file of another kind begins here")),
        (section(&[of("one", Some("a"), 20), of("one", Some("a"), 30)].concat()), Some("mergecap")),
    ] {
        std::fs::write(&file, [section(&first), behind].concat()).unwrap();
        for arguments in [&["conns", "--strict", "--read"][..], &["convert", "--strict"]] {
            let output = tcpdiag(arguments, &[&file]);
            let message = stderr(&output);
            let code = if words.is_some() { 3 } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
            assert!(message.contains(words.unwrap_or("")), "{words:?}: {message}");
        }
    }
}

#[test]
fn datagrams_of_no_namespace_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file.pcapng");
    let mut items = of("one", Some("a"), 10);
    items.insert(3, (10, Item::received(&[0; 20])));
    std::fs::write(&file, recording(Compression::None, &items)).unwrap();
    let output = tcpdiag(&["conns", "--strict", "--read"], &[&file]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("belongs to no network namespace"), "{}", stderr(&output));
}
