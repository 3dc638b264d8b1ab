//! The host that is measured.

use std::fs;

use crate::wire::EcnWord;

/// How many files are open on the host: about as many descriptors have to be read to find the
/// holders of sockets (`/proc/sys/fs/file-nr`, proc_sys_fs(5)).
pub fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Its name, kernel and boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `uname -n`.
    pub hostname: String,
    /// `uname -r`.
    pub kernel: String,
    /// Changes with every boot; absent where procfs has none.
    pub boot_id: Option<String>,
}

impl Host {
    /// The host that this process runs on.
    pub fn this() -> Self {
        let name = rustix::system::uname();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            hostname: name.nodename().to_string_lossy().into_owned(),
            kernel: name.release().to_string_lossy().into_owned(),
            boot_id: boot_id.map(|id| id.trim().to_owned()),
        }
    }

    /// The layout of the ambiguous word of `tcp_info` in its kernel.
    pub fn ecn_word(&self) -> EcnWord {
        EcnWord::of_release(&self.kernel)
    }
}
