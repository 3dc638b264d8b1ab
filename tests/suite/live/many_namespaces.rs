//! More network namespaces than there are descriptors for, and such that come and go.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::lab::{Output, Tcpdiag, lab};
use crate::recordings::command::new_file;

/// Runs commands of ip(8).
fn ip(batch: &str) {
    let mut command = Command::new("ip");
    let command = command.args(["-force", "-batch", "-"]).stderr(Stdio::null());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    child.wait().unwrap();
}

/// Hides the names of other namespaces.
fn hide_names() {
    let status = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().unwrap();
    assert!(status.success());
}

fn make_namespaces(count: usize) {
    hide_names();
    ip(&(0..count).map(|number| format!("netns add lot{number}\n")).collect::<String>());
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), count);
}

/// Every command that reads namespaces, briefly.
fn commands(file: &str) -> [Vec<&str>; 8] {
    [
        vec!["conns", "-i", "200ms", "--count", "3"],
        vec!["listeners"],
        vec!["services", "-i", "500ms", "--count", "2", "-o", "json"],
        vec!["services", "-i", "500ms", "--count", "1", "-o", "json", "--record", file],
        vec!["diagnose", "--duration", "500ms", "-o", "json"],
        vec!["stats", "-i", "200ms", "--count", "3", "-o", "jsonl"],
        vec!["sysctl", "somaxconn"],
        vec!["record", file, "-i", "300ms", "--count", "2"],
    ]
}

/// Runs it with `--netns all`, a soft and a hard limit of descriptors.
fn run_all(limits: &str, words: &[&str]) -> Output {
    let tcpdiag = Tcpdiag::limited(&format!("--nofile={limits}"));
    let output = tcpdiag.run(&[words, &["--netns", "all"]].concat());
    assert_eq!(output.code, Some(0), "{limits} {words:?}: {}", output.stderr);
    output
}

lab!(
    fn two_hundred_namespaces_fit_into_the_usual_limit() {
        make_namespaces(200);
        for limits in ["1024:1024", "256:1024"] {
            let (_directory, file) = new_file();
            for words in commands(file.to_str().unwrap()) {
                let _ = std::fs::remove_file(&file);
                // The slow ones once.
                if limits == "256:1024" && words[0] != "services" {
                    continue;
                }
                let output = run_all(limits, &words);
                assert!(!output.stderr.contains("left out"), "{words:?}: {}", output.stderr);
                assert!(!output.stderr.contains("open files"), "{words:?}: {}", output.stderr);
            }
        }
    }
);

lab!(
    fn namespaces_beyond_the_limit_are_named() {
        make_namespaces(60);
        let (_directory, file) = new_file();
        for words in commands(file.to_str().unwrap()) {
            let _ = std::fs::remove_file(&file);
            let output = run_all("100:100", &words);
            // It holds none open.
            if words[0] == "sysctl" {
                continue;
            }
            let errors = &output.stderr;
            assert!(errors.contains("is left out: of 100 descriptors"), "{words:?}: {errors}");
            assert!(errors.contains("other network namespaces could not be read"), "{errors}");
            if words.contains(&"services") && !words.contains(&"--record") {
                let last: Value =
                    serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
                let limited = last["quality"]["permission_limited"].as_array().unwrap();
                // The first ones are named, the others counted.
                assert!((8..=12).contains(&limited.len()), "{limited:?}");
            }
        }
    }
);

lab!(
    fn the_budget_bounds_the_looks_too() {
        make_namespaces(100);
        let words = ["services", "-i", "3s", "--count", "1", "-o", "json", "--cpu-budget"];
        let polls = |budget: &str| {
            let output = run_all("1024:1024", &[&words[..], &[budget]].concat());
            let last = output.stdout.lines().last().unwrap();
            let document: Value = serde_json::from_str(last).unwrap();
            ["looks", "looks_skipped"].map(|key| document["polls"][key].as_u64().unwrap())
        };
        let [looks, skipped] = polls("1%");
        // Half of 1 % of 3 s is 15 ms, and each takes 50 us or more: of some 3000, 300 at most.
        assert!(looks > 0 && looks * 5 < skipped, "{looks} {skipped}");
        assert_eq!(polls("0%")[0], 0);
    }
);

lab!(
    fn namespaces_that_come_and_go_end_nothing() {
        hide_names();
        let is_over = AtomicBool::new(false);
        let names =
            |verb: &'static str| (0..4).map(move |number| format!("netns {verb} brief{number}\n"));
        let batch: String = names("add").chain(names("del")).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    ip(&batch);
                }
            });
            let (_directory, file) = new_file();
            for _ in 0..3 {
                for words in commands(file.to_str().unwrap()) {
                    let _ = std::fs::remove_file(&file);
                    run_all("1024:1024", &words);
                    if file.exists() {
                        let file = file.to_str().unwrap();
                        let read = Tcpdiag::new().run(&["services", "--read", file]);
                        assert_eq!(read.code, Some(0), "{words:?}: {}", read.stderr);
                    }
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
);

lab!(
    fn a_named_namespace_is_diagnosed_after_its_name_is_gone() {
        hide_names();
        ip("netns add gone0\nnetns add gone1\n");
        for names in [&["gone0"][..], &["gone0", "gone1"]] {
            let words = names.iter().flat_map(|name| ["--netns", *name]);
            let words: Vec<&str> =
                ["diagnose", "--duration", "2s", "-o", "json"].into_iter().chain(words).collect();
            let output = std::thread::scope(|scope| {
                let run = scope.spawn(|| Tcpdiag::new().run(&words));
                std::thread::sleep(std::time::Duration::from_secs(1));
                ip("netns del gone0\n");
                run.join().unwrap()
            });
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            ip("netns add gone0\n");
        }
    }
);
