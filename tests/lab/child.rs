//! A process that only has to be there, and is gone with its owner.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::FdFlags;

use super::settles;

/// A sleeping process.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// One that was given `socket`, as other user, in other namespaces, ...:
    /// as `wrapper`, a command that runs another, arranges it.
    pub fn holding(socket: impl AsFd, wrapper: &[&str]) -> Self {
        Self::lent(socket, wrapper, Path::new("sleep"))
    }

    /// One of a name of its own that was given `socket`: a copy of sleep(1) in `directory`.
    pub fn named(name: &str, socket: impl AsFd, directory: &Path) -> Self {
        let program = directory.join(name);
        let sleep = ["/bin/sleep", "/usr/bin/sleep"].map(Path::new);
        let sleep = sleep.into_iter().find(|path| path.exists()).expect("sleep(1)");
        // Not a link: sleep(1) may be one program of many, which goes by its name.
        std::fs::copy(std::fs::canonicalize(sleep).unwrap(), &program).unwrap();
        Self::lent(socket, &[], &program)
    }

    fn lent(socket: impl AsFd, wrapper: &[&str], program: &Path) -> Self {
        rustix::io::fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        let child = Self::running(wrapper, program);
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC).unwrap();
        child
    }

    /// One behind a wrapper.
    pub fn running(wrapper: &[&str], program: &Path) -> Self {
        // Killed with the thread that started it, whatever becomes of that.
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
        settles("the child to run what it was started for", ready);
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
