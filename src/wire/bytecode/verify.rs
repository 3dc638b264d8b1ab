//! Checks a program as `inet_diag_bc_audit()` does.

use crate::wire::bytes::{u8_at, u16_at};
use crate::wire::uapi::{self, INET_DIAG_BC_OP_LEN, INET_DIAG_HOSTCOND_LEN};

/// A program that the kernel would refuse with `EINVAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("filter program: {reason} at byte {at}")]
pub struct Invalid {
    /// Position of the operation.
    pub at: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks a program as the kernel does.
///
/// # Errors
/// [`Invalid`], for the first operation that the kernel would refuse.
pub fn verify(program: &[u8]) -> Result<(), Invalid> {
    if !program.len().is_multiple_of(INET_DIAG_BC_OP_LEN) {
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

/// Checks one operation, and returns its length, by which the audit advances.
fn audit(program: &[u8], at: usize, rest: &[u8]) -> Result<usize, &'static str> {
    let field = |value: Option<u16>| value.map(usize::from).ok_or("op is cut off");
    let op_code = u8_at(rest, 0).ok_or("op is cut off")?;
    let yes = field(u8_at(rest, 1).map(u16::from))?;
    let no = field(u16_at(rest, 2))?;
    let shortest = match op_code {
        uapi::INET_DIAG_BC_NOP | uapi::INET_DIAG_BC_JMP | uapi::INET_DIAG_BC_AUTO => {
            INET_DIAG_BC_OP_LEN
        }
        uapi::INET_DIAG_BC_S_GE
        | uapi::INET_DIAG_BC_S_LE
        | uapi::INET_DIAG_BC_D_GE
        | uapi::INET_DIAG_BC_D_LE
        | uapi::INET_DIAG_BC_S_EQ
        | uapi::INET_DIAG_BC_D_EQ => 2 * INET_DIAG_BC_OP_LEN,
        uapi::INET_DIAG_BC_DEV_COND => INET_DIAG_BC_OP_LEN + 4,
        uapi::INET_DIAG_BC_MARK_COND | uapi::INET_DIAG_BC_CGROUP_COND => INET_DIAG_BC_OP_LEN + 8,
        uapi::INET_DIAG_BC_S_COND | uapi::INET_DIAG_BC_D_COND => host_condition(rest)?,
        _ => return Err("unknown code"),
    };
    if rest.len() < shortest {
        return Err("operand is cut off");
    }
    if op_code != uapi::INET_DIAG_BC_NOP {
        // The `no` of a jump only has to lead past the jump itself.
        let least = if op_code == uapi::INET_DIAG_BC_JMP { INET_DIAG_BC_OP_LEN } else { shortest };
        if no < least
            || no > rest.len() + INET_DIAG_BC_OP_LEN
            || !no.is_multiple_of(INET_DIAG_BC_OP_LEN)
        {
            return Err("`no` leads nowhere");
        }
        if no < rest.len() && !is_boundary(program, at + no) {
            return Err("`no` leads into an operand");
        }
    }
    if yes < shortest
        || yes > rest.len() + INET_DIAG_BC_OP_LEN
        || !yes.is_multiple_of(INET_DIAG_BC_OP_LEN)
    {
        return Err("`yes` leads nowhere");
    }
    Ok(yes)
}

/// Length of the operation of a host condition, `valid_hostcond()`.
fn host_condition(rest: &[u8]) -> Result<usize, &'static str> {
    let family = u8_at(rest, INET_DIAG_BC_OP_LEN).ok_or("operand is cut off")?;
    let length = u8_at(rest, INET_DIAG_BC_OP_LEN + 1).ok_or("operand is cut off")?;
    let address = match family {
        uapi::AF_UNSPEC => 0,
        uapi::AF_INET => 4,
        uapi::AF_INET6 => 16,
        _ => return Err("unknown address family"),
    };
    if usize::from(length) > 8 * address {
        return Err("prefix is longer than the address");
    }
    Ok(INET_DIAG_BC_OP_LEN + INET_DIAG_HOSTCOND_LEN + address)
}

/// Whether an operation starts at `target` when the `yes` lengths are followed from the start,
/// `valid_cc()`.
fn is_boundary(program: &[u8], target: usize) -> bool {
    let mut at = 0;
    while at < target {
        match u8_at(program, at + 1) {
            Some(yes)
                if yes >= INET_DIAG_BC_OP_LEN as u8
                    && yes.is_multiple_of(INET_DIAG_BC_OP_LEN as u8) =>
            {
                at += usize::from(yes)
            }
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
    fn accepts_what_the_assembler_writes() {
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
