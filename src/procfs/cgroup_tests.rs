use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::procfs::owners::{Owners, Ownership, Scope, Wanted};
use crate::procfs::proc_walk::ProcWalk;
use crate::procfs::testing::{Privilege, skipped};

/// A cgroup made for a test.
struct Scratch(PathBuf);

impl Scratch {
    fn make(cgroups: &Cgroups, name: &str) -> Option<Self> {
        let path = cgroups.mount_point()?.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    fn id(&self) -> u64 {
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&self.0).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn cgroups() -> Cgroups {
    Cgroups::new(Path::new("/proc")).unwrap()
}

#[test]
fn only_new_ids_cause_a_walk() {
    let mut cgroups = cgroups();
    let Some(outer) = Scratch::make(&cgroups, "tcpdiag-walk") else {
        return skipped(Privilege::Cgroup);
    };
    let name = outer.0.file_name().unwrap().to_str().unwrap().to_owned();
    let inner = Scratch(outer.0.join("in ner.service"));
    std::fs::create_dir(&inner.0).unwrap();
    let (outer_id, inner_id) = (outer.id(), inner.id());
    let root = cgroups.id_of_path(Path::new("/")).unwrap();
    assert!(cgroups.is_root(root) && !cgroups.is_root(outer_id));

    cgroups.learn([root]);
    assert_eq!((cgroups.walks(), cgroups.path(root)), (0, Some("/")));
    cgroups.learn([root, inner_id]);
    assert_eq!(cgroups.path(inner_id), Some(&*format!("/{name}/in ner.service")));
    cgroups.learn([outer_id, inner_id]);
    assert_eq!((cgroups.walks(), cgroups.path(outer_id)), (1, Some(&*format!("/{name}"))));

    // An id that no cgroup has (any more): searched for once, and again only much later.
    let gone = u64::MAX;
    for _ in 0..RETRY_AFTER {
        cgroups.learn([gone, inner_id]);
    }
    assert_eq!((cgroups.walks(), cgroups.path(gone)), (2, None));
    cgroups.learn([gone]);
    assert_eq!(cgroups.walks(), 3);

    for path in [
        inner.0.clone(),
        PathBuf::from(format!("/{name}/in ner.service")),
        PathBuf::from(format!("{name}/in ner.service")),
    ] {
        assert_eq!(cgroups.id_of_path(&path).unwrap(), inner_id, "{path:?}");
    }
    drop((inner, outer));
    // Removed, and still known: it may have sockets.
    cgroups.learn([inner_id]);
    assert!(cgroups.path(inner_id).is_some());
}

#[test]
fn paths_that_are_no_cgroups() {
    let cgroups = cgroups();
    if cgroups.mount_point().is_none() {
        return skipped(Privilege::Cgroup);
    }
    for path in ["/no/such.slice", "../..", "/cgroup.procs", "/../etc"] {
        let error = cgroups.id_of_path(Path::new(path)).unwrap_err();
        assert!(matches!(error, CgroupError::NotACgroup { .. }), "{path}: {error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn a_version_1_host_knows_no_paths() {
    let mut cgroups = Cgroups::without_mount();
    cgroups.learn([1, 2]);
    assert_eq!((cgroups.path(1), cgroups.walks()), (None, 0));
    assert!(cgroups.processes(1).is_empty() && cgroups.is_root(7));
    assert!(matches!(cgroups.id_of_path(Path::new("/a")), Err(CgroupError::NoCgroup2)));
}

#[test]
fn the_mount_is_found_in_the_mount_table() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path().join("unified");
    std::fs::create_dir_all(directory.path().join("self")).unwrap();
    std::fs::create_dir_all(mount.join("a.slice/b.service")).unwrap();
    let table = format!(
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
         41 31 0:38 /docker/x /elsewhere rw - cgroup2 cgroup2 rw\n\
         42 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
        mount.display()
    );
    std::fs::write(directory.path().join("self/mountinfo"), table).unwrap();
    let mut cgroups = Cgroups::new(directory.path()).unwrap();
    assert_eq!(cgroups.mount_point(), Some(&*mount));
    let id = cgroups.id_of_path(Path::new("a.slice/b.service")).unwrap();
    cgroups.learn([id]);
    assert_eq!(cgroups.path(id), Some("/a.slice/b.service"));
}

/// Resolves the socket of a child by way of its cgroup: its holder, and whether every process was
/// read for that.
fn found_by_cgroup(cgroups: &Cgroups, id: u64, child: u32) -> Option<(u32, bool)> {
    let mut inode = None;
    let mut walk = ProcWalk::open(Path::new("/proc")).unwrap();
    walk.sockets(child, |_, found| {
        inode = Some(found);
        ControlFlow::Continue(())
    })
    .unwrap();
    let wanted = Wanted { inode: inode?, uid: 0, cgroup_id: Some(id) };
    let mut owners = Owners::new(Path::new("/proc")).unwrap();
    owners.resolve(&[wanted], Scope::First, Some(cgroups)).unwrap();
    match owners.owner(wanted.inode) {
        Ownership::Known([holder]) => Some((holder.pid, owners.effort().exhaustive)),
        _ => None,
    }
}

#[test]
fn says_what_ss_says() {
    let mut cgroups = cgroups();
    let Some(scratch) = Scratch::make(&cgroups, "tcpdiag-ss") else {
        return skipped(Privilege::Cgroup);
    };
    let port = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let script = format!(
        "echo $$ > '{}/cgroup.procs'; exec python3 -c \"import socket,time; l=socket.socket(); l.bind(('127.0.0.1',{port})); l.listen(1); print('up',flush=True); time.sleep(60)\"",
        scratch.0.display()
    );
    let mut child =
        Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.as_mut().unwrap()),
        &mut ready,
    )
    .unwrap();
    let id = scratch.id();
    cgroups.learn([id]);
    let inside = cgroups.processes(id);
    let found = found_by_cgroup(&cgroups, id, child.id());
    let ss = Command::new("ss").args(["-Htln", "--cgroup", &format!("sport = :{port}")]).output();
    child.kill().unwrap();
    child.wait().unwrap();
    if !ready.starts_with("up") {
        return skipped(Privilege::Cgroup);
    }
    assert_eq!(inside, [child.id()]);
    assert_eq!(found, Some((child.id(), false)));
    let path = cgroups.path(id).unwrap();
    if let Ok(ss) = ss {
        let text = String::from_utf8_lossy(&ss.stdout).into_owned();
        assert!(text.trim_end().ends_with(&format!("cgroup:{path}")), "{path}: {text}");
    }
}
