//! Bytes that no kernel sent: cut, extended, flipped, shuffled and random. Nothing may panic or
//! loop, and one bad attribute must not lose its socket.

use std::io::Sink;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tcpdiag::model::{Families, Socket};
use tcpdiag::output::{
    Delimited, JsonLines, Layout, OutputWriter, Style, Table, all_columns, detail,
};
use tcpdiag::socket_diag::{DumpOutcome, Query, Sockets};
use tcpdiag::wire::{ATTRIBUTE_COUNT, Answer, EcnWord, Messages, Reply, uapi};

use super::capture::{KERNELS, connection, json, replies};
use super::script::{Request, Script, datagrams, frames};
use crate::lab::Random;

fn sink() -> OutputWriter<Sink> {
    OutputWriter::new(std::io::sink())
}

/// Every output of a row.
struct Outputs {
    json: JsonLines<'static, Sink>,
    csv: Delimited<Sink>,
    tables: Vec<Table<Sink>>,
    turn: usize,
}

impl Outputs {
    fn new() -> Self {
        let layout = |width, colour| Layout {
            width,
            shorten: width.is_some(),
            header: true,
            rows: None,
            style: Style::new(colour),
        };
        let tables = [(None, false), (Some(80), true), (Some(1), false)];
        Self {
            json: JsonLines::new(sink(), "", String::new()),
            csv: Delimited::begin(sink(), b',', all_columns().collect(), true).unwrap(),
            tables: tables
                .map(|(width, colour)| {
                    Table::new(sink(), all_columns().collect(), layout(width, colour))
                })
                .into(),
            turn: 0,
        }
    }

    /// Writes it to one of the outputs in turn.
    fn show(&mut self, socket: &Socket) {
        let row = connection(socket);
        self.turn += 1;
        match self.turn % 6 {
            0 => self.json.row(&row).unwrap(),
            1 => self.csv.row(&row).unwrap(),
            2 => detail(&mut sink(), &row, self.turn % 200, Style::new(true)).unwrap(),
            table => self.tables[table - 3].row(&row).unwrap(),
        }
    }
}

/// Counts of a run.
#[derive(Default)]
struct Tally {
    inputs: u64,
    records: u64,
    sockets: u64,
}

impl Tally {
    /// Decodes a datagram completely. Rendering costs far more than decoding, so not every socket
    /// is rendered.
    fn decode_all(&mut self, datagram: &[u8], outputs: &mut Outputs) {
        self.inputs += 1;
        let mut left = datagram.len();
        for message in Messages::new(datagram) {
            let Ok(message) = message else { break };
            // Messages must advance, so that the loop ends.
            left = left.checked_sub(16 + message.payload.len()).expect("messages overlap");
            let _ = (Answer::of_done(&message), Answer::of_error(&message));
            let Some(reply) = Reply::new(message.payload) else {
                assert!(message.payload.len() < 72);
                continue;
            };
            self.records += 1;
            let _ = (reply.has_bad_attribute(), reply.meminfo(), reply.protocol());
            let ecn = [EcnWord::Unknown, EcnWord::Halves, EcnWord::Bits];
            let Some(socket) = Socket::new(&reply, ecn[self.inputs as usize % 3]) else { continue };
            self.sockets += 1;
            if self.sockets.is_multiple_of(16) {
                outputs.show(&socket);
            }
        }
    }
}

/// All records of all captures, each with its netlink header.
fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for kernel in KERNELS {
        for file in ["tcp4.nl", "tcp6.nl", "destroy.nl", "privileged.nl", "error-enoent.nl"] {
            let bytes = kernel.bytes(file);
            records.extend(frames(&bytes).iter().map(|&(start, end)| bytes[start..end].to_vec()));
        }
    }
    records
}

/// Sets the header's length to the actual length.
fn relength(record: &mut [u8]) {
    let length = record.len() as u32;
    if let Some(field) = record.get_mut(..4) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
}

