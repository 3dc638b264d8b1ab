use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::procfs::testing::{Privilege, as_nobody, as_nobody_after, skipped};
use crate::procfs::visibility::HidePid;

pub(super) fn wanted(socket: &impl AsFd) -> Wanted {
    let stat = rustix::fs::fstat(socket).unwrap();
    Wanted { inode: u32::try_from(stat.st_ino).unwrap(), uid: stat.st_uid, cgroup_id: None }
}

pub(super) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

pub(super) fn owners() -> Owners {
    Owners::new(Path::new("/proc")).unwrap()
}

/// The holders as (pid, fd), of this process only. Others are children that a parallel test has
/// forked and that have not completed `execve` yet: they hold our sockets for a moment.
fn holders(owners: &Owners, inode: u32) -> Option<Vec<(u32, u32)>> {
    holders_among(owners, inode, &[])
}

/// The same, of this process and some others.
fn holders_among(owners: &Owners, inode: u32, others: &[u32]) -> Option<Vec<(u32, u32)>> {
    let Ownership::Known(holders) = owners.owner(inode) else {
        return None;
    };
    let ours = |holder: &&Holder| holder.pid == std::process::id() || others.contains(&holder.pid);
    let holders: Vec<_> =
        holders.iter().filter(ours).map(|holder| (holder.pid, holder.fd)).collect();
    (!holders.is_empty()).then_some(holders)
}

fn me(socket: &impl AsFd) -> (u32, u32) {
    (std::process::id(), u32::try_from(socket.as_fd().as_raw_fd()).unwrap())
}

/// A child process, killed when dropped.
struct Running(Child);

