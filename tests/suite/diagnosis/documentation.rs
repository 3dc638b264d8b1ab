//! The documentation of rules is current, and its commands can be run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use tcpdiag::counters::Ratio;
use tcpdiag::diagnosis::{RULES, placeholders};
use tcpdiag::settings::{Setting, conflict_advice};

use crate::lab::{lab, program};

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

/// A value for each placeholder that a command may have.
const SAMPLES: &[(&str, &str)] = &[
    ("remote_address", "127.0.0.1"),
    ("peer", "192.0.2.0/24"),
    ("local_port", "8080"),
    ("port", "8080"),
    ("listener_port", "8080"),
    ("ratio", "retransmission"),
    ("device", "lo"),
    ("size4", "1472"),
    ("size6", "1452"),
    ("bdp", "5000000"),
    ("wanted", "5000000"),
    ("wmem", "4096 16384 10000000"),
    ("rmem", "4096 131072 10000000"),
    ("rmem_doubled", "4096 131072 10000000"),
    ("undo", "net.ipv4.tcp_frto=2 net.ipv4.tcp_dsack=1"),
    ("missing", "net.ipv4.tcp_sack=1"),
    ("range", "16384 65535"),
    ("more", "8192"),
    ("syn_backlog", "8192"),
];

/// Every command that advice of rules or of ratios prints, with samples for its placeholders.
fn commands() -> BTreeSet<String> {
    let of_rules = RULES.iter().flat_map(|rule| rule.advice).filter_map(|advice| advice.command);
    let of_ratios = Ratio::all().iter().filter_map(|ratio| ratio.command.as_deref());
    let filled =
        of_rules.filter(|command| *command != "{command}").chain(of_ratios).map(|command| {
            let mut line = command.to_owned();
            for (name, sample) in SAMPLES {
                line = line.replace(&format!("{{{name}}}"), sample);
            }
            assert_eq!(placeholders(&line).count(), 0, "no sample for {line}");
            line
        });
    filled.chain(conflict_advice().filter_map(command_in)).collect()
}

/// The command at the end of a text, or in parentheses.
fn command_in(text: &str) -> Option<String> {
    let (_, command) = text.split_once("tcpdiag ")?;
    let end = command.find([')', ';']).unwrap_or(command.len());
    Some(format!("tcpdiag {}", command[..end].trim_end_matches('.')))
}

#[test]
fn commands_are_one_line_without_characters_of_a_shell() {
    for command in commands() {
        let plain = |c: char| c.is_ascii_graphic() || c == ' ';
        assert!(command.chars().all(plain) && command.trim() == command, "{command:?}");
        let quotes = command.matches('\'').count();
        assert!(quotes % 2 == 0, "{command}");
        // Outside of quotes nothing means anything to a shell.
        let outside: String = command.split('\'').step_by(2).collect();
        assert!(
            !outside.contains(['<', '>', '|', '&', ';', '$', '*', '?', '(', '"', '`']),
            "{command}"
        );
    }
}

// Each is run by a shell, in namespaces of the test's own. Settings that only the first network
// namespace has are not written; ping, ethtool and tc may be missing.
lab!(
    fn commands_of_advice_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        // The program under test is the one that the shell finds.
        std::os::unix::fs::symlink(program().get_program(), folder.path().join("tcpdiag")).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let commands = commands();
        let mut ran = BTreeMap::new();
        for line in &commands {
            let name = line.split(' ').next().unwrap();
            let known = ["tcpdiag", "sysctl", "ping", "ip", "tc", "cat", "ethtool"];
            assert!(known.contains(&name), "{line}");
            let optional = ["ping", "ethtool", "tc"].contains(&name);
            if optional && !has(&path, name) {
                continue;
            }
            if name == "sysctl" && !is_writable(line) {
                continue;
            }
            let output = Command::new("sh")
                .args(["-c", &sooner(line)])
                .env("PATH", &path)
                .env("HOME", folder.path())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            // A loopback device has no ring.
            let is_unsupported = name == "ethtool" && stderr.contains("not supported");
            // A ping larger than the MTU of the loopback device would fail; it is 65,536.
            assert!(
                output.status.success() || is_unsupported,
                "{line}: {} {stderr}",
                output.status
            );
            *ran.entry(name.to_owned()).or_insert(0) += 1;
        }
        assert!(ran["tcpdiag"] > 30 && ran["sysctl"] > 8 && ran["ip"] > 1, "{ran:?}");
    }
);

/// Whether a program is in one of these folders.
fn has(path: &str, name: &str) -> bool {
    path.split(':').any(|folder| std::path::Path::new(folder).join(name).exists())
}

/// Whether all settings of a `sysctl -w` are of this network namespace. Those of the host have to
/// exist there at least.
fn is_writable(line: &str) -> bool {
    let rest = line.strip_prefix("sysctl -w ").unwrap_or_else(|| panic!("{line}"));
    let names = rest.split(' ').filter_map(|word| word.split_once('=')).map(|(name, _)| name);
    names.map(|name| format!("/proc/sys/{}", name.replace('.', "/"))).all(|file| {
        let known = Setting::find(&file["/proc/sys/".len()..].replace('/', ".")).is_some();
        assert!(
            known || file.contains("nf_conntrack") || std::path::Path::new(&file).exists(),
            "{file}"
        );
        std::fs::OpenOptions::new().write(true).open(&file).is_ok()
    })
}

/// The same command, ending at once: what runs until it is interrupted has one interval.
fn sooner(line: &str) -> String {
    let mut line = line.to_owned();
    if line.contains("--interval") && !line.contains("--count") {
        line.push_str(" --count 1");
    }
    for time in [" 10s", " 5s", " 1s"] {
        line = line.replace(time, " 20ms");
    }
    line.replace("ping -c 3", "ping -c 1")
}
