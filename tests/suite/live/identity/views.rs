//! The output of all commands about the sockets of a namespace, live and recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::expected::holders;
use crate::lab::{Row, Ss, Tcpdiag};

/// The output of the commands that there are live and for a recording.
#[derive(Debug)]
pub struct Commands {
    conns: Vec<Row>,
    listeners: Vec<Row>,
    /// The `tcpdiag.services/1` document of an interval.
    pub services: Value,
    diagnosis: Value,
}

/// All views of one namespace.
#[derive(Debug)]
pub struct Views {
    /// The rows of ss by cookie.
    pub ss: BTreeMap<u64, Ss>,
    /// Of the running kernel.
    pub live: Commands,
    /// Of a recording.
    recorded: Commands,
    /// Rows of `convert`: the last of each socket.
    converted: Vec<Value>,
    /// `diff` of the recording with itself.
    diff: Value,
}

impl Commands {
    /// Runs the commands, the ones that watch for a while at the same time.
    fn run(tcpdiag: &Tcpdiag, read: &[&str]) -> Self {
        let with = |words: &[&'static str]| -> Vec<&str> {
            words.iter().copied().chain(read.iter().copied()).collect()
        };
        let conns = with(&["conns", "--state", "all", "-P"]);
        let listeners = with(&["listeners"]);
        let mut services = with(&["services", "-o", "json"]);
        let mut diagnose = with(&["diagnose", "-o", "json"]);
        if read.is_empty() {
            services.extend(["--duration", "1s"]);
            diagnose.extend(["--duration", "1s"]);
        }
        std::thread::scope(|scope| {
            let services = scope.spawn(|| last_interval(tcpdiag, &services));
            let diagnosis = scope.spawn(|| tcpdiag.document(&diagnose));
            Self {
                conns: tcpdiag.rows(&conns),
                listeners: tcpdiag.rows(&listeners),
                services: services.join().unwrap(),
                diagnosis: diagnosis.join().unwrap(),
            }
        })
    }

    /// Rows of services.
    fn services(&self) -> Vec<Row> {
        let rows = self.services["services"].as_array().unwrap();
        rows.iter().cloned().map(Row).collect()
    }

    /// How many established connections the services of this name and role have.
    fn established(&self, key: (&str, &str)) -> u64 {
        let rows = self.services().into_iter().filter(|row| name_and_role(row) == key);
        rows.filter_map(|row| row.number("connections.established")).sum()
    }

    /// Adds the differences between the commands' output about the same sockets.
    fn disagreements(&self, when: &str, wrong: &mut Vec<String>) {
        let services = self.services();
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut bases: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for row in self.conns.iter().chain(&self.listeners) {
            let (name, role) = name_and_role(row);
            // A listener belongs to the service of its connections.
            let role = if role == "listener" { "server" } else { role };
            bases.entry((name, role)).or_default().insert(row.text("service_basis"));
            if row.state() == "established" {
                *counts.entry((name, role)).or_default() += 1;
                if !services.iter().any(|service| name_and_role(service) == (name, role)) {
                    wrong.push(format!("{when}: services has no {name:?} of role {role:?}"));
                }
            }
        }
        for row in &services {
            // The name of a service rests on the firmest basis of its sockets.
            let (key, basis) = (name_and_role(row), row.text("service_basis"));
            let own = bases.get(&key).into_iter().flatten();
            let own: Vec<&str> = own.copied().collect();
            let firmest = ["rule", "container", "unit", "process", "group", "listener"];
            let firmest = firmest.into_iter().find(|basis| own.contains(basis));
            if firmest.is_some_and(|firmest| firmest != basis) {
                wrong.push(format!("{when}: {key:?} rests on {basis:?}, its sockets on {own:?}"));
            }
        }
        for row in &services {
            let key = name_and_role(row);
            let (theirs, ours) = (self.established(key), counts.get(&key).copied().unwrap_or(0));
            if theirs != ours {
                wrong.push(format!("{when}: {key:?} has {theirs} in services, {ours} in conns"));
            }
            if row.text("role_basis").is_empty() {
                wrong.push(format!("{when}: services has no role_basis for {key:?}"));
            }
        }
        self.listeners_agree(when, &services, wrong);
        self.counters_agree(when, &services, wrong);
        self.findings_agree(when, &services, wrong);
    }

