//! Unplanned ends: signals, and namespaces that appear and disappear.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::observer::{Observer, Summary, check};
use crate::lab::{Child, Network, Output, Pair, Socket, Tcpdiag, ip, lab, require, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whether a process handles SIGINT and SIGTERM itself.
fn is_ready(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| [2, 15].iter().all(|signal| mask & 1 << (signal - 1) != 0))
}

/// The documents of an output whose every line must be complete.
fn documents(output: &Output) -> Vec<Value> {
    let text = &output.stdout;
    assert!(text.is_empty() || text.ends_with('\n'), "cut off: {text:?}");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text.lines().map(read).collect()
}

lab!(
    fn a_signal_ends_the_interval_with_its_document() {
        for signal in [Signal::INT, Signal::TERM] {
            let mut wait = Duration::from_millis(20);
            loop {
                let stream = Tcpdiag::new().start(&["services", "-i", "1h", "-o", "json"]);
                settles("it to take signals", || is_ready(stream.pid()));
                std::thread::sleep(wait);
                stream.signal(signal);
                let output = stream.end();
                let found = documents(&output);
                if output.code == Some(130) {
                    // Interrupted before the first poll: there is no document.
                    assert_eq!(found, Vec::<Value>::new());
                    wait *= 2;
                    assert!(wait < Duration::from_secs(30), "{}", output.stderr);
                    continue;
                }
                assert_eq!(output.code, Some(0), "{}", output.stderr);
                let [document] = found.as_slice() else { panic!("{}", output.stdout) };
                assert_eq!(document["schema"], "tcpdiag.services/1");
                assert!(document["interval_s"].as_f64().unwrap() < 3600.0);
                check(document);
                assert!(output.stderr.contains("1 interval in "), "{}", output.stderr);
                break;
            }
        }
    }
);

lab!(
    fn a_signal_between_two_intervals_prints_the_summary() {
        let listener = Socket::listening(V4, 0, 8);
        for signal in [Signal::INT, Signal::TERM] {
            let observer = Observer::here(&["1s"]);
            let pair = Pair::new(&listener, V4);
            let Summary { document, intervals, closing } = observer.end_by(signal, 0);
            // (On a busy machine the signal may come an interval later.)
            let length = |document: &Value| document["interval_s"].as_f64().unwrap();
            assert!(intervals.len() >= 2 && length(&intervals[0]) >= 1.0, "{closing}");
            assert!(length(&document) >= length(&intervals[0]));
            assert_eq!(document["coverage"]["opened"], 2, "what happened just before is in it");
            let line = format!("{} intervals in ", intervals.len());
            assert!(closing.contains(&line), "{closing}");
            drop(pair);
        }
    }
);

lab!(
    fn a_second_signal_leaves_whole_lines() {
        let _listener = Socket::listening(V4, 0, 8);
        for turn in 0..12 {
            let every_line = ["services", "-i", "10ms", "-o", ["json", "jsonl"][turn % 2]];
            let mut stream = Tcpdiag::new().start(&every_line);
            for _ in 0..turn {
                stream.document().expect("a line");
            }
            settles("it to take signals", || is_ready(stream.pid()));
            for signal in [Signal::INT, [Signal::INT, Signal::TERM][turn / 6]] {
                stream.signal(signal);
            }
            let output = stream.end();
            documents(&output);
            assert!([Some(0), Some(130)].contains(&output.code), "{}", output.stderr);
        }
    }
);

