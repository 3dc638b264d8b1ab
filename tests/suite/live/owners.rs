//! Owners of sockets, and the message when they are hidden.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::lab::{Child, Pair, Row, Socket, Tcpdiag, cookies, lab, require};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn find(rows: &[Row], socket: &Socket) -> Row {
    let row = rows.iter().find(|row| row.cookie() == socket.cookie());
    row.expect("the socket is listed").clone()
}

fn own_comm() -> String {
    std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned()
}

lab!(
    fn this_process_and_a_child_that_shares() {
        let listener = Socket::listening(V4, 0, 8);
        let (shared, alone) = (Pair::new(&listener, V4), Pair::new(&listener, V4));
        let child = Child::holding(&shared.server, &[]);
        let own = u64::from(std::process::id());
        let tcpdiag = Tcpdiag::new();

        let rows = tcpdiag.rows(&["conns", "-P"]);
        let row = find(&rows, &alone.client);
        assert_eq!(row.pids(), [own]);
        assert_eq!(row.number("inode"), Some(alone.client.inode()));
        let holder = &row.at("processes").unwrap()[0];
        assert_eq!(holder["comm"], own_comm());
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&alone.client));
        assert_eq!(holder["fd"], descriptor);
        let mut both = [own, u64::from(child.pid())];
        both.sort_unstable();
        for flags in [["conns", "-P"], ["conns", "--all-owners"]] {
            assert_eq!(find(&tcpdiag.rows(&flags), &shared.server).pids(), both, "{flags:?}");
        }
        // Absent unless requested.
        assert!(find(&tcpdiag.rows(&["conns"]), &alone.client).at("processes").is_none());

        let asked = |arguments: &[&str]| cookies(&tcpdiag.rows(arguments));
        let of_child = [shared.server.cookie()].into();
        assert_eq!(asked(&["conns", "--pid", &child.pid().to_string()]), of_child);
        assert_eq!(asked(&["conns", &format!("pid = {}", child.pid())]), of_child);
        assert_eq!(asked(&["conns", "--process", "sleep"]), of_child);
        assert_eq!(asked(&["conns", "comm = sleep"]), of_child);
        assert_eq!(asked(&["conns", "comm = 'sle*'"]), of_child);
        let all = [shared.cookies(), alone.cookies()].concat().into_iter().collect();
        assert_eq!(asked(&["conns", "--pid", &own.to_string()]), all);
        assert_eq!(asked(&["conns", "--process", &own_comm()]), all);
        assert_eq!(asked(&["conns", "not comm = sleep"]), &all - &of_child);
        assert_eq!(asked(&["conns", "--pid", "1"]), [].into());
        // In the table too.
        let table = tcpdiag.run(&["conns", "-P", "-O", "--pid", &child.pid().to_string()]);
        assert!(table.stdout.contains("+1"), "{}", table.stdout);
        let named = format!("{}/{}", own_comm(), own);
        let shown = tcpdiag.run(&["conns", "--columns", "process,local"]);
        assert!(shown.stdout.contains(&named), "no {named} in {}", shown.stdout);
    }
);

lab!(
    fn owners_are_looked_up_by_any_name_of_their_column() {
        let listener = Socket::listening(V4, 0, 8);
        let pair = Pair::new(&listener, V4);
        let expression = format!("lport = {}", pair.client.port());
        let holder = format!("{}/{}", own_comm(), std::process::id());
        let tcpdiag = Tcpdiag::new();
        for header in ["process", "PROCESS", "Process"] {
            for more in [&[][..], &["-o", "csv"]] {
                let shown = ["conns", &expression, "--no-header", "--columns", header];
                let output = tcpdiag.run(&[&shown[..], more].concat());
                assert_eq!(output.stdout.trim(), holder, "{header} {more:?}");
            }
        }
    }
);

lab!(
    fn orphans_and_unaccepted_connections_have_no_owner() {
        let listener = Socket::listening(V4, 0, 8);
        let client = Socket::of(V4);
        client.connect(V4, listener.port());
        let rows = Tcpdiag::new().rows(&["conns", "-P"]);
        let row = rows.iter().find(|row| row.port() == u64::from(listener.port())).unwrap();
        assert_eq!(row.number("inode"), Some(0));
        assert_eq!(row.at("processes"), Some(&Value::Array(Vec::new())));
        assert!(row.at("processes_hidden").is_none());
    }
);

