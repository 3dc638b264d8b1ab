//! `conns --by` and `summary`: what the sockets add up to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::lab::{Pair, Row, Socket, Ss, Tcpdiag, lab, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Sums that are in a group under the key they have in a row.
const SUMS: [&str; 6] =
    ["bytes_sent", "bytes_received", "segs_out", "total_retrans", "bytes_acked", "delivered"];

/// Two listeners with connections over three addresses, one of which waits to be accepted.
struct Population {
    _listeners: [Socket; 2],
    pairs: Vec<Pair>,
    _waiting: Socket,
}

impl Population {
    fn new() -> Self {
        let listeners = [Socket::listening(V4, 0, 8), Socket::listening(V6, 0, 8)];
        let mut pairs: Vec<Pair> = (0..3).map(|_| Pair::new(&listeners[0], V4)).collect();
        pairs.extend((0..2).map(|_| Pair::new(&listeners[1], V6)));
        for (number, pair) in pairs.iter().enumerate() {
            let length = 1000 * (number + 1);
            pair.client.write(&vec![1; length]);
            pair.server.read(length);
        }
        // CLOSE-WAIT and FIN-WAIT-2.
        pairs[0].client.finish();
        pairs[0].server.comes_to(8);
        pairs[0].client.comes_to(5);
        let waiting = Socket::of(V4);
        waiting.connect(V4, listeners[0].port());
        Self { _listeners: listeners, pairs, _waiting: waiting }
    }
}

/// What a row has of a key; empty if it has nothing.
fn value(row: &Row, key: &str) -> String {
    let listening = row.state() == "listen";
    let found = match key {
        "remote" | "remote_port" if listening => return String::new(),
        "remote" => row.at("remote.addr"),
        "remote_port" => row.at("remote.port"),
        "local" => row.at("local.addr"),
        "local_port" => row.at("local.port"),
        "user" => row.at("uid"),
        "process" => row.at("processes").and_then(|all| all.get(0)).map(|it| &it["comm"]),
        "pid" => row.at("processes").and_then(|all| all.get(0)).map(|it| &it["pid"]),
        key => row.at(key),
    };
    found.map_or_else(String::new, text)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rows, and the sums of their counters.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    count: u64,
    states: BTreeMap<String, u64>,
    counters: BTreeMap<&'static str, u64>,
}

fn sums_of_rows(rows: &[Row], keys: &[&str]) -> BTreeMap<Vec<String>, Sum> {
    let mut sums: BTreeMap<Vec<String>, Sum> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(keys.iter().map(|key| value(row, key)).collect()).or_default();
        sum.count += 1;
        *sum.states.entry(row.state().to_owned()).or_default() += 1;
        for counter in SUMS {
            if let Some(number) = row.number(&format!("tcp_info.{counter}")) {
                *sum.counters.entry(counter).or_default() += number;
            }
        }
    }
    sums
}

fn sum_of_group(group: &Value) -> Sum {
    let states = group["states"].as_object().unwrap();
    let counters = SUMS.iter().filter_map(|counter| Some((*counter, group[counter].as_u64()?)));
    Sum {
        count: group["count"].as_u64().unwrap(),
        states: states.iter().map(|(state, it)| (state.clone(), it.as_u64().unwrap())).collect(),
        counters: counters.collect(),
    }
}

lab!(
    fn groups_are_the_sums_of_their_sockets() {
        let _population = Population::new();
        let tcpdiag = Tcpdiag::new();
        for keys in [
            &["state"][..],
            &["remote"],
            &["remote_port"],
            &["local", "local_port"],
            &["service", "state"],
            &["process"],
            &["pid", "role"],
            &["family", "user"],
            &["snd_mss"],
        ] {
            let rows = tcpdiag.rows(&["conns", "state", "all", "-P"]);
            assert!(rows.len() >= 14, "{}", rows.len());
            let by = keys.join(",").replace('_', "-");
            let document =
                tcpdiag.document(&["conns", "state", "all", "-P", "--by", &by, "-o", "json"]);
            assert_eq!(document["schema"], "tcpdiag.groups/1");
            assert_eq!(document["by"], serde_json::json!(keys));
            let groups = document["groups"].as_array().unwrap();
            let found: BTreeMap<Vec<String>, Sum> = groups
                .iter()
                .map(|group| {
                    let key = keys.iter().map(|key| text(&group["key"][key])).collect();
                    (key, sum_of_group(group))
                })
                .collect();
            assert_eq!(found.len(), groups.len(), "{by}: keys are unique");
            if keys != ["snd_mss"] {
                assert_eq!(found, sums_of_rows(&rows, keys), "{by}");
            }
            let all = sums_of_rows(&rows, &[]);
            assert_eq!(sum_of_group(&document["total"]), all[&Vec::new()], "{by}");
            assert_eq!(document.get("rest"), None, "{by}");
            let counts: Vec<u64> =
                groups.iter().map(|group| group["count"].as_u64().unwrap()).collect();
            assert!(counts.is_sorted_by(|one, other| one >= other), "{by}: {counts:?}");
        }
    }
);

