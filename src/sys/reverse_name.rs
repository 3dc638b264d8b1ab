//! Names of addresses as the system's resolver knows them.
#![allow(unsafe_code, reason = "getnameinfo(3) is in no safe library of the tree")]

use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};
use std::ptr;

/// NI_MAXHOST of glibc.
const LONGEST: usize = 1025;

/// The name of an address, by nsswitch.conf(5): hosts(5), DNS and so on. `None` without one. May
/// block for as long as resolv.conf(5) lets it: some ten seconds.
pub fn reverse_name(address: IpAddr) -> Option<String> {
    let mut name: [libc::c_char; LONGEST] = [0; LONGEST];
    let any = rustix::net::SocketAddrAny::from(SocketAddr::new(address, 0));
    // SAFETY: the address is valid for the length that goes with it, the buffer has the length that
    // is given, and no service name is asked for.
    let error = unsafe {
        libc::getnameinfo(
            any.as_ptr().cast(),
            any.addr_len() as libc::socklen_t,
            name.as_mut_ptr(),
            name.len() as libc::socklen_t,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if error != 0 {
        return None;
    }
    *name.last_mut()? = 0;
    // SAFETY: the buffer ends with a zero byte, and lives on.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Some(name.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked() {
        // Documentation addresses have no names. Without a resolver that is known at once.
        assert_eq!(reverse_name(IpAddr::from([0, 0, 0, 0])), None);
    }
}
