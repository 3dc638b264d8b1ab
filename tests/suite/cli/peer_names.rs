//! `--names`: peers by the names of the configuration and of hosts(5).

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Connection, tcpdiag};

/// The output of `conns` on the client's end, with this configuration.
fn shown(directory: &Path, hosts: &str, port: &str, arguments: &[&str]) -> (String, String, i32) {
    let file = directory.join("config.toml");
    std::fs::write(&file, format!("[hosts]\n{hosts}\n")).unwrap();
    let mut command = tcpdiag();
    command.args(["conns", "--remote-port", port]).args(arguments).env("TCPDIAG_CONFIG", &file);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

#[test]
fn peers_have_the_names_of_the_configuration() {
    let connection = Connection::new();
    let (port, directory) = (connection.port(), tempfile::tempdir().unwrap());
    let at = directory.path();
    let hosts = "loop = ['127.0.0.0/8', '::1']\nfar = '192.0.2.1'";
    let (table, said, code) = shown(at, hosts, &port, &["--names"]);
    assert_eq!(code, 0, "{said}");
    assert!(table.contains(&format!(" loop:{port} ")), "{table}");
    assert!(table.contains(&format!("127.0.0.1:{}", connection.client())), "own end: {table}");
    let (json, ..) = shown(at, hosts, &port, &["--names", "-o", "json"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    let remote = &document["connections"][0]["remote"];
    assert_eq!((&remote["addr"], &remote["name"]), (&"127.0.0.1".into(), &"loop".into()));
    let columns = ["--names", "-o", "csv", "--columns", "raddr,remote_name", "--no-header"];
    assert_eq!(shown(at, hosts, &port, &columns).0, "127.0.0.1,loop\n");
    // With a sort they are found too, and without the flag there are none.
    let (sorted, ..) = shown(at, hosts, &port, &["--names=hosts", "--sort", "rtt"]);
    assert!(sorted.contains(&format!(" loop:{port} ")), "{sorted}");
    let (plain, ..) = shown(at, hosts, &port, &["-o", "json"]);
    assert!(!plain.contains("\"name\":\"loop\""), "{plain}");
}

#[test]
fn a_hostile_name_is_text() {
    let connection = Connection::new();
    let (port, directory) = (connection.port(), tempfile::tempdir().unwrap());
    let hosts = "\"\\u001b[2J\\n\\u202e=1\" = '127.0.0.1'";
    for form in ["table", "json", "jsonl", "csv", "tsv"] {
        let (text, said, code) = shown(directory.path(), hosts, &port, &["--names", "-o", form]);
        assert_eq!(code, 0, "{said}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.contains("[2J"), "{text:?}");
    }
}

#[test]
fn the_resolver_is_waited_for_and_not_for_long() {
    let connection = Connection::new();
    let (port, directory) = (connection.port(), tempfile::tempdir().unwrap());
    let begun = Instant::now();
    let (text, said, code) = shown(directory.path(), "", &port, &["--names=dns", "-o", "jsonl"]);
    assert_eq!(code, 0, "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let rows =
        text.lines().filter(|line| line.contains("\"connections\"") || line.contains("cookie"));
    assert_eq!(rows.count(), 1, "{text}");
    // Where hosts(5) has it, it is not asked for.
    let known = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let own =
        known.lines().find_map(|line| line.strip_prefix("127.0.0.1")?.split_whitespace().next());
    if let Some(name) = own {
        assert!(text.contains(&format!("\"name\":\"{name}\"")), "{text}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let directory = tempfile::tempdir().unwrap();
    for (hosts, words) in [
        ("a = '10.0.0.0/33'", &["config.toml", "a: `10.0.0.0/33`", "2001:db8::/32"][..]),
        ("a = 5", &["config.toml"]),
        ("'' = '10.0.0.1'", &["1 to 253 bytes"]),
        ("a = ['10.0.0.1', 'x']", &["a: `x`"]),
    ] {
        let (_, said, code) = shown(directory.path(), hosts, "1", &["--names"]);
        assert_eq!((code, said.lines().count()), (2, 1), "{hosts}: {said}");
        for word in words {
            assert!(said.contains(word), "{hosts}: no {word:?} in {said}");
        }
    }
    let (_, said, code) = shown(directory.path(), "", "1", &["--names=file"]);
    assert_eq!(code, 2);
    assert!(said.contains("file") && said.contains("hosts, dns"), "{said}");
}
