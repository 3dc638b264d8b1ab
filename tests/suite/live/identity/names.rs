//! A service is named by a rule, a process or, if nothing else is known, a port.

use std::collections::{BTreeMap, BTreeSet};

use super::Views;
use super::expected::{Expected, check};
use crate::lab::{Program, Tcpdiag, lab};

lab!(
    fn a_rule_of_the_configuration_names_a_service_in_every_command() {
        let directory = tempfile::tempdir().unwrap();
        let shop = Program::start("shopd", directory.path());
        let caller = Program::start("caller", directory.path());
        shop.run("l = listen(7950)");
        caller.run("c = connect(7950)");
        shop.run("s = accept(l)");
        let home = directory.path().join("home");
        std::fs::create_dir_all(home.join("tcpdiag")).unwrap();
        let rule = "[[service]]\nname = 'shop'\nport = 7950\n";
        std::fs::write(home.join("tcpdiag/config.toml"), rule).unwrap();
        let tcpdiag = Tcpdiag::at_home(&home);
        let views = Views::collect_by(&tcpdiag, directory.path());
        check(
            &[
                Expected::listener(&shop, shop.cookie("l")).rule("shop"),
                Expected::accepted(&shop, shop.cookie("s")).rule("shop"),
                Expected::opened(&caller, caller.cookie("c")).rule("→ shop:7950"),
            ],
            &views,
        );
    }
);

lab!(
    fn a_filter_of_a_service_chooses_the_rows_that_have_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let programs = ["ape", "bee", "cat"].map(|name| Program::start(name, directory.path()));
        for (number, program) in programs.iter().enumerate() {
            program.run(&format!("l = listen({})", 7960 + number));
        }
        let [ape, bee, cat] = &programs;
        ape.run("c = connect(7961)");
        bee.run("s = accept(l); c = connect(7962)");
        cat.run("s = accept(l); c = connect(7960)");
        let tcpdiag = Tcpdiag::new();
        let mut by_name: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for row in tcpdiag.all() {
            by_name.entry(row.text("service").to_owned()).or_default().insert(row.cookie());
        }
        let names: Vec<&str> = by_name.keys().map(String::as_str).collect();
        assert_eq!(names, ["ape", "bee", "cat", "→ ape:7960", "→ bee:7961", "→ cat:7962"]);
        // The bare name also stands for the clients of the service.
        for (server, client) in
            [("ape", "→ ape:7960"), ("bee", "→ bee:7961"), ("cat", "→ cat:7962")]
        {
            let clients = by_name[client].clone();
            by_name.get_mut(server).unwrap().extend(clients);
        }
        for (name, sockets) in &by_name {
            let expression = format!("service = '{name}'");
            let rows = tcpdiag.rows(&["conns", "--state", "all", &expression]);
            assert_eq!(crate::lab::cookies(&rows), *sockets, "{expression}");
        }
    }
);

lab!(
    fn a_port_names_a_service_only_where_its_process_is_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let server = Program::start("server", directory.path());
        let caller = Program::start("caller", directory.path());
        // One port has a name and the other has none.
        for port in [6379, 7971] {
            server.run(&format!("l{port} = listen({port})"));
            caller.run(&format!("c{port} = connect({port})"));
            server.run(&format!("s{port} = accept(l{port})"));
        }
        let mut wrong = Vec::new();
        for (tcpdiag, known) in [(Tcpdiag::new(), true), (Tcpdiag::powerless(), false)] {
            let rows = tcpdiag.rows(&["conns", "--state", "all", "-P"]);
            for (port, name, basis) in [(6379, "redis", "port_name"), (7971, "7971", "port")] {
                let expected = if known { ("server", "process") } else { (name, basis) };
                for socket in ["l", "s"] {
                    let cookie = server.cookie(&format!("{socket}{port}"));
                    let row = rows.iter().find(|row| row.cookie() == cookie).unwrap();
                    let ours = (row.text("service"), row.text("service_basis"));
                    if ours != expected {
                        wrong.push(format!("{socket}{port}: {ours:?}, expected {expected:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
);

lab!(
    fn the_executable_names_a_process_whose_thread_goes_by_a_common_name() {
        let directory = tempfile::tempdir().unwrap();
        let server = Program::start("webapp", directory.path());
        let caller = Program::start("caller", directory.path());
        // As Node.js calls its first thread since version 20.
        server.run("libc.prctl(15, b'MainThread', 0, 0, 0); l = listen(7980)");
        caller.run("c = connect(7980)");
        server.run("s = accept(l)");
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", server.pid())).unwrap();
        assert_eq!(comm, "MainThread\n");
        let views = Views::collect(directory.path());
        assert_eq!(views.disagreements(), Vec::<String>::new());
        let [listener, accepted] = ["l", "s"].map(|socket| server.cookie(socket));
        for row in [views.listener(listener), views.conns(accepted)] {
            assert_eq!((row.text("service"), row.text("service_basis")), ("webapp", "process"));
        }
    }
);
