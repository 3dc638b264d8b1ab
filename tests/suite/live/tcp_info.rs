//! Every byte of `struct tcp_info`, as getsockopt(2) returns it, is in tcpdiag's JSON. ss does not
//! show most of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::lab::{Firewall, Member, Pair, Population, Row, Socket, Tcpdiag, lab, require};

/// The position of a field.
#[derive(Debug, Clone, Copy)]
enum At {
    Byte(usize),
    /// First bit and number of bits, as the compiler lays them out.
    Bits(usize, u32, u32),
    Half(usize),
    Word(usize),
    Long(usize),
}

use At::{Bits, Byte, Half, Long, Word};

/// include/uapi/linux/tcp.h of Linux 6.18, with the documented JSON keys. Independent of
/// tcpdiag's own table.
const LAYOUT: [(&str, At); 73] = [
    ("state", Byte(0)),
    ("ca_state", Byte(1)),
    ("retransmits", Byte(2)),
    ("probes", Byte(3)),
    ("backoff", Byte(4)),
    ("options", Byte(5)),
    ("snd_wscale", Bits(6, 0, 4)),
    ("rcv_wscale", Bits(6, 4, 4)),
    ("delivery_rate_app_limited", Bits(7, 0, 1)),
    ("fastopen_client_fail", Bits(7, 1, 2)),
    ("rto_us", Word(8)),
    ("ato_us", Word(12)),
    ("snd_mss", Word(16)),
    ("rcv_mss", Word(20)),
    ("unacked", Word(24)),
    ("sacked", Word(28)),
    ("lost", Word(32)),
    ("retrans", Word(36)),
    ("fackets", Word(40)),
    ("last_data_sent_ms", Word(44)),
    ("last_ack_sent", Word(48)),
    ("last_data_recv_ms", Word(52)),
    ("last_ack_recv_ms", Word(56)),
    ("pmtu", Word(60)),
    ("rcv_ssthresh", Word(64)),
    ("rtt_us", Word(68)),
    ("rttvar_us", Word(72)),
    ("snd_ssthresh", Word(76)),
    ("snd_cwnd", Word(80)),
    ("advmss", Word(84)),
    ("reordering", Word(88)),
    ("rcv_rtt_us", Word(92)),
    ("rcv_space", Word(96)),
    ("total_retrans", Word(100)),
    ("pacing_rate", Long(104)),
    ("max_pacing_rate", Long(112)),
    ("bytes_acked", Long(120)),
    ("bytes_received", Long(128)),
    ("segs_out", Word(136)),
    ("segs_in", Word(140)),
    ("notsent_bytes", Word(144)),
    ("min_rtt_us", Word(148)),
    ("data_segs_in", Word(152)),
    ("data_segs_out", Word(156)),
    ("delivery_rate", Long(160)),
    ("busy_time_us", Long(168)),
    ("rwnd_limited_us", Long(176)),
    ("sndbuf_limited_us", Long(184)),
    ("delivered", Word(192)),
    ("delivered_ce", Word(196)),
    ("bytes_sent", Long(200)),
    ("bytes_retrans", Long(208)),
    ("dsack_dups", Word(216)),
    ("reord_seen", Word(220)),
    ("rcv_ooopack", Word(224)),
    ("snd_wnd", Word(228)),
    ("rcv_wnd", Word(232)),
    ("rehash", Word(236)),
    ("total_rto", Half(240)),
    ("total_rto_recoveries", Half(242)),
    ("total_rto_time_ms", Word(244)),
    ("received_ce", Word(248)),
    ("delivered_e1_bytes", Word(252)),
    ("delivered_e0_bytes", Word(256)),
    ("delivered_ce_bytes", Word(260)),
    ("received_e1_bytes", Word(264)),
    ("received_e0_bytes", Word(268)),
    ("received_ce_bytes", Word(272)),
    // Linux 6.18 ...
    ("accecn_fail_mode", Half(276)),
    ("accecn_opt_seen", Half(278)),
    // ... and Linux 7.2, except its options2.
    ("ecn_mode", Bits(276, 0, 2)),
    ("accecn_opt_seen", Bits(276, 2, 2)),
    ("accecn_fail_mode", Bits(276, 4, 4)),
];

/// The offset at which the two layouts differ.
const LAYOUTS_DIFFER_FROM: usize = 276;

