//! Tables of connections and listeners of recordings, at several widths.

use unicode_width::UnicodeWidthStr as _;

use crate::lab::program;

const FILES: [&str; 2] =
    ["one-bad-remote-of-eight-server.pcapng.zst", "full-accept-queue-server.pcapng.zst"];

const WIDTHS: [&str; 4] = ["60", "80", "120", "200"];

/// Standard output and error.
fn shown(arguments: &[&str], width: Option<&str>) -> (String, String) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/diagnose");
    let mut command = program();
    command.current_dir(fixtures).args(arguments).env_remove("COLUMNS");
    let output = command.envs(width.map(|width| ("COLUMNS", width))).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

#[test]
fn each_socket_has_one_line_that_fits() {
    let [remotes, queue] = FILES;
    for (name, arguments) in [
        ("conns", ["conns", "--read", remotes, "-n", "6"]),
        ("listeners", ["listeners", "--read", queue, "-n", "6"]),
    ] {
        let mut all = String::new();
        for width in WIDTHS {
            let (table, said) = shown(&arguments, Some(width));
            for line in table.lines() {
                assert!(line.width() <= width.parse().unwrap(), "{width}: {line}");
            }
            let dropped = said.split("-w also shows ").nth(1).unwrap_or("nothing").trim();
            let dropped = dropped.split_whitespace().collect::<Vec<_>>().join(" ");
            all.push_str(&format!("--- {width} columns, without {dropped}\n{table}"));
        }
        insta::assert_snapshot!(format!("{name}_at_four_widths"), all);
    }
}

#[test]
fn the_same_columns_are_shown_whatever_the_data() {
    let headers = |file: &str, more: &[&str], width| {
        let arguments = [&["conns", "--read", file, "--state", "all"], more].concat();
        let (table, _) = shown(&arguments, Some(width));
        let header = table.lines().next().unwrap_or_default().to_owned();
        header.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for width in WIDTHS {
        let [one, other] = FILES.map(|file| headers(file, &[], width));
        assert_eq!(one, other);
        assert_eq!(one, headers(FILES[0], &["rtt > 1h"], width), "without a row");
    }
}

#[test]
fn other_programs_get_all_usual_columns_and_whole_names() {
    let (piped, said) = shown(&["conns", "--read", FILES[0]], None);
    assert!(piped.starts_with("STATE ROLE LOCAL"), "{piped}");
    for header in ["SERVICE", "PROCESS", "QUEUES", "DELIVERY", "CWND"] {
        assert!(piped.lines().next().unwrap().contains(header), "{piped}");
    }
    assert!(!piped.contains('…') && !said.contains("-w also shows"), "{piped}{said}");
}

#[test]
fn headers_are_accepted_where_names_are() {
    let file = FILES[0];
    for header in ["RTT", "RETR%", "retr%", "Queues", "LIMITED", "DELIVERY", "CWND", "PROCESS"] {
        let (named, _) = shown(&["conns", "--read", file, "--columns", header], None);
        assert_eq!(named.lines().next().unwrap().trim(), header.to_uppercase());
        shown(&["conns", "--read", file, "--sort", header], None);
        shown(&["explain", header], None);
    }
    let count = |expression: &str| {
        let (table, _) = shown(&["conns", "--read", file, expression], None);
        table.lines().count()
    };
    assert_eq!(
        count("RTT > 1us and STATE = established"),
        count("rtt > 1us and state = established")
    );
    assert_eq!(count("RECV-Q > 0 or CWND > 1"), count("recv_q > 0 or snd_cwnd > 1"));
    assert_eq!(count("RETR% > 1%"), count("retrans_ratio > 1%"));
    assert_ne!(count("CWND > 1"), 1);
}
