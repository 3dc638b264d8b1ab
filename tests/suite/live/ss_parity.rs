//! Every figure that ss prints is in tcpdiag's JSON with the same value.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::{Population, Row, Ss, Tcpdiag, lab};

/// The relation between ss's figure and tcpdiag's.
/// A figure that ss leaves out is zero, null or absent in tcpdiag's row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The same number.
    Number,
    /// Milliseconds with six digits; microseconds.
    Milliseconds,
    /// Bits; bytes.
    Bits,
    /// Milliseconds since something happened.
    Clock,
    /// Growing milliseconds; microseconds.
    Growing,
    /// A share with one decimal of a hundred; a share.
    Percent,
    /// A number with six digits.
    Real,
}

use Kind::{Bits, Clock, Growing, Milliseconds, Number, Percent, Real};

const FIGURES: [(&str, Kind, &str); 65] = [
    ("uid", Number, "uid"),
    ("ino", Number, "inode"),
    ("fwmark", Number, "mark"),
    ("tos", Number, "tos"),
    ("tclass", Number, "tclass"),
    ("class_id", Number, "class_id"),
    ("skmem.rmem_alloc", Number, "skmem.rmem_alloc"),
    ("skmem.rcvbuf", Number, "skmem.rcvbuf"),
    ("skmem.wmem_alloc", Number, "skmem.wmem_alloc"),
    ("skmem.sndbuf", Number, "skmem.sndbuf"),
    ("skmem.fwd_alloc", Number, "skmem.fwd_alloc"),
    ("skmem.wmem_queued", Number, "skmem.wmem_queued"),
    ("skmem.optmem", Number, "skmem.optmem"),
    ("skmem.backlog", Number, "skmem.backlog"),
    ("skmem.drops", Number, "skmem.drops"),
    ("timer.retransmits", Number, "timer.retransmits"),
    ("backoff", Number, "tcp_info.backoff"),
    ("rto", Milliseconds, "tcp_info.rto_us"),
    ("rtt", Milliseconds, "tcp_info.rtt_us"),
    ("rttvar", Milliseconds, "tcp_info.rttvar_us"),
    ("ato", Milliseconds, "tcp_info.ato_us"),
    ("mss", Number, "tcp_info.snd_mss"),
    ("pmtu", Number, "tcp_info.pmtu"),
    ("rcvmss", Number, "tcp_info.rcv_mss"),
    ("advmss", Number, "tcp_info.advmss"),
    ("cwnd", Number, "tcp_info.snd_cwnd"),
    ("ssthresh", Number, "tcp_info.snd_ssthresh"),
    ("bytes_sent", Number, "tcp_info.bytes_sent"),
    ("bytes_retrans", Number, "tcp_info.bytes_retrans"),
    ("bytes_acked", Number, "tcp_info.bytes_acked"),
    ("bytes_received", Number, "tcp_info.bytes_received"),
    ("segs_out", Number, "tcp_info.segs_out"),
    ("segs_in", Number, "tcp_info.segs_in"),
    ("data_segs_out", Number, "tcp_info.data_segs_out"),
    ("data_segs_in", Number, "tcp_info.data_segs_in"),
    ("bbr.bw", Bits, "bbr.bw"),
    ("bbr.mrtt", Milliseconds, "bbr.min_rtt_us"),
    ("bbr.pacing_gain", Real, "bbr.pacing_gain"),
    ("bbr.cwnd_gain", Real, "bbr.cwnd_gain"),
    ("send", Bits, "derived.send_rate"),
    ("lastsnd", Clock, "tcp_info.last_data_sent_ms"),
    ("lastrcv", Clock, "tcp_info.last_data_recv_ms"),
    ("lastack", Clock, "tcp_info.last_ack_recv_ms"),
    ("pacing_rate", Bits, "tcp_info.pacing_rate"),
    ("max_pacing_rate", Bits, "tcp_info.max_pacing_rate"),
    ("delivery_rate", Bits, "tcp_info.delivery_rate"),
    ("delivered", Number, "tcp_info.delivered"),
    ("delivered_ce", Number, "tcp_info.delivered_ce"),
    ("busy", Growing, "tcp_info.busy_time_us"),
    ("rwnd_limited", Growing, "tcp_info.rwnd_limited_us"),
    ("rwnd_limited.share", Percent, "derived.rwnd_limited_share"),
    ("sndbuf_limited", Growing, "tcp_info.sndbuf_limited_us"),
    ("sndbuf_limited.share", Percent, "derived.sndbuf_limited_share"),
    ("unacked", Number, "tcp_info.unacked"),
    ("retrans", Number, "tcp_info.retrans"),
    ("retrans_total", Number, "tcp_info.total_retrans"),
    ("lost", Number, "tcp_info.lost"),
    ("sacked", Number, "tcp_info.sacked"),
    ("dsack_dups", Number, "tcp_info.dsack_dups"),
    ("fackets", Number, "tcp_info.fackets"),
    ("reord_seen", Number, "tcp_info.reord_seen"),
    ("rcv_rtt", Milliseconds, "tcp_info.rcv_rtt_us"),
    ("rcv_space", Number, "tcp_info.rcv_space"),
    ("rcv_ssthresh", Number, "tcp_info.rcv_ssthresh"),
    ("rcv_ooopack", Number, "tcp_info.rcv_ooopack"),
];
const MORE_FIGURES: [(&str, Kind, &str); 5] = [
    ("notsent", Number, "tcp_info.notsent_bytes"),
    ("minrtt", Milliseconds, "tcp_info.min_rtt_us"),
    ("snd_wnd", Number, "tcp_info.snd_wnd"),
    ("rcv_wnd", Number, "tcp_info.rcv_wnd"),
    ("rehash", Number, "tcp_info.rehash"),
];

