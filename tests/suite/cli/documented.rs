//! Every command line of the README and of docs runs as it stands there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{lab, plain};

/// What stands for something else in a line, and what it is tried with.
const PLACEHOLDERS: [(&str, &str); 26] = [
    ("[EXPRESSION]", ""),
    ("[SERVICE]", ""),
    ("[NAME...]", ""),
    ("[COMMAND]", ""),
    ("NAME...", "rtt"),
    (" NAME", " rtt"),
    ("SHELL", "bash"),
    ("CODE", "TD101"),
    ("-i TIME", "-i 50ms"),
    ("services SERVICE", "services --by port"),
    // Needs a terminal to ask, or a connection to kill.
    ("dst 10.0.0.7 --kill", "dst 10.0.0.7 --kill --yes"),
    ("conns EXPRESSION", "conns 'port = 1'"),
    ("KEY,KEY", "service,state"),
    ("--by KEY", "--by remote"),
    (" A B", " a.pcapng.zst b.pcapng.zst"),
    ("--into OUT", "--into out.pcapng.zst"),
    ("record FILE", "record new.pcapng.zst"),
    ("services --record FILE", "services --record new.pcapng.zst"),
    (" FILE", " incident.pcapng.zst"),
    ("ss ...", "ss"),
    ("--port PORT", "--port 443"),
    ("SEVERITY", "critical"),
    // Times of a recording that is not the one that is tried.
    ("--from 2026-11-21T04:40 --to 2026-11-21T04:50", ""),
    ("--at 2026-11-21T04:45:00Z", ""),
    ("--at 03:12", ""),
    ("night.pcapng.zst@..2026-11-21T04:40 @2026-11-21T04:45..", "a.pcapng.zst b.pcapng.zst"),
];

/// Every page that a user reads.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        // The commands of the rules are tried with their placeholders by diagnosis::documentation.
        if path.extension().is_some_and(|name| name == "md") && !path.ends_with("rules.md") {
            pages.push(path);
        }
    }
    pages
}

/// The command lines of a page: in code blocks, after `$` there, and between backticks. Those that
/// show an error are left out.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if in_block && line.starts_with("tcpdiag: ") {
            lines.pop();
        }
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            lines.push(line.strip_prefix("$ ").unwrap_or(line).to_owned());
        } else {
            lines.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    // A name with its command, and no sentence or output.
    let is_command = |line: &String| line.starts_with("tcpdiag ") && !line.contains(": ");
    lines.into_iter().filter(is_command).collect()
}

/// The line as it is tried: it ends by itself.
fn tried(line: &str) -> String {
    let mut line = line.split(" | ").next().unwrap().to_owned();
    // Behind the command line in the block.
    if let Some((command, _)) = line.split_once("  #") {
        line = command.trim_end().to_owned();
    }
    for (placeholder, with) in PLACEHOLDERS {
        line = line.replace(placeholder, with);
    }
    let reads = line.contains("--read");
    let mut words = line.split_whitespace().skip(1);
    let command = words.next().unwrap();
    if words.next().is_none() && ["record", "convert", "diff", "completions"].contains(&command) {
        // Named, but not as it is typed.
        return format!("{line} --help");
    }
    let repeats = ["-i ", "--interval "].iter().any(|flag| line.contains(flag));
    let ends = ["--count", "--duration", "--help"].iter().any(|flag| line.contains(flag));
    let end = match command {
        _ if reads || ends => "",
        "services" | "diagnose" | "closed" => " --duration 100ms",
        "record" => " --count 1",
        _ if repeats => " --count 1",
        _ => "",
    };
    format!("{line}{end}")
}

lab!(
    as Mapped fn every_command_line_runs() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let fixture = root.join("fixtures/diagnose/small-send-buffer-client.pcapng.zst");
        let programs = Path::new(env!("CARGO_BIN_EXE_tcpdiag")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut tried_lines = 0;
        for page in pages() {
            let text = std::fs::read_to_string(&page).unwrap();
            for line in lines(&text) {
                let directory = tempfile::tempdir().unwrap();
                let is_recorded = line.starts_with("tcpdiag record");
                for name in ["incident", "night", "a", "b"].iter().filter(|_| !is_recorded) {
                    let name = directory.path().join(format!("{name}.pcapng.zst"));
                    std::fs::copy(&fixture, name).unwrap();
                }
                std::os::unix::fs::symlink(root.join("fixtures"), directory.path().join("fixtures")).unwrap();
                let command = tried(&line);
                let output = plain(&mut Command::new("timeout"))
                    .args(["60", "sh", "-c", &command])
                    .env("PATH", &path)
                    .env("XDG_STATE_HOME", directory.path())
                    .current_dir(directory.path())
                    .output()
                    .unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success(),
                    "{}: `{line}`, tried as `{command}`: {}\n{stderr}",
                    page.display(),
                    output.status
                );
                assert!(!stderr.contains("panicked"), "{line}: {stderr}");
                tried_lines += 1;
            }
        }
        // Otherwise this test reads nothing.
        assert!(tried_lines > 40, "{tried_lines}");
    }
);

#[test]
fn the_readme_is_short() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    assert!(readme.unwrap().lines().count() <= 200);
}
