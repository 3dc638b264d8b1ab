//! The commands that advice names exist.

use std::collections::BTreeSet;

use tcpdiag::counters::{Catalogue, Ratio};
use tcpdiag::settings::Setting;

use super::command::{json, run, stderr};

/// The `tcpdiag ...` commands in a text: each ends at `;`, `(`, `,` or the end.
fn commands(text: &str) -> Vec<String> {
    text.match_indices("tcpdiag ")
        .map(|(at, _)| {
            let rest = &text[at..];
            let mut quoted = false;
            let end = rest.find(|c: char| {
                quoted ^= c == '\'';
                !quoted && matches!(c, ';' | '(' | '`' | '.')
            });
            rest[..end.unwrap_or(rest.len())].trim().to_owned()
        })
        .collect()
}

#[test]
fn every_command_can_be_run() {
    let home = tempfile::tempdir().unwrap();
    let document = json(home.path(), &["explain", "--all", "-o", "json"]);
    let mut all = BTreeSet::new();
    for entry in document["entries"].as_array().unwrap() {
        // Fields and columns all have the same command.
        if matches!(entry["kind"].as_str(), Some("counter" | "ratio" | "state" | "timer")) {
            all.extend(commands(entry["check"].as_str().unwrap_or("")));
        }
    }
    assert!(all.len() > 30, "{all:?}");
    for line in all {
        let cut = line.split(" shows ").next().unwrap_or(&line);
        let words = split(cut);
        let words: Vec<&str> = words.iter().map(String::as_str).skip(1).collect();
        let output = run(home.path(), &words);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
    }
}

/// Splits words as a shell does, with quotes only.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `sysctl NAME ...` in advice names settings of the catalogue or of the kernel.
#[test]
fn settings_in_texts_exist() {
    let checks = Catalogue::builtin().entries().iter().map(|entry| entry.check.as_str());
    let advice = Ratio::all().iter().map(|ratio| ratio.advice.as_str());
    for text in checks.chain(advice) {
        for word in text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_'))) {
            let word = word.trim_end_matches('.');
            if word.starts_with("net.ipv4.tcp_") || word.starts_with("net.core.") {
                let path = format!("/proc/sys/{}", word.replace('.', "/"));
                // Older kernels still have these: removed in 4.12, and without effect since 4.14
                // (where it is of the first network namespace only).
                let old = ["net.ipv4.tcp_tw_recycle", "net.ipv4.tcp_low_latency"].contains(&word);
                let known =
                    old || Setting::find(word).is_some() || std::path::Path::new(&path).exists();
                assert!(known, "{word} in {text:?}");
            }
        }
    }
}
