//! Help, completions and manual pages.

use std::process::{Command, Stdio};

use super::tcpdiag;
use crate::lab::plain;

const COMMANDS: [&str; 15] = [
    "summary",
    "conns",
    "closed",
    "listeners",
    "services",
    "diagnose",
    "stats",
    "record",
    "convert",
    "diff",
    "explain",
    "sysctl",
    "ss",
    "completions",
    "man",
];

fn printed(arguments: &[&str]) -> String {
    let output = tcpdiag().args(arguments).env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_has_help() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    for command in COMMANDS {
        let long = printed(&[command, "--help"]);
        assert!(long.lines().all(|line| line.chars().count() <= 100), "{long}");
        insta::assert_snapshot!(format!("help_{command}"), long);
        // The short help is not longer.
        assert!(printed(&[command, "-h"]).len() <= long.len());
    }
}

#[test]
fn snapshots_cover_every_command() {
    let help = printed(&["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    // A line that begins a command is indented by two blanks.
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(names, COMMANDS);
}

#[test]
fn version() {
    let expected = format!("tcpdiag {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(printed(&["--version"]), expected);
}

#[test]
fn every_column_is_explained() {
    let list = printed(&["conns", "--columns", "help"]);
    assert!(list.lines().count() > 100, "{list}");
    for line in list.lines() {
        let (name, meaning) = line.split_once(' ').unwrap();
        assert!(!name.is_empty() && meaning.trim().len() > 10, "{line}");
        // Each is accepted.
        if !name.starts_with("COUNTER") {
            tcpdiag().args(["conns", "--columns", name, "--port", "1"]).assert().success();
        }
    }
}

#[test]
fn completions_are_valid_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for word in COMMANDS.iter().chain(&["local-port", "interval", "tcpdiag"]) {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
        let checked = match shell {
            "bash" | "zsh" => check(shell, &["-n"], &script),
            "fish" => check(shell, &["--no-execute"], &script),
            _ => true,
        };
        // A script is not checked if its shell is not installed.
        assert!(checked || shell != "bash", "bash is everywhere");
    }
}

/// Has a shell parse a script without running it. False without that shell.
fn check(shell: &str, flags: &[&str], script: &str) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let mut command = Command::new(shell);
    let Ok(output) = plain(&mut command).args(flags).arg(file.path()).stdin(Stdio::null()).output()
    else {
        return false;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{shell}: {stderr}");
    true
}

#[test]
fn every_command_has_a_manual_page() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH tcpdiag 1"), "{page}");
    for command in COMMANDS {
        let page = printed(&["man", command]);
        assert!(page.contains(&format!(".TH tcpdiag-{command} 1")), "{page}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(section), "{section} of {command}");
        }
        // roff takes a line that begins with a dot or a quote as a request.
        let requests = page.lines().filter(|line| line.starts_with(['.', '\'']));
        for request in requests {
            assert!(
                request[1..].starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '\\'),
                "{command}: {request}"
            );
        }
    }
}
