//! `tcpdiag convert`: recordings as tables.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::content::read;
use crate::lab::{PATIENCE, program};

/// Runs a command to its end.
pub fn tcpdiag(arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A running recorder.
pub struct Recorder {
    child: Child,
    pub file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Recorder {
    pub fn start(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        let mut command = program();
        command.args(["record", "--interval", "50ms"]).arg(&file);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let recorder = Self { child, file, _directory: directory };
        recorder.wait(2);
        recorder
    }

    pub fn path(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// Whole samples so far.
    fn samples(&self) -> usize {
        let Ok(bytes) = std::fs::read(&self.file) else { return 0 };
        let (items, _) = read(bytes.as_slice());
        let ends = items.iter().filter(|(_, item)| {
            matches!(item, super::content::Item::Note { kind, .. }
                if *kind == tcpdiag::recording::Kind::SampleEnd)
        });
        ends.count()
    }

    /// Waits for this many further samples.
    pub fn wait(&self, more: usize) {
        let (begun, wanted) = (Instant::now(), self.samples() + more);
        while self.samples() < wanted {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection of this process to itself.
pub struct Connection {
    pub client: TcpStream,
    pub server: TcpStream,
}

impl Connection {
    pub fn to(listener: &TcpListener) -> Self {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { client, server }
    }

    /// Sends this many bytes.
    pub fn send(&mut self, bytes: usize) {
        let sent = vec![7; bytes];
        let mut received = vec![0; bytes];
        let client = &mut self.client;
        std::thread::scope(|scope| {
            scope.spawn(|| client.write_all(&sent).unwrap());
            self.server.read_exact(&mut received).unwrap();
        });
    }

    pub fn port(&self) -> u64 {
        self.client.local_addr().unwrap().port().into()
    }
}

/// Rows of JSON lines; checks their schema.
fn rows(output: &Output) -> Vec<Value> {
    let text = stdout(output);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["schema"] == "tcpdiag.interval.row/1"));
    rows
}

fn number(row: &Value, key: &str) -> Option<u64> {
    row.get(key).map(|value| value.as_u64().unwrap_or_else(|| panic!("{key} of {row}")))
}

fn sum(rows: &[&Value], key: &str) -> u64 {
    rows.iter().filter_map(|row| number(row, key)).sum()
}

fn flag(row: &Value, key: &str) -> bool {
    row[key].as_bool().unwrap()
}

#[test]
fn a_row_for_each_socket_and_interval() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut long = Connection::to(&listener);
    let idle = Connection::to(&listener);
    let mut recorder = Recorder::start("a.pcapng.zst");
    let mut shorts = Vec::new();
    for round in 0..5 {
        long.send(10_000 + round);
        let mut short = Connection::to(&listener);
        short.send(2_000);
        shorts.push(short.port());
        // Its client's side ends first, so its own port goes to TIME-WAIT.
        drop(short.client);
        drop(short.server);
        recorder.wait(1);
    }
    // The destroy events are in the next sample.
    recorder.wait(2);
    recorder.stop();
    let file = recorder.path();
    let filter = format!("port = :{port}");
    let all = rows(&tcpdiag(&["convert", file, &filter]));
    let of = |local: u64| -> Vec<&Value> {
        all.iter().filter(|row| number(row, "lport") == Some(local)).collect()
    };

    // The growth equals the bytes sent.
    let own = of(long.port());
    assert_eq!(sum(&own, "bytes_sent_delta"), 5 * 10_000 + 10);
    let server = all.iter().filter(|row| number(row, "rport") == Some(long.port()));
    assert_eq!(sum(&server.collect::<Vec<_>>(), "bytes_received_delta"), 5 * 10_000 + 10);
    for short in shorts {
        let own = of(short);
        assert_eq!(sum(&own, "bytes_sent_delta"), 2_000, "{own:?}");
        assert!(flag(own[0], "opened") && flag(own[0], "first"));
        assert!(own[1..].iter().all(|row| !flag(row, "opened") && !flag(row, "first")));
        let (last, before) = own.split_last().unwrap();
        assert!(flag(last, "closed") && before.iter().all(|row| !flag(row, "closed")));
        assert!(!flag(last, "vanished") && number(last, "rtt_us").is_some());
    }

    // Idle sockets have a first and a last row.
    let [first, last] = of(idle.port())[..] else { panic!("{:?}", of(idle.port())) };
    assert!(flag(first, "first") && !flag(last, "first"));
    assert!(first.get("bytes_sent_delta").is_none() && first.get("interval_s").is_none());
    assert_eq!(number(last, "bytes_sent_delta"), Some(0));
    let end = all.iter().map(|row| number(row, "sample").unwrap()).max();
    assert_eq!(number(last, "sample"), end);
    assert_eq!((&last["role"], &last["state"]), (&"client".into(), &"established".into()));
    assert_eq!(last["pid"], std::process::id());

    // With all rows they have one per sample.
    let every = rows(&tcpdiag(&["convert", file, "--all-rows", &filter]));
    let own: Vec<_> =
        every.iter().filter(|row| number(row, "lport") == Some(idle.port())).collect();
    assert_eq!(own.len() as u64, end.unwrap() + 1);
    for two in own.windows(2) {
        let [before, after] = two else { panic!() };
        let length = number(after, "time_ns").unwrap() - number(before, "time_ns").unwrap();
        let interval_s = after["interval_s"].as_f64().unwrap();
        // Measured with another clock.
        assert!((interval_s - length as f64 / 1e9).abs() < 0.05, "{interval_s} {length}");
        assert!(after["time"].as_str().unwrap().ends_with('Z'));
    }
    check_forms_agree(file, &filter, &all);
    check_spans(file, &filter, &every);
}

/// Checks that CSV has the same rows.
fn check_forms_agree(file: &str, filter: &str, rows: &[Value]) {
    let into = Path::new(file).with_file_name("a.csv");
    let output = tcpdiag(&["convert", file, filter, "--into", into.to_str().unwrap()]);
    assert_eq!(stdout(&output), "");
    let mut reader = csv::Reader::from_path(&into).unwrap();
    let records: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(rows) {
        for (key, cell) in record {
            let value = match row.get(key) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            };
            assert_eq!(*cell, value, "{key}");
        }
        let known = |key: &String| key == "schema" || record.contains_key(key);
        assert!(row.as_object().unwrap().keys().all(known));
    }
    // Neither an existing file nor the recording is overwritten.
    let again = tcpdiag(&["convert", file, "--into", into.to_str().unwrap()]);
    assert!(stderr(&again).contains("exists already; --force overwrites it"));
    let itself = tcpdiag(&["convert", file, "--into", file, "--force"]);
    assert!(stderr(&itself).contains("is the recording itself"));
    assert_eq!((again.status.code(), itself.status.code()), (Some(2), Some(2)));
}

/// Checks the selection by time span, column and namespace.
fn check_spans(file: &str, filter: &str, every: &[Value]) {
    let times: Vec<&str> = {
        let mut times: Vec<&str> = every.iter().map(|row| row["time"].as_str().unwrap()).collect();
        times.dedup();
        times
    };
    let (from, to) = (times[2], times[4]);
    let span = ["convert", file, "--all-rows", "--from", from, "--to", to, filter];
    let within = rows(&tcpdiag(&span));
    let expected: Vec<&Value> =
        every.iter().filter(|row| (from..=to).contains(&row["time"].as_str().unwrap())).collect();
    let without_first = |row: &Value| {
        let mut row = row.clone();
        row["first"].take();
        row
    };
    assert_eq!(within.len(), expected.len());
    for (row, expected) in within.iter().zip(expected) {
        assert_eq!(without_first(row), without_first(expected));
    }
    let netns = every[0]["netns"].to_string();
    let picked =
        tcpdiag(&["convert", file, "--netns", &netns, "--columns", "cookie,rtt_us", filter]);
    for row in rows(&picked) {
        assert!(
            row.as_object()
                .unwrap()
                .keys()
                .all(|key| { ["schema", "cookie", "rtt_us"].contains(&key.as_str()) })
        );
    }
    for (arguments, words) in [
        (&["--columns", "rrt_us"][..], "did you mean 'rtt_us'"),
        (&["--netns", "blue"], "not in the recording"),
        (&["--from", "2999-01-01T00:00", "--to", "1999-01-01T00:00"], "is after --to"),
        (&["--to", "1999-01-01T00:00:00Z"], "nothing before its first sample"),
        (&["dev", "no-such-device"], "no interface `no-such-device`"),
        (&["autobound"], "which ports the kernel chose"),
        (&["--force"], "--into"),
        (&["--anonymise"], "--into"),
    ] {
        let output = tcpdiag(&[&["convert", file][..], arguments].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(words) && output.stdout.is_empty(), "{message}");
    }
    check_truncated(file, every);
}

/// Checks the rows of a truncated recording.
fn check_truncated(file: &str, every: &[Value]) {
    let bytes = std::fs::read(file).unwrap();
    let cut = Path::new(file).with_file_name("cut");
    std::fs::write(&cut, &bytes[..bytes.len() - 200]).unwrap();
    let cut = cut.to_str().unwrap();
    let output = tcpdiag(&["convert", cut]);
    assert!(stderr(&output).contains("recording ends early at byte "), "{}", stderr(&output));
    let last = every.iter().filter_map(|row| number(row, "sample")).max();
    let kept = rows(&output).iter().filter_map(|row| number(row, "sample")).max();
    assert!(kept.is_some() && kept <= last);
    assert_eq!(tcpdiag(&["convert", cut, "--strict"]).status.code(), Some(3));
    std::fs::write(cut, "no recording\n").unwrap();
    let output = tcpdiag(&["convert", cut]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("this is no recording, but text"));
}

/// The DuckDB query of the documentation.
fn query() -> String {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tables.md")).unwrap();
    let (_, rest) = readme.split_once("```sql\n").unwrap();
    let (query, _) = rest.split_once("```").unwrap();
    query.to_owned()
}

#[test]
fn the_documented_query_runs() {
    let given = std::env::var("TCPDIAG_DUCKDB_PYTHON").ok();
    let python = given.as_deref().unwrap_or("python3");
    let there = Command::new(python).args(["-c", "import duckdb"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(given.is_none(), "{python} has no duckdb, though TCPDIAG_DUCKDB_PYTHON says so");
        eprintln!("skipped: {python} has no package duckdb (TCPDIAG_DUCKDB_PYTHON names another)");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = Connection::to(&listener);
    let mut recorder = Recorder::start("incident.pcapng.zst");
    connection.send(50_000);
    recorder.wait(2);
    recorder.stop();
    let directory = recorder.file.parent().unwrap();
    let into = directory.join("incident.csv");
    // Only our own sockets: other tests send too.
    let port = listener.local_addr().unwrap().port();
    let filter = format!("port = :{port}");
    let output = tcpdiag(&["convert", recorder.path(), &filter, "--into", into.to_str().unwrap()]);
    stdout(&output);
    let script = "import duckdb, json, sys\n\
                  rows = duckdb.sql(sys.argv[1]).fetchall()\n\
                  print(json.dumps([[str(cell) for cell in row] for row in rows]))";
    let output = Command::new(python)
        .args(["-c", script, &query()])
        .current_dir(directory)
        .output()
        .unwrap();
    let found: Vec<Vec<String>> = serde_json::from_str(&stdout(&output)).unwrap();
    let converted = rows(&tcpdiag(&["convert", recorder.path(), &filter]));
    let all: Vec<&Value> = converted.iter().collect();
    let segments: u64 = found.iter().map(|row| row[3].parse::<u64>().unwrap()).sum();
    assert_eq!(segments, sum(&all, "segs_out_delta"), "{found:?}");
    assert!(segments > 0 && found.iter().all(|row| row[1] == "127.0.0.1"), "{found:?}");
}
