//! What really happened in a scene, by its link, its programs and the kernel's own counters.

use std::time::Duration;

use super::programs::Account;
use crate::lab::{Side, Sums};

/// What happened while somebody looked.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// How long.
    pub time: Duration,
    /// What the link saw of what each side sent.
    pub sums: [Sums; 2],
    /// What the programs did.
    pub programs: Account,
    /// Timeouts, by the kernel's TCPTimeouts.
    pub timeouts: [u64; 2],
    /// Connections that found the accept queue full, by the kernel's ListenOverflows.
    pub queue_full: [u64; 2],
    /// Packets that each side's own device dropped.
    pub device_drops: [u64; 2],
    /// Packets that netem dropped, by tc(8), where it makes the path.
    pub dropped: Option<[u64; 2]>,
    /// How long the link's thread waited for a processor.
    pub unscheduled: Duration,
}

impl Observed {
    /// What the link saw of this side's packets.
    pub fn of(&self, side: Side) -> &Sums {
        &self.sums[side.index()]
    }

    /// Whether the link itself was too late for the scene to count: more than two packets of a
    /// hundred beyond the limit, or for more than a tenth of the time without a processor; or
    /// whether five seconds of looking took eight.
    pub fn is_disturbed(&self) -> bool {
        let [delivered, late] = self
            .sums
            .iter()
            .fold([0, 0], |[delivered, late], sums| [delivered + sums.delivered, late + sums.late]);
        late * 50 > delivered
            || self.unscheduled * 10 > self.time
            || self.time > Duration::from_secs(8)
    }

    /// On one line.
    pub fn shown(&self) -> String {
        format!(
            "client sent {}; server sent {}; {:?}; timeouts {:?}; accept queue full {:?}; device drops {:?}; netem dropped {:?}; unscheduled {:.0?} of {:.1?}",
            self.sums[0].shown(),
            self.sums[1].shown(),
            self.programs,
            self.timeouts,
            self.queue_full,
            self.device_drops,
            self.dropped,
            self.unscheduled,
            self.time,
        )
    }
}

/// The least share that is credible for `part` of `whole` events: the lower end of Wilson's
/// interval, one-sided, at 97.5 %.
pub fn at_least(part: u64, whole: u64) -> f64 {
    const Z: f64 = 1.96;
    if whole == 0 {
        return 0.0;
    }
    let n = whole as f64;
    let p = (part as f64 / n).min(1.0);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((p + Z * Z / (2.0 * n) - spread) / (1.0 + Z * Z / n)).max(0.0)
}