lab!(
    fn no_process_or_file_is_left_behind() {
        for signal in [Signal::KILL, Signal::INT] {
            let home = tempfile::tempdir().unwrap();
            let mut stream =
                Tcpdiag::at_home(home.path()).start(&["services", "-i", "50ms", "-o", "json"]);
            let pid = stream.pid();
            for _ in 0..3 {
                stream.document().expect("it runs");
            }
            for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
                let children = std::fs::read_to_string(task.path().join("children"));
                assert_eq!(children.unwrap_or_default(), "", "it works alone");
            }
            stream.signal(signal);
            let output = stream.end();
            let code = if signal == Signal::KILL { None } else { Some(0) };
            assert_eq!(output.code, code, "{}", output.stderr);
            documents(&output);
            let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
);

/// A connection within the namespace.
fn connected() -> (Socket, Pair) {
    let listener = Socket::listening(V4, 0, 8);
    let pair = Pair::new(&listener, V4);
    (listener, pair)
}

lab!(
    fn a_namespace_is_deleted_while_observed() {
        // In this test's mount namespace only.
        let mounted = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().unwrap();
        let added = mounted.success() && ip("netns add tcpdiag-lab").is_ok();
        if !require(added, "ip netns add is not permitted") {
            return;
        }
        let (listener, pair) = {
            let network = Network::of("/run/netns/tcpdiag-lab");
            network.inside(|| ip("link set lo up").map(|()| connected())).unwrap()
        };
        let port = listener.port();
        let mut observer = Observer::here(&["100ms", "--netns", "tcpdiag-lab"]);
        let talk = |bytes: usize| {
            pair.client.write(&vec![1; bytes]);
            pair.server.read(bytes);
        };
        let came = |bytes: u64| move |seen: &[Value]| sent(seen, port) == bytes;
        talk(1000);
        observer.until("what came before", came(1000));
        ip("netns del tcpdiag-lab").unwrap();
        talk(2000);
        observer.until("what came after", came(3000));
        drop((pair, listener));
        observer.until("both ends to be reported", |seen| {
            super::observer::sum(seen, "/coverage/closed") == 2
        });
        // From here on only the observer is in the namespace.
        for _ in 0..2 {
            assert_eq!(observer.next()["services"], Value::Array(Vec::new()));
        }
        let summary = observer.end();
        assert_eq!(summary.document["netns"]["name"], "tcpdiag-lab");
        assert_eq!(sent(std::slice::from_ref(&summary.document), port), 3000);
        assert_eq!(summary.document["quality"]["dump_interrupted"], 0);
    }
);

/// Bytes that clients sent to a port.
fn sent(documents: &[Value], port: u16) -> u64 {
    let rows = documents.iter().flat_map(|document| document["services"].as_array().unwrap());
    let own = rows.filter(|row| row["port"] == port && row["role"] == "client");
    own.filter_map(|row| row["bytes_out"].as_u64()).sum()
}

/// A namespace that exists as long as a process.
struct OtherNamespace {
    _child: Child,
    network: Network,
}

impl OtherNamespace {
    fn new() -> Self {
        let child = Child::running(&["unshare", "--net"], Path::new("sleep"));
        let network = Network::of(&format!("/proc/{}/ns/net", child.pid()));
        network.inside(|| ip("link set lo up")).unwrap();
        Self { _child: child, network }
    }
}

/// Documents by interval: one for each namespace, and one for all.
fn intervals(documents: &[Value]) -> Vec<&[Value]> {
    documents.split_inclusive(|document| document["netns"].is_null()).collect()
}

/// The namespaces of an interval.
fn inodes(interval: &[Value]) -> BTreeSet<u64> {
    interval.iter().filter_map(|document| document["netns"]["inode"].as_u64()).collect()
}

/// Checks that the document of all namespaces is the sum of theirs.
fn check_sums(interval: &[Value]) {
    let (all, each) = interval.split_last().unwrap();
    assert!(all["netns"].is_null());
    assert!(each.iter().all(|document| !document["netns"].is_null()));
    let names: BTreeSet<&str> = interval
        .iter()
        .flat_map(|document| document["attribution"].as_array().unwrap())
        .map(|counter| counter["counter"].as_str().unwrap())
        .collect();
    let of = |document: &Value, name: &str, key: &str| {
        let counters = document["attribution"].as_array().unwrap();
        let counter = counters.iter().find(|counter| counter["counter"] == name);
        counter.map_or(0, |counter| counter[key].as_u64().unwrap())
    };
    for name in names {
        let sum = |key: &str| each.iter().map(|document| of(document, name, key)).sum::<u64>();
        assert_eq!(of(all, name, "delta"), sum("delta"), "{name}");
        // The total may attribute in one namespace what another left unattributed.
        assert!(of(all, name, "unattributed") <= sum("unattributed"), "{name}");
    }
    let levels = ["opened", "closed", "between_polls", "destroy_events", "limbo"];
    for key in levels {
        let sum: u64 = each.iter().filter_map(|document| document["coverage"][key].as_u64()).sum();
        assert_eq!(all["coverage"][key], sum, "{key}");
    }
}

lab!(
    fn namespaces_appear_and_disappear() {
        let (own, _here) = (Network::of("/proc/thread-self/ns/net").inode(), connected());
        let mut observer = Observer::here(&["200ms", "--netns", "all"]);
        // Namespaces of other tests may be visible too.
        let last = |seen: &[Value]| intervals(seen).last().map(|last| last.to_vec());
        let complete =
            |interval: &[Value]| interval.last().is_some_and(|all| all["netns"].is_null());
        let other = OtherNamespace::new();
        let inode = other.network.inode();
        observer.until("the new namespace", |seen| {
            last(seen).is_some_and(|interval| inodes(&interval).contains(&inode))
        });
        let there = other.network.inside(connected);
        let another = connected();
        let port = there.0.port();
        there.1.client.write(&[1; 5000]);
        let over = [other.network.inside(connected), connected()];
        let levels = |seen: &[Value]| {
            let interval = last(seen).filter(|interval| complete(interval))?;
            let all = interval.last()?;
            let counters = all["attribution"].as_array()?;
            let level = counters.iter().find(|counter| counter["counter"] == "TcpCurrEstab")?;
            Some((level["delta"].as_u64()?, all["coverage"]["limbo"].as_u64()?))
        };
        observer.until("ten ends in both places", |seen| levels(seen) == Some((10, 0)));
        // In each namespace one connection is closed and one stays open.
        for (_, pair) in &over {
            pair.client.finish();
            pair.server.finish();
        }
        observer.until("two of them in limbo in each", |seen| levels(seen) == Some((6, 4)));
        drop(over);
        drop(there);
        drop(other);
        observer.until("the namespace to be gone", |seen| {
            last(seen)
                .is_some_and(|interval| complete(&interval) && !inodes(&interval).contains(&inode))
        });
        let summary = observer.end();
        let found = intervals(&summary.intervals);
        assert!(found.iter().all(|interval| inodes(interval).contains(&own)));
        found.iter().for_each(|interval| check_sums(interval));
        // The whole run covers both namespaces, including the deleted one.
        assert!(summary.document["netns"].is_null());
        assert_eq!(sent(std::slice::from_ref(&summary.document), port), 5000);
        let opens = summary.counter("TcpPassiveOpens").unwrap();
        assert_eq!(opens["delta"], 4, "{opens:#}");
        drop(another);
    }
);
