//! Wrong usage: one clear message on standard error, nothing on standard
//! output, exit code 2.

use super::tcpdiag;

/// Runs it with wrong usage; returns its message.
#[track_caller]
fn error_message(arguments: &[&str]) -> String {
    let output = tcpdiag().args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(stderr.starts_with("tcpdiag: "), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn every_mistake_has_a_message() {
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
        // More than can be added to a time.
        (&["conns", "--interval", "2562047788015215h"], &["too long", "at most a year"]),
        (&["conns", "--interval", "1s", "--count", "0"], &["--count"]),
        (&["conns", "--limit", "0"], &["--limit"]),
        (&["conns", "--columns", "snd_cwmd"], &["'snd_cwmd'", "did you mean 'snd_cwnd'?"]),
        (&["conns", "--sort", "-total_retrnas"], &["did you mean 'total_retrans'?"]),
        (&["conns", "--columns", "rtt,nothing_like_it"], &["'nothing_like_it'", "--columns help"]),
        (&["conns", "-o", "xml"], &["xml", "table, json, jsonl, csv, tsv"]),
        (&["closed", "--columns", "lifetme_s"], &["'lifetme_s'", "did you mean 'lifetime_s'?"]),
        (&["closed", "--columns", "change"], &["'change'", "--columns help"]),
        (&["closed", "--columns", "end", "-o", "json"], &["--columns", "json"]),
        (&["closed", "--read", "x", "-i", "1s"], &["--read", "--interval"]),
        (&["closed", "-n", "0"], &["--limit"]),
        (&["conns", "--kill", "--yes"], &["--kill needs a port", "--pid"]),
        (&["conns", "--kill", "--yes", "--state", "all"], &["--kill needs a port"]),
        (&["conns", "--kill", "--yes", "-4"], &["--kill needs a port"]),
        (&["conns", "--kill", "--yes", "-N", "1"], &["--kill needs a port"]),
        (&["conns", "--kill", "--yes", "--role", "server"], &["--kill needs a port"]),
        (&["conns", "--kill", "--yes", "not", "dport", "=", ":1"], &["--kill needs a port"]),
        (&["conns", "--kill", "dport = :1", "--by", "state"], &["--kill", "--by"]),
        (&["conns", "--kill", "dport = :1", "-i", "1s", "--lines"], &["--kill"]),
        (&["conns", "--kill", "dport = :1", "--detail"], &["--kill", "--detail"]),
        (&["conns", "--by", "state", "-i", "1s", "--lines"], &["--by", "--lines"]),
        (&["conns", "--by", "state", "--detail"], &["--by", "--detail"]),
        (&["conns", "--by", "remote", "--names"], &["--by", "--names"]),
        (&["conns", "--kill", "dport = :1"], &["standard input is no terminal", "--yes"]),
        (&["conns", "--kill", "dport = :1", "-o", "json"], &["-o json", "--yes"]),
        (&["conns", "--kill", "dport = :1", "-o", "csv"], &["table, json and jsonl"]),
        (&["conns", "--kill", "dport = :1", "-i", "1s"], &["--kill", "--interval"]),
        (&["conns", "--kill", "dport = :1", "--read", "x"], &["--kill", "--read"]),
        (&["conns", "--kill", "dport = :1", "--at-most", "0"], &["--at-most"]),
        (&["conns", "--kill", "dport = :1", "-n", "2"], &["--kill", "--limit"]),
        (&["conns", "--kill", "dport = :1", "--sort", "rtt"], &["--kill", "--sort"]),
        (&["conns", "--kill", "dport = :1", "--names"], &["--kill", "--names"]),
        (&["conns", "dport = :1", "--yes"], &["--kill"]),
        (&["conns", "dport = :1", "--at-most", "3"], &["--kill"]),
        (&["listeners", "--kill"], &["--kill"]),
        (&["services", "--kill"], &["--kill"]),
        (&["conns", "--lines"], &["--interval"]),
        (&["conns", "--lines", "-i", "1s", "-o", "csv"], &["--lines", "-o csv"]),
        (&["conns", "--lines", "-i", "1s", "--columns", "rtt"], &["--lines", "--columns"]),
        (&["conns", "--lines", "-i", "1s", "--sort", "rtt"], &["--lines", "--sort"]),
        (&["conns", "--lines", "-i", "1s", "--read", "x"], &["--lines", "--read"]),
        (&["services", "--lines"], &["SERVICE"]),
        (&["services", "nginx"], &["--lines"]),
        (&["services", "nginx", "--lines", "-o", "json"], &["--lines", "-o json"]),
        (&["services", "nginx", "--lines", "--top", "3"], &["--lines", "--top"]),
        (&["listeners", "--port", "70000"], &["--port 70000"]),
        (&["completions", "ksh"], &["ksh", "zsh"]),
        (&["man", "nothing"], &["'nothing'", "conns, closed, listeners"]),
        (&["connections"], &["connections"]),
        (&["conns", "--no-such-flag"], &["--no-such-flag"]),
    ] {
        let stderr = error_message(arguments);
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: no {word:?} in {stderr}");
        }
    }
    // No name is similar to one of that length.
    assert!(!error_message(&["conns", "--columns", "x,rtt"]).contains("did you mean"));
}

