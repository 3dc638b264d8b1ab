//! Netlink datagrams that other processes send to the program's sockets.

use serde_json::Value;
use tcpdiag::recording::{EventsDrained, Kind};

use crate::lab::{Attacker, FORGED_RETRANSMITS, Output, Tcpdiag, lab};
use crate::recordings::command::{items, json, new_file, notes, sockets};
use crate::recordings::content::Item;

/// What is said about them.
const SAID: &str = "that the kernel did not send";

fn document(output: &Output) -> Value {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// Checks that forged datagrams were counted and reported.
#[track_caller]
fn is_told(output: &Output) {
    let document = document(output);
    assert!(document["quality"]["foreign_datagrams"].as_u64() > Some(0), "{}", document["quality"]);
    assert!(output.stderr.contains(SAID), "{}", output.stderr);
    assert!(!output.stdout.contains(&FORGED_RETRANSMITS.to_string()), "{}", output.stdout);
}

/// Runs all commands that poll repeatedly during an attack.
fn withstand(arguments: &[&str]) {
    let attacker = Attacker::start(arguments);
    let (pid, tcpdiag) = (attacker.pid().to_string(), Tcpdiag::new());
    let run = |words: &[&str]| tcpdiag.run(&[words, &["--netns", &pid]].concat());

    let services = run(&["services", "-i", "2s", "--count", "1", "--all", "-o", "json"]);
    is_told(&services);
    let document = document(&services);
    // Whether or not a flood displaces events, its own cost stays bounded.
    let cost = |key: &str| document["cost"][key].as_f64().unwrap();
    let used = cost("cpu_user_ms") + cost("cpu_sys_ms");
    assert!(used < cost("wall_ms") / 2.0, "{}", document["cost"]);

    is_told(&run(&["diagnose", "--duration", "1s", "-o", "json"]));

    let (_directory, file) = new_file();
    let path = file.to_str().unwrap();
    let recorded = run(&["record", path, "-i", "200ms", "--count", "5"]);
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
    assert!(recorded.stderr.contains(SAID), "{}", recorded.stderr);
    let items = items(&file);
    let of_client = sockets(&items).into_iter().filter(|it| it.cookie == attacker.cookie);
    assert_eq!(of_client.count(), 5, "once in each sample");
    let forged = FORGED_RETRANSMITS.to_ne_bytes();
    let is_forged = |bytes: &[u8]| bytes.windows(4).any(|word| word == forged);
    assert!(!items.iter().any(|(_, item)| match item {
        Item::Datagram { bytes, .. } => is_forged(bytes),
        Item::Note { payload, .. } => is_forged(payload),
    }));
    let drained: Vec<EventsDrained> = json(&notes(&items, Kind::EventsDrained));
    assert!(drained.iter().any(|drained| drained.foreign > 0), "{drained:?}");
    assert!(drained.iter().all(|drained| (drained.events, drained.decode_errors) == (0, 0)));

    let rows = run(&["conns", "-i", "200ms", "--count", "5", "-o", "jsonl"]);
    assert_eq!(rows.code, Some(0), "{}", rows.stderr);
    let cookie = format!("{:x}\"", attacker.cookie);
    assert_eq!(rows.stdout.lines().filter(|line| line.contains(&cookie)).count(), 5);
    assert!(!rows.stdout.contains(&FORGED_RETRANSMITS.to_string()), "{}", rows.stdout);

    let sent = attacker.finish();
    let count = |key: &str| sent[key].as_u64().unwrap();
    // Each command had a socket for dumps, and each but `conns` one for events.
    assert!(count("targets") >= 7 && count("multicasts") > 0, "{sent}");
    assert!(count("refused") > 0 && count("unicasts") == 0, "{sent}");
}

lab!(as Root
    fn forged_datagrams_change_nothing() {
        withstand(&[]);
    }
);

lab!(as Root
    fn a_flood_of_forged_datagrams_ends_nothing() {
        withstand(&["--flood"]);
    }
);

lab!(as Root
    fn a_namespace_under_attack_does_not_end_the_others() {
        let attacker = Attacker::start(&[]);
        let tcpdiag = Tcpdiag::new();
        let words = ["services", "-i", "1s", "--count", "1", "--netns", "all", "-o", "json"];
        let output = tcpdiag.run(&words);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains(SAID), "{}", output.stderr);
        assert!(output.stdout.contains(&attacker.inode.to_string()), "{}", output.stdout);
    }
);
