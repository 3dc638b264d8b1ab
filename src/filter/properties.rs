//! Properties: the kernel and user space agree, plans select at least the sockets of their expression,
//! and no input makes the parser panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::fixture::{self, SomeNames};
use super::*;
use crate::model::{Endpoint, Role, Socket, State, StateSet, fields};
use crate::wire::bytecode::{accepts, assemble, verify};

/// Few values, so that predicates are true about as often as false.
fn ports() -> impl Strategy<Value = u16> {
    prop_oneof![3 => 0u16..4, 1 => Just(u16::MAX), 1 => Just(u16::MAX - 1), 1 => any::<u16>()]
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        3 => (0u8..3, 0u8..4).prop_map(|(a, b)| Ipv4Addr::new(10, a, 0, b)),
        1 => any::<u32>().prop_map(Ipv4Addr::from),
        1 => Just(Ipv4Addr::UNSPECIFIED),
    ]
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        2 => (0u16..3, 0u16..4).prop_map(|(a, b)| Ipv6Addr::new(0x2001, 0xdb8, a, 0, 0, 0, 0, b)),
        2 => v4().prop_map(|address| address.to_ipv6_mapped()),
        1 => v4().prop_map(|address| address.to_ipv6_compatible()),
        1 => any::<u128>().prop_map(Ipv6Addr::from),
    ]
}

fn nets() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (v4(), 0u8..=32).prop_map(|(address, length)| IpNet::new(address.into(), length).unwrap()),
        (v6(), 0u8..=128).prop_map(|(address, length)| IpNet::new(address.into(), length).unwrap()),
    ]
}

fn sides() -> impl Strategy<Value = Option<Side>> {
    prop_oneof![Just(None), Just(Some(Side::Local)), Just(Some(Side::Remote))]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::*;
    prop_oneof![
        Just(Equal),
        Just(Different),
        Just(Less),
        Just(AtMost),
        Just(Greater),
        Just(AtLeast)
    ]
}

fn families() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

/// Predicates that the kernel decides exactly.
fn decidable() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        (sides(), comparisons(), ports()).prop_map(|(side, op, port)| Predicate::Port {
            side,
            op,
            port
        }),
        (sides(), nets()).prop_map(|(side, net)| Predicate::Prefix { side, net }),
        families().prop_map(Predicate::Family),
        (0u32..3).prop_map(Predicate::Interface),
        (0u32..4, 0u32..4).prop_map(|(value, mask)| Predicate::Mark { value, mask }),
        (0u64..3).prop_map(Predicate::Cgroup),
    ]
}

fn names() -> impl Strategy<Value = Pattern> {
    prop_oneof![Just("java"), Just("j*"), Just("/a"), Just("*")].prop_map(Pattern::new)
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client), Just(Role::Listener), Just(Role::Unknown)]
}

fn states() -> impl Strategy<Value = State> {
    proptest::sample::select(&State::ALL[..])
}

fn any_state() -> impl Strategy<Value = Predicate> {
    proptest::collection::vec(states(), 0..4)
        .prop_map(|states| Predicate::State(states.into_iter().collect()))
}

fn predicates() -> impl Strategy<Value = Predicate> {
    let every: Vec<_> = fields::all().collect();
    prop_oneof![
        4 => decidable(),
        1 => any_state(),
        1 => roles().prop_map(Predicate::Role),
        3 => (proptest::sample::select(every), comparisons(), 0u64..4).prop_map(
            |(field, op, amount)| {
                Predicate::Field(FieldTest { field, op, amount: Amount::Integer(amount) })
            }
        ),
        1 => (0u32..3).prop_map(Predicate::Uid),
        1 => (0u32..3).prop_map(Predicate::Pid),
        1 => names().prop_map(Predicate::Comm),
        1 => names().prop_map(Predicate::Service),
        1 => names().prop_map(Predicate::CgroupPath),
        1 => names().prop_map(Predicate::Unit),
        1 => Just(Predicate::Known(Attribute::Process)),
    ]
}

fn exprs(leaves: impl Strategy<Value = Predicate> + 'static) -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![9 => leaves.prop_map(Expr::Is), 1 => Just(Expr::True)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        (v4(), v4()).prop_map(|(local, remote)| (local.into(), remote.into())),
        (v6(), v6()).prop_map(|(local, remote)| (local.into(), remote.into())),
    ]
}

