//! Sockets in the tables of threads, and of processes whose leader has ended.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use super::tests::{listener, owners, wanted};
use super::*;

/// A Python process that holds listeners in unusual places, as it prints them.
struct Script {
    child: Child,
    output: std::io::BufReader<std::process::ChildStdout>,
    /// Inode number and descriptor of each listener, and the thread that made it.
    sockets: Vec<(u32, u32, u32)>,
}

impl Script {
    /// `None` where there is no Python. The script calls `listener()` to make and print one, and
    /// `ready()` when it is done.
    fn start(script: &str) -> Self {
        let prelude = format!(
            "import ctypes, os, socket, sys, threading, time\n\
             libc = ctypes.CDLL(None)\n\
             kept = []\n\
             def listener():\n\
             \x20   made = socket.socket(); made.bind(('127.0.0.1', 0)); made.listen()\n\
             \x20   kept.append(made)\n\
             \x20   print(os.fstat(made.fileno()).st_ino, made.fileno(), threading.get_native_id(), flush=True)\n\
             def rename(name): libc.prctl({}, name)\n\
             def ready(): print('ready', flush=True)\n\
             def unshare(): assert libc.unshare({}) == 0\n\
             def end_thread(): libc.syscall({}, 0)\n\
             def start(work):\n\
             \x20   done = threading.Event()\n\
             \x20   def run(): rename(b'helper'); work(); done.set(); time.sleep(60)\n\
             \x20   threading.Thread(target=run).start(); done.wait()\n",
            libc::PR_SET_NAME,
            libc::CLONE_FILES,
            libc::SYS_exit,
        );
        let mut child = Command::new("python3")
            .args(["-c", &format!("{prelude}{script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3");
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut script = Self { child, output, sockets: Vec::new() };
        script.read_sockets();
        script
    }

    /// Reads what the script prints, until it is ready.
    fn read_sockets(&mut self) {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 && line != "ready\n" {
            let numbers: Vec<u32> =
                line.split_whitespace().map(|word| word.parse().unwrap()).collect();
            self.sockets.push((numbers[0], numbers[1], numbers[2]));
            line.clear();
        }
        assert_eq!(line, "ready\n");
    }

    fn wanted(&self) -> Vec<Wanted> {
        let inodes = self.sockets.iter().map(|socket| socket.0);
        inodes.map(|inode| Wanted { inode, uid: 0, cgroup_id: None }).collect()
    }

    /// Lets the script go on to the end of a thread, and waits for that.
    fn end_thread(&mut self, tid: u32) {
        drop(self.child.stdin.take());
        let pid = self.child.id();
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
            stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'))
        };
        for _ in 0..500 {
            if state().is_none_or(|ended| ended) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("thread {tid} does not end");
    }

    /// The one holder of each socket, as (pid, tid, fd); asserts that it is named well.
    fn found(&self, owners: &Owners) -> Vec<Option<(u32, Option<u32>, u32)>> {
        let holder = |inode| match owners.owner(inode) {
            Ownership::Known([holder]) => {
                assert_ne!(holder.process.comm, "helper");
                assert!(holder.process.program().starts_with("python"), "{holder:?}");
                assert!(holder.process.cgroup().is_some());
                Some((holder.pid, holder.tid, holder.fd))
            }
            _ => None,
        };
        self.sockets.iter().map(|socket| holder(socket.0)).collect()
    }

    /// Each socket in the table of the thread that made it.
    fn by_thread(&self) -> Vec<Option<(u32, Option<u32>, u32)>> {
        let pid = self.child.id();
        let tid = |tid| (tid != pid).then_some(tid);
        self.sockets.iter().map(|&(_, fd, thread)| Some((pid, tid(thread), fd))).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OWN_TABLES: &str = "\
def own(): unshare(); listener()
listener()
start(own)
start(own)
ready()
time.sleep(60)
";

#[test]
fn threads_with_their_own_descriptor_table() {
    let script = Script::start(OWN_TABLES);
    for scope in [Scope::First, Scope::All] {
        let mut owners = owners();
        owners.resolve(&script.wanted(), scope, None).unwrap();
        assert_eq!(script.found(&owners), script.by_thread(), "{scope:?}");
        assert!(owners.effort().exhaustive && owners.effort().threads_compared >= 2);
        // Known from then on, and checked in the thread's table.
        owners.resolve(&script.wanted(), scope, None).unwrap();
        assert_eq!(owners.effort(), Effort::default());
        assert_eq!(script.found(&owners), script.by_thread(), "{scope:?}");
        // The threads are remembered: their other sockets take no last resort.
        owners.forget();
        owners.resolve(&script.wanted(), scope, None).unwrap();
        assert_eq!(script.found(&owners), script.by_thread(), "{scope:?}");
        assert_eq!(owners.effort().threads_compared, 0);
    }
}

#[test]
fn own_tables_are_found_on_older_kernels() {
    let script = Script::start(OWN_TABLES);
    for counts in [true, false] {
        let mut owners = owners();
        owners.walk.without_comparison(counts);
        owners.resolve(&script.wanted(), Scope::First, None).unwrap();
        assert_eq!(script.found(&owners), script.by_thread(), "{counts}");
        // Threads that share the leader's table are not remembered.
        assert_eq!(owners.processes[&script.child.id()].threads.len(), 2);
    }
}

#[test]
fn threads_left_unread_hide_owners() {
    let script = Script::start(OWN_TABLES);
    let limited = [
        ThreadBudget { threads: 0, ..ThreadBudget::default() },
        ThreadBudget { descriptors: 0, ..ThreadBudget::default() },
    ];
    for budget in limited {
        let mut owners = owners();
        owners.thread_budget = budget;
        owners.resolve(&script.wanted(), Scope::First, None).unwrap();
        let mut expected = script.by_thread();
        expected[1..].fill(None);
        assert_eq!(script.found(&owners), expected);
        assert!(owners.limits().threads_unread >= 2, "{:?}", owners.limits());
        for hidden in &script.sockets[1..] {
            assert!(matches!(owners.owner(hidden.0), Ownership::Hidden));
        }
        // Not at every poll again.
        owners.resolve(&script.wanted(), Scope::First, None).unwrap();
        assert_eq!(owners.effort(), Effort::default());
    }
}

#[test]
fn threads_are_not_compared_at_every_poll() {
    let script = "\
def own(): unshare(); listener()
for _ in range(50): start(lambda: None)
ready()
sys.stdin.read(1)
start(own)
ready()
time.sleep(60)
";
    let mut script = Script::start(script);
    let mut owners = owners();
    let compared = |owners: &mut Owners| {
        // Closed before it is searched for.
        let stale = wanted(&listener());
        owners.resolve(&[stale], Scope::First, None).unwrap();
        assert!(owners.effort().exhaustive);
        owners.effort().threads_compared
    };
    assert!(compared(&mut owners) >= 50);
    // Parallel tests start threads in this process, so it may be compared again.
    let again = compared(&mut owners);
    assert!(again < 50, "{again}");
    // Another number of threads: compared again.
    drop(script.child.stdin.take());
    script.read_sockets();
    owners.resolve(&script.wanted(), Scope::First, None).unwrap();
    assert_eq!(script.found(&owners), script.by_thread());
}

#[test]
fn a_thread_that_ends_is_no_holder() {
    let script = "\
def own(): unshare(); listener(); ready(); sys.stdin.read(1); end_thread()
start(own)
time.sleep(60)
";
    let mut script = Script::start(script);
    let mut owners = owners();
    owners.resolve(&script.wanted(), Scope::First, None).unwrap();
    assert_eq!(script.found(&owners), script.by_thread());
    script.end_thread(script.sockets[0].2);
    owners.resolve(&script.wanted(), Scope::First, None).unwrap();
    assert_eq!(script.found(&owners), [None]);
    assert!(
        owners.effort().exhaustive
            && !matches!(owners.owner(script.sockets[0].0), Ownership::Known(_))
    );
}

#[test]
fn processes_whose_leader_has_ended() {
    let script = "\
rename(b'MainThread')
listener()
start(listener)
ready()
sys.stdin.read(1)
end_thread()
";
    let mut script = Script::start(script);
    let (pid, thread) = (script.child.id(), script.sockets[1].2);
    script.end_thread(pid);
    let expected: Vec<_> =
        script.sockets.iter().map(|&(_, fd, _)| Some((pid, Some(thread), fd))).collect();
    for (scope, counts) in [(Scope::First, true), (Scope::First, false), (Scope::All, true)] {
        let mut owners = owners();
        if !counts {
            owners.walk.without_comparison(false);
        }
        owners.resolve(&script.wanted(), scope, None).unwrap();
        assert_eq!(script.found(&owners), expected, "{scope:?} {counts}");
        assert_eq!(owners.effort().threads_compared, 0);
        owners.resolve(&script.wanted(), scope, None).unwrap();
        assert_eq!(owners.effort(), Effort::default());
        assert_eq!(script.found(&owners), expected, "{scope:?} {counts}");
    }
}

#[test]
fn a_leader_that_ends_hands_over_to_its_threads() {
    let script = "\
start(listener)
ready()
sys.stdin.read(1)
end_thread()
";
    let mut script = Script::start(script);
    let (pid, (_, fd, thread)) = (script.child.id(), script.sockets[0]);
    let mut owners = owners();
    owners.resolve(&script.wanted(), Scope::First, None).unwrap();
    assert_eq!(script.found(&owners), [Some((pid, None, fd))]);
    script.end_thread(pid);
    owners.resolve(&script.wanted(), Scope::First, None).unwrap();
    assert_eq!(script.found(&owners), [Some((pid, Some(thread), fd))]);
    assert!(!owners.effort().exhaustive);
}
