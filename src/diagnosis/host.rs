//! What the host did while it was watched.

use crate::counters::{Amount, CounterWidth, Delta, Device, Judgement, Kind, Ratio, Verdict};
use crate::monitor::HostReading;

/// What a host did from the first reading to the last.
#[derive(Debug, Clone)]
pub struct HostHistory {
    width: CounterWidth,
    elapsed_ms: u64,
    first: Option<HostReading>,
    last: HostReading,
    /// Every ratio of `stats` over the watched time.
    pub judgements: Vec<(&'static Ratio, Judgement)>,
    /// The ports of all listeners of the namespace; `None` if a filter may have left some out.
    pub listening_ports: Option<Vec<u16>>,
}

impl HostHistory {
    /// A history without readings.
    pub fn new(width: CounterWidth) -> Self {
        Self {
            width,
            elapsed_ms: 0,
            first: None,
            last: HostReading::default(),
            judgements: Vec::new(),
            listening_ports: None,
        }
    }

    /// Takes a reading. Growth counts from the first one.
    pub(super) fn read(&mut self, reading: HostReading, elapsed_ms: u64) {
        match &self.first {
            None => self.first = Some(reading.clone()),
            Some(_) => self.elapsed_ms = elapsed_ms,
        }
        self.last = reading;
    }

    /// The growth of a counter; `None` if the kernel does not have it, if it could not be read, or if
    /// it fell.
    pub fn growth(&self, name: &str) -> Option<u64> {
        match self.amount(name) {
            Amount::Events(events) => Some(events),
            Amount::Absent | Amount::Broken | Amount::Wrapped | Amount::Unread => None,
        }
    }

    /// The growth of a counter as ratios take it.
    pub(super) fn amount(&self, name: &str) -> Amount {
        if name == Ratio::ELAPSED_MS {
            return Amount::Events(self.elapsed_ms);
        }
        let first = self.first.as_ref().map(|first| &first.counters);
        let before = first.and_then(|first| first.get(name));
        let (Some(before), Some(now)) = (before, self.last.counters.get(name)) else {
            let is_unread =
                self.last.counters.is_unread(name) || first.is_some_and(|it| it.is_unread(name));
            return if is_unread { Amount::Unread } else { Amount::Absent };
        };
        match Delta::between(Kind::of(name), self.width.of_counter(name), before, now) {
            Delta::Grew(growth) | Delta::Wrapped(growth) => Amount::Events(growth),
            Delta::Backwards => Amount::Broken,
            Delta::Level { .. } => Amount::Absent,
        }
    }

    /// The verdict of `stats` on a ratio over the watched time; `None` before it is judged.
    pub fn verdict(&self, ratio: &str) -> Option<Verdict> {
        let judged = self.judgements.iter().find(|(judged, _)| judged.id == ratio);
        judged.map(|(_, judgement)| judgement.verdict)
    }

    /// A level at the last reading.
    pub fn level(&self, name: &str) -> Option<u64> {
        self.last.counters.get(name).and_then(|level| u64::try_from(level).ok())
    }

    /// Growth of a column of softnet_stat over all processors.
    pub fn softnet(&self, column: &str) -> Option<u64> {
        let before = self.first.as_ref()?.softnet.as_ref()?;
        self.last.softnet.as_ref()?.growth(before, column)
    }

    /// The devices at the first and at the last reading.
    pub fn devices(&self) -> impl Iterator<Item = (&Device, &Device)> {
        let before = self.first.iter().flat_map(|first| &first.devices);
        before.filter_map(|device| {
            let now = self.last.devices.iter().find(|now| now.name == device.name)?;
            Some((device, now))
        })
    }

    /// Tracked connections and their limit.
    pub fn conntrack(&self) -> Option<(u64, u64)> {
        self.last.conntrack
    }

    /// Segments retransmitted by fast retransmission, and loss probes; `None` if one of the counters
    /// is not known.
    pub fn fast_and_probes(&self) -> Option<[u64; 2]> {
        let fast = self.growth("TcpExtTCPFastRetrans")?;
        let slow_start = self.growth("TcpExtTCPSlowStartRetrans").or_else(|| {
            let is_absent = self.amount("TcpExtTCPSlowStartRetrans") == Amount::Absent;
            is_absent.then_some(0)
        })?;
        Some([fast + slow_start, self.growth("TcpExtTCPLossProbes")?])
    }
}