fn small<T: TryFrom<u32> + std::fmt::Debug>() -> impl Strategy<Value = Option<T>> {
    proptest::option::of((0u32..4).prop_map(|value| T::try_from(value).ok().unwrap()))
}

/// Sockets as kernels report them: TIME-WAIT records have no attributes.
fn sockets() -> impl Strategy<Value = Socket> {
    let ends = (addresses(), ports(), ports());
    let words = (0u32..4, 0u32..4, any::<bool>());
    (ends, states(), 0u32..3, small::<u32>(), small::<u64>(), words).prop_map(
        |(((local, remote), local_port, remote_port), state, interface, mark, cgroup_id, words)| {
            let full = words.2 && state != State::TimeWait;
            let listens = state == State::Listen;
            let mut socket = fixture::socket();
            socket.state = state;
            socket.local = Endpoint { address: local, port: local_port };
            socket.remote =
                Endpoint { address: remote, port: if listens { 0 } else { remote_port } };
            socket.interface = interface;
            socket.mark = mark;
            socket.cgroup_id = cgroup_id;
            socket.receive_queue = words.0;
            socket.uid = words.1;
            socket.tcp_info = full.then(|| {
                fixture::tcp_info(&[(32, words.0), (68, words.1), (80, words.1), (136, words.0)])
            });
            socket.skmem = full.then(|| fixture::skmem(words.1));
            socket
        },
    )
}

const OWNERS: &[Process<'_>] = &[
    Process { pid: 1, comm: "java", unit: Some("/a"), container: None },
    Process { pid: 2, comm: "sh", unit: None, container: None },
];

fn owners() -> impl Strategy<Value = Owner<'static>> {
    prop_oneof![
        Just(Owner::Pending),
        Just(Owner::Hidden),
        Just(Owner::None),
        Just(Owner::Known(OWNERS)),
    ]
}

fn candidate<'a>(socket: &'a Socket, role: Role, owner: Owner<'a>) -> Candidate<'a> {
    // Listeners, and only listeners, have the role `listener`.
    let role = match (socket.state, role) {
        (State::Listen, _) => Role::Listener,
        (_, Role::Listener) => Role::Unknown,
        (_, role) => role,
    };
    let candidate = fixture::candidate(socket);
    let known = candidate.known.map(|known| Known { role, owner, ..known });
    Candidate { known, ..candidate }
}

/// Whether a plan lets the kernel send this socket.
fn lets_pass(plan: &Plan, socket: &Socket) -> bool {
    let selects = |wanted: u16, port: u16| wanted == 0 || wanted == port;
    let is_v4 = socket.local.address.is_ipv4();
    plan.states.contains(socket.state)
        && (if is_v4 { plan.families.v4 } else { plan.families.v6 })
        && selects(plan.local_port, socket.local.port)
        && selects(plan.remote_port, socket.remote.port)
        && accepts(&plan.program, &socket.as_filter_subject())
}

