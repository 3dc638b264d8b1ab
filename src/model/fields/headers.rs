//! The headers that tables give to fields, and the fields that are meant by them.

use super::{Field, all};

/// Headers that differ from the field's name in capitals.
const HEADERS: [(&str, &str); 9] = [
    ("snd_cwnd", "CWND"),
    ("retrans_ratio", "RETR%"),
    ("delivery_rate", "DELIVERY"),
    ("accept_queue", "QUEUED"),
    ("accept_queue_max", "LIMIT"),
    ("bytes_acked", "ACKED"),
    ("bytes_received", "RECEIVED"),
    ("rwnd_limited_share", "RWND%"),
    ("sndbuf_limited_share", "SNDBUF%"),
];

/// Headers of growth and rates in an interval that are not made from the name of their counter.
const OF_INTERVALS: [(&str, &str); 5] = [
    ("total_retrans_delta", "RETR+"),
    ("bytes_sent_per_s", "SEND/S"),
    ("bytes_received_per_s", "RECV/S"),
    ("segs_out_per_s", "SEGS-OUT/S"),
    ("segs_in_per_s", "SEGS-IN/S"),
];

/// The header of a column of growth or of a rate, if it is not made from the counter's name.
pub fn interval_header(column: &str) -> Option<&'static str> {
    OF_INTERVALS.iter().find(|(name, _)| *name == column).map(|(_, header)| *header)
}

/// Whether this names what an interval brought: a counter's growth or rate, or the header of one.
pub fn is_of_interval(name: &str) -> bool {
    let is_header = OF_INTERVALS.iter().any(|(_, header)| header.eq_ignore_ascii_case(name));
    let plain = plain_name(name);
    let base = ["_delta", "+", "_per_s", "/s"].iter().find_map(|end| plain.strip_suffix(end));
    is_header || base.and_then(find).is_some_and(|field| field.kind.grows())
}

impl Field {
    /// The header that differs from the name, if it has one.
    pub fn own_header(&self) -> Option<&'static str> {
        HEADERS.iter().find(|(name, _)| *name == self.name).map(|(_, header)| *header)
    }
}

/// A name as tables may spell it: capitals and `-` as well.
pub fn plain_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// The field of this name or JSON key, or of this header of a table. Headers and names may be in any
/// case.
pub fn find(name: &str) -> Option<&'static Field> {
    let of = |name: &str| all().find(|field| field.name == name || field.key == name);
    let headed = || {
        let found = HEADERS.iter().find(|(_, header)| header.eq_ignore_ascii_case(name))?;
        of(found.0)
    };
    of(name).or_else(headed).or_else(|| of(&plain_name(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_names_are_found_in_any_case() {
        for (name, field) in [
            ("rtt", "rtt"),
            ("RTT", "rtt"),
            ("rtt_us", "rtt"),
            ("RECV-Q", "recv_q"),
            ("cwnd", "snd_cwnd"),
            ("Retr%", "retrans_ratio"),
            ("RETRANS", "retrans"),
            ("TOTAL_RETRANS", "total_retrans"),
        ] {
            assert_eq!(find(name).map(|field| field.name), Some(field), "{name}");
        }
        assert!(find("no such field").is_none());
    }

    #[test]
    fn growth_and_rates_are_told_from_other_names() {
        for name in ["SEND/S", "retr+", "total_retrans_delta", "Bytes-Sent/s", "segs_in_per_s"] {
            assert!(is_of_interval(name), "{name}");
        }
        for name in ["rtt+", "total_retrans", "nonsense/s", "+", ""] {
            assert!(!is_of_interval(name), "{name}");
        }
    }

    #[test]
    fn every_header_belongs_to_a_field_and_is_no_other_name() {
        for (name, header) in HEADERS {
            assert_eq!(find(header).map(|field| field.name), Some(name));
            let plain = plain_name(header);
            assert!(all().all(|field| field.name != plain || field.name == name), "{header}");
        }
    }
}