/// What [`checked_apart`] compares.
const APART: [&str; 20] = [
    "sk",
    "v6only",
    "shutdown",
    "cgroup",
    "sockopt",
    "timer",
    "timer.expires",
    "ts",
    "usec_ts",
    "sack",
    "ecn",
    "ecnseen",
    "fastopen",
    "app_limited",
    "congestion",
    "snd_wscale",
    "rcv_wscale",
    "reordering",
    "ulp",
    "bidir",
];

fn figures() -> impl Iterator<Item = (&'static str, Kind, &'static str)> {
    FIGURES.into_iter().chain(MORE_FIGURES)
}

/// Whether a figure changes with time alone.
fn is_clock(name: &str) -> bool {
    matches!(name, "timer.expires" | "busy" | "rwnd_limited" | "sndbuf_limited")
        || name.ends_with(".share")
        || name.starts_with("last")
}

/// Whether there is no socket behind it: the kernel writes zeros for its queues and its file.
fn is_record_only(row: &Row) -> bool {
    matches!(row.state(), "time_wait" | "fin_wait_2" | "syn_recv") && row.at("tcp_info").is_none()
}

/// The figures that do not change by themselves.
fn still(ss: &Ss) -> BTreeMap<&str, &str> {
    let figures = ss.figures.iter().map(|(name, text)| (*name, text.as_str()));
    figures.filter(|(name, _)| !is_clock(name)).collect()
}

/// The result of one comparison.
struct Comparison<'a> {
    before: &'a Ss,
    row: &'a Row,
    after: &'a Ss,
    /// Figures of ss with the same value.
    equal: Vec<&'static str>,
    wrong: Vec<String>,
    /// Whether ss knows [`YOUNG`].
    young: bool,
}

/// Figures that ss has since iproute2 6.2.
const YOUNG: [&str; 2] = ["rcv_wnd", "rehash"];

impl<'a> Comparison<'a> {
    fn new(before: &'a Ss, row: &'a Row, after: &'a Ss, young: bool) -> Self {
        let (equal, wrong) = (Vec::new(), Vec::new());
        let mut comparison = Self { before, row, after, equal, wrong, young };
        comparison.head();
        for (name, kind, path) in figures() {
            comparison.figure(name, kind, path);
        }
        comparison.checked_apart();
        let known: BTreeSet<&str> = figures().map(|(name, ..)| name).chain(APART).collect();
        for name in before.figures.keys().filter(|name| !known.contains(**name)) {
            comparison.wrong.push(format!("nobody compares {name}"));
        }
        comparison
    }

    fn say(&mut self, name: &'static str, equal: bool, ours: impl std::fmt::Debug) {
        match (equal, self.before.figures.get(name)) {
            (true, Some(_)) => self.equal.push(name),
            (true, None) => {}
            (false, theirs) => {
                let after = self.after.figures.get(name);
                self.wrong.push(format!("{name}: ss {theirs:?} .. {after:?}, tcpdiag {ours:?}"));
            }
        }
    }

