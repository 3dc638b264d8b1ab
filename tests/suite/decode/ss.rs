//! Every figure that ss printed for a socket, compared with the JSON row of the same socket.
//!
//! ss leaves out what is zero or a sentinel. So what it left out is checked
//! too: the contract has to have nothing there, or what ss does not print.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::capture::{KERNELS, Kernel, json};
use super::ss_figures::{Form, OPTIONS, PLAIN, significant};
use crate::lab::{Ss, SsEnd};

/// ss ran a little before the dump. Clocks may have moved by at most this many
/// milliseconds.
const SKEW_MS: f64 = 150.0;

/// The spread of that skew within one family: ss printed between its reads.
const SPREAD_MS: f64 = 28.0;

/// One socket as both see it.
struct Pair<'a> {
    line: &'a Ss,
    json: &'a Value,
    /// Names that were compared, to find those that were not.
    seen: BTreeSet<&'a str>,
    /// Figures that were compared.
    compared: usize,
    /// Skew of the clocks that always run.
    skews: Vec<f64>,
    /// The name and number of the interface of a bound socket.
    interface: Option<(&'a str, u64)>,
}

impl<'a> Pair<'a> {
    fn new(line: &'a Ss, json: &'a Value) -> Self {
        Self { line, json, seen: BTreeSet::new(), compared: 0, skews: Vec::new(), interface: None }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}\nss:   {:?}\njson: {}", self.line, self.json)
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ss: T, ours: T) {
        if ss != ours {
            self.fail(&format!("{what}: ss has {ss:?}, we have {ours:?}"));
        }
        self.compared += 1;
    }

    /// The same for figures that ss may leave out. Only printed ones count.
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ss: Option<T>, ours: Option<T>) {
        let printed = usize::from(ss.is_some());
        self.equal(what, ss, ours);
        self.compared -= 1 - printed;
    }

    /// The value that ss printed under this name.
    fn ss(&mut self, name: &'a str) -> Option<&'a str> {
        self.seen.insert(name);
        self.line.get(name)
    }

    fn number(&self, pointer: &str) -> Option<u64> {
        self.json.pointer(pointer)?.as_u64()
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.json.pointer(pointer)?.as_str()
    }

    fn has_option(&self, name: &str) -> bool {
        let options = self.json.pointer("/tcp_info/options").and_then(Value::as_array);
        options.is_some_and(|options| options.iter().any(|option| option == name))
    }

    fn columns(&mut self) {
        let state = match self.line.state.as_str() {
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
            other => self.fail(&format!("unknown state {other}")),
        };
        self.equal("state", Some(state), self.text("/state"));
        let listens = state == "listen";
        let (receive, send) =
            if listens { ("/accept_queue", "/accept_queue_max") } else { ("/recv_q", "/send_q") };
        for (pointer, queue) in [receive, send].into_iter().zip(self.line.queues) {
            let ours = self.number(pointer).or_else(|| self.is_record_only().then_some(0));
            self.equal(pointer, Some(queue), ours);
        }
        // The other pair of names has to be absent, not zero.
        let other =
            if listens { ["/recv_q", "/send_q"] } else { ["/accept_queue", "/accept_queue_max"] };
        for pointer in other {
            self.same(pointer, None, self.json.pointer(pointer));
        }
        let line = self.line;
        self.end("local", &line.local);
        self.end("remote", &line.remote);
        match &line.local.interface {
            None => self.same("interface", None, self.json.pointer("/interface")),
            Some(name) => {
                let index = self.number("/interface/index").unwrap();
                self.interface = Some((name, index));
                self.compared += 1;
            }
        }
    }

    /// Whether there is no socket behind it: the kernel writes zeros for its queues and its file,
    /// which ss shows and we do not.
    fn is_record_only(&self) -> bool {
        let zeros = ["/recv_q", "/send_q", "/inode", "/tcp_info"];
        let state = self.text("/state");
        matches!(state, Some("time_wait" | "fin_wait_2" | "syn_recv"))
            && zeros.iter().all(|pointer| self.json.pointer(pointer).is_none())
    }

    /// Whether ss shows a figure where there is none: clocks of what never happened, and words that
    /// are something else for a listener.
    fn is_nothing(&self, name: &str) -> bool {
        let count = |pointer: &str| self.number(pointer).unwrap_or(0);
        let state = self.line.state.as_str();
        match name {
            "cwnd" | "unacked" => state == "LISTEN",
            "lastsnd" => count("/tcp_info/bytes_sent") == 0,
            "lastrcv" => {
                count("/tcp_info/bytes_received") == 0
                    || count("/tcp_info/bytes_received") == 1
                        && count("/tcp_info/data_segs_in") == 0
            }
            "lastack" => state == "SYN-SENT",
            _ => false,
        }
    }

    fn end(&mut self, side: &str, end: &SsEnd) {
        self.equal("port", Some(end.port), self.number(&format!("/{side}/port")));
        // ss's `*` is the IPv6 wildcard of a socket that takes IPv4 too.
        let address = if end.address == "*" { "::" } else { &end.address };
        self.equal("address", Some(address), self.text(&format!("/{side}/addr")));
        let family = if address.contains(':') { "ipv6" } else { "ipv4" };
        assert_eq!(self.text("/family"), Some(family));
        // ss shows the wildcard of sockets that are IPv6 alone as `[::]`.
        assert!(end.address != "*" || self.json["v6only"] == false);
    }

    fn identity(&mut self) {
        let inode = self.ss("ino").map(|text| text.parse().unwrap());
        let ours = self.number("/inode").or_else(|| self.is_record_only().then_some(0));
        self.equal("ino", inode, ours);
        let cookie = self.ss("sk").map(|text| format!("0x{text}"));
        self.equal("sk", cookie.as_deref(), self.text("/cookie"));
        // The sockets were made in the root cgroup, whose id is 1.
        let cgroup = self.ss("cgroup").map(|path| (path, 1));
        self.same("cgroup", cgroup, self.number("/cgroup/id").map(|id| ("/", id)));
        let open = |direction: &str| Some(!self.json.pointer(direction)?.as_bool()?);
        let ours = open("/shutdown/receive").zip(open("/shutdown/send"));
        let arrow = self.ss("shutdown").map(|arrow| (arrow.starts_with('<'), arrow.ends_with('>')));
        self.same("shutdown", arrow, ours);
        match (self.ss("timer"), self.json["timer"].as_object()) {
            (None, None) => {}
            (Some(kind), Some(timer)) => {
                let kind = match kind {
                    "on" => "retransmit",
                    "keepalive" => "keepalive",
                    "timewait" => "time_wait",
                    "persist" => "zero_window_probe",
                    other => self.fail(&format!("unknown timer {other}")),
                };
                self.equal("timer", Some(kind), timer["kind"].as_str());
                let retransmits = self.ss("timer.retransmits").map(|text| text.parse().unwrap());
                // That of TIME-WAIT expects no answer; ss shows 0.
                let ours =
                    if kind == "time_wait" { Some(0) } else { timer["retransmits"].as_u64() };
                self.equal("timer", retransmits, ours);
                assert!(self.ss("timer.expires").is_some());
                let (least, greatest) = self.line.timer_range().unwrap();
                let left = timer["expires_ms"].as_f64().unwrap();
                if left > greatest as f64 || left + SKEW_MS < least as f64 {
                    self.fail(&format!("timer: {left} ms left"));
                }
                self.compared += 1;
            }
            _ => self.fail("timer"),
        }
    }

    fn memory(&mut self) {
        const FIGURES: [(&str, &str); 9] = [
            ("skmem.rmem_alloc", "/skmem/rmem_alloc"),
            ("skmem.rcvbuf", "/skmem/rcvbuf"),
            ("skmem.wmem_alloc", "/skmem/wmem_alloc"),
            ("skmem.sndbuf", "/skmem/sndbuf"),
            ("skmem.fwd_alloc", "/skmem/fwd_alloc"),
            ("skmem.wmem_queued", "/skmem/wmem_queued"),
            ("skmem.optmem", "/skmem/optmem"),
            ("skmem.backlog", "/skmem/backlog"),
            ("skmem.drops", "/skmem/drops"),
        ];
        for (name, pointer) in FIGURES {
            let value = self.ss(name).map(|text| text.parse().unwrap());
            self.same(name, value, self.number(pointer));
        }
    }

    fn plain(&mut self) {
        for (name, pointer, form) in PLAIN {
            let ours = self.json.pointer(pointer).filter(|value| !value.is_null());
            match self.ss(name) {
                Some(text) => self.figure(name, text, ours, form),
                None => self.left_out(name, ours, form),
            }
        }
    }

    fn figure(&mut self, name: &str, text: &str, ours: Option<&Value>, form: Form) {
        let Some(ours) = ours else {
            if self.is_nothing(name) {
                return self.compared += 1;
            }
            self.fail(&format!("{name}: we have none"))
        };
        let number = ours.as_f64().unwrap_or(0.0);
        match form {
            Form::Count | Form::CountUnless(_) => {
                self.equal(name, Some(text.parse().unwrap()), ours.as_u64());
            }
            Form::Millis | Form::Rto => self.equal(name, text, &significant(number / 1e3)),
            Form::Clock => {
                let ss: f64 = text.parse().unwrap();
                self.clock(name, ss, number);
                self.skews.push(number - ss);
            }
            Form::Busy => {
                self.clock(name, text.parse().unwrap(), (number / 1e3).floor());
            }
            Form::Rate => self.equal(name, text.parse().unwrap(), number * 8.0),
            Form::Hex => self.equal(name, text, &format!("{:#x}", ours.as_u64().unwrap())),
            Form::Bare => {
                let ours = ours
                    .as_str()
                    .map_or_else(|| format!("{:x}", ours.as_u64().unwrap()), str::to_owned);
                self.equal(name, text, &ours);
            }
            Form::Flag => self.equal(name, Some(text == "1"), ours.as_bool()),
        }
    }

    /// Ours is the later reading.
    fn clock(&mut self, name: &str, ss: f64, ours: f64) {
        if !(0.0..=SKEW_MS).contains(&(ours - ss)) {
            self.fail(&format!("{name}: ss has {ss}, we have {ours}"));
        }
        self.compared += 1;
    }

    fn left_out(&mut self, name: &str, ours: Option<&Value>, form: Form) {
        let Some(ours) = ours else { return };
        let number = ours.as_u64();
        let may_be = match (name, form) {
            // ss treats everything from 65535 on as infinite.
            ("ssthresh", _) => number >= Some(0xffff),
            (_, Form::Count | Form::Millis | Form::Rate | Form::Hex) => number == Some(0),
            (_, Form::CountUnless(usual)) => number == Some(usual),
            (_, Form::Rto) => [Some(0), Some(3_000_000)].contains(&number),
            (_, Form::Clock) => ours.as_f64() <= Some(SKEW_MS),
            (_, Form::Busy) => ours.as_f64() <= Some(SKEW_MS * 1e3),
            (_, Form::Bare | Form::Flag) => false,
        };
        if !may_be {
            self.fail(&format!("{name}: ss has none, we have {ours}"));
        }
    }

    fn options(&mut self) {
        for (flag, option) in OPTIONS {
            let set = self.ss(flag);
            self.same(flag, set, self.has_option(option).then_some(""));
        }
        let app_limited = self.ss("app_limited");
        let ours = &self.json["tcp_info"]["delivery_rate_app_limited"];
        // The kernel begins with 1, before the first rate is measured.
        let unmeasured = ours.is_null() && app_limited.is_some();
        self.same("app_limited", app_limited, (*ours == true || unmeasured).then_some(""));
        let scaled = self.has_option("wscale");
        for (name, pointer) in
            [("snd_wscale", "/tcp_info/snd_wscale"), ("rcv_wscale", "/tcp_info/rcv_wscale")]
        {
            let shift = self.ss(name).map(|text| text.parse().unwrap());
            self.same(name, shift, scaled.then(|| self.number(pointer).unwrap()));
        }
    }

    fn pairs(&mut self) {
        let measured = self.number("/tcp_info/rtt_us").is_some_and(|rtt| rtt > 0);
        for (name, pointer) in [("rtt", "/tcp_info/rtt_us"), ("rttvar", "/tcp_info/rttvar_us")] {
            let ours = measured.then(|| significant(self.number(pointer).unwrap() as f64 / 1e3));
            let text = self.ss(name);
            self.same(name, text, ours.as_deref());
        }
        let ours = ["/tcp_info/retrans", "/tcp_info/total_retrans"];
        let ours = ours.map(|pointer| self.number(pointer).unwrap_or(0));
        for (name, number) in ["retrans", "retrans_total"].into_iter().zip(ours) {
            let text = self.ss(name).map(|text| text.parse().unwrap());
            self.same(name, text, (ours != [0, 0]).then_some(number));
        }
        // A listener's value is its backlog, which ss shows only as a queue.
        let sacked = self.ss("sacked").map(|text| text.parse().unwrap());
        let ours = if self.line.state == "LISTEN" { None } else { self.number("/tcp_info/sacked") };
        self.same("sacked", sacked, ours.filter(|&sacked| sacked > 0));
        for (name, field, printed_share, share) in [
            ("rwnd_limited", "rwnd_limited_us", "rwnd_limited.share", "rwnd_limited_share"),
            ("sndbuf_limited", "sndbuf_limited_us", "sndbuf_limited.share", "sndbuf_limited_share"),
        ] {
            let us = self.number(&format!("/tcp_info/{field}")).unwrap_or(0);
            let Some(text) = self.ss(name) else {
                assert_eq!(us, 0, "{name}");
                continue;
            };
            self.clock(name, text.parse().unwrap(), (us as f64 / 1e3).floor());
            let ours = 100.0 * self.json["derived"][share].as_f64().unwrap();
            let percent: f64 = self.ss(printed_share).unwrap().parse().unwrap();
            // Rounded to a tenth; where the clocks advanced, their ratio changed.
            let busy_ms = self.number("/tcp_info/busy_time_us").unwrap() as f64 / 1e3;
            let running = self.number("/tcp_info/unacked") > Some(0);
            let slack = 0.0501 + if running { 100.0 * SKEW_MS / busy_ms } else { 0.0 };
            if (ours - percent).abs() > slack {
                self.fail(&format!("{share}: ss has {percent} %, we have {ours} %"));
            }
            self.compared += 1;
        }
    }

    fn rates(&mut self) {
        let known =
            |value: Option<u64>| value.filter(|&rate| rate > 0).map(|rate| rate as f64 * 8.0);
        let pacing = known(self.number("/tcp_info/pacing_rate"));
        let limit = pacing.and(known(self.number("/tcp_info/max_pacing_rate")));
        for (name, ours) in [("pacing_rate", pacing), ("max_pacing_rate", limit)] {
            let rate = self.ss(name).map(|text| text.parse().unwrap());
            self.same(name, rate, ours);
        }
        let Some(text) = self.ss("send") else {
            return self.same("send", None, self.json["derived"]["send_rate"].as_u64());
        };
        let bits: f64 = text.parse().unwrap();
        let ours = self.json["derived"]["send_rate"].as_f64().unwrap();
        // We truncate to whole bytes, ss rounds to whole bits.
        self.equal("send", true, (-0.5..8.5).contains(&(bits - ours * 8.0)));
    }

    fn congestion_details(&mut self) {
        for (name, key) in [
            ("dctcp.ce_state", "ce_state"),
            ("dctcp.alpha", "alpha"),
            ("dctcp.ab_ecn", "ab_ecn"),
            ("dctcp.ab_tot", "ab_tot"),
        ] {
            let text = self.ss(name).map(|text| text.parse().unwrap());
            self.same(name, text, self.json["dctcp"][key].as_u64());
        }
        let enabled = self.json["dctcp"]["enabled"].as_bool();
        assert_eq!(enabled, self.line.get("dctcp.alpha").map(|_| true));
        let bbr = &self.json["bbr"];
        let rate = self.ss("bbr.bw").map(|text| text.parse().unwrap());
        self.same("bbr.bw", rate, bbr["bw"].as_f64().map(|rate| rate * 8.0));
        for (name, ours) in [
            ("bbr.mrtt", bbr["min_rtt_us"].as_f64().map(|us| us / 1e3)),
            ("bbr.pacing_gain", bbr["pacing_gain"].as_f64()),
            ("bbr.cwnd_gain", bbr["cwnd_gain"].as_f64()),
        ] {
            let text = self.ss(name);
            self.same(name, text, ours.map(significant).as_deref());
        }
    }

    fn upper_layer(&mut self) {
        let name = self.ss("ulp");
        self.same("ulp", name, self.text("/ulp/name"));
        for (label, pointer) in [
            ("version", "/ulp/tls/version"),
            ("cipher", "/ulp/tls/cipher"),
            ("rxconf", "/ulp/tls/rx_conf"),
            ("txconf", "/ulp/tls/tx_conf"),
        ] {
            let text = self.ss(label);
            self.same(label, text, self.text(pointer));
        }
        /// `MPTCP_SUBFLOW_FLAG_*` from bit 0 on.
        const FLAGS: &str = "MmJjBbecv";
        let flags = self.number("/ulp/mptcp/flags").map(|bits| {
            let set = FLAGS.chars().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
            set.map(|(_, flag)| flag).collect::<String>()
        });
        let text = self.ss("flags");
        self.same("flags", text, flags.as_deref().filter(|flags| !flags.is_empty()));
        let token = self.number("/ulp/mptcp/token_rem").map(|remote| {
            let part = |key: &str| self.number(&format!("/ulp/mptcp/{key}")).unwrap();
            let (local, id_remote, id_local) = (part("token_loc"), part("id_rem"), part("id_loc"));
            format!("{remote:04x}(id:{id_remote})/{local:04x}(id:{id_local})")
        });
        let text = self.ss("token");
        self.same("token", text, token.as_deref());
        let keys = self.json["md5"]["keys"].as_array().map(|keys| {
            let each = keys.iter().map(|key| {
                format!(
                    "{}/{}=",
                    key["addr"].as_str().unwrap(),
                    key["prefix_len"].as_u64().unwrap()
                )
            });
            each.collect::<Vec<_>>().join(",")
        });
        let text = self.ss("md5keys");
        self.same("md5keys", text, keys.as_deref());
    }
}

