//! Inputs for tests of rules.

use super::evidence::{Evidence, Lifecycle};
use super::finding::RuleMatch;
use super::groups::{Group, GroupKey};
use super::host::HostHistory;
use super::listening::ListenerHistory;
use super::registry::RuleLimits;
use super::rule::{Context, HostInput, Judge, ListenerInput, Rule, RuleInput, ServiceInput};
use super::sign::Sign;
use crate::counters::{CounterWidth, parse_snmp};
use crate::model::{CongestionName, Role, Socket, State};
use crate::monitor::HostReading;
use crate::settings::Values;

/// A connection that sent 10 MB in ten seconds without problems.
pub(super) fn healthy() -> Evidence {
    Evidence {
        role: Role::Server,
        state: State::Established,
        first_state: State::Established,
        lifecycle: Lifecycle::Open,
        opened_while_watched: false,
        watched_s: 10.0,
        polls: 11,
        signs: [0; Sign::COUNT],
        timer: None,
        has_inode: true,
        receive_queue: 0,
        first_receive_queue: 0,
        least_receive_queue: 0,
        send_queue: 0,
        stalled_s: 0.0,
        retransmits: 0,
        backoff: 0,
        options: 7,
        snd_wscale: 7,
        rto_us: 204_000,
        mss: 1448,
        largest_mss: 1448,
        advmss: 1448,
        pmtu: 1500,
        largest_pmtu: 1500,
        unacked: 0,
        rtt_us: Some(4_000),
        largest_rtt_us: 5_000,
        mean_rtt_us: Some(4_000),
        rcv_rtt_us: None,
        least_rto_us: 204_000,
        rttvar_us: Some(500),
        min_rtt_us: Some(3_000),
        cwnd: 40,
        reordering: 3,
        thresholds: None,
        snd_wnd: Some(1 << 20),
        rcv_wnd: Some(1 << 20),
        largest_rcv_wnd: Some(1 << 20),
        congestion: Some(CongestionName::new(b"reno")),
        max_pacing_rate: None,
        last_data_sent_ms: Some(10),
        last_data_recv_ms: Some(10),
        last_ack_recv_ms: Some(10),
        sndbuf: Some(4 << 20),
        rcvbuf: Some(4 << 20),
        first_rcvbuf: Some(4 << 20),
        rcv_mss: Some(1448),
        bytes_received_ever: Some(5_000_000),
        bytes_acked_ever: Some(50_000_000),
        retrans: 0,
        segs_out: 7_000,
        segs_in: 4_000,
        data_segs_out: 7_000,
        data_segs_in: 100,
        out_of_order: Some(0),
        bytes_acked: 10_000_000,
        bytes_received: 50_000,
        busy_us: Some(9_000_000),
        rwnd_limited_us: Some(0),
        sndbuf_limited_us: Some(0),
        dsack_dups: Some(0),
        lone_dsack_dups: 0,
        reord_seen: Some(0),
        timeouts: Some(0),
        timeout_ms: Some(0),
    }
}

impl Evidence {
    /// The same, with a sign at this many polls.
    pub(super) fn shows(mut self, sign: Sign, polls: u16) -> Self {
        self.signs[sign as usize] = polls;
        self
    }
}

/// An idle host, with the settings of this one.
pub(super) fn context() -> Context {
    Context {
        settings: Values::read("/proc/sys".as_ref()),
        target_rate: None,
        elapsed_s: 10.0,
        polls: 11,
        has_events: true,
        host: HostHistory::new(CounterWidth::Bits64),
    }
}

