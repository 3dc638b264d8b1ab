//! What ss(8) prints for a socket, of the running kernel or from a capture.
//!
//! Written from ss's output and source (misc/ss.c of iproute2), and shares nothing with tcpdiag,
//! so that the two decode the kernel's bytes independently. A word that the parser does not know
//! fails the test: it would be a figure that nobody compares.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// One line of ss, as words by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Ss {
    /// `ESTAB`, ...
    pub state: String,
    /// The two queues.
    pub queues: [u64; 2],
    /// Own end: address, interface, port.
    pub local: End,
    /// The peer's end.
    pub remote: End,
    /// The processes that hold it, with `-p`.
    pub owners: Vec<Owner>,
    /// Everything else, by ss's own names; the parts of what ss writes as one
    /// word have a name each.
    pub figures: BTreeMap<&'static str, String>,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Process name.
    pub comm: String,
    /// Process id.
    pub pid: u32,
}

/// One end as ss writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Without brackets; `*` for any.
    pub address: String,
    /// Behind the `%`.
    pub interface: Option<String>,
    /// 0 for `*`.
    pub port: u64,
}

/// Words of one piece: `name:value`.
const SINGLE: &[&str] = &[
    "uid",
    "ino",
    "sk",
    "fwmark",
    "v6only",
    "tos",
    "tclass",
    "class_id",
    "cgroup",
    "rto",
    "backoff",
    "ato",
    "qack",
    "mss",
    "pmtu",
    "rcvmss",
    "advmss",
    "cwnd",
    "ssthresh",
    "bytes_sent",
    "bytes_retrans",
    "bytes_acked",
    "bytes_received",
    "segs_out",
    "segs_in",
    "data_segs_out",
    "data_segs_in",
    "lastsnd",
    "lastrcv",
    "lastack",
    "delivered",
    "delivered_ce",
    "unacked",
    "lost",
    "sacked",
    "dsack_dups",
    "reordering",
    "reord_seen",
    "rcv_rtt",
    "rcv_space",
    "rcv_ssthresh",
    "notsent",
    "minrtt",
    "rcv_ooopack",
    "snd_wnd",
    "rcv_wnd",
    "rehash",
    "fackets",
    "flags",
    "token",
    "seq",
    "sfseq",
    "ssnoff",
    "maplen",
    "md5keys",
];
/// Words without a value.
const FLAGS: [&str; 8] =
    ["ts", "usec_ts", "sack", "ecn", "ecnseen", "fastopen", "app_limited", "bidir"];
/// Words of several pieces: `name:a,b`.
const DOUBLE: [(&str, char, [&str; 2]); 3] = [
    ("wscale", ',', ["snd_wscale", "rcv_wscale"]),
    ("rtt", '/', ["rtt", "rttvar"]),
    ("retrans", '/', ["retrans", "retrans_total"]),
];
/// Rates in bits per second: the value is the next word.
const RATES: [&str; 3] = ["send", "pacing_rate", "delivery_rate"];
/// What ss prints of TLS: the value is the next word.
const TLS: [(&str, &str); 4] =
    [("version:", "version"), ("cipher:", "cipher"), ("rxconf:", "rxconf"), ("txconf:", "txconf")];
/// Congestion controls, which ss prints without a label, beside those that the running kernel has.
const CONGESTION: [&str; 10] =
    ["cubic", "reno", "bbr", "dctcp", "vegas", "westwood", "illinois", "htcp", "cdg", "nv"];
/// Within `skmem:(...)`, longest first.
const MEMORY: [(&str, &str); 9] = [
    ("rb", "skmem.rcvbuf"),
    ("tb", "skmem.sndbuf"),
    ("bl", "skmem.backlog"),
    ("r", "skmem.rmem_alloc"),
    ("t", "skmem.wmem_alloc"),
    ("f", "skmem.fwd_alloc"),
    ("w", "skmem.wmem_queued"),
    ("o", "skmem.optmem"),
    ("d", "skmem.drops"),
];
/// Within `bbr:(...)`.
const BBR: [(&str, &str); 4] = [
    ("bw", "bbr.bw"),
    ("mrtt", "bbr.mrtt"),
    ("pacing_gain", "bbr.pacing_gain"),
    ("cwnd_gain", "bbr.cwnd_gain"),
];
/// Within `dctcp:(...)`.
const DCTCP: [(&str, &str); 4] = [
    ("ce_state", "dctcp.ce_state"),
    ("alpha", "dctcp.alpha"),
    ("ab_ecn", "dctcp.ab_ecn"),
    ("ab_tot", "dctcp.ab_tot"),
];
/// Within `busy:1ms rwnd_limited:1ms(5.0%)`.
const BUSY: [(&str, &str, &str); 3] = [
    ("busy", "busy", "busy"),
    ("rwnd_limited", "rwnd_limited", "rwnd_limited.share"),
    ("sndbuf_limited", "sndbuf_limited", "sndbuf_limited.share"),
];