impl Running {
    /// `sleep` with a socket as its standard input.
    fn with_stdin(socket: &impl AsFd) -> Self {
        let stdin = Stdio::from(socket.as_fd().try_clone_to_owned().unwrap());
        Self(Command::new("sleep").arg("60").stdin(stdin).spawn().unwrap())
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn own_sockets_in_both_scopes() {
    let (one, other) = (listener(), listener());
    let asked = [wanted(&one), wanted(&other)];
    for scope in [Scope::First, Scope::All] {
        let mut owners = owners();
        owners.resolve(&asked, scope, None).unwrap();
        for socket in [&one, &other] {
            assert_eq!(holders(&owners, wanted(socket).inode), Some(vec![me(socket)]), "{scope:?}");
        }
        let Ownership::Known(holders) = owners.owner(asked[0].inode) else { panic!("known") };
        let holder = holders.iter().find(|holder| holder.pid == std::process::id()).unwrap();
        assert!(!holder.process.comm.is_empty() && holder.process.start_time > 0);
        assert!(holder.process.cgroup().is_some_and(|path| path.starts_with('/')));
    }
}

#[test]
fn known_sockets_are_not_searched_for() {
    let socket = listener();
    let asked = [wanted(&socket)];
    let mut owners = owners();
    owners.resolve(&asked, Scope::First, None).unwrap();
    assert!(owners.effort().processes_read > 0);
    for _ in 0..3 {
        owners.resolve(&asked, Scope::First, None).unwrap();
        assert_eq!(owners.effort(), Effort::default());
        assert!(holders(&owners, asked[0].inode).is_some());
    }
    // A second socket of a known process: that process is read first, and little else.
    let other = listener();
    owners.resolve(&[asked[0], wanted(&other)], Scope::First, None).unwrap();
    assert_eq!(holders(&owners, wanted(&other).inode), Some(vec![me(&other)]));
    // Not asked for: forgotten, because another socket may get the number.
    owners.resolve(&[wanted(&other)], Scope::First, None).unwrap();
    assert!(matches!(owners.owner(asked[0].inode), Ownership::Unasked));
    owners.forget();
    assert!(matches!(owners.owner(wanted(&other).inode), Ownership::Unasked));
    owners.resolve(&[wanted(&other)], Scope::First, None).unwrap();
    assert_eq!(holders(&owners, wanted(&other).inode), Some(vec![me(&other)]));
}

#[test]
fn forked_processes_share_sockets() {
    let socket = listener();
    let children = [Running::with_stdin(&socket), Running::with_stdin(&socket)];
    let mut expected = vec![me(&socket), (children[0].id(), 0), (children[1].id(), 0)];
    expected.sort_unstable();
    for scope in [Scope::First, Scope::All] {
        let mut owners = owners();
        owners.resolve(&[wanted(&socket)], scope, None).unwrap();
        assert_eq!(
            holders_among(&owners, wanted(&socket).inode, &children.each_ref().map(Running::id))
                .as_ref(),
            Some(&expected),
            "{scope:?}"
        );
    }
}

#[test]
fn a_holder_that_goes_away_is_replaced() {
    let socket = listener();
    let inode = wanted(&socket).inode;
    let first = Running::with_stdin(&socket);
    let second = Running::with_stdin(&socket);
    let asked = [wanted(&socket)];
    drop(socket);
    let mut owners = owners();
    owners.resolve(&asked, Scope::All, None).unwrap();
    let children = [first.id(), second.id()];
    assert_eq!(holders_among(&owners, inode, &children).unwrap().len(), 2);
    let survivor = second.id();
    drop(first);
    owners.resolve(&asked, Scope::First, None).unwrap();
    assert_eq!(holders_among(&owners, inode, &children), Some(vec![(survivor, 0)]));
    assert_eq!(owners.effort(), Effort::default());
    // The last one closes it: a search finds no holder.
    drop(second);
    owners.resolve(&asked, Scope::First, None).unwrap();
    assert!(owners.effort().exhaustive);
    assert_eq!(holders_among(&owners, inode, &children), None);
}

#[test]
fn a_descriptor_that_became_another_socket_is_noticed() {
    let (kept, closed) = (listener(), listener());
    let (before, fd) = (wanted(&closed), closed.as_raw_fd());
    let mut owners = owners();
    owners.resolve(&[before], Scope::First, None).unwrap();
    let mut descriptor = OwnedFd::from(closed);
    rustix::io::dup2(&kept, &mut descriptor).unwrap();
    assert_eq!(descriptor.as_raw_fd(), fd);
    owners.resolve(&[before], Scope::First, None).unwrap();
    assert_eq!(holders(&owners, before.inode), None);
}

#[test]
fn unowned_sockets_are_not_searched_for_at_every_poll() {
    // A connection that is not accepted yet has no inode; a closed one has a stale inode.
    let stale = wanted(&listener());
    let orphan = Wanted { inode: 0, ..stale };
    let mut owners = owners();
    owners.resolve(&[orphan], Scope::First, None).unwrap();
    assert_eq!(owners.effort(), Effort::default());
    assert!(matches!(owners.owner(0), Ownership::None));

    owners.resolve(&[stale], Scope::First, None).unwrap();
    assert!(owners.effort().exhaustive);
    // "None" is reported only where nothing is hidden.
    let hidden = matches!(owners.owner(stale.inode), Ownership::Hidden);
    assert_eq!(hidden, owners.limits().hides());
    for _ in 1..RETRY_AFTER {
        owners.resolve(&[stale], Scope::First, None).unwrap();
        assert_eq!(owners.effort(), Effort::default());
    }
    owners.resolve(&[stale], Scope::First, None).unwrap();
    assert!(owners.effort().exhaustive);
}

#[test]
fn a_few_among_thousands() {
    let sockets: Vec<_> = (0..2000).map(|_| listener()).collect();
    let all: Vec<_> = sockets.iter().map(wanted).collect();
    let mut owners = owners();
    owners.resolve(&all[1200..1203], Scope::First, None).unwrap();
    for socket in &sockets[1200..1203] {
        assert_eq!(holders(&owners, wanted(socket).inode), Some(vec![me(socket)]));
    }
    owners.resolve(&all, Scope::All, None).unwrap();
    for socket in &sockets {
        assert_eq!(holders(&owners, wanted(socket).inode), Some(vec![me(socket)]));
    }
    owners.resolve(&all, Scope::All, None).unwrap();
    assert_eq!(owners.effort(), Effort::default());
}

#[test]
fn one_socket_at_two_descriptors() {
    let socket = listener();
    let again = socket.try_clone().unwrap();
    let mut owners = owners();
    owners.resolve(&[wanted(&socket)], Scope::First, None).unwrap();
    let mut expected = vec![me(&socket), me(&again)];
    expected.sort_unstable();
    assert_eq!(holders(&owners, wanted(&socket).inode), Some(expected));
}

#[test]
fn a_connection_has_its_owner_at_both_ends() {
    let server = listener();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (accepted, _) = server.accept().unwrap();
    let mut owners = owners();
    owners.resolve(&[wanted(&client), wanted(&accepted)], Scope::First, None).unwrap();
    assert_eq!(holders(&owners, wanted(&client).inode), Some(vec![me(&client)]));
    assert_eq!(holders(&owners, wanted(&accepted).inode), Some(vec![me(&accepted)]));
}

#[test]
fn an_artificial_proc() {
    let directory = tempfile::tempdir().unwrap();
    let process = directory.path().join("7");
    std::fs::create_dir_all(process.join("fd")).unwrap();
    std::os::unix::fs::symlink("socket:[4026]", process.join("fd/5")).unwrap();
    std::os::unix::fs::symlink("/dev/null", process.join("fd/0")).unwrap();
    std::fs::write(
        process.join("stat"),
        "7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0",
    )
    .unwrap();
    std::fs::write(process.join("cgroup"), "0::/system.slice/a.service\n").unwrap();
    let mut owners = Owners::new(directory.path()).unwrap();
    let asked = [4026, 4027].map(|inode| Wanted { inode, uid: 0, cgroup_id: None });
    owners.resolve(&asked, Scope::First, None).unwrap();
    let Ownership::Known([holder]) = owners.owner(4026) else { panic!("one holder") };
    assert_eq!((holder.pid, holder.fd, &*holder.process.comm), (7, 5, "a (b) c"));
    assert_eq!(holder.process.cgroup(), Some("/system.slice/a.service"));
    assert!(matches!(owners.owner(4027), Ownership::None));
    assert!(!owners.limits().hides());
}

/// Runs as nobody, started by the test below.
#[test]
#[ignore = "run by hidden_owners_are_not_absent_owners"]
fn as_nobody_hidden() {
    let inode: u32 = std::env::var("TCPDIAG_TEST_INODE").unwrap().parse().unwrap();
    let own = listener();
    let asked = [Wanted { inode, uid: 0, cgroup_id: None }, wanted(&own)];
    let mut owners = owners();
    owners.resolve(&asked, Scope::First, None).unwrap();
    assert!(matches!(owners.owner(inode), Ownership::Hidden));
    assert_eq!(holders(&owners, asked[1].inode), Some(vec![me(&own)]));
    assert!(owners.limits().processes_hidden > 0);
    assert!(owners.limits().lacks_permission());
    // A hidden owner is remembered like a known one: no search at the next poll.
    owners.resolve(&asked, Scope::First, None).unwrap();
    assert_eq!(owners.effort(), Effort::default());
    assert!(matches!(owners.owner(inode), Ownership::Hidden));
}

#[test]
fn hidden_owners_are_not_absent_owners() {
    let socket = listener();
    let inode = wanted(&socket).inode.to_string();
    match as_nobody("as_nobody_hidden", &[("TCPDIAG_TEST_INODE", &inode)]) {
        None => skipped(Privilege::Root),
        Some(output) => assert!(output.status.success(), "{output:?}"),
    }
}

/// Runs as nobody, started by the test below.
#[test]
#[ignore = "run by invisible_processes_hide_owners"]
fn under_hidepid() {
    let inode: u32 = std::env::var("TCPDIAG_TEST_INODE").unwrap().parse().unwrap();
    let mut owners = owners();
    owners.resolve(&[Wanted { inode, uid: 0, cgroup_id: None }], Scope::First, None).unwrap();
    let limits = owners.limits();
    assert_eq!((limits.processes_hidden, limits.hidepid), (0, Some(HidePid::Invisible)));
    assert!(matches!(owners.owner(inode), Ownership::Hidden));
}

#[test]
fn invisible_processes_hide_owners() {
    let socket = listener();
    let inode = wanted(&socket).inode.to_string();
    // A separate mount: `remount` would apply hidepid to the whole host.
    let setup = "mount -t proc -o hidepid=2 proc /proc";
    match as_nobody_after(setup, "under_hidepid", &[("TCPDIAG_TEST_INODE", &inode)]) {
        None => skipped(Privilege::Root),
        Some(output) => assert!(output.status.success(), "{output:?}"),
    }
}
