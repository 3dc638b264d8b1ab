use super::*;

/// The rules of a configuration file.
fn rules(text: &str) -> Result<Rules, toml::de::Error> {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        service: Rules,
    }
    toml::from_str::<File>(text).map(|file| file.service)
}

fn end(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().unwrap();
    Endpoint { address: address.ip(), port: address.port() }
}

fn facts<'a>(local: &str, remote: &str, role: Role, owner: Owner<'a>) -> Facts<'a> {
    Facts { local: end(local), remote: end(remote), role, owner }
}

fn classifier(rules: &str, grouping: Grouping) -> Classifier {
    Classifier::new(self::rules(rules).unwrap(), grouping, PortNames::parse("http 80/tcp\n"))
}

fn process(name: &str) -> Owner<'_> {
    Owner { process: Some(name), ..Owner::default() }
}

fn unit(name: &str) -> Owner<'_> {
    Owner { unit: Some(name), process: Some("worker"), ..Owner::default() }
}

#[test]
fn names_in_order_of_how_firm_they_are() {
    let rules = r#"
        [[service]]
        name = "shop"
        port = [8000, 8001]
        [[service]]
        name = "db"
        port = 3306
        address = "10.1.0.0/16"
        role = "client"
        [[service]]
        name = "web"
        unit = "nginx"
        [[service]]
        name = "batch"
        cgroup = "/batch"
    "#;
    let mut classifier = classifier(rules, Grouping::Service);
    let batch = Owner { cgroup: Some("/batch/one"), ..Owner::default() };
    let batches = Owner { cgroup: Some("/batches"), process: Some("x"), ..Owner::default() };
    let container = Owner { container: Some("3f4a9cf7f6d3"), ..unit("docker.service") };
    let (server, client) = (Role::Server, Role::Client);
    let far = "192.0.2.1:50000";
    for (facts, name, port, owner) in [
        (facts("10.0.0.1:8001", far, server, process("java")), "shop", None, Some("java")),
        (
            facts("10.0.0.1:40000", "10.1.2.3:3306", client, process("php")),
            "→ db:3306",
            Some(3306),
            None,
        ),
        (
            facts("[::ffff:10.0.0.1]:40000", "[::ffff:10.1.2.3]:3306", client, process("php")),
            "→ db:3306",
            Some(3306),
            None,
        ),
        (
            facts("10.0.0.1:40000", "10.2.2.3:3306", client, process("php")),
            "→ mysql:3306",
            Some(3306),
            None,
        ),
        (
            facts("10.0.0.1:443", far, server, unit("nginx.service")),
            "web",
            None,
            Some("nginx.service"),
        ),
        (facts("10.0.0.1:9999", far, server, batch), "batch", None, None),
        (facts("10.0.0.1:9999", far, server, batches), "x", Some(9999), Some("x")),
        (
            facts("10.0.0.1:81", far, server, container),
            "3f4a9cf7f6d3",
            Some(81),
            Some("3f4a9cf7f6d3"),
        ),
        (
            facts("10.0.0.1:81", far, server, unit("caddy.service")),
            "caddy",
            Some(81),
            Some("caddy.service"),
        ),
        (
            facts("10.0.0.1:81", far, server, unit("session-3.scope")),
            "worker",
            Some(81),
            Some("session-3.scope"),
        ),
        (
            facts("10.0.0.1:81", far, server, unit("user@1000.service")),
            "worker",
            Some(81),
            Some("user@1000.service"),
        ),
        (facts("10.0.0.1:2181", far, server, Owner::default()), "zookeeper", Some(2181), None),
        (facts("10.0.0.1:12345", far, server, Owner::default()), "12345", Some(12345), None),
        // The client's own port and process never name it.
        (
            facts("10.0.0.1:80", "10.2.2.3:12345", client, process("curl")),
            "→ 12345",
            Some(12345),
            None,
        ),
        // A connection between two ephemeral ports of which nothing is known.
        (
            facts("10.0.0.1:40000", "10.2.2.3:40001", Role::Unknown, process("x")),
            "unknown",
            None,
            None,
        ),
        (facts("10.0.0.1:0", "0.0.0.0:0", Role::Unknown, process("x")), "unconnected", None, None),
    ] {
        let id = classifier.classify(&facts);
        let key = classifier.key(id).unwrap();
        assert_eq!((&*key.name, key.port, key.owner.as_deref()), (name, port, owner), "{facts:?}");
        assert_eq!(classifier.classify(&facts), id);
    }
}

#[test]
fn a_listener_is_remembered() {
    let mut classifier = classifier("", Grouping::Service);
    classifier.learn_listener(end("0.0.0.0:7777"), &process("app"));
    let far = "192.0.2.1:50000";
    let of = |classifier: &mut Classifier, facts: Facts<'_>| {
        let id = classifier.classify(&facts);
        let key = classifier.key(id).unwrap();
        (key.name.to_string(), key.role)
    };
    let unowned = |role| facts("10.0.0.1:7777", far, role, Owner::default());
    assert_eq!(of(&mut classifier, unowned(Role::Server)), ("app".into(), Role::Server));
    assert_eq!(of(&mut classifier, unowned(Role::Listener)), ("app".into(), Role::Server));
    // The listener was closed: what it accepted is still the server's.
    assert_eq!(of(&mut classifier, unowned(Role::Client)), ("app".into(), Role::Server));
    assert_eq!(of(&mut classifier, unowned(Role::Unknown)), ("app".into(), Role::Server));
    // Hidden once, known before.
    classifier.learn_listener(end("0.0.0.0:7777"), &Owner::default());
    assert_eq!(of(&mut classifier, unowned(Role::Server)).0, "app");
    // The port moved to another process.
    classifier.learn_listener(end("0.0.0.0:7777"), &process("other"));
    assert_eq!(of(&mut classifier, unowned(Role::Server)).0, "other");
    // A client on the same host knows whom it talks to.
    let local = facts("127.0.0.1:40000", "127.0.0.1:7777", Role::Client, process("curl"));
    assert_eq!(of(&mut classifier, local), ("→ other:7777".into(), Role::Client));
    // Socket activation: systemd listens, the service serves.
    classifier.learn_listener(end("[::]:22"), &process("systemd"));
    let handed = facts("[::1]:22", "[::1]:50000", Role::Server, process("sshd"));
    assert_eq!(of(&mut classifier, handed).0, "sshd");
}