impl Ss {
    /// Runs `ss -tanoiemOH --cgroup` and what else it can tell.
    pub fn all() -> Vec<Self> {
        let words = ["-tanoiemOH", "--cgroup", "--tos", "--inet-sockopt"];
        Self::lines(&words).iter().map(|line| Self::read(line)).collect()
    }

    /// Runs `ss -tanpemOH`: every socket with its owners and memory, by cookie.
    pub fn with_owners() -> BTreeMap<u64, Self> {
        let lines = Self::lines(&["-tanpemOH"]);
        lines.iter().map(|line| Self::read(line)).map(|ss| (ss.cookie(), ss)).collect()
    }

    /// The sockets that `ss -tanOH` shows for an expression; `None` when it
    /// does not understand it.
    pub fn cookies(expression: &str) -> Option<BTreeSet<u64>> {
        let output = Command::new("ss").args(["-taneOH"]).arg(expression).output().unwrap();
        if !output.status.success() || !output.stderr.is_empty() {
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(|line| Self::read(line).cookie()).collect())
    }

    fn lines(words: &[&str]) -> Vec<String> {
        let output = Command::new("ss").args(words).output().expect("ss(8) of iproute2");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// All sockets of the output of `ss -tanoiemOH`, behind what ss printed before the first.
    pub fn captured(text: &str, before: &str) -> Vec<Self> {
        text.trim_start_matches(before).lines().map(Self::read).collect()
    }

    /// A figure as ss wrote it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.figures.get(name).map(String::as_str)
    }

    /// The kernel's name for the socket.
    pub fn cookie(&self) -> u64 {
        u64::from_str_radix(&self.figures["sk"], 16).unwrap()
    }

