use std::process::{Child, Command, Stdio};

use super::*;
use crate::procfs::testing::{Privilege, as_nobody, skipped};

fn namespaces() -> Namespaces {
    Namespaces::new(Path::new("/proc"))
}

/// A child in a network namespace of its own.
struct Unshared(Child);

impl Unshared {
    fn start() -> Option<Self> {
        let child = Command::new("unshare")
            .args(["-rn", "sleep", "60"])
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let ours = namespaces().current().unwrap().inode;
        let theirs = || namespaces().resolve(&child.id().to_string()).ok().map(|found| found.inode);
        for _ in 0..200 {
            if theirs().is_some_and(|inode| inode != ours) {
                return Some(Self(child));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        drop(Self(child));
        None
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a socket of our namespace listens on this port.
fn listening(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A procfs as before Linux 3.17, and as before 3.19 for mounts.
#[test]
fn an_old_procfs_shows_the_current_namespace_and_mounted_ones() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let (root, me) = (directory.path(), std::process::id());
    let tid = rustix::thread::gettid().as_raw_nonzero();
    symlink(me.to_string(), root.join("self")).unwrap();
    symlink(format!("/proc/{tid}"), root.join(tid.to_string())).unwrap();
    let old = Namespaces::with_names(root, Vec::new());
    let current = old.current().unwrap();
    assert_eq!(current.inode, namespaces().current().unwrap().inode);
    assert_eq!(current.path, root.join(format!("{tid}/ns/net")));
    let table = format!(
        "22 27 0:3 / /proc rw - proc proc rw\n\
         41 31 0:3 / /proc/{me}/ns/net rw - proc proc rw\n\
         42 31 0:3 /sys /proc/sys rw - proc proc rw\n"
    );
    let mounts = tempfile::tempdir().unwrap();
    std::fs::create_dir(mounts.path().join("self")).unwrap();
    std::fs::write(mounts.path().join("self/mountinfo"), table).unwrap();
    let found = Namespaces::with_names(mounts.path(), Vec::new()).mounted();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].inode, current.inode);
}

#[test]
fn the_current_one_needs_no_privilege() {
    let here = namespaces().current().unwrap();
    let thread = std::thread::current().id();
    assert_eq!(here.inside(|| std::thread::current().id()).unwrap(), thread);
    let by_pid = namespaces().resolve(&std::process::id().to_string()).unwrap();
    assert_eq!((by_pid.inode, by_pid.pid), (here.inode, Some(std::process::id())));
    let by_path = namespaces().resolve("/proc/self/ns/net").unwrap();
    assert_eq!(by_path.inode, here.inode);
}

#[test]
fn a_temporary_thread_enters_the_namespace() {
    let Some(child) = Unshared::start() else {
        return skipped(Privilege::Namespaces);
    };
    let there = namespaces().resolve(&child.0.id().to_string()).unwrap();
    let before = namespaces().current().unwrap();
    assert_ne!(there.inode, before.inode);
    let outcome = there.inside(|| {
        (namespaces().current().unwrap().inode, std::net::TcpListener::bind("127.0.0.1:0").unwrap())
    });
    let (inode, listener) = match outcome {
        Err(NamespaceError::NotEnterable { .. }) => return skipped(Privilege::Namespaces),
        outcome => outcome.unwrap(),
    };
    assert_eq!(inode, there.inode);
    assert_eq!(namespaces().current().unwrap(), before);
    // The socket can be used here, but its port is open in the other namespace only. A socket of
    // another test may have one of the ports here.
    let mut listeners = vec![listener];
    for _ in 0..3 {
        let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listeners.push(there.inside(bind).unwrap());
    }
    let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
    assert!(listeners.iter().any(|it| !listening(port(it))), "{listeners:?}");
    let all = namespaces().all().unwrap();
    let found = all.namespaces.iter().filter(|found| found.inode == there.inode).count();
    assert_eq!(found, 1, "{all:?}");
    assert_eq!(all.namespaces[0].inode, before.inode);
    let stale = NetNamespace { inode: there.inode + 1, ..there };
    assert!(matches!(stale.inside(|| ()), Err(NamespaceError::Replaced { .. })));
}

#[test]
fn a_panic_inside_is_passed_on() {
    let here = namespaces().current().unwrap();
    let panic = std::panic::catch_unwind(|| here.inside(|| panic!("inside"))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"inside"));
}

#[test]
fn other_files_and_unknown_names_are_refused() {
    let namespaces = namespaces();
    for spec in ["no-such-name", "4294967295", "99999999999", "", ".", ".."] {
        let error = namespaces.resolve(spec).unwrap_err();
        assert!(matches!(error, NamespaceError::NotFound { .. }), "{spec}: {error}");
        assert!(error.to_string().contains("NAME, PID or PATH"), "{error}");
    }
    for spec in ["/etc/passwd", "/proc/self", "./"] {
        let error = namespaces.resolve(spec).unwrap_err();
        assert!(matches!(error, NamespaceError::NotANamespace { .. }), "{spec}: {error}");
    }
    let error = namespaces.resolve("/no/such/file").unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[test]
fn a_namespace_of_another_kind_is_not_entered() {
    let other = namespaces().resolve("/proc/self/ns/uts").unwrap();
    let error = other.inside(|| ()).unwrap_err();
    assert!(matches!(error, NamespaceError::NotANamespace { .. }), "{error}");
}

#[test]
fn a_name_goes_before_a_pid() {
    let directory = tempfile::tempdir().unwrap();
    let name = std::process::id().to_string();
    // A link instead of the mount that `ip netns add` makes.
    std::os::unix::fs::symlink("/proc/self/ns/net", directory.path().join(&name)).unwrap();
    std::fs::write(directory.path().join("stale"), "").unwrap();
    let namespaces = Namespaces::with_names(Path::new("/proc"), vec![directory.path().to_owned()]);
    let found = namespaces.resolve(&name).unwrap();
    assert_eq!((found.name.as_deref(), found.pid), (Some(&*name), None));
    assert_eq!(namespaces.current().unwrap().name.as_deref(), Some(&*name));
    let names: Vec<_> = namespaces.named().into_iter().filter_map(|named| named.name).collect();
    assert_eq!(names, [name]);
    assert!(matches!(namespaces.resolve("stale"), Err(NamespaceError::NotANamespace { .. })));
}

#[test]
fn ip_netns_names_are_found() {
    let name = format!("tcpdiag-test-{}", std::process::id());
    let made = Command::new("ip")
        .args(["netns", "add", &name])
        .status()
        .is_ok_and(|status| status.success());
    if !made {
        return skipped(Privilege::Namespaces);
    }
    let found = namespaces().resolve(&name);
    let all = namespaces().all();
    let inside = found.as_ref().ok().map(|found| found.inside(|| namespaces().current().unwrap()));
    let _ = Command::new("ip").args(["netns", "del", &name]).status();
    let (found, all, inside) = (found.unwrap(), all.unwrap(), inside.unwrap().unwrap());
    assert_eq!(inside.inode, found.inode);
    assert!(all.namespaces.contains(&found), "{all:?}");
}

/// Runs as nobody, started by the test below.
#[test]
#[ignore = "run by missing_privilege_is_named"]
fn as_nobody_refusals() {
    let pid = std::env::var("TCPDIAG_TEST_PID").unwrap();
    let error = namespaces().resolve(&pid).unwrap_err();
    assert!(error.to_string().contains("CAP_SYS_PTRACE"), "{error}");
    assert!(namespaces().all().unwrap().processes_hidden > 0);
    assert!(namespaces().current().is_ok());
    let name = std::env::var("TCPDIAG_TEST_NETNS").unwrap();
    if !name.is_empty() {
        let error = namespaces().resolve(&name).unwrap().inside(|| ()).unwrap_err();
        assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
    }
}

#[test]
fn missing_privilege_is_named() {
    let name = format!("tcpdiag-nobody-{}", std::process::id());
    let made = Command::new("ip")
        .args(["netns", "add", &name])
        .status()
        .is_ok_and(|status| status.success());
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id().to_string();
    let environment =
        [("TCPDIAG_TEST_PID", &*pid), ("TCPDIAG_TEST_NETNS", if made { &*name } else { "" })];
    let outcome = as_nobody("as_nobody_refusals", &environment);
    let _ = child.kill();
    let _ = child.wait();
    if made {
        let _ = Command::new("ip").args(["netns", "del", &name]).status();
    }
    match outcome {
        None => skipped(Privilege::Root),
        Some(output) => assert!(output.status.success(), "{output:?}"),
    }
}
