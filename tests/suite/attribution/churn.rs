//! Connections too short to be in any poll: the kernel's destroy events report them, and missing
//! events are reported.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::observer::{Observer, Summary, sum};
use super::traffic::{Server, churn};
use crate::lab::{Pair, Socket, Tcpdiag, lab, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const TIME: Duration = Duration::from_secs(3);

/// Connections a second; twice as many sockets close.
const RATE: u32 = 2500;

/// What was attributed to a side of a server's connections.
fn opens(summary: &Summary, counter: &str, server: &Server) -> u64 {
    summary.parts(counter).get(&server.port()).map_or(0, |range| range.value)
}

lab!(
    alone as Best fn every_short_connection_is_attributed() {
        let servers = [Server::new(), Server::new(), Server::new()];
        let mut observer = Observer::here(&["1s"]);
        // Two thirds connect to the first.
        let [first, other, second, another] =
            churn([&servers[0], &servers[1], &servers[0], &servers[2]], TIME, RATE);
        let made = [first + second, other, another];
        let all: u64 = made.iter().sum();
        println!("{all} connections in {TIME:?}");
        observer.until("every end to be reported", |seen| sum(seen, "/coverage/closed") == 2 * all);
        let summary = observer.end();
        let coverage = &summary.document["coverage"];
        println!("{coverage}\n{}", summary.closing);
        assert_eq!(summary.document["quality"]["events_lost"], 0);
        for key in ["opened", "closed", "destroy_events"] {
            assert_eq!(coverage[key], 2 * all, "{key}");
        }
        for key in ["counters_zeroed", "without_event", "given_up", "limbo"] {
            assert_eq!(coverage[key], 0, "{key}");
        }
        // Polls are many milliseconds apart, and a connection takes less than one.
        assert!(coverage["between_polls"].as_u64().unwrap() > all, "{coverage}");
        for (counter, role) in [("TcpActiveOpens", "client"), ("TcpPassiveOpens", "server")] {
            let attribution = summary.counter(counter).unwrap();
            assert_eq!(attribution["delta"], all, "{attribution:#}");
            assert_eq!(attribution["unattributed"], 0, "{attribution:#}");
            let parts = attribution["by_service"].as_array().unwrap();
            assert!(parts.iter().all(|part| part["role"] == role || part["value"] == 0));
            for (server, made) in servers.iter().zip(made) {
                assert_eq!(opens(&summary, counter, server), made, "{attribution:#}");
            }
        }
    }
);

/// Drops of netlink sockets in this namespace, by the kernel's own list.
fn netlink_drops() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let mut lines = text.lines();
    let titles = lines.next().unwrap().split_whitespace();
    let column = titles.into_iter().position(|title| title == "Drops").unwrap();
    let drops = lines.filter_map(|line| line.split_whitespace().nth(column)?.parse::<u64>().ok());
    drops.sum()
}

lab!(
    as Best fn lost_events_are_reported() {
        let servers = [Server::new(), Server::new()];
        let listener = Socket::listening(V4, 0, 64);
        let known: Vec<Pair> = (0..20).map(|_| Pair::new(&listener, V4)).collect();
        let ends = 2 * known.len() as u64;
        let arguments = ["200ms", "--event-buffer", "1kB", "--strict"];
        let mut observer = Observer::here(&arguments);
        let plain = ["services", "-i", "200ms", "--event-buffer", "1kB"];
        let mut table = Tcpdiag::new().start(&plain);
        while !table.line().expect("a table").starts_with("No counter of trouble grew") {}
        table.signal(Signal::STOP);
        let [many, few] = observer.while_stopped(|| {
            let made = churn([&servers[0], &servers[1]], Duration::from_secs(1), 800);
            settles("the kernel to drop events", || netlink_drops() > 0);
            drop(known);
            made
        });
        table.signal(Signal::CONT);
        // Once it continues it receives every event.
        for _ in 0..50 {
            servers[0].ask();
        }
        let many = many + 50;
        let closed = 2 * (many + few) + ends;
        let reported = |seen: &[Value]| {
            sum(seen, "/coverage/destroy_events") + sum(seen, "/quality/events_lost")
        };
        observer.until("every destroy event to be received or lost", |seen| reported(seen) == closed);
        let summary = observer.end_by(Signal::INT, 3);
        let lost = summary.document["quality"]["events_lost"].as_u64().unwrap();
        let coverage = &summary.document["coverage"];
        println!("{lost} of {closed} lost; {coverage}");
        assert!(lost > 0);
        let coverage = |key: &str| coverage[key].as_u64().unwrap();
        let reported = coverage("destroy_events");
        assert_eq!(reported + lost, closed);
        // Sockets without any report are not counted; known sockets count as closed.
        assert_eq!(coverage("closed"), coverage("opened") + ends);
        assert!(coverage("opened") <= reported + coverage("without_event"));
        assert!(coverage("between_polls") <= reported);
        for counter in ["TcpActiveOpens", "TcpPassiveOpens"] {
            let attribution = summary.counter(counter).unwrap();
            assert_eq!(attribution["delta"], many + few);
            assert!(attribution["unattributed"].as_u64().unwrap() > 0, "{attribution:#}");
            let reasons = attribution["unattributed_reasons"].as_array().unwrap();
            assert!(reasons.contains(&"events_lost".into()), "{reasons:?}");
            let parts = summary.parts(counter);
            for (server, made) in servers.iter().zip([many, few]) {
                // A server whose events were all lost may be absent.
                if let Some(range) = parts.get(&server.port()) {
                    assert!((range.low..=range.high).contains(&made), "{attribution:#}");
                }
            }
        }
        table.signal(Signal::INT);
        let output = table.end();
        assert_eq!(output.code, Some(0), "without --strict: {}", output.stderr);
        assert!(output.stdout.contains("destroy events were lost:"), "{}", output.stdout);
    }
);

lab!(
    fn without_events_missed_short_connections_are_reported() {
        let servers = [Server::new()];
        // Without polls inside an interval, connections that begin and end in it are not seen.
        let mut observer = Observer::here(&["500ms", "--no-events", "--watch", "off"]);
        let [made] = churn([&servers[0]], Duration::from_millis(200), 1000);
        let opened = |seen: &[Value]| {
            let all = seen.iter().flat_map(|document| document["attribution"].as_array().unwrap());
            let opens = all.filter(|counter| counter["counter"] == "TcpPassiveOpens");
            opens.map(|counter| counter["delta"].as_u64().unwrap()).sum::<u64>() == made
        };
        observer.until("every connection to be counted", opened);
        let summary = observer.end();
        assert_eq!(summary.document["coverage"]["destroy_events"], Value::Null);
        assert_eq!(summary.document["quality"]["events_lost"], 0);
        assert_eq!(summary.document["coverage"]["between_polls"], 0);
        for counter in ["TcpActiveOpens", "TcpPassiveOpens"] {
            let attribution = summary.counter(counter).unwrap();
            assert_eq!(attribution["delta"], made);
            assert!(attribution["unattributed"].as_u64().unwrap() > made / 2, "{attribution:#}");
            let reasons = attribution["unattributed_reasons"].as_array().unwrap();
            assert!(reasons.contains(&"not_notified".into()), "{reasons:?}");
        }
        let table = Tcpdiag::new().run(&["services", "-i", "50ms", "--count", "1", "--no-events"]);
        assert_eq!(table.code, Some(0), "{}", table.stderr);
        assert!(table.stdout.contains("Without destroy events:"), "{}", table.stdout);
    }
);
