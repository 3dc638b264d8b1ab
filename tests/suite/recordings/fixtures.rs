//! The captures of all kernels as recordings.

use tcpdiag::recording::{Compression, Direction, Kind, Skipped};

use super::content::{Item, Timed, read, recording, some_of_everything, write, writer};
use crate::decode::capture::{KERNELS, Kernel};
use crate::decode::script::{Step, datagrams};

/// Files of datagrams, and files of counters.
const DATAGRAMS: [&str; 4] = ["tcp4.nl", "tcp6.nl", "legacy.nl", "destroy.nl"];
const COUNTERS: [&str; 5] = ["snmp", "netstat", "snmp6", "sockstat", "sockstat6"];

/// A kernel's captures as the items of a recording with one sample.
pub fn items(kernel: Kernel) -> Vec<Timed> {
    let mut items = vec![Item::note(Kind::Host, kernel.text("uname.txt").as_bytes())];
    for name in COUNTERS {
        let text = format!("{name}\n{}", kernel.text(&format!("dump/{name}")));
        items.push(Item::note(Kind::Counters, text.as_bytes()));
    }
    for name in DATAGRAMS {
        for step in datagrams(&kernel.bytes(name)) {
            let Step::Datagram(bytes) = step else { panic!("{step:?}") };
            items.push(Item::received(&bytes));
        }
    }
    items.push(Item::note(Kind::End, b"{}"));
    items.into_iter().zip(1_700_000_000_000_000_000..).map(|(item, time)| (time, item)).collect()
}

#[test]
fn captures_are_read_back_byte_for_byte() {
    for kernel in KERNELS {
        let items = items(kernel);
        for compression in [Compression::None, Compression::Zstd] {
            let file = recording(compression, &items);
            let (back, end) = read(file.as_slice());
            assert!(back == items, "{}", kernel.release);
            let reader = end.unwrap();
            assert!(reader.is_complete && reader.is_of_this_byte_order);
            assert_eq!(reader.skipped, Skipped::default());
        }
        // The files are reassembled too.
        let all: Vec<u8> = items
            .iter()
            .filter_map(|(_, item)| match item {
                Item::Datagram { bytes, .. } => Some(bytes.as_slice()),
                Item::Note { .. } => None,
            })
            .collect::<Vec<_>>()
            .concat();
        assert!(all == DATAGRAMS.map(|name| kernel.bytes(name)).concat());
    }
}

#[test]
fn counters_keep_their_names() {
    let (items, _) = read(recording(Compression::Zstd, &items(KERNELS[4])).as_slice());
    let notes: Vec<_> = items
        .iter()
        .filter_map(|(_, item)| match item {
            Item::Note { kind: Kind::Counters, payload, .. } => Some(payload),
            _ => None,
        })
        .collect();
    assert_eq!(notes.len(), COUNTERS.len());
    for (payload, name) in notes.into_iter().zip(COUNTERS) {
        assert!(payload.starts_with(format!("{name}\n").as_bytes()));
    }
}

#[test]
fn similar_samples_need_little_space() {
    let sample = items(KERNELS[3]);
    let size = |count: usize| {
        let mut writer = writer(Compression::Zstd);
        for _ in 0..count {
            write(&mut writer, &sample);
            writer.flush().unwrap();
        }
        writer.finish().unwrap().len()
    };
    let (one, ten) = (size(1), size(10));
    assert!(ten < 2 * one, "{one} {ten}");
}

#[test]
fn flushed_samples_can_be_read() {
    let items = some_of_everything();
    for compression in [Compression::None, Compression::Zstd] {
        let mut writer = writer(compression);
        let mut written = Vec::new();
        for _ in 0..5 {
            write(&mut writer, &items);
            writer.flush().unwrap();
            written.push(writer.written());
        }
        write(&mut writer, &items);
        let file = writer.finish().unwrap();
        for (count, &length) in (1..).zip(&written) {
            let (back, end) = read(&file[..length as usize]);
            assert_eq!(back, vec![items.clone(); count].concat(), "{compression:?}");
            // An uncompressed file may also end between two blocks.
            assert_eq!(end.is_ok(), compression == Compression::None);
        }
    }
}

#[test]
fn every_namespace_has_its_own_interface() {
    let mut writer = writer(Compression::Zstd);
    let other = tcpdiag::recording::NamespaceInterface { inode: 17, name: Some("blue") };
    assert_eq!(writer.add_namespace(&other).unwrap(), 2);
    writer.datagram(2, Direction::Sent, b"blue").unwrap();
    writer.datagram(0, Direction::Received, b"own").unwrap();
    assert_eq!(writer.add_namespace(&other).unwrap(), 3);
    let (items, end) = read(writer.finish().unwrap().as_slice());
    assert!(end.is_ok());
    let blue = Item::Datagram { interface: 2, direction: Direction::Sent, bytes: b"blue".to_vec() };
    assert_eq!(items, [(0, blue), (0, Item::received(b"own"))]);
}
