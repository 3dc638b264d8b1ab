//! Old kernels and sandboxes: what docs/kernels.md promises of them.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::{
    Network, Output, Pair, Program, Row, Socket, Tcpdiag, ip, lab, linux_3_10, refusal, refusing,
    require,
};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every command that asks the kernel for sockets.
const COMMANDS: [&[&str]; 7] = [
    &["conns"],
    &["conns", "--interval", "100ms", "--count", "1"],
    &["listeners"],
    &["services", "--duration", "200ms"],
    &["diagnose", "--duration", "200ms"],
    &["diagnose", "--duration", "200ms", "--no-events"],
    &["record", "--count", "1", "--interval", "100ms"],
];

/// Runs one of them, with its files in `directory`.
fn run(tcpdiag: &Tcpdiag, command: &[&str], directory: &std::path::Path) -> Output {
    let file = directory.join("recording.pcapng");
    let file = file.to_str().unwrap();
    let mut arguments = command.to_vec();
    if command.starts_with(&["record"]) {
        arguments.extend(["--force", file]);
    }
    tcpdiag.run(&arguments)
}

lab!(
    fn every_command_runs_on_linux_3_10() {
        let directory = tempfile::tempdir().unwrap();
        let home = |name: &str| {
            let home = directory.path().join(name);
            std::fs::create_dir(&home).unwrap();
            home.to_str().unwrap().to_owned()
        };
        let refused = refusal(&linux_3_10(&home("probe")));
        if !require(refused.is_none(), refused.as_deref().unwrap_or_default()) {
            return;
        }
        let listener = Socket::listening(V4, 0, 8);
        let pair = Pair::new(&listener, V4);
        let commands: [&[&str]; 2] = [&["stats", "--no-history"], &["sysctl"]];
        for (number, command) in COMMANDS.iter().chain(&commands).enumerate() {
            let tcpdiag = Tcpdiag::under(linux_3_10(&home(&number.to_string())));
            let output = run(&tcpdiag, command, directory.path());
            assert_eq!(output.code, Some(0), "{command:?}: {}", output.stderr);
            let is_of_events = ["services", "diagnose", "record"].contains(&command[0]);
            let says = |text: &str| output.stderr.contains(text) || output.stdout.contains(text);
            assert_eq!(
                says("destroy events"),
                is_of_events && !command.contains(&"--no-events"),
                "{command:?}: {}{}",
                output.stdout,
                output.stderr
            );
        }
        let tcpdiag = Tcpdiag::under(linux_3_10(&home("rows")));
        let rows = tcpdiag.rows(&["conns"]);
        let cookies: Vec<u64> = rows.iter().map(Row::cookie).collect();
        assert!(pair.cookies().iter().all(|cookie| cookies.contains(cookie)), "{cookies:?}");
        // Counters are those of the network namespace of the thread.
        let stats = Tcpdiag::under(linux_3_10(&home("stats")));
        let document = stats.document(&["stats", "--no-history", "TcpPassiveOpens", "-o", "json"]);
        assert_eq!(document["counters"][0]["value"], 1);
    }
);

lab!(
    fn another_namespace_on_linux_3_10() {
        let directory = tempfile::tempdir().unwrap();
        let wrapper = linux_3_10(directory.path().to_str().unwrap());
        let refused = refusal(&wrapper);
        if !require(refused.is_none(), refused.as_deref().unwrap_or_default()) {
            return;
        }
        let there = Network::new();
        let listener = there.inside(|| Socket::listening(V4, 0, 8));
        let _pair = there.inside(|| Pair::new(&listener, V4));
        // A name, because pids and paths of this procfs mean nothing in the other.
        let names = directory.path().join("netns");
        std::fs::create_dir(&names).unwrap();
        let name = names.join("there");
        std::fs::write(&name, "").unwrap();
        let mount = std::process::Command::new("mount")
            .args(["--bind", &there.path(), name.to_str().unwrap()])
            .status()
            .unwrap();
        assert!(mount.success());
        let home = directory.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let tcpdiag = Tcpdiag::under(linux_3_10(home.to_str().unwrap()));
        let spec = ["--netns", name.to_str().unwrap()];
        let rows = tcpdiag.rows(&[&["listeners"], &spec[..]].concat());
        assert_eq!(rows.iter().map(Row::cookie).collect::<Vec<_>>(), [listener.cookie()]);
        let stats = ["stats", "--no-history", "TcpPassiveOpens", "-o", "json"];
        let document = tcpdiag.document(&[&stats[..], &spec[..]].concat());
        // A temporary thread opened the files: not those of the process.
        assert_eq!(document["counters"][0]["value"], 1);
    }
);

