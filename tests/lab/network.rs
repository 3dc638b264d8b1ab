//! Network namespaces of the test's own. They exist as open files only, and
//! end with the process.

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

    /// One that is there already, by a file that stands for it.
    pub fn of(path: &str) -> Self {
        Self(File::open(path).unwrap())
    }

    /// Does something in it, on a thread of its own.
    ///
    /// Programs started there stay there. (Do not start a
    /// [`Child`](super::Child) there: it dies with the thread.)
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                self.enter();
                act()
            });
            acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into it for good.
    pub fn enter(&self) {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// A path under which every process can find it, as `--netns` takes them.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Its inode, which is its name.
    pub fn inode(&self) -> u64 {
        rustix::fs::fstat(&self.0).unwrap().st_ino
    }
}

#[expect(unsafe_code, reason = "rustix calls unshare(2) unsafe for flags that are not used here")]
fn unshare() {
    // SAFETY: a network namespace has nothing to do with memory or descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
}

/// Runs ip(8) where the calling thread is.
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
