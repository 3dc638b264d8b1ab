//! Diagnosis of real conditions.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Pair, Socket, Tcpdiag, ip, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn diagnosed(arguments: &[&str]) -> Value {
    let arguments = [&["diagnose", "--duration", "5s", "-o", "json"], arguments].concat();
    Tcpdiag::new().document(&arguments)
}

/// Codes with the port of their subject, except information.
fn codes(document: &Value) -> Vec<(String, u64)> {
    let findings = document["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["severity"] != "info" && finding["selected"] == true)
        .map(|finding| {
            let port = finding["subject"]["port"].as_u64().unwrap_or(0);
            (finding["code"].as_str().unwrap().to_owned(), port)
        })
        .collect()
}

fn finding<'d>(document: &'d Value, code: &str) -> &'d Value {
    let mut findings = document["findings"].as_array().unwrap().iter();
    findings
        .find(|finding| finding["code"] == code)
        .unwrap_or_else(|| panic!("{code}: {document:#}"))
}

/// Requests and answers, for as long as somebody looks.
struct Talk(Arc<AtomicBool>, JoinHandle<()>);

impl Talk {
    fn begin(pair: Pair, answer: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let talking = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                pair.client.write(&[b'?'; 300]);
                pair.server.read(300);
                pair.server.write(&vec![b'!'; answer]);
                pair.client.read(answer);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self(over, talking)
    }

    fn end(self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap();
    }
}

lab!(
    fn each_condition_is_named_and_nothing_else() {
        // Six connections that the peer has closed.
        let leaking = Socket::listening(V4, 7001, 16);
        let leaked: Vec<Pair> = (0..6).map(|_| Pair::new(&leaking, V4)).collect();
        let leaked: Vec<Socket> = leaked
            .into_iter()
            .map(|pair| {
                pair.client.finish();
                drop(pair.client);
                pair.server
            })
            .collect();
        // A connection whose receiver does not read.
        let deaf = Socket::listening(V4, 7002, 16);
        let unread = Pair::new(&deaf, V4);
        unread.server.write_until_blocked();
        // An unanswered SYN: the neighbour entry has an address that no host has.
        ip("link add far type veth peer name end").unwrap();
        for command in [
            "link set end up",
            "address add 10.77.0.1/24 dev far",
            "link set far up",
            "neighbour add 10.77.0.9 lladdr 02:00:00:00:00:09 dev far",
        ] {
            ip(command).unwrap();
        }
        let nobody: IpAddr = "10.77.0.9".parse().unwrap();
        let dialling = Socket::of(nobody);
        dialling.begin_connect(nobody, 7003);
        // A full accept queue: with a backlog of one it holds two.
        let _full = Socket::listening(V4, 7004, 1);
        let waiting: Vec<Socket> = (0..5)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, 7004);
                client
            })
            .collect();
        // A healthy connection with requests and answers.
        let healthy = Socket::listening(V4, 7005, 16);
        let talking = Pair::new(&healthy, V4);
        let talk = Talk::begin(talking, 4000);

        let document = diagnosed(&[]);
        let mut found = codes(&document);
        found.sort();
        // Without the window that was offered, which the kernel tells since 6.2, the program may
        // just be slow.
        let is_window_known = Tcpdiag::new()
            .all()
            .iter()
            .any(|row| row.at("tcp_info.rcv_wnd").is_some_and(Value::is_number));
        let unread_code = if is_window_known { "TD131" } else { "TD132" };
        let expected = [
            ("TD130", 7002),
            (unread_code, 7002),
            ("TD152", 7001),
            // To the missing neighbour and to the full queue.
            ("TD153", 7003),
            ("TD153", 7004),
            ("TD201", 7004),
        ];
        assert_eq!(found, expected.map(|(code, port)| (code.to_owned(), port)), "{document:#}");

        let leak = finding(&document, "TD152");
        assert_eq!(leak["subject"]["count"], 6);
        assert_eq!(leak["subject"]["examples"][0]["state"], "close_wait");
        assert_eq!(leak["scope"], "connection");
        assert!(leak["evidence"][0]["value"].as_f64().unwrap() >= 4.0, "{leak}");
        assert!(leak["advice"][0]["command"].as_str().unwrap().contains("close_wait"));
        // What the listener on this host drops is not lost on the way.
        let mut findings = document["findings"].as_array().unwrap().iter();
        let unanswered =
            findings.find(|one| one["code"] == "TD153" && one["subject"]["port"] == 7004).unwrap();
        let cause = unanswered["cause"].as_str().unwrap();
        assert!(cause.contains("listener 127.0.0.1:7004 on this host is full"), "{cause}");
        let advice = unanswered["advice"].to_string();
        assert!(advice.contains("listeners --port 7004") && !advice.contains("ping"), "{advice}");
        let queue = finding(&document, "TD201");
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let advice = queue["advice"].to_string();
        assert!(advice.contains(&format!("somaxconn = {}", most.trim())), "{advice}");
        assert!(advice.contains("holds 2 connections"), "{advice}");
        assert_eq!(document["checked"]["rules"], 54);
        assert_eq!(document["schema"], "tcpdiag.diagnose/1");

        // The same, narrowed by a filter and by rules.
        let narrow = diagnosed(&["--port", "7001"]);
        assert_eq!(codes(&narrow), [("TD152".to_owned(), 7001)]);
        let own = diagnosed(&["--rule", unread_code, "--pid", &std::process::id().to_string()]);
        assert_eq!(codes(&own), [(unread_code.to_owned(), 7002)]);
        let other = diagnosed(&["--rule", unread_code, "--pid", "1"]);
        assert!(codes(&other).is_empty(), "{other:#}");

        talk.end();
        drop((leaked, unread, dialling, waiting));
    }
);

