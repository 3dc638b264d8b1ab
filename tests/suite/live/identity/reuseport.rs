//! Programs that share a port by SO_REUSEPORT: each listener has its own connections, queue and
//! drops.

use serde_json::Value;

use super::expected::{GROUP, check};
use super::{Expected, Views};
use crate::lab::{Program, Ss, Stream, Tcpdiag, lab, settles};

/// Connections that the test opens; the kernel spreads them by a hash of their ports.
const OPENED: usize = 40;

/// Two programs that share a port, the first of which accepts and the second never does, and a
/// program that connects to them.
struct Group {
    accepts: Program,
    idles: Program,
    caller: Program,
    port: u16,
}

impl Group {
    fn new(directory: &std::path::Path, port: u16) -> Self {
        let accepts = Program::start("alpha", directory);
        let idles = Program::start("beta", directory);
        let caller = Program::start("caller", directory);
        accepts.run(&format!("l = listen({port}, reuseport=True, backlog=64)"));
        idles.run(&format!("l = listen({port}, reuseport=True, backlog=1)"));
        Self { accepts, idles, caller, port }
    }

    /// Opens connections without waiting for them, and has the first program accept its own.
    fn fill(&self) {
        let port = self.port;
        let open = format!("cs = [connect({port}, wait=False) for _ in range({OPENED})]");
        self.caller.run(&open);
        self.accepts.run("accepted = accept_all(l)");
        let listener = self.idles.cookie("l");
        settles("the second queue to be full", || Ss::with_owners()[&listener].queues == [2, 1]);
        self.accepts.run("accepted += accept_all(l)");
    }

    /// Drops of the two listeners by ss.
    fn drops(&self) -> [u64; 2] {
        let cookies = [self.accepts.cookie("l"), self.idles.cookie("l")];
        let ss = Ss::with_owners();
        cookies.map(|cookie| ss[&cookie].number("skmem.drops").unwrap() as u64)
    }
}

lab!(
    fn each_listener_has_its_own_connections() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group::new(directory.path(), 7000);
        group.fill();
        let views = Views::collect(directory.path());
        let mut expected = vec![
            Expected::listener(&group.accepts, group.accepts.cookie("l")),
            Expected::listener(&group.idles, group.idles.cookie("l")),
        ];
        let accepted = group.accepts.cookies("accepted");
        assert!(accepted.len() > 5 && accepted.len() < OPENED - 5, "{}", accepted.len());
        expected.extend(accepted.iter().map(|cookie| Expected::accepted(&group.accepts, *cookie)));
        // Nothing in the kernel's answer says which listener a connection waits at.
        let is_waiting =
            |ss: &&Ss| ss.local.port == 7000 && ss.get("ino").is_none_or(|ino| ino == "0");
        let waiting: Vec<u64> = views.ss.values().filter(is_waiting).map(Ss::cookie).collect();
        assert_eq!(waiting.len(), 2);
        expected
            .extend(waiting.iter().map(|cookie| Expected::waiting(*cookie, "alpha+beta", GROUP)));
        check(&expected, &views);
        for (name, connections) in [("alpha", accepted.len() as u64), ("alpha+beta", 2)] {
            assert_eq!(views.established(name, "server"), connections, "{name}");
        }
        for row in views.rows().iter().flat_map(|(_, rows)| rows.iter()) {
            if row.text("role") == "client" {
                let known = ["→ alpha:7000", "→ beta:7000", "→ alpha+beta:7000"];
                assert!(known.contains(&row.text("service")), "{:?}", row.text("service"));
            }
        }
    }
);

lab!(
    fn queues_and_drops_belong_to_the_listener_that_has_them() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group::new(directory.path(), 7010);
        group.fill();
        settles("drops", || group.drops()[1] > 0);
        let before = group.drops();
        let views = Views::collect(directory.path());
        let after = group.drops();
        assert_eq!((before[0], after[0]), (0, 0));
        let mut wrong = Vec::new();
        for (program, queue, drops) in
            [(&group.accepts, [0, 64], 0..=0), (&group.idles, [2, 1], before[1]..=after[1])]
        {
            let name = program.name.clone();
            let row = views.listener(program.cookie("l"));
            let ours = ["accept_queue", "accept_queue_max"].map(|key| row.number(key).unwrap());
            if ours != queue || !drops.contains(&row.number("skmem.drops").unwrap()) {
                wrong.push(format!("listeners: {name} has {ours:?}, {}", row.0["skmem"]));
            }
            let Some(service) = views.service(&name, "server") else {
                wrong.push(format!("services has no {name}"));
                continue;
            };
            let theirs = ["listen.accept_queue", "listen.accept_queue_max"];
            let theirs = theirs.map(|key| service.number(key).unwrap_or(u64::MAX));
            if theirs != queue {
                wrong.push(format!("services: {name} has {theirs:?}"));
            }
        }
        // A group that is a service of its own listens nowhere.
        let group = views.service("alpha+beta", "server");
        if group.is_some_and(|service| service.at("listen").is_some()) {
            wrong.push("the group has figures of a queue".to_owned());
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
);

lab!(
    fn drops_are_attributed_to_the_listener_that_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group::new(directory.path(), 7020);
        group.fill();
        let arguments = ["services", "--interval", "500ms", "-o", "json"];
        let mut services: Stream = Tcpdiag::new().start(&arguments);
        services.document().unwrap();
        let before = group.drops();
        group.caller.run("more = [connect(7020, wait=False) for _ in range(20)]");
        settles("more drops", || group.drops()[1] >= before[1] + 5);
        let mut parts: Vec<(String, u64)> = Vec::new();
        while parts.iter().map(|(_, drops)| drops).sum::<u64>() < 5 {
            let document = services.document().unwrap();
            let attribution = document["attribution"].as_array().unwrap();
            for counter in attribution.iter().filter(|it| it["counter"] == "TcpExtListenDrops") {
                let by_service = counter["by_service"].as_array().unwrap().iter();
                let part = |part: &Value| {
                    let name = part["service"].as_str().unwrap().to_owned();
                    (name, part["value"].as_u64().unwrap())
                };
                parts.extend(by_service.map(part));
            }
        }
        assert_eq!(group.drops()[0], before[0]);
        let others: Vec<_> =
            parts.iter().filter(|(name, drops)| name != "beta" && *drops > 0).collect();
        assert!(others.is_empty(), "drops of beta are attributed to {others:?}");
    }
);

lab!(
    fn a_finding_about_a_full_queue_names_the_listener_that_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group::new(directory.path(), 7030);
        group.fill();
        let document = Tcpdiag::new().document(&["diagnose", "--duration", "2s", "-o", "json"]);
        let findings = document["findings"].as_array().unwrap();
        let full = findings.iter().find(|finding| finding["code"] == "TD201");
        let subject = &full.expect("the queue is full")["subject"];
        let service = subject["service"].as_str().unwrap();
        assert!(["beta", "beta:7030"].contains(&service), "{subject:#}");
        let cookie = subject["examples"][0]["cookie"].as_str().unwrap();
        assert_eq!(cookie, format!("{:#x}", group.idles.cookie("l")));
    }
);
