//! `services --read` of a recording gives the same figures as the live run.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::observer::{Observer, Summary};
use super::traffic::{Server, churn};
use crate::lab::{Profile, Scenario, Side, Tcpdiag, lab, settles};

/// The intervals and the summary printed from a recording.
fn replayed(file: &str, arguments: &[&str]) -> Vec<Value> {
    let usual = ["services", "-o", "json", "--strict", "--read", file];
    let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
    let output = Tcpdiag::new().run(&arguments);
    // A user who may not see all processes does not see them in a recording either.
    assert!(matches!(output.code, Some(0 | 3)), "{}", output.stderr);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Keys of `polls` that are null in a replay.
const ONLY_LIVE: [&str; 4] = ["skipped", "looks", "looks_skipped", "cpu_budget"];

/// A document without the run's cost and without fields that only a live run has. A look reads the
/// counters alone, and a recording has the samples of polls only: it holds neither the looks that found
/// nothing nor those that were left out, nor which share of a processor they were to keep to. So
/// these are null in a replay, and not 0.
fn figures(mut document: Value) -> Value {
    assert!(document["cost"].take().is_object());
    for key in ONLY_LIVE {
        document["polls"][key].take();
    }
    document
}

fn all(summary: Summary) -> Vec<Value> {
    summary.intervals.into_iter().chain([summary.document]).collect()
}

/// Growth of a counter over all documents.
fn growth(documents: &[Value], counter: &str) -> u64 {
    let entries = documents.iter().flat_map(|document| document["attribution"].as_array().unwrap());
    entries
        .filter(|entry| entry["counter"] == counter)
        .map(|entry| entry["delta"].as_u64().unwrap())
        .sum()
}

lab!(
    alone as Best fn the_same_bytes_give_the_same_documents() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.pcapng.zst");
        let file = path.to_str().unwrap();
        let scenario = Scenario::builder()
            .service(2181, Profile::short(16, 2_000), 0.02)
            .service(9092, Profile::Download { flows: 3, rate: Some(500_000) }, 0.02);
        let Some((_, summary)) = scenario.run_with(Duration::from_secs(3), |running| {
            let arguments = ["500ms", "--record", file, "--cpu-budget", "50%"];
            let observer = Observer::begin(running, Side::Server, &arguments);
            running.wait();
            observer.end()
        }) else {
            return;
        };
        let early = summary.document["polls"]["early"].as_u64().unwrap();
        println!("{early} early polls; {}", summary.closing);
        assert!(early > 0, "a recording of none would show less");
        let live: Vec<Value> = all(summary).into_iter().map(figures).collect();
        assert!(growth(&live, "TcpRetransSegs") > 0);
        let then: Vec<Value> = replayed(file, &[]).into_iter().map(figures).collect();
        assert_eq!(live.len(), then.len());
        for (live, then) in live.iter().zip(&then) {
            assert_eq!(live, then);
        }
        for document in replayed(file, &[]) {
            for key in ONLY_LIVE {
                assert_eq!(document["polls"].get(key), Some(&Value::Null), "{key}: {document}");
            }
        }

        // Longer intervals are the sums of shorter ones.
        let grouped = replayed(file, &["--interval", "1s"]);
        assert!(grouped.len() < then.len(), "{} of {}", grouped.len(), then.len());
        grouped.iter().for_each(super::observer::check);
        let without_summary = |documents: &[Value]| documents[..documents.len() - 1].to_vec();
        let (short, long) = (without_summary(&then), without_summary(&grouped));
        for counter in ["TcpRetransSegs", "TcpOutSegs", "TcpPassiveOpens", "TcpExtTCPLossProbes"] {
            assert_eq!(growth(&short, counter), growth(&long, counter), "{counter}");
        }
        // Part of the recording gives part of the growth.
        let [.., from, _, _, _] = &short[..] else { panic!("{} intervals", short.len()) };
        let last = replayed(file, &["--from", from["captured_at"].as_str().unwrap()]);
        let shown = without_summary(&last);
        assert_eq!(shown.len(), 3);
        let ends = |documents: &[Value]| -> Vec<Value> {
            documents.iter().map(|document| document["captured_at"].clone()).collect()
        };
        assert_eq!(ends(&shown), ends(&short[short.len() - 3..]));
        for counter in ["TcpRetransSegs", "TcpOutSegs"] {
            assert_eq!(growth(&shown, counter), growth(&short[short.len() - 3..], counter));
        }
        let to = from["captured_at"].as_str().unwrap();
        assert_eq!(ends(&without_summary(&replayed(file, &["--to", to]))), ends(&short[..short.len() - 3]));
    }
);