    fn head(&mut self) {
        let (ss, row) = (self.before, self.row);
        let state = match ss.state.as_str() {
            "ESTAB" => "established",
            "SYN-SENT" => "syn_sent",
            "SYN-RECV" => "syn_recv",
            "FIN-WAIT-1" => "fin_wait_1",
            "FIN-WAIT-2" => "fin_wait_2",
            "TIME-WAIT" => "time_wait",
            "CLOSE-WAIT" => "close_wait",
            "LAST-ACK" => "last_ack",
            "LISTEN" => "listen",
            "CLOSING" => "closing",
            // ss reads them from the table of bound sockets.
            "UNCONN" | "UNDEF" => "bound_inactive",
            other => panic!("ss says {other}"),
        };
        let mut check = |what: &str, equal: bool| {
            if !equal {
                self.wrong.push(format!("{what} of {ss:?} in {:?}", row.0));
            }
        };
        check("state", row.state() == state);
        let queues = match state {
            "listen" => ["accept_queue", "accept_queue_max"],
            _ => ["recv_q", "send_q"],
        };
        let none = is_record_only(row).then_some(0);
        let ours = queues.map(|name| row.number(name).or(none));
        check("queues", ours == ss.queues.map(Some));
        for (end, name) in [(&ss.local, "local"), (&ss.remote, "remote")] {
            let address = row.text(&format!("{name}.addr"));
            let any = end.address == "*" && address == "::";
            check("address", any || address == end.address);
            check("port", row.number(&format!("{name}.port")) == Some(end.port));
        }
        let interface = ss.local.interface.as_deref();
        check("interface", row.text("interface.name") == interface.unwrap_or(""));
        let family = if ss.local.address.contains([':', '*']) { "ipv6" } else { "ipv4" };
        check("family", row.text("family") == family);
    }

    fn figure(&mut self, name: &'static str, kind: Kind, path: &str) {
        let ours = self.row.at(path).filter(|value| !value.is_null());
        let number = ours.and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        let listens = self.before.state == "LISTEN";
        let Some(theirs) = self.before.number(name) else {
            // ss leaves it out although it may have a value.
            let unsaid = match name {
                "rto" => number == 3e6,
                "ssthresh" => number >= 65535.0,
                "sacked" => listens,
                name if YOUNG.contains(&name) => !self.young,
                "timer.retransmits" => self.row.at("timer").is_none_or(|timer| timer.is_null()),
                // Only printed together with the other one.
                "max_pacing_rate" => !self.before.figures.contains_key("pacing_rate"),
                "rttvar" => !self.before.figures.contains_key("rtt"),
                "bbr.pacing_gain" | "bbr.cwnd_gain" => true,
                "rwnd_limited.share" | "sndbuf_limited.share" => number < 1e-6,
                // It may begin between the two readings.
                "lastsnd" | "lastrcv" | "lastack" | "busy" | "rwnd_limited" | "sndbuf_limited" => {
                    self.after.figures.contains_key(name)
                }
                _ => false,
            };
            return self.say(name, number == 0.0 || unsaid, ours);
        };
        if ours.is_none() && self.is_nothing(name, theirs) {
            return self.say(name, true, ours);
        }
        let later = self.after.number(name).unwrap_or(theirs);
        let digits = |mine: f64| (theirs - mine).abs() <= mine.abs() * 5.1e-6 + 1e-9;
        let equal = match kind {
            Number => ours.is_some() && number == theirs,
            Milliseconds => ours.is_some() && digits(number / 1e3),
            Real => ours.is_some() && digits(number),
            // The rate is a whole number of bytes here, of bits there.
            Bits => ours.is_some() && (number * 8.0 - theirs).abs() <= 8.0 + number * 1e-12,
            // Measured in the kernel's ticks, of at most 10 ms.
            Clock => number + 10.0 >= theirs && number <= later.max(theirs) + 10.0,
            Growing => {
                (number / 1e3).floor() + 10.0 >= theirs && number / 1e3 <= later.max(theirs) + 11.0
            }
            Percent => {
                let (low, high) = (theirs.min(later), theirs.max(later));
                (low - 1.0..=high + 1.0).contains(&(number * 100.0))
            }
        };
        self.say(name, equal, ours);
    }

    /// Whether ss shows a figure where there is none: clocks of what never happened, zeros of
    /// records without a socket, and words that are something else for a listener.
    fn is_nothing(&self, name: &str, theirs: f64) -> bool {
        let count = |path: &str| self.row.number(path).unwrap_or(0);
        match name {
            "cwnd" | "unacked" => self.before.state == "LISTEN",
            "ino" => theirs == 0.0 && is_record_only(self.row),
            "timer.retransmits" => theirs == 0.0 && self.row.text("timer.kind") == "time_wait",
            "lastsnd" => count("tcp_info.bytes_sent") == 0,
            "lastrcv" => match count("tcp_info.bytes_received") {
                // A FIN counts as one.
                1 => count("tcp_info.data_segs_in") == 0,
                bytes => bytes == 0,
            },
            "lastack" => self.before.state == "SYN-SENT",
            "bbr.bw" => theirs == 0.0,
            _ => false,
        }
    }

