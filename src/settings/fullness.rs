//! Shares of the kernel's limits from which they are nearly reached. `sysctl` and `diagnose` go by
//! the same.

/// TIME-WAIT sockets, of `net.ipv4.tcp_max_tw_buckets`.
pub const TIME_WAIT: f64 = 0.7;

/// Sockets without a program, of `net.ipv4.tcp_max_orphans`.
pub const ORPHANS: f64 = 0.5;

/// Memory of TCP, of the second number of `net.ipv4.tcp_mem`: the kernel does nothing below it.
pub const MEMORY: f64 = 1.0;
