//! The part of an expression that the kernel can decide.
//!
//! A plan selects at least the sockets of its expression: a part that the kernel cannot decide counts
//! as true, and evaluation in user space decides it later. A plan saves the kernel from sending the
//! other sockets.

use super::Side;
use super::expr::Expr;
use super::predicate::{Comparison, Predicate};
use super::predicate_plan::{all, any, negated};
use crate::model::{Families, State, StateSet};
use crate::wire::Reply;
use crate::wire::bytecode::{Formula, Subject, accepts, assemble, verify};

/// The conditions that the kernel's program may have. Others count as true there. The default needs
/// neither a recent kernel nor a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Marks: Linux 4.19 and CAP_NET_ADMIN, else the kernel refuses (`EPERM`).
    pub mark: bool,
    /// Cgroups: Linux 5.10, else the kernel refuses (`EINVAL`).
    pub cgroup: bool,
    /// The inode of the network namespace that the plan is for, so that conditions on that are
    /// decided; `None` for a plan for several.
    pub netns: Option<u64>,
}

/// A request to the kernel. A socket has to match every part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// States. A replay has to check them: the default states are not part of the expression.
    pub states: StateSet,
    /// Families.
    pub families: Families,
    /// The request's local port, 0 for any.
    pub local_port: u16,
    /// The request's remote port, 0 for any.
    pub remote_port: u16,
    /// Filter program, empty for none. Older kernels refuse equality of ports, interfaces (4.19) and
    /// cgroups (5.10) with `EINVAL`. The same request without the program is right then, except with
    /// [`Needs::program`].
    ///
    /// [`Needs::program`]: super::Needs::program
    pub program: Vec<u8>,
}

impl Expr {
    /// The plan for this expression. `default_states` apply if the expression has no states, as in ss;
    /// other conditions for listeners (`role = listener`, `accept_queue`) add listeners.
    pub fn plan(&self, default_states: StateSet, options: PlanOptions) -> Plan {
        let mut base = default_states;
        if self.speaks_of_states() {
            base = StateSet::ALL;
        } else if self.asks_for_listeners(true) {
            base = base.union(StateSet::of(&[State::Listen]));
        }
        let (local_port, remote_port) = (self.pinned(Side::Local), self.pinned(Side::Remote));
        let conjuncts = self.conjuncts().iter().filter(|part| {
            !part.pins(Side::Local, local_port) && !part.pins(Side::Remote, remote_port)
        });
        let formula = all(conjuncts.map(|part| part.formula(true, options)).collect());
        let program = assemble(&formula).ok().filter(|program| verify(program).is_ok());
        Plan {
            states: base.intersection(self.states(true)),
            families: self.families(true),
            local_port: local_port.unwrap_or(0),
            remote_port: remote_port.unwrap_or(0),
            program: program.unwrap_or_default(),
        }
    }

    /// A part that the kernel cannot decide, so that the plan selects more than the expression. `None`
    /// if it decides all. The kernel combines states with other conditions by `and` only.
    pub fn undecided(&self, options: PlanOptions) -> Option<String> {
        self.conjuncts().iter().find_map(|part| part.undecided_part(options)).or_else(|| {
            let formula = self.formula(true, options);
            let fits = assemble(&formula).is_ok_and(|program| verify(&program).is_ok());
            (!fits).then(|| "an expression of this length".to_owned())
        })
    }

    fn undecided_part(&self, options: PlanOptions) -> Option<String> {
        let mut predicates = Vec::new();
        self.collect_predicates(&mut predicates);
        let of_states = |predicate: &&Predicate| matches!(predicate, Predicate::State(_));
        let (states, others): (Vec<&Predicate>, Vec<&Predicate>) =
            predicates.into_iter().partition(of_states);
        let undecided = others.iter().find(|predicate| predicate.formula(options).is_none());
        match undecided {
            Some(predicate) => Some(format!("`{}`", predicate.word())),
            None if !states.is_empty() && !others.is_empty() => {
                Some("a state as an alternative to something else".to_owned())
            }
            None => None,
        }
    }

