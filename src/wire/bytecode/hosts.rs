//! Replaces the addresses in a program.

use std::net::IpAddr;

use super::verify;
use crate::wire::bytes::{array_at, u8_at};
use crate::wire::uapi::{self, INET_DIAG_BC_OP_LEN, INET_DIAG_HOSTCOND_LEN};

/// The same program with every address replaced. The bits behind a prefix are zero. `None` for a
/// program that the kernel would refuse.
pub fn map_hosts(program: &[u8], mut map: impl FnMut(IpAddr) -> IpAddr) -> Option<Vec<u8>> {
    verify(program).ok()?;
    let mut mapped = program.to_vec();
    let mut at = 0;
    while at < program.len() {
        let op = u8_at(program, at)?;
        if [uapi::INET_DIAG_BC_S_COND, uapi::INET_DIAG_BC_D_COND].contains(&op) {
            let condition = program.get(at + INET_DIAG_BC_OP_LEN..)?;
            let length = u8_at(condition, 1)?;
            let address = at + INET_DIAG_BC_OP_LEN + INET_DIAG_HOSTCOND_LEN;
            match u8_at(condition, 0)? {
                uapi::AF_INET => {
                    let own = IpAddr::from(array_at::<4>(condition, 8)?);
                    put(&mut mapped, address, map(own), length)?;
                }
                uapi::AF_INET6 => {
                    let own = IpAddr::from(array_at::<16>(condition, 8)?);
                    put(&mut mapped, address, map(own), length)?;
                }
                _ => {}
            }
        }
        // verify() refuses a program whose `yes` is 0.
        at += usize::from(u8_at(program, at + 1)?);
    }
    Some(mapped)
}

/// Writes the first bits of an address, and zeros after them.
fn put(program: &mut [u8], at: usize, address: IpAddr, length: u8) -> Option<()> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let target = program.get_mut(at..at + octets.len())?;
    for (index, (to, from)) in target.iter_mut().zip(octets).enumerate() {
        let kept = usize::from(length).saturating_sub(8 * index).min(8);
        *to = from & !(0xffu16 >> kept) as u8;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bytecode::{Condition, Formula, Side, assemble};

    #[test]
    fn only_addresses_are_replaced() {
        let condition = |text: &str, length| {
            Formula::Is(Condition::Prefix(Side::Remote, text.parse().unwrap(), length))
        };
        let with = |v4: &str, v6: &str| {
            let port = Formula::Is(Condition::PortIs(Side::Local, 443));
            let formula = Formula::And(vec![
                Formula::Or(vec![condition(v4, 20), condition(v6, 33)]),
                Formula::Not(Box::new(condition(v4, 32))),
                port,
            ]);
            assemble(&formula).unwrap()
        };
        let program = with("10.1.2.3", "2001:db8::1");
        let map = |address| match address {
            IpAddr::V4(_) => "99.98.97.96".parse().unwrap(),
            IpAddr::V6(_) => "fd00:1:ffff::1".parse().unwrap(),
        };
        let mapped = map_hosts(&program, map).unwrap();
        verify(&mapped).unwrap();
        let mut expected = with("99.98.97.96", "fd00:1:8000::");
        // The first address is a prefix of twenty bits.
        let at = expected.windows(4).position(|bytes| bytes == [99, 98, 97, 96]).unwrap();
        expected[at + 2..at + 4].copy_from_slice(&[96, 0]);
        assert_eq!(mapped, expected);
        assert_eq!(
            map_hosts(&program, |address| address).map(|same| same.len()),
            Some(program.len())
        );
        assert_eq!(map_hosts(&program[..program.len() - 4], map), None);
        assert_eq!(map_hosts(&[], map), Some(Vec::new()));
    }
}
