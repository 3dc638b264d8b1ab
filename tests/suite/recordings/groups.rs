//! `conns --by`, `summary` and `services --sort` of recordings, as they look.

use unicode_width::UnicodeWidthStr as _;

use crate::lab::program;

fn shown(arguments: &[&str], width: &str) -> String {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/diagnose");
    let mut command = program();
    let output =
        command.current_dir(fixtures).args(arguments).env("COLUMNS", width).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same at 80 and at 120 columns, which it fits in.
fn at_both_widths(arguments: &[&str]) -> String {
    let mut both = String::new();
    for width in ["80", "120"] {
        let text = shown(arguments, width);
        let most = width.parse().unwrap();
        for line in text.lines() {
            assert!(line.width() <= most, "{width}: {line}");
        }
        both.push_str(&format!("--- {width} columns\n{text}"));
    }
    both
}

const REMOTES: &str = "one-bad-remote-of-eight-server.pcapng.zst";
const QUEUE: &str = "full-accept-queue-server.pcapng.zst";
const LEAK: &str = "leaked-close-wait-server.pcapng.zst";
const WAITING: &str = "time-wait-pressure-client.pcapng.zst";

#[test]
fn groups() {
    let text = at_both_widths(&["conns", "--read", LEAK, "--by", "service,state"]);
    insta::assert_snapshot!("by_service_and_state", text);
    let text = at_both_widths(&["conns", "--read", REMOTES, "--by", "remote"]);
    insta::assert_snapshot!("by_remote", text);
    let arguments = ["conns", "--read", LEAK, "--by", "state", "--sort", "-recv_q", "-o", "csv"];
    insta::assert_snapshot!("by_state_csv", shown(&arguments, "80"));
}

#[test]
fn summaries_fit_a_screen() {
    for (name, file) in [("queue", QUEUE), ("leak", LEAK), ("waiting", WAITING)] {
        let text = at_both_widths(&["summary", "--read", file]);
        insta::assert_snapshot!(format!("summary_{name}"), text);
        // Two lines are left for the closing line and the prompt.
        assert!(shown(&["summary", "--read", file], "80").lines().count() <= 22, "{text}");
    }
}

#[test]
fn services_are_sorted_by_what_was_asked() {
    let number = |row: &serde_json::Value, key: &str| match key {
        "rtt" => row["rtt_us"]["p50"].as_u64(),
        "drops" => row["listen"]["drops"].as_u64(),
        "retrans" => row["retrans_segs"].as_u64(),
        "in" | "out" => row[format!("bytes_{key}")].as_u64(),
        key => row[key].as_u64(),
    };
    for key in ["in", "out", "opened", "drops", "retrans", "rtt"] {
        let by_remote = ["services", "--read", REMOTES, "--by", "remote", "--sort", key];
        let arguments = [&by_remote[..], &["-o", "json"]].concat();
        let text = shown(&arguments, "80");
        let last = text.lines().last().unwrap();
        let document: serde_json::Value = serde_json::from_str(last).unwrap();
        let services = document["services"].as_array().unwrap();
        let values: Vec<Option<u64>> = services.iter().map(|row| number(row, key)).collect();
        assert!(values.is_sorted_by(|one, other| one >= other), "{key}: {values:?}");
        assert!(services.len() >= 8, "{services:?}");
        let heading = shown(&by_remote, "80");
        let words = if key == "rtt" { "longest round-trip time first" } else { "first" };
        assert!(heading.lines().next().unwrap().ends_with(words), "{heading}");
    }
}
