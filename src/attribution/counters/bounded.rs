//! Counters for which the sockets' own figures give bounds.

use super::{Class, Context, Outside, Plan, up_to};
use crate::attribution::divide::{Estimate, Share};
use crate::attribution::growth::Slot;
use crate::attribution::reason::Reason;
use crate::attribution::tally::Tally;

pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    let bounded = |outside, reasons, share: fn(&Tally) -> Share| {
        Plan::new(Class::Bounded, outside, reasons, share)
    };
    let needs = |slot| context.has(slot).then_some(());
    Some(match name {
        "TcpInSegs" => {
            needs(Slot::SegsIn)?;
            let reasons = &[Reason::NoSocket, Reason::TimeWait, Reason::HalfOpen];
            bounded(Outside::Others, reasons, in_segs)
        }
        // Counted per packet after GRO; `rcv_ooopack` counts the segments that GRO merged.
        "TcpExtTCPOFOQueue" => {
            needs(Slot::RcvOoopack)?;
            bounded(Outside::Nothing, &[Reason::Cleared], |tally| {
                let segments = tally.sum(Slot::RcvOoopack);
                up_to(segments, segments)
            })
        }
        "TcpExtTCPFastRetrans" => {
            bounded(Outside::Others, &[Reason::Cleared], |tally| estimated(tally.fast))
        }
        "TcpExtTCPSlowStartRetrans" => {
            bounded(Outside::Others, &[Reason::Cleared], |tally| estimated(tally.slow_start))
        }
        "TcpExtTCPSynRetrans" => {
            let reasons = &[Reason::HalfOpen, Reason::Cleared];
            bounded(Outside::Others, reasons, |tally| estimated(tally.syns))
        }
        "TcpExtTCPRetransFail" => {
            bounded(Outside::Others, &[Reason::Cleared], |tally| estimated(tally.failed))
        }
        // `tcp_check_dsack()`: each event reports at least one segment, except for those ignored as
        // dubious.
        "TcpExtTCPDSACKRecv" | "TcpExtTCPDSACKOfoRecv" => {
            needs(Slot::DsackDups)?;
            let dubious = context.grew("TcpExtTCPDSACKIgnoredDubious");
            Plan::new(Class::Bounded, Outside::Nothing, &[Reason::Dubious], move |tally| {
                let sum = tally.sum(Slot::DsackDups);
                let limit = if dubious > 0 { u64::MAX } else { sum };
                Share::between(0, limit, sum as f64).likely(sum)
            })
        }
        // `tcp_retransmit_timer()` counts one of the five at the first timeout of a series,
        // `tcp_update_rto_stats()` a recovery.
        "TcpExtTCPSackRecoveryFail"
        | "TcpExtTCPRenoRecoveryFail"
        | "TcpExtTCPSackFailures"
        | "TcpExtTCPRenoFailures"
        | "TcpExtTCPLossFailures" => {
            needs(Slot::TotalRtoRecoveries)?;
            bounded(Outside::Nothing, &[Reason::GivenUp], |tally| {
                let sum = tally.sum(Slot::TotalRtoRecoveries);
                // When a connection is given up, its last recovery is not counted in the socket.
                Share::between(0, sum.saturating_add(tally.closed), sum as f64).likely(sum)
            })
        }
        _ => return None,
    })
}

/// Counted per packet. Bare segments are never merged (`tcp_gro_receive()` flushes at a length of
/// 0); data segments may be merged up to a whole super-packet.
fn in_segs(tally: &Tally) -> Share {
    let data = tally.sum(Slot::DataSegsIn);
    let low = tally.bare_in + u64::from(tally.receivers > 0 && data > 0);
    Share::between(low, tally.bare_in + data, data as f64)
}

/// A share from the table of kinds.
fn estimated(estimate: Estimate) -> Share {
    let Estimate { value, low, high } = estimate;
    Share::between(low, high, value as f64 + 0.01).likely(value)
}

/// Segments discarded by a socket or a listener. `sk_drops` counts each of them, but also other
/// discards. A destroy event does not report the drops of its socket.
pub(super) fn drops() -> Plan {
    let reasons = &[Reason::NoSocket, Reason::NoSign];
    Plan::new(Class::Bounded, Outside::Others, reasons, |tally| {
        let drops = tally.sum(Slot::Drops) + tally.listeners().drops;
        let limit = if tally.drops_unknown > 0 { u64::MAX } else { drops };
        Share::between(0, limit, drops as f64).likely(drops)
    })
}
