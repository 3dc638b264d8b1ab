//! The system's allocator, counted for each thread: tests run beside others.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has asked for.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Bytes that it allocated and has not freed.
    pub bytes: i64,
    /// Allocations and reallocations.
    pub allocations: u64,
}

thread_local! {
    static USAGE: Cell<Usage> = const { Cell::new(Usage { bytes: 0, allocations: 0 }) };
}

struct Counting;

fn count(bytes: i64, allocations: u64) {
    // A thread that ends has no counter any more, and nothing to count.
    let _ = USAGE.try_with(|usage| {
        let before = usage.get();
        usage.set(Usage {
            bytes: before.bytes + bytes,
            allocations: before.allocations + allocations,
        });
    });
}

// SAFETY: every call goes to the system's allocator as it came. Counting uses
// a constant-initialised cell without destructor, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, 1);
        // SAFETY: the caller keeps GlobalAlloc's contract, which is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64), 0);
        // SAFETY: as above; the pointer is from System.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64, 1);
        // SAFETY: as above; the pointer is from System.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the calling thread has asked for so far.
pub fn usage() -> Usage {
    USAGE.get()
}

/// How many allocations `work` makes.
pub fn allocations(work: impl FnOnce()) -> u64 {
    let before = usage().allocations;
    work();
    usage().allocations - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| drop(std::hint::black_box(String::new()))), 0);
}
