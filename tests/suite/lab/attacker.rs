//! An unprivileged user who forges the kernel's netlink datagrams in a namespace of their own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Sends until its standard input is closed.
const SOURCE: &str = include_str!("attacker.py");

/// Retransmits of the forged records.
pub const FORGED_RETRANSMITS: u32 = 2_000_000;

/// A running attack. The namespace holds a connection, in whose name the datagrams are forged.
#[derive(Debug)]
pub struct Attacker {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The cookie of the connection's client.
    pub cookie: u64,
    /// The namespace.
    pub inode: u64,
}

impl Attacker {
    /// Attacks as user 65534, who has all privileges in a user namespace of their own; with
    /// `--flood`, as fast as it can.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(["unshare", "--user", "--map-root-user", "--net", "python3", "-c", SOURCE]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let ready = line(&mut lines);
        let number = |key: &str| ready[key].as_u64().unwrap();
        Self { child, lines, cookie: number("cookie"), inode: number("inode") }
    }

    /// A process in its namespace.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the attack; returns what was sent and refused.
    pub fn finish(mut self) -> Value {
        drop(self.child.stdin.take());
        line(&mut self.lines)
    }
}

fn line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the attacker: {error}: {line}"))
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
