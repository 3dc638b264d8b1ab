//! The host that is measured.

use std::fs;

use crate::wire::EcnWord;

/// How many files are open on the host: about as many descriptors have to be read to find the
/// holders of sockets (`/proc/sys/fs/file-nr`, proc_sys_fs(5)).
pub fn open_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Open files of the host up to which the holders of all sockets are looked up without being asked
/// for. That took 7 us for each of them: 80 ms of 10,900, where 10,000 sockets take 31 ms.
pub const FEW_FILES: u64 = 4096;

/// Whether the holders of sockets are found quickly: few files are open, or nobody knows how many.
pub fn holders_are_cheap() -> bool {
    open_files().is_none_or(|open| open <= FEW_FILES)
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
