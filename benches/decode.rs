//! Decoding real captures: nanoseconds and heap allocations per socket, from framing alone to a
//! written row, and netlink-packet-sock-diag's owned parser for comparison.
//!
//! Each line of criterion's output is the processor time for one socket. Every step includes the
//! steps before it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measures"
)]
#![allow(
    unsafe_code,
    reason = "a global allocator that counts, and a clock that is in no safe library of the tree"
)]

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use netlink_packet_core::NetlinkMessage;
use netlink_packet_sock_diag::SockDiagMessage;

use tcpdiag::filter::{self, Candidate, Known, NoNames, Owner, Service};
use tcpdiag::identity::ServiceBasis;
use tcpdiag::model::{Role, RoleBasis, Socket};
use tcpdiag::output::{
    Column, Delimited, JsonLines, Layout, OutputWriter, Style, Table, find_column,
};
use tcpdiag::report::{Connection, Processes};
use tcpdiag::tracking::Latest;
use tcpdiag::wire::{EcnWord, Messages, Reply, uapi};

/// Counts allocations.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Block) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's guarantees are what the system allocator requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Block) {
        // SAFETY: as above; the pointer came from `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Block, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above; the pointer came from `alloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Kernels whose captures are read; the newest sends the most attributes.
const KERNELS: [(&str, EcnWord); 2] = [("5.10.223", EcnWord::Unknown), ("7.2.13", EcnWord::Bits)];

/// An expression that needs evaluating for every socket.
const EXPRESSION: &str = "rtt > 50ms and total_retrans > 0 or sport >= :1024 and bytes_sent > 10kB";

/// The columns of `tcpdiag conns`.
const COLUMNS: [&str; 11] = [
    "state",
    "role",
    "local",
    "remote",
    "rtt",
    "retr",
    "service",
    "snd_cwnd",
    "queues",
    "delivery_rate",
    "limited",
];

/// One kernel's dump.
struct Capture {
    bytes: Vec<u8>,
    ecn: EcnWord,
    sockets: u64,
}

impl Capture {
    fn read(kernel: &str, ecn: EcnWord) -> io::Result<Self> {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut bytes = Vec::new();
        for file in ["tcp4.nl", "tcp6.nl"] {
            bytes.extend(std::fs::read(directory.join(kernel).join(file))?);
        }
        let mut capture = Self { bytes, ecn, sockets: 0 };
        let mut sockets = 0;
        capture.sockets(|_| sockets += 1);
        capture.sockets = sockets;
        Ok(capture)
    }

    /// The same sockets, each after receiving another segment.
    fn moved(&self) -> Self {
        /// Offset of `tcpi_segs_in`.
        const SEGS_IN: usize = 140;
        let mut places = Vec::new();
        let base = self.bytes.as_ptr().addr();
        self.replies(|reply| {
            let info = reply.attribute(uapi::INET_DIAG_INFO).filter(|info| info.len() > SEGS_IN);
            places.extend(info.map(|info| info.as_ptr().addr() - base + SEGS_IN));
        });
        let mut bytes = self.bytes.clone();
        for place in places {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = byte.wrapping_add(1);
            }
        }
        Self { bytes, ..*self }
    }

    #[inline]
    fn replies(&self, mut each: impl FnMut(&Reply<'_>)) {
        for message in Messages::new(&self.bytes).map_while(Result::ok) {
            if message.kind == uapi::SOCK_DIAG_BY_FAMILY
                && let Some(reply) = Reply::new(message.payload)
            {
                each(&reply);
            }
        }
    }

    #[inline]
    fn sockets(&self, mut each: impl FnMut(&Socket)) {
        let mut socket = Socket::BLANK;
        self.replies(|reply| {
            if socket.fill(reply, self.ecn) {
                each(&socket);
            }
        });
    }

    #[inline]
    fn connections(&self, mut each: impl FnMut(&Connection<'_>)) {
        self.sockets(|socket| {
            each(&Connection {
                socket,
                role: Role::Client,
                role_basis: RoleBasis::NoListener,
                service: Some("https"),
                service_basis: Some(ServiceBasis::PortName),
                netns: None,
                interface: None,
                cgroup_path: Some("/system.slice/app.service"),
                unit: Some("app.service"),
                container: None,
                processes: Processes::NotAsked,
                change: None,
                repeats: false,
                captured_at: "2026-01-01T00:00:00.000000000Z",
                delta: None,
                interval_s: None,
                syn_recv: None,
                group: None,
                ended: None,
                remote_name: None,
            });
        });
    }

    /// Parses whole messages into owned values with the crate.
    fn owned(&self) {
        let mut rest = self.bytes.as_slice();
        while let Ok(message) = NetlinkMessage::<SockDiagMessage>::deserialize(rest) {
            let step = (message.header.length as usize).next_multiple_of(4);
            black_box(&message);
            rest = rest.get(step..).unwrap_or(&[]);
        }
    }
}

/// Processor time of this process, because the machine may be busy with other work.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a writable timespec. The call cannot fail for this clock
    // (clock_gettime(2)), and would leave zeros.
    unsafe {
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time);
    }
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Measures passes over a capture as time per socket, and prints allocations.
fn measure(criterion: &mut Criterion, name: &str, sockets: u64, mut pass: impl FnMut()) {
    // Buffers and ledgers grow on the first pass.
    pass();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    pass();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!("{name}: {:.2} allocations per socket", allocations as f64 / sockets as f64);
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let passes = iterations.div_ceil(sockets);
            let started = processor_time();
            (0..passes).for_each(|_| pass());
            let share = iterations as f64 / (passes * sockets) as f64;
            (processor_time() - started).mul_f64(share)
        });
    });
}

