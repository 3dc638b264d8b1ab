//! Forms of output.

use serde_json::Value;

use super::{Connection, tcpdiag};

/// Both streams of a successful run.
#[track_caller]
fn shown(arguments: &[&str], environment: &[(&str, &str)]) -> (String, String) {
    let output = tcpdiag().args(arguments).envs(environment.iter().copied()).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    (stdout, stderr)
}

#[test]
fn an_empty_result_is_a_success() {
    // No socket matches both at once.
    let nothing = ["conns", "--local-port", "1", "--remote-port", "1"];
    let with = |more: &[&'static str]| [&nothing[..], more].concat();
    let (stdout, stderr) = shown(&nothing, &[]);
    assert_eq!(stdout.lines().count(), 1);
    assert!(stdout.starts_with("STATE"), "{stdout}");
    assert!(stderr.starts_with("0 sockets shown of "), "{stderr}");
    let (stdout, _) = shown(&with(&["--no-header"]), &[]);
    assert_eq!(stdout, "");
    let (stdout, _) = shown(&with(&["-o", "json"]), &[]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["connections"], Value::Array(Vec::new()));
    let (stdout, _) = shown(&with(&["-o", "csv"]), &[]);
    assert_eq!(stdout.lines().count(), 1);
    assert!(stdout.starts_with("time,change,netns,state,"), "{stdout}");
    let (stdout, _) = shown(&with(&["-o", "jsonl"]), &[]);
    let end: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&end["schema"], &end["shown"]), (&"tcpdiag.conns.end/1".into(), &0.into()));
}

#[test]
fn documents_have_host_namespace_quality_and_cost() {
    let connection = Connection::new();
    for command in ["conns", "listeners"] {
        let (stdout, _) = shown(&[command, "-o", "json", "--port", &connection.port()], &[]);
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["schema"], format!("tcpdiag.{command}/1"));
        let time = document["captured_at"].as_str().unwrap();
        // RFC 3339 with nanoseconds, UTC.
        assert_eq!((time.len(), &time[10..11], &time[29..]), (30, "T", "Z"), "{time}");
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(document["host"]["kernel"], kernel.trim());
        assert!(document["netns"]["inode"].as_u64().unwrap() > 0);
        assert_eq!(document.get("interval_s"), Some(&Value::Null));
        for key in ["dump_interrupted", "events_lost", "truncated_tcp_info", "decode_errors"] {
            assert_eq!(document["quality"][key], 0, "{key}");
        }
        for key in ["wall_ms", "cpu_user_ms", "cpu_sys_ms", "sockets_dumped"] {
            assert!(document["cost"][key].is_number(), "{key}");
        }
        let rows = if command == "conns" { "connections" } else { "listeners" };
        assert_eq!(
            document[rows].as_array().unwrap().len(),
            if rows == "listeners" { 1 } else { 2 }
        );
    }
}

#[test]
fn colours_follow_flag_environment_and_terminal() {
    let connection = Connection::new();
    let port = connection.port();
    let coloured = |arguments: &[&str], environment: &[(&str, &str)]| {
        let (stdout, stderr) =
            shown(&[&["conns", "--port", &port][..], arguments].concat(), environment);
        assert!(!stderr.contains('\u{1b}'), "{stderr}");
        stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "no terminal, no colours");
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]), "the flag was explicit");
    assert!(coloured(&["--color", "always", "--detail"], &[]));
    assert!(!coloured(&["--color", "never"], &[]));
    assert!(!coloured(&["--color", "auto"], &[("NO_COLOR", "1")]));
    for format in ["json", "jsonl", "csv", "tsv"] {
        assert!(!coloured(&["--color", "always", "-o", format], &[]), "{format}");
    }
    // Colours change no width.
    let plain = shown(&["conns", "--port", &port, "--columns", "local,remote,state"], &[]).0;
    let painted =
        ["conns", "--port", &port, "--columns", "local,remote,state", "--color", "always"];
    assert_eq!(without_colours(&shown(&painted, &[]).0), plain);
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = behind.split_once('m').unwrap().1;
    }
    plain + rest
}

