//! Runs a program as `inet_diag_bc_run()` does.

use std::net::IpAddr;

use crate::wire::bytes::{array_at, u8_at, u16_at, u32_at, u64_at};
use crate::wire::uapi::{self, INET_DIAG_BC_OP_LEN};

/// The values of a socket that the kernel's interpreter compares
/// (`struct inet_diag_entry`, filled by `inet_diag_bc_sk()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Local address, in the socket's family.
    pub local: IpAddr,
    /// Local port.
    pub local_port: u16,
    /// Remote address.
    pub remote: IpAddr,
    /// Remote port.
    pub remote_port: u16,
    /// Interface the socket is bound to, 0 for none.
    pub interface: u32,
    /// Whether `bind()` chose the local port; false for TIME-WAIT and SYN-RECV records, for which
    /// the kernel does not know it.
    pub port_locked: bool,
    /// Socket mark.
    pub mark: u32,
    /// Cgroup id, 0 for TIME-WAIT and SYN-RECV records.
    pub cgroup: u64,
}

/// Whether `program` accepts the socket. A program that the kernel would have
/// refused accepts nothing.
pub fn accepts(program: &[u8], subject: &Subject) -> bool {
    let mut rest = program;
    while !rest.is_empty() {
        let Some(step) = step(rest, subject).filter(|&step| step > 0) else { return false };
        match rest.get(step..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    true
}

/// The bytes by which the operation at the start of `rest` advances.
fn step(rest: &[u8], subject: &Subject) -> Option<usize> {
    let yes = usize::from(u8_at(rest, 1)?);
    let no = usize::from(u16_at(rest, 2)?);
    let port = || u16_at(rest, INET_DIAG_BC_OP_LEN + 2);
    let holds = match u8_at(rest, 0)? {
        uapi::INET_DIAG_BC_NOP => true,
        uapi::INET_DIAG_BC_JMP => false,
        uapi::INET_DIAG_BC_S_EQ => subject.local_port == port()?,
        uapi::INET_DIAG_BC_S_GE => subject.local_port >= port()?,
        uapi::INET_DIAG_BC_S_LE => subject.local_port <= port()?,
        uapi::INET_DIAG_BC_D_EQ => subject.remote_port == port()?,
        uapi::INET_DIAG_BC_D_GE => subject.remote_port >= port()?,
        uapi::INET_DIAG_BC_D_LE => subject.remote_port <= port()?,
        uapi::INET_DIAG_BC_AUTO => !subject.port_locked,
        uapi::INET_DIAG_BC_S_COND => {
            host(rest.get(INET_DIAG_BC_OP_LEN..)?, subject.local, subject.local_port)?
        }
        uapi::INET_DIAG_BC_D_COND => {
            host(rest.get(INET_DIAG_BC_OP_LEN..)?, subject.remote, subject.remote_port)?
        }
        uapi::INET_DIAG_BC_DEV_COND => u32_at(rest, INET_DIAG_BC_OP_LEN)? == subject.interface,
        uapi::INET_DIAG_BC_MARK_COND => {
            subject.mark & u32_at(rest, INET_DIAG_BC_OP_LEN + 4)?
                == u32_at(rest, INET_DIAG_BC_OP_LEN)?
        }
        uapi::INET_DIAG_BC_CGROUP_COND => u64_at(rest, INET_DIAG_BC_OP_LEN)? == subject.cgroup,
        _ => return None,
    };
    Some(if holds { yes } else { no })
}

/// Compares `struct inet_diag_hostcond` with one end of a connection.
fn host(condition: &[u8], address: IpAddr, port: u16) -> Option<bool> {
    let family = u8_at(condition, 0)?;
    let length = u8_at(condition, 1)?;
    let wanted_port = u32_at(condition, 4)? as i32;
    if wanted_port != -1 && wanted_port != i32::from(port) {
        return Some(false);
    }
    let matches = match (family, address) {
        (uapi::AF_UNSPEC, _) => length == 0,
        (uapi::AF_INET, IpAddr::V4(address)) => {
            same_prefix(&address.octets(), &array_at::<4>(condition, 8).unwrap_or_default(), length)
        }
        (uapi::AF_INET, IpAddr::V6(address)) => address.to_ipv4_mapped().is_some_and(|address| {
            same_prefix(&address.octets(), &array_at::<4>(condition, 8).unwrap_or_default(), length)
        }),
        (uapi::AF_INET6, IpAddr::V6(address)) => same_prefix(
            &address.octets(),
            &array_at::<16>(condition, 8).unwrap_or_default(),
            length,
        ),
        _ => false,
    };
    Some(matches)
}

/// `bitstring_match()`.
fn same_prefix(one: &[u8], other: &[u8], bits: u8) -> bool {
    let (whole, part) = (usize::from(bits / 8), bits % 8);
    let whole_equal = one.iter().zip(other).take(whole).all(|(a, b)| a == b);
    let mask = !(0xffu16 >> part) as u8;
    let part_equal =
        part == 0 || one.get(whole).zip(other.get(whole)).is_some_and(|(a, b)| (a ^ b) & mask == 0);
    whole_equal && part_equal
}
