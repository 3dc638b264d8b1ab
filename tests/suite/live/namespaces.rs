//! Other network namespaces.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::lab::{Child, Output, Socket, Tcpdiag, cookies, lab, require};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A namespace held by a child, with a listener.
struct OtherNamespace {
    child: Child,
    listener: Socket,
    inode: u64,
}

impl OtherNamespace {
    fn new(wrapper: &[&str]) -> Self {
        let child = Child::running(wrapper, Path::new("sleep"));
        let path = format!("/proc/{}/ns/net", child.pid());
        let (listener, inode) = (listening_in(&path), inode(&path));
        Self { child, listener, inode }
    }

    fn pid(&self) -> String {
        self.child.pid().to_string()
    }
}

fn inode(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().ino()
}

/// A socket in another namespace, made by a thread that enters it and ends.
fn listening_in(path: &str) -> Socket {
    let file = std::fs::File::open(path).unwrap();
    let make = move || {
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&file),
            Some(LinkNameSpaceType::Network),
        )
        .unwrap();
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        Socket::listening(V4, 0, 8)
    };
    std::thread::spawn(make).join().unwrap()
}

lab!(
    fn namespaces_are_selected_by_pid_and_path() {
        let here = Socket::listening(V4, 0, 8);
        let there = OtherNamespace::new(&["unshare", "--net"]);
        let tcpdiag = Tcpdiag::new();
        let path = format!("/proc/{}/ns/net", there.pid());
        for spec in [there.pid().as_str(), &path] {
            let document = tcpdiag.document(&["listeners", "--netns", spec, "-o", "json"]);
            assert_eq!(document["netns"]["inode"], there.inode);
            let rows = Tcpdiag::rows_of(document);
            assert_eq!(cookies(&rows), [there.listener.cookie()].into(), "--netns {spec}");
        }
        let own = tcpdiag.document(&["listeners", "-o", "json"]);
        assert_eq!(own["netns"]["inode"], inode("/proc/self/ns/net"));
        assert_eq!(cookies(&Tcpdiag::rows_of(own)), [here.cookie()].into());
        // Both at once: each row names its namespace; a repeated namespace counts once.
        let own = std::process::id().to_string();
        let specs = ["--netns", &own, "--netns", &there.pid(), "--netns", &path];
        let rows = tcpdiag.rows(&[&["listeners"], &specs[..]].concat());
        assert_eq!(rows.len(), 2);
        for row in rows {
            let expected = if row.cookie() == here.cookie() {
                inode("/proc/self/ns/net")
            } else {
                there.inode
            };
            assert_eq!(row.number("netns.inode"), Some(expected));
        }
    }
);

lab!(
    fn namespaces_are_selected_by_name() {
        // In this test's mount namespace only.
        let mounted = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().unwrap();
        let added = mounted.success()
            && Command::new("ip").args(["netns", "add", "tcpdiag-lab"]).status().unwrap().success();
        if !require(added, "ip netns add is not permitted") {
            return;
        }
        let path = "/run/netns/tcpdiag-lab";
        let listener = listening_in(path);
        let tcpdiag = Tcpdiag::new();
        let document = tcpdiag.document(&["listeners", "--netns", "tcpdiag-lab", "-o", "json"]);
        assert_eq!(document["netns"]["name"], "tcpdiag-lab");
        assert_eq!(document["netns"]["inode"], inode(path));
        let rows = Tcpdiag::rows_of(document);
        assert_eq!(cookies(&rows), [listener.cookie()].into());
        // From inside, its own sockets have the name too.
        let all = tcpdiag.run(&["listeners", "--netns", "all", "-O"]);
        assert!(all.stdout.lines().next().unwrap().starts_with("NETNS"), "{}", all.stdout);
        assert!(all.stdout.contains("tcpdiag-lab "), "{}", all.stdout);
        drop(listener);
        assert!(
            Command::new("ip").args(["netns", "del", "tcpdiag-lab"]).status().unwrap().success()
        );
        refused(&tcpdiag.run(&["conns", "--netns", "tcpdiag-lab"]), "no network namespace");
    }
);

