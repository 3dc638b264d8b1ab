//! Polling a socket allocates nothing: counted over real captures, through
//! decoding, the ledger, a filter and every way of writing a row.
//!
//! A host may have half a million sockets, and frequent polls must be cheap.
//! Buffers grow in the first round; the second is counted.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test prints what it measures"
)]
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows them in #[test] functions only, not in what those call"
)]

mod allocator;
mod counters;
mod groups;
mod ledger;
mod polls;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tcpdiag::counters::CounterWidth;
use tcpdiag::diagnosis::{Diagnosis, Question, RULES, RuleLimits};
use tcpdiag::filter::{self, Candidate, Known, NoNames, Owner, Process, Service, Verdict};
use tcpdiag::identity::ServiceBasis;
use tcpdiag::model::{Role, RoleBasis, Socket};
use tcpdiag::output::{
    Column, Delimited, JsonLines, Layout, OutputWriter, Style, Table, find_column,
};
use tcpdiag::report::{Change, Connection, Holder, Interface, ListenerGroupEntry, Processes};
use tcpdiag::tracking::{Delta, Latest, Movement};
use tcpdiag::wire::{EcnWord, Messages, Reply};

use allocator::allocations;

/// The kernels that were captured.
const KERNELS: [&str; 5] = ["5.10.223", "6.1.192", "6.12.107", "6.18.44", "7.2.13"];

fn capture(release: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(release);
    std::fs::read(root.join("legacy.nl")).unwrap()
}

