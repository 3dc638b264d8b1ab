//! Files of past readings: valid, damaged, foreign, read-only; and comparisons.

use super::last_run::LastRun;
use crate::history::reading::HISTORY;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::counters::{CounterWidth, Counters, Kind, parse_snmp};

fn origin(boot: &str, uptime_s: f64) -> Origin {
    Origin {
        captured_at: "2026-08-01T00:00:00Z".to_owned(),
        uptime_s,
        hostname: "host".to_owned(),
        kernel: "6.18".to_owned(),
        boot_id: Some(boot.to_owned()),
        netns: 4_026_531_840,
        netns_name: None,
    }
}

fn counters(sent: u64) -> Counters {
    parse_snmp(&format!("Tcp: CurrEstab OutSegs\nTcp: 3 {sent}\n"))
}

fn reading(uptime_s: f64, values: &[(&str, i64)]) -> Reading {
    let counters: BTreeMap<String, i64> =
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Reading { schema: BASELINE.to_owned(), origin: origin("a", uptime_s), counters }
}

#[test]
fn next_run_gets_the_last_reading() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state/tcpdiag");
    let file = LastRun::new(&directory, 7);
    assert_eq!(file.exchange(&origin("a", 1.0), &counters(10), false).unwrap(), None);
    let before = file.exchange(&origin("a", 2.5), &counters(30), false).unwrap().unwrap();
    assert_eq!((before.get("TcpOutSegs"), before.origin.uptime_s), (Some(10), 1.0));
    assert_eq!(before.get("TcpInSegs"), None);
    // Forgetting, or another boot: returns nothing, but stores for the next run.
    assert_eq!(file.exchange(&origin("a", 3.0), &counters(31), true).unwrap(), None);
    assert_eq!(file.exchange(&origin("b", 1.0), &counters(2), false).unwrap(), None);
    assert!(file.exchange(&origin("b", 2.0), &counters(3), false).unwrap().is_some());
    // Another namespace has another file; no other files are left.
    assert_eq!(
        LastRun::new(&directory, 8).exchange(&origin("b", 1.0), &counters(2), false).unwrap(),
        None
    );
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
}

#[test]
fn foreign_files_are_left_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let file = LastRun::new(home.path(), 7);
    let path = home.path().join("counters-net7.json");
    file.exchange(&origin("a", 1.0), &counters(1), false).unwrap();
    let whole = fs::read(&path).unwrap();
    let newer = String::from_utf8(whole.clone()).unwrap().replace("history/1", "history/2");
    let no_time = String::from_utf8(whole.clone()).unwrap().replace("1.0", "-1.0");
    let cases: [(&[u8], &str); 8] = [
        (b"\n", "schema"),
        (&whole[..whole.len() / 2], "damaged"),
        (b"my notes\n", "schema"),
        (b"[1]", "schema"),
        (b"{\"schema\":\"other/1\"}", "other/1"),
        (b"{\"schema\":\"tcpdiag.history/1\"}", "damaged"),
        (newer.as_bytes(), "history/2"),
        (no_time.as_bytes(), "uptime"),
    ];
    for (content, reason) in cases {
        fs::write(&path, content).unwrap();
        for forget in [false, true] {
            let error = file.exchange(&origin("a", 2.0), &counters(2), forget).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, HistoryError::Foreign { .. }), "{text}");
            assert!(text.contains(reason) && text.lines().count() == 1, "{text}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn empty_files_are_replaced() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("counters-net7.json"), "").unwrap();
    let file = LastRun::new(home.path(), 7);
    assert_eq!(file.exchange(&origin("a", 1.0), &counters(1), false).unwrap(), None);
    assert!(file.exchange(&origin("a", 2.0), &counters(1), false).unwrap().is_some());
    let path = home.path().join("base.json");
    fs::write(&path, "").unwrap();
    assert!(load(&path).is_err());
    save(&path, &reading(10.0, &[("TcpOutSegs", 5)])).unwrap();
}

