//! Names that processes choose themselves are escaped.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::tcpdiag;

/// A process with this name that holds a connection.
struct Impostor {
    child: Child,
    port: String,
    /// Whose end would take the connection with it.
    _listener: TcpListener,
    _directory: tempfile::TempDir,
}

impl Impostor {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Not a link: sleep(1) may be a multi-call program that chooses its function by its name.
        let program: PathBuf = directory.path().join(name);
        std::fs::copy(sleep(), &program).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // As its standard input: no other test's child inherits it by chance.
        let client = OwnedFd::from(client);
        let child = Command::new(&program).arg("1000").stdin(client).spawn().unwrap();
        let impostor =
            Self { child, port: port.to_string(), _listener: listener, _directory: directory };
        let end = Instant::now() + crate::lab::PATIENCE;
        while impostor.comm().trim_end_matches('\n') != truncated(name) {
            assert!(Instant::now() < end, "it is still named {:?}", impostor.comm());
            std::thread::sleep(Duration::from_millis(5));
        }
        impostor
    }

    fn comm(&self) -> String {
        let path = format!("/proc/{}/comm", self.child.id());
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    }

    fn shown(&self, arguments: &[&str]) -> String {
        let client = ["conns", "-P", "--state", "all", "--remote-port", &self.port];
        let output = tcpdiag().args(client).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stderr = String::from_utf8(output.stderr).unwrap();
        check_harmless(&stderr);
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sleep() -> PathBuf {
    let places = ["/bin/sleep", "/usr/bin/sleep"].map(PathBuf::from);
    std::fs::canonicalize(places.iter().find(|path| path.exists()).unwrap()).unwrap()
}

/// The 15 bytes that the kernel keeps.
fn truncated(name: &str) -> String {
    String::from_utf8_lossy(&name.as_bytes()[..name.len().min(15)]).into_owned()
}

/// Checks that a text has no control characters.
#[track_caller]
fn check_harmless(text: &str) {
    let steers = |sign: char| {
        sign.is_control() && sign != '\n'
            || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(steers), "{text:?}");
}

#[test]
fn process_names_are_escaped_everywhere() {
    for (name, escaped) in [
        ("a\u{1b}[31mred", "a\\x1b[31mred"),
        ("a\u{202e}kcab", "a\\u{202e}kcab"),
        ("a\nESTAB x", "a\\nESTAB x"),
        ("a\rb\u{9b}2J", "a\\rb\\x9b2J"),
        ("a\"b,c'd", "a\"b,c'd"),
        ("=1+2;\u{7f}", "=1+2;\\x7f"),
    ] {
        let impostor = Impostor::new(name);
        for arguments in [
            &["-O"][..],
            &[],
            &["--detail"],
            &["--columns", "process"],
            &["--columns", "process,local,pid", "--color", "never"],
        ] {
            let table = impostor.shown(arguments);
            check_harmless(&table);
            assert!(table.contains(escaped), "{arguments:?}: no {escaped} in {table}");
        }
        let table = impostor.shown(&["-O", "--no-header"]);
        assert_eq!(table.lines().count(), 1, "a name made a row of its own: {table}");

        let text = impostor.shown(&["-o", "csv", "--columns", "process,remote"]);
        check_harmless(&text);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 1, "{text}");
        // A spreadsheet would compute it.
        let mark = if name.starts_with('=') { "'" } else { "" };
        assert_eq!(&records[0][0], format!("{mark}{escaped}/{}", impostor.child.id()));

        for format in ["json", "jsonl"] {
            let text = impostor.shown(&["-o", format]);
            check_harmless(&text);
            // Escaped in JSON, the original name after parsing.
            let first: Value = match format {
                "json" => serde_json::from_str::<Value>(&text).unwrap()["connections"][0].take(),
                _ => serde_json::from_str(text.lines().next().unwrap()).unwrap(),
            };
            assert_eq!(first["processes"][0]["comm"], *name, "{text}");
            assert_eq!(first["processes"][0]["pid"], impostor.child.id());
        }
    }
}

#[test]
fn service_names_are_escaped() {
    for (name, escaped) in [
        ("a\u{1b}[31mred", "a\\x1b[31mred"),
        ("a\u{202e}kcab", "a\\u{202e}kcab"),
        ("a\nall 99", "a\\nall 99"),
        ("a\rb\u{9b}2J", "a\\rb\\x9b2J"),
        ("=1+2;\u{7f}", "=1+2;\\x7f"),
    ] {
        let _impostor = Impostor::new(name);
        let shown = |arguments: &[&str]| {
            let usual = ["services", "--interval", "20ms", "--count", "1", "--by", "process"];
            let output = tcpdiag().args(usual).args(arguments).output().unwrap();
            let [stdout, stderr] =
                [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            assert_eq!(output.status.code(), Some(0), "{stderr}");
            check_harmless(&stdout);
            check_harmless(&stderr);
            stdout
        };
        let in_full = ["--counter", "TcpCurrEstab"];
        for arguments in [&["--top", "1000"][..], &in_full, &["-o", "csv"]] {
            let text = shown(arguments);
            assert!(text.contains(escaped), "{arguments:?}: no {escaped} in {text}");
        }
        let text = shown(&["-o", "json"]);
        let document: Value = serde_json::from_str(&text).unwrap();
        let rows = document["services"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["service"] == *name), "{text}");
    }
}

#[test]
fn a_name_that_is_not_utf8_is_shown() {
    // The kernel cuts at 15 bytes, here within a character of three bytes.
    let impostor = Impostor::new("fourteen-bytes\u{20ac}");
    let table = impostor.shown(&["-O"]);
    assert!(table.contains("fourteen-bytes\u{fffd}"), "{table}");
    let document: Value = serde_json::from_str(&impostor.shown(&["-o", "json"])).unwrap();
    let comm = document["connections"][0]["processes"][0]["comm"].as_str().unwrap();
    assert_eq!(comm, "fourteen-bytes\u{fffd}");
}
