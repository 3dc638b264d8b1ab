//! Recordings of some sockets only.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tcpdiag::recording::{Ending, EventsDrained, FilterFact, Kind, SocketOwners};

use super::command::{
    Connection, items, json, new_file, notes, record, samples, sockets, start, stderr, wait_for,
};
use crate::lab::program;

fn run(arguments: &[&str]) -> (String, String) {
    let mut command = program();
    let output = command.args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let message = stderr(&output);
    (String::from_utf8(output.stdout).unwrap(), message)
}

#[test]
fn only_selected_sockets_are_recorded() {
    let [wanted, other] = [Connection::new(), Connection::new()];
    let [server, client] = wanted.ports();
    let [port, client_port] = [server, client].map(|port| port.to_string());
    let expression = format!("sport = {client} and dport = {server}");
    for (arguments, expected, count) in [
        (vec!["--port", &port], format!("--port {port}"), 3),
        (vec!["--local-port", &client_port], format!("--local-port {client_port}"), 1),
        (vec!["-p", &port, "-s", "listen"], format!("--port {port} --state listen"), 1),
        (vec![expression.as_str()], expression.clone(), 1),
        (vec!["-4", "not", "state", "listen", &expression], String::new(), 1),
    ] {
        let (_directory, file) = new_file();
        // The file comes before the expression.
        let path = file.to_str().unwrap();
        let all = [&["record", path, "--count", "2", "-i", "10ms"], &arguments[..]].concat();
        run(&all);
        let items = items(&file);
        let [ending]: [Ending; 1] = json(&notes(&items, Kind::End)).try_into().unwrap();
        assert_eq!(ending.sockets, 2 * count, "{arguments:?}");
        assert_eq!(sockets(&items).len() as u64, ending.sockets + ending.events);
        for socket in sockets(&items) {
            let ports = [socket.local.port, socket.remote.port];
            assert!(ports.contains(&server) && !ports.contains(&other.ports()[0]), "{socket:?}");
        }
        // Owners are recorded for these sockets only. A second line for a socket tells that its
        // holders changed: a program that another test starts holds it until it has executed.
        let owners: BTreeSet<u32> = notes(&items, Kind::Owners)
            .iter()
            .flat_map(|lines| serde_json::Deserializer::from_slice(lines).into_iter())
            .map(|line| line.map(|line: SocketOwners| line.inode).unwrap())
            .collect();
        assert_eq!(owners.len() as u64, count);
        let [fact]: [FilterFact; 1] = json(&notes(&items, Kind::Filter)).try_into().unwrap();
        assert!(expected.is_empty() || fact.filter == expected, "{}", fact.filter);
        // Commands that read the recording report the filter.
        let asked = ["conns", "--state", "all", "--read", path];
        let (document, _) = run(&[&asked[..], &["-o", "json"]].concat());
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["quality"]["recorded_filter"], fact.filter);
        assert_eq!(document["connections"].as_array().unwrap().len() as u64, count);
        let (_, message) = run(&asked);
        let line = format!("tcpdiag: only these sockets were recorded: {}", fact.filter);
        assert!(message.lines().any(|message| message == line), "{message}");
    }
}

#[test]
fn no_filter_is_reported_for_unfiltered_recordings() {
    let (_directory, file) = new_file();
    assert_eq!(record(&file, &["--count", "1"]).status.code(), Some(0));
    assert!(notes(&items(&file), Kind::Filter).is_empty());
    let (document, message) = run(&["conns", "-o", "json", "--read", file.to_str().unwrap()]);
    assert!(!document.contains("recorded_filter") && !message.contains("only these"), "{message}");
}

#[test]
fn destroy_events_are_filtered_too() {
    let [wanted, other] = [Connection::new(), Connection::new()];
    let [server, _] = wanted.ports();
    let [stranger, _] = other.ports();
    let (_directory, file) = new_file();
    let mut child = start(&file, &["-i", "20ms", "--port", &server.to_string()]);
    drop(other);
    drop(wanted);
    let deaths = || {
        let (items, _) = super::content::read(std::fs::read(&file).unwrap().as_slice());
        let drained: Vec<EventsDrained> = json(&notes(&items, Kind::EventsDrained));
        drained.iter().map(|drained| drained.events).sum::<u64>()
    };
    // Both ends and the listener.
    wait_for(|| deaths() >= 3);
    let before = samples(&file);
    wait_for(|| samples(&file) > before + 2);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let items = items(&file);
    let [ending]: [Ending; 1] = json(&notes(&items, Kind::End)).try_into().unwrap();
    let sockets = sockets(&items);
    assert_eq!(sockets.len() as u64, ending.sockets + ending.events);
    for socket in sockets {
        let ports = [socket.local.port, socket.remote.port];
        assert!(ports.contains(&server) && !ports.contains(&stranger), "{socket:?}");
    }
}

#[test]
fn filters_that_the_kernel_cannot_evaluate_are_refused() {
    let (_directory, file) = new_file();
    for (expression, words) in [
        ("rtt > 5ms", "the kernel cannot decide `rtt`, and"),
        ("sport = 1 or comm = java", "cannot decide `comm`"),
        ("autobound", "cannot decide `autobound`"),
        ("state listen or sport = 1", "cannot decide a state as an alternative"),
        ("sport = :nonsense", "nonsense"),
    ] {
        let mut command = super::command::command(&[]);
        let output = command.arg(&file).arg(expression).output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(words), "{message}");
        assert!(!Path::new(&file).exists());
    }
}
