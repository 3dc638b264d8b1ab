//! The socket's memory (`sk_get_meminfo()`, net/core/sock.c).

use super::{Field, Source, fields};
use crate::wire::uapi;

fields! {
    RMEM_ALLOC "rmem_alloc" "rmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_RMEM_ALLOC), from "sk_rmem_alloc: skb_set_owner_r(), sock_rfree()" => "Memory of data that was received and not read yet.";
    RCVBUF "rcvbuf" "rcvbuf" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_RCVBUF), from "sk_rcvbuf: sk_setsockopt(), tcp_rcv_space_adjust()" => "Receive buffer size; overhead counts, so payload fits to about half of it.";
    WMEM_ALLOC "wmem_alloc" "wmem_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_WMEM_ALLOC), from "sk_wmem_alloc: __tcp_transmit_skb(), tcp_wfree()" => "Memory of data in queueing disciplines and drivers.";
    SNDBUF "sndbuf" "sndbuf" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_SNDBUF), from "sk_sndbuf: sk_setsockopt(), tcp_sndbuf_expand()" => "Send buffer size.";
    FWD_ALLOC "fwd_alloc" "fwd_alloc" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_FWD_ALLOC), from "sk_forward_alloc: sk_mem_charge(), sk_mem_uncharge()" => "Memory reserved and not used yet.";
    WMEM_QUEUED "wmem_queued" "wmem_queued" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_WMEM_QUEUED), from "sk_wmem_queued: sk_wmem_queued_add()" => "Memory of the send queue: written and not acknowledged.";
    OPTMEM "optmem" "optmem" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_OPTMEM), from "sk_omem_alloc: sock_kmalloc()" => "Memory of options and filters.";
    BACKLOG "backlog" "backlog" Skmem Gauge Bytes "3.10" Source::Skmem(uapi::SK_MEMINFO_BACKLOG), from "sk_backlog: sk_add_backlog()" => "Memory of segments that came while the program held the socket.";
    DROPS "drops" "drops" Skmem Counter Segments "4.7" Source::Skmem(uapi::SK_MEMINFO_DROPS), from "sk_drops: sk_drops_add(), tcp_listendrop() add; 32 bits" => "Segments that this socket discarded, for whatever reason (sk_drops). A connection: duplicates, segments out of the window, lack of memory. A listener: what found a queue full (ListenDrops; a refused last ACK counts twice), and also what a filter, TCP-MD5, a policy or a check refused.";
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
