//! The titles of CSV and of tab-separated values are names that SQL takes without quotes.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Connection, tcpdiag};

fn output(directory: &Path, arguments: &[&str]) -> String {
    let mut command = tcpdiag();
    command.current_dir(directory).env("XDG_STATE_HOME", directory);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn records(text: &str, delimiter: u8) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter).has_headers(false).from_reader(text.as_bytes());
    reader.records().map(Result::unwrap).collect()
}

/// Whether SQL takes it as a name.
fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    begins && characters.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

#[test]
fn titles_are_identifiers() {
    let _connection = Connection::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    output(at, &["record", "a.pcapng.zst", "--count", "3", "-i", "20ms"]);
    output(at, &["stats", "--save", "baseline.json"]);
    let twice = ["-i", "20ms", "--count", "2"];
    for (arguments, form) in [
        (&["conns"][..], "csv"),
        (&["conns"], "tsv"),
        (&[&["conns"], &twice[..]].concat(), "csv"),
        (&[&["conns"], &twice[..]].concat(), "tsv"),
        (&["conns", "--columns", "total_retrans+,bytes_sent/s,rtt,local"], "csv"),
        (&["conns", "--read", "a.pcapng.zst"], "csv"),
        (&["conns", "--by", "remote-port,state"], "csv"),
        (&[&["conns", "--by", "remote"], &twice[..]].concat(), "tsv"),
        (&["closed", "--duration", "20ms"], "csv"),
        (&["closed", "--duration", "20ms"], "tsv"),
        (&["listeners"], "csv"),
        (&[&["listeners"], &twice[..]].concat(), "tsv"),
        (&[&["services"], &twice[..]].concat(), "csv"),
        (&[&["services", "--counter", "TcpCurrEstab"], &twice[..]].concat(), "csv"),
        (&["stats", "--no-history"], "csv"),
        (&[&["stats"], &twice[..]].concat(), "csv"),
        (&["stats", "--against", "baseline.json"], "csv"),
        (&["sysctl"], "csv"),
        (&["explain", "--all"], "csv"),
        (&["diagnose", "--duration", "20ms"], "csv"),
        (&["convert", "a.pcapng.zst"], "csv"),
    ] {
        let text = output(at, &[arguments, &["-o", form]].concat());
        let records = records(&text, if form == "tsv" { b'\t' } else { b',' });
        let titles: Vec<&str> = records[0].iter().collect();
        for title in &titles {
            assert!(is_identifier(title), "{arguments:?}: {title:?}");
        }
        let different: BTreeSet<&&str> = titles.iter().collect();
        assert_eq!(different.len(), titles.len(), "{arguments:?}: {titles:?}");
        // Written once.
        assert!(records[1..].iter().all(|record| record != &records[0]), "{arguments:?}");
    }
}

#[test]
fn repeated_rows_tell_the_interval() {
    let connection = Connection::new();
    let directory = tempfile::tempdir().unwrap();
    let port = connection.port();
    let arguments = ["conns", "--port", &port, "-i", "50ms", "--count", "2", "-o", "csv"];
    let records = records(&output(directory.path(), &arguments), b',');
    let column = |name: &str| records[0].iter().position(|title| title == name).unwrap();
    let (interval, growth) = (column("interval_s"), column("bytes_sent_delta"));
    let rows: Vec<(&str, &str)> =
        records[1..].iter().map(|record| (&record[interval], &record[growth])).collect();
    // Both ends of the connection, in two samples.
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows[..2], [("", ""), ("", "")], "{rows:?}");
    for (seconds, grown) in &rows[2..] {
        let seconds: f64 = seconds.parse().unwrap();
        assert!((0.04..5.0).contains(&seconds), "{rows:?}");
        assert_eq!(*grown, "0");
    }
}
