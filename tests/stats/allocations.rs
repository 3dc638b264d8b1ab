//! Polling allocates nothing while the names stay the same.
#![allow(unsafe_code, reason = "a counting allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use tcpdiag::counters::{CounterReader, Counters, LayoutChange};

struct Counting;

thread_local! {
    /// Of this thread, as other tests run beside.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // At the end of a thread there is no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the one System wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from System.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_second_sample_does_not_allocate() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/7.2.13/dump");
    for root in [Path::new("/proc/thread-self/net"), fixture.as_path()] {
        for mut reader in [CounterReader::new(root), CounterReader::watched(root)] {
            let (mut a, mut b) = (Counters::default(), Counters::default());
            reader.sample(&mut a).unwrap();
            reader.sample(&mut b).unwrap();
            let before = ALLOCATIONS.get();
            let changes = [reader.sample(&mut a).unwrap(), reader.sample(&mut b).unwrap()];
            let allocated = ALLOCATIONS.get() - before;
            assert_eq!(changes, [LayoutChange::Same; 2]);
            assert_eq!(allocated, 0, "{}", root.display());
        }
    }
}
