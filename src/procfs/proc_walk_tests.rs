use std::net::TcpListener;
use std::os::fd::AsRawFd;

use super::*;

#[test]
fn numbers_and_links() {
    assert_eq!(parse_number(b"4294967295"), Some(u32::MAX));
    for not_a_number in [&b""[..], b".", b"..", b"self", b"12a", b"4294967296", b"-1", b"+1"] {
        assert_eq!(parse_number(not_a_number), None, "{not_a_number:?}");
    }
    assert_eq!(parse_link(b"socket:[17]", b"socket:["), Some(17));
    for other in [
        &b"socket:[17"[..],
        b"pipe:[17]",
        b"socket:[]",
        b"/tmp/socket:[17]",
        b"anon_inode:[eventpoll]",
    ] {
        assert_eq!(parse_link(other, b"socket:["), None, "{other:?}");
    }
}

#[test]
fn any_process_name_is_parsed() {
    let tail = " S 41 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 5 6 18446744073709551615";
    for comm in ["sleep", "a) S 1 (b", "((sd-pam))", "tab\tand\nnewline", ")"] {
        let stat = parse_stat(format!("99 ({comm}){tail}\n").as_bytes()).unwrap();
        let expected =
            Stat { comm: comm.to_owned(), leader_ended: false, parent: 41, start_time: 987_654 };
        assert_eq!(stat, expected);
    }
    let zombie = parse_stat(format!("99 (x){}", tail.replace(" S ", " Z ")).as_bytes());
    assert!(zombie.unwrap().leader_ended);
    let lossy = parse_stat(&[b"99 (\xff)".as_slice(), tail.as_bytes()].concat()).unwrap();
    assert_eq!(lossy.comm, "\u{fffd}");
    for broken in ["", "99", "99 (x", "99 )x(", "99 (x) S", "99 (x) S 1 2"] {
        assert_eq!(parse_stat(broken.as_bytes()), None, "{broken:?}");
    }
}

#[test]
fn reads_what_the_procfs_crate_reads() {
    let me = ::procfs::process::Process::myself().unwrap();
    let theirs = me.stat().unwrap();
    let mut walk = ProcWalk::open(Path::new("/proc")).unwrap();
    let ours = walk.stat(std::process::id()).unwrap();
    assert_eq!(ours.comm, theirs.comm);
    assert_eq!(i64::from(ours.parent), i64::from(theirs.ppid));
    assert_eq!(ours.start_time, theirs.starttime);
}

#[test]
fn finds_own_listener_in_every_way() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = u32::try_from(listener.as_raw_fd()).unwrap();
    let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
    let me = std::process::id();
    let mut walk = ProcWalk::open(Path::new("/proc")).unwrap();
    let mut seen = Vec::new();
    let reading = walk.sockets(me, |fd, inode| {
        seen.push((fd, u64::from(inode)));
        ControlFlow::Continue(())
    });
    assert!(matches!(reading, Ok(Reading::Read { descriptors: 4.. })), "{reading:?}");
    assert!(seen.contains(&(fd, inode)), "{seen:?}");
    assert_eq!(walk.socket_at(me, fd).map(u64::from), Some(inode));
    assert_eq!(walk.socket_or_pipe_at(me, fd).map(u64::from), Some(inode));
    assert!(walk.table(me).unwrap().open.is_none_or(|open| open > 3));
    let mut pids = Vec::new();
    walk.list(&mut pids).unwrap();
    assert!(pids.contains(&me) && pids.is_sorted());
}

#[test]
fn a_process_that_is_gone_is_gone() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let mut walk = ProcWalk::open(Path::new("/proc")).unwrap();
    assert_eq!(walk.sockets(pid, |_, _| ControlFlow::Continue(())).unwrap(), Reading::Gone);
    assert_eq!((walk.table(pid), walk.stat(pid), walk.directory_inode(pid)), (None, None, None));
}

#[test]
fn children_are_listed() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let mut walk = ProcWalk::open(Path::new("/proc")).unwrap();
    let mut children = Vec::new();
    walk.children(std::process::id(), &mut children);
    child.kill().unwrap();
    assert!(children.contains(&child.id()), "{children:?}");
    child.wait().unwrap();
}

#[test]
fn a_missing_proc_names_itself() {
    let error = ProcWalk::open(Path::new("/no/such/proc")).unwrap_err();
    assert!(error.to_string().contains("/no/such/proc"), "{error}");
}
