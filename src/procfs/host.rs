//! The host that is looked at.

use std::fs;

use crate::wire::EcnWord;

/// Who and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `uname -n`.
    pub hostname: String,
    /// `uname -r`.
    pub kernel: String,
    /// Changes with every boot; absent where procfs does not tell.
    pub boot_id: Option<String>,
}

impl Host {
    /// This one.
    pub fn this() -> Self {
        let name = rustix::system::uname();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            hostname: name.nodename().to_string_lossy().into_owned(),
            kernel: name.release().to_string_lossy().into_owned(),
            boot_id: boot_id.map(|id| id.trim().to_owned()),
        }
    }

    /// How its kernel lays out the ambiguous word of `tcp_info`.
    pub fn ecn_word(&self) -> EcnWord {
        EcnWord::of_release(&self.kernel)
    }
}
