//! The kernel's constants, each defined once under its own name.
//!
//! Constants of the netlink-packet crates are re-exported; those that the crates lack are defined
//! here. Offsets into `struct tcp_info` are in the field catalogue (`model::fields`).

// include/uapi/linux/netlink.h
pub use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART,
    NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN,
};
// include/uapi/linux/sock_diag.h, include/linux/socket.h and include/uapi/linux/in.h
pub use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY,
};
// include/uapi/linux/inet_diag.h: attributes of a reply
pub use netlink_packet_sock_diag::constants::{
    INET_DIAG_BBRINFO, INET_DIAG_CLASS_ID, INET_DIAG_CONG, INET_DIAG_DCTCPINFO, INET_DIAG_INFO,
    INET_DIAG_LOCALS, INET_DIAG_MARK, INET_DIAG_MD5SIG, INET_DIAG_MEMINFO, INET_DIAG_PEERS,
    INET_DIAG_PROTOCOL, INET_DIAG_SHUTDOWN, INET_DIAG_SKMEMINFO, INET_DIAG_SKV6ONLY,
    INET_DIAG_TCLASS, INET_DIAG_TOS, INET_DIAG_VEGASINFO,
};
// include/net/tcp_states.h
pub use netlink_packet_sock_diag::constants::{
    TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2,
    TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT,
};
// include/uapi/linux/tcp.h: enum tcp_ca_state and tcpi_options
pub use netlink_packet_sock_diag::constants::{
    TCP_CA_CWR, TCP_CA_DISORDER, TCP_CA_LOSS, TCP_CA_OPEN, TCP_CA_RECOVERY, TCPI_OPT_ECN,
    TCPI_OPT_ECN_SEEN, TCPI_OPT_SACK, TCPI_OPT_SYN_DATA, TCPI_OPT_TIMESTAMPS, TCPI_OPT_WSCALE,
};

