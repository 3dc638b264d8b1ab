//! `struct tcp_info`, from Linux 3.10 to 7.3 (include/uapi/linux/tcp.h,
//! `tcp_get_info()` in net/ipv4/tcp.c).
//!
//! `from` names what the kernel reads a field from, and the functions that write it. A field's kind
//! follows from them. They were read in 6.12, those of AccECN in 6.18.

use super::{Field, Source, fields};
use crate::wire::Slot::{Bits, Ecn, U8, U16, U32, U64};
use crate::wire::uapi::TCP_INFINITE_SSTHRESH;

/// Bytes of the structure that the catalogue knows.
pub const KNOWN_LENGTH: usize = 280;

macro_rules! tcp_info {
    ($($ident:ident $name:literal $key:literal $slot:expr, $since:literal $kind:ident $unit:ident
        $(given($presence:ident))? $(unset($unset:expr))? from $writer:literal
        => $meaning:literal;)*) => {
        fields! {
            $($ident $name $key TcpInfo $kind $unit $since Source::TcpInfo($slot),
                $(given($presence))? $(unset($unset))? from $writer => $meaning;)*
        }
        /// Every field of `struct tcp_info`, in the kernel's order.
        pub static ALL: &[&Field] = &[$(&$ident),*];
    };
}

tcp_info! {
    STATE "tcpi_state" "state" U8(0), "3.10" Code None given(Everywhere)
        from "sk_state: tcp_set_state()"
        => "State by the kernel's number; 7 in a destroy event.";
    CA_STATE "ca_state" "ca_state" U8(1), "3.10" Code None
        from "icsk_ca_state: tcp_set_ca_state()"
        => "Loss recovery state: 0 open, 1 disorder, 2 cwr, 3 recovery, 4 loss.";
    RETRANSMITS "retransmits" "retransmits" U8(2), "3.10" Gauge Events
        from "icsk_retransmits: tcp_update_rto_stats(); tcp_ack() zeroes it"
        => "Retransmission timeouts in a row since the last progress; back to 0 with the next acknowledgement.";
    PROBES "probes" "probes" U8(3), "3.10" Gauge Events
        from "icsk_probes_out: tcp_send_probe0(), tcp_keepalive_timer(); tcp_ack() zeroes it"
        => "Unanswered zero-window or keepalive probes.";
    BACKOFF "backoff" "backoff" U8(4), "3.10" Gauge None
        from "icsk_backoff: tcp_retransmit_timer(), tcp_send_probe0(); tcp_ack_update_rtt() zeroes it"
        => "How often the retransmission or probe timer has doubled.";
    OPTIONS "options" "options" U8(5), "3.10" Code None given(Agreed)
        from "rx_opt: tcp_parse_options(), tcp_create_openreq_child(); ecn_flags"
        => "Options in use: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN, 16 ECN seen, 32 data in SYN acknowledged, 64 microsecond timestamps, 128 child of a fast open.";
    SND_WSCALE "snd_wscale" "snd_wscale" Bits(6, 0, 4), "3.10" Gauge None given(Agreed)
        from "rx_opt.snd_wscale: tcp_parse_options(), tcp_create_openreq_child()"
        => "Shift that the peer applies to the windows it advertises.";
    RCV_WSCALE "rcv_wscale" "rcv_wscale" Bits(6, 4, 4), "3.10" Gauge None given(Agreed)
        from "rx_opt.rcv_wscale: tcp_connect_init(), tcp_create_openreq_child()"
        => "Shift applied to the windows advertised to the peer.";
    DELIVERY_RATE_APP_LIMITED "delivery_rate_app_limited" "delivery_rate_app_limited" Bits(7, 0, 1), "4.9" Code None given(DeliveryRate)
        from "rate_app_limited: tcp_rate_gen(); 1 from tcp_init_sock() on"
        => "1 when delivery_rate was measured while the program sent less than the network could take.";
    FASTOPEN_CLIENT_FAIL "fastopen_client_fail" "fastopen_client_fail" Bits(7, 1, 2), "5.5" Code None
        from "fastopen_client_fail: tcp_rcv_fastopen_synack(), tcp_fastopen_cookie_check()"
        => "Why a fast open failed: 0 unspecified, 1 no cookie, 2 data not acknowledged, 3 SYN retransmitted.";
    RTO "rto" "rto_us" U32(8), "3.10" Gauge Microseconds
        from "icsk_rto: tcp_set_rto(), tcp_retransmit_timer()"
        => "Retransmission timeout, backoff included.";
    ATO "ato" "ato_us" U32(12), "3.10" Gauge Microseconds unset(0)
        from "icsk_ack.ato: tcp_event_data_recv(), tcp_delack_timer_handler()"
        => "Delayed acknowledgement timeout; unset before data came.";
    SND_MSS "snd_mss" "snd_mss" U32(16), "3.10" Gauge Bytes
        from "mss_cache: tcp_sync_mss()"
        => "Payload of a full segment sent.";
    RCV_MSS "rcv_mss" "rcv_mss" U32(20), "3.10" Gauge Bytes unset(0)
        from "icsk_ack.rcv_mss: tcp_initialize_rcv_mss(), tcp_measure_rcv_mss()"
        => "Estimate of the payload of full segments received.";
    UNACKED "unacked" "unacked" U32(24), "3.10" Gauge Segments
        from "packets_out: tcp_event_new_data_sent(), tcp_clean_rtx_queue(); tcp_get_info() writes the accept queue of a listener here"
        => "Segments in flight, sent and not acknowledged.";
    SACKED "sacked" "sacked" U32(28), "3.10" Gauge Segments
        from "sacked_out: tcp_sacktag_one(), tcp_add_reno_sack(); tcp_get_info() writes the backlog of a listener here"
        => "Segments in flight that the peer has selectively acknowledged.";
    LOST "lost" "lost" U32(32), "3.10" Gauge Segments
        from "lost_out: tcp_mark_skb_lost()"
        => "Segments in flight taken to be lost.";
    RETRANS "retrans" "retrans" U32(36), "3.10" Gauge Segments
        from "retrans_out: tcp_retransmit_skb(), tcp_clean_rtx_queue()"
        => "Retransmitted segments in flight.";
    FACKETS "fackets" "fackets" U32(40), "3.10" Gauge Segments given(ForwardAck)
        from "fackets_out: tcp_sacktag_one(), up to 4.14"
        => "Forward acknowledgement; absent since Linux 4.18, which no longer counts it.";
    LAST_DATA_SENT "last_data_sent" "last_data_sent_ms" U32(44), "3.10" Clock Milliseconds given(DataSent)
        from "lsndtime: tcp_event_data_sent(); before any data the time of tcp_finish_connect() or tcp_create_openreq_child()"
        => "Time since data was last sent; unset before any was.";
    LAST_ACK_SENT "last_ack_sent" "last_ack_sent" U32(48), "3.10" Clock None unset(0)
        from "nothing"
        => "Never filled by the kernel.";
    LAST_DATA_RECV "last_data_recv" "last_data_recv_ms" U32(52), "3.10" Clock Milliseconds given(DataReceived)
        from "icsk_ack.lrcvtime: tcp_event_data_recv(); before any data the time of tcp_finish_connect() or tcp_create_openreq_child(), or 0"
        => "Time since data last came in order; unset before any did.";
    LAST_ACK_RECV "last_ack_recv" "last_ack_recv_ms" U32(56), "3.10" Clock Milliseconds given(Acknowledged)
        from "rcv_tstamp: tcp_ack(); 0 before"
        => "Time since an acknowledgement last came; unset before the first.";
    PMTU "pmtu" "pmtu" U32(60), "3.10" Gauge Bytes unset(0)
        from "icsk_pmtu_cookie: tcp_sync_mss()"
        => "Path MTU in use.";
    RCV_SSTHRESH "rcv_ssthresh" "rcv_ssthresh" U32(64), "3.10" Gauge Bytes
        from "rcv_ssthresh: tcp_grow_window(), tcp_clamp_window()"
        => "Limit of the window that may be advertised now.";
    RTT "rtt" "rtt_us" U32(68), "3.10" Gauge Microseconds unset(0)
        from "srtt_us: tcp_rtt_estimator()"
        => "Smoothed round-trip time; unset before the first measurement.";
    RTTVAR "rttvar" "rttvar_us" U32(72), "3.10" Gauge Microseconds given(RoundTrip)
        from "mdev_us: tcp_rtt_estimator(); 250 ms from tcp_init_sock() on"
        => "Mean deviation of the round-trip time; unset before the first measurement.";
    SND_SSTHRESH "snd_ssthresh" "snd_ssthresh" U32(76), "3.10" Gauge Segments unset(TCP_INFINITE_SSTHRESH as u64)
        from "snd_ssthresh: tcp_init_cwnd_reduction(), tcp_enter_loss()"
        => "Congestion window at which slow start ends; unset until the first congestion.";
    SND_CWND "snd_cwnd" "snd_cwnd" U32(80), "3.10" Gauge Segments
        from "snd_cwnd: tcp_snd_cwnd_set(); tcp_init_transfer() sets it for a child, whatever its listener shows"
        => "Congestion window: segments that may be in flight.";
    ADVMSS "advmss" "advmss" U32(84), "3.10" Gauge Bytes unset(0)
        from "advmss: tcp_connect_init(), tcp_v4_syn_recv_sock()"
        => "Largest segment that the peer may send, as advertised to it.";
    REORDERING "reordering" "reordering" U32(88), "3.10" Gauge Segments given(Everywhere)
        from "reordering: tcp_init_sock(), tcp_check_sack_reordering(); children begin with that of the listener"
        => "Reordering that is tolerated before a segment is taken to be lost; 3 at first.";
    RCV_RTT "rcv_rtt" "rcv_rtt_us" U32(92), "3.10" Gauge Microseconds unset(0)
        from "rcv_rtt_est: tcp_rcv_rtt_update()"
        => "Round-trip time as the receiving side estimates it; unset while it has not.";
    RCV_SPACE "rcv_space" "rcv_space" U32(96), "3.10" Gauge Bytes unset(0)
        from "rcvq_space: tcp_init_buffer_space(), tcp_rcv_space_adjust()"
        => "Bytes the program reads per round trip, from which the receive buffer is sized; unset before the handshake.";
    TOTAL_RETRANS "total_retrans" "total_retrans" U32(100), "3.10" Counter Segments
        from "total_retrans: __tcp_retransmit_skb(), tcp_rtx_synack(), tcp_create_openreq_child() add"
        => "Segments retransmitted over the connection's life, SYN and SYN-ACK included.";
    PACING_RATE "pacing_rate" "pacing_rate" U64(104), "3.15" Gauge BytesPerSecond given(Everywhere) unset(u64::MAX)
        from "sk_pacing_rate: tcp_update_pacing_rate(), sk_setsockopt()"
        => "Rate at which segments are let out.";
    MAX_PACING_RATE "max_pacing_rate" "max_pacing_rate" U64(112), "3.15" Gauge BytesPerSecond given(Everywhere) unset(u64::MAX)
        from "sk_max_pacing_rate: sk_setsockopt(); children begin with that of the listener"
        => "Limit the program set on the rate (SO_MAX_PACING_RATE); unset without one.";
    BYTES_ACKED "bytes_acked" "bytes_acked" U64(120), "4.1" Counter Bytes
        from "bytes_acked: tcp_snd_una_update() adds; 64 bits"
        => "Bytes acknowledged by the peer; one more for our SYN and for our FIN.";
    BYTES_RECEIVED "bytes_received" "bytes_received" U64(128), "4.1" Counter Bytes
        from "bytes_received: tcp_rcv_nxt_update() adds; 64 bits"
        => "Bytes received in order; one more for the peer's FIN.";
    SEGS_OUT "segs_out" "segs_out" U32(136), "4.2" Counter Segments
        from "segs_out: __tcp_transmit_skb() adds; 32 bits"
        => "Segments sent, with retransmits, bare acknowledgements and resets.";
    SEGS_IN "segs_in" "segs_in" U32(140), "4.2" Counter Segments
        from "segs_in: tcp_segs_in() adds; 32 bits"
        => "Segments received, as the peer cut them; the SYN counts on the server's side.";
    NOTSENT_BYTES "notsent_bytes" "notsent_bytes" U32(144), "4.6" Gauge Bytes
        from "write_seq - snd_nxt: tcp_get_info()"
        => "Bytes written by the program and not sent yet.";
    MIN_RTT "min_rtt" "min_rtt_us" U32(148), "4.6" Gauge Microseconds given(RoundTrip) unset(u32::MAX as u64)
        from "rtt_min: tcp_update_rtt_min(); ~0 before, and not zeroed by tcp_disconnect()"
        => "Smallest round-trip time of the last minutes; unset before the first measurement.";
    DATA_SEGS_IN "data_segs_in" "data_segs_in" U32(152), "4.6" Counter Segments
        from "data_segs_in: tcp_segs_in() adds; 32 bits"
        => "Segments received that carried data.";
    DATA_SEGS_OUT "data_segs_out" "data_segs_out" U32(156), "4.6" Counter Segments
        from "data_segs_out: __tcp_transmit_skb() adds; 32 bits"
        => "Segments sent that carried data, retransmits included.";
    DELIVERY_RATE "delivery_rate" "delivery_rate" U64(160), "4.9" Gauge BytesPerSecond unset(0)
        from "rate_delivered, rate_interval_us: tcp_rate_gen(); tcp_compute_delivery_rate()"
        => "Rate at which data last reached the peer; unset before the first measurement.";
    BUSY_TIME "busy_time" "busy_time_us" U64(168), "4.10" Total Microseconds
        from "chrono_stat: tcp_chrono_set(); a sum of three numbers of 32 bits in jiffies, each of which wraps: tcp_get_info_chrono_stats()"
        => "Time with data waiting to be sent or acknowledged.";
    RWND_LIMITED "rwnd_limited" "rwnd_limited_us" U64(176), "4.10" Total Microseconds
        from "chrono_stat: tcp_chrono_set(); 32 bits in jiffies, written as 64 bits: tcp_get_info_chrono_stats()"
        => "Part of busy_time in which the peer's receive window held sending back.";
    SNDBUF_LIMITED "sndbuf_limited" "sndbuf_limited_us" U64(184), "4.10" Total Microseconds
        from "chrono_stat: tcp_chrono_set(); 32 bits in jiffies, written as 64 bits: tcp_get_info_chrono_stats()"
        => "Part of busy_time in which the send buffer was too small.";
    DELIVERED "delivered" "delivered" U32(192), "4.18" Counter Segments
        from "delivered: tcp_count_delivered() adds; 32 bits"
        => "Segments that reached the peer, retransmits included.";
    DELIVERED_CE "delivered_ce" "delivered_ce" U32(196), "4.18" Counter Segments
        from "delivered_ce: tcp_count_delivered_ce() adds; 32 bits"
        => "Of those, the ones reported back as marked by a congested router (ECN).";
    BYTES_SENT "bytes_sent" "bytes_sent" U64(200), "4.19" Counter Bytes
        from "bytes_sent: __tcp_transmit_skb() adds; 64 bits"
        => "Payload bytes sent, retransmits included.";
    BYTES_RETRANS "bytes_retrans" "bytes_retrans" U64(208), "4.19" Counter Bytes
        from "bytes_retrans: __tcp_retransmit_skb() adds; 64 bits"
        => "Payload bytes retransmitted.";
    DSACK_DUPS "dsack_dups" "dsack_dups" U32(216), "4.19" Counter Segments
        from "dsack_dups: tcp_dsack_seen() adds; 32 bits"
        => "Segments the peer reported as received twice (DSACK): retransmits that were not needed.";
    REORD_SEEN "reord_seen" "reord_seen" U32(220), "4.19" Counter Events
        from "reord_seen: tcp_check_sack_reordering(), tcp_check_reno_reordering() add; 32 bits"
        => "Times that acknowledgements showed reordering.";
    RCV_OOOPACK "rcv_ooopack" "rcv_ooopack" U32(224), "5.4" Counter Segments
        from "rcv_ooopack: tcp_data_queue_ofo() adds; 32 bits"
        => "Segments received out of order.";
    SND_WND "snd_wnd" "snd_wnd" U32(228), "5.4" Gauge Bytes given(Agreed)
        from "snd_wnd: tcp_ack_update_window(); tcp_connect_init() zeroes it"
        => "Receive window that the peer last advertised; absent before it answered.";
    RCV_WND "rcv_wnd" "rcv_wnd" U32(232), "6.2" Gauge Bytes
        from "rcv_wnd: tcp_select_window()"
        => "Receive window last advertised to the peer.";
    REHASH "rehash" "rehash" U32(236), "6.2" Total Events
        from "plb_rehash (32 bits): tcp_plb_check_rehash(); timeout_rehash (16 bits, wraps): tcp_write_timeout(); tcp_get_info() adds the two up"
        => "Times another path was tried by changing the flow's hash, after timeouts or congestion.";
    TOTAL_RTO "total_rto" "total_rto" U16(240), "6.7" Counter Events
        from "total_rto: tcp_update_rto_stats(), tcp_create_openreq_child() add; 16 bits"
        => "Retransmission timeouts over the connection's life, SYN included.";
    TOTAL_RTO_RECOVERIES "total_rto_recoveries" "total_rto_recoveries" U16(242), "6.7" Counter Events
        from "total_rto_recoveries: tcp_update_rto_stats(), tcp_create_openreq_child() add; 16 bits"
        => "Recoveries begun by a retransmission timeout.";
    TOTAL_RTO_TIME "total_rto_time" "total_rto_time_ms" U32(244), "6.7" Total Milliseconds
        from "total_rto_time: tcp_update_rto_time() adds what ended; tcp_get_info() adds what runs since rto_stamp, and tcp_update_rto_stats() sets rto_stamp again where an acknowledgement came in between: what ran so far is lost"
        => "Time spent in such recoveries, the running one included; goes back when another timeout begins before the recovery ends.";
    RECEIVED_CE "received_ce" "received_ce" U32(248), "6.18" Counter Segments
        from "received_ce: tcp_ecn_received_counters() adds; 32 bits"
        => "Segments received with a congestion mark (ECN).";
    DELIVERED_E1_BYTES "delivered_e1_bytes" "delivered_e1_bytes" U32(252), "6.18" Total Bytes
        from "delivered_ecn_bytes: tcp_accecn_process_option() adds estimates, and tcp_update_ecn_bytes() corrects them, down too; 32 bits"
        => "Bytes the peer reported as received with mark ECT(1).";
    DELIVERED_E0_BYTES "delivered_e0_bytes" "delivered_e0_bytes" U32(256), "6.18" Total Bytes
        from "delivered_ecn_bytes: tcp_accecn_process_option() adds estimates, and tcp_update_ecn_bytes() corrects them, down too; 32 bits"
        => "Bytes the peer reported as received with mark ECT(0).";
    DELIVERED_CE_BYTES "delivered_ce_bytes" "delivered_ce_bytes" U32(260), "6.18" Total Bytes
        from "delivered_ecn_bytes: tcp_accecn_process_option() adds estimates, and tcp_update_ecn_bytes() corrects them, down too; 32 bits"
        => "Bytes the peer reported as received with a congestion mark.";
    RECEIVED_E1_BYTES "received_e1_bytes" "received_e1_bytes" U32(264), "6.18" Counter Bytes
        from "received_ecn_bytes: tcp_ecn_received_counters() adds; 32 bits"
        => "Bytes received with mark ECT(1).";
    RECEIVED_E0_BYTES "received_e0_bytes" "received_e0_bytes" U32(268), "6.18" Counter Bytes
        from "received_ecn_bytes: tcp_ecn_received_counters() adds; 32 bits"
        => "Bytes received with mark ECT(0).";
    RECEIVED_CE_BYTES "received_ce_bytes" "received_ce_bytes" U32(272), "6.18" Counter Bytes
        from "received_ecn_bytes: tcp_ecn_received_counters() adds; 32 bits"
        => "Bytes received with a congestion mark.";
    ECN_MODE "ecn_mode" "ecn_mode" Ecn(None, 0, 2), "7.2" Code None
        from "ecn_flags: tcp_ecn_mode_set()"
        => "ECN in use: 0 none, 1 classic (RFC 3168), 2 accurate (AccECN), 3 pending.";
    ACCECN_OPT_SEEN "accecn_opt_seen" "accecn_opt_seen" Ecn(Some(278), 2, 2), "6.18" Code None
        from "saw_accecn_opt: tcp_accecn_process_option()"
        => "Whether the peer's accurate ECN option was seen.";
    ACCECN_FAIL_MODE "accecn_fail_mode" "accecn_fail_mode" Ecn(Some(276), 4, 4), "6.18" Code None
        from "accecn_fail_mode: tcp_accecn_fail_mode_set()"
        => "Why accurate ECN was given up.";
    OPTIONS2 "options2" "options2" Ecn(None, 8, 24), "7.2" Code None
        from "nothing so far"
        => "Further options; none is defined up to Linux 7.3.";
}
