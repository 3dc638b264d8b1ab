//! `tcpdiag conns EXPRESSION --kill`: what is listed dies, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use tcpdiag::model;
use tcpdiag::monitor::find_namespaces;
use tcpdiag::socket_diag::{Killed, Killer};

use crate::lab::{Network, Pair, Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Kills the connections from this port; returns the results.
#[track_caller]
fn kill(port: u16, more: &[&str]) -> Vec<Value> {
    let expression = format!("sport = :{port}");
    let arguments = [&["conns", &expression, "--kill", "--yes", "-o", "json"], more].concat();
    let mut document = Tcpdiag::new().document(&arguments);
    assert_eq!(document["schema"], "tcpdiag.kill/1");
    serde_json::from_value(document["results"].take()).unwrap()
}

/// Whether data still gets through.
fn lives(pair: &Pair) -> bool {
    let sent = rustix::net::send(&pair.client, &[1; 100], rustix::net::SendFlags::NOSIGNAL);
    if let Err(error) = sent {
        assert!([rustix::io::Errno::CONNABORTED, rustix::io::Errno::PIPE].contains(&error));
        return false;
    }
    pair.server.read(100);
    true
}

lab!(
    fn only_the_listed_socket_dies() {
        for (listens, connects) in [(V4, V4), (V6, V6), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), V4)] {
            let listener = Socket::listening(listens, 0, 8);
            let [doomed, other] = [(); 2].map(|()| Pair::new(&listener, connects));
            let results = kill(doomed.client.port(), &[]);
            assert_eq!(results.len(), 1, "{results:?}");
            assert_eq!(results[0]["result"], "killed");
            assert_eq!(results[0]["cookie"], format!("{:#x}", doomed.client.cookie()));
            assert!(!lives(&doomed) && lives(&other), "{listens} {connects}");
            // The server's end, whose addresses may be v4-mapped.
            let results =
                kill(listener.port(), &["--remote-port", &other.client.port().to_string()]);
            assert_eq!(results[0]["cookie"], format!("{:#x}", other.server.cookie()));
            assert_eq!(other.client.state(), 7, "it got a reset");
            // The listener lives.
            assert!(lives(&Pair::new(&listener, connects)));
        }
    }
);

lab!(
    fn too_many_and_none() {
        let listener = Socket::listening(V4, 0, 8);
        let pairs = [(); 3].map(|()| Pair::new(&listener, V4));
        let expression = format!("dport = :{}", listener.port());
        let run = |more: &[&str]| {
            Tcpdiag::new().run(&[&["conns", &expression, "--kill", "--yes"], more].concat())
        };
        let refused = run(&["--at-most", "2"]);
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
        let words = "3 connections match, and --at-most is 2: nothing was killed";
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(pairs.iter().all(lives));
        let none = run(&["--remote-port", "1"]);
        assert_eq!(none.code, Some(0));
        assert!(none.stderr.contains("no connection matches"), "{}", none.stderr);
        let powerless = Tcpdiag::powerless().run(&["conns", &expression, "--kill", "--yes"]);
        assert_eq!(powerless.code, Some(2));
        assert!(powerless.stderr.contains("--kill needs CAP_NET_ADMIN"), "{}", powerless.stderr);
        assert!(pairs.iter().all(lives));
        let all = run(&[]);
        assert_eq!(all.code, Some(0), "{}", all.stderr);
        let killed = all.stdout.lines().filter(|line| line.starts_with("killed 127.0.0.1:"));
        assert_eq!(killed.count(), 3, "{}", all.stdout);
        assert!(all.stderr.contains("3 connections killed"), "{}", all.stderr);
        assert!(!pairs.iter().any(lives));
    }
);

lab!(
    fn a_socket_that_was_used_again_lives() {
        let listener = Socket::listening(V4, 0, 8);
        let first = Pair::new(&listener, V4);
        let target = model::Socket {
            cookie: first.client.cookie(),
            local: model::Endpoint { address: V4, port: first.client.port() },
            remote: model::Endpoint { address: V4, port: listener.port() },
            interface: 0,
            ..model::Socket::BLANK
        };
        // No TIME-WAIT is left of it.
        let linger = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
        first.client.set(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
        drop(first);
        let here = find_namespaces(&[]).unwrap().0.remove(0);
        let mut killer = Killer::open_in(&here).unwrap();
        assert_eq!(killer.kill(&target), Killed::Gone);
        let again = Pair::with(Socket::bound(V4, target.local.port), &listener, V4);
        assert_ne!(again.client.cookie(), target.cookie);
        assert_eq!(killer.kill(&target), Killed::Gone);
        assert!(lives(&again));
        let target = model::Socket { cookie: again.client.cookie(), ..target };
        assert_eq!(killer.kill(&target), Killed::Killed);
        assert!(!lives(&again));
    }
);

lab!(
    fn in_another_namespace() {
        let network = Network::new();
        let (listener, pair) = network.inside(|| {
            let listener = Socket::listening(V4, 0, 8);
            let pair = Pair::new(&listener, V4);
            (listener, pair)
        });
        let port = pair.client.port();
        let here = Socket::listening(V4, port, 8);
        let own = Pair::new(&here, V4);
        assert!(kill(port, &["--remote-port", &listener.port().to_string()]).is_empty());
        let results = kill(port, &["-N", &network.path()]);
        assert_eq!(results.len(), 1, "{results:?}");
        assert_eq!(results[0]["netns"]["inode"], network.inode());
        assert!(!lives(&pair) && lives(&own));
    }
);

lab!(
    fn no_default_decides_what_is_killed() {
        let listener = Socket::listening(V4, 0, 8);
        let [doomed, other] = [(); 2].map(|()| Pair::new(&listener, V4));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let run = |defaults: &str, port: u16| {
            std::fs::write(&path, format!("[defaults]\nconns = {defaults}\n")).unwrap();
            let mut command = crate::lab::program();
            command.env("TCPDIAG_CONFIG", &path).args(["conns", "--kill", "--yes"]);
            command.arg("--local-port").arg(port.to_string()).output().unwrap()
        };
        // It would be killed too if the default were applied.
        let widening = format!("['--local-port', '{}']", other.client.port());
        assert_eq!(run(&widening, doomed.client.port()).status.code(), Some(0));
        assert!(!lives(&doomed) && lives(&other));
        // It would live if the default were applied.
        let narrowing = "['--remote-ip', '192.0.2.1']";
        assert_eq!(run(narrowing, other.client.port()).status.code(), Some(0));
        assert!(!lives(&other));
    }
);
