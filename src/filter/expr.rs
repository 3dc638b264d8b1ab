//! Expressions: predicates combined by `and`, `or` and `not`.

use super::predicate::{Attribute, Comparison, Predicate};
use crate::model::{Field, Group, fields};
use crate::wire::Extensions;

/// A filter expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Every socket.
    True,
    /// Sockets for which a predicate holds.
    Is(Predicate),
    /// Sockets for which an expression does not hold.
    Not(Box<Expr>),
    /// Sockets for which all hold.
    And(Vec<Expr>),
    /// Sockets for which at least one holds.
    Or(Vec<Expr>),
}

impl Expr {
    /// Both expressions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all(vec![self, other])
    }

    /// All expressions; every socket where the list is empty.
    pub fn all(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::True => {}
                Self::And(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        match flat.len() {
            0 => Self::True,
            1 => flat.pop().unwrap_or(Self::True),
            _ => Self::And(flat),
        }
    }

    /// At least one expression; no socket where the list is empty.
    pub fn any(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::True => return Self::True,
                Self::Or(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        if flat.len() == 1 { flat.pop().unwrap_or(Self::True) } else { Self::Or(flat) }
    }

    /// The data that evaluation needs.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        self.collect(&mut needs);
        needs
    }

    /// The first predicate that may begin or cease to hold while a socket lives, by its name in
    /// expressions.
    pub fn changing(&self) -> Option<&'static str> {
        match self {
            Self::True => None,
            Self::Is(predicate) => predicate.changing(),
            Self::Not(inner) => inner.changing(),
            Self::And(parts) | Self::Or(parts) => parts.iter().find_map(Self::changing),
        }
    }

    /// Whether every socket for which it holds has an end point, an owner or a figure that it asks
    /// for. What it excludes is not asked for.
    pub fn selects(&self) -> bool {
        match self {
            Self::True | Self::Not(_) => false,
            Self::Is(predicate) => predicate.selects(),
            Self::And(parts) => parts.iter().any(Self::selects),
            Self::Or(parts) => parts.iter().all(Self::selects),
        }
    }

    fn collect(&self, needs: &mut Needs) {
        match self {
            Self::True => {}
            Self::Is(predicate) => predicate.collect(needs),
            Self::Not(inner) => inner.collect(needs),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.collect(needs));
            }
        }
    }
}

impl std::ops::Not for Expr {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::Is(Predicate::AutoBound(wanted)) => Self::Is(Predicate::AutoBound(!wanted)),
            expr => Self::Not(Box::new(expr)),
        }
    }
}

impl From<Predicate> for Expr {
    fn from(predicate: Predicate) -> Self {
        Self::Is(predicate)
    }
}

/// The data that an expression needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The processes that hold a socket.
    pub owner: bool,
    /// The socket's role.
    pub role: bool,
    /// The socket's service.
    pub service: bool,
    /// The path of the socket's cgroup.
    pub cgroup_path: bool,
    /// The name or the inode of the network namespace.
    pub netns: bool,
    /// The socket's mark, which the kernel sends to holders of CAP_NET_ADMIN only.
    pub mark: bool,
    /// The kernel's filter program ([`Plan::program`](super::Plan::program)), which alone can decide
    /// `autobound`.
    pub program: bool,
    /// Attributes that the kernel has to send.
    pub extensions: Extensions,
}

impl Predicate {
    /// The name of a predicate that depends on more than what a socket is and who made it.
    fn changing(&self) -> Option<&'static str> {
        /// Fields that stay the same for a socket, and that every dump has.
        const FIXED: [&Field; 3] = [&fields::LPORT, &fields::RPORT, &fields::UID];
        match self {
            Self::State(_) => Some("state"),
            Self::Mark { .. } => Some("mark"),
            Self::AutoBound(_) => Some("autobound"),
            Self::Congestion(_) | Self::Known(Attribute::Congestion) => Some("congestion"),
            Self::Field(test) => {
                let is_fixed = FIXED.iter().any(|field| field.name == test.field.name);
                (!is_fixed).then_some(test.field.name)
            }
            Self::Family(_)
            | Self::Prefix { .. }
            | Self::Port { .. }
            | Self::Interface(_)
            | Self::Cgroup(_)
            | Self::CgroupPath(_)
            | Self::Role(_)
            | Self::Uid(_)
            | Self::Pid(_)
            | Self::Comm(_)
            | Self::Unit(_)
            | Self::Container(_)
            | Self::Service(_)
            | Self::NetnsName(_)
            | Self::NetnsInode(_)
            | Self::Known(_) => None,
        }
    }

    /// Whether it asks for an end point, an owner or a figure.
    fn selects(&self) -> bool {
        match self {
            Self::Prefix { net, .. } => net.prefix_len() > 0,
            Self::Port { op, .. } => *op != Comparison::Different,
            // Nearly all sockets differ from one port or user.
            Self::Field(test) => {
                test.field.group != Group::Socket || test.op != Comparison::Different
            }
            Self::Cgroup(_) | Self::Uid(_) | Self::Pid(_) => true,
            Self::CgroupPath(name)
            | Self::Comm(name)
            | Self::Unit(name)
            | Self::Container(name)
            | Self::Service(name) => !name.as_str().trim_matches(['*', '/']).is_empty(),
            Self::State(_)
            | Self::Family(_)
            | Self::Interface(_)
            | Self::Mark { .. }
            | Self::AutoBound(_)
            | Self::Role(_)
            | Self::Congestion(_)
            | Self::NetnsName(_)
            | Self::NetnsInode(_)
            | Self::Known(_) => false,
        }
    }

    fn collect(&self, needs: &mut Needs) {
        match self {
            Self::State(_)
            | Self::Family(_)
            | Self::Prefix { .. }
            | Self::Port { .. }
            | Self::Interface(_)
            | Self::Cgroup(_) => {}
            Self::Mark { .. } => needs.mark = true,
            Self::AutoBound(_) => needs.program = true,
            Self::Role(_) => needs.role = true,
            Self::Pid(_) | Self::Comm(_) | Self::Unit(_) | Self::Container(_) => needs.owner = true,
            Self::Service(_) => needs.service = true,
            Self::CgroupPath(_) => needs.cgroup_path = true,
            Self::Congestion(_) => needs.want(Extensions::CONG),
            Self::NetnsName(_) | Self::NetnsInode(_) => needs.netns = true,
            Self::Uid(_) => needs.want_field(&fields::UID),
            Self::Field(test) => needs.want_field(test.field),
            Self::Known(attribute) => match attribute {
                Attribute::Process | Attribute::Unit | Attribute::Container => needs.owner = true,
                Attribute::Service => needs.service = true,
                Attribute::Congestion => needs.want(Extensions::CONG),
                Attribute::CgroupPath => needs.cgroup_path = true,
            },
        }
    }
}