    fn collect_predicates<'a>(&'a self, into: &mut Vec<&'a Predicate>) {
        match self {
            Self::True => {}
            Self::Is(predicate) => into.push(predicate),
            Self::Not(inner) => inner.collect_predicates(into),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.collect_predicates(into));
            }
        }
    }

    /// The parts of a conjunction.
    fn conjuncts(&self) -> &[Self] {
        match self {
            Self::And(parts) => parts,
            expr => std::slice::from_ref(expr),
        }
    }

    /// The only port that an end may have.
    fn pinned(&self, side: Side) -> Option<u16> {
        self.conjuncts().iter().find_map(|part| match part {
            Self::Is(Predicate::Port { side: Some(end), op: Comparison::Equal, port })
                if *end == side && *port != 0 =>
            {
                Some(*port)
            }
            _ => None,
        })
    }

    /// Whether this only says that the port is the one in the request.
    fn pins(&self, side: Side, pinned: Option<u16>) -> bool {
        pinned.is_some_and(|port| {
            let side = Some(side);
            *self == Self::Is(Predicate::Port { side, op: Comparison::Equal, port })
        })
    }

    fn speaks_of_states(&self) -> bool {
        match self {
            Self::True => false,
            Self::Is(predicate) => matches!(predicate, Predicate::State(_)),
            Self::Not(inner) => inner.speaks_of_states(),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::speaks_of_states),
        }
    }

    /// Whether some part (negated where not `wanted`) holds for listeners only.
    fn asks_for_listeners(&self, wanted: bool) -> bool {
        match self {
            Self::True => false,
            Self::Is(predicate) => wanted && predicate.states() == StateSet::of(&[State::Listen]),
            Self::Not(inner) => inner.asks_for_listeners(!wanted),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().any(|part| part.asks_for_listeners(wanted))
            }
        }
    }

    /// The possible states of sockets for which this is `wanted`, true or false.
    fn states(&self, wanted: bool) -> StateSet {
        match (self, wanted) {
            (Self::True, true) => StateSet::ALL,
            (Self::True, false) => StateSet::NONE,
            (Self::Is(predicate), true) => predicate.states(),
            (Self::Is(Predicate::State(states)), false) => states.complement(),
            (Self::Is(_), false) => StateSet::ALL,
            (Self::Not(inner), wanted) => inner.states(!wanted),
            (Self::And(parts), true) | (Self::Or(parts), false) => {
                parts.iter().fold(StateSet::ALL, |set, part| set.intersection(part.states(wanted)))
            }
            (Self::And(parts), false) | (Self::Or(parts), true) => {
                parts.iter().fold(StateSet::NONE, |set, part| set.union(part.states(wanted)))
            }
        }
    }

    /// The possible families, likewise.
    fn families(&self, wanted: bool) -> Families {
        match (self, wanted) {
            (Self::True, true) => Families::BOTH,
            (Self::True, false) => Families::NONE,
            (Self::Is(predicate), _) => predicate.families(wanted),
            (Self::Not(inner), wanted) => inner.families(!wanted),
            (Self::And(parts), true) | (Self::Or(parts), false) => {
                parts.iter().fold(Families::BOTH, |set, part| {
                    let part = part.families(wanted);
                    Families { v4: set.v4 && part.v4, v6: set.v6 && part.v6 }
                })
            }
            (Self::And(parts), false) | (Self::Or(parts), true) => {
                parts.iter().fold(Families::NONE, |set, part| {
                    let part = part.families(wanted);
                    Families { v4: set.v4 || part.v4, v6: set.v6 || part.v6 }
                })
            }
        }
    }

    /// A formula for the kernel that is true wherever this is `wanted`, true or false. Exact if every
    /// predicate is.
    pub(super) fn formula(&self, wanted: bool, options: PlanOptions) -> Formula {
        let parts =
            |parts: &[Self]| parts.iter().map(|part| part.formula(wanted, options)).collect();
        match (self, wanted) {
            (Self::True, true) => Formula::True,
            (Self::True, false) => Formula::False,
            (Self::Is(predicate), _) => match predicate.formula(options) {
                Some(formula) if wanted => formula,
                Some(formula) => negated(formula),
                None => Formula::True,
            },
            (Self::Not(inner), wanted) => inner.formula(!wanted, options),
            (Self::And(inner), true) | (Self::Or(inner), false) => all(parts(inner)),
            (Self::And(inner), false) | (Self::Or(inner), true) => any(parts(inner)),
        }
    }
}

