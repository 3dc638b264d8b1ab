//! Values that are computed from other fields.

use super::{Field, Reading, Source, fields, tcp_info as t};
use crate::model::{CongestionDetail, Socket};
use crate::wire::uapi::TCPV_RTT_UNSET;

/// A share over the connection's life. Both have 64 bits, so neither has wrapped.
fn ratio(part: &Field, whole: &Field, socket: &Socket) -> Reading {
    match (part.integer(socket), whole.integer(socket)) {
        (Some(part), Some(whole)) if whole > 0 => Reading::Ratio(part as f64 / whole as f64),
        (Some(_), Some(_)) => Reading::Unset,
        _ => Reading::Absent,
    }
}

/// Bytes from which a counter of segments may have wrapped.
const MANY_BYTES: u64 = 1 << 32;

/// `segs_out` has 32 bits: about 6 TB in full segments. How often it wrapped is not known, but every
/// segment sends a byte or answers one that came, so that with fewer bytes it cannot have. Beyond,
/// bytes take its place; kernels before 4.19 do not count them.
fn retransmitted(socket: &Socket) -> Reading {
    if may_have_wrapped(socket) {
        ratio(&t::BYTES_RETRANS, &t::BYTES_SENT, socket)
    } else {
        ratio(&t::TOTAL_RETRANS, &t::SEGS_OUT, socket)
    }
}

fn may_have_wrapped(socket: &Socket) -> bool {
    let read = |field: &Field| field.integer(socket);
    let sent = read(&t::BYTES_SENT).or_else(|| read(&t::BYTES_ACKED));
    let bytes = sent.zip(read(&t::BYTES_RECEIVED));
    bytes.is_some_and(|(sent, received)| sent.saturating_add(received) >= MANY_BYTES)
}

/// Segments that were retransmitted, and segments that were sent, over the connection's life: what
/// [`RETRANS_RATIO`] is the share of. Where that is of bytes, as many full segments as they take.
pub fn retransmitted_segments(socket: &Socket) -> Option<(f64, f64)> {
    let read = |field: &Field| field.integer(socket).map(|value| value as f64);
    if may_have_wrapped(socket) {
        let mss = read(&t::SND_MSS).filter(|&mss| mss > 0.0)?;
        Some((read(&t::BYTES_RETRANS)? / mss, read(&t::BYTES_SENT)? / mss))
    } else {
        Some((read(&t::TOTAL_RETRANS)?, read(&t::SEGS_OUT)?))
    }
}

/// What ss calls `send`: a window of full segments per round trip. Vegas and similar algorithms
/// measure the round trip themselves.
fn send_rate(socket: &Socket) -> Reading {
    let read = |field: &Field| field.integer(socket);
    let own_rtt = match socket.congestion_detail {
        CongestionDetail::Vegas(vegas) if vegas.enabled != 0 => Some(vegas.rtt_us),
        _ => None,
    };
    let own_rtt = own_rtt.filter(|&rtt| rtt != 0 && rtt != TCPV_RTT_UNSET).map(u64::from);
    let Some((cwnd, mss)) = read(&t::SND_CWND).zip(read(&t::SND_MSS)) else {
        return Reading::Absent;
    };
    match own_rtt.or_else(|| read(&t::RTT)) {
        Some(rtt) => Reading::Integer((cwnd as f64 * mss as f64 * 1e6 / rtt as f64) as u64),
        None => Reading::Unset,
    }
}