#[test]
fn wrong_usage_of_services_has_a_message() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let broken = file("broken.toml", "[[service]]\nname = 'a'\nports = 1\n");
    let hostile = file("hostile.toml", "[[service]]\nname = '\u{1b}[2J'\n");
    let nothing = file("nothing.toml", "[[service]]\nname = 'a'\n");
    let absent = directory.path().join("absent.toml").into_os_string().into_string().unwrap();
    let time = "at least 10ms";
    for (arguments, words) in [
        (&["--by", "pid"][..], &["'pid'", "--by", "process", "container", "cgroup"][..]),
        (&["--by", "Port"], &["'Port'", "port"]),
        (&["--counter", "nonsense"], &["--counter", "'nonsense'", "explain --all"]),
        (&["--counter", "RetranSegs"], &["--counter", "did you mean TcpRetransSegs?"]),
        (&["--counter", "ListenDrops,ListenOverfows"], &["did you mean TcpExtListenOverflows"]),
        (&["--counter", "zz*zz"], &["--counter", "no counter matches 'zz*zz'"]),
        (&["--counter", ""], &["--counter", "''"]),
        (&["--counter"], &["--counter"]),
        (&["--top", "0"], &["--top", "`0`", "whole numbers from 1"]),
        (&["--top", "-1"], &["-1"]),
        (&["--top", "all"], &["--top", "`all`"]),
        (&["--interval", "1ms"], &["--interval", "`1ms` is too short", time]),
        (&["--interval", "soon"], &["--interval", "`soon` is no time", time]),
        (&["--interval", "2562047788015215h"], &["--interval", "too long", "at most a year"]),
        (&["--duration", "0"], &["--duration", "`0`", time]),
        (&["--duration", "1s", "--count", "2"], &["--duration", "--count"]),
        (&["--count", "0"], &["--count", "whole numbers from 1"]),
        (&["--watch", "x"], &["--watch", "`x`", time, "`off`"]),
        (&["--watch", "1ms"], &["--watch", "too short", "`off`"]),
        (&["--watch", "2562047788015215h"], &["--watch", "too long"]),
        (&["--cpu-budget", "200%"], &["--cpu-budget", "`200%`", "0% to 100%"]),
        (&["--cpu-budget", "much"], &["--cpu-budget", "`much`", "0% to 100%"]),
        (&["--cpu-budget=-1%"], &["--cpu-budget", "`-1%`"]),
        (&["--cpu-budget", "nan"], &["--cpu-budget", "`nan`"]),
        (&["--event-buffer", "0"], &["--event-buffer", "`0`", "1 to 1GiB"]),
        (&["--event-buffer", "2GiB"], &["--event-buffer", "`2GiB`", "1 to 1GiB"]),
        (&["--event-buffer", "lots"], &["--event-buffer", "`lots` is no size", "MiB"]),
        (&["--event-buffer", "1kB", "--no-events"], &["--event-buffer", "--no-events"]),
        (&["--netns", "nope"], &["--netns nope", "accepted: NAME, PID or PATH"]),
        (&["--netns", ""], &["--netns", "accepted: NAME, PID or PATH"]),
        (&["--netns", "all", "--netns", "1"], &["--netns all"]),
        (&["--netns", &broken], &[&broken, "not a network namespace"]),
        (&["--config", &broken], &[&broken, "line 3", "`ports`", "`port`", "`process`"]),
        (&["--config", &nothing], &[&nothing, "has no conditions", "give port"]),
        (&["--config", &hostile], &[&hostile]),
        (&["--config", &absent], &["--config", &absent, "no such file"]),
        (&["-o", "tsv"], &["'tsv'", "table, json, jsonl, csv"]),
        (&["rtt > 1ms"], &["by rtt would change", "accepted are end points"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
    ] {
        let stderr = error_message(&[&["services"][..], arguments].concat());
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(!stderr.contains('\u{1b}'), "{arguments:?}: {stderr:?}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: no {word:?} in {stderr}");
        }
    }
}

#[test]
fn errors_mark_the_position_in_the_expression() {
    for (text, marked, says) in [
        ("rtt > 50ms and retries > 0", "retries", "unknown field `retries`"),
        ("rtt > 50parsecs", "parsecs", "the unit `parsecs` does not fit"),
        ("state opened", "opened", "unknown state `opened`"),
        ("src 10.0.0.0/33", "33", "not the length of a prefix"),
        ("sport = :70000", "70000", "no port"),
        ("dev = no-such-if", "no-such-if", "no interface"),
        ("pid = me", "me", "no process id"),
        ("role = boss", "boss", "boss"),
        ("rtt >", "", "rtt"),
        ("(rtt > 1s or", "", "ends"),
        ("rtt > 1s)", ")", ")"),
        ("> 1", ">", "nothing before"),
        ("src [::1", "[::1", "]"),
    ] {
        for arguments in
            [vec!["conns", text], [&["conns"], &text.split(' ').collect::<Vec<_>>()[..]].concat()]
        {
            let stderr = error_message(&arguments);
            let lines: Vec<&str> = stderr.lines().collect();
            assert!(lines[0].contains(says), "{text}: {stderr}");
            assert_eq!(lines[1].trim_start(), text, "{stderr}");
            let caret = lines[2].find('^').unwrap_or_else(|| panic!("no caret: {stderr}"));
            let carets = lines[2].trim();
            assert!(carets.chars().all(|sign| sign == '^'), "{stderr}");
            if !marked.is_empty() {
                assert_eq!(lines[1].get(caret..caret + carets.len()), Some(marked), "{stderr}");
            }
        }
    }
}

#[test]
fn control_characters_in_an_expression_are_escaped() {
    let stderr = error_message(&["conns", "\u{1b}[31m\u{202e}rtt > 1s"]);
    assert!(!stderr.contains('\u{1b}') && !stderr.contains('\u{202e}'), "{stderr:?}");
}