/// Compares all sockets of a kernel and returns the number of figures compared.
fn compare(kernel: &Kernel) -> usize {
    let ours: BTreeMap<String, Value> =
        kernel.dump().iter().map(|socket| (format!("{:x}", socket.cookie), json(socket))).collect();
    assert_eq!(ours.len(), kernel.records[0] + kernel.records[1]);
    let (mut compared, mut skews, mut matched) = (0, [Vec::new(), Vec::new()], BTreeSet::new());
    let mut interfaces: BTreeMap<&str, u64> = BTreeMap::from([("lo", 1)]);
    let lines = Ss::captured(&kernel.text("ss.txt"), "fixture-k");
    for line in &lines {
        let cookie = line.get("sk").unwrap();
        assert!(matched.insert(cookie), "{cookie} twice");
        let json = ours.get(cookie).expect("a socket that only ss shows");
        let mut pair = Pair::new(line, json);
        pair.columns();
        pair.identity();
        pair.memory();
        pair.plain();
        pair.options();
        pair.pairs();
        pair.rates();
        pair.congestion_details();
        pair.upper_layer();
        let forgotten: Vec<_> =
            line.figures.keys().filter(|name| !pair.seen.contains(**name)).collect();
        assert!(forgotten.is_empty(), "{forgotten:?} of {line:?} were not compared");
        if let Some((name, index)) = pair.interface {
            assert_eq!(*interfaces.entry(name).or_insert(index), index, "index of {name}");
        }
        compared += pair.compared;
        skews[usize::from(json["family"] == "ipv6")].append(&mut pair.skews);
    }
    // ss 6.1 does not ask for bound, unused sockets.
    let rest: Vec<_> = ours
        .iter()
        .filter(|(cookie, _)| !matched.contains(cookie.as_str()))
        .map(|(_, json)| json["state"].as_str().unwrap())
        .collect();
    let expected: &[&str] = if kernel.bound { &["bound_inactive"] } else { &[] };
    assert_eq!(rest, expected);
    println!("{}: {compared} figures of {} sockets", kernel.release, lines.len());
    for mut skews in skews {
        skews.sort_by(f64::total_cmp);
        let (least, most) = (skews[0], skews[skews.len() - 1]);
        println!("    {least} to {most} ms after ss");
        assert!(most - least <= SPREAD_MS, "clocks of one kernel do not run alike");
    }
    compared
}

/// The number of figures that ss printed for each kernel's sockets, counted on 2026-11-21.
/// Fewer means that some are skipped.
const PRINTED: [usize; 5] = [6384, 6510, 6506, 5702, 6505];

#[test]
fn every_figure_of_ss_equals_ours() {
    for (kernel, printed) in KERNELS.iter().zip(PRINTED) {
        let compared = compare(kernel);
        assert!(compared >= printed, "{}: {compared} figures", kernel.release);
    }
}
