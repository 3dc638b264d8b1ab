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
    fn every_header_belongs_to_a_field_and_is_no_other_name() {
        for (name, header) in HEADERS {
            assert_eq!(find(header).map(|field| field.name), Some(name));
            let plain = plain_name(header);
            assert!(all().all(|field| field.name != plain || field.name == name), "{header}");
        }
    }
}