const ALL_OPTIONS: PlanOptions = PlanOptions { mark: true, cgroup: true, netns: None };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn kernel_and_user_space_agree(
        expr in exprs(decidable()),
        sockets in proptest::collection::vec(sockets(), 8),
    ) {
        let program = assemble(&expr.formula(true, ALL_OPTIONS)).unwrap();
        prop_assert_eq!(verify(&program), Ok(()));
        let plan = expr.plan(StateSet::ALL, ALL_OPTIONS);
        prop_assert_eq!(verify(&plan.program), Ok(()));
        for socket in &sockets {
            let verdict = expr.eval(&candidate(socket, Role::Unknown, Owner::None));
            prop_assert!(verdict != Verdict::Unknown);
            let wanted = verdict == Verdict::Yes;
            prop_assert_eq!(accepts(&program, &socket.as_filter_subject()), wanted);
            prop_assert_eq!(lets_pass(&plan, socket), wanted);
        }
    }

    #[test]
    fn what_is_decided_is_decided_exactly(
        parts in proptest::collection::vec(prop_oneof![
            2 => exprs(decidable()),
            2 => exprs(any_state()),
            1 => exprs(predicates()),
        ], 1..4),
        options in (any::<bool>(), any::<bool>()),
        candidates in proptest::collection::vec((sockets(), roles(), owners()), 8),
    ) {
        let expr = Expr::all(parts);
        let options = PlanOptions { mark: options.0, cgroup: options.1, netns: None };
        if expr.undecided(options).is_none() {
            let plan = expr.plan(StateSet::ALL, options);
            for (socket, role, owner) in &candidates {
                let verdict = expr.eval(&candidate(socket, *role, *owner));
                prop_assert_eq!(lets_pass(&plan, socket), verdict == Verdict::Yes);
            }
        }
    }

    #[test]
    fn plans_are_never_too_narrow(
        expr in exprs(predicates()),
        options in (any::<bool>(), any::<bool>()),
        candidates in proptest::collection::vec((sockets(), roles(), owners()), 8),
    ) {
        let options = PlanOptions { mark: options.0, cgroup: options.1, netns: None };
        let plan = expr.plan(StateSet::ALL, options);
        prop_assert_eq!(verify(&plan.program), Ok(()));
        let by_default = expr.plan(StateSet::DEFAULT, options);
        for (socket, role, owner) in &candidates {
            if expr.eval(&candidate(socket, *role, *owner)) != Verdict::No {
                prop_assert!(lets_pass(&plan, socket), "{:?}", plan);
                prop_assert!(
                    lets_pass(&by_default, socket) || !by_default.states.contains(socket.state)
                        && !StateSet::DEFAULT.contains(socket.state)
                );
            }
        }
    }

    #[test]
    fn owners_once_known_only_settle_what_was_open(
        expr in exprs(predicates()),
        socket in sockets(),
        owner in owners(),
    ) {
        let before = expr.eval(&candidate(&socket, Role::Server, Owner::Pending));
        let after = expr.eval(&candidate(&socket, Role::Server, owner));
        prop_assert!(before == Verdict::Unknown || before == after);
        prop_assert!(expr.needs().owner || before != Verdict::Unknown);
    }

    #[test]
    fn patterns_match_as_defined(pattern in "[ab*]{0,8}", name in "[ab]{0,8}") {
        fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], name) => {
                    (0..=name.len()).any(|swallowed| by_definition(rest, &name[swallowed..]))
                }
                ([a, pattern @ ..], [b, name @ ..]) => a == b && by_definition(pattern, name),
                _ => false,
            }
        }
        let wanted = by_definition(pattern.as_bytes(), name.as_bytes());
        prop_assert_eq!(Pattern::new(&pattern).matches(&name), wanted);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|(?s).{0,40}") {
        read(&text)?;
    }

    #[test]
    fn token_soup_is_read_or_refused(
        words in proptest::collection::vec(proptest::sample::select(SOUP), 0..14),
        blanks in any::<u32>(),
    ) {
        let mut text = String::new();
        for (index, word) in words.iter().enumerate() {
            text.push_str(word);
            if blanks >> index & 3 != 0 {
                text.push(' ');
            }
        }
        read(&text)?;
    }
}

/// Parses a text, and uses the result.
fn read(text: &str) -> Result<(), TestCaseError> {
    match parse(text, &SomeNames) {
        Ok(expr) => {
            let socket = fixture::socket();
            expr.eval(&fixture::candidate(&socket));
            expr.needs();
            let plan = expr.plan(StateSet::DEFAULT, ALL_OPTIONS);
            prop_assert_eq!(verify(&plan.program), Ok(()));
        }
        Err(error) => {
            prop_assert!(text.get(error.span.start..error.span.end).is_some(), "{:?}", error);
            let shown = error.to_string();
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
            prop_assert!(shown.lines().nth(2).is_some_and(|line| line.ends_with('^')), "{shown}");
        }
    }
    Ok(())
}

const SOUP: &[&str] = &[
    "(",
    ")",
    "and",
    "or",
    "not",
    "!",
    "&&",
    "|",
    "=",
    "!=",
    ">",
    "<=",
    "eq",
    "lt",
    "state",
    "exclude",
    "listening",
    "src",
    "dst",
    "sport",
    "dport",
    "port",
    "dev",
    "fwmark",
    "cgroup",
    "autobound",
    "rtt",
    "lost",
    "comm",
    "pid",
    "uid",
    "service",
    "role",
    "netns",
    "family",
    "50ms",
    "50",
    "ms",
    "1%",
    "0x1/0x3",
    ":80",
    "http",
    "10.0.0.0/8",
    "[::1]/64:22",
    "[",
    "]",
    "::1",
    "*",
    "*:*",
    "inet6:",
    "inet:",
    "/",
    ":",
    "'",
    "\"",
    "'a b'",
    "eth0",
    "java",
    "server",
    "東京",
    "\u{301}",
    "\u{202e}",
    "\t",
    "1.5",
    "18446744073709551616",
    "-1",
    "a=b",
];
