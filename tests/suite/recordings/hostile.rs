//! Names in recordings may be anything: no command lets them steer a terminal, forge rows, or
//! become formulas of a spreadsheet.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tcpdiag::model::State;
use tcpdiag::recording::{
    Compression, Direction, DumpBegun, DumpEnded, EventsDrained, HostFacts, Kind, SampleBegun,
    SampleEnded,
};
use tcpdiag::sys::Clocks;
use tcpdiag::wire::uapi::{INET_DIAG_CGROUP_ID, INET_DIAG_CONG};

use super::content::{NAMESPACE, writer};
use super::diff::FakeSocket;

/// Clears the screen, turns the direction around, begins a line of its own.
const EVIL: &str = "\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\r\nforged,row\tx\u{7}";

/// The same after a sign that begins a formula.
fn evil(sign: &str) -> String {
    format!("{sign}cmd|'/C calc'!A0{EVIL}")
}

/// A message about a socket with an inode, a cgroup, an interface and a congestion control.
fn message(socket: FakeSocket, inode: u32) -> Vec<u8> {
    const RECORD: usize = 16;
    let mut message = socket.message();
    message[RECORD + 40..RECORD + 44].copy_from_slice(&7u32.to_ne_bytes());
    message[RECORD + 68..RECORD + 72].copy_from_slice(&inode.to_ne_bytes());
    let mut add = |kind: u16, value: &[u8]| {
        message.extend((4 + value.len() as u16).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    add(INET_DIAG_CGROUP_ID, &99u64.to_ne_bytes());
    add(INET_DIAG_CONG, b"=1+\x1b[31m\xff\0");
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

/// Three samples, whatever can be named in them named badly.
fn recording(compression: Compression) -> Vec<u8> {
    let mut writer = writer(compression);
    let facts = HostFacts {
        machine: "x86_64".to_owned(),
        hostname: evil("="),
        kernel: evil("@"),
        ..HostFacts::default()
    };
    writer.json(Kind::Host, 0, &facts).unwrap();
    let inode = NAMESPACE.inode;
    let text = |value: &Value| value.to_string().into_bytes();
    let namespace = json!({"interface": 0, "inode": inode, "name": evil("=")});
    writer.note(Kind::Namespace, inode, &text(&namespace)).unwrap();
    for sample in 0..3u32 {
        let clocks = Clocks {
            realtime_ns: (1_700_000_000 + u64::from(sample)) * 1_000_000_000,
            monotonic_ns: u64::from(sample + 1) * 1_000_000_000,
        };
        writer.set_sample(sample);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false }).unwrap();
        let segments = 1000 + 100 * sample;
        // A blank, a line end and a colon would end the name.
        let counter = "=Evil\u{1b}[2J\u{202e}\u{9b}";
        let counters =
            format!("snmp\nTcp: InSegs RetransSegs {counter}\nTcp: {segments} 7 {segments}\n");
        // Read before the dump and after it.
        writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
        let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, inode, &begun).unwrap();
        let mut dump = message(FakeSocket::listener(1001), 501);
        dump.extend(message(FakeSocket::server(1001, segments), 502));
        writer.datagram(0, Direction::Received, &dump).unwrap();
        let ended = DumpEnded {
            sockets: 2,
            decode_errors: 0,
            bad_attributes: 0,
            interrupted: 0,
            foreign: 0,
        };
        writer.json(Kind::DumpEnd, inode, &ended).unwrap();
        writer.json(Kind::EventsDrained, inode, &EventsDrained::default()).unwrap();
        writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
        let owners = [501, 502].map(|inode| {
            let holder = json!({"pid": 7, "fd": 3, "comm": evil("+"), "cgroup": evil("/")});
            format!("{}\n", json!({"inode": inode, "holders": [holder]}))
        });
        writer.note(Kind::Owners, inode, owners.concat().as_bytes()).unwrap();
        let path = format!("/{}.service", evil("="));
        writer.note(Kind::Cgroup, 0, &text(&json!({"id": 99, "path": path}))).unwrap();
        let interface = json!({"index": 7, "name": evil("-")});
        writer.note(Kind::Interfaces, inode, &text(&interface)).unwrap();
        let settings = "net.ipv4.tcp_congestion_control =cubic\u{1b}[2J\u{202e}\n";
        writer.note(Kind::Sysctl, inode, settings.as_bytes()).unwrap();
        let ended = SampleEnded {
            clocks,
            permission_limited: vec![evil("="), "x".repeat(200_000)],
            ..SampleEnded::default()
        };
        writer.json(Kind::SampleEnd, 0, &ended).unwrap();
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    writer.finish().unwrap()
}

/// Whether a character could steer a terminal or hide.
fn steers(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn check(arguments: &[&str], text: &str, allowed: &[char]) {
    let bad = text.chars().find(|sign| steers(*sign) && !allowed.contains(sign));
    assert_eq!(bad, None, "{arguments:?}: {text:?}");
    // Megabytes of names do not fill the screen.
    let longest = text.lines().map(str::len).max().unwrap_or(0);
    assert!(longest < 70_000, "{arguments:?}: a line of {longest} bytes");
}

fn check_rows(arguments: &[&str], text: &str, delimiter: u8) {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter).from_reader(text.as_bytes());
    let mut rows = 0;
    for record in reader.records() {
        rows += 1;
        // Each record has as many cells as there are titles, or this is an error.
        for cell in &record.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}")) {
            let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.len() > 1;
            assert!(!is_formula || cell.parse::<f64>().is_ok(), "{arguments:?}: {cell:?}");
        }
    }
    assert!(rows > 0 || arguments.contains(&"diagnose"), "{arguments:?}: {text}");
}

