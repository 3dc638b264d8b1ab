//! Runs a test in namespaces of its own: the test binary starts itself again for this one test,
//! through unshare(1). The namespaces end with that process.
//!
//! (A test cannot unshare in place: the kernel refuses a new user namespace to a process with
//! several threads, and the test harness has some.)

use std::io::{Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Set, to the test's name, in the process inside the namespaces.
const INSIDE: &str = "TCPDIAG_LAB";
/// Turns skips into failures.
const REQUIRED: &str = "TCPDIAG_REQUIRE_PRIVILEGED";
/// Printed at the end of a test: the harness reports success for a filter that matches no test.
const FINISHED: &str = "the test ran to its end";
/// Longer than the slowest test takes on a busy host, or on an emulated one.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often a test is tried before it counts as failed.
const ATTEMPTS: &str = "TCPDIAG_TEST_ATTEMPTS";
/// How many times tests repeat their work, where they can.
const RUNS: &str = "TCPDIAG_MATRIX_RUNS";
/// How many random scenes are played.
const SCENES: &str = "TCPDIAG_SCENES";
/// Longer than one of them takes.
const SCENE: Duration = Duration::from_secs(40);

/// The privileges that a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// None: root of a new user namespace, with new network and mount namespaces.
    Mapped,
    /// The host's root, in new network and mount namespaces: for tests that
    /// need several users.
    Root,
    /// The host's root if this is root, else none: for tests that use the kernel's trace but
    /// can do without.
    Best,
}

impl Privileges {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Mapped => &["--user", "--map-root-user", "--net", "--mount"],
            Self::Root | Self::Best => &["--net", "--mount"],
        }
    }

    /// The privileges that are available.
    fn available(self) -> Self {
        match self {
            Self::Best if Self::Root.refusal().is_some() => Self::Mapped,
            Self::Best => Self::Root,
            other => other,
        }
    }

    /// Why these privileges are not available; tried once.
    fn refusal(self) -> Option<&'static str> {
        static MAPPED: OnceLock<Option<String>> = OnceLock::new();
        static ROOT: OnceLock<Option<String>> = OnceLock::new();
        let (known, probe): (_, &[&str]) = match self {
            Self::Mapped => (&MAPPED, &["ip", "link", "set", "lo", "up"]),
            // Also refuses a root that has only one user.
            Self::Root | Self::Best => (
                &ROOT,
                &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ip", "link"],
            ),
        };
        known
            .get_or_init(|| {
                let mut command = Command::new("unshare");
                let command = command.args(self.flags()).arg("--").args(probe);
                match command.stdin(Stdio::null()).output() {
                    Err(error) => Some(format!("unshare(1) does not run: {error}")),
                    Ok(output) if output.status.success() => None,
                    Ok(output) => Some(format!(
                        "unshare {} is refused: {}",
                        self.flags().join(" "),
                        String::from_utf8_lossy(&output.stderr).trim()
                    )),
                }
            })
            .as_deref()
    }
}

/// How many random scenes are asked for, if it is said.
pub fn scenes() -> Option<u32> {
    std::env::var(SCENES).ok().and_then(|scenes| scenes.parse().ok())
}

/// How many times a test should repeat its work, if it can.
pub fn runs() -> u32 {
    std::env::var(RUNS).ok().and_then(|runs| runs.parse().ok()).unwrap_or(1).max(1)
}

/// How often a test may be tried before it counts as failed. These tests measure real traffic, which
/// a host that stalls disturbs. What was repeated is printed.
fn attempts() -> u32 {
    std::env::var(ATTEMPTS).ok().and_then(|attempts| attempts.parse().ok()).unwrap_or(2).max(1)
}

/// Held for reading by tests that run beside others, and for writing by one that runs alone.
static TURN: RwLock<()> = RwLock::new(());

/// Runs `body` as the test of this path, with these privileges.
pub fn run(path: &str, privileges: Privileges, body: impl FnOnce()) {
    let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
    isolate(path, privileges, body);
}

/// The same, while no other such test runs.
pub fn run_alone(path: &str, privileges: Privileges, body: impl FnOnce()) {
    let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
    isolate(path, privileges, body);
}

fn isolate(path: &str, privileges: Privileges, body: impl FnOnce()) {
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        settle();
        body();
        println!("{FINISHED}");
        return;
    }
    let privileges = privileges.available();
    if let Some(reason) = privileges.refusal() {
        skip(name, reason);
        return;
    }
    let mut left = attempts();
    loop {
        let (status, output) = inside(name, privileges);
        print!("{output}");
        if status.success() && output.contains(FINISHED) {
            return;
        }
        left -= 1;
        assert!(left > 0, "{name} failed in its namespace ({status})");
        // Not by `eprintln!`, which the harness captures.
        let why = output.lines().skip_while(|line| !line.contains("panicked at")).take(8);
        let why = why.map(|line| format!("\n    {line}")).collect::<String>();
        let _ = writeln!(std::io::stderr(), "REPEATED {name} ({status}):{why}");
    }
}

/// Runs a test in namespaces of its own, once.
fn inside(name: &str, privileges: Privileges) -> (ExitStatus, String) {
    let mut command = Command::new("unshare");
    command.args(privileges.flags()).arg("--").arg(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(INSIDE, name);
    finish(&mut command)
}

/// Whether the rest of a test can run; prints the reason if not.
pub fn require(there: bool, what: &str) -> bool {
    if !there {
        skip(&std::env::var(INSIDE).unwrap_or_default(), what);
    }
    there
}

fn skip(test: &str, reason: &str) {
    let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
    assert!(!required, "{test} cannot run here, and {REQUIRED}=1: {reason}");
    // Not by `eprintln!`, which the harness captures.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// Makes an empty network namespace usable.
fn settle() {
    // The process ends with the test that waits for it.
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success(), "cannot bring up the loopback interface");
    hide_configuration();
}

/// Hides this machine's configuration, in the test's own mount namespace.
fn hide_configuration() {
    const DIRECTORY: &str = "/etc/tcpdiag";
    if std::fs::exists(DIRECTORY).is_ok_and(|exists| exists) {
        let arguments = ["-t", "tmpfs", "none", DIRECTORY];
        let hidden = Command::new("mount").args(arguments).status().unwrap();
        assert!(hidden.success(), "cannot hide {DIRECTORY}");
    }
}

/// Runs a command to its end, or kills it; returns everything it printed.
fn finish(command: &mut Command) -> (ExitStatus, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (done, outputs) = channel();
    let pipes: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for mut pipe in pipes {
        let done = done.clone();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.read_to_end(&mut text);
            let _ = done.send(String::from_utf8_lossy(&text).into_owned());
        });
    }
    let mut output = String::new();
    for _ in 0..2 {
        match outputs.recv_timeout(TIMEOUT * runs() + SCENE * scenes().unwrap_or(0)) {
            Ok(text) => {
                for line in text.lines().filter(|line| line.starts_with("SKIPPED")) {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
                output.push_str(&text);
            }
            Err(_) => {
                let _ = child.kill();
                output.push_str("(killed: it took too long)\n");
                break;
            }
        }
    }
    (child.wait().unwrap(), output)
}
