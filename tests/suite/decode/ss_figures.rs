//! Formats of ss's figures, and the JSON key of each.

/// The format of a figure in ss, and the value that it leaves out.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Unchanged; leaves out 0.
    Count,
    /// Unchanged; leaves out the initial value of connections.
    CountUnless(u64),
    /// Milliseconds with six significant digits, of microseconds; leaves out 0.
    Millis,
    /// The same, and leaves out the timeout of an unanswered SYN.
    Rto,
    /// Whole milliseconds of a clock that runs; leaves out 0.
    Clock,
    /// `1ms`, of microseconds of a clock that runs while there is data to send.
    Busy,
    /// Bits per second, of bytes per second; leaves out 0.
    Rate,
    /// Hexadecimal with `0x`; leaves out 0.
    Hex,
    /// Hexadecimal without `0x`; always there if it was sent.
    Bare,
    /// 1 or 0; always there if it was sent.
    Flag,
}

/// Its name in ss, its JSON path, and its format in ss.
pub const PLAIN: [(&str, &str, Form); 45] = [
    ("uid", "/uid", Form::Count),
    ("fwmark", "/mark", Form::Hex),
    ("v6only", "/v6only", Form::Flag),
    ("backoff", "/tcp_info/backoff", Form::Count),
    ("rto", "/tcp_info/rto_us", Form::Rto),
    ("ato", "/tcp_info/ato_us", Form::Millis),
    ("mss", "/tcp_info/snd_mss", Form::Count),
    ("pmtu", "/tcp_info/pmtu", Form::Count),
    ("rcvmss", "/tcp_info/rcv_mss", Form::Count),
    ("advmss", "/tcp_info/advmss", Form::Count),
    ("cwnd", "/tcp_info/snd_cwnd", Form::Count),
    ("ssthresh", "/tcp_info/snd_ssthresh", Form::Count),
    ("bytes_sent", "/tcp_info/bytes_sent", Form::Count),
    ("bytes_retrans", "/tcp_info/bytes_retrans", Form::Count),
    ("bytes_acked", "/tcp_info/bytes_acked", Form::Count),
    ("bytes_received", "/tcp_info/bytes_received", Form::Count),
    ("segs_out", "/tcp_info/segs_out", Form::Count),
    ("segs_in", "/tcp_info/segs_in", Form::Count),
    ("data_segs_out", "/tcp_info/data_segs_out", Form::Count),
    ("data_segs_in", "/tcp_info/data_segs_in", Form::Count),
    ("lastsnd", "/tcp_info/last_data_sent_ms", Form::Clock),
    ("lastrcv", "/tcp_info/last_data_recv_ms", Form::Clock),
    ("lastack", "/tcp_info/last_ack_recv_ms", Form::Clock),
    ("delivery_rate", "/tcp_info/delivery_rate", Form::Rate),
    ("delivered", "/tcp_info/delivered", Form::Count),
    ("delivered_ce", "/tcp_info/delivered_ce", Form::Count),
    ("busy", "/tcp_info/busy_time_us", Form::Busy),
    ("unacked", "/tcp_info/unacked", Form::Count),
    ("lost", "/tcp_info/lost", Form::Count),
    ("dsack_dups", "/tcp_info/dsack_dups", Form::Count),
    ("fackets", "/tcp_info/fackets", Form::Count),
    ("reordering", "/tcp_info/reordering", Form::CountUnless(3)),
    ("reord_seen", "/tcp_info/reord_seen", Form::Count),
    ("rcv_rtt", "/tcp_info/rcv_rtt_us", Form::Millis),
    ("rcv_space", "/tcp_info/rcv_space", Form::Count),
    ("rcv_ssthresh", "/tcp_info/rcv_ssthresh", Form::Count),
    ("notsent", "/tcp_info/notsent_bytes", Form::Count),
    ("minrtt", "/tcp_info/min_rtt_us", Form::Millis),
    ("rcv_ooopack", "/tcp_info/rcv_ooopack", Form::Count),
    ("snd_wnd", "/tcp_info/snd_wnd", Form::Count),
    ("congestion", "/congestion", Form::Bare),
    ("seq", "/ulp/mptcp/map_seq", Form::Bare),
    ("sfseq", "/ulp/mptcp/map_sfseq", Form::Bare),
    ("ssnoff", "/ulp/mptcp/ssn_offset", Form::Bare),
    ("maplen", "/ulp/mptcp/map_datalen", Form::Bare),
];

/// Flags of ss and their names in the JSON options.
pub const OPTIONS: [(&str, &str); 5] = [
    ("ts", "timestamps"),
    ("sack", "sack"),
    ("ecn", "ecn"),
    ("ecnseen", "ecn_seen"),
    ("fastopen", "syn_data"),
];

/// Like C's `%g`: six significant digits, no trailing zeros.
pub fn significant(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap();
    assert!(value == 0.0 || (1e-4..1e6).contains(&rounded), "%g would use an exponent: {value}");
    rounded.to_string()
}