lab!(
    alone as Best fn a_recording_agrees_with_a_simultaneous_live_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("beside.pcapng.zst");
        let file = path.to_str().unwrap();
        let servers = [Server::new(), Server::new()];
        let mut observer = Observer::here(&["200ms"]);
        let recorder = Tcpdiag::new().start(&["record", "-i", "200ms", file]);
        let samples = || replay_length(file);
        settles("a first sample", || samples() > 1);
        let [many, few, more] =
            churn([&servers[0], &servers[1], &servers[0]], Duration::from_secs(1), 400);
        let opens = many + few + more;
        let reported = |seen: &[Value]| super::observer::sum(seen, "/coverage/closed") == 2 * opens;
        observer.until("every end to be reported", reported);
        let before = samples();
        settles("samples after it", || samples() > before + 2);
        // There is no more traffic, so the counters equal those of the last sample.
        let counted = Tcpdiag::new().document(&["stats", "-o", "json", "--no-history", "--all"]);
        let now = samples();
        settles("a sample of what was counted", || samples() > now + 1);
        recorder.signal(Signal::INT);
        let recorded = recorder.end();
        assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
        let live = observer.end().document;
        let then = replayed(file, &[]);
        then.iter().for_each(super::observer::check);
        let then = then.last().unwrap();
        assert_eq!(then["schema"], "tcpdiag.services.summary/1");
        for key in ["opened", "closed", "destroy_events", "without_event"] {
            assert_eq!(live["coverage"][key], then["coverage"][key], "{key}");
        }
        // All growth lies between the first and the last sample of both. The bounds depend on the
        // times of the polls, and so does whether a connection was seen while it lived, which
        // decides whether its service is beyond doubt.
        let by_name = |document: &Value| -> BTreeMap<String, [Value; 3]> {
            let entries = document["attribution"].as_array().unwrap().iter();
            let keys = ["delta", "unattributed", "by_service"];
            let mut counters: BTreeMap<_, _> = entries
                .map(|entry| {
                    let name = entry["counter"].as_str().unwrap().to_owned();
                    let is_counted = ["exact", "inferred"].map(Value::from).contains(&entry["class"]);
                    assert!(is_counted || !name.ends_with("Opens"), "{entry}");
                    (name, keys.map(|key| entry[key].clone()))
                })
                .filter(|(name, _)| name.ends_with("Opens"))
                .collect();
            for part in counters.values_mut().flat_map(|[.., parts]| parts.as_array_mut().unwrap()) {
                for key in ["low", "high"] {
                    part[key].take();
                }
            }
            counters
        };
        let (live_counters, then_counters) = (by_name(&live), by_name(then));
        println!("{live_counters:#?}");
        assert_eq!(live_counters["TcpPassiveOpens"][0], opens);
        assert_eq!(live_counters, then_counters);
        let played = |arguments: &[&str]| -> Vec<Value> {
            let usual = ["stats", "-o", "json", "--all", "--read", file];
            let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
            let output = Tcpdiag::new().run(&arguments);
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let whole = &played(&[])[0];
        assert_eq!(values(whole), values(&counted));
        assert_eq!(delta(whole, "TcpPassiveOpens"), opens);
        assert_eq!(whole["basis"], "whole_run");
        let intervals = played(&["--interval", "200ms"]);
        assert_eq!(values(intervals.last().unwrap()), values(&counted));
        let each = intervals.iter().skip(1).map(|interval| delta(interval, "TcpPassiveOpens"));
        assert_eq!(each.sum::<u64>(), opens);
        let rows = |document: &Value| -> Vec<Value> {
            let rows = document["services"].as_array().unwrap().iter();
            let keys = ["service", "role", "port", "owner", "opened", "closed", "segs_out"];
            let rows = rows.filter(|row| row["role"] == "server");
            let mut rows: Vec<Value> =
                rows.map(|row| keys.map(|key| row[key].clone()).into()).collect();
            rows.sort_by_key(Value::to_string);
            rows
        };
        assert_eq!(rows(&live), rows(then));
    }
);

/// The counters of a document of `stats`, without levels.
fn values(document: &Value) -> BTreeMap<&str, i64> {
    let rows = document["counters"].as_array().unwrap().iter();
    rows.filter(|row| row["kind"] == "counter")
        .map(|row| (row["name"].as_str().unwrap(), row["value"].as_i64().unwrap()))
        .collect()
}

/// Growth of a counter of `stats`.
fn delta(document: &Value, counter: &str) -> u64 {
    let rows = document["counters"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == counter);
    row.and_then(|row| row["delta"].as_u64()).unwrap()
}

/// Number of samples in a recording that is being written.
fn replay_length(file: &str) -> usize {
    let arguments = ["services", "--read", file, "-o", "jsonl"];
    let lines = Tcpdiag::new().run(&arguments).stdout;
    lines.lines().filter(|line| line.contains("tcpdiag.services.end/1")).count()
}
