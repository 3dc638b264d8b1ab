//! Filters evaluated by the kernel, compared with a separate evaluation over the rows of an
//! unfiltered dump, and with ss.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::lab::{Firewall, Network, Pair, Row, Socket, Ss, Tcpdiag, cookies, lab};

/// Sockets that differ in every property that can be filtered.
struct Crowd {
    /// Kept open.
    _sockets: Vec<Socket>,
    /// The port of the listeners with clients.
    port: u16,
    /// The port of a client.
    client: u16,
    made: Instant,
}

/// Age at which a crowd is replaced: the kernel gives up half-open connections after 63 s
/// (`tcp_synack_retries`), and those in FIN-WAIT-2 and TIME-WAIT after 60 s (`TCP_TIMEWAIT_LEN`).
const OLD: Duration = Duration::from_secs(20);

fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const MAPPED: IpAddr = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());

impl Crowd {
    fn new(firewall: &Firewall) -> Self {
        let mut sockets = Vec::new();
        let dual = Socket::listening(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0, 64);
        let port = dual.port();
        let mut client = 0;
        for (index, address) in [v4(1), v4(2), v4(77), V6, MAPPED].into_iter().enumerate() {
            for mark in [0, 1, 0x13] {
                let socket = Socket::of(address);
                socket.set_number(libc::SOL_SOCKET, libc::SO_MARK, mark).unwrap();
                if mark == 1 {
                    socket.set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0").unwrap();
                }
                let pair = Pair::with(socket, &dual, address);
                client = pair.client.port();
                match index {
                    // Half closed, with unread data.
                    1 if mark == 0 => {
                        pair.client.finish();
                        pair.server.comes_to(8);
                    }
                    2 if mark == 0 => pair.client.write(&[1; 3000]),
                    _ => {}
                }
                sockets.extend([pair.client, pair.server]);
            }
        }
        let Pair { client: first, server: second } = Pair::new(&dual, v4(1));
        drop(first);
        second.comes_to(8);
        // The client's socket waits in FIN-WAIT-2; this one's goes to TIME-WAIT.
        let Pair { client: first, server: third } = Pair::new(&dual, v4(1));
        first.finish();
        third.comes_to(8);
        drop(third);
        let deaf = Socket::listening(v4(1), 0, 4);
        firewall.deafen(deaf.port());
        let lost = Socket::of(v4(1));
        lost.begin_connect(v4(1), deaf.port());
        let half = Socket::listening(v4(1), 0, 4);
        firewall.leave_unfinished(half.port());
        let begun = Socket::of(v4(1));
        begun.begin_connect(v4(1), half.port());
        begun.comes_to(1);
        sockets.extend([dual, second, first, deaf, lost, half, begun]);
        sockets.push(Socket::bound(v4(1), 0));
        Self { _sockets: sockets, port, client, made: Instant::now() }
    }

    fn is_old(&self) -> bool {
        self.made.elapsed() > OLD
    }
}

/// A condition, evaluated over a row.
type Holds = Box<dyn Fn(&Row) -> bool>;

fn end(row: &Row, side: &str) -> IpAddr {
    row.text(&format!("{side}.addr")).parse().unwrap()
}

/// An address within a prefix as the kernel has it: IPv4 prefixes hold for
/// v4-mapped addresses too.
fn within(side: &'static str, net: &str) -> Holds {
    let net: IpNet = net.parse().unwrap();
    Box::new(move |row| match (end(row, side), net) {
        (IpAddr::V6(address), IpNet::V4(net)) => {
            address.to_ipv4_mapped().is_some_and(|address| net.contains(&address))
        }
        (address, net) => net.contains(&address),
    })
}

fn states(names: &'static [&'static str]) -> Holds {
    Box::new(|row| names.contains(&row.state()))
}

fn sport(holds: impl Fn(u64) -> bool + 'static) -> Holds {
    Box::new(move |row| holds(row.port()))
}

fn dport(holds: impl Fn(u64) -> bool + 'static) -> Holds {
    Box::new(move |row| holds(row.peer()))
}

fn not(inner: Holds) -> Holds {
    Box::new(move |row| !inner(row))
}

fn and(one: Holds, other: Holds) -> Holds {
    Box::new(move |row| one(row) && other(row))
}

fn or(one: Holds, other: Holds) -> Holds {
    Box::new(move |row| one(row) || other(row))
}

fn field(path: &'static str, holds: impl Fn(f64) -> bool + 'static) -> Holds {
    // An absent figure compares as false.
    Box::new(move |row| row.at(path).and_then(|value| value.as_f64()).is_some_and(&holds))
}

/// Marks of sockets; a socket without one counts as marked 0.
fn mark(mask: u64, value: u64) -> Holds {
    Box::new(move |row| row.number("mark").unwrap_or(0) & mask == value)
}