impl Needs {
    fn want(&mut self, extensions: Extensions) {
        self.extensions = self.extensions.with(extensions);
    }

    fn want_field(&mut self, field: &'static Field) {
        match (field.group, field.name) {
            (Group::TcpInfo | Group::Derived, _) => self.want(Extensions::INFO),
            (Group::Skmem, _) => self.want(Extensions::SKMEMINFO),
            (Group::Socket, "tos") => self.want(Extensions::TOS),
            (Group::Socket, "tclass" | "class_id") => self.want(Extensions::TCLASS),
            (Group::Socket, "mark") => self.mark = true,
            // A FIN-WAIT-2 record has these if there is a full socket, and then it has `tcp_info`.
            (Group::Socket, "uid" | "inode" | "recv_q" | "send_q") => self.want(Extensions::INFO),
            (Group::Socket, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{NoNames, parse};

    fn needs(text: &str) -> Needs {
        parse(text, &NoNames).unwrap().needs()
    }

    #[test]
    fn only_what_the_expression_needs() {
        let nothing = Needs::default();
        assert_eq!(needs("state all sport = :80 dst 10/8 lport > 5 src inet:*"), nothing);
        assert_eq!(needs("sport = :80 or not dst 10.0.0.0/8"), nothing);
        assert_eq!(needs("comm = java"), Needs { owner: true, ..nothing });
        assert_eq!(needs("not (unit != x)"), Needs { owner: true, ..nothing });
        assert_eq!(needs("role = server service"), Needs { role: true, service: true, ..nothing });
        assert_eq!(needs("cgroup = /a*"), Needs { cgroup_path: true, ..nothing });
        assert_eq!(needs("netns = blue"), Needs { netns: true, ..nothing });
        assert_eq!(needs("fwmark 1"), Needs { mark: true, ..nothing });
        assert_eq!(needs("autobound"), Needs { program: true, ..nothing });
        let extensions = |text| needs(text).extensions;
        assert_eq!(extensions("rtt > 5ms"), Extensions::INFO);
        assert_eq!(extensions("retrans_ratio > 1%"), Extensions::INFO);
        assert_eq!(extensions("uid = 0"), Extensions::INFO);
        assert_eq!(extensions("drops"), Extensions::SKMEMINFO);
        assert_eq!(extensions("tos = 8 or tclass = 8"), Extensions::TOS.with(Extensions::TCLASS));
        assert_eq!(extensions("congestion = bbr"), Extensions::CONG);
        assert_eq!(extensions("inode = 7 lport = 8 drops"), Extensions(0x42));
    }

    #[test]
    fn what_selects() {
        for text in [
            "dst 10.0.0.7",
            "sport = :80",
            "lport > 1024",
            "pid = 1",
            "comm = java*",
            "uid = 0",
            "cgroup = /a*",
            "unit = x",
            "container = x",
            "service = x",
            "rtt > 50ms",
            "total_retrans != 0",
            "role = server and dport = :80",
            "state established and not dst 10.0.0.0/8 and rtt > 50ms",
            "dport = :80 or (dst 10.0.0.7 and state established)",
        ] {
            assert!(parse(text, &NoNames).unwrap().selects(), "{text}");
        }
        for text in [
            "state all",
            "family = inet6",
            "netns = blue",
            "role = client",
            "congestion = cubic",
            "state established and role = client",
            "dst 0.0.0.0/0",
            "dport != :80",
            "not dst 10.0.0.7",
            "not rtt > 50ms",
            "uid != 0",
            "comm = *",
            "cgroup = /*",
            "service",
            "dport = :80 or state established",
        ] {
            assert!(!parse(text, &NoNames).unwrap().selects(), "{text}");
        }
        assert!(!Expr::True.selects());
    }

    #[test]
    fn constructors_flatten() {
        let (a, b) = (Expr::Is(Predicate::Pid(1)), Expr::Is(Predicate::Pid(2)));
        assert_eq!(Expr::True.and(a.clone()), a);
        let both = a.clone().and(b.clone());
        assert_eq!(both.clone().and(b.clone()), Expr::And(vec![a.clone(), b.clone(), b.clone()]));
        assert_eq!(Expr::any(vec![a.clone()]), a);
        assert_eq!(Expr::any(vec![a.clone(), Expr::True]), Expr::True);
        assert_eq!(Expr::any(vec![]), Expr::Or(vec![]));
        assert_eq!(Expr::all(vec![]), Expr::True);
        assert_eq!(!!a.clone(), a);
    }
}
