//! Accepted and refused expressions.

use super::fixture::SomeNames;
use super::*;
use crate::model::{Role, State, StateSet, Unit, fields};

fn read(text: &str) -> Expr {
    parse(text, &SomeNames).unwrap_or_else(|error| panic!("{error}"))
}

fn is(predicate: Predicate) -> Expr {
    Expr::Is(predicate)
}

fn port(side: Side, op: Comparison, port: u16) -> Expr {
    is(Predicate::Port { side: Some(side), op, port })
}

fn net(side: Side, net: &str) -> Expr {
    is(Predicate::Prefix { side: Some(side), net: net.parse().unwrap() })
}

fn field(name: &str, op: Comparison, amount: u64) -> Expr {
    let field = fields::find(name).unwrap();
    is(Predicate::Field(FieldTest { field, op, amount: Amount::Integer(amount) }))
}

fn states(names: &[&str]) -> Expr {
    let sets = names.iter().map(|name| StateSet::named(name).unwrap());
    is(Predicate::State(sets.fold(StateSet::NONE, StateSet::union)))
}

use Comparison::{AtLeast, AtMost, Different, Equal, Greater, Less};
use Side::{Local, Remote};

#[test]
fn expressions_of_ss() {
    let web = Expr::any(vec![port(Remote, Equal, 22), port(Local, Equal, 22)]);
    for (text, expr) in [
        ("", Expr::True),
        ("  ", Expr::True),
        // Examples of the manual of ss.
        ("state established ( dport = :ssh or sport = :ssh )", states(&["estab"]).and(web)),
        (
            "state fin-wait-1 ( sport = :http or sport = :https ) dst 193.233.7/24",
            Expr::all(vec![
                states(&["fin_wait_1"]),
                Expr::any(vec![port(Local, Equal, 80), port(Local, Equal, 443)]),
                net(Remote, "193.233.7.0/24"),
            ]),
        ),
        (
            "state all exclude listening exclude closed",
            is(Predicate::State(StateSet::of(&[State::Listen, State::Close]).complement())),
        ),
        ("fwmark = 0x01/0x03", is(Predicate::Mark { value: 1, mask: 3 })),
        ("fwmark != 10", !is(Predicate::Mark { value: 10, mask: u32::MAX })),
        ("dev eth0", is(Predicate::Interface(3))),
        ("dev != 7", !is(Predicate::Interface(7))),
        ("cgroup /system.slice/app.service", is(Predicate::Cgroup(77))),
        ("cgroup != '/system.slice/app.service'", !is(Predicate::Cgroup(77))),
        ("autobound", is(Predicate::AutoBound(true))),
        ("! autobound", is(Predicate::AutoBound(false))),
        (
            "autobound and sport gt :1024",
            is(Predicate::AutoBound(true)).and(port(Local, Greater, 1024)),
        ),
        // Sets of states.
        ("state listening state time-wait", states(&["listen", "time_wait"])),
        ("state LISTEN and state TIME-WAIT", states(&["listen"]).and(states(&["time_wait"]))),
        ("exclude listening", is(Predicate::State(StateSet::of(&[State::Listen]).complement()))),
        (
            "state connected exclude time-wait",
            is(Predicate::State(
                StateSet::CONNECTED.intersection(StateSet::of(&[State::TimeWait]).complement()),
            )),
        ),
        ("not state big", !states(&["big"])),
        ("state != big", !states(&["big"])),
        ("state = bucket", states(&["bucket"])),
        (
            "sport = 1 state listen state close",
            port(Local, Equal, 1).and(states(&["listen", "close"])),
        ),
        // Hosts.
        ("dst [::1]:22", net(Remote, "::1/128").and(port(Remote, Equal, 22))),
        ("src = 10.0.0.0/8", net(Local, "10.0.0.0/8")),
        ("src != 10.0.0.0/8:22", !(net(Local, "10.0.0.0/8").and(port(Local, Equal, 22)))),
        ("src *", Expr::True),
        // The zone of an address is the interface that the socket is bound to.
        ("dst fe80::1%eth0", net(Remote, "fe80::1/128").and(is(Predicate::Interface(3)))),
        // An index belongs to a namespace, where several are meant.
        (
            "dev br0",
            Expr::any(vec![
                is(Predicate::Interface(3)).and(is(Predicate::NetnsInode(4_026_531_840))),
                is(Predicate::Interface(5)).and(is(Predicate::NetnsInode(7))),
            ]),
        ),
        ("cgroup /system.slice/app.service", is(Predicate::Cgroup(77))),
        (
            "cgroup /system.slice/again.service",
            Expr::any(vec![is(Predicate::Cgroup(78)), is(Predicate::Cgroup(79))]),
        ),
        ("src fe80::1%7", net(Local, "fe80::1/128").and(is(Predicate::Interface(7)))),
        ("src fe80::%eth0/64", net(Local, "fe80::/64").and(is(Predicate::Interface(3)))),
        ("dst != [fe80::1%eth0]", !net(Remote, "fe80::1/128").and(is(Predicate::Interface(3)))),
        (
            "src 10.0.0.1%eth0:80",
            Expr::all(vec![
                net(Local, "10.0.0.1/32"),
                is(Predicate::Interface(3)),
                port(Local, Equal, 80),
            ]),
        ),
        ("dst inet6:*", is(Predicate::Family(Family::V6))),
        ("addr ::1", Expr::any(vec![net(Local, "::1/128"), net(Remote, "::1/128")])),
        ("laddr 10/8 raddr 10/8", net(Local, "10.0.0.0/8").and(net(Remote, "10.0.0.0/8"))),
        // Connectives.
        (
            "sport = 1 | sport = 2 & sport = 3",
            Expr::any(vec![
                port(Local, Equal, 1),
                port(Local, Equal, 2).and(port(Local, Equal, 3)),
            ]),
        ),
        (
            "(sport=1||sport=2)&&sport=3",
            Expr::any(vec![port(Local, Equal, 1), port(Local, Equal, 2)])
                .and(port(Local, Equal, 3)),
        ),
        ("not sport = 1 sport = 2", (!port(Local, Equal, 1)).and(port(Local, Equal, 2))),
        (
            "! (sport = 1 OR sport = 2)",
            !Expr::any(vec![port(Local, Equal, 1), port(Local, Equal, 2)]),
        ),
        ("sport = inet6:22", is(Predicate::Family(Family::V6)).and(port(Local, Equal, 22))),
        ("sport != inet6::22", !is(Predicate::Family(Family::V6)).and(port(Local, Equal, 22))),
    ] {
        assert_eq!(read(text), expr, "{text}");
    }
}

