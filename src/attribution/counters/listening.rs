//! Counters of what listeners drop.
//!
//! `tcp_listendrop()` counts in `ListenDrops` and in `sk_drops` of the listener, which also counts
//! all else that it discards. So `sk_drops` is the most that a listener can have had, and its queues
//! tell whether it can have had it at all.

use super::{Class, Context, Outside, Plan};
use crate::attribution::divide::Share;
use crate::attribution::interval::UNKNOWN;
use crate::attribution::reason::Reason;
use crate::attribution::tally::{ListenerTally, Tally};

/// The weight of a drop at a listener whose queue may have been full between two polls, where one
/// at a listener that a poll found full has 1.
const BETWEEN_POLLS: f64 = 0.1;

/// The weight of a drop at a listener without any sign.
const NO_SIGN: f64 = 0.01;

pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    let reasons = &[Reason::NotAccepted];
    let bounded =
        |share: fn(&Tally) -> Share| Plan::new(Class::Bounded, Outside::Nothing, reasons, share);
    Some(match name {
        "TcpExtListenDrops" => listen_drops(context),
        // `tcp_conn_request()` and `tcp_v4_syn_recv_sock()`: the accept queue is full.
        "TcpExtListenOverflows" => bounded(|tally| {
            let listeners = tally.listeners();
            weighed(&listeners, listeners.accept_seen, listeners.accept_possible)
        }),
        // `tcp_conn_request()`: the queue of half-open connections is full.
        "TcpExtTCPReqQFullDrop" => bounded(|tally| {
            let listeners = tally.listeners();
            weighed(&listeners, listeners.syn_seen, listeners.syn_possible)
        }),
        "TcpExtTCPDeferAcceptDrop" | "TcpExtTSEcrRejected" => {
            bounded(|tally| super::up_to(tally.listeners().drops, tally.listeners().drops))
        }
        _ => return None,
    })
}

/// A share of what only a full queue causes.
fn weighed(listeners: &ListenerTally, seen: u64, possible: u64) -> Share {
    let weight = seen as f64 + BETWEEN_POLLS * possible as f64;
    Share::between(0, listeners.drops, weight).likely(seen + possible)
}

/// The sum of all drops for which a listener refuses a connection. They are exact if each drop of
/// the listeners is one, or if only one listener had drops.
fn listen_drops(context: &Context<'_>) -> Plan {
    // Drops while the listeners were read may count in the interval before or after.
    let most = context.delta.saturating_add(context.skew);
    let [overflows, full] = ["TcpExtListenOverflows", "TcpExtTCPReqQFullDrop"].map(|name| {
        let grown = context.interval.growth(name);
        grown.map_or_else(|| context.grew(name), |grown| grown.delta + grown.skew)
    });
    // No memory, no route, an ICMP error, a broadcast: any listener may have had these.
    let others = match overflows.max(full) {
        UNKNOWN => most,
        known => most.saturating_sub(known.saturating_add(overflows.min(full))),
    };
    let can = move |listeners: &ListenerTally| {
        let by_queue = match (overflows > 0, full > 0) {
            (true, true) => listeners.either,
            (true, false) => listeners.accept_seen + listeners.accept_possible,
            (false, true) => listeners.syn_seen + listeners.syn_possible,
            (false, false) => 0,
        };
        by_queue.saturating_add(others).min(listeners.drops)
    };
    let all = || context.tallies.services.iter().map(|(_, tally)| tally.listeners());
    let sum: u64 = all().map(|listeners| listeners.drops).sum();
    let with_drops = all().filter(|listeners| listeners.drops > 0).count();
    let each_can = all().all(|listeners| can(&listeners) >= listeners.drops.min(most));
    let delta = context.delta;
    let exact = each_can && (sum == delta || with_drops == 1 && sum >= delta);
    let class = if exact { Class::Exact } else { Class::Bounded };
    Plan::new(class, Outside::Nothing, &[Reason::NotAccepted], move |tally| {
        let listeners = tally.listeners();
        if exact {
            return Share::exactly(listeners.drops.min(most));
        }
        let seen = listeners.accept_seen.max(listeners.syn_seen) as f64;
        let likely = can(&listeners);
        let weight = match likely {
            0 => 0.0,
            _ => seen + BETWEEN_POLLS * listeners.either as f64 + NO_SIGN * listeners.drops as f64,
        };
        Share::between(0, listeners.drops, weight).likely(likely)
    })
}
