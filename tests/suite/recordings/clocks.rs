//! Recordings during which the wall clock was set, and times in the user's time zone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tcpdiag::recording::{
    Compression, Direction, DumpBegun, DumpEnded, HostFacts, Kind, NamespaceOf, SampleBegun,
    SampleEnded,
};
use tcpdiag::socket_diag::DumpOutcome;
use tcpdiag::sys::Clocks;

use super::content::{NAMESPACE, writer};
use super::diff::FakeSocket;

const SECOND: u64 = 1_000_000_000;

/// 2026-10-25T00:58:00Z, two minutes before clocks in Berlin are set back.
const START: u64 = 1_792_889_880;

/// A recording of a listener, whose port is 1000 and the number of the sample, and of counters.
/// Samples begin at these seconds by the wall clock, from [`START`] on, one in `every` seconds.
fn recording(directory: &Path, walls: &[u64], every: u64) -> PathBuf {
    let mut writer = writer(Compression::Zstd);
    let inode = NAMESPACE.inode;
    let machine = "x86_64".to_owned();
    let host = HostFacts { machine, interval_ns: every * SECOND, ..HostFacts::default() };
    writer.json(Kind::Host, 0, &host).unwrap();
    let fact = NamespaceOf { interface: 0, inode, name: None };
    writer.json(Kind::Namespace, inode, &fact).unwrap();
    for (number, wall) in (0u32..).zip(walls) {
        let realtime_ns = (START + wall) * SECOND + 5_000_000;
        let clocks =
            Clocks { realtime_ns, monotonic_ns: (100 + u64::from(number) * every) * SECOND };
        writer.set_sample(number);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false }).unwrap();
        let counters = format!("snmp\nTcp: InSegs OutSegs\nTcp: {} 7\n", 10 * number);
        writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
        let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, inode, &begun).unwrap();
        let dump = FakeSocket::listener(1000 + number as u16).message();
        writer.datagram(0, Direction::Received, &dump).unwrap();
        writer.json(Kind::DumpEnd, inode, &DumpEnded::from(DumpOutcome::default())).unwrap();
        writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
        writer.json(Kind::SampleEnd, 0, &SampleEnded { clocks, ..SampleEnded::default() }).unwrap();
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    let path = directory.join("clocks.pcapng.zst");
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

fn tcpdiag(zone: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdiag"));
    command.args(arguments).env("TZ", zone).output().unwrap()
}