#[test]
fn every_spelling_of_a_zone_with_a_port() {
    let expected = Expr::all(vec![
        net(Remote, "fe80::1/128"),
        is(Predicate::Interface(3)),
        port(Remote, Equal, 22),
    ]);
    // As tables print it, as ss does, and without brackets.
    for host in ["[fe80::1%eth0]:22", "[fe80::1]%eth0:22", "fe80::1%eth0:22", "[fe80::1%3]:ssh"] {
        assert_eq!(read(&format!("dst {host}")), expected, "{host}");
    }
    let error = parse("dst fe80::1%wlan0", &SomeNames).unwrap_err();
    assert_eq!(error.message, "no interface `wlan0`");
    assert_eq!(error.accepted, "the name or the index of an interface: `lo`, `eth0`");
    assert_eq!(&error.text[error.span.start..error.span.end], "wlan0");
    let error = parse("dst fe80::1%", &SomeNames).unwrap_err();
    assert_eq!(error.message, "an interface is missing");
}

#[test]
fn operators_and_their_spellings() {
    for (spellings, op) in [
        (["=", "==", "eq"], Equal),
        (["!=", "ne", "neq"], Different),
        ([">", "gt", "gt"], Greater),
        (["<", "lt", "lt"], Less),
        ([">=", "ge", "geq"], AtLeast),
        (["<=", "le", "leq"], AtMost),
    ] {
        for spelling in spellings {
            for value in ["80", ":80", "http", ":http"] {
                let text = format!("dport {spelling} {value}");
                assert_eq!(read(&text), port(Remote, op, 80), "{text}");
            }
            let text = format!("rtt {spelling} 50ms");
            assert_eq!(read(&text), field("rtt", op, 50_000), "{text}");
        }
    }
    for text in ["sport :22", "sport 22", "sport ssh", "sport=:22", "lport = 22", "sport=ssh"] {
        assert_eq!(read(text), port(Local, Equal, 22), "{text}");
    }
    assert_eq!(read("port 22"), is(Predicate::Port { side: None, op: Equal, port: 22 }));
}

