//! The expected identity of a socket that a test made.

use std::collections::{BTreeMap, BTreeSet};

use super::views::Views;
use crate::lab::{Program, Row, Ss, SsOwner};

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Process name.
    pub comm: String,
    /// Process id.
    pub pid: u32,
}

impl From<&Program> for Holder {
    fn from(program: &Program) -> Self {
        Self { comm: program.name.clone(), pid: program.pid() }
    }
}

impl From<&SsOwner> for Holder {
    fn from(owner: &SsOwner) -> Self {
        Self { comm: owner.comm.clone(), pid: owner.pid }
    }
}

/// The holders in a row of JSON.
pub fn holders(row: &Row) -> BTreeSet<Holder> {
    let processes = row.at("processes").and_then(serde_json::Value::as_array);
    let holder = |process: &serde_json::Value| Holder {
        comm: process["comm"].as_str().unwrap().to_owned(),
        pid: u32::try_from(process["pid"].as_u64().unwrap()).unwrap(),
    };
    processes.into_iter().flatten().map(holder).collect()
}

/// How a role may be known: what each is evidence of.
pub const LISTENS: &[&str] = &["listening"];
/// Of an accepted connection whose listener still listens.
pub const ACCEPTED: &[&str] = &["tcp_info", "listener_on_address", "listener_on_wildcard"];
/// Of an accepted connection that no listener fits.
pub const BY_EVIDENCE: &[&str] = &["tcp_info"];
/// Of a connection that a program of this host opened.
pub const OPENED: &[&str] = &["tcp_info", "no_listener"];

/// How a service may be known: by the process that holds the socket.
const HOLDER: &[&str] = &["process"];
/// By the process that listens, as nobody holds the socket yet.
pub const LISTENER: &[&str] = &["listener"];
/// By one of several listeners that cannot be distinguished.
pub const GROUP: &[&str] = &["group"];
/// By the process at the other end.
const PEER: &[&str] = &["listener", "process"];

/// The identity that every command must show.
#[derive(Debug, Clone)]
pub struct Expected {
    what: String,
    cookie: u64,
    role: &'static str,
    bases: &'static [&'static str],
    /// The service and its basis, where the test decides it.
    service: Option<(String, &'static [&'static str])>,
    holders: BTreeSet<Holder>,
    /// Whether ss finds the holders: it reads /proc/PID/fd only.
    visible_to_ss: bool,
}

impl Expected {
    /// A listener of `program`.
    pub fn listener(program: &Program, cookie: u64) -> Self {
        let what = format!("the listener of {}", program.name);
        Self { role: "listener", bases: LISTENS, ..Self::held(what, program, cookie) }
    }

    /// A connection that `program` accepted, or that was passed to it.
    pub fn accepted(program: &Program, cookie: u64) -> Self {
        let what = format!("a connection that {} accepted", program.name);
        Self { role: "server", bases: ACCEPTED, ..Self::held(what, program, cookie) }
    }

    /// A connection that waits to be accepted.
    pub fn waiting(cookie: u64, service: &str, bases: &'static [&'static str]) -> Self {
        Self {
            what: format!("a connection that waits for {service}"),
            cookie,
            role: "server",
            bases: ACCEPTED,
            service: Some((service.to_owned(), bases)),
            holders: BTreeSet::new(),
            visible_to_ss: true,
        }
    }

    /// A connection that `program` opened.
    pub fn opened(program: &Program, cookie: u64) -> Self {
        let what = format!("a connection that {} opened", program.name);
        Self { role: "client", bases: OPENED, service: None, ..Self::held(what, program, cookie) }
    }

    fn held(what: String, program: &Program, cookie: u64) -> Self {
        Self {
            what,
            cookie,
            role: "",
            bases: &[],
            service: Some((program.name.clone(), HOLDER)),
            holders: [program.into()].into(),
            visible_to_ss: true,
        }
    }

    /// The role has to be known in one of these ways.
    pub fn by(self, bases: &'static [&'static str]) -> Self {
        Self { bases, ..self }
    }

    /// The service of a client whose peer is on this host.
    pub fn service(self, name: &str) -> Self {
        Self { service: Some((name.to_owned(), PEER)), ..self }
    }

    /// The service has the name of a rule.
    pub fn rule(self, name: &str) -> Self {
        Self { service: Some((name.to_owned(), &["rule"])), ..self }
    }

    /// Held by this process instead.
    pub fn held_by(self, holder: Holder) -> Self {
        let service = Some((holder.comm.clone(), HOLDER));
        Self { service, holders: [holder].into(), ..self }
    }

    /// ss does not find who holds it.
    pub fn hidden_from_ss(self) -> Self {
        Self { visible_to_ss: false, ..self }
    }

    /// Compares with ss; adds differences to `wrong`.
    fn check_ss(&self, ss: &BTreeMap<u64, Ss>, wrong: &mut Vec<String>) {
        let Some(line) = ss.get(&self.cookie) else {
            return wrong.push(format!("{} ({:#x}) is not in ss", self.what, self.cookie));
        };
        if (line.state == "LISTEN") != (self.role == "listener") {
            wrong.push(format!("{}: ss has state {}", self.what, line.state));
        }
        let theirs: BTreeSet<Holder> = line.owners.iter().map(Holder::from).collect();
        let none = BTreeSet::new();
        let visible = if self.visible_to_ss { &self.holders } else { &none };
        if theirs != *visible {
            wrong.push(format!("{}: ss has {theirs:?}, expected {visible:?}", self.what));
        }
    }

    /// Compares with a row of a command; adds differences to `wrong`.
    fn check_row(&self, command: &str, row: Option<&Row>, wrong: &mut Vec<String>) {
        let Some(row) = row else {
            return wrong.push(format!("{command}: {} is missing", self.what));
        };
        let mut same = |key: &str, ours: &str, expected: &[&str]| {
            if !expected.contains(&ours) {
                wrong.push(format!(
                    "{command}: {} has {key} {ours:?}, expected {expected:?}",
                    self.what
                ));
            }
        };
        same("role", row.text("role"), &[self.role]);
        same("role_basis", row.text("role_basis"), self.bases);
        if let Some((service, bases)) = &self.service {
            same("service", row.text("service"), &[service]);
            same("service_basis", row.text("service_basis"), bases);
        }
        let ours = holders(row);
        if ours != self.holders {
            wrong.push(format!("{command}: {} has {ours:?}", self.what));
        }
        // No holder is not the same as a hidden one.
        if row.at("processes").is_none() || row.is("processes_hidden") {
            wrong.push(format!("{command}: the holders of {} are hidden", self.what));
        }
    }
}

/// Compares all sockets of a test with everything that was collected.
pub fn check(expected: &[Expected], views: &Views) {
    let mut setup = Vec::new();
    expected.iter().for_each(|socket| socket.check_ss(&views.ss, &mut setup));
    assert!(setup.is_empty(), "the test did not set up what it wanted:\n{}", setup.join("\n"));
    let mut wrong = views.disagreements();
    for socket in expected {
        for (command, rows) in views.rows() {
            // Commands that list connections have no listeners, and the other way around.
            if (socket.role == "listener") == command.contains("listeners") {
                let row = rows.iter().find(|row| row.cookie() == socket.cookie);
                socket.check_row(command, row, &mut wrong);
            }
        }
    }
    let wrong: BTreeSet<String> = wrong.into_iter().collect();
    let list = wrong.iter().cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} differences:\n{list}", wrong.len());
}
