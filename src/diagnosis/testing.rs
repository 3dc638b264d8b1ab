//! Cases for tests of rules.

use super::evidence::{Evidence, Fate};
use super::finding::RuleMatch;
use super::groups::{Group, GroupKey};
use super::host::HostHistory;
use super::limits::Limits;
use super::listening::ListenerHistory;
use super::rule::{Context, HostInput, Judge, ListenerInput, Rule, RuleInput, ServiceInput};
use super::sign::Sign;
use crate::counters::{CounterWidth, parse_snmp};
use crate::model::{Role, Socket, State};
use crate::settings::Values;

/// A connection that sent 10 MB in ten seconds without any trouble.
pub(super) fn healthy() -> Evidence {
    Evidence {
        role: Role::Server,
        state: State::Established,
        first_state: State::Established,
        fate: Fate::Alive,
        born: false,
        watched_s: 10.0,
        looks: 11,
        signs: [0; Sign::COUNT],
        timer: None,
        held: true,
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
        rtt_us: 4_000,
        largest_rtt_us: 5_000,
        least_rto_us: 204_000,
        rttvar_us: 500,
        min_rtt_us: Some(3_000),
        cwnd: 40,
        reordering: 3,
        snd_wnd: Some(1 << 20),
        rcv_wnd: Some(1 << 20),
        max_pacing_rate: None,
        last_data_recv_ms: 10,
        last_ack_recv_ms: 10,
        sndbuf: Some(4 << 20),
        rcvbuf: Some(4 << 20),
        bytes_acked_ever: Some(50_000_000),
        retrans: 0,
        segs_out: 7_000,
        segs_in: 4_000,
        data_segs_out: 7_000,
        bytes_acked: 10_000_000,
        bytes_received: 50_000,
        busy_us: Some(9_000_000),
        rwnd_limited_us: Some(0),
        sndbuf_limited_us: Some(0),
        dsack_dups: Some(0),
        reord_seen: Some(0),
        timeouts: Some(0),
        timeout_ms: Some(0),
    }
}

impl Evidence {
    /// The same, with a sign at so many looks.
    pub(super) fn shows(mut self, sign: Sign, looks: u16) -> Self {
        self.signs[sign as usize] = looks;
        self
    }
}

/// A host on which nothing happens, with its settings as they are here.
pub(super) fn context() -> Context {
    Context {
        settings: Values::read("/proc/sys".as_ref()),
        target_rate: None,
        elapsed_s: 10.0,
        polls: 11,
        host: HostHistory::new(CounterWidth::Bits64),
    }
}

/// A host whose counters grew by this much.
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
        history.read(super::HostReading { counters, ..super::HostReading::default() }, at);
    }
    history
}

/// What a rule of connections says with its usual limits.
pub(super) fn judged(rule: &Rule, evidence: Evidence) -> Option<RuleMatch> {
    judged_in(rule, evidence, &context())
}

/// The same in a context.
pub(super) fn judged_in(rule: &Rule, evidence: Evidence, context: &Context) -> Option<RuleMatch> {
    let Judge::Connection(judge) = rule.judge else {
        panic!("{} judges no connections", rule.code)
    };
    let limits = Limits::default();
    let of = limits.named(rule.code);
    assert_eq!(of.len(), rule.limits.len(), "{} is not in the registry", rule.code);
    judge(&RuleInput { evidence: &evidence, context, limits: of })
}

/// A listener with so many in its accept queue at the first and at the last of eleven looks.
pub(super) fn listening(first: u32, last: u32, backlog: u32) -> ListenerHistory {
    let queue = |receive_queue| Socket {
        state: State::Listen,
        receive_queue,
        send_queue: backlog,
        skmem: Some(crate::model::example::skmem(0)),
        ..crate::model::example::socket()
    };
    let mut history = ListenerHistory::new(&queue(first), 1);
    for look in 2..11 {
        history.follow(&queue(if last > backlog { last } else { first.min(last) }), look);
    }
    history.follow(&queue(last), 11);
    history
}

fn limits(rule: &Rule) -> Limits {
    let limits = Limits::default();
    assert_eq!(limits.named(rule.code).len(), rule.limits.len(), "{} not registered", rule.code);
    limits
}

/// What a rule of listeners says of one among several.
pub(super) fn listener(
    rule: &Rule,
    listener: &ListenerHistory,
    context: &Context,
) -> Option<RuleMatch> {
    let Judge::Listener(judge) = rule.judge else { panic!("{} judges no listeners", rule.code) };
    let limits = limits(rule);
    judge(&ListenerInput { listener, alone: false, context, limits: limits.named(rule.code) })
}

/// What a rule of services says.
pub(super) fn service(rule: &Rule, group: &Group, context: &Context) -> Option<RuleMatch> {
    let Judge::Service(judge) = rule.judge else { panic!("{} judges no services", rule.code) };
    let limits = limits(rule);
    let key = GroupKey { role: "server", port: 80 };
    judge(&ServiceInput { key, group, context, limits: limits.named(rule.code) })
}

/// What a rule of hosts says.
pub(super) fn of_host(rule: &Rule, context: &Context) -> Vec<RuleMatch> {
    let Judge::Host(judge) = rule.judge else { panic!("{} judges no hosts", rule.code) };
    judge(&HostInput { context, limits: limits(rule).named(rule.code) })
}