#[test]
fn the_table_fits_80_columns() {
    let connections: Vec<Connection> = (0..3).map(|_| Connection::new()).collect();
    for width in ["80", "100", "132"] {
        for more in [&[][..], &["-P"], &["--state", "all"], &["--color", "always"]] {
            for connection in &connections {
                let port = connection.port();
                let arguments = [&["conns", "-4", "--port", &port][..], more].concat();
                let (stdout, _) = shown(&arguments, &[("COLUMNS", width)]);
                let widest =
                    without_colours(&stdout).lines().map(|line| line.chars().count()).max();
                assert!(widest.unwrap() <= width.parse().unwrap(), "{stdout}");
                // Nothing is truncated.
                assert!(stdout.contains(&format!("127.0.0.1:{port}")), "{stdout}");
                assert!(stdout.contains(&format!("127.0.0.1:{}", connection.client())));
            }
        }
    }
    // Without a width limit each socket has one line.
    let port = connections[0].port();
    let (stdout, _) = shown(&["conns", "--oneline", "--port", &port], &[("COLUMNS", "80")]);
    assert_eq!(stdout.lines().count(), 3, "{stdout}");
}

#[test]
fn the_summary_is_on_standard_error() {
    let connection = Connection::new();
    let (stdout, stderr) = shown(&["conns", "--port", &connection.port(), "-O"], &[]);
    assert_eq!(stdout.lines().count(), 3);
    assert!(stderr.starts_with("2 sockets shown of "), "{stderr}");
    assert!(stderr.contains("(2 established) in "), "{stderr}");
    let (stdout, stderr) =
        shown(&["conns", "--port", &connection.port(), "-O", "--limit", "1"], &[]);
    assert_eq!(stdout.lines().count(), 2);
    assert!(stderr.starts_with("1 socket shown of "), "{stderr}");
    assert!(stderr.contains("stopped at the limit"), "{stderr}");
}

#[test]
fn rows_are_sorted() {
    let connection = Connection::new();
    let port = connection.port();
    let ports = |sort: &str| -> Vec<u16> {
        let arguments =
            ["conns", "--port", &port, "--columns", "local", "--no-header", "--sort", sort];
        let (stdout, _) = shown(&arguments, &[]);
        stdout
            .lines()
            .map(|line| line.rsplit_once(':').unwrap().1.trim().parse().unwrap())
            .collect()
    };
    let (server, client): (u16, u16) =
        (port.parse().unwrap(), connection.client().parse().unwrap());
    // The accepting end counts the SYN that it received.
    assert_eq!(ports("role"), [client, server]);
    assert_eq!(ports("-role"), [server, client]);
    assert_eq!(ports("bytes_acked"), [server, client], "our SYN counts");
    assert_eq!(ports("-bytes_acked"), [client, server]);
}

#[test]
fn csv_can_be_parsed() {
    let connection = Connection::new();
    let (stdout, _) = shown(&["conns", "--port", &connection.port(), "-o", "csv"], &[]);
    let mut reader = csv::Reader::from_reader(stdout.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 2);
    let local = format!("127.0.0.1:{}", connection.port());
    let server = records.iter().find(|record| record[column("local")] == local).unwrap();
    assert_eq!(&server[column("role")], "server");
    assert_eq!(&server[column("state")], "established");
    assert_eq!(&server[column("remote")], format!("127.0.0.1:{}", connection.client()));
    // Base units without blanks or letters.
    for name in ["rtt_us", "rto_us", "bytes_acked", "segs_in", "rcvbuf"] {
        assert!(server[column(name)].parse::<u64>().is_ok(), "{name}: {}", &server[column(name)]);
    }
    // The kernel's infinite value is empty.
    assert_eq!(&server[column("snd_ssthresh")], "");
}
