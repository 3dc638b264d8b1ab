//! Owners of ports, also when they change, and other ways to name services.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::observer::{Observer, Summary};
use crate::lab::{Pair, Program, Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn own_comm() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned()
}

/// Sends this many bytes from the client to the server.
fn talk(pair: &Pair, bytes: usize) {
    pair.client.write(&vec![1; bytes]);
    pair.server.read(bytes);
}

/// Bytes that a service, or all of them, received as a server and sent as a client.
fn moved(documents: &[Value], service: Option<&str>) -> (u64, u64) {
    let rows = || documents.iter().flat_map(|document| document["services"].as_array().unwrap());
    let of = |role: &str, key: &str| -> u64 {
        let own = rows().filter(|row| row["role"] == role);
        let own = own.filter(|row| service.is_none_or(|name| row["service"] == name));
        own.filter_map(|row| row[key].as_u64()).sum()
    };
    (of("server", "bytes_in"), of("client", "bytes_out"))
}

/// A service's part of a counter.
fn part(summary: &Summary, counter: &str, service: &str) -> u64 {
    let counter = summary.counter(counter).unwrap();
    let parts = counter["by_service"].as_array().unwrap();
    let part = parts.iter().find(|part| part["service"] == service);
    part.map_or(0, |part| part["value"].as_u64().unwrap())
}

/// Checks that earlier connections stay with the old server and later ones belong to the new one.
fn check_old_and_new_server(summary: &Summary, port: u16) {
    for name in ["old-server", "new-server"] {
        let row = summary.row(name, "server").unwrap_or_else(|| panic!("{summary:#?}"));
        assert_eq!((&row["owner"], &row["port"]), (&name.into(), &port.into()));
    }
    let whole = std::slice::from_ref(&summary.document);
    assert_eq!(moved(whole, Some("old-server")).0, 3000);
    assert_eq!(moved(whole, Some("new-server")).0, 500);
    let to = |name: &str| moved(whole, Some(&format!("→ {name}:{port}"))).1;
    assert_eq!((to("old-server"), to("new-server")), (3000, 500));
    for (counter, name) in [("TcpPassiveOpens", "new-server"), ("TcpActiveOpens", "→ new-server")]
    {
        assert_eq!(summary.counter(counter).unwrap()["unattributed"], 0);
        let name = if name.starts_with('→') { format!("{name}:{port}") } else { name.to_owned() };
        assert_eq!(part(summary, counter, &name), 1, "{counter}");
    }
}

/// Sends this many bytes from a client's connection to a server's.
fn send(client: &Program, from: &str, server: &Program, to: &str, bytes: usize) {
    client.run(&format!("{from}.sendall(b'x' * {bytes})"));
    server.run(&format!("left = {bytes}\nwhile left: left -= len({to}.recv(left))"));
}

/// Two servers, the second of which replaces the first, and their client.
struct Change {
    old: Program,
    new: Program,
    client: Program,
    port: u16,
}

impl Change {
    /// The client has a connection to the old server.
    fn new(directory: &Path) -> Self {
        let [old, new, client] =
            ["old-server", "new-server", "client"].map(|name| Program::start(name, directory));
        old.run("l = listen(0)");
        let port = old.ports("[l]")[0];
        client.run(&format!("before = connect({port})"));
        old.run("before = accept(l)");
        Self { old, new, client, port }
    }

    fn talk_before(&self, bytes: usize) {
        send(&self.client, "before", &self.old, "before", bytes);
    }

    /// The client opens a connection to the new server.
    fn connect(&self) {
        self.client.run(&format!("after = connect({})", self.port));
        self.new.run("after = accept(l)");
    }

    fn talk_after(&self, bytes: usize) {
        send(&self.client, "after", &self.new, "after", bytes);
    }
}

