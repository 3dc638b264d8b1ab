//! The kernel's own word: the trace events of TCP, in a private instance of
//! tracefs.
//!
//! Tracing shows the whole host, so it takes the host's root: root of a user
//! namespace cannot mount tracefs, and does not use one that is mounted. An
//! instance outlives who made it; a guard, a shell that waits for this process
//! to end, removes it when this process cannot.

use std::fs::{File, read_dir, read_to_string, remove_dir, write};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TRACING: &str = "/sys/kernel/tracing";
/// The event without which there is no truth.
const RETRANSMIT: &str = "tcp_retransmit_skb";
/// Those that tell more: SYN-ACKs since Linux 4.16, states since 5.17.
const MORE: [&str; 2] = ["tcp_retransmit_synack", "tcp_cong_state_set"];
/// For each processor: some 20,000 retransmissions with their stacks, between
/// two reads of the thread below.
const BUFFER_KIB: u32 = 8192;
/// Between two reads.
const BETWEEN: Duration = Duration::from_millis(50);
/// Waits for the end of its input, that is of who holds the other end, and
/// removes what that left.
const GUARD: &str = r#"
trap "" HUP INT TERM
read -r _
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rmdir "$0" && exit
    [ -d "$0" ] || exit
    sleep 0.1
done
"#;

/// A recording under way.
#[derive(Debug)]
pub struct Trace {
    instance: PathBuf,
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<String>>,
    guard: Child,
}

impl Trace {
    /// Begins to record. The reason, where that is not possible.
    pub fn begin() -> Result<Self, String> {
        mount()?;
        let instances = Path::new(TRACING).join("instances");
        sweep(&instances);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let instance = instances.join(format!("tcpdiag-{}-{number}", std::process::id()));
        std::fs::create_dir(&instance).map_err(|error| said(&instance, &error))?;
        let mut trace = Self {
            guard: guard(&instance),
            instance,
            over: Arc::new(AtomicBool::new(false)),
            reader: None,
        };
        // From here on, what fails is cleaned up by `drop`.
        trace.set("buffer_size_kb", &BUFFER_KIB.to_string())?;
        // That of CLOCK_MONOTONIC, the same on all processors.
        trace.set("trace_clock", "mono")?;
        // Who called, behind the event. Without, the states have to do. (The option of the
        // same name would do it for all events, and printing stacks is slow.)
        let _ = trace.set(&format!("events/tcp/{RETRANSMIT}/trigger"), "stacktrace");
        let pipe = trace.instance.join("trace_pipe");
        let mut options = File::options();
        let options = options.read(true).custom_flags(libc::O_NONBLOCK);
        let pipe = options.open(&pipe).map_err(|error| said(&pipe, &error))?;
        let over = Arc::clone(&trace.over);
        trace.reader = Some(std::thread::spawn(move || read(pipe, &over)));
        trace.set(&format!("events/tcp/{RETRANSMIT}/enable"), "1")?;
        for event in MORE {
            let _ = trace.set(&format!("events/tcp/{event}/enable"), "1");
        }
        Ok(trace)
    }

    /// The instance's directory.
    pub fn instance(&self) -> &Path {
        &self.instance
    }

    /// Ends it, removes the instance, and hands back the lines of trace_pipe.
    pub fn end(mut self) -> String {
        self.set("tracing_on", "0").unwrap();
        self.over.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap()
    }

    fn set(&self, file: &str, value: &str) -> Result<(), String> {
        let path = self.instance.join(file);
        write(&path, value).map_err(|error| said(&path, &error))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let _ = remove_dir(&self.instance);
        // Lets the guard see that there is nothing to do.
        self.guard.stdin.take();
        let _ = self.guard.wait();
    }
}

/// Makes tracefs available, for the host's root only. It is mounted in the test's own mount
/// namespace.
fn mount() -> Result<(), String> {
    // Asked before looking at the mount: the files of a mounted tracefs belong to the host's root,
    // which a test without privileges still is if root runs it (`unshare --map-root-user`).
    if !is_hosts_root() {
        return Err("no tracefs: it takes the host's root, and this is root of a user \
                    namespace only"
            .to_owned());
    }
    let there = || Path::new(TRACING).join("instances").is_dir();
    if there() {
        return Ok(());
    }
    let mut command = Command::new("mount");
    let command = command.args(["-t", "tracefs", "tracefs", TRACING]).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("mount(8) does not run: {error}"))?;
    if there() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let first = complaint.lines().next().unwrap_or("the kernel has no tracefs instances");
    Err(format!("no tracefs, not even for the host's root: {first}"))
}

/// Whether this is root of the first user namespace, whose map of users is complete
/// (`user_namespaces(7)`).
fn is_hosts_root() -> bool {
    let map = read_to_string("/proc/self/uid_map").unwrap_or_default();
    rustix::process::geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Removes the instances of tests that are gone, should a guard have been
/// killed too.
fn sweep(instances: &Path) {
    for entry in read_dir(instances).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("tcpdiag-").and_then(|rest| rest.split('-').next());
        // Of nobody else's making.
        let pid = pid.filter(|pid| pid.parse::<u32>().is_ok());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = remove_dir(entry.path());
        }
    }
}

fn guard(instance: &Path) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(GUARD).arg(instance);
    // Apart, so that what ends this process by its group or by its pipes is not held up.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Reads to the end, which is when it is over and there is no more.
fn read(mut pipe: File, over: &AtomicBool) -> String {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let last = over.load(Ordering::Relaxed);
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("trace_pipe: {error}"),
            }
        }
        if last {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        std::thread::sleep(BETWEEN);
    }
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
