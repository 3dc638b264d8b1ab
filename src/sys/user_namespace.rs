//! Whether our capabilities count for a namespace.
#![allow(unsafe_code, reason = "NS_GET_USERNS is in no safe library of the tree")]

use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

/// `NS_GET_USERNS` (include/uapi/linux/nsfs.h): `_IO(0xb7, 1)`. Some architectures encode `_IO`
/// with a direction bit.
const NS_GET_USERNS: libc::c_ulong = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc64"
)) {
    0x2000_b701
} else {
    0xb701
};

/// Whether a namespace belongs to our user namespace or to one below it, as its file shows. Only then
/// do our capabilities count for it (`cap_capable()`, security/commoncap.c). `None` before Linux 4.9
/// and where a sandbox refuses the question otherwise.
pub fn governs(namespace: impl AsFd) -> Option<bool> {
    // SAFETY: the descriptor is open as long as `namespace` is borrowed; this operation takes no
    // argument and returns a new descriptor, or -1.
    let found = unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), NS_GET_USERNS as _) };
    if found >= 0 {
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(found) });
        return Some(true);
    }
    // `ns_get_owner()` (kernel/user_namespace.c) answers EPERM for all others.
    let refused = std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
    refused.then_some(false)
}
