//! Other files are refused with a message that says what they are.

use tcpdiag::recording::{Compression, ReadError};

use super::content::{read, recording};

fn refusal(file: &[u8]) -> String {
    match read(file) {
        (items, Err(error @ ReadError::NotARecording { .. })) => {
            assert!(items.is_empty());
            error.to_string()
        }
        (_, other) => panic!("{other:?}"),
    }
}

/// A pcapng of one interface of this link type, with one packet.
fn capture(link: u32) -> Vec<u8> {
    let words = [
        &[0x0a0d_0d0au32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28][..],
        &[1, 20, link, 0, 20],
        &[6, 36, 0, 0, 0, 4, 4, 0, 36],
    ];
    words.concat().into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The same in the older format.
fn classic(link: u32) -> Vec<u8> {
    let words = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_536, link, 1, 0, 4, 4, 0];
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[test]
fn other_files_are_refused() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    for (file, what) in [
        (&b""[..], "an empty file"),
        (&classic(1), "Ethernet"),
        (&classic(4242), "link type 4242"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00", "gzip"),
        (&program[..64], "a program"),
        (b"{\"schema\":\"tcpdiag.conns/1\"}", "JSON"),
        (b"Tcp: RtoAlgorithm RtoMin\n", "text"),
        (b"x\n", "text"),
        (&[0, 1, 2, 3, 0, 1, 2, 3, 9, 9, 9, 9, 200], "unknown"),
        (&capture(1), "Ethernet"),
        (&capture(4242), "link type 4242"),
        (&capture(147), "link type 147"),
    ] {
        let text = refusal(file);
        assert!(text.contains(what), "{text}");
        // The same after compression.
        let compressed = zstd(file);
        assert!(refusal(&compressed).contains(what), "{text}");
    }
}

/// These bytes in a zstd raw block (RFC 8878, 3.1.1.2).
fn zstd(bytes: &[u8]) -> Vec<u8> {
    // Frames of four bytes of content size, one segment.
    let mut file = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    file.extend((bytes.len() as u32).to_le_bytes());
    let mut parts: Vec<&[u8]> = bytes.chunks(1 << 16).collect();
    let last = parts.pop().unwrap_or_default();
    let mut block = |bytes: &[u8], is_last: u32| {
        file.extend(&((bytes.len() as u32) << 3 | is_last).to_le_bytes()[..3]);
        file.extend(bytes);
    };
    parts.iter().for_each(|part| block(part, 0));
    block(last, 1);
    file
}

#[test]
fn a_netlink_capture_is_accepted() {
    let (items, end) = read(capture(253).as_slice());
    assert!(items.is_empty());
    // Its packet is too short for the cooked header.
    assert_eq!(end.unwrap().skipped.packets, 1);
}

#[test]
fn an_empty_recording_is_accepted() {
    for compression in [Compression::None, Compression::Zstd] {
        let (items, end) = read(recording(compression, &[]).as_slice());
        assert!(items.is_empty());
        assert!(!end.unwrap().is_complete);
    }
}