macro_rules! constants {
    ($($(#[$comment:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $(
            $(#[$comment])*
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: $type = $value;
        )*
    };
}

// include/uapi/linux/netlink.h
constants! {
    /// The netlink family; the crates have it as `isize`.
    NETLINK_SOCK_DIAG: u16 = 4;
    /// Length of `struct nlmsghdr`.
    NLMSG_HDRLEN: usize = 16;
    /// Length of `struct nlattr`.
    NLA_HDRLEN: usize = 4;
    /// `nla_type` without the nested and byte order flags.
    NLA_TYPE_MASK: u16 = 0x3fff;
    /// The text of an extended acknowledgement.
    NLMSGERR_ATTR_MSG: u16 = 1;
}

// include/uapi/linux/if_arp.h
constants! {
    /// The link type of an `nlmon` interface.
    ARPHRD_NETLINK: u16 = 824;
}

// include/uapi/linux/sock_diag.h
constants! {
    /// Destroy events of IPv4 sockets.
    SKNLGRP_INET_TCP_DESTROY: u32 = 1;
    /// Destroy events of IPv6 sockets.
    SKNLGRP_INET6_TCP_DESTROY: u32 = 3;
    /// Words of `INET_DIAG_SKMEMINFO`.
    SK_MEMINFO_RMEM_ALLOC: u8 = 0;
    SK_MEMINFO_RCVBUF: u8 = 1;
    SK_MEMINFO_WMEM_ALLOC: u8 = 2;
    SK_MEMINFO_SNDBUF: u8 = 3;
    SK_MEMINFO_FWD_ALLOC: u8 = 4;
    SK_MEMINFO_WMEM_QUEUED: u8 = 5;
    SK_MEMINFO_OPTMEM: u8 = 6;
    SK_MEMINFO_BACKLOG: u8 = 7;
    /// Since 4.7.
    SK_MEMINFO_DROPS: u8 = 8;
    /// Number of words up to Linux 7.3.
    SK_MEMINFO_VARS: usize = 9;
}

// include/uapi/linux/inet_diag.h
constants! {
    /// The request type from before Linux 3.3, which every kernel since still answers. Replies to
    /// it have the same type.
    TCPDIAG_GETSOCK: u16 = 18;
    /// Length of `struct inet_diag_sockid`.
    INET_DIAG_SOCKID_LEN: usize = 48;
    /// Length of `struct inet_diag_msg`.
    INET_DIAG_MSG_LEN: usize = 72;
    /// Length of `struct inet_diag_req`, the body of [`TCPDIAG_GETSOCK`].
    INET_DIAG_REQ_LEN: usize = 60;
    /// Length of `struct inet_diag_req_v2`, the body of [`SOCK_DIAG_BY_FAMILY`].
    INET_DIAG_REQ_V2_LEN: usize = 56;
    /// Attributes of a request.
    INET_DIAG_REQ_BYTECODE: u16 = 1;
    INET_DIAG_REQ_PROTOCOL: u16 = 3;
    /// Attributes of a reply that the crate does not have.
    INET_DIAG_ULP_INFO: u16 = 19;
    INET_DIAG_SK_BPF_STORAGES: u16 = 20;
    INET_DIAG_CGROUP_ID: u16 = 21;
    INET_DIAG_SOCKOPT: u16 = 22;
    /// The last attribute up to Linux 7.3.
    INET_DIAG_MAX: u16 = INET_DIAG_SOCKOPT;
    /// Nested in [`INET_DIAG_ULP_INFO`].
    INET_ULP_INFO_NAME: u16 = 1;
    INET_ULP_INFO_TLS: u16 = 2;
    INET_ULP_INFO_MPTCP: u16 = 3;
}

// include/uapi/linux/inet_diag.h: operations of a filter program
constants! {
    INET_DIAG_BC_NOP: u8 = 0;
    INET_DIAG_BC_JMP: u8 = 1;
    INET_DIAG_BC_S_GE: u8 = 2;
    INET_DIAG_BC_S_LE: u8 = 3;
    INET_DIAG_BC_D_GE: u8 = 4;
    INET_DIAG_BC_D_LE: u8 = 5;
    INET_DIAG_BC_AUTO: u8 = 6;
    INET_DIAG_BC_S_COND: u8 = 7;
    INET_DIAG_BC_D_COND: u8 = 8;
    INET_DIAG_BC_DEV_COND: u8 = 9;
    INET_DIAG_BC_MARK_COND: u8 = 10;
    INET_DIAG_BC_S_EQ: u8 = 11;
    INET_DIAG_BC_D_EQ: u8 = 12;
    INET_DIAG_BC_CGROUP_COND: u8 = 13;
    /// Length of `struct inet_diag_bc_op`.
    INET_DIAG_BC_OP_LEN: usize = 4;
    /// Length of `struct inet_diag_hostcond` without its address.
    INET_DIAG_HOSTCOND_LEN: usize = 8;
}

// idiag_timer has no names in the kernel's headers: inet_sk_diag_fill() and
// inet_twsk_diag_fill(), net/ipv4/inet_diag.c
constants! {
    /// No timer runs.
    IDIAG_TIMER_OFF: u8 = 0;
    /// Retransmission, loss probe or reordering; the SYN-ACK timer of a request.
    IDIAG_TIMER_RETRANS: u8 = 1;
    IDIAG_TIMER_KEEPALIVE: u8 = 2;
    IDIAG_TIMER_TIME_WAIT: u8 = 3;
    /// Zero-window probe.
    IDIAG_TIMER_PROBE: u8 = 4;
    /// Delayed acknowledgement (7.2 and later).
    IDIAG_TIMER_DELACK: u8 = 5;
}

// include/net/tcp_states.h
constants! {
    /// The kernel's inner form of SYN_RECV.
    TCP_NEW_SYN_RECV: u8 = 12;
    /// A pseudo state of the dump (6.8 and later).
    TCP_BOUND_INACTIVE: u8 = 13;
}

// include/net/sock.h
constants! {
    /// Bits of `INET_DIAG_SHUTDOWN`.
    RCV_SHUTDOWN: u8 = 1;
    SEND_SHUTDOWN: u8 = 2;
}

// include/uapi/linux/tcp.h and include/net/tcp.h
constants! {
    /// Timestamps in microseconds (6.7 and later).
    TCPI_OPT_USEC_TS: u8 = 64;
    /// A child of a fast open (6.14 and later).
    TCPI_OPT_TFO_CHILD: u8 = 128;
    /// `snd_ssthresh` before the first congestion.
    TCP_INFINITE_SSTHRESH: u32 = 0x7fff_ffff;
    TCP_CA_NAME_MAX: usize = 16;
    TCP_ULP_NAME_MAX: usize = 16;
    /// Length of `struct tcp_diag_md5sig`.
    TCP_DIAG_MD5SIG_LEN: usize = 100;
    /// Where the key starts in `struct tcp_diag_md5sig`.
    TCP_DIAG_MD5SIG_KEY: usize = 20;
}

// net/ipv4/tcp_vegas.c
constants! {
    /// A round-trip time in `struct tcpvegas_info` before the first measurement.
    TCPV_RTT_UNSET: u32 = 0x7fff_ffff;
}

// include/uapi/linux/tls.h
constants! {
    TLS_INFO_VERSION: u16 = 1;
    TLS_INFO_CIPHER: u16 = 2;
    TLS_INFO_TXCONF: u16 = 3;
    TLS_INFO_RXCONF: u16 = 4;
    TLS_INFO_ZC_RO_TX: u16 = 5;
    TLS_INFO_RX_NO_PAD: u16 = 6;
    /// Since 7.2.
    TLS_INFO_TX_MAX_PAYLOAD_LEN: u16 = 7;
    /// The last attribute up to Linux 7.3.
    TLS_INFO_MAX: u16 = TLS_INFO_TX_MAX_PAYLOAD_LEN;
}

// include/uapi/linux/mptcp.h
constants! {
    MPTCP_SUBFLOW_ATTR_TOKEN_REM: u16 = 1;
    MPTCP_SUBFLOW_ATTR_TOKEN_LOC: u16 = 2;
    MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ: u16 = 3;
    MPTCP_SUBFLOW_ATTR_MAP_SEQ: u16 = 4;
    MPTCP_SUBFLOW_ATTR_MAP_SFSEQ: u16 = 5;
    MPTCP_SUBFLOW_ATTR_SSN_OFFSET: u16 = 6;
    MPTCP_SUBFLOW_ATTR_MAP_DATALEN: u16 = 7;
    MPTCP_SUBFLOW_ATTR_FLAGS: u16 = 8;
    MPTCP_SUBFLOW_ATTR_ID_REM: u16 = 9;
    MPTCP_SUBFLOW_ATTR_ID_LOC: u16 = 10;
    /// The last attribute up to Linux 7.3.
    MPTCP_SUBFLOW_ATTR_MAX: u16 = MPTCP_SUBFLOW_ATTR_ID_LOC;
}
