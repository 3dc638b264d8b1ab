//! Network namespaces that a test makes. They exist as open files only, and end with the
//! process.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// A network namespace.
#[derive(Debug)]
pub struct Network(File);

impl Network {
    /// A new one, with its loopback up.
    pub fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare();
            ip("link set lo up").unwrap();
            // Best effort: more ports for short connections. Some sandboxes refuse it.
            let _ = std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "20000 65000");
            Self(File::open("/proc/thread-self/ns/net").unwrap())
        });
        made.join().unwrap()
    }

    /// An existing one, by the path of its file.
    pub fn of(path: &str) -> Self {
        Self(File::open(path).unwrap())
    }

    /// Runs `act` in it, on a new thread.
    ///
    /// Programs started there stay there. (A [`Child`](super::Child) started there ends with the
    /// thread.)
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                self.enter();
                act()
            });
            acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into it.
    pub fn enter(&self) {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// A path that every process can open, for `--netns`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Its inode.
    pub fn inode(&self) -> u64 {
        rustix::fs::fstat(&self.0).unwrap().st_ino
    }
}

#[expect(unsafe_code, reason = "rustix calls unshare(2) unsafe for flags that are not used here")]
fn unshare() {
    // SAFETY: CLONE_NEWNET changes neither the memory nor the descriptor table.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
}

/// Runs ip(8) in the namespace of the calling thread.
pub fn ip(arguments: &str) -> Result<(), String> {
    let mut command = Command::new("ip");
    let command = command.args(arguments.split_whitespace()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("ip(8) does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {arguments}: {}", complaint.trim()))
}