lab!(
    fn owners_are_found_without_statx_and_kcmp() {
        let directory = tempfile::tempdir().unwrap();
        let program = Program::start("holder", directory.path());
        program.run("l = listen(7301)");
        let cookie = program.cookie("l");
        for rules in [
            &["after-3.10=ENOSYS"][..],
            // Container runtimes answer so for calls that they do not know.
            &["statx=EPERM"],
            &["after-3.10=ENOSYS", "kcmp=ENOSYS"],
        ] {
            let wrapper = refusing(rules);
            let refused = refusal(&wrapper);
            if !require(refused.is_none(), refused.as_deref().unwrap_or_default()) {
                return;
            }
            let rows = Tcpdiag::under(wrapper).rows(&["listeners", "--processes"]);
            let row = rows.iter().find(|row| row.cookie() == cookie).unwrap();
            assert_eq!(row.at("processes").unwrap()[0]["comm"], "holder", "{rules:?}");
        }
    }
);

lab!(
    fn a_refusal_names_its_cause_and_the_way_out_once() {
        let directory = tempfile::tempdir().unwrap();
        for (rule, cause, way_out) in [
            ("socket=EAFNOSUPPORT", "(os error 97)", "RestrictAddressFamilies="),
            ("socket=EPERM", "(os error 1)", "seccomp profile"),
            ("socket=EACCES", "(os error 13)", "netlink_tcpdiag_socket"),
            ("socket=EPROTONOSUPPORT", "(os error 93)", "CONFIG_INET_DIAG"),
        ] {
            let wrapper = refusing(&[rule]);
            let refused = refusal(&wrapper);
            if !require(refused.is_none(), refused.as_deref().unwrap_or_default()) {
                return;
            }
            let tcpdiag = Tcpdiag::under(wrapper);
            let mut texts = std::collections::BTreeSet::new();
            for command in COMMANDS {
                let Output { code, stderr, .. } = run(&tcpdiag, command, directory.path());
                assert_eq!(code, Some(2), "{rule} {command:?}: {stderr}");
                for text in [cause, way_out] {
                    assert_eq!(stderr.matches(text).count(), 1, "{rule} {command:?}: {stderr}");
                }
                texts.insert(stderr);
            }
            assert_eq!(texts.len(), 1, "the same in every command: {texts:?}");
            // The listeners are only a part of it.
            let output = tcpdiag.run(&["sysctl"]);
            assert_eq!((output.code, output.stderr.matches(way_out).count()), (Some(0), 1));
        }
    }
);