    /// Compares values that are not plain numbers.
    fn checked_apart(&mut self) {
        let (ss, row) = (self.before, self.row);
        let text = |name: &str| ss.figures.get(name).map(String::as_str);
        self.say("sk", ss.cookie() == row.cookie(), row.cookie());
        let v6only = ss.number("v6only").map(|flag| flag != 0.0);
        let ours = row.at("v6only").and_then(serde_json::Value::as_bool);
        self.say("v6only", v6only == ours, ours);
        let arrow = row.at("shutdown").map(|shut| {
            let way = |key: &str, open: char| if shut[key] == true { '-' } else { open };
            format!("{}-{}", way("receive", '<'), way("send", '>'))
        });
        self.say("shutdown", arrow.as_deref() == text("shutdown"), &arrow);
        let cgroup = row.at("cgroup").map(|_| row.text("cgroup.path"));
        self.say("cgroup", cgroup == text("cgroup"), cgroup);
        let options = row.at("sockopt").and_then(serde_json::Value::as_array).map(|options| {
            let names = options.iter().filter_map(serde_json::Value::as_str);
            names
                .map(|name| if name == "bind_address_no_port" { "bind_addr_no_port" } else { name })
                .collect::<Vec<_>>()
                .join(" ")
        });
        self.say("sockopt", options.as_deref() == text("sockopt"), &options);
        self.timer();
        for (name, option) in [
            ("ts", "timestamps"),
            ("sack", "sack"),
            ("ecn", "ecn"),
            ("ecnseen", "ecn_seen"),
            ("fastopen", "syn_data"),
        ] {
            let ours = row.lists("tcp_info.options", option);
            self.say(name, text(name).is_some() == ours, ours);
        }
        // Older versions do not print it.
        let usec = row.lists("tcp_info.options", "usec_ts");
        self.say("usec_ts", usec || text("usec_ts").is_none(), usec);
        let limited = row.is("tcp_info.delivery_rate_app_limited");
        // The kernel begins with 1, before the first rate is measured.
        let measured = row.number("tcp_info.delivery_rate").is_some();
        self.say("app_limited", !measured || text("app_limited").is_some() == limited, limited);
        let congestion = Some(row.text("congestion")).filter(|name| !name.is_empty());
        self.say("congestion", congestion == text("congestion"), congestion);
        let ulp = Some(row.text("ulp.name")).filter(|name| !name.is_empty());
        self.say("ulp", ulp == text("ulp"), ulp);
        let scaled = row.lists("tcp_info.options", "wscale");
        for name in ["snd_wscale", "rcv_wscale"] {
            let ours = row.number(&format!("tcp_info.{name}")).filter(|_| scaled);
            self.say(name, ours.map(|shift| shift as f64) == ss.number(name), ours);
        }
        // ss leaves out the value 3.
        let reordering = row.number("tcp_info.reordering").filter(|length| *length != 3);
        self.say("reordering", reordering.map(|l| l as f64) == ss.number("reordering"), reordering);
    }

    fn timer(&mut self) {
        let kind = match self.row.text("timer.kind") {
            "" => None,
            "retransmit" => Some("on"),
            "keepalive" => Some("keepalive"),
            "time_wait" => Some("timewait"),
            "zero_window_probe" => Some("persist"),
            "delayed_ack" => Some("delack"),
            other => panic!("timer {other}"),
        };
        self.say("timer", kind == self.before.figures.get("timer").map(String::as_str), kind);
        let left = self.row.number("timer.expires_ms");
        let equal = match (self.before.timer_range(), self.after.timer_range(), left) {
            (None, _, None) => true,
            (Some((_, high)), Some((low, _)), Some(left)) => left <= high + 10 && left + 10 >= low,
            _ => false,
        };
        self.say("timer.expires", equal, left);
    }
}

/// Runs ss, tcpdiag and ss again.
fn sample() -> (BTreeMap<u64, Ss>, Vec<Row>, BTreeMap<u64, Ss>) {
    let ss = || Ss::all().into_iter().map(|ss| (ss.cookie(), ss)).collect();
    (ss(), Tcpdiag::new().all(), ss())
}

/// Rounds until every socket was unchanged during one. Retransmits, which change figures, become
/// less and less frequent.
const ROUNDS: usize = 60;