lab!(
    fn what_is_left_out_is_counted() {
        let _population = Population::new();
        let tcpdiag = Tcpdiag::new();
        let arguments = ["conns", "--by", "local-port", "-n", "2", "-o", "json"];
        let document = tcpdiag.document(&arguments);
        let count = |at: &Value| at["count"].as_u64().unwrap();
        let groups = document["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 2);
        let (rest, total) = (&document["rest"], &document["total"]);
        assert_eq!((&rest["groups"], &rest["groups_at_least"]), (&6.into(), &false.into()));
        assert_eq!(groups.iter().map(count).sum::<u64>() + count(rest), count(total));
        let output = tcpdiag.run(&["conns", "--by", "local-port", "-n", "2"]);
        assert_eq!(output.stdout.lines().count(), 3);
        assert!(output.stderr.contains("8 groups of 12 sockets, 2 shown in "), "{}", output.stderr);
    }
);

lab!(
    fn filters_and_sorting_apply_to_groups() {
        let population = Population::new();
        let tcpdiag = Tcpdiag::new();
        let port = population.pairs[4].client.port().to_string();
        let arguments = ["conns", "sport", "=", &port, "--by", "role,family", "-o", "json"];
        let document = tcpdiag.document(&arguments);
        assert_eq!(document["groups"][0]["key"]["role"], "client");
        assert_eq!(document["groups"][0]["bytes_sent"], 5000);
        assert_eq!(document["total"]["count"], 1);
        for (sort, descending) in [("-bytes_received", true), ("RECEIVED", false)] {
            let arguments = ["conns", "--by", "local-port", "--sort", sort, "-o", "json"];
            let document = tcpdiag.document(&arguments);
            let groups = document["groups"].as_array().unwrap().iter();
            let mut received: Vec<Option<u64>> =
                groups.map(|group| group["bytes_received"].as_u64()).collect();
            // Those without a value are last.
            while received.last() == Some(&None) {
                received.pop();
            }
            if descending {
                received.reverse();
            }
            assert!(received.is_sorted(), "{sort}: {received:?}");
            assert!(received.len() > 5);
        }
    }
);

lab!(
    fn intervals_show_growth_by_group() {
        let listener = Socket::listening(V4, 0, 8);
        let (busy, idle) = (Pair::new(&listener, V4), Pair::new(&listener, V4));
        let arguments =
            ["conns", "--by", "process,local-port", "-i", "300ms", "--count", "100", "-o", "json"];
        let mut stream = Tcpdiag::new().start(&arguments);
        let group = |document: &Value, port: u16| -> Value {
            let groups = document["groups"].as_array().unwrap();
            let found = groups.iter().find(|group| group["key"]["local_port"] == port);
            found.cloned().unwrap_or_default()
        };
        let first = stream.document().unwrap();
        assert_eq!(group(&first, busy.client.port())["delta"], Value::Null);
        busy.client.write(&[1; 7000]);
        busy.server.read(7000);
        let new = Pair::new(&listener, V4);
        let mut grown = 0;
        let (mut opened, mut closed) = (0, 0);
        let [port, idle_port, new_port] = [&busy, &idle, &new].map(|pair| pair.client.port());
        let mut new = Some(new);
        for _ in 0..90 {
            let document = stream.document().unwrap();
            let delta = &group(&document, port)["delta"];
            let sent = delta["bytes_sent"].as_u64().unwrap();
            let seconds = delta["interval_s"].as_f64().unwrap();
            let rate = delta["rates"]["bytes_sent"].as_f64().unwrap();
            assert!((rate * seconds - sent as f64).abs() < 1e-3, "{delta}");
            grown += sent;
            assert_eq!(group(&document, idle_port)["delta"]["bytes_sent"], 0);
            let of_new = group(&document, new_port);
            opened += of_new["opened"].as_u64().unwrap_or(0);
            // Its group has the process, though a connection that is gone has none.
            closed += of_new["closed"].as_u64().unwrap_or(0);
            if opened == 1 {
                drop(new.take());
            }
            if grown == 7000 && closed == 1 {
                break;
            }
        }
        assert_eq!((grown, opened, closed), (7000, 1, 1));
    }
);

/// How many sockets ss shows in each state, by its name here.
fn states_of_ss() -> BTreeMap<String, u64> {
    let mut states = BTreeMap::new();
    for row in Ss::all() {
        let name = match row.state.as_str() {
            "ESTAB" => "established".to_owned(),
            "UNCONN" => "close".to_owned(),
            other => other.to_lowercase().replace('-', "_"),
        };
        *states.entry(name).or_default() += 1;
    }
    states
}

lab!(
    fn a_summary_agrees_with_ss() {
        let population = Population::new();
        let other = Socket::listening(OTHER_V4, 0, 1);
        let clients: Vec<Socket> = (0..2)
            .map(|_| {
                let client = Socket::of(OTHER_V4);
                client.connect(OTHER_V4, other.port());
                client
            })
            .collect();
        settles("a full queue", || Ss::all().iter().any(|row| row.queues == [2, 1]));
        let dropped = Socket::of(OTHER_V4);
        dropped.begin_connect(OTHER_V4, other.port());
        let document = settled(|document| document["listeners"]["dropped"] == 1);
        assert_eq!(document["schema"], "tcpdiag.summary/1");
        let states = document["states"].as_object().unwrap();
        let states: BTreeMap<String, u64> =
            states.iter().map(|(state, count)| (state.clone(), count.as_u64().unwrap())).collect();
        assert_eq!(states, states_of_ss());
        assert_eq!(document["sockets"], states.values().sum::<u64>());
        let listeners = &document["listeners"];
        assert_eq!((&listeners["count"], &listeners["waiting"]), (&3.into(), &2.into()));
        let full = &listeners["troubled"][0];
        assert_eq!(full["local"]["port"], other.port());
        assert_eq!((&full["accept_queue"], &full["accept_queue_max"]), (&2.into(), &1.into()));
        let count = |list: &str, name: &str| {
            let all = document[list].as_array().unwrap().iter();
            let found = all.filter(|it| it["name"] == name).map(|it| it["count"].as_u64().unwrap());
            found.sum::<u64>()
        };
        // The clients of two, and the SYN that is not answered.
        assert_eq!(count("remotes", "127.0.0.2"), 3);
        assert_eq!(count("remotes", "::1"), 4);
        let of_lists = ["services", "processes"].map(|list| {
            let all = document[list].as_array().unwrap().iter();
            all.map(|it| it["count"].as_u64().unwrap()).sum::<u64>()
        });
        let connections = states.values().sum::<u64>() - states["listen"];
        assert_eq!(of_lists, [connections; 2]);
        let trouble = document["trouble"]["counters"].as_array().unwrap();
        let drops = trouble.iter().find(|it| it["name"] == "TcpExtListenDrops");
        assert!(drops.unwrap()["value"].as_u64() >= Some(1));
        drop((population, clients, dropped));
    }
);

/// A summary for which a condition holds.
fn settled(holds: impl Fn(&Value) -> bool) -> Value {
    let read = || Tcpdiag::new().document(&["summary", "-P", "-o", "json"]);
    settles("the summary", || holds(&read()));
    read()
}

lab!(
    as Root fn a_summary_says_what_is_hidden() {
        let _population = Population::new();
        let directory = tempfile::tempdir().unwrap();
        let output = Tcpdiag::as_nobody(directory.path()).run(&["summary"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("tcpdiag: owners: "), "{}", output.stderr);
        assert!(output.stdout.starts_with("14 sockets: "), "{}", output.stdout);
        let strict = Tcpdiag::as_nobody(directory.path()).run(&["summary", "--strict"]);
        assert_eq!(strict.code, Some(3));
    }
);

lab!(
    fn repeated_summaries_show_what_grew() {
        let listener = Socket::listening(V4, 0, 8);
        let arguments = ["summary", "-i", "100ms", "--count", "100", "-o", "json"];
        let mut stream = Tcpdiag::new().start(&arguments);
        let first = stream.document().unwrap();
        assert_eq!(first["trouble"]["basis"], "total");
        assert_eq!(first.get("opened"), None);
        let pair = Pair::new(&listener, V4);
        let (mut opened, mut sent) = (0, 0);
        for _ in 0..90 {
            let document = stream.document().unwrap();
            assert_eq!(document["trouble"]["basis"], "interval");
            opened += document["opened"].as_u64().unwrap();
            sent += document["trouble"]["out_segs"].as_u64().unwrap();
            if opened == 2 && sent > 0 {
                break;
            }
        }
        // SYN, SYN-ACK and ACK.
        assert_eq!((opened, sent), (2, 3));
        drop(pair);
    }
);

lab!(
    fn a_filter_of_services_leaves_the_rest_in_one_line() {
        let listeners = [Socket::listening(V4, 0, 8), Socket::listening(V4, 0, 8)];
        let pairs = listeners.each_ref().map(|listener| Pair::new(listener, V4));
        let port = listeners[0].port().to_string();
        let arguments =
            ["services", "-i", "200ms", "--count", "50", "-o", "json", "sport", "=", &port];
        let mut stream = Tcpdiag::new().start(&arguments);
        // The run has begun once it shows an interval.
        stream.document().unwrap();
        for pair in &pairs {
            pair.client.write(&[1; 5000]);
            pair.server.read(5000);
        }
        let mut received = [0, 0];
        while received != [5000, 5000] {
            let document = stream.document().expect("both have received");
            let services = document["services"].as_array().unwrap();
            let names: Vec<&str> =
                services.iter().map(|it| it["service"].as_str().unwrap()).collect();
            assert_eq!(names.len(), 2, "{names:?}");
            let selected = names.iter().position(|name| *name != "(not selected)").unwrap();
            let services = [&services[selected], &services[1 - selected]];
            assert_eq!(services[0]["port"], listeners[0].port());
            let established = services.map(|it| it["connections"]["established"].clone());
            assert_eq!(established, [1, 3]);
            // Both receive: the one server here, the other with the rest.
            for (sum, service) in received.iter_mut().zip(services) {
                *sum += service["bytes_in"].as_u64().unwrap_or(0);
            }
            let counters = document["attribution"].as_array().unwrap();
            let Some(sent) = counters.iter().find(|it| it["counter"] == "TcpOutSegs") else {
                continue;
            };
            let parts = sent["by_service"].as_array().unwrap().iter();
            let parts: u64 = parts.map(|it| it["value"].as_u64().unwrap()).sum();
            assert_eq!(parts + sent["unattributed"].as_u64().unwrap(), sent["delta"]);
        }
    }
);

lab!(
    fn a_summary_of_much_fits_a_screen() {
        let address = |number: u8| IpAddr::V4(Ipv4Addr::new(127, 1, 1, number));
        let listeners: Vec<Socket> =
            (1..=9).map(|number| Socket::listening(address(number), 0, 8)).collect();
        let _waiting: Vec<Socket> = (1..=9)
            .zip(&listeners)
            .map(|(number, listener)| {
                let client = Socket::bound(address(number), 0);
                client.connect(address(number), listener.port());
                client
            })
            .collect();
        let output = Tcpdiag::new().run(&["summary", "-P"]);
        let lines: Vec<&str> = output.stdout.lines().collect();
        // Two lines are left for the closing line and the prompt.
        assert!(lines.len() <= 22, "{}", output.stdout);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", output.stdout);
        for expected in ["REMOTE (9)", "4 others", "and 6 more; `tcpdiag listeners` shows all"] {
            assert!(output.stdout.contains(expected), "{}", output.stdout);
        }
        let output = Tcpdiag::new().run(&["summary", "-n", "9"]);
        assert!(!output.stdout.contains("4 others"), "{}", output.stdout);
        let document = Tcpdiag::new().document(&["summary", "-n", "2", "-o", "json"]);
        assert_eq!(document["remotes"].as_array().unwrap().len(), 2);
        assert_eq!(
            document["remotes_omitted"],
            serde_json::json!({"groups": 7, "groups_at_least": false, "sockets": 14})
        );
    }
);