lab!(
    fn without_capabilities_owners_are_hidden() {
        let listener = Socket::listening(V4, 0, 8);
        let client = Socket::of(V4);
        client.set_number(libc::SOL_SOCKET, libc::SO_MARK, 7).unwrap();
        let pair = Pair::with(client, &listener, V4);
        let privileged = Tcpdiag::new().document(&["conns", "-P", "-o", "json"]);
        // This process has capabilities that the unprivileged one lacks: its descriptors are hidden.
        let unprivileged = Tcpdiag::powerless().document(&["conns", "-P", "-o", "json"]);
        check_only_owners_are_hidden(&privileged, &unprivileged, &pair);
        let strict = Tcpdiag::powerless().run(&["conns", "-P", "--strict", "-o", "json"]);
        assert_eq!(strict.code, Some(3), "{}", strict.stderr);
        let table = Tcpdiag::powerless().run(&["conns", "-P", "-O"]);
        assert!(table.stdout.contains("(hidden)"), "{}", table.stdout);
        assert!(table.stderr.contains("CAP_SYS_PTRACE"), "{}", table.stderr);
        let by_name = Tcpdiag::powerless().rows(&["conns", "comm = sleep"]);
        assert!(by_name.is_empty(), "a hidden owner was taken for a name: {by_name:?}");
    }
);

/// Compares the output without privileges with the output with them.
fn check_only_owners_are_hidden(privileged: &Value, unprivileged: &Value, pair: &Pair) {
    let quality = &unprivileged["quality"];
    assert!(quality["processes_hidden"].as_u64().unwrap() > 0, "{quality}");
    let limited = quality["permission_limited"].as_array().unwrap();
    let says = |word: &str| limited.iter().any(|line| line.as_str().unwrap().contains(word));
    assert!(says("CAP_SYS_PTRACE") && says("CAP_NET_ADMIN"), "{limited:?}");
    let (full, seen) =
        (Tcpdiag::rows_of(privileged.clone()), Tcpdiag::rows_of(unprivileged.clone()));
    assert_eq!(cookies(&full), cookies(&seen));
    for socket in [&pair.client, &pair.server] {
        let (full, seen) = (find(&full, socket), find(&seen, socket));
        assert!(seen.is("processes_hidden"), "{seen:?}");
        assert!(seen.at("processes").is_none());
        assert_eq!(full.pids(), [u64::from(std::process::id())]);
        assert!(full.at("mark").is_some() && seen.at("mark").is_none());
        // Everything else is there.
        let rest = |row: &Row| {
            let mut keys: Vec<String> = row.0.as_object().unwrap().keys().cloned().collect();
            keys.retain(|key| !key.starts_with("processes") && key != "mark");
            keys
        };
        assert_eq!(rest(&full), rest(&seen));
        for path in ["tcp_info.bytes_acked", "inode", "skmem.rcvbuf", "tcp_info.segs_out"] {
            assert_eq!(full.number(path), seen.number(path), "{path}");
            assert!(seen.number(path).is_some(), "{path}");
        }
        assert_eq!(full.text("congestion"), seen.text("congestion"));
    }
}

lab!(as Root
    fn another_user_sees_all_but_the_owners() {
        let directory = tempfile::tempdir().unwrap();
        let nobody = Tcpdiag::as_nobody(directory.path());
        if !require(nobody.run(&["conns"]).code == Some(0), "nobody cannot run a program here") {
            return;
        }
        let listener = Socket::listening(V4, 0, 8);
        let client = Socket::of(V4);
        client.set_number(libc::SOL_SOCKET, libc::SO_MARK, 7).unwrap();
        let pair = Pair::with(client, &listener, V4);
        let lent = Pair::new(&listener, V4);
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let child = Child::holding(&lent.client, &user);

        let privileged = Tcpdiag::new().document(&["conns", "-P", "-o", "json"]);
        let unprivileged = nobody.document(&["conns", "-P", "-o", "json"]);
        check_only_owners_are_hidden(&privileged, &unprivileged, &pair);
        // It sees its own process.
        let seen = find(&Tcpdiag::rows_of(unprivileged), &lent.client);
        assert_eq!(seen.pids(), [u64::from(child.pid())]);
    }
);