#[test]
fn records_cut_at_every_byte_are_handled() {
    let mut outputs = Outputs::new();
    let mut tally = Tally::default();
    // Their shapes repeat: a prime step covers all of them.
    for record in records().into_iter().step_by(5) {
        // As received, and with a header that agrees.
        for length in 0..record.len() {
            tally.decode_all(&record[..length], &mut outputs);
            let mut shorter = record[..length].to_vec();
            relength(&mut shorter);
            tally.decode_all(&shorter, &mut outputs);
        }
    }
    println!("{} inputs, {} records", tally.inputs, tally.records);
    assert!(tally.inputs > 100_000 && tally.sockets > 40_000);
}

/// One of the captured records, damaged in one of several ways.
fn damaged(random: &mut Random, records: &[Vec<u8>]) -> Vec<u8> {
    let mut record = random.one_of(records).clone();
    match random.below(8) {
        // A few bits.
        0 | 1 => {
            for _ in 0..=random.below(8) {
                let at = random.below(record.len());
                record[at] ^= 1 << random.below(8);
            }
        }
        // A few bytes, set to values at which arithmetic overflows.
        2 => {
            for _ in 0..=random.below(8) {
                let at = random.below(record.len());
                record[at] = *random.one_of(&[0, 1, 0x7f, 0x80, 0xff]);
            }
        }
        // A whole word.
        3 => {
            let at = random.below(record.len() - 4);
            let word = *random.one_of(&[0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
            record[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        // Lengths of attributes.
        4 => lengths_shuffled(random, &mut record),
        // Longer, with bytes that may parse as attributes.
        5 => {
            for _ in 0..=random.below(600) {
                record.push(if random.below(3) == 0 { random.byte() } else { 0 });
            }
            relength(&mut record);
        }
        // Cut, with another record right after it.
        6 => {
            record.truncate(random.below(record.len()));
            if random.below(2) == 0 {
                relength(&mut record);
            }
            record.extend(random.one_of(records));
        }
        // Random bytes only.
        _ => {
            let length = random.below(700);
            record = (0..length).map(|_| random.byte()).collect();
            if random.below(4) > 0 {
                relength(&mut record);
            }
        }
    }
    record
}

/// Gives attributes each other's lengths, or random ones.
fn lengths_shuffled(random: &mut Random, record: &mut [u8]) {
    let mut places = Vec::new();
    let mut at = 16 + 72;
    while let Some(length) = record.get(at..at + 2) {
        places.push(at);
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        at += length.max(4).next_multiple_of(4);
    }
    for _ in 0..=random.below(3) {
        if places.is_empty() {
            return;
        }
        let (to, from) = (*random.one_of(&places), *random.one_of(&places));
        let length =
            if random.below(3) == 0 { random.below(64) as u16 } else { u16::from(record[from]) };
        record[to..to + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

#[test]
fn damaged_records_are_handled() {
    const MINIMUM: u64 = 200_000;
    let mut random = Random::of("damaged_records_are_handled");
    let (records, mut outputs, mut tally) = (records(), Outputs::new(), Tally::default());
    let begun = Instant::now();
    while tally.inputs < MINIMUM || begun.elapsed() < Duration::from_secs(5) {
        let datagram = damaged(&mut random, &records);
        tally.decode_all(&datagram, &mut outputs);
        // A slow machine may stop at the minimum; a hang must still fail.
        assert!(begun.elapsed() < Duration::from_secs(300), "{} inputs", tally.inputs);
    }
    println!("{} inputs, {} records, {} sockets", tally.inputs, tally.records, tally.sockets);
    assert!(tally.sockets > MINIMUM / 4, "{}", tally.sockets);
}

/// The attributes of a record: kind, start and end with the header.
fn attributes(record: &[u8]) -> Vec<(u16, usize, usize)> {
    let mut found = Vec::new();
    let mut at = 16 + 72;
    while at + 4 <= record.len() {
        let half = |at: usize| u16::from_ne_bytes([record[at], record[at + 1]]);
        let (length, kind) = (usize::from(half(at)), half(at + 2) & 0x3fff);
        found.push((kind, at, at + length));
        at += length.next_multiple_of(4);
    }
    found
}

/// The record with one attribute's payload cut to `keep` bytes.
fn with_short_attribute(record: &[u8], which: usize, keep: usize) -> Vec<u8> {
    let (_, start, end) = attributes(record)[which];
    let mut short = record[..start + 4 + keep].to_vec();
    short[start..start + 2].copy_from_slice(&((4 + keep) as u16).to_ne_bytes());
    short.resize(short.len().next_multiple_of(4), 0);
    short.extend(&record[end.next_multiple_of(4)..]);
    relength(&mut short);
    short
}

#[test]
fn a_bad_attribute_loses_only_itself() {
    // Every kind of attribute in the captures, with one record each.
    let mut done = [false; ATTRIBUTE_COUNT];
    let is_record = |record: &Vec<u8>| record[4..6] == uapi::SOCK_DIAG_BY_FAMILY.to_ne_bytes();
    for record in records().into_iter().filter(is_record) {
        for (which, (kind, start, end)) in attributes(&record).into_iter().enumerate() {
            let seen = std::mem::replace(&mut done[usize::from(kind)], true);
            // Structures that were shorter in older kernels, and a name, may lack bytes.
            let varies = [
                uapi::INET_DIAG_INFO,
                uapi::INET_DIAG_SKMEMINFO,
                uapi::INET_DIAG_CONG,
                uapi::INET_DIAG_ULP_INFO,
            ]
            .contains(&kind);
            if seen {
                continue;
            }
            let whole = Reply::new(&record[16..]).unwrap();
            assert!(!whole.has_bad_attribute());
            let keep = if varies { 0 } else { end - start - 5 };
            let short = with_short_attribute(&record, which, keep);
            let reply = Reply::new(&short[16..]).unwrap();
            let expected = json(&Socket::new(&whole, EcnWord::Unknown).unwrap());
            let socket = Socket::new(&reply, EcnWord::Unknown).unwrap();
            assert!(reply.has_bad_attribute(), "kind {kind} of {keep} bytes is not noticed");
            let row = json(&socket);
            for key in ["cookie", "local", "remote", "family", "inode"] {
                assert_eq!(row[key], expected[key], "kind {kind}");
            }
            // No other attribute was lost.
            for other in (1..ATTRIBUTE_COUNT as u16).filter(|&other| other != kind) {
                assert_eq!(reply.attribute(other), whole.attribute(other), "{other} with {kind}");
            }
        }
    }
    assert_eq!(done.iter().filter(|&&done| done).count(), 18);
}

#[test]
fn a_bad_socket_is_counted_and_the_others_are_read() {
    let kernel = KERNELS[4];
    let capture = kernel.bytes("legacy.nl");
    let all = replies(&capture).len() as u64;
    let query = Query {
        families: Families::BOTH,
        states: tcpdiag::model::StateSet::ALL,
        extensions: tcpdiag::wire::Extensions::ALL,
        local_port: 0,
        remote_port: 0,
        program: &[],
    };
    let read = |capture: Vec<u8>| {
        let mut sockets = Sockets::over(Script::new(|_: &Request| datagrams(&capture)));
        let mut seen = 0;
        let outcome = sockets
            .read(&query, |reply| {
                assert!(Socket::new(reply, kernel.ecn()).is_some());
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, outcome.sockets);
        outcome
    };
    let good = DumpOutcome { sockets: all, ..DumpOutcome::default() };
    assert_eq!(read(capture.clone()), good);
    let (start, end) = frames(&capture)[20];
    let replaced = |record: Vec<u8>| {
        let mut damaged = capture[..start].to_vec();
        damaged.extend(record);
        damaged.extend(&capture[end..]);
        damaged
    };
    // One attribute cut short: shown, and counted.
    let short = with_short_attribute(&capture[start..end], 0, 0);
    assert_eq!(read(replaced(short)), DumpOutcome { bad_attributes: 1, ..good });
    // A record shorter than its fixed part: lost, and counted.
    let mut stump = capture[start..start + 16 + 60].to_vec();
    relength(&mut stump);
    let lost = DumpOutcome { sockets: all - 1, decode_errors: 1, ..good };
    assert_eq!(read(replaced(stump)), lost);
    // An unknown message: counted.
    let mut unknown = capture[start..end].to_vec();
    unknown[4..6].copy_from_slice(&99u16.to_ne_bytes());
    assert_eq!(read(replaced(unknown)), lost);
}
