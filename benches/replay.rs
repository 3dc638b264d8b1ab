//! The cost of reading a recording: an hour of `services --read`, and finding a sample in an hour.
//!
//! The recordings are made here from copies of a socket of `fixtures/`: a fifth of the copies sends
//! something in each second; in the others only the times since the last segment change. For 10,000
//! sockets, recordings of some minutes are made; the cost per further minute gives the hour.
//!
//! ```text
//! cargo bench --bench replay
//! cargo bench --bench replay -- --test     one second, as a test
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

#[path = "poll/clock.rs"]
#[allow(dead_code, reason = "the bench of polls also asks what it costs itself")]
mod clock;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use tcpdiag::recording::{
    About, Compression, Direction, DumpBegun, DumpEnded, EventsDrained, HostFacts, Kind,
    NamespaceInterface, NamespaceOf, SampleBegun, SocketHolder, SocketOwners, Writer,
};
use tcpdiag::sys::Clocks;
use tcpdiag::wire::{Messages, Reply, uapi};

const TCPDIAG: &str = env!("CARGO_BIN_EXE_tcpdiag");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/7.2.13");

/// The largest datagram of a dump.
const DATAGRAM: usize = 32 * 1024;

/// Server ports, each with a listener.
const PORTS: u16 = 10;

/// One of this many sockets sends something in a second.
const MOVING: usize = 5;

const INODE: u64 = 4_026_531_840;
const SECOND: u64 = 1_000_000_000;

/// Offsets in a message, from include/uapi/linux/{netlink,inet_diag,tcp}.h.
mod at {
    pub(super) const STATE: usize = 17;
    pub(super) const LOCAL_PORT: usize = 20;
    pub(super) const REMOTE_PORT: usize = 22;
    pub(super) const COOKIE: usize = 60;
    pub(super) const INODE: usize = 84;
    /// In `tcp_info`: milliseconds since something was sent or received.
    pub(super) const CLOCKS: [usize; 3] = [44, 52, 56];
    /// In `tcp_info`: bytes acknowledged and sent, segments out and in.
    pub(super) const BYTES: [usize; 2] = [120, 200];
    pub(super) const SEGMENTS: [usize; 2] = [136, 140];
}

/// The sockets of a synthetic host.
struct Sockets {
    /// All messages of a dump, and the offset of each.
    dump: Vec<u8>,
    starts: Vec<usize>,
    /// The offset of `tcp_info` in a connection's message.
    info: usize,
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn add(bytes: &mut [u8], at: usize, more: u32) {
    let old = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    put(bytes, at, &old.wrapping_add(more).to_ne_bytes());
}

impl Sockets {
    fn new(count: usize) -> Self {
        let capture = std::fs::read(Path::new(FIXTURES).join("tcp4.nl")).unwrap();
        let of_state = |wanted: u8| -> Vec<u8> {
            let mut messages = Messages::new(&capture).framed();
            let (_, bytes) = messages
                .find(|(message, bytes)| {
                    let reply = message.ok().and_then(|message| Reply::new(message.payload));
                    bytes.len() > 300 && reply.is_some_and(|reply| reply.state() == wanted)
                })
                .unwrap();
            bytes.to_vec()
        };
        let (established, listening) =
            (of_state(uapi::TCP_ESTABLISHED), of_state(uapi::TCP_LISTEN));
        let mut info = uapi::NLMSG_HDRLEN + uapi::INET_DIAG_MSG_LEN;
        while u16::from_ne_bytes(established[info + 2..info + 4].try_into().unwrap())
            != uapi::INET_DIAG_INFO
        {
            let length = u16::from_ne_bytes(established[info..info + 2].try_into().unwrap());
            info += usize::from(length).next_multiple_of(4);
        }
        let mut sockets = Self { dump: Vec::new(), starts: Vec::new(), info: info + 4 };
        for number in 0..count + usize::from(PORTS) {
            let is_listener = number < usize::from(PORTS);
            let mut message = if is_listener { listening.clone() } else { established.clone() };
            message.resize(message.len().next_multiple_of(4), 0);
            let port = (8000 + (number % usize::from(PORTS)) as u16).to_be_bytes();
            let other = (10_000 + (number % 50_000) as u16).to_be_bytes();
            let (local, remote) = if number % 2 == 0 { (port, other) } else { (other, port) };
            if is_listener {
                put(&mut message, at::LOCAL_PORT, &port);
            } else {
                put(&mut message, at::LOCAL_PORT, &local);
                put(&mut message, at::REMOTE_PORT, &remote);
            }
            put(&mut message, at::COOKIE, &(number as u64 + 1).to_ne_bytes());
            put(&mut message, at::INODE, &(number as u32 + 1000).to_ne_bytes());
            if !is_listener {
                sockets.starts.push(sockets.dump.len());
            }
            sockets.dump.extend(message);
        }
        sockets
    }