fn on_lo() -> Holds {
    Box::new(|row| row.number("interface.index") == Some(1))
}

fn in_root_cgroup() -> Holds {
    Box::new(|row| row.text("cgroup.path") == "/")
}

/// Where the cgroup v2 hierarchy is mounted.
fn cgroup_mount() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| point.to_owned())
    })
}

/// Expressions, whether ss knows them, and what they mean.
fn expressions(crowd: &Crowd) -> Vec<(String, bool, Holds)> {
    let (p, c) = (u64::from(crowd.port), u64::from(crowd.client));
    let mut all: Vec<(String, bool, Holds)> = Vec::new();
    let mut add = |text: String, ss: bool, holds: Holds| all.push((text, ss, holds));
    add(format!("sport = :{p}"), true, sport(move |port| port == p));
    add(format!("dport = :{p}"), true, dport(move |port| port == p));
    add(format!("sport != :{p}"), true, sport(move |port| port != p));
    add(format!("sport > :{c}"), true, sport(move |port| port > c));
    add(format!("sport >= :{c}"), true, sport(move |port| port >= c));
    add(format!("dport < :{c}"), true, dport(move |port| port < c));
    add(format!("dport <= :{c}"), true, dport(move |port| port <= c));
    add(format!("sport eq :{p} or dport eq :{p}"), true, {
        or(sport(move |port| port == p), dport(move |port| port == p))
    });
    add(format!("( sport = :{p} and dport = :{c} )"), true, {
        and(sport(move |port| port == p), dport(move |port| port == c))
    });
    add(format!("not ( sport = :{p} or dport = :{p} )"), true, {
        not(or(sport(move |port| port == p), dport(move |port| port == p)))
    });
    add(format!("sport = :{p} dport = :{c}"), true, {
        and(sport(move |port| port == p), dport(move |port| port == c))
    });
    add(format!("port = {p}"), false, {
        or(sport(move |port| port == p), dport(move |port| port == p))
    });
    add(format!("port != {p}"), false, {
        and(sport(move |port| port != p), dport(move |port| port != p))
    });
    add("src 127.0.0.2".to_owned(), true, within("local", "127.0.0.2/32"));
    add("src 127.0.0.0/8".to_owned(), true, within("local", "127.0.0.0/8"));
    add("dst 127.0.0.64/26".to_owned(), true, within("remote", "127.0.0.64/26"));
    add("not dst 127.0.0.64/26".to_owned(), true, not(within("remote", "127.0.0.64/26")));
    add("dst != 127.0.0.1".to_owned(), false, not(within("remote", "127.0.0.1/32")));
    add("src [::1]".to_owned(), true, within("local", "::1/128"));
    add("src [::]/0".to_owned(), false, within("local", "::/0"));
    add("src [::ffff:0.0.0.0]/96".to_owned(), false, within("local", "::ffff:0:0/96"));
    add(format!("src 127.0.0.1:{p}"), true, {
        and(within("local", "127.0.0.1/32"), sport(move |port| port == p))
    });
    add(format!("dst [::1]:{p}"), true, {
        and(within("remote", "::1/128"), dport(move |port| port == p))
    });
    add("src 127.0.0.1 or src 127.0.0.2".to_owned(), true, {
        or(within("local", "127.0.0.1/32"), within("local", "127.0.0.2/32"))
    });
    add("addr 127.0.0.77".to_owned(), false, {
        or(within("local", "127.0.0.77/32"), within("remote", "127.0.0.77/32"))
    });
    add("dev = lo".to_owned(), true, on_lo());
    add("dev != lo".to_owned(), true, not(on_lo()));
    add("not dev = lo and src 127.0.0.0/8".to_owned(), true, {
        and(not(on_lo()), within("local", "127.0.0.0/8"))
    });
    add("fwmark = 0x13".to_owned(), true, mark(0xffff_ffff, 0x13));
    add("fwmark = 0x1/0x1".to_owned(), true, mark(1, 1));
    add("fwmark != 0x1/0x1".to_owned(), true, not(mark(1, 1)));
    add("fwmark = 0".to_owned(), true, mark(0xffff_ffff, 0));
    if let Some(mount) = cgroup_mount() {
        add("cgroup = /".to_owned(), false, in_root_cgroup());
        add("not cgroup = /".to_owned(), false, not(in_root_cgroup()));
        // ss takes `/` as the file system's root, so it gets the mount point.
        add(format!("cgroup = {mount}"), true, in_root_cgroup());
        add(format!("not cgroup = {mount} or sport = :{p}"), true, {
            or(not(in_root_cgroup()), sport(move |port| port == p))
        });
    }
    add(format!("fwmark = 0x13 or dev = lo or sport = :{c}"), true, {
        or(or(mark(0xffff_ffff, 0x13), on_lo()), sport(move |port| port == c))
    });
    add("state established".to_owned(), false, states(&["established"]));
    add("state close-wait state fin-wait-2".to_owned(), false, {
        states(&["close_wait", "fin_wait_2"])
    });
    add("exclude established exclude listening".to_owned(), false, {
        not(states(&["established", "listen"]))
    });
    add(format!("state connected exclude time-wait sport != :{p}"), false, {
        let shut = states(&["listen", "time_wait", "close", "bound_inactive"]);
        and(not(shut), sport(move |port| port != p))
    });
    add("state syn-sent or state syn-recv".to_owned(), false, states(&["syn_sent", "syn_recv"]));
    add(format!("state established or sport = :{p}"), false, {
        or(states(&["established"]), sport(move |port| port == p))
    });
    add("not state established".to_owned(), false, not(states(&["established"])));
    add("state = time_wait or state = bound_inactive".to_owned(), false, {
        states(&["time_wait", "bound_inactive"])
    });
    add("bytes_acked > 1kB and src 127.0.0.0/8".to_owned(), false, {
        and(field("tcp_info.bytes_acked", |bytes| bytes > 1e3), within("local", "127.0.0.0/8"))
    });
    add("recv_q >= 3000 or fwmark = 1".to_owned(), false, {
        or(field("recv_q", |bytes| bytes >= 3e3), mark(0xffff_ffff, 1))
    });
    add(format!("not (segs_out > 2 and dport = :{p})"), false, {
        not(and(field("tcp_info.segs_out", |n| n > 2.0), dport(move |port| port == p)))
    });
    add("family = ipv6 and not src [::1]".to_owned(), false, {
        and(Box::new(|row| row.text("family") == "ipv6"), not(within("local", "::1/128")))
    });
    add("role = server and dst 127.0.0.0/8".to_owned(), false, {
        and(Box::new(|row| row.text("role") == "server"), within("remote", "127.0.0.0/8"))
    });
    add("congestion = nonesuch or fwmark = 0x13".to_owned(), false, mark(0xffff_ffff, 0x13));
    add("rtt < 1h and sport > :1".to_owned(), false, {
        and(field("tcp_info.rtt_us", |us| us < 3.6e9), sport(|port| port > 1))
    });
    all
}

