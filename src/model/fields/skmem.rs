//! The socket's memory (`sk_get_meminfo()`, net/core/sock.c).

use super::{Field, Source, fields};
use crate::wire::uapi;

fields! {
    RMEM_ALLOC "rmem_alloc" "rmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_RMEM_ALLOC), => "Memory of data that was received and not read yet.";
    RCVBUF "rcvbuf" "rcvbuf" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_RCVBUF), => "Receive buffer size; overhead counts, so payload fits to about half of it.";
    WMEM_ALLOC "wmem_alloc" "wmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_WMEM_ALLOC), => "Memory of data in queueing disciplines and drivers.";
    SNDBUF "sndbuf" "sndbuf" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_SNDBUF), => "Send buffer size.";
    FWD_ALLOC "fwd_alloc" "fwd_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_FWD_ALLOC), => "Memory reserved and not used yet.";
    WMEM_QUEUED "wmem_queued" "wmem_queued" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_WMEM_QUEUED), => "Memory of the send queue: written and not acknowledged.";
    OPTMEM "optmem" "optmem" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_OPTMEM), => "Memory of options and filters.";
    BACKLOG "backlog" "backlog" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_BACKLOG), => "Memory of segments that came while the program held the socket.";
    DROPS "drops" "drops" Skmem Counter Segments "4.7" Source::Skmem(uapi::SK_MEMINFO_DROPS), => "Segments this socket discarded: for a listener its listen drops, else duplicates, out-of-window segments and lack of memory.";
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
