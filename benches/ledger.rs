//! The cost of the ledger and of the kernel's destroy events.
//!
//! ```text
//! cargo bench --bench ledger             # figures
//! cargo bench --bench ledger -- events   # only these, or `bookkeeping`
//! cargo bench --bench ledger -- --test   # one small round, as a test
//! ```
//!
//! Prints nanoseconds and bytes per socket of a poll's bookkeeping, and the processor time of short
//! connections with and without a subscriber. The latter has three parts: the process with both
//! ends of the connections, the subscriber, and the kernel's workers, which send the events (all
//! kworkers of the host, so the figure is noisy on a busy one). `cargo bench` passes `--bench`;
//! other arguments are ignored.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark fails by panicking"
)]

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use tcpdiag::model::Socket;
use tcpdiag::socket_diag::{EventOptions, Events};
use tcpdiag::sys::Usage;
use tcpdiag::tracking::{Ending, SocketTracker, Watch};
use tcpdiag::wire::{EcnWord, Messages, Reply};

const ENDING: Ending = Ending { watch: Watch::Whole, whole_dump: true };

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--churn") {
        return churn(arguments[at + 1].parse().unwrap(), arguments[at + 2].parse().unwrap());
    }
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let only = |name: &str| arguments.iter().any(|argument| argument == name);
    if !only("events") {
        bookkeeping(if smoke { 1000 } else { 50_000 }, if smoke { 2 } else { 15 });
    }
    if !only("bookkeeping") {
        let (connections, rounds) = if smoke { (50, 1) } else { (20_000, 5) };
        println!("as fast as it goes:");
        events(connections, u64::MAX, rounds);
        println!("2,500 connections, 5,000 deaths a second:");
        events(connections / 4, 2500, rounds);
    }
}

/// Established sockets as Linux 6.18 sends them, after this many more segments.
fn templates(round: u32) -> Vec<Socket> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/6.18.44/tcp4.nl");
    let mut bytes = std::fs::read(path).unwrap();
    // Every tcp_info has segs_out (136), segs_in (140) and bytes_sent (200) after its attribute
    // header: length 284, type 2.
    for at in 0..bytes.len() - 284 {
        if bytes[at..at + 4] == [28, 1, 2, 0] {
            for field in [136, 140, 200] {
                let at = at + 4 + field;
                let value = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
                bytes[at..at + 4].copy_from_slice(&(value + round).to_ne_bytes());
            }
        }
    }
    let replies = Messages::new(&bytes).filter_map(|message| Reply::new(message.unwrap().payload));
    replies
        .filter(|reply| reply.state() == 1)
        .map(|reply| Socket::new(&reply, EcnWord::Halves).unwrap())
        .collect()
}

/// A poll of sockets that are decoded just before, as in a dump: the templates
/// stay in the processor's cache. Processor time and number of activities.
fn poll(ledger: &mut SocketTracker, count: usize, round: u32, step: usize) -> (Duration, u64) {
    let mut templates = templates(round);
    let kinds = templates.len();
    let usage = Usage::now();
    ledger.begin(Instant::now());
    for number in 0..count {
        let number = number * step % count;
        let socket = &mut templates[number % kinds];
        socket.cookie = number as u64 + 1;
        ledger.observe(socket);
    }
    let mut activities = 0;
    ledger.end(ENDING, |activity| activities += u64::from(black_box(activity).closed) + 1);
    let used = usage.elapsed();
    (used.user + used.system, activities)
}

fn bookkeeping(count: usize, rounds: u32) {
    let per_socket = |time: Duration| time.as_nanos() as f64 / count as f64;
    let mut ledger = SocketTracker::new();
    let first = poll(&mut ledger, count, 0, 1).0;
    println!("{count} sockets, best of {rounds}, nanoseconds per socket and poll:");
    println!("  first poll        {:7.1}", per_socket(first));
    // Steps by a prime make the order unpredictable.
    for (name, step) in [("idle", 1), ("idle, no order", 7919)] {
        let best = (0..rounds).map(|_| poll(&mut ledger, count, 0, step)).min().unwrap();
        assert_eq!(best.1, 0);
        println!("  {name:<17} {:7.1}", per_socket(best.0));
    }
    let best = (1..=rounds).map(|round| poll(&mut ledger, count, round, 1)).min().unwrap();
    assert_eq!(best.1, count as u64);
    println!("  all moving        {:7.1}", per_socket(best.0));
    println!("bytes per socket: {:.1}", ledger.allocated() as f64 / count as f64);
}

/// Churn with and without a subscriber, alternating.
fn events(connections: u64, rate: u64, rounds: usize) {
    // None, one socket with a large buffer, and sixteen with the buffer that the default
    // net.core.rmem_max allows.
    let subscribers = [None, Some(32 << 20), Some(212_992)];
    let mut columns: [Vec<[f64; 3]>; 3] = Default::default();
    let mut received = (0, 0);
    for _ in 0..rounds {
        for (receive_buffer, column) in subscribers.iter().zip(&mut columns) {
            let mut events = receive_buffer.map(|receive_buffer| {
                let options = EventOptions { receive_buffer, ..EventOptions::default() };
                Events::open(&options).unwrap()
            });
            let (workers, usage) = (kworkers(), Usage::now());
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--churn", &connections.to_string(), &rate.to_string()])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            loop {
                let over = child.try_wait().unwrap().is_some();
                std::thread::sleep(Duration::from_millis(100));
                if let Some(events) = &mut events {
                    let drained = events.drain(|event| _ = black_box(event.cookie())).unwrap();
                    received = (received.0 + drained.events, received.1 + drained.lost);
                }
                if over {
                    break;
                }
            }
            let mut text = String::new();
            child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
            let used = usage.elapsed();
            let microseconds = |time: Duration| time.as_secs_f64() * 1e6 / connections as f64;
            column.push([
                text.trim().parse::<f64>().unwrap() / connections as f64,
                microseconds(used.user + used.system),
                microseconds(kworkers().saturating_sub(workers)),
            ]);
        }
    }
    println!("microseconds of processor per short connection (two sockets), medians of {rounds}:");
    let names = ["no subscriber", "one socket", "sixteen sockets"];
    for (name, mut column) in names.into_iter().zip(columns) {
        let mut median = |index: usize| {
            column.sort_by(|one, other| one[index].total_cmp(&other[index]));
            column[column.len() / 2][index]
        };
        let [traffic, own, workers] = [0, 1, 2].map(&mut median);
        println!(
            "  {name:<19} traffic {traffic:6.2}  this process {own:5.2}  kernel's workers {workers:5.2}  sum {:6.2}",
            traffic + own + workers
        );
    }
    println!("events: {} received, {} lost", received.0, received.1);
}

/// Processor time of all kernel workers so far.
fn kworkers() -> Duration {
    let tick = Duration::from_millis(10);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ticks = processes.filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        name.contains("(kworker").then(|| rest.split_whitespace().nth(12)?.parse::<u32>().ok())?
    });
    tick * ticks.sum()
}

/// Connects to itself, one connection after another, at this rate at most; prints its own processor
/// time in microseconds.
fn churn(connections: u64, rate: u64) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (usage, start) = (Usage::now(), Instant::now());
    for number in 0..connections {
        let due = start + Duration::from_nanos(number * (1_000_000_000 / rate));
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[1; 100]).unwrap();
        server.read_exact(&mut [0; 100]).unwrap();
        drop(server);
        drop(client);
    }
    let used = usage.elapsed();
    println!("{}", (used.user + used.system).as_micros());
}
