//! Tests leave nothing behind, however they end.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::{Medium, Profile, Scenario, Shape, Trace, lab, settles};

/// Set in the process that the test kills.
const KILLED_PROCESS: &str = "TCPDIAG_LAB_VICTIM";
const NAME: &str = "lab_tests::cleanliness::a_killed_test_leaves_nothing";

fn instances() -> Vec<PathBuf> {
    let mine = format!("tcpdiag-{}-", std::process::id());
    let entries = std::fs::read_dir("/sys/kernel/tracing/instances").into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&mine)).collect()
}

lab!(
    alone as Best fn a_trace_ends_with_its_owner() {
        let trace = match Trace::begin() {
            Ok(trace) => trace,
            // The trace is optional.
            Err(reason) => return println!("no trace: {reason}"),
        };
        assert_eq!(instances(), [trace.instance()]);
        drop(trace);
        assert_eq!(instances(), <[PathBuf; 0]>::default());
        // Also when a panic drops it.
        let caught = std::thread::spawn(|| {
            let _trace = Trace::begin().unwrap();
            panic!("on purpose");
        });
        assert!(caught.join().is_err());
        assert_eq!(instances(), <[PathBuf; 0]>::default());
    }
);

lab!(
    alone as Best fn a_killed_test_leaves_nothing() {
        if std::env::var(KILLED_PROCESS).is_ok() {
            be_killed();
            return;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture", "--test-threads=1"]).env(KILLED_PROCESS, "1");
        let mut victim = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| {
            line.unwrap().split_once("networks ").map(|(_, inodes)| inodes.to_owned())
        });
        let inodes = ready.expect("the victim ended early");
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
        let left = || inodes.split(' ').any(is_in_use);
        settles("its networks to be empty", || !left());
    }
);

/// Runs a scenario until it is killed.
fn be_killed() {
    let tun = std::fs::File::options().write(true).open("/dev/net/tun").is_ok();
    let medium = if tun { Medium::Link([Shape::delayed(5); 2]) } else { Medium::Wire };
    let scenario = Scenario::builder().service(80, Profile::short(4, 5000), 0.01).over(medium);
    scenario.run_with(Duration::from_secs(30), |running| {
        running.wait_for(Duration::from_millis(300));
        let [client, server] = running.networks();
        println!("networks {} {}", client.inode(), server.inode());
        std::thread::sleep(Duration::from_secs(60));
    });
}

/// Whether any thread of the host is in this network namespace.
fn is_in_use(inode: &str) -> bool {
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
