use super::*;
use crate::identity::{Rules, ServiceId};
use crate::procfs::PortNames;

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
    Facts {
        local: end(local),
        remote: end(remote),
        interface: 0,
        role,
        owner,
        owner_is: OwnerIs::Own,
        group: None,
        peer: None,
        is_service_port: true,
    }
}

fn registry(rules: &str, grouping: Grouping) -> ServiceRegistry {
    ServiceRegistry::new(self::rules(rules).unwrap(), grouping, PortNames::parse("http 80/tcp\n"))
}

fn enter(registry: &mut ServiceRegistry, facts: &Facts<'_>) -> (ServiceId, ServiceBasis) {
    let (parts, basis) = registry.parts(facts);
    let (found, new) = registry.find(&parts);
    (registry.enter(found, new, basis, RoleBasis::TcpInfo), basis)
}

fn process(name: &str) -> Owner<'_> {
    Owner { process: Some(name), ..Owner::default() }
}

fn unit(name: &str) -> Owner<'_> {
    Owner { unit: Some(name), process: Some("worker"), ..Owner::default() }
}

#[test]
fn link_local_peers_on_different_links_are_different() {
    let mut registry = registry("", Grouping::Remote);
    let on = |interface| Facts {
        interface,
        ..facts("[fe80::2]:40000", "[fe80::1]:443", Role::Client, Owner::default())
    };
    let [two, three, again] = [on(2), on(3), on(2)].map(|facts| enter(&mut registry, &facts).0);
    assert!(two != three && two == again);
    assert_eq!(&*registry.key(three).unwrap().name, "→ fe80::1%3");
}

#[test]
fn names_in_order_of_how_firm_they_are() {
    use ServiceBasis::{Container, Port, PortName, Process, Rule, Unit};
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
    let mut registry = registry(rules, Grouping::Service);
    let batch = Owner { cgroup: Some("/batch/one"), ..Owner::default() };
    let batches = Owner { cgroup: Some("/batches"), process: Some("x"), ..Owner::default() };
    let container = Owner { container: Some("3f4a9cf7f6d3"), ..unit("docker.service") };
    let far = "192.0.2.1:50000";
    let server = |local: &str, owner| facts(local, far, Role::Server, owner);
    let client = |remote: &str, owner| facts("10.0.0.1:40000", remote, Role::Client, owner);
    let mapped = Facts {
        local: end("[::ffff:10.0.0.1]:40000"),
        ..client("[::ffff:10.1.2.3]:3306", process("php"))
    };
    // (socket; name, port, owner, basis)
    for (facts, name, port, owner, basis) in [
        (server("10.0.0.1:8001", process("java")), "shop", None, Some("java"), Rule),
        (client("10.1.2.3:3306", process("php")), "→ db:3306", Some(3306), None, Rule),
        (mapped, "→ db:3306", Some(3306), None, Rule),
        (client("10.2.2.3:3306", process("php")), "→ mysql:3306", Some(3306), None, PortName),
        (server("10.0.0.1:443", unit("nginx.service")), "web", None, Some("nginx.service"), Rule),
        (server("10.0.0.1:9999", batch), "batch", None, None, Rule),
        (server("10.0.0.1:9999", batches), "x", Some(9999), Some("x"), Process),
        (
            server("10.0.0.1:81", container),
            "3f4a9cf7f6d3",
            Some(81),
            Some("3f4a9cf7f6d3"),
            Container,
        ),
        (
            server("10.0.0.1:81", unit("caddy.service")),
            "caddy",
            Some(81),
            Some("caddy.service"),
            Unit,
        ),
        (
            server("10.0.0.1:81", unit("session-3.scope")),
            "worker",
            Some(81),
            Some("session-3.scope"),
            Process,
        ),
        (
            server("10.0.0.1:81", unit("user@1000.service")),
            "worker",
            Some(81),
            Some("user@1000.service"),
            Process,
        ),
        // The name of a port only where nothing else is known, and never beside a process.
        (server("10.0.0.1:2181", process("java")), "java", Some(2181), Some("java"), Process),
        (server("10.0.0.1:2181", Owner::default()), "zookeeper", Some(2181), None, PortName),
        (server("10.0.0.1:12345", Owner::default()), "12345", Some(12345), None, Port),
        // The client's own port and process never name it.
        (client("10.2.2.3:12345", process("curl")), "→ 12345", Some(12345), None, Port),
        // Dropped: the kernel has forgotten the port.
        (client("10.2.2.3:0", process("haproxy")), "→ 10.2.2.3", None, None, Port),
        // A connection between two ephemeral ports of which nothing is known.
        (
            facts("10.0.0.1:40000", "10.2.2.3:40001", Role::Unknown, process("x")),
            "unknown",
            None,
            None,
            Port,
        ),
        (
            facts("10.0.0.1:0", "0.0.0.0:0", Role::Unknown, process("x")),
            "unconnected",
            None,
            None,
            Port,
        ),
    ] {
        let (id, found) = enter(&mut registry, &facts);
        let key = registry.key(id).unwrap();
        assert_eq!((&*key.name, key.port, key.owner.as_deref()), (name, port, owner), "{facts:?}");
        assert_eq!((found, key.basis), (basis, basis), "{facts:?}");
        assert_eq!(enter(&mut registry, &facts).0, id);
    }
}