/// [`LAYOUT`] for the running kernel.
fn layout() -> impl Iterator<Item = (&'static str, At)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    LAYOUT.into_iter().filter(move |(_, at)| match at {
        // tcpdiag does not decode it for the releases between.
        Half(LAYOUTS_DIFFER_FROM..) => version <= (6, 18),
        Bits(LAYOUTS_DIFFER_FROM.., ..) => version >= (7, 2),
        _ => true,
    })
}

impl At {
    fn end(self) -> usize {
        match self {
            Byte(at) | Bits(at, ..) => at + 1,
            Half(at) => at + 2,
            Word(at) => at + 4,
            Long(at) => at + 8,
        }
    }

    /// The value, and the largest that fits.
    fn read(self, info: &[u8]) -> (u64, u64) {
        match self {
            Byte(at) => (info[at].into(), u8::MAX.into()),
            Bits(at, first, count) => {
                // Bit fields begin at the other end on big-endian machines.
                let shift = if cfg!(target_endian = "big") { 8 - first - count } else { first };
                let mask = (1u64 << count) - 1;
                (u64::from(info[at]) >> shift & mask, mask)
            }
            Half(at) => {
                (u16::from_ne_bytes(info[at..at + 2].try_into().unwrap()).into(), u16::MAX.into())
            }
            Word(at) => {
                (u32::from_ne_bytes(info[at..at + 4].try_into().unwrap()).into(), u32::MAX.into())
            }
            Long(at) => (u64::from_ne_bytes(info[at..at + 8].try_into().unwrap()), u64::MAX),
        }
    }

    /// The expected JSON value.
    fn json(self, key: &str, info: &[u8]) -> Value {
        let (value, highest) = self.read(info);
        match key {
            "options" => {
                let names = [
                    "timestamps",
                    "sack",
                    "wscale",
                    "ecn",
                    "ecn_seen",
                    "syn_data",
                    "usec_ts",
                    "tfo_child",
                ];
                let set = names.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                set.map(|(_, name)| *name).collect::<Vec<_>>().into()
            }
            "delivery_rate_app_limited" => (value == 1).into(),
            "snd_ssthresh" if value == 0x7fff_ffff => Value::Null,
            "min_rtt_us" | "pacing_rate" | "max_pacing_rate" if value == highest => Value::Null,
            _ => value.into(),
        }
    }
}

/// Whether a field changes with time alone.
fn is_clock(key: &str) -> bool {
    matches!(
        key,
        "last_data_sent_ms"
            | "last_data_recv_ms"
            | "last_ack_recv_ms"
            | "busy_time_us"
            | "rwnd_limited_us"
            | "sndbuf_limited_us"
            | "total_rto_time_ms"
    )
}

/// The fields that children take over from their listener.
const OF_LISTENERS: [&str; 4] = ["state", "pacing_rate", "max_pacing_rate", "reordering"];

/// Fields that the kernel fills without meaning: for a listener its queue and backlog in two places,
/// and before a SYN was answered, zeros.
fn is_unsaid(key: &str, state: &str) -> bool {
    let agreed = ["options", "snd_wscale", "rcv_wscale", "snd_wnd"];
    key == "fackets"
        || state == "listen" && !OF_LISTENERS.contains(&key)
        || state == "syn_sent" && agreed.contains(&key)
}

/// Whether what a field tells of has not happened yet.
fn is_to_come(key: &str, state: &str, info: &[u8]) -> bool {
    let read = |wanted: &str| {
        let (_, at) = layout().find(|(key, _)| *key == wanted).unwrap();
        at.read(info).0
    };
    match key {
        "rtt_us" | "ato_us" | "rcv_rtt_us" | "rcv_space" | "delivery_rate" | "last_ack_sent"
        | "pmtu" | "advmss" | "rcv_mss" => read(key) == 0,
        "rttvar_us" | "min_rtt_us" => read("rtt_us") == 0,
        "delivery_rate_app_limited" => read("delivery_rate") == 0,
        "last_data_sent_ms" => read("bytes_sent") == 0,
        "last_data_recv_ms" => {
            let bytes = read("bytes_received");
            bytes == 0 || bytes == 1 && read("data_segs_in") == 0
        }
        "last_ack_recv_ms" => state == "syn_sent",
        _ => false,
    }
}

/// Whether two readings of a socket differ in more than clocks.
fn moved(one: &[u8], other: &[u8]) -> bool {
    layout()
        .filter(|(key, at)| !is_clock(key) && at.end() <= one.len())
        .any(|(_, at)| at.read(one) != at.read(other))
}