#[test]
fn groupings() {
    let owner = Owner {
        process: Some("java"),
        unit: Some("app.service"),
        container: Some("c0ffee"),
        cgroup: Some("/system.slice/app.service"),
    };
    let server = facts("10.0.0.1:7777", "192.0.2.1:50000", Role::Server, owner);
    let client = facts("10.0.0.1:40000", "192.0.2.1:3306", Role::Client, owner);
    for (grouping, of_server, of_client) in [
        (Grouping::Service, "c0ffee", "→ mysql:3306"),
        (Grouping::Port, "7777", "→ 3306"),
        (Grouping::Process, "java", "java"),
        (Grouping::Unit, "app.service", "app.service"),
        (Grouping::Container, "c0ffee", "c0ffee"),
        (Grouping::Remote, "192.0.2.1", "→ 192.0.2.1"),
        (Grouping::Cgroup, "/system.slice/app.service", "/system.slice/app.service"),
    ] {
        let mut classifier = classifier("", grouping);
        let ids = [classifier.classify(&server), classifier.classify(&client)];
        assert_eq!(ids, [ServiceId(0), ServiceId(1)]);
        let names: Vec<&str> = classifier.services().map(|(_, key)| &*key.name).collect();
        assert_eq!(names, [of_server, of_client], "{grouping}");
        assert_eq!(grouping.name().parse(), Ok(grouping));
    }
    assert!("pid".parse::<Grouping>().is_err());
}

#[test]
fn rules_that_cannot_be() {
    for (text, wanted) in [
        ("[[service]]\nname = ''\nport = 1", "number 1 has an empty name"),
        ("[[service]]\nname = 'a'", "\"a\" says nothing"),
        ("[[service]]\nname = 'a'\naddress = '10.0.0'", "\"10.0.0\" is neither"),
        ("[[service]]\nname = 'a'\nports = 1", "unknown field `ports`"),
        ("[[service]]\nport = 1", "missing field `name`"),
        ("[[service]]\nname = 'a'\nport = 65536", "did not match"),
        ("[[service]]\nname = 'a'\nrole = 'listener'", "unknown variant `listener`"),
    ] {
        let error = rules(text).unwrap_err();
        assert!(error.to_string().contains(wanted), "{text:?}: {error}");
    }
    assert!(rules("").unwrap().is_empty());
}

#[test]
fn namespaces_have_listeners_of_their_own() {
    let mut classifier = classifier("", Grouping::Service);
    let socket = facts("10.0.0.1:7777", "192.0.2.1:50000", Role::Server, Owner::default());
    let mut names = Vec::new();
    for (namespace, owner) in [(1, "app"), (2, "other")] {
        classifier.enter(namespace, EPHEMERAL);
        assert!(!classifier.had_listener(7777));
        classifier.learn_listener(end("0.0.0.0:7777"), &process(owner));
    }
    for namespace in [1, 2, 3] {
        classifier.enter(namespace, EPHEMERAL);
        let id = classifier.classify(&socket);
        names.push(classifier.key(id).unwrap().name.to_string());
    }
    assert_eq!(names, ["app", "other", "7777"]);
}

#[test]
fn processes_are_asked_for_where_they_matter() {
    let asks = |classifier: &Classifier, role, local: &str| {
        classifier.asks_for_process(end(local), end("192.0.2.1:3306"), role)
    };
    let mut by_service = classifier("", Grouping::Service);
    assert!(asks(&by_service, Role::Server, "10.0.0.1:7777"), "no listener in sight");
    assert!(!asks(&by_service, Role::Client, "10.0.0.1:40000"));
    by_service.learn_listener(end("0.0.0.0:7777"), &process("app"));
    by_service.learn_listener(end("0.0.0.0:22"), &process("systemd"));
    by_service.learn_listener(end("0.0.0.0:23"), &Owner::default());
    assert!(!asks(&by_service, Role::Server, "10.0.0.1:7777"));
    assert!(asks(&by_service, Role::Server, "10.0.0.1:22"), "socket activation");
    assert!(!asks(&by_service, Role::Server, "10.0.0.1:23"), "hidden");
    let ruled = classifier("[[service]]\nname = 'a'\nprocess = 'php*'", Grouping::Service);
    assert!(asks(&ruled, Role::Client, "10.0.0.1:40000"));
    assert!(asks(&classifier("", Grouping::Unit), Role::Client, "10.0.0.1:40000"));
    assert!(!asks(&classifier("", Grouping::Remote), Role::Client, "10.0.0.1:40000"));
}
