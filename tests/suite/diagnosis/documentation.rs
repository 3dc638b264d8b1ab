//! The documentation of rules is current, and its commands can be run.

use std::collections::BTreeSet;

use tcpdiag::diagnosis::{RULES, placeholders};

use crate::lab::program;

fn tcpdiag(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_of_rules_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    let written = std::fs::read_to_string(path).unwrap();
    let (_, rules) = written.split_once("\n\n## ").unwrap();
    let printed = tcpdiag(&["explain", "--category", "rules", "--markdown"]);
    assert!(
        format!("## {rules}") == printed,
        "docs/rules.md is old: replace all from the first `## ` on by what\n  \
         tcpdiag explain --category rules --markdown\nprints"
    );
}

#[test]
fn every_rule_has_its_page() {
    for rule in RULES {
        for name in [rule.code, &rule.code.to_lowercase(), rule.name] {
            let page = tcpdiag(&["explain", name]);
            assert!(page.contains(rule.code), "{name}: {page}");
        }
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

#[test]
fn commands_of_advice_can_be_run() {
    let samples = [
        ("remote_address", "192.0.2.1"),
        ("peer", "192.0.2.0/24"),
        ("local_port", "8080"),
        ("port", "8080"),
        ("ratio", "retransmission"),
    ];
    let mut seen = BTreeSet::new();
    for rule in RULES {
        for command in rule.advice.iter().filter_map(|advice| advice.command) {
            let mut line = command.to_owned();
            for (name, sample) in samples {
                line = line.replace(&format!("{{{name}}}"), sample);
            }
            let known = ["tcpdiag", "sysctl", "ping", "ip", "cat", "ethtool"];
            let words = split(&line);
            assert!(known.contains(&words[0].as_str()), "{}: {line}", rule.code);
            if words[0] != "tcpdiag" || !seen.insert(line.clone()) {
                continue;
            }
            assert_eq!(placeholders(&line).count(), 0, "{}: {line}", rule.code);
            let mut words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
            // Commands that run until interrupted are only started.
            if words.contains(&"--interval") && !words.contains(&"--count") {
                words.extend(["--count", "1"]);
            }
            let shorter = |word| match word {
                "10s" | "5s" | "1s" => "20ms",
                other => other,
            };
            let words: Vec<&str> = words.into_iter().map(shorter).collect();
            tcpdiag(&words);
        }
    }
    assert!(seen.len() > 15, "{seen:?}");
}