lab!(
    fn all_namespaces_are_read() {
        let here = Socket::listening(V4, 0, 8);
        let there = OtherNamespace::new(&["unshare", "--net"]);
        let document = Tcpdiag::new().document(&["listeners", "--netns", "all", "-o", "json"]);
        assert!(document["netns"].is_null(), "no one for all rows");
        let rows = Tcpdiag::rows_of(document);
        for (socket, inode) in [(&here, inode("/proc/self/ns/net")), (&there.listener, there.inode)]
        {
            let row = rows.iter().find(|row| row.cookie() == socket.cookie());
            assert_eq!(row.unwrap().number("netns.inode"), Some(inode));
        }
        let filtered = Tcpdiag::new().rows(&[
            "listeners",
            "--netns",
            "all",
            &format!("netns = {}", there.inode),
        ]);
        assert_eq!(cookies(&filtered), [there.listener.cookie()].into());
        // Namespaces that cannot be entered are reported.
        let powerless = Tcpdiag::powerless();
        let output = powerless.run(&["listeners", "--netns", "all", "-o", "json"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("CAP_SYS_PTRACE"), "{}", output.stderr);
        let seen = Tcpdiag::rows_of(serde_json::from_str(&output.stdout).unwrap());
        assert!(cookies(&seen).contains(&here.cookie()));
        assert!(!cookies(&seen).contains(&there.listener.cookie()));
    }
);

/// Checks that it failed as wrong usage does, with the reason.
#[track_caller]
fn refused(output: &Output, word: &str) {
    assert_eq!(output.code, Some(2), "{}{}", output.stdout, output.stderr);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains(word), "no {word} in {}", output.stderr);
    assert_eq!(output.stderr.trim_end().lines().count(), 1, "{}", output.stderr);
}

lab!(
    fn without_privilege_the_capability_is_named() {
        let there = OtherNamespace::new(&["unshare", "--net"]);
        let powerless = Tcpdiag::powerless();
        refused(&powerless.run(&["conns", "--netns", &there.pid()]), "CAP_SYS_PTRACE");
        // A namespace that it may see but not enter.
        let drop = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
        let wrapper = [&["unshare", "--net", "setpriv"], &drop[..]].concat();
        let weak = Child::running(&wrapper, Path::new("sleep"));
        let output = powerless.run(&["conns", "--netns", &weak.pid().to_string()]);
        refused(&output, "CAP_SYS_ADMIN");
        // Its own needs nothing.
        let own = std::process::id();
        let seen = powerless.run(&["conns", "--netns", "/proc/self/ns/net"]);
        assert_eq!(seen.code, Some(0), "{own}: {}", seen.stderr);
    }
);

lab!(as Root
    fn as_another_user_the_capability_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let nobody = Tcpdiag::as_nobody(directory.path());
        if !require(nobody.run(&["conns"]).code == Some(0), "nobody cannot run a program here") {
            return;
        }
        let there = OtherNamespace::new(&["unshare", "--net"]);
        refused(&nobody.run(&["conns", "--netns", &there.pid()]), "CAP_SYS_PTRACE");
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let own = Child::running(&[&["unshare", "--net"], &user[..]].concat(), Path::new("sleep"));
        refused(&nobody.run(&["conns", "--netns", &own.pid().to_string()]), "CAP_SYS_ADMIN");
    }
);

lab!(
    fn other_files_are_refused_as_namespaces() {
        let tcpdiag = Tcpdiag::new();
        for spec in
            ["no-such-name", "4194304000", "/no/such/file", "/etc/passwd", "/proc/self/ns/uts"]
        {
            let output = tcpdiag.run(&["conns", "--netns", spec]);
            refused(&output, spec);
        }
    }
);
