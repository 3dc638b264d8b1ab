//! What a tracked socket costs, by the allocator's own count.
#![allow(unsafe_code, reason = "a counting allocator has to implement an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use tcpdiag::model::Socket;
use tcpdiag::tracking::{Ending, Entered, Ledger, Watch};
use tcpdiag::wire::{EcnWord, Messages, Reply};

struct Counting;

thread_local! {
    /// Bytes held and allocations made by this thread: tests run beside others.
    static HELD: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
}

fn count(bytes: i64, allocations: u64) {
    let _ = HELD.try_with(|held| {
        let (now, times) = held.get();
        held.set((now + bytes, times + allocations));
    });
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Some, and where it is worst: just behind the doublings of the hash table.
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
    let (before, _) = HELD.get();
    let mut ledger = Ledger::new();
    let mut counts = Vec::with_capacity(4);
    for _ in 0..4 {
        let (_, start) = HELD.get();
        ledger.begin(Instant::now());
        for number in 0..sockets {
            socket.cookie = number + 1;
            socket.remote.port = number as u16;
            if ledger.enter(&socket) == Entered::Untagged {
                ledger.tag(socket.cookie, (number % 20) as u32);
            }
        }
        ledger.end(ending, |_| {});
        counts.push(HELD.get().1 - start);
    }
    let held = HELD.get().0 - before;
    let each = held as f64 / sockets as f64;
    println!("{each:.1} bytes a socket at {sockets}; allocations per poll {counts:?}");
    assert!(each <= 200.0, "{each}");
    assert_eq!(counts[1..], [0, 0, 0]);
    assert!((ledger.allocated() as i64 - held).abs() < 10_000, "{} {held}", ledger.allocated());
}