/// Escaped, and the names themselves after parsing.
fn check_json(arguments: &[&str], text: &str) {
    let bad = text.chars().find(|sign| steers(*sign) && *sign != '\n');
    assert_eq!(bad, None, "{arguments:?}: {text:?}");
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    assert!(values.map(Result::unwrap).count() > 0, "{arguments:?}");
}

/// Runs the program; its exit code and output.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdiag"));
    let output = command.args(arguments).current_dir(directory).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), stdout, stderr)
}

#[test]
fn names_in_recordings_are_harmless_in_every_command_and_form() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("a.pcapng.zst"), recording(Compression::Zstd)).unwrap();
    let read = ["--read", "a.pcapng.zst"];
    let forms: &[&str] = &["table", "json", "jsonl", "csv"];
    let mut shown = String::new();
    for (command, forms) in [
        (&["conns", "--state", "all", "-P", "--color", "never"][..], forms),
        (&["conns", "--state", "all", "-P"], &["tsv"]),
        (&["conns", "--state", "all", "-P", "--wide", "--color", "never"], &["table"]),
        (&["conns", "--state", "all", "-P", "--detail", "--color", "never"], &["table"]),
        (&["conns", "--netns", "all", "-P", "--sort", "process"], forms),
        (&["listeners"], forms),
        (&["listeners"], &["tsv"]),
        (&["services"], forms),
        (&["services", "--by", "process"], forms),
        (&["services", "--by", "cgroup", "--netns", "all"], forms),
        (&["services", "--counter", "TcpInSegs"], forms),
        (&["stats", "--all"], forms),
        (&["stats", "--all", "--netns", "all"], forms),
        (&["stats", "--all", "--interval", "1s"], forms),
        (&["diagnose", "-P", "--all"], forms),
        (&["diagnose", "-P", "--all", "-p", "1001"], forms),
        (&["explain", "--all"], forms),
    ] {
        for form in forms {
            let arguments = [command, &read[..], &["-o", form]].concat();
            let (code, stdout, stderr) = run(at, &arguments);
            assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
            check(&arguments, &stderr, &['\n']);
            match *form {
                "tsv" => {
                    check(&arguments, &stdout, &['\n', '\t']);
                    check_rows(&arguments, &stdout, b'\t');
                }
                "csv" => {
                    check(&arguments, &stdout, &['\n']);
                    check_rows(&arguments, &stdout, b',');
                }
                "table" => check(&arguments, &stdout, &['\n']),
                _ => check_json(&arguments, &stdout),
            }
            shown.push_str(&stdout);
        }
    }
    // The names did occur, escaped.
    assert!(shown.contains("cmd|'/C calc'!A0\\x1b[2J\\x9b31m\\u{202e}"), "no name was shown");
    assert!(shown.contains("=Evil\\x1b[2J"), "no counter was shown");
    assert!(shown.contains("'+cmd|"), "no name was neutralised");

    for (arguments, form) in [
        (&["convert", "a.pcapng.zst", "--netns", "all", "-o", "csv"][..], "csv"),
        (&["convert", "a.pcapng.zst", "-o", "jsonl"], "jsonl"),
        (&["diff", "a.pcapng.zst", "a.pcapng.zst", "--by", "process", "--all"], "table"),
        (&["diff", "a.pcapng.zst", "a.pcapng.zst", "--all", "-o", "json"], "json"),
    ] {
        let (code, stdout, stderr) = run(at, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        check(arguments, &stderr, &['\n']);
        match form {
            "csv" => {
                check(arguments, &stdout, &['\n']);
                check_rows(arguments, &stdout, b',');
            }
            "table" => check(arguments, &stdout, &['\n']),
            _ => check_json(arguments, &stdout),
        }
    }
}