fn decode(criterion: &mut Criterion) {
    for (kernel, ecn) in KERNELS {
        let capture = match Capture::read(kernel, ecn) {
            Ok(capture) => capture,
            Err(error) => {
                println!("{kernel}: no capture ({error}), skipped");
                continue;
            }
        };
        steps(criterion, kernel, &capture);
    }
}

fn steps(criterion: &mut Criterion, kernel: &str, capture: &Capture) {
    let name = |step: &str| format!("{kernel}/{step}");
    let count = capture.sockets;
    measure(criterion, &name("reply"), count, || {
        capture.replies(|reply| {
            black_box(reply.cookie());
            black_box(reply.has_bad_attribute());
        });
    });
    measure(criterion, &name("socket"), count, || {
        capture.sockets(|socket| {
            black_box(socket);
        });
    });
    let mut ledger = Latest::new();
    measure(criterion, &name("ledger"), count, || {
        ledger.begin();
        capture.sockets(|socket| {
            black_box(&ledger.observe(socket));
        });
        ledger.end(|_| {});
    });
    let moved = capture.moved();
    let mut pass = 0;
    measure(criterion, &name("ledger, every socket moved"), count, || {
        pass += 1;
        ledger.begin();
        let capture = if pass % 2 == 0 { capture } else { &moved };
        capture.sockets(|socket| {
            black_box(&ledger.observe(socket));
        });
        ledger.end(|_| {});
    });
    if let Ok(expression) = filter::parse(EXPRESSION, &NoNames) {
        measure(criterion, &name("filter"), count, || {
            capture.sockets(|socket| {
                black_box(expression.eval(&candidate(socket)));
            });
        });
    }
    rows(criterion, kernel, capture);
    measure(criterion, &name("owned parser of the crate"), count, || capture.owned());
}

fn rows(criterion: &mut Criterion, kernel: &str, capture: &Capture) {
    let name = |step: &str| format!("{kernel}/{step}");
    let columns: Vec<Column> = COLUMNS.iter().filter_map(|name| find_column(name)).collect();
    let style = Style::new(false);
    let layout = Layout { width: Some(100), shorten: false, header: true, rows: None, style };
    let mut table = Table::new(OutputWriter::new(io::sink()), columns.clone(), layout);
    measure(criterion, &name("table row"), capture.sockets, || {
        capture.connections(|row| drop(black_box(table.row(row))));
    });
    let mut json = JsonLines::new(
        OutputWriter::new(std::io::BufWriter::with_capacity(1 << 16, OpaqueWriter)),
        "row",
        "2026-01-01T00:00:00.000000000Z".to_owned(),
    );
    measure(criterion, &name("json row"), capture.sockets, || {
        capture.connections(|row| drop(black_box(json.row(row))));
    });
    if let Ok(mut csv) = Delimited::begin(OutputWriter::new(io::sink()), b',', columns, false) {
        measure(criterion, &name("csv row"), capture.sockets, || {
            capture.connections(|row| drop(black_box(csv.row(row))));
        });
    }
}

/// A writer that, unlike `io::sink()`, the compiler cannot optimise away.
struct OpaqueWriter;

impl io::Write for OpaqueWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn candidate(socket: &Socket) -> Candidate<'_> {
    Candidate {
        socket,
        netns: None,
        netns_inode: 1,
        known: Some(Known {
            role: Role::Client,
            service: Some(Service { name: "https", bare: "https" }),
            cgroup_path: None,
            owner: Owner::Pending,
        }),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = decode
}
criterion_main!(benches);