    fn listeners_agree(&self, when: &str, services: &[Row], wrong: &mut Vec<String>) {
        let mut of_service: BTreeMap<(&str, u64), Vec<&Row>> = BTreeMap::new();
        for row in &self.listeners {
            of_service.entry((row.text("service"), row.port())).or_default().push(row);
        }
        let key = |row: &Row| (row.text("service").to_owned(), row.number("port"));
        let listening = || services.iter().filter(|row| row.at("listen").is_some());
        for ((name, port), rows) in &of_service {
            let wanted = ((*name).to_owned(), Some(*port));
            let Some(service) = listening().find(|row| key(row) == wanted) else {
                wrong.push(format!("{when}: services has no listener of {name:?}:{port}"));
                continue;
            };
            // A service of several listeners has no single pair of queue figures.
            let [row] = rows[..] else { continue };
            for figure in ["accept_queue", "accept_queue_max"] {
                let theirs = service.number(&format!("listen.{figure}"));
                if theirs != row.number(figure) {
                    let ours = row.number(figure);
                    wrong.push(format!("{when}: {figure} of {name:?}: {theirs:?} and {ours:?}"));
                }
            }
            // Those of a service are the drops of its interval.
            if service.number("listen.drops") > row.number("skmem.drops") {
                wrong.push(format!("{when}: {name:?} has more drops than its listener"));
            }
        }
        for row in listening() {
            let (name, port) = key(row);
            if !of_service.keys().any(|known| *known == (name.as_str(), port.unwrap_or(0))) {
                wrong.push(format!("{when}: listeners has no listener of {name:?}"));
            }
        }
    }

    /// The parts of counters are those of services that there are, known in the same way.
    fn counters_agree(&self, when: &str, services: &[Row], wrong: &mut Vec<String>) {
        for counter in self.services["attribution"].as_array().unwrap() {
            for part in counter["by_service"].as_array().unwrap() {
                let part = Row(part.clone());
                let same = |row: &Row| {
                    let bases = ["service_basis", "role_basis"].iter();
                    name_and_role(row) == name_and_role(&part)
                        && row.number("port") == part.number("port")
                        && bases.clone().all(|key| !row.text(key).is_empty())
                        && bases.clone().all(|key| row.text(key) == part.text(key))
                };
                if !services.iter().any(same) {
                    wrong.push(format!("{when}: {} has a part of {}", counter["counter"], part.0));
                }
            }
        }
    }

    /// Findings name the service that the sockets in their examples have.
    fn findings_agree(&self, when: &str, services: &[Row], wrong: &mut Vec<String>) {
        for finding in self.diagnosis["findings"].as_array().unwrap() {
            let finding = Row(finding.clone());
            let name = finding.text("subject.service");
            if !name.is_empty() && !services.iter().any(|service| goes_by(name, service)) {
                wrong.push(format!("{when}: {} names {name:?}", finding.text("code")));
            }
            let examples = finding.at("subject.examples").and_then(Value::as_array);
            for example in examples.into_iter().flatten().map(|example| Row(example.clone())) {
                let mut rows = self.conns.iter().chain(&self.listeners);
                let row = rows.find(|row| row.cookie() == example.cookie());
                if let Some(row) = row.filter(|row| !goes_by(name, row)) {
                    let own = row.text("service");
                    wrong.push(format!("{when}: a finding has {name:?} of a socket of {own:?}"));
                }
            }
        }
    }
}

fn name_and_role(row: &Row) -> (&str, &str) {
    (row.text("service"), row.text("role"))
}