#[test]
fn expressions_beyond_ss() {
    let comm = |name| is(Predicate::Comm(Pattern::new(name)));
    let known = |attribute| is(Predicate::Known(attribute));
    for (text, expr) in [
        (
            "rtt > 50ms and total_retrans > 0 and comm = java",
            Expr::all(vec![
                field("rtt", Greater, 50_000),
                field("total_retrans", Greater, 0),
                comm("java"),
            ]),
        ),
        ("rtt>50ms", field("rtt", Greater, 50_000)),
        ("RTT > 12m40s", field("rtt", Greater, 760_000_000)),
        ("Last-Data-Recv >= 3d4h", field("last_data_recv", AtLeast, 273_600_000)),
        ("rtt_us > 50 ms lost", field("rtt", Greater, 50_000).and(field("lost", Greater, 0))),
        ("last_data_sent >= 1.5 s", field("last_data_sent", AtLeast, 1500)),
        ("delivery_rate < 10Mbit", field("delivery_rate", Less, 1_250_000)),
        ("bytes_acked ge 64 KiB", field("bytes_acked", AtLeast, 65536)),
        ("options = 0x7", field("options", Equal, 7)),
        (
            "lost and not reord_seen",
            field("lost", Greater, 0).and(!field("reord_seen", Greater, 0)),
        ),
        ("comm = \"Web Content\"", comm("Web Content")),
        ("comm='and'", comm("and")),
        ("process=java*", comm("java*")),
        ("comm != java", known(Attribute::Process).and(!comm("java"))),
        ("pid = 42", is(Predicate::Pid(42))),
        ("comm or unit", Expr::any(vec![known(Attribute::Process), known(Attribute::Unit)])),
        ("uid = root", is(Predicate::Uid(0))),
        ("user = 1000", is(Predicate::Uid(1000))),
        ("uid >= 1000", field("uid", AtLeast, 1000)),
        (
            "service = shop service",
            is(Predicate::Service(Pattern::new("shop"))).and(known(Attribute::Service)),
        ),
        ("role = listener", is(Predicate::Role(Role::Listener))),
        ("role != client", !is(Predicate::Role(Role::Client))),
        ("family = ipv6", is(Predicate::Family(Family::V6))),
        ("congestion = bbr*", is(Predicate::Congestion(Pattern::new("bbr*")))),
        ("netns = 4026531840", is(Predicate::NetnsInode(4_026_531_840))),
        ("netns = '42'", is(Predicate::NetnsName(Pattern::new("42")))),
        ("cgroup = /system.slice/*", is(Predicate::CgroupPath(Pattern::new("/system.slice/*")))),
    ] {
        assert_eq!(read(text), expr, "{text}");
    }
}

#[test]
fn every_field_is_a_filter() {
    for entry in fields::all() {
        for name in [entry.name, entry.key] {
            // `state` asks for states by name.
            if name != "state" {
                // A key names its unit.
                let unit = if name == entry.name { entry.unit } else { Unit::None };
                let (least, other) = match unit {
                    Unit::Microseconds | Unit::Milliseconds => ("1ms", "7s"),
                    Unit::BytesPerSecond => ("1kbit", "7MB"),
                    Unit::Ratio => ("1%", "0.7"),
                    _ => ("1", "7"),
                };
                read(&format!("{name} >= {least} and not ({name} != {other})"));
            }
        }
    }
}

#[test]
fn nesting_is_limited() {
    for (open, close) in [("(", ")"), ("not ", ""), ("!(", ")")] {
        let nested = |levels: usize| format!("{}lost{}", open.repeat(levels), close.repeat(levels));
        assert!(parse(&nested(32), &NoNames).is_ok());
        let error = parse(&nested(15_000), &NoNames).unwrap_err();
        assert_eq!(error.message, "more than 64 levels of brackets and `not`");
    }
    assert!(parse(&"lost ".repeat(12_000), &NoNames).is_ok());
    assert!(parse(&"lost ".repeat(20_000), &NoNames).is_err());
}

#[test]
fn errors_point() {
    let shown = ERRORS
        .iter()
        .map(|text| match parse(text, &SomeNames) {
            Ok(expr) => panic!("{text}: {expr:?}"),
            Err(error) => format!("{error}\n"),
        })
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(shown);
}

const ERRORS: &[&str] = &[
    "rrt > 50ms",
    "Rtt > 50",
    "SEND/S > 1MB",
    "queues > 0",
    "total_retranss > 0",
    "zzzzzzz = 1",
    "rtt > ",
    "rtt 50ms",
    "rtt > 50kB",
    "rtt > fast",
    "rtt > -5ms",
    "rtt > 5.5.5ms",
    "lost > 5ms",
    "retrans_ratio > 5 ms",
    "rtt > 50ms 60ms",
    "rtt > 50ms and",
    "rtt > 50ms or or lost",
    "and lost",
    "> 50ms",
    "rtt > 5ms > 6",
    "rtt > 50",
    "send_rate > 10",
    "retrans_ratio > 5",
    "( lost",
    "lost )",
    "()",
    "lost or ( rtt > 5ms and )",
    "not",
    "comm = 'java",
    "\"java\"",
    "comm java",
    "comm > java",
    "comm = and lost",
    "service nginx",
    "state",
    "state etablished",
    "state open",
    "state > listen",
    "sport = :htpp",
    "sport = 65536",
    "sport = :",
    "sport > *",
    "sport = 80,443",
    "dst 10.0.0.300",
    "dst 10.0.0.0/33",
    "dst 10.0.0.1:99999",
    "dst [::1",
    "dst example.org:80",
    "dst fe80::1%wlan0",
    "dst inet:::1",
    "dst > 10.0.0.1",
    "dev eth9",
    "fwmark red",
    "fwmark 1/2/3",
    "fwmark 0x1ffffffff",
    "cgroup = /nowhere",
    "uid",
    "uid = nobody",
    "pid = java",
    "role = sever",
    "role = boss",
    "family = ipx",
    "autobound or lost",
    "lost and not (autobound and rtt)",
    "comm = 東京 and rrt > 1",
];