    /// A figure as a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        let text = self.figures.get(name)?;
        let value = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok().map(|value| value as f64),
            None => text.parse().ok(),
        };
        Some(value.unwrap_or_else(|| panic!("{name}:{text} is no number")))
    }

    /// Reads one line.
    pub fn read(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_else(|| panic!("ss line ends early: {line}"));
        let state = next().to_owned();
        let queues = [next(), next()].map(|word| word.parse().unwrap());
        let [local, remote] = [next(), next()].map(End::read);
        let (owners, figures) = (Vec::new(), BTreeMap::new());
        let mut ss = Self { state, queues, local, remote, owners, figures };
        while let Some(word) = words.next() {
            ss.word(word, &mut words).unwrap_or_else(|| panic!("ss says {word:?} in: {line}"));
        }
        ss
    }

    /// Takes one word and what belongs to it. `None` if it is not known.
    fn word<'l>(&mut self, word: &str, rest: &mut impl Iterator<Item = &'l str>) -> Option<()> {
        if let Some(list) = word.strip_prefix("users:((").and_then(|word| word.strip_suffix("))")) {
            self.owners = list.split("),(").map(Owner::read).collect::<Option<_>>()?;
            return Some(());
        }
        let mut put = |name: &'static str, text: &str| {
            let before = self.figures.insert(name, text.to_owned());
            // With `-e` and `--cgroup` ss says the cgroup twice.
            assert!(before.is_none_or(|before| before == text), "ss says {name} twice");
        };
        if let Some(flag) = FLAGS.iter().find(|flag| **flag == word) {
            put(flag, "");
            return Some(());
        }
        if matches!(word, "<->" | "-->" | "<--" | "---") {
            put("shutdown", word);
            return Some(());
        }
        if let Some((_, name)) = TLS.iter().find(|(known, _)| *known == word) {
            put(name, rest.next()?);
            return Some(());
        }
        if let Some(name) = RATES.iter().find(|known| **known == word) {
            let mut rates = rest.next()?.split('/').map(|rate| rate.strip_suffix("bps"));
            put(name, rates.next()??);
            if let Some(limit) = rates.next() {
                put("max_pacing_rate", limit?);
            }
            return Some(());
        }
        if word == "inet-sockopt:" {
            let mut options = Vec::new();
            loop {
                let option = rest.next()?;
                options.push(option);
                if option.ends_with(')') {
                    break;
                }
            }
            let options = options.join(" ");
            put("sockopt", options.trim_matches(['(', ')', ' ']));
            return Some(());
        }
        if let Some(ulp) = word.strip_prefix("tcp-ulp-") {
            put("ulp", ulp);
            return Some(());
        }
        let Some((name, value)) = word.split_once(':') else {
            // The congestion control has no name of its own.
            return is_congestion_control(word).then(|| put("congestion", word));
        };
        if let Some(single) = SINGLE.iter().find(|single| **single == name) {
            put(single, value);
        } else if let Some((_, sign, names)) = DOUBLE.iter().find(|(known, ..)| *known == name) {
            let (one, other) = value.split_once(*sign)?;
            put(names[0], one);
            put(names[1], other);
        } else if let Some((_, time, share)) = BUSY.iter().find(|(known, ..)| *known == name) {
            let (ms, behind) = value.split_once("ms")?;
            put(time, ms);
            if !behind.is_empty() {
                put(share, behind.strip_prefix('(')?.strip_suffix("%)")?);
            }
        } else {
            let parts = value.strip_prefix('(')?.strip_suffix(')')?.split(',');
            match name {
                "skmem" => {
                    for part in parts {
                        let (sign, name) =
                            MEMORY.iter().find(|(sign, _)| part.starts_with(sign))?;
                        put(name, &part[sign.len()..]);
                    }
                }
                "bbr" | "dctcp" => {
                    let names = if name == "bbr" { &BBR } else { &DCTCP };
                    for part in parts {
                        let (key, value) = part.split_once(':')?;
                        let (_, name) = names.iter().find(|(known, _)| *known == key)?;
                        put(name, value.strip_suffix("bps").unwrap_or(value));
                    }
                }
                "timer" => {
                    let parts: Vec<&str> = parts.collect();
                    let [kind, expires, retransmits] = parts[..] else { return None };
                    put("timer", kind);
                    put("timer.expires", expires);
                    put("timer.retransmits", retransmits);
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// The least and the greatest number of milliseconds until the running timer fires: from ten
    /// seconds on ss leaves out the milliseconds, from ten minutes on the seconds
    /// (`print_ms_timer()`).
    pub fn timer_range(&self) -> Option<(u64, u64)> {
        let text = self.figures.get("timer.expires")?;
        let number = |digits: &str| {
            digits.parse::<u64>().unwrap_or_else(|_| panic!("ss says timer {text:?}"))
        };
        let (mut ms, mut rest, mut grain) = (0, text.as_str(), 1);
        if let Some((minutes, behind)) = rest.split_once("min") {
            ms += number(minutes) * 60_000;
            grain = if number(minutes) > 9 { 60_000 } else { 1000 };
            rest = behind;
        }
        // Up to iproute2 6.1 at least, 1.408 seconds are written as `1.408ms`.
        let wrong = rest.strip_suffix("ms").filter(|digits| digits.contains('.'));
        if let Some(seconds) = rest.strip_suffix("sec").or(wrong) {
            let (seconds, thousandths) = seconds.split_once('.').unwrap_or((seconds, "0"));
            ms += number(seconds) * 1000 + number(thousandths);
            if number(seconds) > 9 {
                grain = grain.max(1000);
            }
        } else if let Some(thousandths) = rest.strip_suffix("ms") {
            ms += number(thousandths);
        } else if !rest.is_empty() {
            panic!("ss says timer {text:?}");
        }
        Some((ms, ms + grain - 1))
    }
}

impl Owner {
    /// `"sshd",pid=815,fd=3`, of a name without commas and blanks.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let comm = parts.next()?.strip_prefix('"')?.strip_suffix('"')?.to_owned();
        let pid = parts.next()?.strip_prefix("pid=")?.parse().ok()?;
        Some(Self { comm, pid })
    }
}

fn is_congestion_control(word: &str) -> bool {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let available = || std::fs::read_to_string(path).unwrap_or_default();
    CONGESTION.contains(&word) || available().split_whitespace().any(|known| known == word)
}

impl End {
    fn read(word: &str) -> Self {
        let (host, port) = word.rsplit_once(':').unwrap_or_else(|| panic!("ss end {word:?}"));
        let (address, interface) = match host.split_once('%') {
            Some((address, interface)) => (address, Some(interface.to_owned())),
            None => (host, None),
        };
        Self {
            address: address.trim_matches(['[', ']']).to_owned(),
            interface,
            port: if port == "*" { 0 } else { port.parse().unwrap() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ss() {
        let ss = Ss::read(
            "ESTAB 5000 0 [::ffff:127.0.0.1]%lo:22 [::1]:55008 timer:(keepalive,119min,2) ino:30 \
             sk:d408 fwmark:0x55 cgroup:/ <-> inet-sockopt: ( is_icsk mc_all) \
             skmem:(r5832,rb131072,t0,tb9,f2360,w1,o2,bl3,d4) ts sack wscale:10,7 rto:204 \
             rtt:0.027/0.013 busy:8ms rwnd_limited:4ms(50.0%) retrans:0/3 send 970bps \
             pacing_rate 27bps/30bps app_limited minrtt:0.027 \
             users:((\"sshd\",pid=815,fd=3),(\"sshd\",pid=1,fd=4))",
        );
        assert_eq!(ss.owners[1], Owner { comm: "sshd".to_owned(), pid: 1 });
        assert_eq!((ss.queues, ss.cookie()), ([5000, 0], 0xd408));
        assert_eq!((ss.local.address.as_str(), ss.local.port), ("::ffff:127.0.0.1", 22));
        assert_eq!(ss.local.interface.as_deref(), Some("lo"));
        assert_eq!(ss.number("fwmark"), Some(85.0));
        assert_eq!(ss.figures["sockopt"], "is_icsk mc_all");
        assert_eq!(ss.number("skmem.backlog"), Some(3.0));
        assert_eq!(ss.number("rttvar"), Some(0.013));
        assert_eq!(ss.number("rwnd_limited.share"), Some(50.0));
        assert_eq!(ss.number("max_pacing_rate"), Some(30.0));
        assert_eq!(ss.timer_range(), Some((119 * 60_000, 120 * 60_000 - 1)));
    }

    #[test]
    fn a_line_with_upper_layers() {
        let ss = Ss::read(
            "ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 ino:1 sk:2 dctcp \
             dctcp:(ce_state:0,alpha:1024,ab_ecn:7,ab_tot:9) tcp-ulp-tls version: 1.3 \
             cipher: aes-gcm-128 rxconf: sw txconf: none flags:Mec token:0000(id:0)/1c(id:1) \
             seq:8ab sfseq:1 ssnoff:2b maplen:5 md5keys:127.0.0.1/32=key",
        );
        assert_eq!(ss.number("dctcp.ab_ecn"), Some(7.0));
        for (name, text) in [
            ("congestion", "dctcp"),
            ("ulp", "tls"),
            ("version", "1.3"),
            ("txconf", "none"),
            ("token", "0000(id:0)/1c(id:1)"),
            ("seq", "8ab"),
            ("md5keys", "127.0.0.1/32=key"),
        ] {
            assert_eq!(ss.get(name), Some(text), "{name}");
        }
    }

    #[test]
    fn lines_of_a_capture() {
        let lines = "ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 sk:1\nLISTEN 0 5 *:80 *:* sk:2\n";
        let all = Ss::captured(&format!("key{lines}"), "key");
        assert_eq!(all.iter().map(Ss::cookie).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((all[1].local.address.as_str(), all[1].remote.port), ("*", 0));
    }

    #[test]
    #[should_panic(expected = "ss says \"newfigure:7\"")]
    fn an_unknown_word_fails() {
        Ss::read("ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 ino:1 sk:1 newfigure:7");
    }

    #[test]
    fn timers() {
        for (text, low, high) in [
            ("119min", 7_140_000, 7_199_999),
            ("1min30sec", 90_000, 90_999),
            ("1min5sec", 65_000, 65_999),
            ("59sec", 59_000, 59_999),
            ("1.234sec", 1234, 1234),
            ("1.234ms", 1234, 1234),
            ("9sec", 9000, 9000),
            ("045ms", 45, 45),
            ("", 0, 0),
        ] {
            let line = format!("ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 timer:(on,{text},0) ino:1 sk:1");
            assert_eq!(Ss::read(&line).timer_range(), Some((low, high)), "{text}");
        }
    }
}