    /// Advances by a second.
    fn advance(&mut self, second: usize) {
        for (number, &start) in self.starts.iter().enumerate() {
            let info = start + self.info;
            assert_eq!(self.dump[start + at::STATE], 1);
            let moves = (number * 7 + second).is_multiple_of(MOVING);
            for clock in at::CLOCKS {
                if moves {
                    put(&mut self.dump, info + clock, &((number % 1000) as u32).to_ne_bytes());
                } else {
                    add(&mut self.dump, info + clock, 1000);
                }
            }
            if moves {
                at::BYTES.iter().for_each(|&at| add(&mut self.dump, info + at, 1448));
                at::SEGMENTS.iter().for_each(|&at| add(&mut self.dump, info + at, 2));
            }
        }
    }

    /// The datagrams of a dump.
    fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let mut to = from;
            for (_, bytes) in Messages::new(&self.dump[from..]).framed() {
                if to + bytes.len() > from + DATAGRAM {
                    break;
                }
                to += bytes.len();
            }
            let datagram = &self.dump[from..to];
            from = to;
            (!datagram.is_empty()).then_some(datagram)
        })
    }

    fn owners(&self) -> impl Iterator<Item = SocketOwners> {
        let count = self.starts.len() + usize::from(PORTS);
        (0..count as u32).map(|number| SocketOwners {
            inode: number + 1000,
            holders: vec![SocketHolder {
                pid: 1 + number % 100,
                fd: number,
                comm: format!("server-{}", number % 100),
                program: None,
                cgroup: None,
            }],
            omitted: 0,
            hidden: false,
        })
    }
}

/// The counter files, with this many more segments than in the capture.
fn counters(sent: u64) -> [String; 2] {
    let text = |name: &str| std::fs::read_to_string(format!("{FIXTURES}/dump/{name}")).unwrap();
    let snmp: Vec<String> = text("snmp")
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            // Tcp: InSegs and OutSegs.
            if line.starts_with("Tcp: ") && words[1].parse::<u64>().is_ok() {
                for at in [10, 11] {
                    words[at] = (words[at].parse::<u64>().unwrap() + sent).to_string();
                }
            }
            words.join(" ") + "\n"
        })
        .collect();
    [format!("snmp\n{}", snmp.concat()), format!("netstat\n{}", text("netstat"))]
}