fields! {
    RETRANS_RATIO "retrans_ratio" "retrans_ratio" Derived Gauge Ratio "4.2" Source::Row(retransmitted), from "total_retrans and segs_out, or bytes_retrans and bytes_sent" => "Retransmitted segments as a share of the segments sent, over the connection's life; retransmitted bytes as a share of the bytes sent from 4 GiB on, where counters of segments may have wrapped.";
    BYTES_RETRANS_RATIO "bytes_retrans_ratio" "bytes_retrans_ratio" Derived Gauge Ratio "4.19" Source::Row(|socket| ratio(&t::BYTES_RETRANS, &t::BYTES_SENT, socket)), from "bytes_retrans and bytes_sent" => "Retransmitted bytes as a share of the bytes sent, over the connection's life.";
    RWND_LIMITED_SHARE "rwnd_limited_share" "rwnd_limited_share" Derived Gauge Ratio "4.10" Source::Row(|socket| ratio(&t::RWND_LIMITED, &t::BUSY_TIME, socket)), from "rwnd_limited and busy_time" => "Share of the busy time in which the peer's receive window held sending back.";
    SNDBUF_LIMITED_SHARE "sndbuf_limited_share" "sndbuf_limited_share" Derived Gauge Ratio "4.10" Source::Row(|socket| ratio(&t::SNDBUF_LIMITED, &t::BUSY_TIME, socket)), from "sndbuf_limited and busy_time" => "Share of the busy time in which the send buffer was too small.";
    SEND_RATE "send_rate" "send_rate" Derived Gauge BytesPerSecond "3.10" Source::Row(send_rate), from "snd_cwnd, snd_mss and rtt" => "Rate that the congestion window allows: snd_cwnd full segments per round trip.";
}

/// Every derived field.
pub static DERIVED: &[&Field] =
    &[&RETRANS_RATIO, &BYTES_RETRANS_RATIO, &RWND_LIMITED_SHARE, &SNDBUF_LIMITED_SHARE, &SEND_RATE];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::wire::{EcnWord, TcpInfo};

    /// Retransmits and segments, and bytes received, sent and retransmitted in units of 1 GiB.
    fn ratio_of(segments: [u32; 2], gibibytes: [u64; 3], length: usize) -> Reading {
        let mut bytes = [0; 280];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let [received, sent, retransmitted] = gibibytes.map(|count| (count << 30).to_ne_bytes());
        put(100, &segments[0].to_ne_bytes());
        put(136, &segments[1].to_ne_bytes());
        put(120, &sent);
        put(128, &received);
        put(200, &sent);
        put(208, &retransmitted);
        let info = TcpInfo::new(&bytes[..length], EcnWord::Unknown);
        RETRANS_RATIO.read(&Socket { tcp_info: Some(info), ..socket() })
    }

    #[test]
    fn segments_that_may_have_wrapped_are_in_no_ratio() {
        // 4.18 has no bytes_sent (200 bytes).
        const OLD: usize = 200;
        for (segments, gibibytes, length, expected) in [
            ([2, 100], [0, 0, 0], 280, Reading::Ratio(0.02)),
            ([2, 100], [1, 2, 1], 280, Reading::Ratio(0.02)),
            ([2, 100], [1, 2, 0], OLD, Reading::Ratio(0.02)),
            // 50,000 retransmits and 2^32 + 190 segments: it read 26,316 %.
            ([50_000, 190], [0, 6_000, 60], 280, Reading::Ratio(0.01)),
            ([50_000, 190], [0, 6_000, 0], OLD, Reading::Absent),
            // A receiver that only acknowledges.
            ([0, 190], [6_000, 0, 0], 280, Reading::Unset),
            ([0, 190], [6_000, 0, 0], OLD, Reading::Absent),
            ([0, 0], [0, 0, 0], 280, Reading::Unset),
            ([5, 100], [0, 0, 0], 136, Reading::Absent),
        ] {
            let found = ratio_of(segments, gibibytes, length);
            assert_eq!(found, expected, "{segments:?} {gibibytes:?} {length}");
        }
    }

    #[test]
    fn no_rate_without_a_round_trip() {
        let of = |rtt| {
            let info = tcp_info(&[(16, 1_000), (68, rtt), (80, 10)]);
            SEND_RATE.read(&Socket { tcp_info: Some(info), ..socket() })
        };
        assert_eq!(of(0), Reading::Unset);
        assert_eq!(of(1_000), Reading::Integer(10_000_000));
    }
}
