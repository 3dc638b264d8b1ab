//! What the kernel checks before it takes a program (`inet_diag_bc_audit()`).

use super::{OP, code};
use crate::wire::bytes::{u8_at, u16_at};

/// Where and why a program would be refused with `EINVAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("filter program: {reason} at byte {at}")]
pub struct Invalid {
    /// Position of the op.
    pub at: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks a program as the kernel does.
///
/// # Errors
/// [`Invalid`], for the first op that the kernel would refuse.
pub fn verify(program: &[u8]) -> Result<(), Invalid> {
    if !program.len().is_multiple_of(OP) {
        return Err(Invalid { at: program.len(), reason: "length is no multiple of four" });
    }
    let mut at = 0;
    while let Some(rest) = program.get(at..).filter(|rest| !rest.is_empty()) {
        at += audit(program, at, rest).map_err(|reason| Invalid { at, reason })?;
    }
    if at == program.len() {
        Ok(())
    } else {
        Err(Invalid { at, reason: "does not end at its end" })
    }
}

/// Checks one op; tells its length, by which the audit advances.
fn audit(program: &[u8], at: usize, rest: &[u8]) -> Result<usize, &'static str> {
    let field = |value: Option<u16>| value.map(usize::from).ok_or("op is cut off");
    let op_code = u8_at(rest, 0).ok_or("op is cut off")?;
    let yes = field(u8_at(rest, 1).map(u16::from))?;
    let no = field(u16_at(rest, 2))?;
    let shortest = match op_code {
        code::NOP | code::JMP | code::AUTO => OP,
        code::S_GE | code::S_LE | code::D_GE | code::D_LE | code::S_EQ | code::D_EQ => 2 * OP,
        code::DEV_COND => OP + 4,
        code::MARK_COND | code::CGROUP_COND => OP + 8,
        code::S_COND | code::D_COND => host_condition(rest)?,
        _ => return Err("unknown code"),
    };
    if rest.len() < shortest {
        return Err("operand is cut off");
    }
    if op_code != code::NOP {
        // A jump's `no` only has to leave the jump itself.
        let least = if op_code == code::JMP { OP } else { shortest };
        if no < least || no > rest.len() + OP || !no.is_multiple_of(OP) {
            return Err("`no` leads nowhere");
        }
        if no < rest.len() && !is_boundary(program, at + no) {
            return Err("`no` leads into an operand");
        }
    }
    if yes < shortest || yes > rest.len() + OP || !yes.is_multiple_of(OP) {
        return Err("`yes` leads nowhere");
    }
    Ok(yes)
}

/// Length of a host condition's op, `valid_hostcond()`.
fn host_condition(rest: &[u8]) -> Result<usize, &'static str> {
    let family = u8_at(rest, OP).ok_or("operand is cut off")?;
    let length = u8_at(rest, OP + 1).ok_or("operand is cut off")?;
    let address = match i32::from(family) {
        libc::AF_UNSPEC => 0,
        libc::AF_INET => 4,
        libc::AF_INET6 => 16,
        _ => return Err("unknown address family"),
    };
    if usize::from(length) > 8 * address {
        return Err("prefix is longer than the address");
    }
    Ok(OP + 8 + address)
}

/// Whether following the `yes` lengths from the start meets `target`,
/// `valid_cc()`.
fn is_boundary(program: &[u8], target: usize) -> bool {
    let mut at = 0;
    while at < target {
        match u8_at(program, at + 1) {
            Some(yes) if yes >= OP as u8 && yes.is_multiple_of(OP as u8) => at += usize::from(yes),
            _ => return false,
        }
    }
    at == target
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, Formula, Side, assemble};
    use super::*;

    #[test]
    fn takes_what_the_assembler_writes() {
        let is = |condition| Formula::Is(condition);
        let formula = Formula::Or(vec![
            Formula::And(vec![
                is(Condition::PortAtLeast(Side::Local, 1024)),
                Formula::Not(Box::new(is(Condition::Prefix(
                    Side::Remote,
                    "10.0.0.0".parse().unwrap(),
                    8,
                )))),
            ]),
            is(Condition::Cgroup(7)),
            is(Condition::Mark { value: 1, mask: 0xff }),
            Formula::Not(Box::new(Formula::Or(vec![is(Condition::AutoBound), Formula::False]))),
        ]);
        let program = assemble(&formula).unwrap();
        assert_eq!(verify(&program), Ok(()));
    }

    #[test]
    fn refuses_what_the_kernel_refuses() {
        let reason = |program: &[u8]| verify(program).map_err(|invalid| invalid.reason);
        assert_eq!(reason(&[1, 4, 8]), Err("length is no multiple of four"));
        assert_eq!(reason(&[99, 4, 4, 0]), Err("unknown code"));
        assert_eq!(reason(&[1, 4, 0, 0]), Err("`no` leads nowhere"));
        assert_eq!(reason(&[1, 4, 12, 0]), Err("`no` leads nowhere"));
        assert_eq!(reason(&[1, 0, 4, 0]), Err("`yes` leads nowhere"));
        assert_eq!(reason(&[2, 4, 8, 0]), Err("operand is cut off"));
        assert_eq!(
            reason(&[1, 4, 8, 0, 2, 8, 8, 0, 0, 0, 80, 0]),
            Err("`no` leads into an operand")
        );
        assert_eq!(reason(&[1, 4, 12, 0, 2, 8, 8, 0, 0, 0, 80, 0]), Ok(()));
        assert_eq!(
            reason(&[7, 16, 16, 0, 2, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err("prefix is longer than the address")
        );
    }
}
