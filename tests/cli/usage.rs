//! Wrong usage: one clear message on standard error, nothing on standard
//! output, exit code 2.

use crate::tcpdiag;

/// Runs it, and hands back what it complains about.
#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = tcpdiag().args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(stderr.starts_with("tcpdiag: "), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn every_mistake_is_named() {
    for (arguments, words) in [
        (&["conns", "--port", "70000"][..], &["--port 70000", "1 to 65535"][..]),
        (&["conns", "--port", "0"], &["--port 0", "1 to 65535"]),
        (&["conns", "--port", "-1"], &["-1"]),
        (&["conns", "--local-port", "no-such-service"], &["--local-port no-such-service"]),
        (&["conns", "--remote-port", "65536"], &["--remote-port 65536"]),
        (&["conns", "--local-ip", "10.0.0.0/33"], &["10.0.0.0/33", "up to 32"]),
        (&["conns", "--remote-ip", "::/129"], &["::/129", "128"]),
        (&["conns", "--remote-ip", "example.com"], &["example.com"]),
        (&["conns", "--state", "opened"], &["`opened`", "established", "time_wait"]),
        (&["conns", "--role", "boss"], &["boss", "server", "client"]),
        (&["conns", "--uid", "no-such-user"], &["--uid no-such-user"]),
        (&["conns", "--pid", "me"], &["--pid", "me"]),
        (&["conns", "--netns", "no-such-namespace"], &["no-such-namespace", "NAME, PID or PATH"]),
        (&["conns", "--netns", "all", "--netns", "1"], &["--netns all"]),
        (&["conns", "-4", "-6"], &["--ipv4", "--ipv6"]),
        (&["conns", "--columns", "rtt", "-o", "json"], &["--columns", "json"]),
        (&["conns", "--columns", "rtt", "-o", "jsonl"], &["--columns", "json"]),
        (&["conns", "--detail", "-o", "csv"], &["--detail", "table"]),
        (&["conns", "--detail", "--columns", "rtt"], &["--detail", "--columns"]),
        (&["conns", "--wide", "--columns", "rtt"], &["--wide", "--columns"]),
        (&["conns", "--count", "3"], &["--interval"]),
        (&["conns", "--interval", "0"], &["'0'", "500ms"]),
        (&["conns", "--interval", "0s"], &["'0s'", "at least 10ms"]),
        (&["conns", "--interval", "1ms"], &["too short", "at least 10ms"]),
        (&["conns", "--interval", "soon"], &["soon", "500ms"]),
        (&["conns", "--interval=-1s"], &["-1s"]),
        (&["conns", "--interval", "1s", "--count", "0"], &["--count"]),
        (&["conns", "--limit", "0"], &["--limit"]),
        (&["conns", "--columns", "snd_cwmd"], &["'snd_cwmd'", "did you mean 'snd_cwnd'?"]),
        (&["conns", "--sort", "-total_retrnas"], &["did you mean 'total_retrans'?"]),
        (&["conns", "--columns", "rtt,nothing_like_it"], &["'nothing_like_it'", "--columns help"]),
        (&["conns", "-o", "xml"], &["xml", "table, json, jsonl, csv, tsv"]),
        (&["listeners", "--port", "70000"], &["--port 70000"]),
        (&["completions", "ksh"], &["ksh", "zsh"]),
        (&["man", "nothing"], &["'nothing'", "conns, listeners"]),
        (&["connections"], &["connections"]),
        (&["conns", "--no-such-flag"], &["--no-such-flag"]),
    ] {
        let stderr = complaint(arguments);
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: no {word:?} in {stderr}");
        }
    }
    // No name is near to one of that length.
    assert!(!complaint(&["conns", "--columns", "x,rtt"]).contains("did you mean"));
}

#[test]
fn an_expression_is_pointed_into() {
    for (text, place, says) in [
        ("rtt > 50ms and retries > 0", "retries", "unknown field `retries`"),
        ("rtt > 50parsecs", "parsecs", "the unit `parsecs` does not fit"),
        ("state opened", "opened", "unknown state `opened`"),
        ("src 10.0.0.0/33", "33", "not the length of a prefix"),
        ("sport = :70000", "70000", "no port"),
        ("dev = no-such-if", "no-such-if", "no interface"),
        ("pid = me", "me", "no process id"),
        ("role = boss", "boss", "boss"),
        ("rtt >", "", "rtt"),
        ("(rtt > 1 or", "", "ends"),
        ("rtt > 1)", ")", ")"),
        ("> 1", ">", "nothing before"),
        ("src [::1", "[::1", "]"),
    ] {
        for arguments in
            [vec!["conns", text], [&["conns"], &text.split(' ').collect::<Vec<_>>()[..]].concat()]
        {
            let stderr = complaint(&arguments);
            let lines: Vec<&str> = stderr.lines().collect();
            assert!(lines[0].contains(says), "{text}: {stderr}");
            assert_eq!(lines[1].trim_start(), text, "{stderr}");
            let caret = lines[2].find('^').unwrap_or_else(|| panic!("no caret: {stderr}"));
            let carets = lines[2].trim();
            assert!(carets.chars().all(|sign| sign == '^'), "{stderr}");
            if !place.is_empty() {
                assert_eq!(lines[1].get(caret..caret + carets.len()), Some(place), "{stderr}");
            }
        }
    }
}

#[test]
fn an_expression_cannot_steer_the_terminal() {
    let stderr = complaint(&["conns", "\u{1b}[31m\u{202e}rtt > 1"]);
    assert!(!stderr.contains('\u{1b}') && !stderr.contains('\u{202e}'), "{stderr:?}");
}
