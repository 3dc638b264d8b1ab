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
fn explain_shows_the_limits_that_apply_and_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let [config, broken] = ["config.toml", "broken.toml"].map(|name| directory.path().join(name));
    let text =
        "[diagnose]\ntd101 = { share = 0.75 }\n[thresholds]\nretransmission = { warn = 0.02 }\n";
    std::fs::write(&config, text).unwrap();
    std::fs::write(&broken, "[diagnose]\nTD101 = { shore = 1 }\n").unwrap();
    let explain = |file: &std::path::Path, arguments: &[&str]| {
        let mut command = program();
        command.arg("explain").args(arguments).env("TCPDIAG_CONFIG", file);
        let output = command.output().unwrap();
        let [out, error] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.code(), out.split_whitespace().collect::<Vec<_>>().join(" "), error)
    };
    let names = ["TD101", "retransmission"];
    let set = format!("(set in {}; usually", config.display());
    let (code, shown, error) = explain(&config, &names);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(shown.contains(&format!("share = 0.75 share {set} 0.3)")), "{shown}");
    assert!(shown.contains("busy = 0.3 share: share of"), "{shown}");
    assert!(shown.contains(&format!("warn above 2%, critical above 5% {set} warn")), "{shown}");
    let (_, json, _) = explain(&config, &["TD101", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let limit = &document["entries"][0]["rule"]["limits"][0];
    assert_eq!((limit["value"].as_f64(), limit["default"].as_f64()), (Some(0.75), Some(0.3)));
    assert_eq!(limit["set_in"].as_str(), config.to_str());
    // Here one looks up what a configuration file may contain.
    let (code, shown, error) = explain(&broken, &names);
    assert_eq!((code, error.lines().count()), (Some(0), 1), "{error}");
    assert!(error.contains("TD101 has no limit \"shore\"") && shown.contains("share = 0.3 share:"));
    let named = ["TD101", "--config", broken.to_str().unwrap()];
    assert_eq!(explain(&config, &named).0, Some(2));
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