lab!(
    fn a_service_is_restarted() {
        let directory = tempfile::tempdir().unwrap();
        let change = Change::new(directory.path());
        let mut observer = Observer::here(&["300ms", "--watch", "off"]);
        change.talk_before(1000);
        observer.until("the old one's", |seen| moved(seen, Some("old-server")).0 == 1000);
        change.old.run("l.close()");
        // Without a listener the connection continues.
        change.talk_before(1000);
        observer.until("more of the old one's", |seen| moved(seen, Some("old-server")).0 == 2000);
        observer.while_stopped(|| {
            change.new.run(&format!("l = listen({})", change.port));
            change.connect();
        });
        change.talk_before(1000);
        change.talk_after(500);
        observer.until("everything", |seen| moved(seen, None) == (3500, 3500));
        check_old_and_new_server(&observer.end(), change.port);
    }
);

lab!(
    fn a_listener_is_handed_over() {
        let directory = tempfile::tempdir().unwrap();
        let change = Change::new(directory.path());
        let path = directory.path().join("pass").display().to_string();
        change.new.run(&format!("r = Receiver('{path}')"));
        let mut observer = Observer::here(&["300ms", "--watch", "off"]);
        change.talk_before(1000);
        observer.until("the old one's", |seen| moved(seen, Some("old-server")).0 == 1000);
        observer.while_stopped(|| {
            change.old.run(&format!("t = Thread(); t.jobs.put(\"send('{path}', l)\")"));
            change.new.run("l = r.receive()");
            change.old.run("t.done.get(); l.close()");
            change.connect();
        });
        change.talk_before(2000);
        change.talk_after(500);
        observer.until("everything", |seen| moved(seen, None) == (3500, 3500));
        // Connections not accepted now wait for the new server.
        change.client.run(&format!("waiting = connect({})", change.port));
        observer.until("the queue", |seen| {
            let rows = seen.last().unwrap()["services"].as_array().unwrap();
            rows.iter()
                .any(|row| row["service"] == "new-server" && row["listen"]["accept_queue"] == 1)
        });
        let summary = observer.end();
        let row = summary.row("old-server", "server").unwrap();
        assert_eq!(row.get("listen"), None, "it listens no more: {row:#}");
        let whole = std::slice::from_ref(&summary.document);
        assert_eq!(moved(whole, Some("old-server")).0, 3000);
        assert_eq!(moved(whole, Some("new-server")).0, 500);
    }
);

lab!(
    fn services_of_hidden_processes_are_named_by_port() {
        let listener = Socket::listening(V4, 6379, 8);
        let pair = Pair::new(&listener, V4);
        let powerless = Tcpdiag::powerless();
        let mut observer = Observer::of(&powerless, &["100ms", "--strict"]);
        talk(&pair, 700);
        observer.until("everything", |seen| moved(seen, None) == (700, 700));
        let summary = observer.end_by(Signal::INT, 3);
        let whole = std::slice::from_ref(&summary.document);
        assert_eq!(moved(whole, Some("redis")).0, 700);
        assert_eq!(moved(whole, Some("→ redis:6379")).1, 700);
        assert_eq!(summary.row("redis", "server").unwrap()["owner"], Value::Null);
        let quality = &summary.document["quality"];
        assert!(quality["processes_hidden"].as_u64().unwrap() > 0, "{quality}");
        let limited = quality["permission_limited"].as_array().unwrap();
        let named = |line: &Value| line.as_str().unwrap().contains("CAP_SYS_PTRACE");
        assert!(limited.iter().any(named), "{quality}");
        assert!(summary.closing.contains("CAP_SYS_PTRACE"), "{}", summary.closing);
    }
);