/// Writes a recording of this many sockets and samples, a second apart.
fn record(file: &Path, sockets: usize, samples: usize) -> io::Result<()> {
    let about = About { program: "tcpdiag", system: "Linux 7.2.13", machine: "x86_64" };
    let place = NamespaceInterface { inode: INODE, name: None };
    let out = BufWriter::with_capacity(1 << 18, File::create(file)?);
    let mut writer = Writer::new(out, Compression::Zstd, &about, &place)?;
    let facts = HostFacts {
        kernel: "7.2.13".to_owned(),
        machine: "x86_64".to_owned(),
        interval_ns: SECOND,
        net_admin: true,
        ..HostFacts::default()
    };
    writer.json(Kind::Host, 0, &facts)?;
    writer.json(Kind::Namespace, INODE, &NamespaceOf { interface: 0, inode: INODE, name: None })?;
    let mut state = Sockets::new(sockets);
    let dumped = (sockets + usize::from(PORTS)) as u64;
    for second in 0..samples {
        let time = second as u64 * SECOND;
        let clocks = Clocks { realtime_ns: 1_795_000_000 * SECOND + time, monotonic_ns: time };
        writer.set_time(clocks.realtime_ns);
        writer.set_sample(second as u32);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false })?;
        state.advance(second);
        let texts = counters(second as u64 * (sockets / MOVING) as u64 * 2);
        texts.iter().try_for_each(|text| writer.note(Kind::Counters, INODE, text.as_bytes()))?;
        let begun = DumpBegun { states: 0x3fff, extensions: 0xff, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, INODE, &begun)?;
        state.datagrams().try_for_each(|bytes| writer.datagram(0, Direction::Received, bytes))?;
        let ended = DumpEnded {
            sockets: dumped,
            decode_errors: 0,
            bad_attributes: 0,
            interrupted: 0,
            foreign: 0,
        };
        writer.json(Kind::DumpEnd, INODE, &ended)?;
        writer.json(Kind::EventsDrained, INODE, &EventsDrained::default())?;
        texts.iter().try_for_each(|text| writer.note(Kind::Counters, INODE, text.as_bytes()))?;
        if second == 0 {
            writer.json_lines(Kind::Owners, 0, state.owners())?;
        }
        writer.json(Kind::SampleEnd, 0, &clocks)?;
        writer.flush()?;
    }
    writer.note(Kind::End, 0, b"{}")?;
    writer.finish()?.flush()
}

/// Processor time and wall clock of a command, seconds.
fn spent(arguments: &[&str]) -> io::Result<[f64; 2]> {
    let begun = Instant::now();
    let cpu = clock::run(TCPDIAG, arguments)?.cpu_us as f64 / 1e6;
    Ok([cpu, begun.elapsed().as_secs_f64()])
}

/// The best of several rounds, by processor time.
fn best(rounds: usize, arguments: &[&str]) -> io::Result<[f64; 2]> {
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        let now = spent(arguments)?;
        if now[0] < best[0] {
            best = now;
        }
    }
    Ok(best)
}

fn main() -> io::Result<()> {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let (many, short, long, few, hour, rounds) =
        if smoke { (100, 3, 6, 50, 20, 1) } else { (10_000, 60, 180, 1_000, 3_600, 3) };

    let [brief, longer] = [short, long].map(|samples| path(&format!("{samples}.pcapng.zst")));
    record(&brief, many, short)?;
    record(&longer, many, long)?;
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (brief, longer) = (text(&brief), text(&longer));
    for (what, arguments) in [
        ("services, an interval for each sample", &["services", "-o", "jsonl"][..]),
        ("services, one interval", &["services", "-o", "json", "-i", "24h"]),
        ("stats", &["stats", "-o", "json"]),
        ("conns, the last sample, counted only", &["conns", "sport = :1", "-o", "json"]),
    ] {
        let read = |file: &str| best(rounds, &[arguments, &["--read", file]].concat());
        let (of_few, of_many) = (read(&brief)?, read(&longer)?);
        let each = |at: usize| (of_many[at] - of_few[at]) / (long - short) as f64;
        println!(
            "{many} sockets, {what}: {:.2} ms of processor for a further sample, {:.0} s for an \
             hour ({:.0} s wall clock)",
            each(0) * 1e3,
            each(0) * 3600.0,
            each(1) * 3600.0,
        );
    }
    let hours = path("hour.pcapng.zst");
    record(&hours, few, hour)?;
    let size = std::fs::metadata(&hours)?.len();
    let hours = text(&hours);
    println!("{few} sockets, {hour} samples: {:.1} MB", size as f64 / 1e6);
    let middle = format!("+{}s", hour / 2);
    for (what, at) in [
        ("its end", None),
        ("its middle", Some(middle.as_str())),
        ("its start", Some("+1s")),
        ("a second before its end, which is looked for first", Some("-1s")),
    ] {
        let mut all = vec!["conns", "sport = :1", "-o", "json", "--read", &hours];
        all.extend(at.into_iter().flat_map(|at| ["--at", at]));
        let [cpu, wall] = best(rounds, &all)?;
        println!("{few} sockets, conns --at {what}: {cpu:.2} s of processor ({wall:.2} s)");
    }
    Ok(())
}