lab!(
    fn a_healthy_namespace_has_no_findings() {
        let listener = Socket::listening(V4, 7010, 64);
        let idle: Vec<Pair> = (0..20).map(|_| Pair::new(&listener, V4)).collect();
        let busy = Pair::new(&listener, V4);
        let talk = Talk::begin(busy, 30_000);
        let output = Tcpdiag::new().run(&["diagnose", "--duration", "2s", "--fail-on", "warning"]);
        talk.end();
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
        assert!(output.stdout.starts_with("No problem was found"), "{}", output.stdout);
        assert!(output.stdout.contains("on 42 connections"), "{}", output.stdout);
        drop(idle);
    }
);

lab!(
    fn findings_of_the_given_severity_set_the_exit_code() {
        let full = Socket::listening(V4, 7020, 1);
        let _waiting: Vec<Socket> = (0..5)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, full.port());
                client
            })
            .collect();
        let run = |severity: &str| {
            let arguments =
                ["diagnose", "--duration", "3s", "--rule", "TD153", "--fail-on", severity];
            Tcpdiag::new().run(&arguments).code
        };
        assert_eq!(run("warning"), Some(1));
        assert_eq!(run("info"), Some(1));
        let left_out = ["diagnose", "--duration", "1s", "--fail-on", "info"];
        let left_out: Vec<&str> =
            left_out.into_iter().chain(["--without", "TD153", "--without", "TD201"]).collect();
        let output = Tcpdiag::new().run(&left_out);
        assert!(!output.stdout.contains("TD153"), "{}", output.stdout);
    }
);

/// Figures of the evidence of a finding, by their names.
fn figures(finding: &Value) -> std::collections::BTreeMap<String, f64> {
    let measures = finding["evidence"].as_array().unwrap().iter();
    measures
        .map(|one| (one["field"].as_str().unwrap().to_owned(), one["value"].as_f64().unwrap()))
        .collect()
}

lab!(
    fn resets_and_failed_connects_are_counted_exactly() {
        // Polls and events begin before what they shall count.
        let diagnosis = std::thread::spawn(|| diagnosed(&[]));
        let listener = Socket::listening(V4, 7030, 64);
        std::thread::sleep(Duration::from_millis(1500));
        let before = crate::lab::Counters::read();
        for number in 0..10 {
            let pair = Pair::new(&listener, V4);
            pair.client.write(&[b'?'; 100]);
            pair.server.read(100);
            if number == 0 {
                pair.server.write(&[b'!'; 100]);
                pair.client.read(100);
            } else {
                let linger = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
                pair.server.set(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
            }
            drop(pair.server);
            std::thread::sleep(Duration::from_millis(5));
        }
        for _ in 0..61 {
            let client = Socket::of(V4);
            client.begin_connect(V4, 7031);
            std::thread::sleep(Duration::from_millis(2));
        }
        let after = crate::lab::Counters::read();
        let grown = |name: &str| after.growth(&before, name) as f64;
        let document = diagnosis.join().unwrap();
        let refused = figures(finding(&document, "TD308"));
        assert_eq!(refused["failed_connects"], 61.0, "{document:#}");
        assert_eq!(refused["refused"], 61.0);
        assert_eq!(refused["AttemptFails"], grown("AttemptFails"));
        let is_client = |one: &&Value| one["code"] == "TD309" && one["subject"]["role"] == "client";
        let findings = document["findings"].as_array().unwrap();
        let reset = figures(findings.iter().find(is_client).unwrap());
        assert_eq!((reset["ended_by_reset"], reset["ended"]), (9.0, 10.0), "{document:#}");
        assert_eq!(reset["with_loss"], 9.0, "their requests got no answer");
        for name in ["EstabResets", "OutRsts", "TCPAbortOnData"] {
            assert_eq!(reset[name], grown(name), "{name}");
        }
    }
);

// A health check connects and closes with a reset, so that the kernel forgets the peer's port.
lab!(
    fn connects_that_end_by_a_reset_of_their_own_succeeded() {
        let diagnosis = std::thread::spawn(|| diagnosed(&[]));
        let listener = Socket::listening(V4, 7040, 64);
        std::thread::sleep(Duration::from_millis(1500));
        for _ in 0..20 {
            std::net::TcpStream::connect((V4, 7041)).unwrap_err();
            for _ in 0..2 {
                let pair = Pair::new(&listener, V4);
                let linger = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
                pair.client.set(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
            }
        }
        let document = diagnosis.join().unwrap();
        let failed = finding(&document, "TD308");
        assert_eq!(failed["severity"], "warning", "{document:#}");
        let figures = figures(failed);
        assert_eq!(figures["failed_connects"], 20.0, "{document:#}");
        assert_eq!(figures["failed_share"], 20.0 / 60.0);
    }
);

// The program is done; what is wrong is that the connection does not end.
lab!(
    fn a_closed_connection_that_waits_for_a_window_is_one_finding() {
        let listener = Socket::listening(V4, 7050, 4);
        let pair = Pair::new(&listener, V4);
        pair.server.write_until_blocked();
        let Pair { client, server, .. } = pair;
        drop(server);
        let document = diagnosed(&[]);
        let stuck = finding(&document, "TD151");
        let explained = stuck["explains"].as_array().unwrap().iter();
        assert!(explained.clone().any(|one| one["code"] == "TD101"), "{document:#}");
        assert!(!codes(&document).iter().any(|(code, _)| code == "TD101"), "{document:#}");
        drop(client);
    }
);
