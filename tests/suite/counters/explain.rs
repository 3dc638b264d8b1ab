//! `tcpdiag explain`.

use super::command::{json, run, stdout};

#[test]
fn text_fits_the_width() {
    let home = tempfile::tempdir().unwrap();
    for columns in ["60", "80", "120"] {
        let output = super::command::tcpdiag(home.path())
            .env("COLUMNS", columns)
            .args(["explain", "--category", "retransmission", "--category", "settings"])
            .output()
            .unwrap();
        let limit: usize = columns.parse().unwrap();
        for line in stdout(&output).lines() {
            // A name with its numbers cannot be broken.
            let breakable = line.trim().contains(' ');
            assert!(!breakable || line.chars().count() <= limit, "{columns}: {line}");
        }
    }
}

#[test]
fn one_of_each_kind() {
    let home = tempfile::tempdir().unwrap();
    let names = ["TCPLostRetransmit", "rtt", "close_wait", "keepalive", "tcp_rmem", "process"];
    let text = stdout(&run(home.path(), &[&["explain"], &names[..]].concat()));
    insta::assert_snapshot!(text);
}

#[test]
fn recorded_values_are_shown() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("recording.pcapng.zst");
    let file = file.to_str().unwrap();
    assert!(run(home.path(), &["record", "--count", "2", "-i", "20ms", file]).status.success());
    let names = ["explain", "TcpRtoMin", "tcp_window_scaling", "close_wait"];
    let document = json(home.path(), &[&names[..], &["--read", file, "-o", "json"]].concat());
    let [minimum, scaling, .., state] = &document["entries"].as_array().unwrap()[..] else {
        panic!()
    };
    assert_eq!(minimum["recorded"]["value"], 200);
    let setting = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_window_scaling").unwrap();
    assert_eq!(scaling["recorded"]["value"], setting.trim());
    assert!(state.get("recorded").is_none());
    let text = stdout(&run(home.path(), &[&names[..], &["--read", file]].concat()));
    let at = minimum["recorded"]["captured_at"].as_str().unwrap();
    assert!(text.contains(&format!("Recorded     200 at {at}")), "{text}");
    super::command::refuses(
        home.path(),
        &["explain", "rtt", "--read", "/no/such"],
        &["cannot open /no/such"],
    );
}

/// What `explain` calls healthy is what `stats` warns of from.
#[test]
fn healthy_ranges_are_the_thresholds_of_stats() {
    let home = tempfile::tempdir().unwrap();
    let stats = json(home.path(), &["stats", "-o", "json"]);
    let explained = json(home.path(), &["explain", "--all", "-o", "json"]);
    let entries = explained["entries"].as_array().unwrap();
    let mut compared = 0;
    for ratio in stats["ratios"].as_array().unwrap() {
        let known = tcpdiag::counters::Ratio::named(ratio["id"].as_str().unwrap()).unwrap();
        let Some(warn) = ratio["threshold"]["warn"].as_f64() else { continue };
        for counter in &known.numerator {
            let entry =
                entries.iter().find(|it| it["kind"] == "counter" && it["name"] == **counter);
            let healthy = &entry.unwrap()["healthy"];
            assert_eq!(healthy["max"], warn, "{counter}: {healthy}");
            assert_eq!(healthy["ratio"], ratio["id"], "{counter}");
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}

/// A share in the reason for thresholds is one of them.
#[test]
fn reasons_name_no_other_shares() {
    for ratio in tcpdiag::counters::Ratio::all() {
        let reason = ratio.reason.as_deref().unwrap_or_default();
        for (before, _) in reason.match_indices(" %").map(|(at, _)| reason.split_at(at)) {
            let number = before.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 100.0;
            let known =
                [ratio.warn, ratio.critical].iter().flatten().any(|it| (it - number).abs() < 1e-9);
            assert!(known, "{}: {number} in {reason:?}", ratio.id);
        }
    }
}

#[test]
fn the_document_has_every_field() {
    let home = tempfile::tempdir().unwrap();
    let document = json(home.path(), &["explain", "TcpTimeouts", "-o", "json"]);
    assert_eq!(document["schema"], "tcpdiag.explain/1");
    let entry = &document["entries"][0];
    for key in
        ["name", "kind", "category", "meaning", "trigger", "suggests", "check", "twin", "since"]
    {
        assert!(!entry[key].is_null(), "{key}: {entry}");
    }
    assert_eq!(entry["twin"]["class"], "exact");
    let all = json(home.path(), &["explain", "--all", "-o", "json"]);
    assert!(all["entries"].as_array().unwrap().len() > 450);
}

#[test]
fn drops_say_what_they_count() {
    let home = tempfile::tempdir().unwrap();
    let document = json(home.path(), &["explain", "drops", "-o", "json"]);
    let meaning = document["entries"][0]["meaning"].as_str().unwrap();
    // Not only refused connections: all that a listener discards.
    for words in ["sk_drops", "for whatever reason", "ListenDrops", "TCP-MD5", "filter"] {
        assert!(meaning.contains(words), "no {words:?} in {meaning}");
    }
}
