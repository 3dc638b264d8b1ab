//! `tcpdiag stats --interval`.

use serde_json::Value;

use super::command::{run, stderr, stdout};
use crate::lab::plain;

#[test]
fn deltas_and_rates_from_the_second_sample_on() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["stats", "-o", "json", "--interval", "30ms", "--count", "3"]);
    assert!(output.status.success());
    let documents: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 3);
    assert!(documents[0]["interval_s"].is_null());
    assert_eq!(documents[0]["basis"], "total");
    for document in &documents[1..] {
        assert!(document["interval_s"].as_f64().unwrap() >= 0.02);
        assert_eq!(document["basis"], "interval");
        for row in document["counters"].as_array().unwrap() {
            assert!(row["delta"].is_number() || row["note"] == "backwards", "{row}");
            assert!(row["rate"].as_f64().is_none_or(|rate| rate >= 0.0), "{row}");
            assert_eq!(row["kind"] == "gauge", row["rate"].is_null(), "{row}");
        }
        for ratio in document["ratios"].as_array().unwrap() {
            assert_eq!(ratio["basis"], "interval");
            assert!(ratio["meaning"].is_string() && ratio["advice"].is_string());
        }
    }
    assert!(stderr(&output).starts_with("3 samples; in "), "{}", stderr(&output));
}

#[test]
fn csv_has_one_header_and_constant_rows() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["stats", "-o", "csv", "-i", "20ms", "--count", "3"]);
    let text = stdout(&output);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["time", "netns", "name", "category", "kind", "value", "delta", "rate", "note"]
    );
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[2] == "TcpOutSegs").count();
    assert_eq!(rows, 3);
}

#[test]
fn lines_end_with_quality_and_cost() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["stats", "-o", "jsonl", "segments"]);
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines
            .iter()
            .any(|line| line["schema"] == "tcpdiag.stats.row/1" && line["name"] == "TcpInSegs")
    );
    assert!(lines.iter().any(|line| line["schema"] == "tcpdiag.stats.ratio/1"));
    let end = lines.last().unwrap();
    assert_eq!(end["schema"], "tcpdiag.stats.end/1");
    assert!(end["quality"]["decode_errors"].is_number() && end["cost"]["wall_ms"].is_number());
}

#[test]
fn the_table_closes_with_the_whole_run() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["stats", "-i", "20ms", "--count", "3"]);
    let text = stdout(&output);
    assert!(text.contains("(since boot)") && text.contains("(in the last "), "{text}");
    assert!(text.contains("(in the whole run of "), "{text}");
}

#[test]
fn a_closed_pipe_ends_it_without_an_error() {
    let home = tempfile::tempdir().unwrap();
    for command in ["stats --all", "stats -o json -i 10ms", "explain --all", "sysctl -m"] {
        let line = format!(
            "{} {command} | head -n 1; exit ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_tcpdiag")
        );
        let output = plain(&mut std::process::Command::new("bash"))
            .args(["-c", &line])
            .env("HOME", home.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{command}");
    }
}
