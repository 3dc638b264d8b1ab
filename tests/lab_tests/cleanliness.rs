//! Nothing is left behind, whatever becomes of a test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::{Medium, Profile, Scenario, Shape, Trace, lab, settles};

/// Set in a process that is there to be killed.
const VICTIM: &str = "TCPDIAG_LAB_VICTIM";
const NAME: &str = "cleanliness::who_is_killed_leaves_nothing";

fn instances() -> Vec<PathBuf> {
    let mine = format!("tcpdiag-{}-", std::process::id());
    let entries = std::fs::read_dir("/sys/kernel/tracing/instances").into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&mine)).collect()
}

lab!(
    alone as Best fn a_trace_is_gone_with_its_owner() {
        let trace = match Trace::begin() {
            Ok(trace) => trace,
            // The trace is one thing that tests do without.
            Err(reason) => return println!("no trace: {reason}"),
        };
        assert_eq!(instances(), [trace.instance()]);
        drop(trace);
        assert_eq!(instances(), <[PathBuf; 0]>::default());
        // Also when it is dropped by a panic.
        let caught = std::thread::spawn(|| {
            let _trace = Trace::begin().unwrap();
            panic!("on purpose");
        });
        assert!(caught.join().is_err());
        assert_eq!(instances(), <[PathBuf; 0]>::default());
    }
);

lab!(
    alone as Best fn who_is_killed_leaves_nothing() {
        if std::env::var(VICTIM).is_ok() {
            be_killed();
            return;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture", "--test-threads=1"]).env(VICTIM, "1");
        let mut victim = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| {
            line.unwrap().split_once("networks ").map(|(_, inodes)| inodes.to_owned())
        });
        let inodes = ready.expect("the victim did not get as far");
        let mine = format!("tcpdiag-{}-", victim.id());
        let traces = || {
            let entries = std::fs::read_dir("/sys/kernel/tracing/instances").into_iter().flatten();
            let names = entries.flatten().map(|entry| entry.file_name());
            names.filter(|name| name.to_string_lossy().starts_with(&mine)).count()
        };
        println!("{} traces of a victim in the networks {inodes}", traces());
        victim.kill().unwrap();
        victim.wait().unwrap();
        settles("the guard to remove the trace", || traces() == 0);
        let left = || inodes.split(' ').any(is_somebodys);
        settles("nobody to be in its networks", || !left());
    }
);

/// Is in the middle of it, until it is killed.
fn be_killed() {
    let tun = std::fs::File::options().write(true).open("/dev/net/tun").is_ok();
    let medium = if tun { Medium::Link([Shape::delayed(5); 2]) } else { Medium::Wire };
    let scenario = Scenario::builder().service(80, Profile::short(4, 5000), 0.01).over(medium);
    scenario.run_with(Duration::from_secs(30), |stage| {
        stage.wait_for(Duration::from_millis(300));
        let [client, server] = stage.networks();
        println!("networks {} {}", client.inode(), server.inode());
        std::thread::sleep(Duration::from_secs(60));
    });
}

/// Whether any thread of the host is in this network.
fn is_somebodys(inode: &str) -> bool {
    let wanted = format!("net:[{inode}]");
    let inside = |task: &Path| {
        std::fs::read_link(task.join("ns/net")).is_ok_and(|link| link == Path::new(&wanted))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let tasks = processes
        .filter_map(|process| std::fs::read_dir(process.path().join("task")).ok())
        .flat_map(|tasks| tasks.flatten());
    tasks.into_iter().any(|task| inside(&task.path()))
}
