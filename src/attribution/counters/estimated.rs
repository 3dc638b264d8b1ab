//! Counters that no field of a socket counts: divided among the sockets that can have caused them.

use super::{Class, Context, Outside, Plan, probably, up_to};
use crate::attribution::divide::Share;
use crate::attribution::growth::Slot;
use crate::attribution::reason::Reason;
use crate::attribution::tally::Tally;

/// The weight of a socket that can have caused an event but shows no sign of it.
const UNLIKELY: f64 = 0.01;

pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    recovery(name, context)
        .or_else(|| acknowledgements(name))
        .or_else(|| receiving(name))
        .or_else(|| ends(name))
        .or_else(|| others(name))
}

fn estimated(outside: Outside, reasons: &'static [Reason], share: fn(&Tally) -> Share) -> Plan {
    Plan::new(Class::Estimated, outside, reasons, share)
}

/// Loss, recovery, and unnecessary recovery.
fn recovery(name: &str, context: &Context<'_>) -> Option<Plan> {
    let nothing = Outside::Nothing;
    let reasons: &[Reason] = &[Reason::NoSign];
    Some(match name {
        // Before 6.7 (no `total_rto`), only retransmits show which sockets may have had a timeout.
        "TcpExtTCPTimeouts" => {
            let is_known = context.interval.kernel.is_known();
            let why: &[Reason] = if is_known { &[Reason::OldKernel] } else { reasons };
            estimated(Outside::Others, why, |tally| probably(u64::MAX, tally.repeats() as f64))
        }
        // `tcp_send_loss_probe()` sends new data or a retransmission; data_segs_out counts both.
        "TcpExtTCPLossProbes" => estimated(nothing, reasons, |tally| {
            let sent = tally.sum(Slot::DataSegsOut).max(tally.sum(Slot::TotalRetrans));
            let weight = 4.0 * tally.untimed_repeats as f64 + tally.senders as f64;
            Share::between(tally.probes.low, sent, weight)
        }),
        "TcpExtTCPLossProbeRecovery" => estimated(nothing, reasons, |tally| {
            probably(tally.untimed_repeats, tally.probes.value as f64 + UNLIKELY)
        }),
        "TcpExtTCPLostRetransmit" => estimated(nothing, reasons, |tally| {
            probably(u64::MAX, tally.sum(Slot::TotalRetrans) as f64)
        }),
        // `tcp_enter_recovery()` is followed by a retransmission on the same ACK
        // (`tcp_cwnd_reduction()` forces one), unless the segment is still in a queue of this host.
        "TcpExtTCPSackRecovery" | "TcpExtTCPRenoRecovery" => {
            let held = context.grew("TcpExtTCPSpuriousRtxHostQueues");
            let sack = name == "TcpExtTCPSackRecovery";
            Plan::new(Class::Estimated, nothing, &[Reason::NoSign], move |tally| {
                let sockets = if sack { tally.sack_repeaters } else { tally.reno_repeaters };
                let limit = tally.untimed_repeats.saturating_add(held);
                Share::between(0, limit, sockets as f64 + UNLIKELY)
            })
        }
        "TcpExtTCPFullUndo" | "TcpExtTCPPartialUndo" => estimated(nothing, reasons, |tally| {
            let signs = tally.sum(Slot::DsackDups) + tally.sum(Slot::ReordSeen);
            probably(u64::MAX, signs as f64 + UNLIKELY * tally.untimed_repeats as f64)
        }),
        "TcpExtTCPDSACKUndo" => estimated(nothing, reasons, |tally| {
            probably(u64::MAX, tally.sum(Slot::DsackDups) as f64)
        }),
        // Only a socket in state Loss can undo it (`tcp_try_undo_loss()`).
        "TcpExtTCPLossUndo" | "TcpExtTCPSpuriousRTOs" if context.has(Slot::TotalRto) => {
            estimated(nothing, reasons, |tally| {
                let signs = tally.sum(Slot::TotalRto) + tally.sum(Slot::DsackDups);
                Share::between(0, tally.losses, signs as f64 + UNLIKELY)
            })
        }
        "TcpExtTCPSpuriousRtxHostQueues" => estimated(nothing, reasons, |tally| {
            probably(u64::MAX, tally.repeats() as f64 + tally.host_queue as f64)
        }),
        "TcpExtTCPDSACKIgnoredOld"
        | "TcpExtTCPDSACKIgnoredNoUndo"
        | "TcpExtTCPDSACKIgnoredDubious" => estimated(nothing, reasons, |tally| {
            probably(u64::MAX, tally.sum(Slot::DsackDups) as f64)
        }),
        "TcpExtTCPSackShifted" | "TcpExtTCPSackMerged" | "TcpExtTCPSackShiftFallback" => {
            estimated(nothing, reasons, |tally| probably(u64::MAX, tally.repeats() as f64))
        }
        _ => return None,
    })
}

