//! Counter files and settings that are missing, empty or cut short: what they show is not known. No
//! command takes it for zero.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Output, lab};

/// Files below `/proc/net` that are copied for the program to read.
const FILES: [&str; 7] =
    ["snmp", "netstat", "snmp6", "sockstat", "sockstat6", "softnet_stat", "dev"];

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Missing,
    Empty,
    Cut,
}

const DAMAGES: [Damage; 3] = [Damage::Missing, Damage::Empty, Damage::Cut];

impl Damage {
    /// The word in JSON.
    fn fault(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Cut => "cut",
        }
    }

    /// The words in the warning.
    fn words(self) -> &'static str {
        match self {
            Self::Missing => "is missing: ",
            Self::Empty => "is empty: ",
            Self::Cut => "is cut short: ",
        }
    }

    fn apply(self, path: &Path) {
        let text = fs::read(path).unwrap();
        match self {
            Self::Missing => fs::remove_file(path).unwrap(),
            Self::Empty => fs::write(path, "").unwrap(),
            // Within a line: nothing tells that a processor or a device is missing.
            Self::Cut => {
                fs::write(path, &text[..(text.len() / 2 + 3).min(text.len() - 1)]).unwrap();
            }
        }
    }
}

/// Directories that stand for those of /proc.
struct MadeUp {
    home: TempDir,
    /// Mounted there when the program starts.
    mounts: Vec<(PathBuf, String)>,
}

impl MadeUp {
    /// With whole copies of the counter files. They do not grow.
    fn net() -> Self {
        let home = tempfile::tempdir().unwrap();
        let net = home.path().join("net");
        fs::create_dir(&net).unwrap();
        for name in FILES {
            let text = fs::read(Path::new("/proc/thread-self/net").join(name)).unwrap();
            fs::write(net.join(name), text).unwrap();
        }
        // `exec` keeps the number of the process, and its thread has the same.
        Self { home, mounts: vec![(net, "/proc/$$/task/$$/net".to_owned())] }
    }

    /// Whole copies of the settings too.
    fn with_settings(mut self) -> Self {
        let sys = self.home.path().join("sys");
        for directory in ["ipv4", "core"] {
            let to = sys.join(directory);
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(Path::new("/proc/sys/net").join(directory)).unwrap() {
                let entry = entry.unwrap();
                if let Ok(text) = fs::read(entry.path()) {
                    fs::write(to.join(entry.file_name()), text).unwrap();
                }
            }
        }
        self.mounts.push((sys, "/proc/sys/net".to_owned()));
        self
    }

    fn damaged(damage: Damage, file: &str) -> Self {
        let made_up = Self::net();
        damage.apply(&made_up.home.path().join("net").join(file));
        made_up
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs the program where these directories are mounted over those of /proc.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut script = String::from("set -e; ");
        for (from, to) in &self.mounts {
            script.push_str(&format!("mount --bind '{}' {to}; ", from.display()));
        }
        script.push_str("exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_tcpdiag")]);
        let output = command.args(arguments).env("HOME", self.home.path()).output().unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Checks that a command says what is wrong with a file, counts it, and exits with 3 if it has to.
fn check(made_up: &MadeUp, arguments: &[&str], file: &str, damage: Damage) {
    let plain = made_up.run(arguments);
    let context = format!("{arguments:?}, {file} {damage:?}: {}", plain.stderr);
    assert_eq!(plain.code, Some(0), "{context}");
    let warning = format!("tcpdiag: {file} {}", damage.words());
    let lines = plain.stderr.lines().filter(|line| line.contains(&format!("{file} "))).count();
    assert!(plain.stderr.contains(&warning), "{context}");
    assert_eq!(lines, 1, "said once: {context}");
    let healthy =
        ["No counter of trouble grew", "No problem was found\n", "Nothing needs attention"];
    // A setting says nothing of what counters did.
    let of_counters = |words: &&str| !(words.contains("counter") && file.starts_with("/proc/sys"));
    for words in healthy.into_iter().filter(of_counters) {
        assert!(!plain.stdout.contains(words), "{context}\n{}", plain.stdout);
    }
    let json = [arguments, &["-o", "json", "--strict"]].concat();
    let strict = made_up.run(&json);
    assert_eq!(strict.code, Some(3), "{context}");
    let documents = serde_json::Deserializer::from_str(&strict.stdout).into_iter::<Value>();
    let document = documents.last().unwrap().unwrap();
    counted(&document["quality"], file, damage);
}