/// Hands every record to `each`, as the dumper does.
fn records(bytes: &[u8], mut each: impl FnMut(&Reply<'_>)) {
    for message in Messages::new(bytes) {
        let Ok(message) = message else { panic!("framing") };
        if message.kind >= 16 {
            each(&Reply::new(message.payload).unwrap());
        }
    }
}

fn sockets(release: &str) -> Vec<Socket> {
    let (bytes, mut sockets) = (capture(release), Vec::new());
    let ecn = EcnWord::of_release(release);
    records(&bytes, |reply| sockets.push(Socket::new(reply, ecn).unwrap()));
    assert!(sockets.len() > 100);
    sockets
}

/// A row with everything that a row can have.
fn row<'a>(socket: &'a Socket, delta: Option<&'a Delta>) -> Connection<'a> {
    const HOLDERS: &[Holder<'_>] =
        &[Holder { pid: 42, comm: "java", fd: 7 }, Holder { pid: 43, comm: "java", fd: 7 }];
    Connection {
        socket,
        role: Role::Server,
        role_basis: RoleBasis::ListenerOnWildcard,
        service: Some("shop"),
        service_basis: Some(ServiceBasis::Rule),
        netns: None,
        interface: (socket.interface != 0)
            .then_some(Interface { index: socket.interface, name: Some("eth0") }),
        cgroup_path: Some("/system.slice/shop.service"),
        unit: Some("shop.service"),
        container: Some("0123456789ab"),
        processes: Processes::Known { holders: HOLDERS, omitted: 0 },
        change: Some(Change::Opened),
        repeats: true,
        captured_at: "2026-11-21T00:00:00.000000000Z",
        delta,
        interval_s: Some(1.0),
        syn_recv: Some(3),
        group: Some(ListenerGroupEntry { listeners: 2, syn_recv: 3 }),
        ended: None,
        remote_name: None,
    }
}

/// A sink that the optimiser cannot see through.
#[derive(Default)]
struct Sink(usize);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += std::hint::black_box(bytes).len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls `show` with every socket of every kernel twice; the second round may not allocate.
/// Names the sockets that do.
fn writes_without_allocating(what: &str, mut show: impl FnMut(&Connection<'_>)) {
    let all: Vec<Socket> = KERNELS.into_iter().flat_map(sockets).collect();
    let mut costly = Vec::new();
    for round in 0..2 {
        for socket in &all {
            let delta = Delta::between(socket, socket);
            let cost = allocations(|| show(&row(socket, Some(&delta))));
            if round == 1 && cost > 0 {
                costly.push((cost, socket.state, socket.local, socket.remote));
            }
        }
    }
    assert!(
        costly.is_empty(),
        "{what}: {} of {} sockets, such as {:?}",
        costly.len(),
        all.len(),
        &costly[..costly.len().min(5)]
    );
}

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| find_column(name).unwrap_or_else(|| panic!("{name}"))).collect()
}

/// Columns of every kind.
const COLUMNS: [&str; 24] = [
    "change",
    "state",
    "role",
    "local",
    "remote",
    "process",
    "unit",
    "cgroup",
    "queues",
    "rtt",
    "rttvar",
    "snd_cwnd",
    "retr",
    "limited",
    "timer",
    "congestion",
    "ulp",
    "cookie",
    "bytes_sent/s",
    "total_retrans+",
    "retrans_ratio",
    "delivery_rate",
    "pacing_rate",
    "rcvbuf",
];

#[test]
fn decoding() {
    for release in KERNELS {
        let (bytes, ecn) = (capture(release), EcnWord::of_release(release));
        let mut count = 0;
        let cost = allocations(|| {
            records(&bytes, |reply| {
                let socket = Socket::new(reply, ecn).unwrap();
                count += 1;
                std::hint::black_box((reply.has_bad_attribute(), socket));
            });
        });
        assert_eq!(cost, 0, "{count} sockets of {release}");
    }
}

#[test]
fn the_ledger() {
    for release in KERNELS {
        let sockets = sockets(release);
        let mut ledger = Latest::new();
        let mut poll = |sockets: &[Socket]| {
            let (mut stayed, mut gone) = (0, 0);
            let cost = allocations(|| {
                ledger.begin();
                for socket in sockets {
                    stayed += u64::from(matches!(ledger.observe(socket), Movement::Stayed(_)));
                }
                ledger.end(|_| gone += 1);
            });
            (cost, stayed, gone)
        };
        let (first, ..) = poll(&sockets);
        assert!(first > 0, "accounts take memory");
        let all = sockets.len() as u64;
        assert_eq!(poll(&sockets), (0, all, 0), "{release}");
        // In another order, as after a resize of the kernel's tables.
        let reversed: Vec<Socket> = sockets.iter().rev().copied().collect();
        assert_eq!(poll(&reversed), (0, all, 0), "{release}");
        // Some close, and others open in their slots.
        let fewer = &sockets[20..];
        assert_eq!(poll(fewer), (0, all - 20, 20), "{release}");
        assert_eq!(poll(&sockets), (0, all - 20, 0), "{release}");
    }
}

#[test]
fn polls_of_a_diagnosis() {
    for release in KERNELS {
        let mut sockets = sockets(release);
        let mut diagnosis = Diagnosis::new(Question {
            limits: RuleLimits::default(),
            asked: vec![true; RULES.len()],
            target_rate: None,
            width: CounterWidth::Bits64,
        });
        let mut poll = |seconds: u64, moved: u32| {
            diagnosis.begin(Duration::from_secs(seconds));
            for socket in &mut sockets {
                socket.send_queue += moved;
                diagnosis.observe(socket, (Role::Client, RoleBasis::TcpInfo));
            }
            diagnosis.end(true, true);
        };
        poll(0, 0);
        poll(1, 1);
        for (seconds, moved) in [(2, 0), (3, 1)] {
            assert_eq!(allocations(|| poll(seconds, moved)), 0, "{release}");
        }
    }
}

#[test]
fn filters() {
    let texts = [
        "",
        "state established and (sport = :20010 or dport > 30000)",
        "rtt > 1ms and not (retrans_ratio < 1% or bytes_acked >= 1MiB)",
        "src 127.0.0.0/8 and dst != [::1]",
        "comm = j*a and unit = shop* and container = 0123*",
        "congestion = cub* and service = shop and cgroup = /system*",
        "fwmark 0x1234/0xffff or dev = 3 or uid = 0 or role = server",
    ];
    let processes =
        [Process { pid: 42, comm: "java", unit: Some("shop.service"), container: None }];
    let all: Vec<Socket> = KERNELS.into_iter().flat_map(sockets).collect();
    for text in texts {
        let expr = filter::parse(text, &NoNames).unwrap_or_else(|error| panic!("{error}"));
        let mut matched = 0;
        let cost = allocations(|| {
            for socket in &all {
                let candidate = Candidate {
                    socket,
                    netns: None,
                    netns_inode: 1,
                    known: Some(Known {
                        role: Role::Server,
                        service: Some(Service { name: "shop", bare: "shop" }),
                        cgroup_path: Some("/system.slice/shop.service"),
                        owner: Owner::Known(&processes),
                    }),
                };
                matched += u64::from(expr.eval(&candidate) == Verdict::Yes);
            }
        });
        assert_eq!(cost, 0, "{text}: {matched} of {} matched", all.len());
    }
}

fn sink() -> OutputWriter<Sink> {
    OutputWriter::new(Sink::default())
}

#[test]
fn table_rows() {
    for (width, colour) in [(None, false), (Some(60), true), (Some(200), true)] {
        let shorten = width.is_some();
        let layout = Layout { width, shorten, header: true, rows: None, style: Style::new(colour) };
        let mut table = Table::new(sink(), columns(&COLUMNS), layout);
        writes_without_allocating(&format!("a table of {width:?}"), |row| table.row(row).unwrap());
    }
}

#[test]
fn delimited_rows() {
    let mut rows = Delimited::begin(sink(), b',', columns(&COLUMNS), true).unwrap();
    writes_without_allocating("CSV", |row| rows.row(row).unwrap());
}

#[test]
fn json_rows() {
    let mut rows = JsonLines::new(sink(), "tcpdiag.conns/1", String::new());
    writes_without_allocating("JSON", |row| rows.row(row).unwrap());
}

#[test]
fn json_rows_of_a_kernel_with_an_unknown_tail() {
    // An unknown release: the end of tcp_info is shown as bytes.
    let (bytes, mut rows) = (capture("7.2.13"), JsonLines::new(sink(), "", String::new()));
    let mut shown = 0;
    let cost = allocations(|| {
        records(&bytes, |reply| {
            let socket = Socket::new(reply, EcnWord::Unknown).unwrap();
            shown += u64::from(socket.tcp_info.is_some_and(|info| !info.tail(280).is_empty()));
            rows.row(&row(&socket, None)).unwrap();
        });
    });
    assert!(shown > 100);
    assert_eq!(cost, 0, "{shown} tails");
}