#[test]
fn file_names_and_arguments_are_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let name = "a\u{1b}[2J\u{202e}\n.pcapng";
    std::fs::write(at.join(name), recording(Compression::Zstd)).unwrap();
    let cut = "cut\u{1b}[2J.pcapng";
    let whole = recording(Compression::None);
    std::fs::write(at.join(cut), &whole[..whole.len() - 40]).unwrap();
    let garbage = "garbage\u{1b}[2J.pcapng";
    std::fs::write(at.join(garbage), "text").unwrap();
    for (arguments, code) in [
        (&["conns", "--read", name][..], 0),
        (&["conns", "--read", cut], 0),
        (&["services", "--read", cut, "-o", "json"], 0),
        (&["convert", name], 0),
        (&["convert", cut], 0),
        (&["convert", cut, "--anonymise", "--into", "x\u{1b}[2J"], 0),
        (&["diff", name, cut], 0),
        (&["diff", name, garbage], 2),
        (&["record", "out\u{1b}[2J.pcapng", "--count", "1"], 0),
        (&["record", name, "--count", "1"], 2),
        (&["record", "no\u{1b}[2J/such", "--count", "1"], 2),
        (&["stats", "--save", "s\u{1b}[2J"], 0),
        (&["stats", "--against", garbage], 2),
        (&["stats", "--config", garbage], 2),
        (&["conns", "--read", garbage], 2),
        (&["conns", "--read", "none\u{1b}[2J"], 2),
        (&["conns", "--read", name, "--netns", EVIL], 2),
        (&["conns", "--netns", EVIL], 2),
        (&["stats", "--netns", EVIL], 2),
        (&["sysctl", "--netns", EVIL], 2),
        (&["services", "--netns", EVIL], 2),
        (&["diagnose", "--netns", EVIL], 2),
        (&["record", "r", "--netns", EVIL], 2),
        (&["stats", EVIL], 2),
        (&["sysctl", EVIL], 2),
        (&["explain", EVIL], 2),
        (&["explain", "--category", EVIL], 2),
        (&["man", EVIL], 2),
        (&["services", "--counter", EVIL], 2),
        (&["services", "--by", EVIL], 2),
        (&["diagnose", "--rule", EVIL], 2),
        (&["conns", EVIL], 2),
        (&["conns", "comm", "=", EVIL, "nonsense"], 2),
        (&["conns", "--columns", EVIL], 2),
        (&["conns", "--sort", EVIL], 2),
        (&["conns", "--port", EVIL], 2),
        (&["conns", "--uid", EVIL], 2),
        (&["conns", "--cgroup", EVIL], 2),
        (&["conns", "--state", EVIL], 2),
        (&["conns", "--local-ip", EVIL], 2),
        (&["conns", "--interval", EVIL], 2),
        (&["record", "r", "--trigger", EVIL, "--ring", "1m"], 2),
        (&["convert", name, "--columns", EVIL], 2),
        (&[EVIL], 2),
    ] {
        let (found, stdout, stderr) = run(at, arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {stderr}");
        check(arguments, &stdout, &['\n']);
        check(arguments, &stderr, &['\n']);
        // Only errors in expressions have more than a line: they point at the place.
        let points = arguments[0] == "conns" && !arguments[1].starts_with('-');
        assert!(code == 0 || points || stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    // Names that are not UTF-8.
    let name = std::ffi::OsStr::from_bytes(b"\xff\x9b\x1b[2J");
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdiag"))
        .args(["conns", "--read"])
        .arg(name)
        .current_dir(at)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    check(&["--read"], &String::from_utf8(output.stderr).unwrap(), &['\n']);
}

#[test]
fn numbers_stay_numbers() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.pcapng.zst"), recording(Compression::Zstd)).unwrap();
    let (_, stdout, _) = run(directory.path(), &["convert", "a.pcapng.zst", "-o", "csv"]);
    let mut reader = csv::Reader::from_reader(stdout.as_bytes());
    let titles = reader.headers().unwrap().clone();
    let column = |name: &str| titles.iter().position(|title| title == name).unwrap();
    let (state, grown) = (column("state"), column("segs_in_delta"));
    let name = State::Established.name();
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[state] == name);
    let growth: Vec<String> = rows.map(|row| row[grown].to_owned()).collect();
    assert_eq!(growth, ["", "100", "100"]);
}
