//! Translates a formula into a program.

use std::net::IpAddr;

use super::{Condition, Formula, Side};
use crate::wire::uapi::{self, INET_DIAG_BC_OP_LEN};

/// The program of a formula is too long: jumps are 16 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filter is too long for the kernel: its program has {0} bytes, 65528 fit")]
pub struct TooLong(pub usize);

/// The target of a jump, known when all code in between is written.
#[derive(Clone, Copy)]
struct Label(usize);

/// Translates a formula. The program of [`Formula::True`] is empty, as that of a request without a
/// filter.
///
/// # Errors
/// [`TooLong`] when a jump would not fit.
pub fn assemble(formula: &Formula) -> Result<Vec<u8>, TooLong> {
    if *formula == Formula::True {
        return Ok(Vec::new());
    }
    let mut program = Program::default();
    let (accept, reject) = (program.label(), program.label());
    program.formula(formula, accept, reject, Falls::IfTrue);
    let end = program.bytes.len();
    program.set(accept, end);
    program.set(reject, end + INET_DIAG_BC_OP_LEN);
    program.link()
}

/// The outcome on which execution continues with the code that follows.
#[derive(Clone, Copy, PartialEq)]
enum Falls {
    IfTrue,
    IfFalse,
}

#[derive(Default)]
struct Program {
    bytes: Vec<u8>,
    /// (position of an operation, target of its `no`).
    jumps: Vec<(usize, Label)>,
    labels: Vec<Option<usize>>,
}

impl Program {
    fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    fn set(&mut self, label: Label, at: usize) {
        if let Some(slot) = self.labels.get_mut(label.0) {
            *slot = Some(at);
        }
    }

    /// Writes code that jumps to `yes` or to `no`, one of which is the code that follows.
    fn formula(&mut self, formula: &Formula, yes: Label, no: Label, falls: Falls) {
        match formula {
            Formula::True => self.constant(true, yes, falls),
            Formula::False => self.constant(false, no, falls),
            Formula::Is(condition) => self.condition(condition, yes, no, falls),
            Formula::Not(inner) => {
                let flipped = if falls == Falls::IfTrue { Falls::IfFalse } else { Falls::IfTrue };
                self.formula(inner, no, yes, flipped);
            }
            Formula::And(parts) => self.chain(parts, true, yes, no, falls),
            Formula::Or(parts) => self.chain(parts, false, yes, no, falls),
        }
    }

    /// `and` continues with the next part while parts are true, `or` while they are false.
    fn chain(&mut self, parts: &[Formula], all: bool, yes: Label, no: Label, falls: Falls) {
        let Some((last, rest)) = parts.split_last() else {
            return self.constant(all, if all { yes } else { no }, falls);
        };
        let goes_on = if all { Falls::IfTrue } else { Falls::IfFalse };
        for part in rest {
            let next = self.label();
            let (yes, no) = if all { (next, no) } else { (yes, next) };
            self.formula(part, yes, no, goes_on);
            self.set(next, self.bytes.len());
        }
        self.formula(last, yes, no, falls);
    }

    fn constant(&mut self, value: bool, target: Label, falls: Falls) {
        if value != (falls == Falls::IfTrue) {
            self.jump(target);
        }
    }

    fn jump(&mut self, target: Label) {
        self.jumps.push((self.bytes.len(), target));
        self.op(uapi::INET_DIAG_BC_JMP, INET_DIAG_BC_OP_LEN, 0);
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label, falls: Falls) {
        let at = self.bytes.len();
        self.op(0, 0, 0);
        let code = self.operand(condition);
        let length = self.bytes.len() - at;
        if let Some([op_code, op_yes, ..]) = self.bytes.get_mut(at..) {
            (*op_code, *op_yes) = (code, length as u8);
        }
        if falls == Falls::IfTrue {
            self.jumps.push((at, no));
        } else {
            // `yes` is one byte wide, too narrow for far jumps: a true condition continues with a
            // jump, a false one skips it.
            let over = self.label();
            self.jumps.push((at, over));
            self.jump(yes);
            self.set(over, self.bytes.len());
        }
    }

    /// Writes what follows the first operation of a condition, and returns its code.
    fn operand(&mut self, condition: &Condition) -> u8 {
        match *condition {
            Condition::PortAtLeast(side, port) => {
                self.port(side, uapi::INET_DIAG_BC_S_GE, uapi::INET_DIAG_BC_D_GE, port)
            }
            Condition::PortAtMost(side, port) => {
                self.port(side, uapi::INET_DIAG_BC_S_LE, uapi::INET_DIAG_BC_D_LE, port)
            }
            Condition::PortIs(side, port) => {
                self.port(side, uapi::INET_DIAG_BC_S_EQ, uapi::INET_DIAG_BC_D_EQ, port)
            }
            Condition::AutoBound => uapi::INET_DIAG_BC_AUTO,
            Condition::Prefix(side, address, length) => {
                let family = if address.is_ipv4() { uapi::AF_INET } else { uapi::AF_INET6 };
                self.bytes.extend([family, length, 0, 0]);
                self.bytes.extend((-1i32).to_ne_bytes());
                match address {
                    IpAddr::V4(address) => self.bytes.extend(address.octets()),
                    IpAddr::V6(address) => self.bytes.extend(address.octets()),
                }
                if side == Side::Local {
                    uapi::INET_DIAG_BC_S_COND
                } else {
                    uapi::INET_DIAG_BC_D_COND
                }
            }
            Condition::Interface(index) => {
                self.bytes.extend(index.to_ne_bytes());
                uapi::INET_DIAG_BC_DEV_COND
            }
            Condition::Mark { value, mask } => {
                self.bytes.extend(value.to_ne_bytes());
                self.bytes.extend(mask.to_ne_bytes());
                uapi::INET_DIAG_BC_MARK_COND
            }
            Condition::Cgroup(id) => {
                self.bytes.extend(id.to_ne_bytes());
                uapi::INET_DIAG_BC_CGROUP_COND
            }
        }
    }

    /// A port is the `no` of an operation of its own.
    fn port(&mut self, side: Side, local: u8, remote: u8, port: u16) -> u8 {
        self.op(uapi::INET_DIAG_BC_NOP, 0, port);
        if side == Side::Local { local } else { remote }
    }

    fn op(&mut self, code: u8, yes: usize, no: u16) {
        self.bytes.extend([code, yes as u8]);
        self.bytes.extend(no.to_ne_bytes());
    }

    fn link(mut self) -> Result<Vec<u8>, TooLong> {
        let length = self.bytes.len();
        for (at, label) in std::mem::take(&mut self.jumps) {
            let target =
                self.labels.get(label.0).copied().flatten().unwrap_or(length + INET_DIAG_BC_OP_LEN);
            let distance = u16::try_from(target - at).map_err(|_| TooLong(length))?;
            if let Some([_, _, low, high]) = self.bytes.get_mut(at..at + INET_DIAG_BC_OP_LEN) {
                [*low, *high] = distance.to_ne_bytes();
            }
        }
        // The length of the attribute has 16 bits.
        if length > usize::from(u16::MAX) - 8 { Err(TooLong(length)) } else { Ok(self.bytes) }
    }
}
