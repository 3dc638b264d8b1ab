//! Truncated or damaged recordings end with a clear message.

use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;
use tcpdiag::recording::{
    Compression, Damage, Direction, Kind, ReadError, Reader, ReplayTransport, Sample,
};
use tcpdiag::socket_diag::Sockets;

use super::content::{Item, Timed, read, recording, some_of_everything};
use super::replay::EVERYTHING;

const BOTH: [Compression; 2] = [Compression::None, Compression::Zstd];

/// Checks that an error is clear and names a byte within the file.
fn check(error: &ReadError, length: usize) {
    let text = error.to_string();
    match error {
        ReadError::EndsEarly { at, compressed, .. } => {
            assert!(text.starts_with(&format!("recording ends early at byte {at}")), "{text}");
            assert!(*compressed || *at <= length as u64, "{text}");
        }
        ReadError::NotARecording { .. } => {
            assert!(text.starts_with("this is no recording, but "), "{text}");
        }
    }
}

#[test]
fn every_prefix_ends_with_a_clear_error() {
    let items = some_of_everything();
    for compression in BOTH {
        let file = recording(compression, &items);
        let mut longest = 0;
        for length in 0..file.len() {
            let (back, end) = read(&file[..length]);
            assert!(items.starts_with(&back), "{compression:?} {length}");
            assert!(back.len() >= longest, "a longer file has no less");
            longest = back.len();
            match end {
                Err(error) => check(&error, length),
                // Only a file that is not compressed can end between two blocks.
                Ok(reader) => {
                    assert_eq!(compression, Compression::None);
                    assert!(!reader.is_complete || back == items);
                }
            }
        }
    }
}

#[test]
fn errors_name_position_and_reason() {
    let items = some_of_everything();
    let file = recording(Compression::None, &items);
    let ends = |file: &[u8]| match read(file) {
        (_, Err(ReadError::EndsEarly { at, why, .. })) => (at as usize, why),
        (_, other) => panic!("{other:?}"),
    };
    let last = file.len() - ends(&file[..file.len() - 1]).0;
    let at = file.len() - last;
    assert_eq!(ends(&file[..file.len() - 1]), (at, Damage::Cut));
    let changed = |offset: usize, word: u32| {
        let mut file = file.clone();
        file[at + offset..at + offset + 4].copy_from_slice(&word.to_ne_bytes());
        ends(&file)
    };
    for length in [0, 8, 13, 50, 1 << 25, u32::MAX] {
        assert_eq!(changed(4, length), (at, Damage::Length(length)));
    }
    assert_eq!(changed(4, last as u32 + 4), (at, Damage::Cut));
    let start = last as u32;
    assert_eq!(changed(last - 4, 12), (at, Damage::Lengths { start, end: 12 }));
    assert_eq!(changed(8, 77), (at, Damage::Interface(77)));
    assert_eq!(changed(20, 15), (at, Damage::Note(15)));
    assert_eq!(changed(20, u32::MAX), (at, Damage::Short(6)));
}

#[test]
fn unknown_notes_are_skipped_and_counted() {
    let note = Item::Note { kind: Kind::Cgroup, sample: 1, namespace: 2, payload: vec![1] };
    let items = vec![(1, note.clone()), (2, note), (3, Item::note(Kind::End, b"{}"))];
    let file = recording(Compression::None, &items);
    // The header of each payload: version, flags, kind, sample, namespace.
    let mut header = vec![1, 0];
    header.extend((Kind::Cgroup as u16).to_ne_bytes());
    header.extend(1u32.to_ne_bytes());
    header.extend(2u64.to_ne_bytes());
    let found = file.windows(16).enumerate().filter(|(_, bytes)| *bytes == header);
    let [one, other] = found.map(|(at, _)| at).collect::<Vec<_>>()[..] else { panic!("two") };
    let mut later = file.clone();
    // A kind of a later version, and a later version.
    later[one + 2..one + 4].copy_from_slice(&999u16.to_ne_bytes());
    later[other] = 2;
    let (back, end) = read(later.as_slice());
    assert_eq!(back, items[2..]);
    let reader = end.unwrap();
    assert_eq!(reader.skipped.notes, 2);
    assert!(reader.is_complete);
}

