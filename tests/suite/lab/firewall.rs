//! Loss where it is wanted, by nftables in the test's own namespace.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::require;

/// Ports whose segments get lost on their way in.
#[derive(Debug)]
pub struct Firewall(());

const RULES: &str = "
table inet lab {
    set deaf { type inet_service; }
    set mute { type inet_service; }
    set unfinished { type inet_service; }
    set lossy { type inet_service; }
    chain in {
        type filter hook input priority 0
        tcp dport @deaf drop
        tcp sport @mute drop
        tcp dport @unfinished tcp flags & (syn | ack) == ack drop
        tcp dport @lossy numgen random mod 12 == 0 drop
    }
}
";

impl Firewall {
    /// One that lets everything through so far. `None`, and said, where there
    /// cannot be one.
    pub fn new() -> Option<Self> {
        let refusal = Self::load(RULES).err();
        let there =
            require(refusal.is_none(), &format!("no nftables: {}", refusal.unwrap_or_default()));
        there.then_some(Self(()))
    }

    /// Loses all that goes to `port`.
    pub fn deafen(&self, port: u16) {
        Self::set("add", "deaf", port);
    }

    /// Loses all that comes from `port`.
    pub fn mute(&self, port: u16) {
        Self::set("add", "mute", port);
    }

    /// Loses all to `port` but SYNs: handshakes begin there and never end.
    pub fn leave_unfinished(&self, port: u16) {
        Self::set("add", "unfinished", port);
    }

    /// Loses one in twelve of what goes to `port`.
    pub fn make_lossy(&self, port: u16) {
        Self::set("add", "lossy", port);
    }

    /// Ends [`Firewall::make_lossy`].
    pub fn make_reliable(&self, port: u16) {
        Self::set("delete", "lossy", port);
    }

    /// Ends [`Firewall::deafen`].
    pub fn undeafen(&self, port: u16) {
        Self::set("delete", "deaf", port);
    }

    fn set(verb: &str, set: &str, port: u16) {
        Self::load(&format!("{verb} element inet lab {set} {{ {port} }}\n")).unwrap();
    }

    fn load(rules: &str) -> Result<(), String> {
        let mut command = Command::new("nft");
        let command = command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let mut pipe = child.stdin.take().ok_or("no pipe")?;
        pipe.write_all(rules.as_bytes()).map_err(|error| error.to_string())?;
        drop(pipe);
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
