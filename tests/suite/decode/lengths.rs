//! `struct tcp_info` of any length: a field exists if and only if it lies
//! within what was sent.

use tcpdiag::model::fields::{self, tcp_info as t};
use tcpdiag::model::{Reading, Socket, State};
use tcpdiag::wire::{EcnWord, SkMem, TcpInfo, uapi};

use super::capture::{KERNELS, json, replies};

/// Lengths that kernels or distributions really had (kernel.md 1.1).
const REAL: [usize; 12] = [104, 120, 136, 144, 160, 168, 192, 200, 224, 232, 240, 248];

/// The longest in the captures.
const LONGEST: usize = 280;

/// An established and a listening socket of every kernel, with their bytes.
fn samples() -> Vec<(Socket, Vec<u8>, EcnWord)> {
    let mut samples = Vec::new();
    for kernel in KERNELS {
        let bytes = kernel.bytes("tcp4.nl");
        for port in [30010, 30070, 20001] {
            let reply = replies(&bytes)
                .into_iter()
                .find(|reply| reply.local_port() == port)
                .unwrap_or_else(|| panic!("{port}"));
            let info = reply.attribute(uapi::INET_DIAG_INFO).unwrap().to_vec();
            samples.push((Socket::new(&reply, kernel.ecn()).unwrap(), info, kernel.ecn()));
        }
    }
    samples
}

/// The socket with that much of its structure.
fn cut(socket: &Socket, info: &[u8], ecn: EcnWord) -> Socket {
    Socket { tcp_info: Some(TcpInfo::new(info, ecn)), ..*socket }
}

/// Fields of which others, further back, tell whether they exist.
const DEPENDENT: [&str; 5] =
    ["delivery_rate_app_limited", "fackets", "last_data_sent", "last_data_recv", "last_ack_recv"];

#[test]
fn fields_beyond_the_structure_are_absent() {
    for (socket, info, ecn) in samples() {
        for length in (0..=info.len()).chain(REAL).filter(|&length| length <= info.len()) {
            let shorter = cut(&socket, &info[..length], ecn);
            for field in t::ALL {
                let (at, width) = field.slot().unwrap().range();
                let whole = field.read(&socket);
                let expected = if at + width <= length { whole } else { Reading::Absent };
                // The word of two layouts is split in two on 6.18.
                if at == 276 && (276..280).contains(&length) {
                    continue;
                }
                if DEPENDENT.contains(&field.name) && length < 208 && at + width <= length {
                    continue;
                }
                assert_eq!(field.read(&shorter), expected, "{} of {length}", field.name);
            }
        }
    }
}

#[test]
fn keys_beyond_the_structure_are_absent() {
    for (socket, info, ecn) in samples() {
        for length in REAL.into_iter().filter(|&length| length <= info.len()) {
            let row = json(&cut(&socket, &info[..length], ecn));
            let keys = row["tcp_info"].as_object().unwrap();
            let whole = json(&socket);
            for (key, value) in keys {
                let name = key.trim_end_matches("_ms");
                let dependent = length < 208 && DEPENDENT.contains(&name);
                assert!(dependent || value == &whole["tcp_info"][key], "{key} of {length}");
            }
            let expected = t::ALL.iter().filter(|field| {
                let (at, width) = field.slot().unwrap().range();
                // Kernels that send less count forward acknowledgements.
                let forward = field.name == "fackets" && length < 196;
                // A bit of a byte that all have, which came with the delivery rate.
                let is_later = field.name == "delivery_rate_app_limited" && length < 168;
                at + width <= length
                    && !is_later
                    && (field.read(&socket) != Reading::Absent
                        || forward && socket.state != State::Listen)
            });
            assert_eq!(keys.len(), expected.count(), "{length}: {keys:?}");
            // What follows from absent figures is absent, not zero.
            let derived = row["derived"].as_object().unwrap();
            let listens = socket.state == State::Listen;
            assert_eq!(derived.contains_key("rwnd_limited_share"), length >= 192 && !listens);
            assert_eq!(derived.contains_key("bytes_retrans_ratio"), length >= 224 && !listens);
            assert_eq!(derived.contains_key("send_rate"), !listens);
        }
    }
}

#[test]
fn unknown_trailing_bytes_are_kept() {
    let (socket, info, _) = samples().pop().unwrap();
    assert_eq!(info.len(), LONGEST);
    for ecn in [EcnWord::Bits, EcnWord::Halves, EcnWord::Unknown] {
        // Not decoded, the word of two layouts belongs to the tail.
        let known = if ecn == EcnWord::Unknown { 276 } else { LONGEST };
        for length in 0..=400 {
            let mut longer = info.clone();
            longer.extend((LONGEST..400).map(|at| at as u8));
            longer.truncate(length);
            let socket = cut(&socket, &longer, ecn);
            let kept = &longer[..length.min(328)];
            let tail = kept.get(known..).unwrap_or(&[]);
            let hex: String = tail.iter().map(|byte| format!("{byte:02x}")).collect();
            let row = json(&socket);
            let shown = row["tcp_info"].get("unknown_tail").map(|tail| tail.as_str().unwrap());
            assert_eq!(shown.unwrap_or(""), hex, "{length} {ecn:?}");
            assert_eq!(shown.is_none(), tail.is_empty());
            let info = socket.tcp_info.unwrap();
            assert_eq!((info.sent_length(), info.is_cut()), (length, length > 328));
        }
    }
}

#[test]
fn skmem_of_eight_words_has_no_drops() {
    // Before 4.7 the kernel did not report a socket's drops.
    for (socket, ..) in samples() {
        let words: Vec<u8> = (0..8)
            .flat_map(|index| socket.skmem.unwrap().word(index).unwrap().to_ne_bytes())
            .collect();
        let older = Socket { skmem: SkMem::new(&words), ..socket };
        let (old, new) = (json(&older), json(&socket));
        assert_eq!(old["skmem"].get("drops"), None);
        assert_eq!(old["skmem"].as_object().unwrap().len(), 8);
        for (key, value) in old["skmem"].as_object().unwrap() {
            assert_eq!(value, &new["skmem"][key]);
        }
        assert_eq!(fields::DROPS.read(&older), Reading::Absent);
        assert_eq!(SkMem::new(&words[..3]), None);
    }
}