/// What came of the expressions so far.
#[derive(Default)]
struct Outcome {
    count: usize,
    with_ss: usize,
    some: usize,
    wrong: Vec<String>,
}

impl Outcome {
    /// Evaluates the expressions that are left over a crowd of this namespace until it is old;
    /// whether some are left.
    fn go_on(&mut self) -> Option<bool> {
        let firewall = Firewall::new()?;
        let crowd = Crowd::new(&firewall);
        let everything = Tcpdiag::new().all();
        // Of these one is bound only, which the kernel tells since 6.8.
        assert!(everything.len() >= 39, "{} sockets", everything.len());
        let all = expressions(&crowd);
        while self.count < all.len() && !crowd.is_old() {
            let (text, known_to_ss, holds) = &all[self.count];
            self.count += 1;
            let expected: BTreeSet<u64> =
                everything.iter().filter(|row| holds(row)).map(Row::cookie).collect();
            self.some += usize::from(!expected.is_empty() && expected.len() < everything.len());
            if let Err(said) = self.evaluate(text, *known_to_ss, &expected, &everything) {
                self.wrong.push(format!("{text}: {said}"));
            }
        }
        Some(self.count < all.len())
    }

    fn evaluate(
        &mut self,
        text: &str,
        known_to_ss: bool,
        expected: &BTreeSet<u64>,
        everything: &[Row],
    ) -> Result<(), String> {
        // As one argument, as many, and with the states in the expression.
        let tcpdiag = Tcpdiag::new();
        let one = tcpdiag.run(&["conns", "--state", "all", "-o", "json", text]);
        if one.code != Some(0) {
            return Err(one.stderr);
        }
        let found = cookies(&Tcpdiag::rows_of(serde_json::from_str(&one.stdout).unwrap()));
        differ(expected, &found, everything)?;
        let words: Vec<&str> = text.split(' ').collect();
        let many = tcpdiag.rows(&[&["conns", "--state", "all"], &words[..]].concat());
        if cookies(&many) != found {
            return Err("another answer when given as several words".to_owned());
        }
        if !known_to_ss {
            return Ok(());
        }
        let theirs = Ss::cookies(text).ok_or("ss does not understand it")?;
        self.with_ss += 1;
        // ss may not know the table of bound sockets.
        let is_inactive = |row: &&Row| row.state() == "bound_inactive";
        let inactive = everything.iter().filter(is_inactive).map(Row::cookie).collect();
        differ(&(&theirs - &inactive), &(&found - &inactive), everything)
            .map_err(|said| format!("beside ss it {said}"))
    }
}

