//! Names of network interfaces in expressions, where several network namespaces are asked for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::lab::{Network, Output, Socket, Tcpdiag, cookies, ip, lab};
use crate::recordings::command::new_file;

/// A listener that is bound to this interface.
fn bound_to(interface: &str) -> Socket {
    let socket = Socket::of(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    socket
        .set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, format!("{interface}\0").as_bytes())
        .unwrap();
    socket.listen(4);
    socket
}

/// A namespace with two interfaces of these names and indices, and a listener at each.
fn namespace(interfaces: [(&str, u32); 2]) -> (Network, [Socket; 2]) {
    let network = Network::new();
    let listeners = network.inside(|| {
        let [(one, first), (other, second)] = interfaces;
        let peer = format!("peer name {other} index {second}");
        ip(&format!("link add {one} index {first} type veth {peer}")).unwrap();
        [one, other].map(bound_to)
    });
    (network, listeners)
}

/// The cookies in the column of a table in CSV.
fn column(output: &Output) -> BTreeSet<u64> {
    let mut lines = output.stdout.lines();
    assert_eq!(lines.next(), Some("cookie"), "{}", output.stderr);
    let hexadecimal = |line: &str| u64::from_str_radix(line.trim_start_matches("0x"), 16).unwrap();
    lines.map(hexadecimal).collect()
}

lab!(
    fn an_interface_is_the_one_of_its_namespace() {
        // Index 45 is `only` in one namespace and `other` in the other one.
        let (red, [shared_red, only]) = namespace([("shared", 41), ("only", 45)]);
        let (blue, [shared_blue, other]) = namespace([("shared", 43), ("other", 45)]);
        let tcpdiag = Tcpdiag::new();
        let [red_path, blue_path] = [red.path(), blue.path()];
        let both = ["--netns", &red_path, "--netns", &blue_path];
        let (_directory, whole) = new_file();
        let whole = whole.to_str().unwrap();
        let run = |words: &[&str]| {
            let output = tcpdiag.run(words);
            assert_eq!(output.code, Some(0), "{words:?}: {}", output.stderr);
            output
        };
        run(&[&["record", whole, "--count", "2", "-i", "10ms"], &both[..]].concat());
        for (expression, sockets) in [
            ("dev shared", vec![&shared_red, &shared_blue]),
            ("dev only", vec![&only]),
            ("dev != only", vec![&shared_red, &shared_blue, &other]),
            ("dev other", vec![&other]),
            ("dev 45", vec![&only, &other]),
        ] {
            let expected: BTreeSet<u64> = sockets.iter().map(|socket| socket.cookie()).collect();
            let selected = |words: &[&str]| {
                cookies(&tcpdiag.rows(&[words, &["--state", "listen", expression]].concat()))
            };
            assert_eq!(selected(&[&["conns"], &both[..]].concat()), expected, "{expression}");
            let from = ["conns", "--netns", "all", "--read", whole];
            assert_eq!(selected(&from), expected, "{expression}, recorded");
            // What the kernel selects.
            let (_directory, part) = new_file();
            let part = part.to_str().unwrap();
            let count = ["record", part, "--count", "2", "-i", "10ms", expression];
            run(&[&count[..], &both[..]].concat());
            let rows = tcpdiag.rows(&["conns", "--state", "all", "--netns", "all", "--read", part]);
            assert_eq!(cookies(&rows), expected, "{expression}, recorded only");
            let table = ["convert", whole, "--netns", "all", "-o", "csv", "--columns", "cookie"];
            let converted = run(&[&table[..], &["--state", "listen", expression]].concat());
            assert_eq!(column(&converted), expected, "{expression}, converted");
        }
        // A namespace that is not chosen lends no names.
        let inode = blue.inode().to_string();
        for command in ["conns", "diagnose"] {
            let output = tcpdiag.run(&[command, "--read", whole, "--netns", &inode, "dev only"]);
            assert_eq!(output.code, Some(2), "{command}: {}", output.stdout);
            assert!(output.stderr.contains("no interface `only`"), "{}", output.stderr);
            assert!(!output.stderr.contains("`shared`, `only`"), "{}", output.stderr);
        }
    }
);
