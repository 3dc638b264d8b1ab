//! `struct tcp_info`, from Linux 3.10 to 7.3 (include/uapi/linux/tcp.h,
//! `tcp_get_info()` in net/ipv4/tcp.c).

use super::{Field, Source, fields};
use crate::wire::Slot::{Bits, Ecn, U8, U16, U32, U64};
use crate::wire::uapi::TCP_INFINITE_SSTHRESH;

/// Bytes of the structure that the catalogue knows.
pub const KNOWN_LENGTH: usize = 280;

macro_rules! tcp_info {
    ($($(#[listeners $listeners:literal])? $ident:ident $name:literal $key:literal $slot:expr,
        $since:literal $kind:ident $unit:ident $(unset $unset:expr)? => $meaning:literal;)*) => {
        fields! {
            $($(#[listeners $listeners])? $ident $name $key TcpInfo $kind $unit $since
                Source::TcpInfo($slot), $($unset)? => $meaning;)*
        }
        /// Every field of `struct tcp_info`, in the kernel's order.
        pub static ALL: &[&Field] = &[$(&$ident),*];
    };
}

tcp_info! {
    #[listeners true]
    STATE "tcpi_state" "state" U8(0), "3.10" Code None => "State by the kernel's number; 7 in a destroy event.";
    CA_STATE "ca_state" "ca_state" U8(1), "3.10" Code None => "Loss recovery state: 0 open, 1 disorder, 2 cwr, 3 recovery, 4 loss.";
    RETRANSMITS "retransmits" "retransmits" U8(2), "3.10" Gauge Events => "Retransmission timeouts in a row since the last progress; back to 0 with the next acknowledgement.";
    PROBES "probes" "probes" U8(3), "3.10" Gauge Events => "Unanswered zero-window or keepalive probes.";
    BACKOFF "backoff" "backoff" U8(4), "3.10" Gauge None => "How often the retransmission or probe timer has doubled.";
    OPTIONS "options" "options" U8(5), "3.10" Code None => "Options in use: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN, 16 ECN seen, 32 data in SYN acknowledged, 64 microsecond timestamps, 128 child of a fast open.";
    SND_WSCALE "snd_wscale" "snd_wscale" Bits(6, 0, 4), "3.10" Gauge None => "Shift that the peer applies to the windows it advertises.";
    RCV_WSCALE "rcv_wscale" "rcv_wscale" Bits(6, 4, 4), "3.10" Gauge None => "Shift applied to the windows advertised to the peer.";
    DELIVERY_RATE_APP_LIMITED "delivery_rate_app_limited" "delivery_rate_app_limited" Bits(7, 0, 1), "4.9" Code None => "1 when delivery_rate was measured while the program sent less than the network could take.";
    FASTOPEN_CLIENT_FAIL "fastopen_client_fail" "fastopen_client_fail" Bits(7, 1, 2), "5.5" Code None => "Why a fast open failed: 0 unspecified, 1 no cookie, 2 data not acknowledged, 3 SYN retransmitted.";
    RTO "rto" "rto_us" U32(8), "3.10" Gauge Microseconds => "Retransmission timeout, backoff included.";
    ATO "ato" "ato_us" U32(12), "3.10" Gauge Microseconds => "Delayed acknowledgement timeout.";
    SND_MSS "snd_mss" "snd_mss" U32(16), "3.10" Gauge Bytes => "Payload of a full segment sent.";
    RCV_MSS "rcv_mss" "rcv_mss" U32(20), "3.10" Gauge Bytes => "Estimate of the payload of full segments received.";
    #[listeners true]
    UNACKED "unacked" "unacked" U32(24), "3.10" Gauge Segments => "Segments in flight, sent and not acknowledged; a listener's accept queue length.";
    #[listeners true]
    SACKED "sacked" "sacked" U32(28), "3.10" Gauge Segments => "Segments in flight that the peer has selectively acknowledged; a listener's backlog.";
    LOST "lost" "lost" U32(32), "3.10" Gauge Segments => "Segments in flight taken to be lost.";
    RETRANS "retrans" "retrans" U32(36), "3.10" Gauge Segments => "Retransmitted segments in flight.";
    FACKETS "fackets" "fackets" U32(40), "3.10" Gauge Segments => "Forward acknowledgement; always 0 since Linux 4.15.";
    LAST_DATA_SENT "last_data_sent" "last_data_sent_ms" U32(44), "3.10" Clock Milliseconds => "Time since data was last sent; as good as random before the first.";
    LAST_ACK_SENT "last_ack_sent" "last_ack_sent" U32(48), "3.10" Clock None => "Never filled by the kernel: always 0.";
    LAST_DATA_RECV "last_data_recv" "last_data_recv_ms" U32(52), "3.10" Clock Milliseconds => "Time since data last came.";
    LAST_ACK_RECV "last_ack_recv" "last_ack_recv_ms" U32(56), "3.10" Clock Milliseconds => "Time since an acknowledgement last came.";
    PMTU "pmtu" "pmtu" U32(60), "3.10" Gauge Bytes => "Path MTU in use.";
    RCV_SSTHRESH "rcv_ssthresh" "rcv_ssthresh" U32(64), "3.10" Gauge Bytes => "Limit of the window that may be advertised now.";
    RTT "rtt" "rtt_us" U32(68), "3.10" Gauge Microseconds => "Smoothed round-trip time; 0 before the first measurement.";
    RTTVAR "rttvar" "rttvar_us" U32(72), "3.10" Gauge Microseconds => "Mean deviation of the round-trip time.";
    SND_SSTHRESH "snd_ssthresh" "snd_ssthresh" U32(76), "3.10" Gauge Segments unset TCP_INFINITE_SSTHRESH as u64 => "Congestion window at which slow start ends; unset until the first congestion.";
    #[listeners true]
    SND_CWND "snd_cwnd" "snd_cwnd" U32(80), "3.10" Gauge Segments => "Congestion window: segments that may be in flight.";
    ADVMSS "advmss" "advmss" U32(84), "3.10" Gauge Bytes => "Largest segment that the peer may send, as advertised to it.";
    #[listeners true]
    REORDERING "reordering" "reordering" U32(88), "3.10" Gauge Segments => "Reordering that is tolerated before a segment is taken to be lost; 3 at first.";
    RCV_RTT "rcv_rtt" "rcv_rtt_us" U32(92), "3.10" Gauge Microseconds => "Round-trip time as the receiving side estimates it; 0 when it has not.";
    RCV_SPACE "rcv_space" "rcv_space" U32(96), "3.10" Gauge Bytes => "Bytes the program reads per round trip, from which the receive buffer is sized.";
    TOTAL_RETRANS "total_retrans" "total_retrans" U32(100), "3.10" Counter Segments => "Segments retransmitted over the connection's life, SYN and SYN-ACK included.";
    #[listeners true]
    PACING_RATE "pacing_rate" "pacing_rate" U64(104), "3.15" Gauge BytesPerSecond unset 0xffff_ffff_ffff_ffff => "Rate at which segments are let out.";
    #[listeners true]
    MAX_PACING_RATE "max_pacing_rate" "max_pacing_rate" U64(112), "3.15" Gauge BytesPerSecond unset 0xffff_ffff_ffff_ffff => "Limit the program set on the rate (SO_MAX_PACING_RATE); unset without one.";
    BYTES_ACKED "bytes_acked" "bytes_acked" U64(120), "4.1" Counter Bytes => "Bytes acknowledged by the peer; one more for our SYN and for our FIN.";
    BYTES_RECEIVED "bytes_received" "bytes_received" U64(128), "4.1" Counter Bytes => "Bytes received in order; one more for the peer's FIN.";
    SEGS_OUT "segs_out" "segs_out" U32(136), "4.2" Counter Segments => "Segments sent, with retransmits, bare acknowledgements and resets.";
    SEGS_IN "segs_in" "segs_in" U32(140), "4.2" Counter Segments => "Segments received, as the peer cut them; the SYN counts on the server's side.";
    NOTSENT_BYTES "notsent_bytes" "notsent_bytes" U32(144), "4.6" Gauge Bytes => "Bytes written by the program and not sent yet.";
    MIN_RTT "min_rtt" "min_rtt_us" U32(148), "4.6" Gauge Microseconds unset 0xffff_ffff => "Smallest round-trip time of the last minutes; unset before the first measurement.";
    DATA_SEGS_IN "data_segs_in" "data_segs_in" U32(152), "4.6" Counter Segments => "Segments received that carried data.";
    DATA_SEGS_OUT "data_segs_out" "data_segs_out" U32(156), "4.6" Counter Segments => "Segments sent that carried data, retransmits included.";
    DELIVERY_RATE "delivery_rate" "delivery_rate" U64(160), "4.9" Gauge BytesPerSecond => "Rate at which data last reached the peer.";
    BUSY_TIME "busy_time" "busy_time_us" U64(168), "4.10" Counter Microseconds => "Time with data waiting to be sent or acknowledged.";
    RWND_LIMITED "rwnd_limited" "rwnd_limited_us" U64(176), "4.10" Counter Microseconds => "Part of busy_time in which the peer's receive window held sending back.";
    SNDBUF_LIMITED "sndbuf_limited" "sndbuf_limited_us" U64(184), "4.10" Counter Microseconds => "Part of busy_time in which the send buffer was too small.";
    DELIVERED "delivered" "delivered" U32(192), "4.18" Counter Segments => "Segments that reached the peer, retransmits included.";
    DELIVERED_CE "delivered_ce" "delivered_ce" U32(196), "4.18" Counter Segments => "Of those, the ones reported back as marked by a congested router (ECN).";
    BYTES_SENT "bytes_sent" "bytes_sent" U64(200), "4.19" Counter Bytes => "Payload bytes sent, retransmits included.";
    BYTES_RETRANS "bytes_retrans" "bytes_retrans" U64(208), "4.19" Counter Bytes => "Payload bytes retransmitted.";
    DSACK_DUPS "dsack_dups" "dsack_dups" U32(216), "4.19" Counter Segments => "Segments the peer reported as received twice (DSACK): retransmits that were not needed.";
    REORD_SEEN "reord_seen" "reord_seen" U32(220), "4.19" Counter Events => "Times that acknowledgements showed reordering.";
    RCV_OOOPACK "rcv_ooopack" "rcv_ooopack" U32(224), "5.4" Counter Segments => "Segments received out of order.";
    SND_WND "snd_wnd" "snd_wnd" U32(228), "5.4" Gauge Bytes => "Receive window that the peer last advertised.";
    RCV_WND "rcv_wnd" "rcv_wnd" U32(232), "6.2" Gauge Bytes => "Receive window last advertised to the peer.";
    REHASH "rehash" "rehash" U32(236), "6.2" Counter Events => "Times another path was tried by changing the flow's hash, after timeouts or congestion.";
    TOTAL_RTO "total_rto" "total_rto" U16(240), "6.7" Counter Events => "Retransmission timeouts over the connection's life, SYN included.";
    TOTAL_RTO_RECOVERIES "total_rto_recoveries" "total_rto_recoveries" U16(242), "6.7" Counter Events => "Recoveries begun by a retransmission timeout.";
    TOTAL_RTO_TIME "total_rto_time" "total_rto_time_ms" U32(244), "6.7" Counter Milliseconds => "Time spent in such recoveries, the running one included.";
    RECEIVED_CE "received_ce" "received_ce" U32(248), "6.18" Counter Segments => "Segments received with a congestion mark (ECN).";
    DELIVERED_E1_BYTES "delivered_e1_bytes" "delivered_e1_bytes" U32(252), "6.18" Counter Bytes => "Bytes the peer reported as received with mark ECT(1).";
    DELIVERED_E0_BYTES "delivered_e0_bytes" "delivered_e0_bytes" U32(256), "6.18" Counter Bytes => "Bytes the peer reported as received with mark ECT(0).";
    DELIVERED_CE_BYTES "delivered_ce_bytes" "delivered_ce_bytes" U32(260), "6.18" Counter Bytes => "Bytes the peer reported as received with a congestion mark.";
    RECEIVED_E1_BYTES "received_e1_bytes" "received_e1_bytes" U32(264), "6.18" Counter Bytes => "Bytes received with mark ECT(1).";
    RECEIVED_E0_BYTES "received_e0_bytes" "received_e0_bytes" U32(268), "6.18" Counter Bytes => "Bytes received with mark ECT(0).";
    RECEIVED_CE_BYTES "received_ce_bytes" "received_ce_bytes" U32(272), "6.18" Counter Bytes => "Bytes received with a congestion mark.";
    ECN_MODE "ecn_mode" "ecn_mode" Ecn(None, 0, 2), "7.2" Code None => "ECN in use: 0 none, 1 classic (RFC 3168), 2 accurate (AccECN), 3 pending.";
    ACCECN_OPT_SEEN "accecn_opt_seen" "accecn_opt_seen" Ecn(Some(278), 2, 2), "6.18" Code None => "Whether the peer's accurate ECN option was seen.";
    ACCECN_FAIL_MODE "accecn_fail_mode" "accecn_fail_mode" Ecn(Some(276), 4, 4), "6.18" Code None => "Why accurate ECN was given up.";
    OPTIONS2 "options2" "options2" Ecn(None, 8, 24), "7.2" Code None => "Further options; none is defined up to Linux 7.3.";
}
