//! Values that are computed from other fields.

use super::{Field, Reading, Source, fields, tcp_info as t};
use crate::model::{CongestionDetail, Socket};
use crate::wire::uapi::TCPV_RTT_UNSET;

fn ratio(part: &Field, whole: &Field, socket: &Socket) -> Reading {
    match (part.integer(socket), whole.integer(socket)) {
        (Some(part), Some(whole)) if whole > 0 => Reading::Ratio(part as f64 / whole as f64),
        (Some(_), Some(_)) => Reading::Unset,
        _ => Reading::Absent,
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
    match (read(&t::SND_CWND), read(&t::SND_MSS), own_rtt.or(read(&t::RTT))) {
        (Some(cwnd), Some(mss), Some(rtt)) if rtt > 0 => {
            Reading::Integer((cwnd as f64 * mss as f64 * 1e6 / rtt as f64) as u64)
        }
        (Some(_), Some(_), Some(_)) => Reading::Unset,
        _ => Reading::Absent,
    }
}

fields! {
    RETRANS_RATIO "retrans_ratio" "retrans_ratio" Derived Gauge Ratio "4.2" Source::Row(|socket| ratio(&t::TOTAL_RETRANS, &t::SEGS_OUT, socket)), => "Retransmitted segments as a share of the segments sent, over the connection's life.";
    BYTES_RETRANS_RATIO "bytes_retrans_ratio" "bytes_retrans_ratio" Derived Gauge Ratio "4.19" Source::Row(|socket| ratio(&t::BYTES_RETRANS, &t::BYTES_SENT, socket)), => "Retransmitted bytes as a share of the bytes sent, over the connection's life.";
    RWND_LIMITED_SHARE "rwnd_limited_share" "rwnd_limited_share" Derived Gauge Ratio "4.10" Source::Row(|socket| ratio(&t::RWND_LIMITED, &t::BUSY_TIME, socket)), => "Share of the busy time in which the peer's receive window held sending back.";
    SNDBUF_LIMITED_SHARE "sndbuf_limited_share" "sndbuf_limited_share" Derived Gauge Ratio "4.10" Source::Row(|socket| ratio(&t::SNDBUF_LIMITED, &t::BUSY_TIME, socket)), => "Share of the busy time in which the send buffer was too small.";
    SEND_RATE "send_rate" "send_rate" Derived Gauge BytesPerSecond "3.10" Source::Row(send_rate), => "Rate that the congestion window allows: snd_cwnd full segments per round trip.";
}

/// Every derived field.
pub static DERIVED: &[&Field] =
    &[&RETRANS_RATIO, &BYTES_RETRANS_RATIO, &RWND_LIMITED_SHARE, &SNDBUF_LIMITED_SHARE, &SEND_RATE];
