//! How the heap gives memory back.
#![allow(unsafe_code, reason = "mallopt(3) is in no safe library of the tree")]

/// Has large pieces go back to the kernel as soon as they are free, for programs that run for
/// long. Other C libraries than glibc do so anyway; glibc raises both of its thresholds to the
/// largest piece that was ever freed, and then keeps twice as much at the heap's end.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes two numbers. Either option also switches the raising off; a refusal changes
    // nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}
