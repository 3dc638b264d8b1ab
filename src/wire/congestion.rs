//! Internal values that some congestion controls report
//! (`union tcp_cc_info`, include/uapi/linux/inet_diag.h).

use super::bytes::{u16_at, u32_at};

/// `struct tcpvegas_info`: vegas, and others that reuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vegas {
    /// Whether the algorithm is active.
    pub enabled: u32,
    /// Round trips measured in the current window.
    pub rtt_count: u32,
    /// Last round-trip time, microseconds.
    pub rtt_us: u32,
    /// Smallest round-trip time, microseconds.
    pub min_rtt_us: u32,
}

impl Vegas {
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        Some(Self {
            enabled: u32_at(payload, 0)?,
            rtt_count: u32_at(payload, 4)?,
            rtt_us: u32_at(payload, 8)?,
            min_rtt_us: u32_at(payload, 12)?,
        })
    }
}

/// `struct tcp_dctcp_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dctcp {
    /// Whether ECN was negotiated, so that DCTCP is active.
    pub enabled: u16,
    /// Whether the last segment carried a congestion mark.
    pub ce_state: u16,
    /// Estimate of the marked share, 1024 for all.
    pub alpha: u32,
    /// Bytes acknowledged with an echoed mark in the current window.
    pub ab_ecn: u32,
    /// Bytes acknowledged in the current window.
    pub ab_tot: u32,
}

impl Dctcp {
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        Some(Self {
            enabled: u16_at(payload, 0)?,
            ce_state: u16_at(payload, 2)?,
            alpha: u32_at(payload, 4)?,
            ab_ecn: u32_at(payload, 8)?,
            ab_tot: u32_at(payload, 12)?,
        })
    }
}

/// `struct tcp_bbr_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bbr {
    /// Estimated bottleneck bandwidth, bytes per second.
    pub bandwidth: u64,
    /// Smallest round-trip time in the model's window, microseconds.
    pub min_rtt_us: u32,
    /// Pacing gain, in 1/256.
    pub pacing_gain: u32,
    /// Congestion window gain, in 1/256.
    pub cwnd_gain: u32,
}

impl Bbr {
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        Some(Self {
            bandwidth: u64::from(u32_at(payload, 0)?) | u64::from(u32_at(payload, 4)?) << 32,
            min_rtt_us: u32_at(payload, 8)?,
            pacing_gain: u32_at(payload, 12)?,
            cwnd_gain: u32_at(payload, 16)?,
        })
    }
}