/// Describes how what was found differs from what is right.
fn differ(right: &BTreeSet<u64>, found: &BTreeSet<u64>, everything: &[Row]) -> Result<(), String> {
    let described = |cookies: BTreeSet<u64>| -> Vec<String> {
        let rows = everything.iter().filter(|row| cookies.contains(&row.cookie()));
        rows.map(|row| {
            let (local, remote) = (end(row, "local"), end(row, "remote"));
            let (port, peer) = (row.port(), row.peer());
            format!("{} {local}:{port} {remote}:{peer} {:?}", row.state(), row.at("mark"))
        })
        .collect()
    };
    if right == found {
        return Ok(());
    }
    Err(format!("lacks {:?}, has {:?}", described(right - found), described(found - right)))
}

lab!(
    fn expressions_select_the_matching_sockets() {
        let mut outcome = Outcome::default();
        loop {
            // Each crowd in a namespace of its own, without what others left in TIME-WAIT.
            match Network::new().inside(|| outcome.go_on()) {
                Some(true) => {}
                Some(false) => break,
                None => return,
            }
        }
        let Outcome { count, with_ss, some, wrong } = outcome;
        println!("{count} expressions, {with_ss} of them put to ss, {some} with some sockets");
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(count >= 45 && with_ss >= 25 && some >= 35, "{count} {with_ss} {some}");
    }
);

/// Checks that two commands select the same sockets, and some. Sockets leave TIME-WAIT meanwhile,
/// so that the one has no more than the other had before, and no fewer than it has after.
fn equal(flags: &[&str], expression: &[&str]) {
    let [before, found, after] =
        [expression, flags, expression].map(|arguments| cookies(&Tcpdiag::new().rows(arguments)));
    assert!(!found.is_empty(), "{flags:?}");
    assert!(found.is_subset(&before) && found.is_superset(&after), "{flags:?}");
}

lab!(
    fn flags_equal_their_expressions() {
        let Some(firewall) = Firewall::new() else { return };
        let crowd = Crowd::new(&firewall);
        let (p, c) = (crowd.port.to_string(), crowd.client.to_string());
        for (flags, expression) in [
            (vec!["--port", &p], format!("port = {p}")),
            (vec!["--port", &p, "--port", &c], format!("port = {p} or port = {c}")),
            (vec!["--local-port", &p], format!("sport = :{p}")),
            (vec!["--remote-port", &p], format!("dport = :{p}")),
            (vec!["--local-ip", "127.0.0.0/24"], "src 127.0.0.0/24".to_owned()),
            (vec!["--remote-ip", "::1"], "dst [::1]".to_owned()),
            (vec!["-4"], "family = ipv4".to_owned()),
            (vec!["-6"], "family = ipv6".to_owned()),
            (vec!["-6", "--remote-ip", "127.0.0.1"], "family = ipv6 and dst 127.0.0.1".to_owned()),
            (vec!["--role", "server"], "role = server".to_owned()),
            (
                vec!["--local-port", &p, "--remote-port", &c],
                format!("sport = :{p} and dport = :{c}"),
            ),
        ] {
            let all = ["conns", "--state", "all"];
            equal(&[&all[..], &flags].concat(), &[&all[..], &[expression.as_str()]].concat());
        }
        // The first crowd may be so old by now that the kernel has given up half of it.
        let _young = Crowd::new(&firewall);
        for (flag, expression) in [
            ("established", "state established"),
            ("syn-recv", "state syn-recv"),
            ("time_wait", "state time-wait"),
            ("connected", "state connected"),
            ("bucket", "state bucket"),
            ("big", "state big"),
        ] {
            equal(&["conns", "--state", flag], &["conns", expression]);
        }
        // Without either: established and closing ones behind which a socket stands.
        let usual = Tcpdiag::new().rows(&["conns"]);
        let states: BTreeSet<&str> = usual.iter().map(Row::state).collect();
        assert_eq!(states, ["close_wait", "established", "fin_wait_2"].into());
    }
);

lab!(
    fn filtering_by_mark_needs_a_capability() {
        let listener = Socket::listening(v4(1), 0, 4);
        let client = Socket::of(v4(1));
        client.set_number(libc::SOL_SOCKET, libc::SO_MARK, 5).unwrap();
        let pair = Pair::with(client, &listener, v4(1));
        // The kernel would answer EPERM and does not send marks either, which is reported.
        let output = Tcpdiag::powerless().run(&["conns", "-o", "json", "fwmark = 5"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stdout.contains("CAP_NET_ADMIN"), "{}", output.stdout);
        let rows = Tcpdiag::new().rows(&["conns", "fwmark = 5"]);
        assert_eq!(cookies(&rows), [pair.client.cookie()].into());
    }
);
