//! History, baselines and configuration: valid, damaged, foreign and read-only files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::command::{json, refuses, run, stderr, stdout};
use crate::lab::lab;

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The only history file below a home.
fn history(home: &TempDir) -> PathBuf {
    let directory = home.path().join(".local/state/tcpdiag");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn the_second_run_shows_changes_since_the_first() {
    let home = home();
    let first = json(home.path(), &["stats", "-o", "json"]);
    assert_eq!(first["since"], Value::Null);
    assert!(first["counters"].as_array().unwrap().iter().all(|row| row["delta"].is_null()));
    let second = json(home.path(), &["stats", "-o", "json"]);
    assert_eq!(second["since"]["basis"], "last_run");
    assert_eq!(second["since"]["captured_at"], first["captured_at"]);
    assert!(second["counters"].as_array().unwrap().iter().all(|row| row["delta"].is_number()));
    // Verdicts are for the total, and say so; those since the last run are separate.
    assert_eq!(second["basis"], "total");
    assert_eq!(second["ratios"][0]["since_last_run"]["basis"], "last_run");
    let forgotten = json(home.path(), &["stats", "-o", "json", "--reset"]);
    assert_eq!(forgotten["since"], Value::Null);
    let third = json(home.path(), &["stats", "-o", "json"]);
    assert_eq!(third["since"]["captured_at"], forgotten["captured_at"]);
}

#[test]
fn without_history_nothing_is_read_or_written() {
    let home = home();
    json(home.path(), &["stats", "-o", "json", "--no-history"]);
    assert!(!home.path().join(".local").exists());
    json(home.path(), &["stats", "-o", "json", "--interval", "10ms", "--count", "1"]);
    assert!(!home.path().join(".local").exists());
}

#[test]
fn a_damaged_or_foreign_history_is_reported_and_kept() {
    let home = home();
    json(home.path(), &["stats", "-o", "json"]);
    let path = history(&home);
    let whole = fs::read(&path).unwrap();
    for content in [&b" "[..], b"not json", &whole[..whole.len() / 2], b"{\"schema\":\"x/1\"}"] {
        fs::write(&path, content).unwrap();
        for arguments in [&["stats"][..], &["stats", "--reset"]] {
            let output = run(home.path(), arguments);
            assert!(output.status.success());
            assert!(stdout(&output).contains("TcpInSegs"), "the counters are shown");
            let text = stderr(&output);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("is not a file of tcpdiag"), "{text}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
    // A counter that was higher in the history is reported and has no rate.
    let mut before: Value = serde_json::from_slice(&whole).unwrap();
    before["counters"]["TcpOutSegs"] = i64::MAX.into();
    fs::write(&path, before.to_string()).unwrap();
    let output = run(home.path(), &["stats", "-o", "json"]);
    assert!(stderr(&output).contains("1 counter went backwards"), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row =
        document["counters"].as_array().unwrap().iter().find(|row| row["name"] == "TcpOutSegs");
    let row = row.unwrap();
    assert_eq!(
        (&row["note"], &row["delta"], &row["rate"]),
        (&"backwards".into(), &Value::Null, &Value::Null)
    );
    let ratio = &document["ratios"][0];
    assert_eq!(ratio["since_last_run"]["verdict"], "no_data");
    assert_eq!(ratio["since_last_run"]["reason"], "backwards");
}

#[test]
fn history_of_another_boot_is_ignored() {
    let home = home();
    json(home.path(), &["stats", "-o", "json"]);
    let path = history(&home);
    let mut before: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    before["boot_id"] = "00000000-0000-0000-0000-000000000000".into();
    fs::write(&path, before.to_string()).unwrap();
    assert_eq!(json(home.path(), &["stats", "-o", "json"])["since"], Value::Null);
    assert_eq!(json(home.path(), &["stats", "-o", "json"])["since"]["basis"], "last_run");
}

#[test]
fn an_unwritable_directory_is_reported_once() {
    let home = home();
    fs::write(home.path().join(".local"), "a file where a directory should be").unwrap();
    let output = run(home.path(), &["stats"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("TcpInSegs"));
    let text = stderr(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("no comparison with the last run: cannot"), "{text}");
    assert!(text.contains("--no-history"), "{text}");
}

#[test]
fn a_missing_home_is_reported() {
    let mut command = super::command::tcpdiag("/".as_ref());
    let output = command.env_remove("HOME").arg("stats").output().unwrap();
    assert!(output.status.success());
    assert!(stderr(&output).contains("neither XDG_STATE_HOME nor HOME"), "{}", stderr(&output));
}

#[test]
fn baselines_are_saved_replaced_and_compared() {
    let home = home();
    let path = home.path().join("base.json");
    let file = path.to_str().unwrap();
    let saved = run(home.path(), &["stats", "--save", file]);
    assert!(saved.status.success());
    assert!(stderr(&saved).contains("saved"), "{}", stderr(&saved));
    assert!(run(home.path(), &["stats", "--save", file]).status.success(), "replaces a baseline");
    let document = json(home.path(), &["stats", "--against", file, "-o", "json"]);
    assert_eq!(document["schema"], "tcpdiag.stats.comparison/1");
    assert_eq!(document["span"], "since");
    let differences = document["differences"].as_array().unwrap();
    assert!(
        differences.iter().all(|said| said.as_str().unwrap().contains("too few")),
        "{document}"
    );

    let mut other: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    other["boot_id"] = "another".into();
    other["hostname"] = "else\u{1b}[31mwhere".into();
    fs::write(&path, other.to_string()).unwrap();
    let table = stdout(&run(home.path(), &["stats", "--against", file]));
    assert!(table.contains("note: boot id: another then"), "{table}");
    assert!(table.contains("else\\x1b[31mwhere"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn other_files_are_neither_read_nor_overwritten_as_baselines() {
    let home = home();
    let path = home.path().join("precious");
    let file = path.to_str().unwrap();
    refuses(home.path(), &["stats", "--against", file], &["--against", "precious"]);
    for content in ["my notes", "\n", "{\"schema\":\"tcpdiag.baseline/2\"}"] {
        fs::write(&path, content).unwrap();
        refuses(home.path(), &["stats", "--against", file], &["is not a file of tcpdiag"]);
        let output = run(home.path(), &["stats", "--save", file]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).lines().last().unwrap().contains("is not a file of tcpdiag"));
        assert!(stdout(&output).contains("TcpInSegs"), "the counters are shown");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    refuses(home.path(), &["stats", "--against", "/"], &["not a regular file"]);
}

lab!(
    fn thresholds_come_from_the_configuration() {
        let home = home();
        // As users run it: the program looks for its configuration.
        let run = |named: Option<&Path>, arguments: &[&str]| {
            let mut command = super::command::tcpdiag(home.path());
            command.env_remove("TCPDIAG_CONFIG");
            command.envs(named.map(|named| ("TCPDIAG_CONFIG", named)));
            command.args(["stats", "--no-history", "-o", "json"]).args(arguments).output().unwrap()
        };
        let threshold = |named: Option<&Path>, arguments: &[&str]| {
            let output = run(named, arguments);
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            let ratios = document["ratios"].as_array().unwrap();
            let ratio = ratios.iter().find(|ratio| ratio["id"] == "retransmission").unwrap();
            ["warn", "critical"].map(|level| ratio["threshold"][level].as_f64().unwrap())
        };
        assert_eq!(threshold(None, &[]), [0.01, 0.05]);
        let path = home.path().join(".config/tcpdiag/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "[thresholds]\nretransmission = { warn = 0.02 }\n").unwrap();
        assert_eq!(threshold(None, &[]), [0.02, 0.05]);
        let [other, third] = ["other.toml", "third.toml"].map(|name| home.path().join(name));
        fs::write(&other, "[thresholds]\nretransmission = { critical = 0.5 }\n").unwrap();
        fs::write(&third, "[thresholds]\nretransmission = { critical = 0.6 }\n").unwrap();
        let option = ["--config", other.to_str().unwrap()];
        assert_eq!(threshold(None, &option), [0.01, 0.5]);
        assert_eq!(threshold(Some(&third), &[]), [0.01, 0.6]);
        assert_eq!(threshold(Some(&third), &option), [0.01, 0.5]);
        assert_eq!(threshold(Some(Path::new("")), &[]), [0.02, 0.05]);

        let refused = |output: &Output, words: &[&str]| {
            assert_eq!(output.status.code(), Some(2));
            let text = stderr(output);
            assert!(output.stdout.is_empty() && text.lines().count() == 1, "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        fs::write(&path, "[thresholds]\nretransmision = { warn = 0.02 }\n").unwrap();
        let mistake = ["config.toml", "thresholds.retransmision", "did you mean `retransmission`"];
        refused(&run(None, &[]), &mistake);
        let missing = Path::new("/nowhere");
        refused(&run(None, &["--config", "/nowhere"]), &["--config /nowhere: there is no such"]);
        refused(&run(Some(missing), &[]), &["TCPDIAG_CONFIG /nowhere: there is no such file"]);
    }
);

#[test]
fn wrong_usage_is_refused_in_one_line() {
    let home = home();
    for (arguments, said) in [
        (&["stats", "RetranSegs"][..], &["did you mean TcpRetransSegs"][..]),
        (&["stats", "zz*"], &["no counter matches 'zz*'"]),
        (&["stats", ""], &["unknown counter or category ''"]),
        (&["stats", "--netns", "no-such-namespace"], &["--netns no-such-namespace"]),
        (&["stats", "--save", "x", "--netns", "all"], &["one network namespace"]),
        (&["explain", "TCPLosRetransmit"], &["did you mean TcpExtTCPLostRetransmit"]),
        (
            &["explain", "--category", "nonsense"],
            &["unknown category 'nonsense'", "retransmission"],
        ),
        (&["sysctl", "tcp_rmme"], &["did you mean tcp_rmem"]),
    ] {
        refuses(home.path(), arguments, said);
    }
    for arguments in [
        &["stats", "--save", "x", "--interval", "1s"][..],
        &["stats", "--count", "3"],
        &["stats", "--reset", "--no-history"],
        &["explain"],
        &["stats", "-o", "xml"],
    ] {
        assert_eq!(run(home.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}
