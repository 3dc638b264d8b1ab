//! Runs the program with its own home directory.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::lab::program;

/// The program, with state and configuration below `home`.
pub fn tcpdiag(home: &Path) -> Command {
    let mut command = program();
    command.env("HOME", home).env("NO_COLOR", "1");
    command
}

/// Runs it with these arguments.
pub fn run(home: &Path, arguments: &[&str]) -> Output {
    tcpdiag(home).args(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The document that it prints; checks that it succeeded.
pub fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = run(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks that it fails with 2 and one line that contains all of this.
pub fn refuses(home: &Path, arguments: &[&str], words: &[&str]) {
    let output = run(home, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let text = stderr(&output);
    assert!(stdout(&output).is_empty(), "{arguments:?}: {}", stdout(&output));
    for part in words {
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
}
