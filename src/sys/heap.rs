//! When the heap returns memory to the kernel.
#![allow(unsafe_code, reason = "mallopt(3) is in no safe library of the tree")]

/// Makes the heap return large blocks to the kernel as soon as they are free, for programs that run
/// long. C libraries other than glibc always do. glibc raises both of its thresholds to the largest
/// block that was ever freed, and then keeps twice as much at the end of the heap.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes two numbers. Either option also disables the raising of both; a failure
    // changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}