/// Whether this is the name of a row's service, or that name with a port: one program may listen
/// at several.
fn goes_by(name: &str, row: &Row) -> bool {
    let service = row.text("service");
    let behind = name.strip_prefix(service).filter(|_| !service.is_empty());
    behind.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

/// The last document of an interval.
fn last_interval(tcpdiag: &Tcpdiag, arguments: &[&str]) -> Value {
    let output = tcpdiag.run(arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    let mut documents = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let of_interval = |document: &Value| document["schema"] == "tcpdiag.services/1";
    documents.rfind(of_interval).expect("a document of an interval")
}

impl Views {
    /// Runs ss and all commands in the namespace of the test. `directory` is for the recording.
    pub fn collect(directory: &Path) -> Self {
        Self::collect_by(&Tcpdiag::new(), directory)
    }

    /// The same by a program that has another configuration or fewer privileges.
    pub fn collect_by(tcpdiag: &Tcpdiag, directory: &Path) -> Self {
        let file = directory.join("recording.pcapng.zst");
        let file = file.to_str().unwrap();
        let record = ["record", file, "--force", "--count", "3", "--interval", "400ms"];
        let live = std::thread::scope(|scope| {
            let recording = scope.spawn(|| tcpdiag.run(&record));
            let live = Commands::run(tcpdiag, &[]);
            let output = recording.join().unwrap();
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            live
        });
        let ss = Ss::with_owners();
        let recorded = Commands::run(tcpdiag, &["--read", file]);
        let convert = ["convert", file, "--state", "all", "-o", "jsonl"];
        let output = tcpdiag.run(&convert);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let rows = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let last: BTreeMap<String, Value> =
            rows.map(|row: Value| (row["cookie"].to_string(), row)).collect();
        let converted = last.into_values().collect();
        let diff = tcpdiag.document(&["diff", file, file, "--all", "-o", "json"]);
        Self { ss, live, recorded, converted, diff }
    }

    /// Every list of sockets with the command that printed it.
    pub fn rows(&self) -> [(&'static str, &[Row]); 4] {
        [
            ("conns", &self.live.conns),
            ("listeners", &self.live.listeners),
            ("conns --read", &self.recorded.conns),
            ("listeners --read", &self.recorded.listeners),
        ]
    }

    /// The row of a socket in `conns`.
    pub fn conns(&self, cookie: u64) -> &Row {
        let row = self.live.conns.iter().find(|row| row.cookie() == cookie);
        row.unwrap_or_else(|| panic!("{cookie:#x} is not in conns"))
    }

    /// The row of a socket in `listeners`.
    pub fn listener(&self, cookie: u64) -> &Row {
        let row = self.live.listeners.iter().find(|row| row.cookie() == cookie);
        row.unwrap_or_else(|| panic!("{cookie:#x} is not in listeners"))
    }

    /// A row of a service in `services`.
    pub fn service(&self, name: &str, role: &str) -> Option<Row> {
        let mut rows = self.live.services().into_iter();
        rows.find(|row| name_and_role(row) == (name, role))
    }

    /// How many established connections the services of this name and role have.
    pub fn established(&self, name: &str, role: &str) -> u64 {
        self.live.established((name, role))
    }

    /// Every row of `services`, live and recorded.
    pub fn all_services(&self) -> Vec<Row> {
        [self.live.services(), self.recorded.services()].concat()
    }

    /// The cookie of the socket with these ports, by ss.
    pub fn find(&self, local: u16, remote: u16) -> Option<u64> {
        let ports = (u64::from(local), u64::from(remote));
        let is = |ss: &&Ss| (ss.local.port, ss.remote.port) == ports;
        self.ss.values().find(is).map(Ss::cookie)
    }

    /// The differences between the views of the same sockets.
    pub fn disagreements(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.live.disagreements("live", &mut wrong);
        self.recorded.disagreements("recorded", &mut wrong);
        for (live, recorded) in [
            (&self.live.conns, &self.recorded.conns),
            (&self.live.listeners, &self.recorded.listeners),
        ] {
            for row in live {
                let other = recorded.iter().find(|other| other.cookie() == row.cookie());
                // A record of TIME-WAIT or SYN-RECV may come and go between the two.
                let Some(other) = other else { continue };
                same_socket("the recording", row, other, &mut wrong);
            }
        }
        self.converted_agrees(&mut wrong);
        self.services_agree(&mut wrong);
        wrong
    }

    fn converted_agrees(&self, wrong: &mut Vec<String>) {
        let rows: BTreeMap<u64, Row> =
            self.converted.iter().cloned().map(Row).map(|row| (row.cookie(), row)).collect();
        for row in self.recorded.conns.iter().chain(&self.recorded.listeners) {
            let Some(other) = rows.get(&row.cookie()) else {
                wrong.push(format!("convert has no row of {:#x}", row.cookie()));
                continue;
            };
            for key in ["role", "role_basis", "service", "service_basis", "unit", "container"] {
                let same = match key {
                    "service" => goes_by(other.text(key), row),
                    // An earlier sample may have shown more than the last one does.
                    "role_basis" if other.text(key) == "remembered" => true,
                    _ => row.text(key) == other.text(key),
                };
                if !same {
                    wrong.push(format!(
                        "convert: {key} of {:#x} is {:?}, and {:?} in {}",
                        row.cookie(),
                        other.text(key),
                        row.text(key),
                        row.state()
                    ));
                }
            }
            let holders = holders(row);
            let named = holders.iter().any(|holder| {
                other.text("process") == holder.comm
                    && other.number("pid") == Some(u64::from(holder.pid))
            });
            let none = holders.is_empty() && other.text("process").is_empty();
            if !named && !none {
                wrong.push(format!("convert has {:?} of {holders:?}", other.text("process")));
            }
        }
    }

    /// Services of a recording and of its comparison with itself are those of the live run.
    fn services_agree(&self, wrong: &mut Vec<String>) {
        let key = |row: &Row| {
            let texts = ["service", "role", "service_basis", "role_basis", "owner"];
            (texts.map(|path| row.text(path).to_owned()), row.number("port"))
        };
        let keys = |rows: Vec<Row>| rows.iter().map(key).collect::<BTreeSet<_>>();
        let (live, recorded) = (keys(self.live.services()), keys(self.recorded.services()));
        for (what, difference) in [("lacks", &live - &recorded), ("alone has", &recorded - &live)] {
            for service in difference {
                wrong.push(format!("services --read {what} {service:?}"));
            }
        }
        let services = self.recorded.services();
        for change in self.diff["changes"].as_array().unwrap() {
            let name = change["name"].as_str().unwrap();
            let known = || services.iter().any(|row| goes_by(name, row));
            if change["kind"] == "service" && !known() {
                wrong.push(format!("diff alone has the service {name:?}"));
            }
        }
    }
}

/// The identity of one socket in two lists.
fn same_socket(of: &str, row: &Row, other: &Row, wrong: &mut Vec<String>) {
    for key in ["role", "role_basis", "service", "service_basis", "unit", "container"] {
        if row.text(key) != other.text(key) {
            wrong.push(format!(
                "{of}: {key} of {:#x} ({} {}) is {:?}, live {:?}",
                row.cookie(),
                row.state(),
                row.port(),
                other.text(key),
                row.text(key)
            ));
        }
    }
    if holders(row) != holders(other) {
        wrong.push(format!("{of}: processes of {:#x}", row.cookie()));
    }
}