fn counted(quality: &Value, file: &str, damage: Damage) {
    let key =
        if file.starts_with("/proc/sys/net/ipv4") { "settings_unread" } else { "counters_unread" };
    assert!(quality[key].as_u64().is_some_and(|count| count > 0), "{quality:#}");
    let files = quality["files_unread"].as_array().unwrap();
    let found = files.iter().find(|unread| unread["file"] == file).unwrap();
    assert_eq!(found["fault"], damage.fault(), "{quality:#}");
    assert_eq!(files.len(), 1, "{quality:#}");
}

lab!(
    fn a_live_command_says_what_it_could_not_read() {
        let whole = MadeUp::net();
        let services = ["services", "-i", "200ms", "--count", "1"];
        let output = whole.run(&[&services[..], &["--strict"]].concat());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stdout.contains("No counter of trouble grew."), "{}", output.stdout);
        for damage in DAMAGES {
            let netstat = MadeUp::damaged(damage, "netstat");
            for arguments in [
                &services[..],
                &["stats", "--no-history"],
                &["stats", "-i", "100ms", "--count", "2"],
                &["diagnose", "--duration", "300ms"],
            ] {
                check(&netstat, arguments, "/proc/net/netstat", damage);
            }
            // A counter by name.
            let named = [&services[..], &["--counter", "TCPTimeouts"]].concat();
            let output = netstat.run(&named);
            assert!(!output.stdout.contains("Did not grow"), "{}", output.stdout);
            assert!(!output.stderr.contains("does not count"), "{}", output.stderr);
            let output = netstat.run(&["stats", "--no-history", "TCPTimeouts"]);
            assert!(!output.stderr.contains("does not count"), "{}", output.stderr);
            // A ratio of what was not read has no verdict, whatever else it adds up.
            let output = netstat.run(&["stats", "--no-history", "-o", "json"]);
            let document: Value = serde_json::from_str(&output.stdout).unwrap();
            let ratios = document["ratios"].as_array().unwrap();
            let listen = ratios.iter().find(|ratio| ratio["id"] == "listen_drops").unwrap();
            assert_eq!(listen["verdict"], "no_data", "{listen:#}");
            assert_eq!(listen["reason"], "unread", "{listen:#}");
        }
    }
);

