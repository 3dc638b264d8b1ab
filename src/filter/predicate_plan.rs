//! The part of a predicate that the kernel can decide.

use super::Side;
use super::plan::PlanOptions;
use super::predicate::{Attribute, Comparison, Family, Predicate};
use crate::model::{Families, Group, Role, State, StateSet};
use crate::wire::bytecode::{Condition, Formula};

impl Predicate {
    /// The keyword.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Family(_) => "family",
            Self::Prefix { .. } => "addr",
            Self::Port { .. } => "port",
            Self::Interface(_) => "dev",
            Self::Mark { .. } => "fwmark",
            Self::Cgroup(_) => "cgroup",
            Self::CgroupPath(_) | Self::Known(Attribute::CgroupPath) => "cgroup with *",
            Self::AutoBound(_) => "autobound",
            Self::Field(test) => test.field.name,
            Self::Role(_) => "role",
            Self::Uid(_) => "uid",
            Self::Pid(_) => "pid",
            Self::Comm(_) | Self::Known(Attribute::Process) => "comm",
            Self::Unit(_) | Self::Known(Attribute::Unit) => "unit",
            Self::Container(_) | Self::Known(Attribute::Container) => "container",
            Self::Service(_) | Self::Known(Attribute::Service) => "service",
            Self::Congestion(_) | Self::Known(Attribute::Congestion) => "congestion",
            Self::NetnsName(_) | Self::NetnsInode(_) => "netns",
        }
    }

    /// States of the sockets for which it may be true.
    pub(super) fn states(&self) -> StateSet {
        const LISTENING: StateSet = StateSet::of(&[State::Listen]);
        let without = |states: &[State]| StateSet::of(states).complement();
        match self {
            Self::State(states) => *states,
            Self::Role(Role::Listener) => LISTENING,
            Self::Field(test) => match (test.field.group, test.field.name) {
                // A TIME-WAIT record has no `tcp_info` and no memory.
                (Group::TcpInfo, _) if test.field.is_of_listeners() => without(&[State::TimeWait]),
                (Group::TcpInfo | Group::Derived, _) => without(&[State::TimeWait, State::Listen]),
                (Group::Skmem, _) => without(&[State::TimeWait]),
                (Group::Socket, "accept_queue" | "accept_queue_max") => LISTENING,
                (Group::Socket, _) => StateSet::ALL,
            },
            _ => StateSet::ALL,
        }
    }

    pub(super) fn families(&self, wanted: bool) -> Families {
        match self {
            Self::Family(family) => {
                let v4 = (*family == Family::V4) == wanted;
                Families { v4, v6: !v4 }
            }
            Self::Prefix { net, .. } if wanted && net.addr().is_ipv6() => {
                Families { v4: false, v6: true }
            }
            _ => Families::BOTH,
        }
    }

    /// The formula that equals this, if the kernel has one.
    pub(super) fn formula(&self, options: PlanOptions) -> Option<Formula> {
        let is = |condition| Some(Formula::Is(condition));
        match self {
            Self::Port { side, op: Comparison::Different, port } => {
                Some(negated(on_either(*side, |side| at_port(side, Comparison::Equal, *port))))
            }
            Self::Port { side, op, port } => {
                Some(on_either(*side, |side| at_port(side, *op, *port)))
            }
            Self::Prefix { side, net } => Some(on_either(*side, |side| {
                Formula::Is(Condition::Prefix(side, net.addr(), net.prefix_len()))
            })),
            // IPv6 prefixes match IPv6 sockets only, and the empty prefix all of those.
            Self::Family(family) => {
                let any = std::net::Ipv6Addr::UNSPECIFIED.into();
                let v6 = Formula::Is(Condition::Prefix(Side::Local, any, 0));
                Some(if *family == Family::V6 { v6 } else { negated(v6) })
            }
            Self::Interface(index) => is(Condition::Interface(*index)),
            Self::Mark { value, mask } if options.mark => {
                is(Condition::Mark { value: *value, mask: *mask })
            }
            Self::Cgroup(id) if options.cgroup => is(Condition::Cgroup(*id)),
            Self::NetnsInode(inode) => {
                let here = options.netns?;
                Some(if here == *inode { Formula::True } else { Formula::False })
            }
            Self::AutoBound(true) => is(Condition::AutoBound),
            Self::AutoBound(false) => Some(negated(Formula::Is(Condition::AutoBound))),
            _ => None,
        }
    }
}

fn at_port(side: Side, op: Comparison, port: u16) -> Formula {
    let is = Formula::Is;
    match op {
        Comparison::Equal => is(Condition::PortIs(side, port)),
        Comparison::Different => negated(is(Condition::PortIs(side, port))),
        Comparison::AtLeast => is(Condition::PortAtLeast(side, port)),
        Comparison::AtMost => is(Condition::PortAtMost(side, port)),
        Comparison::Greater => negated(is(Condition::PortAtMost(side, port))),
        Comparison::Less => negated(is(Condition::PortAtLeast(side, port))),
    }
}

fn on_either(side: Option<Side>, on: impl Fn(Side) -> Formula) -> Formula {
    match side {
        Some(side) => on(side),
        None => any(vec![on(Side::Local), on(Side::Remote)]),
    }
}

pub(super) fn negated(formula: Formula) -> Formula {
    match formula {
        Formula::True => Formula::False,
        Formula::False => Formula::True,
        Formula::Not(inner) => *inner,
        formula => Formula::Not(Box::new(formula)),
    }
}

pub(super) fn all(parts: Vec<Formula>) -> Formula {
    if parts.contains(&Formula::False) {
        return Formula::False;
    }
    let mut parts: Vec<Formula> = parts.into_iter().filter(|part| *part != Formula::True).collect();
    match parts.len() {
        0 => Formula::True,
        1 => parts.pop().unwrap_or(Formula::True),
        _ => Formula::And(parts),
    }
}

pub(super) fn any(parts: Vec<Formula>) -> Formula {
    if parts.contains(&Formula::True) {
        return Formula::True;
    }
    let mut parts: Vec<Formula> =
        parts.into_iter().filter(|part| *part != Formula::False).collect();
    match parts.len() {
        0 => Formula::False,
        1 => parts.pop().unwrap_or(Formula::False),
        _ => Formula::Or(parts),
    }
}