lab!(
    fn rules_name_services() {
        let directory = tempfile::tempdir().unwrap();
        let listeners = [0; 3].map(|port| Socket::listening(V4, port, 8));
        let ports = listeners.each_ref().map(Socket::port);
        let pairs = listeners.each_ref().map(|listener| Pair::new(listener, V4));
        let some = Program::start("some-server", directory.path());
        some.run("l = listen(0)");
        let taken = Socket::of(V4);
        taken.connect(V4, some.ports("[l]")[0]);
        some.run("s = accept(l)");
        let file = directory.path().join("config.toml");
        let rules = format!(
            "[[service]]\nname = 'shop'\nport = [{}, {}]\n\
             [[service]]\nname = 'upstream'\nport = {}\nrole = 'client'\n\
             [[service]]\nname = 'taken'\nprocess = 'some-*'\nrole = 'server'\n\
             [[service]]\nname = 'rest'\nrole = 'client'\n",
            ports[0], ports[1], ports[2]
        );
        std::fs::write(&file, rules).unwrap();
        let mut observer = Observer::here(&["100ms", "--config", file.to_str().unwrap()]);
        for (pair, bytes) in pairs.iter().zip([1, 20, 300]) {
            talk(pair, bytes);
        }
        taken.write(&[1; 4000]);
        some.run("left = 4000\nwhile left: left -= len(s.recv(left))");
        observer.until("everything", |seen| moved(seen, None) == (4321, 4321));
        let summary = observer.end();
        let whole = std::slice::from_ref(&summary.document);
        for (service, wanted) in [
            // Both sides: the rule asks for ports only.
            ("shop", (21, 21)),
            // The rule names only clients of that address.
            (&format!("→ upstream:{}", ports[2]), (0, 300)),
            (&own_comm(), (300, 0)),
            ("taken", (4000, 0)),
            ("rest", (0, 4000)),
        ] {
            assert_eq!(moved(whole, Some(service)), wanted, "{service}");
        }
        drop(listeners);
    }
);

lab!(
    fn counters_are_grouped_by_process_port_or_remote() {
        let listeners = [V4, V6].map(|address| Socket::listening(address, 0, 8));
        let [v4, v6] = listeners.each_ref().map(Socket::port);
        let pairs = [Pair::new(&listeners[0], V4), Pair::new(&listeners[1], V6)];
        let groups = ["process", "port", "remote", "unit", "container", "cgroup"];
        let mut observers = groups.map(|group| Observer::here(&["200ms", "--by", group]));
        for pair in &pairs {
            talk(pair, 5000);
        }
        let later = Pair::new(&listeners[0], V4);
        talk(&later, 1);
        for observer in &mut observers {
            observer.until("everything", |seen| moved(seen, None) == (10_001, 10_001));
        }
        let comm = own_comm();
        for (group, observer) in groups.into_iter().zip(observers) {
            let summary = observer.end();
            let rows = summary.document["services"].as_array().unwrap();
            let names: BTreeSet<&str> =
                rows.iter().map(|row| row["service"].as_str().unwrap()).collect();
            let [v4, v6] = [v4, v6].map(|port| port.to_string());
            let wanted: Option<Vec<String>> = match group {
                "process" => Some(vec![comm.clone()]),
                "port" => Some(vec![format!("→ {v4}"), format!("→ {v6}"), v4, v6]),
                "remote" => {
                    Some(["127.0.0.1", "::1", "→ 127.0.0.1", "→ ::1"].map(str::to_owned).into())
                }
                // Depends on the machine.
                _ => None,
            };
            match wanted {
                Some(wanted) => {
                    let wanted = wanted.iter().map(String::as_str).collect();
                    // Listeners without a peer have no remote address.
                    let found: BTreeSet<&str> = rows
                        .iter()
                        .filter(|row| row.get("bytes_in").is_some())
                        .map(|row| row["service"].as_str().unwrap())
                        .collect();
                    assert_eq!(found, wanted, "--by {group}");
                }
                None => assert!(names.len() <= 2, "--by {group}: {names:?}"),
            }
            for counter in ["TcpActiveOpens", "TcpPassiveOpens"] {
                let opens = summary.counter(counter).unwrap();
                assert_eq!((&opens["delta"], &opens["attributed"]), (&1.into(), &1.into()));
            }
        }
        drop(later);
    }
);
