//! Users as the system knows them.
#![allow(unsafe_code, reason = "getpwnam_r(3) is in no safe library of the tree")]

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr;

/// The first buffer for an entry, as glibc advises (`_SC_GETPW_R_SIZE_MAX`).
const FIRST: usize = 1024;

/// The largest. An entry holds a name, a home and a shell.
const LARGEST: usize = 1 << 20;

/// The user id of a user name, from all sources that nsswitch.conf(5) names: passwd(5), LDAP,
/// systemd and so on. A program that is linked statically, as with musl, sees passwd(5) only.
pub fn user_id(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    let mut buffer: Vec<libc::c_char> = vec![0; FIRST];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name ends with a zero byte, the buffer has the length that is given, and both
        // pointers are to memory of their types.
        let error = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match error {
            // SAFETY: `found` is null, or points to `entry`, which was filled in.
            0 => return unsafe { found.as_ref() }.map(|entry| entry.pw_uid),
            libc::EINTR => {}
            libc::ERANGE if buffer.len() < LARGEST => buffer.resize(2 * buffer.len(), 0),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked() {
        assert_eq!(user_id("root"), Some(0));
        for name in ["", "no such user", "root\0", "root:x", &"x".repeat(10_000)] {
            assert_eq!(user_id(name), None, "{name:?}");
        }
    }
}
