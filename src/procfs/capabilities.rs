//! What this process is permitted to read.

use rustix::thread::CapabilitySet;

/// Whether this process may read the descriptors of every process, unless a
/// security module forbids it.
pub fn may_see_processes() -> bool {
    let wanted = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    rustix::thread::capabilities(None).is_ok_and(|sets| {
        sets.effective.contains(wanted)
            || sets.effective.contains(CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_OVERRIDE)
    })
}

/// Whether the kernel reports to this process marks, MD5 peers and MPTCP sequence numbers.
pub fn has_net_admin() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}
