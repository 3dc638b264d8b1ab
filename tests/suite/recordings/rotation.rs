//! Recordings in many files.

use std::path::{Path, PathBuf};

use tcpdiag::recording::{DumpEnded, Ending, HostFacts, Kind, NamespaceOf};

use super::command::{Connection, items, json, new_file, notes, record, sockets, stderr};
use super::content::{Item, Timed, writer};

/// Files of the directory in the order of their names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn rotated(directory: &Path) -> Vec<PathBuf> {
    let mut files = files(directory);
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("recording-"));
    files
}

fn begun(items: &[Timed]) -> u64 {
    let [host]: [HostFacts; 1] = json(&notes(items, Kind::Host)).try_into().unwrap();
    host.clocks.realtime_ns
}

#[test]
fn every_file_is_complete() {
    let connection = Connection::new();
    let (directory, file) = new_file();
    for rotate in ["60ms", "64KiB"] {
        let arguments = ["--rotate", rotate, "-i", "20ms", "--count", "20", "--compress", "none"];
        let output = record(&file, &arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{message}");
        assert!(!file.exists());
        let paths = rotated(directory.path());
        assert!(paths.len() > 2, "{paths:?}");
        assert!(
            message.starts_with(&format!("{} files, the last of them ", paths.len())),
            "{message}"
        );
        let mut files: Vec<Vec<Timed>> = paths.iter().map(|path| items(path)).collect();
        files.sort_by_key(|items| begun(items));
        let mut samples = 0;
        for (number, items) in files.iter().enumerate() {
            let Item::Note { kind: Kind::Host, .. } = &items[0].1 else { panic!("{:?}", items[0]) };
            let [namespace]: [NamespaceOf; 1] =
                json(&notes(items, Kind::Namespace)).try_into().unwrap();
            assert_eq!(namespace.interface, 0);
            assert!(!notes(items, Kind::Sysctl).is_empty());
            let [ending]: [Ending; 1] = json(&notes(items, Kind::End)).try_into().unwrap();
            assert_eq!(ending.why, if number + 1 == files.len() { "count" } else { "rotated" });
            let dumps: Vec<DumpEnded> = json(&notes(items, Kind::DumpEnd));
            assert!(dumps.len() as u64 == ending.samples && ending.samples > 0, "{ending:?}");
            assert_eq!(sockets(items).len() as u64, ending.sockets + ending.events);
            samples += ending.samples;
            // Every file has the owners and its own count of samples.
            let [_, client] = connection.ports();
            let sockets = sockets(items);
            let ours = sockets.iter().find(|socket| socket.local.port == client).unwrap();
            let owners = String::from_utf8(notes(items, Kind::Owners).concat()).unwrap();
            assert!(owners.contains(&format!("{{\"inode\":{},", ours.inode)), "{owners}");
            let first = items.iter().find_map(|(_, item)| match item {
                Item::Note { kind: Kind::Sample, sample, .. } => Some(*sample),
                _ => None,
            });
            assert_eq!(first, Some(0));
        }
        assert_eq!(samples, 20);
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }
}

#[test]
fn only_its_own_files_are_deleted() {
    let (directory, file) = new_file();
    let named = |time: &str| directory.path().join(format!("recording-{time}.pcapng.zst"));
    // Old recordings.
    assert_eq!(record(&file, &["--count", "1"]).status.code(), Some(0));
    let ours = ["20000101T000000Z", "20000101T000000Z-2", "20000102T000000Z"].map(named);
    ours.iter().for_each(|path| assert!(std::fs::copy(&file, path).unwrap() > 0));
    // Files with similar names.
    let text = named("20000103T000000Z");
    std::fs::write(&text, "not a recording\n").unwrap();
    let link = named("20000104T000000Z");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let strangers = named("20000105T000000Z");
    let mut of_another = writer(tcpdiag::recording::Compression::Zstd);
    let [host] = json::<HostFacts>(&notes(&items(&file), Kind::Host)).try_into().unwrap();
    let host = HostFacts { hostname: "another".to_owned(), ..host };
    of_another.json(Kind::Host, 0, &host).unwrap();
    std::fs::write(&strangers, of_another.finish().unwrap()).unwrap();
    let folder = named("20000106T000000Z");
    std::fs::create_dir(&folder).unwrap();
    let other_name = directory.path().join("other-20000101T000000Z.pcapng.zst");
    std::fs::copy(&file, &other_name).unwrap();
    let rest = [&file, &text, &link, &strangers, &folder, &other_name];

    // Nothing is deleted while all of them fit.
    let all = ["--rotate", "1h", "--count", "1", "--keep", "4"];
    assert_eq!(record(&file, &all).status.code(), Some(0));
    assert!(ours.iter().all(|path| path.exists()));
    // Then the oldest are deleted.
    let three = ["--rotate", "1h", "--count", "1", "--keep", "3"];
    assert_eq!(record(&file, &three).status.code(), Some(0));
    assert_eq!(ours.each_ref().map(|path| path.exists()), [false, false, true]);
    let hour = ["--rotate", "1h", "--count", "1", "--keep", "1h"];
    assert_eq!(record(&file, &hour).status.code(), Some(0));
    // It ends where the next one begins: just now.
    assert!(ours[2].exists());
    let newest = ["--rotate", "1h", "--count", "1", "--keep", "1"];
    assert_eq!(record(&file, &newest).status.code(), Some(0));
    assert!(!ours[2].exists());
    assert!(rest.iter().all(|path| path.symlink_metadata().is_ok()));
    let left = files(directory.path()).len();
    assert_eq!(left, rest.len() + 1, "{:?}", files(directory.path()));
}

#[test]
fn wrong_usage_is_refused() {
    let (directory, file) = new_file();
    for (arguments, words) in [
        (&["--rotate", "sometimes"][..], "accepted are e.g. 1h, 30m, 100MiB"),
        (&["--keep", "24h"], "--rotate"),
        (&["--rotate", "1h", "--keep", "all"], "accepted are e.g. 24h, 7d, 10"),
        (&["--rotate", "1h", "--force"], "--force"),
        (&["--rotate", "1h", "--ring", "1m"], "--ring"),
        (&["--ring", "now"], "accepted is a time"),
        (&["--trigger", "TcpRetransSegs > 1"], "--ring"),
        (&["--ring", "1m", "--trigger", "TcpRetransSegs"], "accepted are a counter and its growth"),
        (&["--ring", "1m", "--trigger", "TcpRetranSegs > 1"], "did you mean TcpRetransSegs"),
        (&["--ring", "1m", "--trigger", "tcp* > 1"], "several counters"),
        (&["--ring", "1m", "--trigger", "TcpCurrEstab > 1"], "no counter that grows"),
    ] {
        let output = record(&file, arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(words) && message.lines().count() == 1, "{message}");
    }
    assert!(files(directory.path()).is_empty());
}