/// Compares one row; returns the difference or the number of equal fields.
fn compare(before: &[u8], row: &Row, after: &[u8]) -> Result<usize, String> {
    let ours = row.at("tcp_info").and_then(Value::as_object).ok_or("no tcp_info")?;
    let mut keys: BTreeSet<&str> = ours.keys().map(String::as_str).collect();
    let mut equal = 0;
    for (key, at) in layout().filter(|(_, at)| at.end() <= before.len()) {
        keys.remove(key);
        let (low, _) = at.read(before);
        let (high, _) = at.read(after);
        let to_come = is_to_come(key, row.state(), before);
        let expected = if to_come { Value::Null } else { at.json(key, before) };
        let unsaid = is_unsaid(key, row.state());
        let mine = match ours.get(key) {
            None if unsaid => continue,
            None => return Err(format!("{key} is missing; it is {expected}")),
            Some(mine) if unsaid => return Err(format!("{key} is {mine}, but has no meaning")),
            Some(mine) => mine,
        };
        // Measured in ticks of at most 10 ms.
        let grain = if key.ends_with("_us") { 10_000 } else { 10 };
        let right = if is_clock(key) && !to_come {
            let mine = mine.as_u64().ok_or_else(|| format!("{key} is {mine}"))?;
            mine + grain >= low && mine <= high + grain
        } else {
            *mine == expected
        };
        if !right {
            return Err(format!("{key} is {mine}, not {expected} (later {high})"));
        }
        equal += 1;
    }
    let tail = before.get(LAYOUTS_DIFFER_FROM + 4..).unwrap_or_default();
    let hexadecimal: String = tail.iter().map(|byte| format!("{byte:02x}")).collect();
    keys.remove("unknown_tail");
    if ours.get("unknown_tail").and_then(Value::as_str).unwrap_or("") != hexadecimal {
        return Err(format!("unknown_tail, expected {hexadecimal:?}"));
    }
    // There are other keys only where the release decides the layout.
    keys.retain(|key| {
        !matches!(*key, "ecn_mode" | "options2" | "accecn_opt_seen" | "accecn_fail_mode")
    });
    if keys.is_empty() { Ok(equal) } else { Err(format!("not of struct tcp_info: {keys:?}")) }
}

/// Compares every member that has a descriptor, until it was unchanged during one comparison.
fn compare_all(members: &[Member]) -> usize {
    let mut waiting: Vec<&Member> =
        members.iter().filter(|member| member.socket.is_some()).collect();
    // A bound, unused socket has none in a dump.
    waiting.retain(|member| member.state != "bound_inactive");
    let mut equal = 0;
    for round in 0.. {
        let info = |member: &&Member| member.socket.as_ref().unwrap().info();
        let before: Vec<Vec<u8>> = waiting.iter().map(info).collect();
        let rows = Tcpdiag::new().all();
        let after: Vec<Vec<u8>> = waiting.iter().map(info).collect();
        let mut still_waiting = Vec::new();
        for (index, member) in waiting.iter().enumerate() {
            if moved(&before[index], &after[index]) {
                still_waiting.push(*member);
                continue;
            }
            let row = rows.iter().find(|row| row.cookie() == member.cookie);
            let row = row.unwrap_or_else(|| panic!("{} is not listed", member.label));
            assert_eq!(row.state(), member.state, "{}", member.label);
            match compare(&before[index], row, &after[index]) {
                Ok(fields) => equal += fields,
                Err(difference) => panic!("{}: {difference}", member.label),
            }
        }
        waiting = still_waiting;
        if waiting.is_empty() {
            break;
        }
        assert!(round < 60, "never still for a look: {waiting:?}");
    }
    equal
}

#[test]
fn the_table_has_no_holes() {
    let mut covered = [false; LAYOUTS_DIFFER_FROM];
    for (_, at) in LAYOUT {
        let length = match at {
            Byte(_) | Bits(..) => 1,
            Half(_) => 2,
            Word(_) => 4,
            Long(_) => 8,
        };
        let (start, end) = (at.end() - length, at.end());
        (start..end.min(LAYOUTS_DIFFER_FROM)).for_each(|byte| covered[byte] = true);
    }
    assert!(covered.iter().all(|byte| *byte), "{covered:?}");
}

lab!(
    fn every_byte_of_tcp_info_is_in_the_json() {
        let Some(population) = Population::new() else { return };
        let length = population.members[0].socket.as_ref().map_or(0, |socket| socket.info().len());
        let equal = compare_all(&population.members);
        println!("{equal} fields of tcp_info, {length} bytes each");
        assert!(equal >= 5000, "only {equal} fields were compared");
    }
);

