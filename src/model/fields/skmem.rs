//! The socket's memory (`sk_get_meminfo()`, net/core/sock.c).

use super::{Field, Source, fields};

fields! {
    RMEM_ALLOC "rmem_alloc" "rmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(0), => "Memory of what was received and not read yet.";
    RCVBUF "rcvbuf" "rcvbuf" Skmem Gauge Bytes "3.10" Source::Skmem(1), => "Receive buffer size; overhead counts, so payload fits to about half of it.";
    WMEM_ALLOC "wmem_alloc" "wmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(2), => "Memory of what lies in queueing disciplines and drivers.";
    SNDBUF "sndbuf" "sndbuf" Skmem Gauge Bytes "3.10" Source::Skmem(3), => "Send buffer size.";
    FWD_ALLOC "fwd_alloc" "fwd_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(4), => "Memory reserved and not used yet.";
    WMEM_QUEUED "wmem_queued" "wmem_queued" Skmem Gauge Bytes "3.10" Source::Skmem(5), => "Memory of the send queue: written and not acknowledged.";
    OPTMEM "optmem" "optmem" Skmem Gauge Bytes "3.10" Source::Skmem(6), => "Memory of options and filters.";
    BACKLOG "backlog" "backlog" Skmem Gauge Bytes "3.10" Source::Skmem(7), => "Memory of segments that came while the program held the socket.";
    DROPS "drops" "drops" Skmem Counter Segments "4.7" Source::Skmem(8), => "Segments this socket discarded: for a listener its listen drops, else duplicates, out-of-window segments and lack of memory.";
}

/// Every field of the socket's memory, in the kernel's order.
pub static SKMEM: &[&Field] = &[
    &RMEM_ALLOC,
    &RCVBUF,
    &WMEM_ALLOC,
    &SNDBUF,
    &FWD_ALLOC,
    &WMEM_QUEUED,
    &OPTMEM,
    &BACKLOG,
    &DROPS,
];
