//! The cost of reading the counters, and the kernel's part in it.
//!
//! `floor` reads the same files through open descriptors and ignores their content: no reader can
//! be faster than the kernel printing the numbers. `tcpdiag` is the reader that attribution polls
//! with. `cat` reopens each file, as most tools do.
#![allow(missing_docs, reason = "criterion_group! makes a function without")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use tcpdiag::counters::{CounterReader, CounterWidth, Counters, deltas};

const ROOT: &str = "/proc/thread-self/net";
/// These files contain all counters of the catalogue.
const WATCHED: &[&str] = &["snmp", "netstat"];
const ALL: &[&str] = &["snmp", "netstat", "snmp6", "sockstat", "sockstat6"];

fn floor(c: &mut Criterion, name: &str, files: &[&str]) {
    let files: Vec<File> =
        files.iter().filter_map(|file| File::open(Path::new(ROOT).join(file)).ok()).collect();
    let mut buffer = vec![0; 64 * 1024];
    c.bench_function(name, |b| {
        b.iter(|| {
            for file in &files {
                black_box(file.read_at(&mut buffer, 0).unwrap());
            }
        });
    });
}

fn tcpdiag(c: &mut Criterion, name: &str, mut reader: CounterReader) {
    let (mut before, mut after) = (Counters::default(), Counters::default());
    c.bench_function(name, |b| {
        b.iter(|| {
            reader.sample(&mut after).unwrap();
            std::mem::swap(&mut before, &mut after);
            black_box(&before);
        });
    });
}

fn cat(c: &mut Criterion, name: &str, files: &[&str]) {
    c.bench_function(name, |b| {
        b.iter(|| {
            for file in files {
                black_box(std::fs::read(Path::new(ROOT).join(file)).unwrap_or_default());
            }
        });
    });
}

fn watched(c: &mut Criterion) {
    floor(c, "watched/floor", WATCHED);
    tcpdiag(c, "watched/tcpdiag", CounterReader::watched(Path::new(ROOT)));
    cat(c, "watched/cat", WATCHED);
}

fn all(c: &mut Criterion) {
    floor(c, "all/floor", ALL);
    tcpdiag(c, "all/tcpdiag", CounterReader::new(Path::new(ROOT)));
    cat(c, "all/cat", ALL);
}

/// One file: the only one that the procfs crate reads, and only its 15 Tcp counters.
fn snmp_alone(c: &mut Criterion) {
    floor(c, "snmp/floor", &["snmp"]);
    cat(c, "snmp/cat", &["snmp"]);
    c.bench_function("snmp/procfs", |b| b.iter(|| black_box(procfs::net::snmp().unwrap())));
}

/// Without the kernel: files on disk, in the page cache.
fn parsing(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/7.2.13/dump");
    let files: Vec<File> =
        WATCHED.iter().map(|file| File::open(root.join(file)).unwrap()).collect();
    let mut buffer = vec![0; 64 * 1024];
    c.bench_function("parsing/floor", |b| {
        b.iter(|| {
            for file in &files {
                black_box(file.read_at(&mut buffer, 0).unwrap());
            }
        });
    });
    tcpdiag(c, "parsing/tcpdiag", CounterReader::watched(&root));
}

fn growth(c: &mut Criterion) {
    let mut reader = CounterReader::watched(Path::new(ROOT));
    let (mut before, mut after) = (Counters::default(), Counters::default());
    reader.sample(&mut before).unwrap();
    reader.sample(&mut after).unwrap();
    c.bench_function("deltas", |b| {
        b.iter(|| {
            deltas(&before, &after, CounterWidth::Bits64)
                .filter_map(|(_, delta)| delta.growth())
                .sum::<u64>()
        });
    });
}

criterion_group!(benches, watched, all, snmp_alone, parsing, growth);
criterion_main!(benches);
