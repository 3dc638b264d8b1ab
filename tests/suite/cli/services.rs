//! Forms of output of `tcpdiag services`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Connection, tcpdiag};

/// Standard output of a successful run.
#[track_caller]
fn shown(arguments: &[&str]) -> String {
    let arguments = [&["services", "--interval", "20ms"][..], arguments].concat();
    let output = tcpdiag().args(&arguments).env("COLUMNS", "80").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn documents(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn schemas(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["schema"].as_str().unwrap()).collect()
}

const INTERVAL: &str = "tcpdiag.services/1";
const SUMMARY: &str = "tcpdiag.services.summary/1";

#[test]
fn one_interval_is_one_object_and_several_end_in_a_summary() {
    let text = shown(&["--count", "1", "-o", "json"]);
    let one: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(one["schema"], INTERVAL);
    assert_eq!((&one["basis"], text.lines().count()), (&"interval".into(), 1));
    assert!(one["interval_s"].as_f64().unwrap() >= 0.02);
    assert!(one["netns"]["inode"].as_u64().unwrap() > 0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(one["host"]["kernel"], kernel.trim());
    for (part, key) in [
        ("quality", "events_lost"),
        ("quality", "dump_interrupted"),
        ("cost", "cpu_user_ms"),
        ("polls", "regular"),
        ("coverage", "between_polls"),
    ] {
        assert!(one[part][key].is_number(), "{part}.{key}");
    }
    let text = shown(&["--count", "3", "-o", "json"]);
    let found = documents(&text);
    assert_eq!(schemas(&found), [INTERVAL, INTERVAL, INTERVAL, SUMMARY]);
    let whole = &found[3];
    assert_eq!(whole["basis"], "whole_run");
    assert_eq!(whole["polls"]["regular"], 3);
    // The last interval is shorter, or one with the one before if that was late. On a host without
    // time to spare there may be one only, which is the whole run.
    let text = shown(&["--duration", "50ms", "-o", "json"]);
    let found = documents(&text);
    let intervals: Vec<&Value> =
        found.iter().take_while(|document| document["schema"] == INTERVAL).collect();
    let whole = found.last().unwrap();
    assert_eq!(found.len(), intervals.len() + usize::from(intervals.len() > 1), "{text}");
    assert_eq!(whole["schema"], if intervals.len() > 1 { SUMMARY } else { INTERVAL });
    assert_eq!(whole["polls"]["regular"], intervals.len());
    let length = |document: &Value| document["interval_s"].as_f64().unwrap();
    // Together they are the run, from the first poll on, which a busy host may delay. No interval but
    // the last is shorter than its time: so three are the most.
    let sum: f64 = intervals.iter().copied().map(length).sum();
    assert!((sum - length(whole)).abs() < 1e-6 && sum >= 0.03, "{text}");
    let (_, regular) = intervals.split_last().unwrap();
    assert!(regular.len() <= 2 && regular.iter().all(|one| length(one) >= 0.015), "{text}");
}

#[test]
fn lines_of_json_end_each_interval() {
    let connection = Connection::new();
    let found = documents(&shown(&["--count", "2", "-o", "jsonl"]));
    let [row, attribution, end] =
        ["row", "attribution", "end"].map(|kind| format!("tcpdiag.services.{kind}/1"));
    let samples: Vec<&[Value]> =
        found.split_inclusive(|document| document["schema"] == end).collect();
    let bases: Vec<&Value> = samples.iter().map(|sample| &sample[0]["basis"]).collect();
    assert_eq!(bases, ["interval", "interval", "whole_run"]);
    for sample in samples {
        let (last, rows) = sample.split_last().unwrap();
        assert_eq!(last["schema"], end);
        assert!(last["quality"]["events_lost"].is_number(), "{last}");
        let count = |schema: &str| rows.iter().filter(|line| line["schema"] == schema).count();
        assert_eq!(count(&row) + count(&attribution), rows.len());
        assert_eq!(last["shown"], count(&row));
        let port: u16 = connection.port().parse().unwrap();
        let own: Vec<&Value> = rows.iter().filter(|line| line["port"] == port).collect();
        let roles: Vec<&Value> = own.iter().map(|line| &line["role"]).collect();
        assert!(roles.contains(&&"server".into()) && roles.contains(&&"client".into()), "{own:?}");
    }
}

#[test]
fn csv_of_services_can_be_parsed() {
    let connection = Connection::new();
    let text = shown(&["--count", "2", "-o", "csv"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let own = |role: &str| {
        let rows = records.iter().filter(|record| {
            record[column("port")] == connection.port() && &record[column("role")] == role
        });
        rows.collect::<Vec<_>>()
    };
    // One header; a row per interval, and none for the whole run, which would count twice.
    assert_eq!(text.lines().filter(|line| line.starts_with("time,netns,")).count(), 1);
    assert_eq!((own("server").len(), own("client").len()), (2, 2), "{text}");
    for record in [own("server"), own("client")].concat() {
        assert_eq!(&record[column("established")], "1");
        for name in ["opened", "closed", "retrans_segs", "fast", "rto_low", "syn_high"] {
            assert_eq!(&record[column(name)], "0", "{name}");
        }
        assert!(record[column("rtt_p50_us")].parse::<u64>().is_ok());
        assert!(record[column("netns")].parse::<u64>().is_ok());
    }
    assert_eq!(&own("server")[0][column("drops")], "0");
    assert_eq!(&own("client")[0][column("drops")], "", "it does not listen");
}

#[test]
fn csv_of_a_counter_adds_up() {
    let _connection = Connection::new();
    let text = shown(&["--count", "2", "-o", "csv", "--counter", "curr_estab"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for record in reader.records().map(Result::unwrap) {
        assert_eq!(&record[column("counter")], "TcpCurrEstab");
        let number = |name: &str| record[column(name)].parse::<u64>().unwrap();
        let (delta, sum) = sums.entry(record[column("time")].to_owned()).or_default();
        *delta = number("delta");
        *sum += number("value");
    }
    assert_eq!(sums.len(), 2, "{text}");
    for (delta, sum) in sums.values() {
        assert!(*delta >= 2, "both ends");
        assert_eq!(delta, sum, "{text}");
    }
}

#[test]
fn the_table_fits_80_columns() {
    let connections: Vec<Connection> = (0..12).map(|_| Connection::new()).collect();
    for arguments in [
        &[][..],
        &["--all"],
        &["--top", "100"],
        &["--all", "--top", "1"],
        &["--counter", "TcpCurrEstab,retransmission", "out_segs"],
        &["--by", "port", "--no-events"],
        &["--by", "cgroup", "--all"],
        &["--by", "remote", "--color", "always"],
    ] {
        let text = shown(&[&["--count", "2"][..], arguments].concat());
        let plain = without_colours(&text);
        let widest = plain.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 80, "{arguments:?}: {widest}\n{text}");
    }
    // A filtered service is shown all the same.
    let text = shown(&["--count", "1", "--by", "port", "--top", "1000"]);
    assert!(text.contains(&format!("→ {}", connections[0].port())), "{text}");
    let few = shown(&["--count", "1", "--by", "port", "--top", "2"]);
    assert!(few.contains(" more; --top "), "{few}");
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').unwrap().1)
}