lab!(
    fn every_figure_of_ss_is_in_the_json() {
        let Some(population) = Population::new() else { return };
        let mut equal: BTreeMap<u64, (String, Vec<&'static str>)> = BTreeMap::new();
        let mut moved: BTreeMap<u64, String> = BTreeMap::new();
        let mut wrong: BTreeMap<u64, (u32, Vec<String>)> = BTreeMap::new();
        for _ in 0..ROUNDS {
            let (before, rows, after) = sample();
            moved.clear();
            let young = before.values().any(|ss| ss.figures.contains_key(YOUNG[0]));
            let ours: BTreeSet<u64> = rows.iter().map(Row::cookie).collect();
            assert_eq!(ours.len(), rows.len(), "a socket is listed twice");
            for (cookie, ss) in before.iter().filter(|(cookie, _)| !ours.contains(cookie)) {
                // A minisock may have timed out since.
                assert!(!after.contains_key(cookie), "tcpdiag does not list {ss:?}");
            }
            for row in &rows {
                let cookie = row.cookie();
                if equal.contains_key(&cookie) {
                    continue;
                }
                let (Some(one), Some(other)) = (before.get(&cookie), after.get(&cookie)) else {
                    // ss reads the table of bound sockets from 6.8 on.
                    let new = row.state() == "bound_inactive";
                    assert!(new || !after.contains_key(&cookie), "ss does not list {row:?}");
                    continue;
                };
                if (&one.state, one.queues, still(one))
                    != (&other.state, other.queues, still(other))
                {
                    moved.insert(cookie, format!("{one:?}\n{other:?}"));
                    continue;
                }
                let comparison = Comparison::new(one, row, other, young);
                if comparison.wrong.is_empty() {
                    wrong.remove(&cookie);
                    equal.insert(cookie, (row.state().to_owned(), comparison.equal));
                } else {
                    let (times, differences) = wrong.entry(cookie).or_default();
                    *times += 1;
                    *differences = comparison.wrong;
                }
            }
            let hopeless = wrong.values().any(|(times, _)| *times >= 5);
            if hopeless || moved.is_empty() && wrong.is_empty() {
                break;
            }
        }
        let label = |cookie: &u64| {
            let member = population.members.iter().find(|member| member.cookie == *cookie);
            member.map_or("a request", |member| &member.label).to_owned()
        };
        let report = |(cookie, (_, differences)): (&u64, &(u32, Vec<String>))| {
            format!("{}:\n  {}", label(cookie), differences.join("\n  "))
        };
        let differences: Vec<String> = wrong.iter().map(report).collect();
        assert!(differences.is_empty(), "ss and tcpdiag differ:\n{}", differences.join("\n"));
        let restless: Vec<String> =
            moved.iter().map(|(cookie, text)| format!("{}: {text}", label(cookie))).collect();
        assert!(
            restless.is_empty(),
            "never unchanged between two readings:\n{}",
            restless.join("\n")
        );
        check_coverage(&population, &equal);
    }
);

/// Checks that all required figures were compared.
fn check_coverage(population: &Population, equal: &BTreeMap<u64, (String, Vec<&'static str>)>) {
    let lists_bound = equal.values().any(|(state, _)| state == "bound_inactive");
    for member in &population.members {
        let state = equal.get(&member.cookie).map(|(state, _)| state.as_str());
        let expected = Some(member.state).filter(|state| *state != "bound_inactive" || lists_bound);
        assert_eq!(state, expected, "{}", member.label);
    }
    let requests = equal.values().filter(|(state, _)| state == "syn_recv").count();
    assert_eq!(requests, 4, "one in every family, v4-mapped included");
    let total: usize = equal.values().map(|(_, names)| names.len()).sum();
    let distinct: BTreeSet<&str> =
        equal.values().flat_map(|(_, names)| names.iter().copied()).collect();
    if !lists_bound {
        println!("this ss does not list sockets that are only bound");
    }
    println!("{} sockets, {total} figures, of {} kinds", equal.len(), distinct.len());
    assert!(equal.len() >= 150, "only {} sockets were compared", equal.len());
    assert!(total >= 5000, "only {total} figures were compared");
    assert!(distinct.len() >= 65, "only these: {distinct:?}");
    // Those that are hard to provoke.
    for name in [
        "retrans_total",
        "bytes_retrans",
        "rcv_ooopack",
        "notsent",
        "rwnd_limited",
        "fwmark",
        "tclass",
        "max_pacing_rate",
    ] {
        assert!(distinct.contains(name), "{name} was never to be seen");
    }
}