lab!(
    fn rarely_used_fields_are_in_the_json() {
        let Some(firewall) = Firewall::new() else { return };
        let v4 = "127.0.0.1".parse().unwrap();
        let listener = Socket::listening(v4, 0, 8);
        // Timeouts: total_rto, total_rto_recoveries, total_rto_time, rehash, backoff.
        let Pair { client, server } = Pair::new(&listener, v4);
        firewall.deafen(listener.port());
        client.write(&[1; 4000]);
        crate::lab::settles("a timeout", || client.info()[2] >= 2);
        let row = row_of(&client);
        assert_eq!(row.text("timer.kind"), "retransmit");
        assert!(row.number("timer.retransmits").unwrap() >= 2, "{row:?}");
        let missing: Vec<&str> = ["total_rto", "total_rto_recoveries", "rehash", "total_retrans"]
            .into_iter()
            .filter(|key| row.number(&format!("tcp_info.{key}")) == Some(0))
            .collect();
        assert!(missing.is_empty(), "timeouts, but no {missing:?}: {row:?}");
        firewall.undeafen(listener.port());
        server.read(4000);
        crate::lab::settles("recovery", || client.info()[2] == 0);
        let after = row_of(&client);
        assert!(after.number("tcp_info.total_rto_time_ms").unwrap_or(1) > 0);
        let member = |label: &str, socket: Socket| Member {
            label: label.to_owned(),
            state: "established",
            cookie: socket.cookie(),
            socket: Some(socket),
        };
        let members = [member("recovered", client), member("its peer", server)];
        assert!(compare_all(&members) > 100);
    }
);

lab!(
    fn fast_open_is_reported() {
        let open = std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3");
        if !require(open.is_ok(), "tcp_fastopen cannot be set in this namespace") {
            return;
        }
        let v4 = "127.0.0.1".parse().unwrap();
        let listener = Socket::bound(v4, 0);
        listener.set_number(libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 8).unwrap();
        listener.listen(8);
        let connect = || {
            let client = Socket::of(v4);
            client.set_number(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1).unwrap();
            client.connect(v4, listener.port());
            client.write(b"with the SYN");
            let server = listener.accept();
            server.read(12);
            (client, server)
        };
        // The first asks for a cookie, the second uses it.
        let (_first, _accepted) = connect();
        let (client, server) = connect();
        assert!(row_of(&client).lists("tcp_info.options", "syn_data"));
        if client.info().len() >= 280 {
            assert!(row_of(&server).lists("tcp_info.options", "tfo_child"));
        }
        let member = |socket: Socket| Member {
            label: "fast open".to_owned(),
            state: "established",
            cookie: socket.cookie(),
            socket: Some(socket),
        };
        assert!(compare_all(&[member(client), member(server)]) > 100);
    }
);

lab!(
    fn md5_keys_are_counted_and_kept_secret() {
        let v4 = "127.0.0.1".parse().unwrap();
        let listener = Socket::bound(v4, 0);
        // struct tcp_md5sig: an address of 128 bytes, flags, prefix, length, interface, key.
        let mut key = [0; 128 + 8 + 80];
        key[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        key[4..8].copy_from_slice(&[127, 0, 0, 1]);
        key[130..132].copy_from_slice(&9u16.to_ne_bytes());
        key[136..145].copy_from_slice(b"tell-none");
        let set = listener.set(libc::IPPROTO_TCP, libc::TCP_MD5SIG, &key);
        if !require(set.is_ok(), "this kernel has no TCP MD5 signatures") {
            return;
        }
        listener.listen(1);
        let output = Tcpdiag::new().run(&["listeners", "-o", "json"]);
        let rows = Tcpdiag::rows_of(serde_json::from_str(&output.stdout).unwrap());
        let expected = json!({
            "total": 1,
            "keys": [{"addr": "127.0.0.1", "prefix_len": 32, "key_len": 9}],
        });
        assert_eq!(rows[0].at("md5"), Some(&expected));
        let detail = Tcpdiag::new().run(&["listeners", "--detail"]);
        for text in [&output.stdout, &detail.stdout] {
            assert!(!text.contains("tell-none") && !text.contains("74656c6c"), "{text}");
        }
    }
);

fn row_of(socket: &Socket) -> Row {
    let cookie = socket.cookie();
    let row = Tcpdiag::new().all().into_iter().find(|row| row.cookie() == cookie);
    row.expect("the socket is listed")
}