lab!(as Root
    fn sockets_are_filtered_by_user() {
        let listener = Socket::listening(V4, 0, 8);
        let pair = Pair::new(&listener, V4);
        let given = Pair::new(&listener, V4);
        // A socket's user is that of its inode.
        rustix::fs::fchown(&given.client, Some(rustix::fs::Uid::from_raw(65534)), None).unwrap();
        let tcpdiag = Tcpdiag::new();
        let asked = |arguments: &[&str]| cookies(&tcpdiag.rows(arguments));
        let of_nobody = [given.client.cookie()].into();
        let of_root =
            [pair.cookies().as_slice(), &[given.server.cookie()]].concat().into_iter().collect();
        assert_eq!(asked(&["conns", "--uid", "65534"]), of_nobody);
        assert_eq!(asked(&["conns", "--uid", "nobody"]), of_nobody);
        assert_eq!(asked(&["conns", "uid = 65534"]), of_nobody);
        assert_eq!(asked(&["conns", "--uid", "0"]), of_root);
        assert_eq!(asked(&["conns", "--uid", "0", "--uid", "65534"]), &of_root | &of_nobody);
        assert_eq!(asked(&["conns", "uid > 0"]), of_nobody);
    }
);

/// A cgroup below that of the hierarchy's root, gone with its owner.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(point))
        })?;
        let path = root.join(format!("tcpdiag-test-{}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    fn name(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_string_lossy())
    }

    fn enter(path: &Path) -> bool {
        std::fs::write(path.join("cgroup.procs"), std::process::id().to_string()).is_ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        Self::enter(self.0.parent().unwrap());
        let _ = std::fs::remove_dir(self.0.join("inner"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

lab!(as Root
    fn sockets_are_filtered_by_cgroup() {
        let cgroup = Cgroup::new();
        if !require(cgroup.is_some(), "no cgroup v2 that may be written to") {
            return;
        }
        let cgroup = cgroup.unwrap();
        let listener = Socket::listening(V4, 0, 8);
        let outside = Socket::of(V4);
        if !require(Cgroup::enter(&cgroup.0), "processes may not be moved to a cgroup") {
            return;
        }
        let inside = Socket::of(V4);
        let [inside, outside] =
            [inside, outside].map(|client| Pair::with(client, &listener, V4));
        let name = cgroup.name();
        let tcpdiag = Tcpdiag::new();
        let row = find(&tcpdiag.rows(&["conns"]), &inside.client);
        assert_eq!(row.text("cgroup.path"), name);
        let asked = |arguments: &[&str]| cookies(&tcpdiag.rows(arguments));
        let there = [inside.client.cookie()].into();
        assert_eq!(asked(&["conns", "--cgroup", &name]), there);
        assert_eq!(asked(&["conns", &format!("cgroup = {name}")]), there);
        assert_eq!(asked(&["conns", "cgroup = '/tcpdiag-test-*'"]), there);
        // The flag also takes what is below, as its help says; the expression does not.
        let slash = format!("{name}/");
        for (path, found) in [(slash.as_str(), 1), (&name[1..], 1), ("/", 4)] {
            assert_eq!(asked(&["conns", "--cgroup", path]).len(), found, "--cgroup {path}");
        }
        let unknown = Tcpdiag::new().run(&["conns", "--cgroup", "/no-such"]);
        assert_eq!(unknown.code, Some(2));
        let inner = cgroup.0.join("inner");
        std::fs::create_dir(&inner).unwrap();
        assert!(Cgroup::enter(&inner));
        let deeper = Socket::listening(V4, 0, 1);
        Cgroup::enter(cgroup.0.parent().unwrap());
        let below = asked(&["listeners", "--cgroup", &name]);
        let exactly = asked(&["listeners", &format!("cgroup = {name}")]);
        std::fs::remove_dir(&inner).unwrap();
        assert_eq!((below, exactly), ([deeper.cookie()].into(), [].into()));
        let rest = asked(&["conns", &format!("not cgroup = {name}")]);
        assert_eq!(rest.len(), 3);
        assert!(rest.contains(&outside.client.cookie()));
    }
);