lab!(
    fn every_file_that_is_read_counts() {
        for damage in DAMAGES {
            for file in FILES {
                // IPv6 has two files; without both of them the kernel has no IPv6.
                let made_up = MadeUp::damaged(damage, file);
                let path = format!("/proc/net/{file}");
                check(&made_up, &["diagnose", "--duration", "100ms"], &path, damage);
                if !["softnet_stat", "dev"].contains(&file) {
                    check(&made_up, &["stats", "--no-history"], &path, damage);
                }
                if file == "snmp" {
                    check(&made_up, &["services", "-i", "100ms", "--count", "1"], &path, damage);
                }
            }
        }
        let without_ipv6 = MadeUp::damaged(Damage::Missing, "snmp6");
        fs::remove_file(without_ipv6.path("net/sockstat6")).unwrap();
        let output = without_ipv6.run(&["stats", "--no-history", "--strict"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
);

lab!(
    fn settings_and_connection_tracking_count() {
        let diagnose = ["diagnose", "--duration", "100ms"];
        let strict = [&diagnose[..], &["--strict"]].concat();
        let whole = MadeUp::net().with_settings();
        let output = whole.run(&strict);
        assert_eq!(output.code, Some(0), "without tracking: {}", output.stderr);
        for damage in DAMAGES {
            let made_up = MadeUp::net().with_settings();
            damage.apply(&made_up.path("sys/ipv4/tcp_rmem"));
            check(&made_up, &diagnose, "/proc/sys/net/ipv4/tcp_rmem", damage);
            check(&made_up, &["sysctl"], "/proc/sys/net/ipv4/tcp_rmem", damage);
            // The range of ports decides roles: every command that polls reads it.
            let made_up = MadeUp::net().with_settings();
            damage.apply(&made_up.path("sys/ipv4/ip_local_port_range"));
            let path = "/proc/sys/net/ipv4/ip_local_port_range";
            check(&made_up, &["conns"], path, damage);
            let services = ["services", "-i", "100ms", "--count", "1"];
            check(&made_up, &services, path, damage);
            // What counters did does not depend on a setting: all of them were read, and none grew.
            let output = made_up.run(&services);
            assert!(output.stdout.contains("No counter of trouble grew."), "{}", output.stdout);
            // Connections are tracked, but one of the two files is damaged.
            let made_up = MadeUp::net().with_settings();
            let tracking = made_up.path("sys/netfilter");
            fs::create_dir(&tracking).unwrap();
            fs::write(tracking.join("nf_conntrack_max"), "65536\n").unwrap();
            fs::write(tracking.join("nf_conntrack_count"), "65000\n").unwrap();
            let full = made_up.run(&strict);
            assert!(full.stdout.contains("TD405"), "{}{}", full.stdout, full.stderr);
            damage.apply(&tracking.join("nf_conntrack_max"));
            let path = "/proc/sys/net/netfilter/nf_conntrack_max";
            check(&made_up, &diagnose, path, damage);
            assert!(!made_up.run(&diagnose).stdout.contains("TD405"));
        }
        let gone = MadeUp::net().with_settings();
        fs::remove_dir_all(gone.path("sys/ipv4")).unwrap();
        let output = gone.run(&strict);
        assert_eq!(output.code, Some(3), "{}", output.stderr);
        assert!(output.stderr.contains("/proc/sys/net/ipv4 is missing"), "{}", output.stderr);
    }
);

lab!(
    fn a_recording_without_a_file_says_so_to_every_reader() {
        for damage in DAMAGES {
            let made_up = MadeUp::damaged(damage, "netstat");
            let [file, whole] = ["damaged.pcapng", "whole.pcapng"].map(|name| made_up.path(name));
            let record = ["record", "-i", "100ms", "--count", "3", "--strict"];
            let output = made_up.run(&[&record[..], &[text(&file)]].concat());
            assert_eq!(output.code, Some(3), "{}", output.stderr);
            let warning = format!("tcpdiag: /proc/net/netstat {}", damage.words());
            assert_eq!(output.stderr.matches(&warning).count(), 1, "{}", output.stderr);
            // Here /proc is whole again.
            let other = MadeUp::net();
            let output = other.run(&[&record[..], &[text(&whole)]].concat());
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            for arguments in [
                &["services", "--read", text(&file)][..],
                &["stats", "--read", text(&file)],
                &["diagnose", "--read", text(&file)],
                &["explain", "TCPTimeouts", "--read", text(&file)],
            ] {
                check(&other, arguments, "/proc/net/netstat", damage);
            }
            for sides in [[&file, &whole], [&whole, &file]] {
                let [a, b] = sides.map(|side| text(side));
                let output = other.run(&["diff", a, b, "--all", "--strict", "-o", "json"]);
                assert_eq!(output.code, Some(3), "{}", output.stderr);
                assert!(output.stderr.contains("/proc/net/netstat "), "{}", output.stderr);
                let document: Value = serde_json::from_str(&output.stdout).unwrap();
                let gaps = document["gaps"].to_string();
                assert!(gaps.contains("/proc/net/netstat "), "{gaps}");
                let changes = document["changes"].as_array().unwrap();
                let of_netstat = |row: &&Value| {
                    row["kind"] == "counter" && row["name"].as_str().unwrap().contains("Ext")
                };
                assert_eq!(changes.iter().filter(of_netstat).count(), 0, "{document:#}");
            }
            // A file that is not used is no reason to complain.
            let output = other.run(&["convert", text(&file), "--strict"]);
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            let output = other.run(&["conns", "--read", text(&file), "--strict"]);
            assert_eq!(output.code, Some(0), "{}", output.stderr);
        }
    }
);
