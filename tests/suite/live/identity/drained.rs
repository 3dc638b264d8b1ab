//! A server that closes its listener and keeps its connections, beside a program that listens.

use serde_json::Value;

use super::expected::{BY_EVIDENCE, check};
use super::{Expected, Views};
use crate::lab::{Program, Ss, Stream, Tcpdiag, lab, settles};

/// A server that is about to close its listener, and one that is not.
struct Pair {
    drains: Program,
    other: Program,
    caller: Program,
}

impl Pair {
    fn new(directory: &std::path::Path, port: u16) -> Self {
        let drains = Program::start("drains", directory);
        let other = Program::start("other", directory);
        let caller = Program::start("caller", directory);
        drains.run(&format!("l = listen({port})"));
        other.run("l = listen(7501)");
        caller.run(&format!("a, b, c = connect({port}), connect({port}), connect(7501)"));
        drains.run("s, t = accept(l), accept(l)");
        other.run("s = accept(l)");
        Self { drains, other, caller }
    }

    /// Sends a byte from each server to its client and back.
    fn talk(&self) {
        self.drains.run("s.sendall(b'x'); t.sendall(b'x')");
        self.caller.run("a.recv(1); b.recv(1); a.sendall(b'y'); b.sendall(b'y')");
        self.drains.run("s.recv(1); t.recv(1)");
        // Until the last byte is acknowledged its connection has data in flight.
        let in_flight = |ss: &Ss| ss.number("unacked").is_some_and(|count| count > 0.0);
        settles("everything to be acknowledged", || !Ss::all().iter().any(in_flight));
    }
}

lab!(
    fn connections_of_a_closed_listener_stay_with_their_program() {
        // One port is of the ephemeral range, and one is not.
        for port in [7500, 45_000] {
            let directory = tempfile::tempdir().unwrap();
            let pair = Pair::new(directory.path(), port);
            pair.talk();
            pair.drains.run("l.close()");
            pair.talk();
            let Pair { drains, other, caller } = pair;
            let views = Views::collect(directory.path());
            check(
                &[
                    Expected::accepted(&drains, drains.cookie("s")).by(BY_EVIDENCE),
                    Expected::accepted(&drains, drains.cookie("t")).by(BY_EVIDENCE),
                    Expected::listener(&other, other.cookie("l")),
                    Expected::accepted(&other, other.cookie("s")),
                    Expected::opened(&caller, caller.cookie("a")).by(BY_EVIDENCE),
                    Expected::opened(&caller, caller.cookie("b")).by(BY_EVIDENCE),
                    Expected::opened(&caller, caller.cookie("c")).service("→ other:7501"),
                ],
                &views,
            );
            let service = views.service("drains", "server").unwrap();
            assert_eq!(views.established("drains", "server"), 2, "{port}");
            assert!(service.at("listen").is_none(), "{port}");
        }
    }
);

/// How many established connections a service has.
fn established(document: &Value, name: &str, role: &str) -> u64 {
    let rows = document["services"].as_array().unwrap();
    let row = rows.iter().find(|row| row["service"] == name && row["role"] == role);
    row.and_then(|row| row["connections"]["established"].as_u64()).unwrap_or(0)
}

lab!(
    fn running_commands_keep_the_services_of_known_connections() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), 7510);
        let arguments = ["services", "--interval", "300ms", "-o", "json"];
        let mut services: Stream = Tcpdiag::new().start(&arguments);
        let first = services.document().unwrap();
        assert_eq!(established(&first, "drains", "server"), 2, "{first:#}");
        pair.drains.run("l.close()");
        for _ in 0..4 {
            pair.talk();
            let document = services.document().unwrap();
            let names = ["drains", "other"].map(|name| established(&document, name, "server"));
            assert_eq!(names, [2, 1], "{document:#}");
            let clients: u64 = document["services"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["role"] == "client")
                .map(|row| row["connections"]["established"].as_u64().unwrap_or(0))
                .sum();
            assert_eq!(clients, 3, "{document:#}");
        }
    }
);