#[test]
fn unknown_blocks_are_skipped_and_counted() {
    let items = some_of_everything();
    let mut file = recording(Compression::None, &items);
    // Interface statistics, which other programs write.
    for word in [5u32, 16, 0, 16] {
        file.extend(word.to_ne_bytes());
    }
    let (back, end) = read(file.as_slice());
    assert_eq!(back, items);
    assert_eq!(end.unwrap().skipped.blocks, 1);
}

#[test]
fn the_other_byte_order_is_read() {
    // A section from a machine with the other byte order: framing is read, and the order reported.
    let mut file = Vec::new();
    let section = [0x0a0d_0d0au32, 28, 0x1a2b_3c4d, 1 << 16, u32::MAX, u32::MAX, 28];
    let interface = [1, 20, 253 << 16, 0, 20];
    let packet = [6, 32 + 20, 0, 0, 7, 20, 20];
    let mut words: Vec<u32> = section.into_iter().chain(interface).chain(packet).collect();
    words.iter_mut().for_each(|word| *word = word.swap_bytes());
    if cfg!(target_endian = "little") {
        // The halves of a word are swapped in that order.
        words[3] = u32::from_ne_bytes([0, 1, 0, 0]);
        words[9] = u32::from_ne_bytes([0, 253, 0, 0]);
        words.iter().for_each(|word| file.extend(word.to_ne_bytes()));
        file.extend([0, 0, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
        file.extend(b"four");
        file.extend(52u32.swap_bytes().to_ne_bytes());
        let (back, end) = read(file.as_slice());
        assert_eq!(back, [(7000, Item::received(b"four"))]);
        assert!(!end.unwrap().is_of_this_byte_order);
    }
}

fn item() -> impl Strategy<Value = Timed> {
    let direction = prop_oneof![Just(Direction::Sent), Just(Direction::Received)];
    let datagram = (direction, vec(any::<u8>(), 0..300))
        .prop_map(|(direction, bytes)| Item::Datagram { interface: 0, direction, bytes });
    let kind = prop::sample::select(Kind::ALL);
    let note = (kind, any::<u32>(), any::<u64>(), vec(any::<u8>(), 0..300)).prop_map(
        |(kind, sample, namespace, payload)| Item::Note { kind, sample, namespace, payload },
    );
    (any::<u64>(), prop_oneof![datagram, note])
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(&BOTH[..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn written_items_are_read_back(items in vec(item(), 0..40), compression in compression()) {
        let (back, end) = read(recording(compression, &items).as_slice());
        prop_assert_eq!(back, items);
        prop_assert!(end.is_ok());
    }

    #[test]
    fn damaged_recordings_end(
        items in vec(item(), 1..40),
        compression in compression(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = recording(compression, &items);
        for (index, byte) in damage {
            let index = index.index(file.len());
            file[index] = byte;
        }
        file.truncate(1 + cut.index(file.len()));
        let (back, end) = read(file.as_slice());
        if let Ok(mut reader) = Reader::new(file.as_slice()) {
            for namespace in Sample::find(&mut reader, None).sample.into_iter().flat_map(|m| m.namespaces) {
                let _ = Sockets::over(ReplayTransport::new(namespace.part.dump)).read(&EVERYTHING, |_| {
                    ControlFlow::Continue(())
                });
            }
        }
        // A block has at least 12 bytes, and decompression yields no more than the original.
        prop_assert!(back.len() <= 4 * items.len() + 1000);
        if let Err(error) = end {
            check(&error, file.len());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(file in vec(any::<u8>(), 0..400)) {
        let (back, end) = read(file.as_slice());
        prop_assert!(back.is_empty());
        match end {
            Err(error) => check(&error, file.len()),
            Ok(_) => prop_assert!(false, "a recording by chance"),
        }
    }
}
