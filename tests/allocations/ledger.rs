//! What a tracked socket costs, by the allocator's own count.

use std::time::Instant;

use tcpdiag::model::Socket;
use tcpdiag::tracking::{Ending, Observed, SocketTracker, Watch};
use tcpdiag::wire::{EcnWord, Messages, Reply};

use super::allocator::usage;

/// Numbers of sockets: one at random, and two just above a doubling of the hash table, where a
/// socket costs most.
const COUNTS: [u64; 3] = [50_000, 57_345, 114_689];

fn template() -> Socket {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/6.18.44/tcp4.nl");
    let bytes = std::fs::read(path).unwrap();
    let mut messages = Messages::new(&bytes).map(Result::unwrap);
    let found = messages.find_map(|message| {
        let reply = Reply::new(message.payload)?;
        (reply.state() == 1).then(|| Socket::new(&reply, EcnWord::Halves))?
    });
    found.unwrap()
}

#[test]
fn two_hundred_bytes_a_socket_and_no_allocation_in_steady_state() {
    for sockets in COUNTS {
        measure(sockets);
    }
}

fn measure(sockets: u64) {
    let mut socket = template();
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    let before = usage().bytes;
    let mut ledger = SocketTracker::new();
    let mut counts = Vec::with_capacity(4);
    for _ in 0..4 {
        let start = usage().allocations;
        ledger.begin(Instant::now());
        for number in 0..sockets {
            socket.cookie = number + 1;
            socket.remote.port = number as u16;
            if ledger.observe(&socket) == Observed::Untagged {
                ledger.tag(socket.cookie, (number % 20) as u32);
            }
        }
        ledger.end(ending, |_| {});
        counts.push(usage().allocations - start);
    }
    let held = usage().bytes - before;
    let each = held as f64 / sockets as f64;
    println!("{each:.1} bytes a socket at {sockets}; allocations per poll {counts:?}");
    assert!(each <= 200.0, "{each}");
    assert_eq!(counts[1..], [0, 0, 0]);
    assert!((ledger.allocated() as i64 - held).abs() < 10_000, "{} {held}", ledger.allocated());
}