#[test]
fn names_of_listeners_groups_and_peers() {
    let far = "192.0.2.1:50000";
    let server = |owner| facts("10.0.0.1:2181", far, Role::Server, owner);
    let client = facts("127.0.0.1:40000", "127.0.0.1:2181", Role::Client, process("curl"));
    let by_listener = Facts { owner_is: OwnerIs::Listeners, ..server(process("java")) };
    let by_group = Facts { group: Some("a+b"), ..server(Owner::default()) };
    let ephemeral = Facts { is_service_port: false, ..server(process("java")) };
    let unknown = Facts { is_service_port: false, ..server(Owner::default()) };
    for (facts, name, port, basis) in [
        (by_listener, "java", Some(2181), ServiceBasis::Listener),
        (by_group, "a+b", Some(2181), ServiceBasis::Group),
        (Facts { peer: Some("java"), ..client }, "→ java:2181", Some(2181), ServiceBasis::Listener),
        (ephemeral, "java", None, ServiceBasis::Process),
        (unknown, "unknown", None, ServiceBasis::Port),
    ] {
        let mut registry = registry("", Grouping::Service);
        let (id, found) = enter(&mut registry, &facts);
        let key = registry.key(id).unwrap();
        assert_eq!((&*key.name, key.port, found), (name, port, basis), "{facts:?}");
    }
}

#[test]
fn a_service_has_the_firmest_basis_of_its_sockets() {
    let mut registry = registry("", Grouping::Service);
    let held = facts("10.0.0.1:81", "192.0.2.1:50000", Role::Server, process("app"));
    let by_listener = Facts { owner_is: OwnerIs::Listeners, ..held };
    let (id, _) = enter(&mut registry, &by_listener);
    assert_eq!(registry.key(id).unwrap().basis, ServiceBasis::Listener);
    assert_eq!(enter(&mut registry, &held), (id, ServiceBasis::Process));
    assert_eq!(enter(&mut registry, &by_listener), (id, ServiceBasis::Listener));
    assert_eq!(registry.key(id).unwrap().basis, ServiceBasis::Process);
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
        let mut registry = registry("", grouping);
        let ids = [&server, &client].map(|facts| enter(&mut registry, facts).0);
        assert_eq!(ids, [ServiceId(0), ServiceId(1)]);
        let names: Vec<&str> = registry.services().map(|(_, key)| &*key.name).collect();
        assert_eq!(names, [of_server, of_client], "{grouping}");
        assert_eq!(grouping.name().parse(), Ok(grouping));
    }
    assert!("pid".parse::<Grouping>().is_err());
}

#[test]
fn rules_that_cannot_be() {
    for (text, wanted) in [
        ("[[service]]\nname = ''\nport = 1", "number 1 has an empty name"),
        ("[[service]]\nname = 'a'", "\"a\" has no conditions"),
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
fn a_service_has_the_firmest_role_of_its_connections() {
    use RoleBasis::{ListenerOnWildcard, Listening, Ports, TcpInfo};
    let mut registry = registry("", Grouping::Service);
    let facts = facts("10.0.0.1:81", "192.0.2.1:50000", Role::Server, process("app"));
    // A listener is no evidence of its connections' role.
    for (basis, shown) in [
        (Listening, Listening),
        (Ports, Ports),
        (Listening, Ports),
        (ListenerOnWildcard, ListenerOnWildcard),
        (TcpInfo, TcpInfo),
        (Ports, TcpInfo),
    ] {
        let (parts, service_basis) = registry.parts(&facts);
        let (found, new) = registry.find(&parts);
        let id = registry.enter(found, new, service_basis, basis);
        assert_eq!(registry.key(id).unwrap().role_basis, shown);
    }
}
