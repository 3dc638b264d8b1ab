//! A process that sleeps until its owner drops it.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::FdFlags;

use super::settles;

/// A sleeping process.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// One that inherits `socket`, started by `wrapper`: a command that runs another as another
    /// user, in other namespaces, ...
    pub fn holding(socket: impl AsFd, wrapper: &[&str]) -> Self {
        rustix::io::fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        let child = Self::running(wrapper, Path::new("sleep"));
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC).unwrap();
        child
    }

    /// One started by a wrapper.
    pub fn running(wrapper: &[&str], program: &Path) -> Self {
        // Killed when the thread that started it ends, however it ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(wrapper).arg(program).arg("1000");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = Self(command.spawn().unwrap());
        let name = program.file_name().unwrap().to_owned();
        let ready = || {
            let line = std::fs::read(format!("/proc/{}/cmdline", child.pid())).unwrap_or_default();
            let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
            first.ends_with(name.as_encoded_bytes())
        };
        settles("the child to run its program", ready);
        child
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