fn message(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The sample whose listener is shown.
fn sample_at(zone: &str, path: &str, at: &str) -> u64 {
    let output = tcpdiag(zone, &["listeners", "-o", "json", "--read", path, "--at", at]);
    assert_eq!(output.status.code(), Some(0), "{at}: {}", message(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["listeners"][0]["local"]["port"].as_u64().unwrap() - 1000
}

#[test]
fn every_command_tells_of_a_step_and_takes_the_samples_around_it() {
    let directory = tempfile::tempdir().unwrap();
    // Ten seconds back after the fourth sample: 5 to 9 occur once, 0 to 3 once, 20 never.
    let path = recording(directory.path(), &[10, 11, 12, 13, 4, 5, 6, 7, 8, 9, 10, 11], 1);
    let path = path.to_str().unwrap();
    let at = |second: u64| format!("2026-10-25T00:58:{second:02}.5Z");
    for (second, expected) in [(4, 4), (9, 9), (10, 10), (12, 2), (13, 3)] {
        assert_eq!(sample_at("", path, &at(second)), expected, "{second}");
    }
    let repeated = tcpdiag("", &["conns", "--read", path, "--at", &at(10)]);
    let text = message(&repeated);
    assert!(text.contains("00:58:10.500000000Z occurs 2 times"), "{text}");
    let step = "the wall clock was set back by 10s between the samples of \
                2026-10-25T00:58:13.005000000Z and 2026-10-25T00:58:04.005000000Z";
    for command in [
        &["conns", "--state", "all", "-o", "json", "--read"][..],
        &["listeners", "-o", "json", "--read"],
        &["services", "-o", "json", "--interval", "1h", "--read"],
        &["diagnose", "-o", "json", "--read"],
        &["stats", "-o", "json", "--read"],
        &["stats", "-o", "json", "--interval", "1h", "--read"],
        &["diff", "-o", "json"],
        &["explain", "TcpInSegs", "--read"],
        &["convert"],
    ] {
        let sides = [format!("{path}@..+6s"), "@+6s..".to_owned()];
        let files = if command[0] == "diff" { vec![&*sides[0], &*sides[1]] } else { vec![path] };
        let output = tcpdiag("", &[command, &files].concat());
        let text = message(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {text}");
        assert!(text.contains(step), "{command:?}: {text}");
        if ["convert", "explain"].contains(&command[0]) {
            continue;
        }
        let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        let document: Value = documents.by_ref().last().unwrap().unwrap();
        let quality = if command[0] == "diff" { &document["a"] } else { &document["quality"] };
        let steps = quality["clock_steps"].as_array().unwrap_or_else(|| panic!("{document:#}"));
        assert_eq!(steps.len(), 1, "{command:?}");
        assert_eq!(steps[0]["by_ns"], -10_000_000_000i64, "{command:?}");
        assert_eq!(steps[0]["before"], "2026-10-25T00:58:13.005000000Z", "{command:?}");
        assert_eq!(steps[0]["after"], "2026-10-25T00:58:04.005000000Z", "{command:?}");
    }
    // Segments grow by 10 a second, whatever the wall clock shows.
    for (span, seconds) in [
        (&["--to", &*at(13)][..], 3.0),
        (&["--from", &*at(4), "--to", &*at(9)], 4.0),
        (&["--from", &*at(12), "--to", &*at(5)], 2.0),
        (&["--at", &*at(9)], 9.0),
    ] {
        let output = tcpdiag("", &[&["stats", "-o", "json", "--read", path], span].concat());
        let document: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{span:?}: {}", message(&output)));
        let counters = document["counters"].as_array().unwrap();
        let segments = counters.iter().find(|row| row["name"] == "TcpInSegs").unwrap();
        assert_eq!(segments["delta"].as_f64(), Some(10.0 * seconds), "{span:?}");
        assert_eq!(document["since"]["seconds"].as_f64(), Some(seconds), "{span:?}");
    }
    for command in ["conns", "stats", "services", "diagnose"] {
        let output = tcpdiag("", &[command, "--read", path, "--at", &at(20)]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let text = message(&output);
        assert!(text.contains("nothing of 2026-10-25T00:58:20.500000000Z"), "{text}");
        assert!(text.contains("accepted are times from 2026-10-25T00:58:10.005000000Z"), "{text}");
    }
}

#[test]
fn times_that_are_shown_can_be_given_back_in_any_zone() {
    let directory = tempfile::tempdir().unwrap();
    // Across the end of daylight saving time in Berlin: 02:59:58 +02:00 is followed by 02:00 +01:00.
    let walls: Vec<u64> = (0..240).step_by(20).collect();
    let path = recording(directory.path(), &walls, 20);
    let path = path.to_str().unwrap();
    let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
    for (zone, offsets) in
        [(berlin, ["+02:00", "+01:00"]), ("", ["Z", "Z"]), ("<-0330>3:30", ["-03:30", "-03:30"])]
    {
        for number in 0..walls.len() as u64 {
            let at = format!("+{}s", 20 * number + 1);
            let output = tcpdiag(zone, &["listeners", "--read", path, "--at", &at]);
            let text = message(&output);
            let shown = text.split(" of ").nth(1).unwrap().lines().next().unwrap().to_owned();
            let offset = offsets[usize::from(walls[number as usize] >= 120)];
            assert!(shown.ends_with(offset), "{shown}");
            // It means the same in another zone.
            for other in [zone, "JST-9"] {
                assert_eq!(sample_at(other, path, &shown), number, "{shown}");
            }
        }
    }
    // A local time without an offset is of the zone.
    assert_eq!(sample_at("<-0330>3:30", path, "2026-10-24T21:28:00.5"), 0);
    let twice = tcpdiag(berlin, &["conns", "--read", path, "--at", "2026-10-25T02:58:01"]);
    let text = message(&twice);
    assert_eq!(twice.status.code(), Some(2), "{text}");
    assert!(text.contains("say 2026-10-25T02:58:01+02:00 or 2026-10-25T02:58:01+01:00"), "{text}");
}

#[test]
fn a_time_zone_that_does_not_exist_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = recording(directory.path(), &[0, 1, 2], 1);
    let path = path.to_str().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (zone, words) in [
        ("Mars/Base", "TZ=Mars/Base is no time zone"),
        (fifo.to_str().unwrap(), "not a regular file"),
        ("/dev/zero", "not a regular file"),
    ] {
        let begun = Instant::now();
        let output = tcpdiag(zone, &["conns", "--read", path, "--at", "2026-10-25T00:58:01"]);
        assert_eq!(output.status.code(), Some(2), "{zone}");
        let text = message(&output);
        assert!(text.contains(words) && text.lines().count() == 1, "{text}");
        // Without it a time cannot be read, but can be shown.
        let output = tcpdiag(zone, &["conns", "--read", path]);
        assert_eq!(output.status.code(), Some(0), "{zone}");
        let text = message(&output);
        assert!(text.contains(words) && text.contains("times are shown in UTC"), "{text}");
        assert!(text.contains("of 2026-10-25T00:58:02.005000000Z"), "{text}");
        assert_eq!(text.matches("is no time zone").count(), 1, "{text}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{zone}");
    }
    // What shows no time does not need it.
    let output = tcpdiag("Mars/Base", &["explain", "TcpInSegs"]);
    assert_eq!(message(&output), "");
}