/// Segments without data.
fn acknowledgements(name: &str) -> Option<Plan> {
    let reasons: &[Reason] = &[Reason::NoSign];
    Some(match name {
        // Each event sends one bare segment (`tcp_send_ack()`, `tcp_xmit_probe_skb()`).
        "TcpExtDelayedACKs" => {
            estimated(Outside::Nothing, reasons, |tally| up_to(tally.bare_out, tally.bare_out))
        }
        "TcpExtTCPKeepAlive" => estimated(Outside::Nothing, reasons, |tally| {
            let weight = tally.quiet_out as f64 + UNLIKELY * tally.bare_out as f64;
            Share::between(0, tally.bare_out, weight)
        }),
        "TcpExtTCPWinProbe" => estimated(Outside::Nothing, reasons, |tally| {
            let weight = tally.probing_out as f64 + UNLIKELY * tally.bare_out as f64;
            Share::between(0, tally.bare_out, weight)
        }),
        "TcpExtTCPPureAcks" => estimated(Outside::Others, &[Reason::NoSocket], |tally| {
            up_to(tally.bare_in, tally.bare_in)
        }),
        // The window is advertised in a segment (`tcp_select_window()`).
        "TcpExtTCPToZeroWindowAdv"
        | "TcpExtTCPFromZeroWindowAdv"
        | "TcpExtTCPWantZeroWindowAdv" => estimated(Outside::Nothing, reasons, |tally| {
            let weight = tally.receiver_full as f64 + UNLIKELY * tally.receivers as f64;
            Share::between(0, tally.sum(Slot::SegsOut), weight)
        }),
        "TcpExtTCPAutoCorking" => estimated(Outside::Nothing, reasons, |tally| {
            probably(u64::MAX, tally.unsent as f64 + UNLIKELY * tally.senders as f64)
        }),
        "TcpExtTCPHystartTrainDetect"
        | "TcpExtTCPHystartDelayDetect"
        | "TcpExtTCPHystartTrainCwnd"
        | "TcpExtTCPHystartDelayCwnd" => estimated(Outside::Nothing, reasons, |tally| {
            probably(u64::MAX, tally.slow_start_over.min(tally.senders) as f64 + UNLIKELY)
        }),
        _ => return None,
    })
}

/// Receive-side events: pruning, compressed ACKs, coalescing.
fn receiving(name: &str) -> Option<Plan> {
    let reasons: &[Reason] = &[Reason::NoSign];
    Some(match name {
        "TcpExtPruneCalled" | "TcpExtRcvPruned" | "TcpExtTCPRcvCollapsed" => {
            estimated(Outside::Nothing, reasons, |tally| {
                let signs = tally.sum(Slot::Drops) + tally.receiver_full;
                probably(u64::MAX, signs as f64 + UNLIKELY * tally.receivers as f64)
            })
        }
        "TcpExtTCPAckCompressed" => estimated(Outside::Nothing, reasons, |tally| {
            probably(u64::MAX, tally.sum(Slot::RcvOoopack) as f64)
        }),
        "TcpExtTCPRcvCoalesce" | "TcpExtTCPBacklogCoalesce" => {
            estimated(Outside::Nothing, reasons, |tally| {
                probably(u64::MAX, tally.sum(Slot::DataSegsIn) as f64)
            })
        }
        _ => return None,
    })
}

/// How connections ended. A connection that is over but still held open by its program appears in
/// no dump, and its destroy event comes only at `close()`. So any service may have had any of
/// these.
fn ends(name: &str) -> Option<Plan> {
    let closing_unconfirmed: &[Reason] = &[Reason::ClosingUnconfirmed];
    let others = Outside::Others;
    Some(match name {
        "TcpEstabResets" => estimated(others, closing_unconfirmed, |tally| {
            probably(tally.closed_established, tally.closed_established as f64)
        }),
        "TcpExtTCPAbortOnClose" => estimated(others, closing_unconfirmed, |tally| {
            let weight = tally.closed_unread as f64 + UNLIKELY * tally.closed as f64;
            probably(tally.closed, weight)
        }),
        "TcpExtTCPAbortOnData" => estimated(others, closing_unconfirmed, |tally| {
            probably(tally.closed, tally.closed as f64)
        }),
        "TcpExtTCPAbortOnTimeout" => estimated(others, closing_unconfirmed, |tally| {
            probably(tally.closed_giving_up, tally.closed_giving_up as f64)
        }),
        "TcpAttemptFails" => {
            estimated(others, &[Reason::ClosingUnconfirmed, Reason::HalfOpen], |tally| {
                let ended = tally.closed_connecting + tally.requests_gone;
                probably(ended, ended as f64)
            })
        }
        "TcpExtEmbryonicRsts" => estimated(others, &[Reason::HalfOpen], |tally| {
            probably(tally.requests_gone, tally.requests_gone as f64)
        }),
        "TcpExtTW" | "TcpExtTWKilled" => estimated(others, &[Reason::TimeWait], |tally| {
            probably(tally.closed, tally.closed as f64)
        }),
        _ => return None,
    })
}

fn others(name: &str) -> Option<Plan> {
    let protocols: &[Reason] = &[Reason::OtherProtocols];
    Some(match name {
        "TcpExtSyncookiesRecv" | "TcpExtTCPFastOpenPassive" => {
            estimated(Outside::Others, &[Reason::NotAccepted], |tally| {
                probably(tally.opened_servers, tally.opened_servers as f64)
            })
        }
        "TcpExtTCPFastOpenActive" => estimated(Outside::Others, &[Reason::NoSign], |tally| {
            probably(tally.opened_clients, tally.opened_clients as f64)
        }),
        "IpExtInOctets" => {
            estimated(Outside::Others, protocols, |tally| probably(tally.v4_in, tally.v4_in as f64))
        }
        "IpExtOutOctets" => estimated(Outside::Others, protocols, |tally| {
            probably(tally.v4_out, tally.v4_out as f64)
        }),
        _ => return None,
    })
}