#[test]
fn directories_and_pipes_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("counters-net7.json");
    fs::create_dir(&path).unwrap();
    let file = LastRun::new(home.path(), 7);
    let error = file.exchange(&origin("a", 2.0), &counters(2), false).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    fs::remove_dir(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = file.exchange(&origin("a", 2.0), &counters(2), false).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn directory_that_cannot_be_created() {
    let file = LastRun::new(Path::new("/proc/tcpdiag"), 7);
    let error = file.exchange(&origin("a", 2.0), &counters(2), false).unwrap_err().to_string();
    assert!(error.contains("/proc/tcpdiag"), "{error}");
}

#[test]
fn lock_waits_time_out() {
    let home = tempfile::tempdir().unwrap();
    let held = fs::File::open(home.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let file = LastRun::new(home.path(), 7);
    let error = file.exchange(&origin("a", 2.0), &counters(2), false).unwrap_err();
    assert!(matches!(error, HistoryError::Busy { .. }), "{error}");
    drop(held);
    assert!(file.exchange(&origin("a", 2.0), &counters(2), false).is_ok());
}

#[test]
fn only_baselines_are_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("base.json");
    assert!(load(&path).unwrap_err().to_string().contains("cannot read"));
    let first = reading(10.0, &[("TcpOutSegs", 5)]);
    save(&path, &first).unwrap();
    assert_eq!(load(&path).unwrap(), first);
    let second = reading(20.0, &[("TcpOutSegs", 6)]);
    save(&path, &second).unwrap();
    assert_eq!(load(&path).unwrap(), second);

    fs::write(&path, "important").unwrap();
    assert!(matches!(save(&path, &first).unwrap_err(), HistoryError::Foreign { .. }));
    assert!(matches!(load(&path).unwrap_err(), HistoryError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"important");
    // A file of the last run is not a baseline.
    let history = Reading { schema: HISTORY.to_owned(), ..first };
    fs::write(&path, history.to_json().unwrap()).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("history/1"));
}

const SEGMENTS: [(&str, i64); 2] = [("TcpInSegs", 100_000), ("TcpOutSegs", 100_000)];

fn with_segments(uptime_s: f64, factor: i64, more: &[(&str, i64)]) -> Reading {
    let all: Vec<(&str, i64)> = SEGMENTS
        .iter()
        .map(|(name, value)| (*name, value * factor))
        .chain(more.iter().copied())
        .collect();
    reading(uptime_s, &all)
}

fn compare(one: &Reading, other: &Reading) -> Comparison {
    let kind = |name: &str| if name == "TcpCurrEstab" { Kind::Gauge } else { Kind::Counter };
    Comparison::between(one, other, CounterWidth::Bits64, kind)
}

#[test]
fn since_a_baseline_of_the_same_boot() {
    let one = with_segments(100.0, 1, &[("TcpRetransSegs", 100), ("TcpCurrEstab", 9), ("TcpX", 5)]);
    let other =
        with_segments(200.0, 2, &[("TcpRetransSegs", 1100), ("TcpCurrEstab", 1), ("TcpX", 3)]);
    let compared = compare(&one, &other);
    assert_eq!(compared.span, Span::Since);
    assert_eq!(compared.before, Side { seconds: 100.0, segments: 200_000 });
    assert_eq!(compared.after, Side { seconds: 100.0, segments: 200_000 });
    let first = &compared.changes[0];
    assert_eq!((first.name.as_str(), first.before, first.after), ("TcpRetransSegs", 100, 1000));
    assert_eq!(first.factor, Some(10.0));
    assert_eq!(compared.backwards, ["TcpX"]);
    assert!(compared.differences.is_empty());
    assert!(compared.changes.iter().all(|change| change.name != "TcpCurrEstab"));
}

#[test]
fn two_hosts_are_compared_by_their_traffic() {
    let one = with_segments(100.0, 1, &[("TcpRetransSegs", 100), ("TcpExtTW", 1)]);
    let mut other = with_segments(1000.0, 10, &[("TcpRetransSegs", 1000), ("TcpExtTW", 4000)]);
    other.origin.boot_id = Some("b".to_owned());
    other.origin.hostname = "other".to_owned();
    other.origin.kernel = "5.10".to_owned();
    let compared = compare(&one, &other);
    assert_eq!(compared.span, Span::Totals);
    assert_eq!(compared.changes[0].name, "TcpExtTW");
    let same = compared.changes.iter().find(|change| change.name == "TcpRetransSegs").unwrap();
    assert_eq!(same.factor, Some(1.0));
    assert_eq!(
        compared.differences,
        ["host: host then, other now", "kernel: 6.18 then, 5.10 now", "boot id: a then, b now"]
    );
}

#[test]
fn factors_are_finite() {
    let none = with_segments(0.0, 0, &[("TcpRetransSegs", 0)]);
    let some = with_segments(1.0, 1, &[("TcpRetransSegs", i64::MAX)]);
    for (one, other) in [(&none, &some), (&some, &none), (&none, &none)] {
        for change in compare(one, other).changes {
            assert!(change.weight.is_finite(), "{change:?}");
            assert!(change.factor.is_none_or(f64::is_finite), "{change:?}");
        }
    }
}