impl Plan {
    /// Whether the kernel would have selected the socket of this destroy event. Destroy events have no
    /// state, mark or cgroup, and not who chose the port.
    pub fn admits(&self, reply: &Reply<'_>) -> bool {
        let (local, remote) = (reply.local_address(), reply.remote_address());
        let family = if local.is_ipv4() { self.families.v4 } else { self.families.v6 };
        let port = |wanted: u16, found: u16| wanted == 0 || wanted == found;
        family
            && port(self.local_port, reply.local_port())
            && port(self.remote_port, reply.remote_port())
            && accepts(
                &self.program,
                &Subject {
                    local,
                    local_port: reply.local_port(),
                    remote,
                    remote_port: reply.remote_port(),
                    interface: reply.interface(),
                    port_locked: false,
                    mark: 0,
                    cgroup: 0,
                },
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{NoNames, parse};
    use crate::wire::bytecode::Condition;

    fn plan(text: &str) -> Plan {
        let options = PlanOptions { mark: true, cgroup: true, netns: None };
        let expr = parse(text, &NoNames).unwrap_or_else(|error| panic!("{error}"));
        expr.plan(StateSet::DEFAULT, options)
    }

    fn formula(text: &str, options: PlanOptions) -> Formula {
        parse(text, &NoNames).unwrap().formula(true, options)
    }

    #[test]
    fn states() {
        let named = |name| StateSet::named(name).unwrap();
        for (text, states) in [
            ("", StateSet::DEFAULT),
            ("rtt > 5ms", StateSet::DEFAULT),
            ("state listening", named("listen")),
            ("state listening state time-wait", named("listen").union(named("time-wait"))),
            (
                "state connected exclude time-wait",
                StateSet::CONNECTED.intersection(named("time-wait").complement()),
            ),
            ("exclude listening", named("listen").complement()),
            ("state connected and state big", StateSet::CONNECTED.intersection(StateSet::BIG)),
            ("not state connected", StateSet::CONNECTED.complement()),
            ("state listening or rtt > 5ms", StateSet::of(&[State::TimeWait]).complement()),
            (
                "state all rtt",
                StateSet::ALL
                    .intersection(StateSet::of(&[State::TimeWait, State::Listen]).complement()),
            ),
            ("state all reordering", StateSet::of(&[State::TimeWait]).complement()),
            ("role = listener", named("listen")),
            ("accept_queue > 10", named("listen")),
            ("not role = listener", StateSet::DEFAULT),
            ("role = listener or sport = 80", StateSet::DEFAULT.union(named("listen"))),
            ("state listen and state established", StateSet::NONE),
        ] {
            assert_eq!(plan(text).states, states, "{text}");
        }
    }

    #[test]
    fn families() {
        for (text, v4, v6) in [
            ("", true, true),
            ("family = ipv4", true, false),
            ("not family = ipv4", false, true),
            ("dst 10.0.0.0/8", true, true),
            ("dst 2001:db8::/32", false, true),
            ("not dst 2001:db8::/32", true, true),
            ("dst 2001:db8::/32 or family = ipv4", true, true),
            ("family = ipv4 family = ipv6", false, false),
        ] {
            assert_eq!(plan(text).families, Families { v4, v6 }, "{text}");
        }
    }

    #[test]
    fn ports_go_into_the_request() {
        let with = |text| {
            let plan = plan(text);
            (plan.local_port, plan.remote_port, plan.program.is_empty())
        };
        assert_eq!(with("sport = :22"), (22, 0, true));
        assert_eq!(with("sport = :22 dport = :50000 rtt > 5ms"), (22, 50000, true));
        assert_eq!(with("src 10.0.0.1:22"), (22, 0, false));
        assert_eq!(with("sport = :22 sport = :23"), (22, 0, false));
        assert_eq!(with("sport = :22 or sport = :23"), (0, 0, false));
        assert_eq!(with("dport = 0"), (0, 0, false));
        assert_eq!(with("not sport = 22"), (0, 0, false));
        assert_eq!(with("port = 22"), (0, 0, false));
    }

    #[test]
    fn undecidable_parts_are_true() {
        use Condition::*;
        let is = Formula::Is;
        let none = PlanOptions::default();
        let port = |port| is(PortIs(Side::Local, port));
        for (text, wanted) in [
            ("rtt > 5ms", Formula::True),
            ("rtt > 5ms and sport = 1", port(1)),
            ("rtt > 5ms or sport = 1", Formula::True),
            ("not (rtt > 5ms or sport = 1)", Formula::Not(Box::new(port(1)))),
            ("not (rtt > 5ms and sport = 1)", Formula::True),
            ("fwmark 1", Formula::True),
            ("not fwmark 1", Formula::True),
            ("not (sport != 1)", port(1)),
            (
                "sport > 65535 or sport = 1",
                Formula::Or(vec![
                    Formula::Not(Box::new(is(PortAtMost(Side::Local, 65535)))),
                    port(1),
                ]),
            ),
            ("autobound and comm = a", is(AutoBound)),
            ("not autobound", Formula::Not(Box::new(is(AutoBound)))),
        ] {
            assert_eq!(formula(text, none), wanted, "{text}");
        }
        let mark = PlanOptions { mark: true, ..none };
        assert_eq!(formula("fwmark 1/3", mark), is(Mark { value: 1, mask: 3 }));
    }

    #[test]
    fn a_plan_for_one_namespace_has_its_interfaces_only() {
        let interface = |index| Formula::Is(Condition::Interface(index));
        let expr = parse("dev br0", &crate::filter::fixture::SomeNames).unwrap();
        for (netns, wanted) in [
            (None, Formula::Or(vec![interface(3), interface(5)])),
            (Some(7), interface(5)),
            (Some(8), Formula::False),
        ] {
            let options = PlanOptions { netns, ..PlanOptions::default() };
            assert_eq!(expr.formula(true, options), wanted, "{netns:?}");
            assert_eq!(expr.undecided(options).is_none(), netns.is_some());
        }
    }

    #[test]
    fn undecidable_parts_are_reported() {
        let options = PlanOptions { mark: true, cgroup: true, netns: None };
        for (text, left) in [
            ("", None),
            ("sport = 22 or dport = 22", None),
            ("state established or state listen", None),
            ("not state listen and (src 10/8 or lport = 3)", None),
            ("fwmark 3", None),
            ("rtt > 5ms", Some("`rtt`")),
            ("sport = 22 and not (dport = 1 or comm = a)", Some("`comm`")),
            ("state listen or sport = 22", Some("a state as an alternative")),
        ] {
            let found = parse(text, &NoNames).unwrap().undecided(options);
            let same = match left {
                None => found.is_none(),
                Some(left) => found.as_ref().is_some_and(|found| found.starts_with(left)),
            };
            assert!(same, "{text}: {found:?}");
        }
        let unmarked = parse("fwmark 3", &NoNames).unwrap().undecided(PlanOptions::default());
        assert_eq!(unmarked.as_deref(), Some("`fwmark`"));
        let many = (1..6000).map(|port| format!("sport={port}")).collect::<Vec<_>>().join("|");
        assert!(parse(&many, &NoNames).unwrap().undecided(options).is_some());
    }

    #[test]
    fn empty_and_too_long_programs() {
        let expr = Expr::any(vec![]);
        assert_eq!(expr.plan(StateSet::ALL, PlanOptions::default()).program.len(), 4);
        let many = (1..6000).map(|port| format!("sport = {port}")).collect::<Vec<_>>();
        let text = many.join("|").replace(' ', "");
        let expr = parse(&text, &NoNames).unwrap();
        assert!(expr.plan(StateSet::ALL, PlanOptions::default()).program.is_empty());
    }
}
