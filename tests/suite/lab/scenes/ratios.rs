//! What has to be true for a ratio of a host's counters to be unhealthy.

use super::Statement as S;

/// The statements of which one has to be true at this end, and those that may be true at either end:
/// both ends count how connections begin and end.
pub fn behind(ratio: &str) -> [&'static [S]; 2] {
    const BEGINS: &[S] = &[S::ConnectFails, S::NoAnswer, S::AcceptQueue];
    const ENDS: &[S] = &[S::Resets, S::Unread];
    const LOST: &[S] = &[
        S::Loss,
        S::Congestion,
        S::TailLoss,
        S::Timeouts,
        S::LostAgain,
        S::Unneeded,
        S::BlackHole,
        S::Stalled,
        S::DeviceDrops,
    ];
    match ratio {
        // SYNs and their answers are retransmitted too.
        "retransmission" => [LOST, &[S::NoAnswer, S::AcceptQueue]],
        "timeout_share" => {
            [&[S::Timeouts, S::BlackHole, S::Stalled], &[S::NoAnswer, S::AcceptQueue]]
        }
        "loss_probe_share" => [&[S::TailLoss, S::Timeouts, S::Unneeded, S::BlackHole], &[]],
        "lost_retransmits" | "retransmit_failures" | "recovery_failures" => {
            [&[S::LostAgain, S::Timeouts, S::BlackHole, S::DeviceDrops], &[]]
        }
        "spurious_retransmits" | "undone_reductions" | "spurious_timeouts" => {
            [&[S::Unneeded, S::Reordered, S::Duplicated], &[]]
        }
        "reordering" => [&[S::Reordered], &[]],
        "out_of_order" => [&[S::Gaps], &[]],
        "resets_sent" => [&[], &[S::Resets, S::Unread, S::ConnectFails]],
        // The kernel counts SYNs of live connections among them: answers to SYNs that come twice.
        "bad_segments" => [&[S::BadSegments], &[S::AcceptQueue, S::NoAnswer, S::Duplicated]],
        "bad_checksums" => [&[S::BadSegments], &[]],
        // What is overtaken is older than what came before.
        "paws_rejected" => [&[], &[S::Reordered, S::Duplicated]],
        "syn_retransmits" | "failed_attempts" | "listen_overflows" | "listen_drops"
        | "syn_queue_full" | "syn_cookies" => [&[], BEGINS],
        "established_resets" | "abort_on_close" | "abort_on_data" => [&[], ENDS],
        "abort_on_timeout" => [&[S::Stalled, S::BlackHole], BEGINS],
        "own_zero_window" => [&[S::SlowReader, S::NotReading, S::OwnBuffer], &[]],
        // What waits for a missing segment takes room too.
        "pruning" | "receive_drops" => {
            [&[S::SlowReader, S::NotReading, S::OwnBuffer, S::Gaps], &[]]
        }
        "window_probes" => [&[S::PeerWindow, S::WindowClosed], &[]],
        _ => [&[], &[]],
    }
}