/// A host whose counters grew by these amounts.
pub(super) fn host(grown: &[(&str, u64)]) -> HostHistory {
    let text = |value: &dyn Fn(u64) -> u64| {
        let tcp_ext =
            grown.iter().filter_map(|(name, by)| Some((name.strip_prefix("TcpExt")?, by)));
        let (names, values): (Vec<_>, Vec<_>) =
            tcp_ext.map(|(name, &by)| (name.to_owned(), value(by).to_string())).unzip();
        let tcp = grown.iter().filter(|(name, _)| !name.starts_with("TcpExt"));
        let (plain, sums): (Vec<_>, Vec<_>) = tcp
            .map(|(name, by)| (name.trim_start_matches("Tcp").to_owned(), value(*by).to_string()))
            .unzip();
        format!(
            "Tcp: RtoMin {}\nTcp: 200 {}\nTcpExt: Nothing {}\nTcpExt: 0 {}\n",
            plain.join(" "),
            sums.join(" "),
            names.join(" "),
            values.join(" ")
        )
    };
    let mut history = HostHistory::new(CounterWidth::Bits64);
    for (by, at) in [(&(|_| 1000_u64) as &dyn Fn(u64) -> u64, 0), (&(|by| 1000 + by), 10_000)] {
        let counters = parse_snmp(&text(by));
        history.read(HostReading { counters, ..HostReading::default() }, at);
    }
    history
}

/// What a rule for connections finds with its default limits.
pub(super) fn judged(rule: &Rule, evidence: Evidence) -> Option<RuleMatch> {
    judged_in(rule, evidence, &context())
}

/// The same with a context.
pub(super) fn judged_in(rule: &Rule, evidence: Evidence, context: &Context) -> Option<RuleMatch> {
    let Judge::Connection(judge) = rule.judge else {
        panic!("{} judges no connections", rule.code)
    };
    let input = RuleInput { evidence: &evidence, peer_takes: 0, full_listener: None, context };
    judge(&input, &RuleLimits::default())
}

/// The same, of a client of a listener on this host whose accept queue is full.
pub(super) fn judged_at_full_listener(rule: &Rule, evidence: Evidence) -> Option<RuleMatch> {
    let Judge::Connection(judge) = rule.judge else {
        panic!("{} judges no connections", rule.code)
    };
    let (listener, context) = (listening(3, 3, 2), context());
    let full_listener = Some(&listener);
    let input = RuleInput { evidence: &evidence, peer_takes: 0, full_listener, context: &context };
    judge(&input, &RuleLimits::default())
}

/// A listener with `first` connections in its accept queue at the first of eleven polls, and
/// `last` at the last.
pub(super) fn listening(first: u32, last: u32, backlog: u32) -> ListenerHistory {
    let queue = |receive_queue| Socket {
        state: State::Listen,
        receive_queue,
        send_queue: backlog,
        skmem: Some(crate::model::example::skmem(0)),
        ..crate::model::example::socket()
    };
    let mut history = ListenerHistory::new(&queue(first), 1);
    for poll in 2..11 {
        history.update(&queue(if last > backlog { last } else { first.min(last) }), poll);
    }
    history.update(&queue(last), 11);
    history
}

/// What a rule for listeners finds about one of several listeners.
pub(super) fn listener(
    rule: &Rule,
    listener: &ListenerHistory,
    context: &Context,
) -> Option<RuleMatch> {
    let Judge::Listener(judge) = rule.judge else { panic!("{} judges no listeners", rule.code) };
    let input = ListenerInput { listener, is_only_listener: false, context };
    judge(&input, &RuleLimits::default())
}

/// What a rule for services finds.
pub(super) fn service(rule: &Rule, group: &Group, context: &Context) -> Option<RuleMatch> {
    let Judge::Service(judge) = rule.judge else { panic!("{} judges no services", rule.code) };
    let key = GroupKey { role: "server", port: 80 };
    judge(&ServiceInput { key, group, context }, &RuleLimits::default())
}

/// What a rule for the host finds.
pub(super) fn of_host(rule: &Rule, context: &Context) -> Vec<RuleMatch> {
    let Judge::Host(judge) = rule.judge else { panic!("{} judges no hosts", rule.code) };
    judge(&HostInput { context }, &RuleLimits::default())
}
