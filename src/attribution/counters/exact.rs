//! Counters that the kernel also keeps per socket.

use super::{Class, Context, Outside, Plan};
use crate::attribution::divide::{Estimate, Share};
use crate::attribution::growth::Slot;
use crate::attribution::reason::Reason;
use crate::attribution::tally::Tally;

const REORDERING: [&str; 3] =
    ["TcpExtTCPSACKReorder", "TcpExtTCPTSReorder", "TcpExtTCPRenoReorder"];
const REHASHING: [&str; 2] = ["TcpExtTcpTimeoutRehash", "TcpExtTCPPLBRehash"];

pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    let exactly = |outside, reasons, sum: fn(&Tally) -> u64| {
        Plan::new(Class::Exact, outside, reasons, move |tally| Share::exactly(sum(tally)))
    };
    let needs = |slot| context.has(slot).then_some(());
    Some(match name {
        // `__tcp_retransmit_skb()` adds the same number to both. Half-open connections repeat
        // SYN-ACKs, and a child inherits their number (`tcp_create_openreq_child()`).
        "TcpRetransSegs" => {
            exactly(Outside::Others, &[Reason::HalfOpen, Reason::Cleared], Tally::repeats)
        }
        // `tcp_retransmit_timer()`: the last expiry, at which `tcp_write_timeout()` gives up, comes
        // before `tcp_update_rto_stats()`.
        "TcpExtTCPTimeouts" => {
            needs(Slot::TotalRto)?;
            let given_up = context.grew("TcpExtTCPAbortOnTimeout");
            let reasons = &[Reason::GivenUp, Reason::HalfOpen, Reason::Cleared];
            Plan::new(Class::Exact, Outside::Others, reasons, move |tally| {
                let sum = tally.sum(Slot::TotalRto) + tally.request_repeats;
                Share::between(sum, sum.saturating_add(given_up), 0.0).likely(sum)
            })
        }
        "TcpOutSegs" => {
            needs(Slot::SegsOut)?;
            let reasons = &[Reason::SynAcks, Reason::TimeWait, Reason::NoSocket];
            Plan::new(Class::Exact, Outside::Others, reasons, out_segs)
        }
        "TcpExtTCPOrigDataSent" => {
            needs(Slot::DataSegsOut)?;
            let in_syn = context.grew("TcpExtTCPFastOpenActive");
            Plan::new(Class::Exact, Outside::Nothing, &[Reason::Cleared], move |tally| {
                original_data(tally, in_syn)
            })
        }
        "TcpExtTCPDelivered" => {
            needs(Slot::Delivered)?;
            let fast_open =
                context.grew("TcpExtTCPFastOpenActive") + context.grew("TcpExtTCPFastOpenPassive");
            Plan::new(Class::Exact, Outside::Nothing, &[Reason::Cleared], move |tally| {
                delivered(tally, fast_open)
            })
        }
        "TcpExtTCPDeliveredCE" => {
            needs(Slot::DeliveredCe)?;
            exactly(Outside::Nothing, &[Reason::Cleared], |tally| tally.sum(Slot::DeliveredCe))
        }
        "TcpExtTCPDSACKRecvSegs" => {
            needs(Slot::DsackDups)?;
            let reasons = &[Reason::Dubious, Reason::Cleared];
            exactly(Outside::Others, reasons, |tally| tally.sum(Slot::DsackDups))
        }
        "TcpActiveOpens" => Plan::new(Class::Exact, Outside::Others, &[Reason::Cleared], |tally| {
            opened(tally.opened_clients, tally)
        }),
        "TcpPassiveOpens" => {
            Plan::new(Class::Exact, Outside::Others, &[Reason::NotAccepted], |tally| {
                opened(tally.opened_servers, tally)
            })
        }
        name if REORDERING.contains(&name) => {
            needs(Slot::ReordSeen)?;
            jointly(context, &REORDERING, Slot::ReordSeen)
        }
        name if REHASHING.contains(&name) => {
            needs(Slot::Rehash)?;
            jointly(context, &REHASHING, Slot::Rehash)
        }
        _ => return None,
    })
}

/// `__tcp_transmit_skb()` counts new segments. SYN-ACKs belong to no socket.
fn out_segs(tally: &Tally) -> Share {
    let fresh = tally.sum(Slot::SegsOut);
    let repeated = tally.sum(Slot::TotalRetrans);
    // A child's socket did not send the repeats that it inherited.
    let Estimate { value, low, high } = tally.inherited();
    let of = |inherited: u64| fresh.saturating_sub(repeated.saturating_sub(inherited));
    Share::between(of(low), of(high), 1.0).likely(of(value))
}

/// `tcp_event_new_data_sent()` counts new data, and FINs without data, which `data_segs_out` does
/// not count. Repeated SYNs and bare FINs are in `total_retrans` but carry no data.
fn original_data(tally: &Tally, in_syn: u64) -> Share {
    let sent = tally.sum(Slot::DataSegsOut);
    let repeated = tally.sum(Slot::TotalRetrans);
    let syns = |of: u64| of.saturating_sub(tally.request_repeats);
    let low = sent.saturating_sub(repeated.saturating_sub(syns(tally.syns.low)));
    let data_repeats = if tally.growth.has(Slot::BytesRetrans) { tally.data_repeats } else { 0 };
    let high = sent.saturating_sub(data_repeats.min(repeated)) + tally.finishers + in_syn;
    // Programs usually close after everything was written, so the FIN travels alone.
    let guess = sent.saturating_sub(repeated.saturating_sub(syns(tally.syns.value)));
    let weight = (guess - low.min(guess)) as f64 + tally.finishers as f64 + 0.01;
    Share::between(low, high, weight)
}

/// `tcp_ack()`: a child's first delivery, its SYN-ACK, is counted on the socket only
/// (`tcp_rcv_state_process()`); with TCP Fast Open it is counted on both.
fn delivered(tally: &Tally, fast_open: u64) -> Share {
    let sum = tally.sum(Slot::Delivered);
    let children = tally.opened_servers + tally.opened_unknown;
    let low = sum.saturating_sub(children);
    let likely = sum.saturating_sub(tally.opened_servers);
    let high = low + tally.opened_unknown + fast_open.min(children) + fast_open;
    Share::between(low, high.max(likely), 1.0).likely(likely)
}

fn opened(known: u64, tally: &Tally) -> Share {
    Share::between(known, known + tally.opened_unknown, 1.0).likely(known)
}

/// Several counters that share one field of the socket: `tcp_check_sack_reordering()` and its
/// siblings count in `reord_seen`, the callers of `sk_rethink_txhash()` in `rehash`. Exact while
/// the other counters stand still.
fn jointly(context: &Context<'_>, names: &[&str], slot: Slot) -> Plan {
    let together: u64 = names.iter().map(|name| context.grew(name)).sum();
    let others = together.saturating_sub(context.delta);
    let class = if others == 0 { Class::Exact } else { Class::Bounded };
    Plan::new(class, Outside::Nothing, &[Reason::Cleared], move |tally| {
        let sum = tally.sum(slot);
        Share::between(sum.saturating_sub(others), sum, sum as f64)
    })
}
