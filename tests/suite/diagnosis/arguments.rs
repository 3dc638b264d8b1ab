//! Wrong usage and its messages.

use crate::lab::program;

fn refused(arguments: &[&str]) -> String {
    let mut command = program();
    let output = command.arg("diagnose").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    text
}

#[test]
fn errors_name_the_accepted_values() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(&config, "[diagnose]\nTD101 = { shore = 1 }\n").unwrap();
    let config = config.to_str().unwrap();
    for (arguments, said) in [
        (&["--rule", "TD1"][..], "explain --category rules"),
        (&["--rule", "TD100"], "did you mean TD10"),
        (&["--rule", "\u{1b}[2J"], "\\u{1b}[2J"),
        (&["--without", "everything"], "--without everything: there is no such rule"),
        (&["--rule", "TD101", "--without", "TD101"], "every rule"),
        (&["--duration", "0"], "at least 10ms"),
        (&["--duration", "soon"], "is no time"),
        (&["--target-rate", "fast"], "10Gbit"),
        (&["--target-rate", "0"], "is no rate"),
        (&["--fail-on", "bad"], "critical"),
        (&["--netns", "nowhere"], "--netns nowhere"),
        (&["--config", "/nowhere"], "there is no such file"),
        (&["--config", config], "rule TD101 has no limit \"shore\"; it has share"),
    ] {
        let text = refused(arguments);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn rule_thresholds_come_from_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(&config, "[diagnose]\ntd101 = { share = 0.75 }\n").unwrap();
    let mut command = program();
    let arguments = ["diagnose", "--duration", "20ms", "--rule", "TD101", "--config"];
    let output = command.args(arguments).arg(&config).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