lab!(
    as Root
    fn a_user_namespace_is_named_as_the_cause() {
        let listener = Socket::listening(V4, 0, 8);
        // Root of a user namespace that owns neither this network namespace nor the processes.
        let wrapper = ["unshare", "--user", "--map-root-user"].map(str::to_owned);
        let tcpdiag = Tcpdiag::under(wrapper.into());
        let output = tcpdiag.run(&["listeners", "-P"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stdout.contains("(hidden)"), "{}", output.stdout);
        assert!(output.stderr.contains("run in the host's user namespace"), "{}", output.stderr);
        let output = tcpdiag.run(&["conns", "-N", "all"]);
        assert!(output.stderr.contains("run in the host's user namespace"), "{}", output.stderr);
        // It has CAP_NET_ADMIN, which does not count for this network namespace.
        let document = tcpdiag.document(&["listeners", "-o", "json"]);
        let limited = document["quality"]["permission_limited"].to_string();
        assert!(limited.contains("CAP_NET_ADMIN in the user namespace that owns"), "{limited}");
        // Nothing is missing where it owns the network namespace.
        let own = ["unshare", "--user", "--map-root-user", "--net"].map(str::to_owned);
        let document = Tcpdiag::under(own.into()).document(&["conns", "-o", "json"]);
        assert_eq!(document["quality"]["permission_limited"], serde_json::json!([]));
        drop(listener);
    }
);

lab!(
    fn link_local_peers_on_two_links() {
        let directory = tempfile::tempdir().unwrap();
        let far = Network::new();
        for number in [1, 2] {
            let there = far.path();
            ip(&format!("link add near{number} type veth peer name far{number} netns {there}"))
                .unwrap();
            ip(&format!("address add fe80::2/64 dev near{number} nodad")).unwrap();
            ip(&format!("link set near{number} up")).unwrap();
            far.inside(|| {
                ip(&format!("address add fe80::1/64 dev far{number} nodad")).unwrap();
                ip(&format!("link set far{number} up")).unwrap();
            });
        }
        let server = Program::start_in(&far.path(), "server", directory.path());
        let client = Program::start("client", directory.path());
        server.run("l = listen(7302, '::')");
        for (name, link) in [("a", "near1"), ("b", "near2")] {
            let link = format!("socket.if_nametoindex('{link}')");
            client
                .run(&format!("{name} = new('::'); {name}.connect(('fe80::1', 7302, 0, {link}))"));
        }
        server.run("c = accept(l); d = accept(l)");
        let [first, second] = ["a", "b"].map(|name| client.cookie(name));
        let tcpdiag = Tcpdiag::new();
        let found = |arguments: &[&str]| {
            let rows = tcpdiag.rows(&[&["conns"], arguments].concat());
            let mut cookies: Vec<u64> = rows.iter().map(Row::cookie).collect();
            cookies.sort_unstable();
            cookies
        };
        let mut both = vec![first, second];
        both.sort_unstable();
        assert_eq!(found(&["dst fe80::1"]), both);
        assert_eq!(found(&["dst fe80::1%near1"]), [first]);
        assert_eq!(found(&["dst [fe80::1%near2]:7302"]), [second]);
        assert_eq!(found(&["dst != fe80::1%near2"]), [first]);
        assert_eq!(found(&["--remote-ip", "fe80::1%near2"]), [second]);
        assert_eq!(found(&["--local-ip", "fe80::%near1/64"]), [first]);
        // A printed address can be pasted back.
        let table = tcpdiag.run(&["conns", "--columns", "remote", "--no-header"]).stdout;
        let mut printed: Vec<&str> = table.lines().map(str::trim).collect();
        printed.sort_unstable();
        assert_eq!(printed, ["[fe80::1%near1]:7302", "[fe80::1%near2]:7302"]);
        assert_eq!(found(&[&format!("dst {}", printed[1])]), [second]);
        for arguments in [&["dst fe80::1%eth7"][..], &["--remote-ip", "fe80::1%eth7"]] {
            let output = tcpdiag.run(&[&["conns"], arguments].concat());
            assert_eq!(output.code, Some(2));
            for text in ["no interface `eth7`", "`lo`, `near1`, `near2`"] {
                assert!(output.stderr.contains(text), "{}", output.stderr);
            }
        }
        // In another namespace the interfaces are that one's.
        let path = far.path();
        let rows = tcpdiag.rows(&["conns", "--netns", &path, "src fe80::1%far2"]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].text("interface.name"), "far2");
        let services =
            tcpdiag.document(&["services", "--by", "remote", "--duration", "300ms", "-o", "json"]);
        let names = services["services"].as_array().unwrap().iter();
        let names = names.map(|service| service["service"].as_str().unwrap());
        let peers: Vec<&str> = names.filter(|name| name.contains("fe80::1%")).collect();
        assert_eq!(peers.len(), 2, "{services}");
    }
);
