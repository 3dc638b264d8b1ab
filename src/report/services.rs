//! The `services` document: services, and their parts in the host's counters.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Basis, Cost, Coverage, Document, Namespace, Polls, Quality};
use crate::attribution::{
    Attribution, Estimate, IntervalSum, KindRow, KindTable, Limited, Reconciliation,
    RetransmitKind, ServiceInterval, ServiceRow, ServiceTable, SocketSelection,
};
use crate::identity::{ServiceBasis, ServiceId, ServiceKey, ServiceRegistry};
use crate::model::Role;
use crate::procfs::Host;
use crate::recording::full_time;

/// The parts of a document besides its rows.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// [`Basis::Interval`], or [`Basis::WholeRun`] for the final summary.
    pub basis: Basis,
    /// End of the interval: RFC 3339, nanoseconds, UTC.
    pub captured_at: String,
    /// The host.
    pub host: &'a Host,
    /// The network namespace, if all rows have the same.
    pub netns: Option<Namespace>,
    /// The length of the interval or of the whole run.
    pub interval_s: Option<f64>,
    /// Counts of observed and missed connections.
    pub coverage: Coverage,
    /// How often counters and sockets were read.
    pub polls: Polls,
    /// What limits its reliability.
    pub quality: Quality,
    /// The cost of collecting it.
    pub cost: Cost,
}

impl<'a> Frame<'a> {
    /// For a namespace's part of an interval, or of the whole run; or for all namespaces together.
    pub fn new(
        interval: &ServiceInterval,
        host: &'a Host,
        netns: Option<&Namespace>,
        sum: &IntervalSum,
    ) -> Self {
        Self {
            basis: if interval.is_whole_run { Basis::WholeRun } else { Basis::Interval },
            captured_at: full_time(interval.captured_at),
            host,
            netns: netns.cloned(),
            interval_s: Some(interval.length.as_secs_f64()),
            coverage: sum.coverage,
            polls: interval.polls,
            quality: sum.quality.clone(),
            cost: Cost::new(interval.used, sum.dumped),
        }
    }
}

/// What services are sorted by; the largest come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceOrder {
    /// Payload received.
    In,
    /// Payload sent.
    Out,
    /// Connections that began.
    Opened,
    /// Segments that listeners discarded.
    Drops,
    /// Segments retransmitted.
    Retrans,
    /// The median round-trip time.
    Rtt,
}

impl ServiceOrder {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::In, Self::Out, Self::Opened, Self::Drops, Self::Retrans, Self::Rtt];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Opened => "opened",
            Self::Drops => "drops",
            Self::Retrans => "retrans",
            Self::Rtt => "rtt",
        }
    }

    /// Which services come first, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::In => "most bytes received first",
            Self::Out => "most bytes sent first",
            Self::Opened => "most connections opened first",
            Self::Drops => "most segments dropped by listeners first",
            Self::Retrans => "most retransmits first",
            Self::Rtt => "longest round-trip time first",
        }
    }

    fn of(self, row: &ServiceRow) -> Option<u64> {
        match self {
            Self::In => row.bytes_in(),
            Self::Out => row.bytes_out(),
            Self::Opened => Some(row.opened),
            Self::Drops => row.listen().map(|listen| listen.drops),
            Self::Retrans => Some(row.retrans_segs()),
            Self::Rtt => row.rtt.quantile(0.5),
        }
    }
}

/// The whole document, of an interval or of a whole run.
#[derive(Debug, serde::Serialize)]
pub struct Services<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// The period of growth.
    pub basis: Basis,
    /// The services: most retransmits first, then most segments, then most connections.
    pub services: Vec<ServiceEntry<'a>>,
    /// Every counter that grew, in the kernel's order.
    pub attribution: Vec<AttributionEntry<'a>>,
    /// Counts of observed and missed connections.
    pub coverage: Coverage,
    /// How often counters and sockets were read.
    pub polls: Polls,
    /// What limits its reliability.
    pub quality: Quality,
    /// The cost of collecting it.
    pub cost: Cost,
}

impl<'a> Services<'a> {
    /// Schema of an interval.
    pub const SCHEMA: &'static str = "tcpdiag.services/1";
    /// Schema of the summary over the whole run.
    pub const SUMMARY: &'static str = "tcpdiag.services.summary/1";
    /// Schema of a service's line.
    pub const ROW: &'static str = "tcpdiag.services.row/1";
    /// Schema of a counter's line.
    pub const ATTRIBUTION: &'static str = "tcpdiag.services.attribution/1";
    /// Schema of the last line of a sample.
    pub const END: &'static str = "tcpdiag.services.end/1";

    /// From the sums of one or many intervals. Leaves out services that `names` does not know;
    /// there are none if both come from the same run.
    pub fn new(
        frame: Frame<'a>,
        table: &'a ServiceTable,
        reconciliation: &'a Reconciliation,
        names: &'a ServiceRegistry,
    ) -> Self {
        let schema = if frame.basis == Basis::WholeRun { Self::SUMMARY } else { Self::SCHEMA };
        let attribution = reconciliation
            .counters
            .iter()
            .map(|attribution| AttributionEntry { attribution, names });
        Self {
            document: Document {
                schema,
                captured_at: frame.captured_at,
                host: frame.host,
                netns: frame.netns,
                interval_s: frame.interval_s,
            },
            basis: frame.basis,
            services: entries(table, &reconciliation.kinds, names),
            attribution: attribution.collect(),
            coverage: frame.coverage,
            polls: frame.polls,
            quality: frame.quality,
            cost: frame.cost,
        }
    }

    /// Puts the services with most of this first; those without it come last.
    pub fn sort(&mut self, order: ServiceOrder) {
        self.services
            .sort_by_key(|entry| (entry.is_not_selected(), std::cmp::Reverse(order.of(entry.row))));
    }

    /// A service or a counter as a line.
    pub fn line<'b, T>(&'b self, schema: &'static str, row: &'b T) -> ServicesLine<'b, T> {
        ServicesLine {
            schema,
            captured_at: &self.document.captured_at,
            netns: self.netns(),
            basis: self.basis,
            interval_s: self.document.interval_s,
            row,
        }
    }

    /// The last line.
    pub fn end(&self) -> ServicesEnd<'_> {
        ServicesEnd {
            shown: self.services.len(),
            coverage: self.coverage,
            polls: self.polls,
            quality: &self.quality,
            cost: self.cost,
        }
    }

    /// Inode of the namespace.
    pub fn netns(&self) -> Option<u64> {
        self.document.netns.as_ref().map(|netns| netns.inode)
    }
}

fn entries<'a>(
    table: &'a ServiceTable,
    kinds: &KindTable,
    names: &'a ServiceRegistry,
) -> Vec<ServiceEntry<'a>> {
    let entry = |(id, row): (ServiceId, &'a ServiceRow)| {
        Some(ServiceEntry { key: names.key(id)?, row, kinds: kinds_of(kinds, id, row) })
    };
    let mut services: Vec<_> = table.rows().filter_map(entry).collect();
    services.sort_by_cached_key(|entry| {
        let row = entry.row;
        let is_others = entry.is_not_selected();
        let segments = row.segs_in().unwrap_or(0) + row.segs_out().unwrap_or(0);
        let connections: u64 = row.connections().map(|(_, count)| count).sum();
        (is_others, std::cmp::Reverse((row.retrans_segs(), segments, connections)))
    });
    services
}

/// A service without retransmits has zeros. `None` if it has some but no row in the table.
fn kinds_of(kinds: &KindTable, service: ServiceId, row: &ServiceRow) -> Option<KindRow> {
    let found = kinds.services.binary_search_by_key(&service, |(id, _)| *id);
    let found = found.ok().and_then(|at| kinds.services.get(at)).map(|(_, kinds)| *kinds);
    found.or_else(|| (row.retrans_segs() == 0).then(KindRow::default))
}

/// A line of `-o jsonl`.
#[derive(Debug, serde::Serialize)]
pub struct ServicesLine<'a, T> {
    /// One of the schemas of [`Services`].
    pub schema: &'static str,
    /// Time of the sample.
    pub captured_at: &'a str,
    /// Inode of the namespace.
    pub netns: Option<u64>,
    /// The period of growth: distinguishes the summary's lines from those of intervals.
    pub basis: Basis,
    /// Its length in seconds.
    pub interval_s: Option<f64>,
    /// The row.
    #[serde(flatten)]
    pub row: &'a T,
}

/// The last line of a sample in `-o jsonl`.
#[derive(Debug, serde::Serialize)]
pub struct ServicesEnd<'a> {
    /// Services written.
    pub shown: usize,
    /// See [`Coverage`].
    pub coverage: Coverage,
    /// See [`Polls`].
    pub polls: Polls,
    /// See [`Quality`].
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
}

/// One service.
#[derive(Debug)]
pub struct ServiceEntry<'a> {
    /// Its name and kind.
    pub key: &'a ServiceKey,
    /// Its figures.
    pub row: &'a ServiceRow,
    /// Its retransmits by kind; `None` if it had some and the host does not count kinds.
    pub kinds: Option<KindRow>,
}

impl ServiceEntry<'_> {
    /// Whether it stands for the sockets that a filter does not select.
    fn is_not_selected(&self) -> bool {
        let ServiceKey { name, role, basis, .. } = self.key;
        &**name == SocketSelection::OTHERS && *role == Role::Unknown && *basis == ServiceBasis::Rule
    }
}

impl Serialize for ServiceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { key, row, kinds } = self;
        let mut map = serializer.serialize_map(None)?;
        naming(&mut map, key)?;
        map.serialize_entry("owner", &key.owner)?;
        map.serialize_entry("connections", &States(row))?;
        map.serialize_entry("opened", &row.opened)?;
        map.serialize_entry("closed", &row.closed)?;
        optional(&mut map, "bytes_in", row.bytes_in())?;
        optional(&mut map, "bytes_out", row.bytes_out())?;
        optional(&mut map, "segs_in", row.segs_in())?;
        optional(&mut map, "segs_out", row.segs_out())?;
        map.serialize_entry("retrans_segs", &row.retrans_segs())?;
        map.serialize_entry("retrans_ratio", &row.retrans_ratio())?;
        optional(&mut map, "retransmits_by_kind", kinds.as_ref().map(Kinds))?;
        map.serialize_entry("rtt_us", &Rtt::of(row))?;
        map.serialize_entry("limited", &row.limited().map(LimitedEntry::from))?;
        if let Some(listen) = row.listen() {
            map.serialize_entry(
                "listen",
                &ListenEntry {
                    accept_queue: listen.accept_queue,
                    accept_queue_max: listen.accept_queue_max,
                    drops: listen.drops,
                },
            )?;
        }
        map.end()
    }
}

fn naming<M: SerializeMap>(map: &mut M, key: &ServiceKey) -> Result<(), M::Error> {
    map.serialize_entry("service", &key.name)?;
    map.serialize_entry("role", key.role.name())?;
    map.serialize_entry("port", &key.port)?;
    map.serialize_entry("role_basis", key.role_basis.name())?;
    map.serialize_entry("service_basis", key.basis.name())
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &str,
    value: Option<T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

struct States<'a>(&'a ServiceRow);

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.connections().map(|(state, count)| (state.name(), count)))
    }
}

#[derive(serde::Serialize)]
struct Range {
    value: u64,
    low: u64,
    high: u64,
}

impl From<Estimate> for Range {
    fn from(Estimate { value, low, high }: Estimate) -> Self {
        Self { value, low, high }
    }
}

struct Kinds<'a>(&'a KindRow);

impl Serialize for Kinds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for kind in RetransmitKind::ALL {
            map.serialize_entry(kind.name(), &Range::from(self.0.kind(kind)))?;
        }
        // Not a kind: failed retransmits. With them, the kinds add up to retrans_segs.
        if self.0.failed.high > 0 {
            map.serialize_entry("failed", &Range::from(self.0.failed))?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Rtt {
    p50: u64,
    p90: u64,
    p99: u64,
    min: Option<u64>,
}

impl Rtt {
    fn of(row: &ServiceRow) -> Option<Self> {
        let quantile = |share| row.rtt.quantile(share);
        Some(Self {
            p50: quantile(0.5)?,
            p90: quantile(0.9)?,
            p99: quantile(0.99)?,
            min: row.min_rtt(),
        })
    }
}

#[derive(serde::Serialize)]
struct LimitedEntry {
    rwnd: f64,
    sndbuf: f64,
    busy: f64,
}

impl From<Limited> for LimitedEntry {
    fn from(Limited { rwnd, sndbuf, busy }: Limited) -> Self {
        Self { rwnd, sndbuf, busy }
    }
}

#[derive(serde::Serialize)]
struct ListenEntry {
    accept_queue: u64,
    accept_queue_max: u64,
    drops: u64,
}

/// One counter.
#[derive(Debug)]
pub struct AttributionEntry<'a> {
    /// Its growth, divided.
    pub attribution: &'a Attribution,
    names: &'a ServiceRegistry,
}

impl<'a> AttributionEntry<'a> {
    /// The services' parts, largest first, including those with a value of 0 whose upper bound is
    /// not 0.
    pub fn parts(&self) -> impl Iterator<Item = PartEntry<'a>> + use<'a> {
        let (attribution, names) = (self.attribution, self.names);
        attribution.by_service.iter().filter_map(move |part| {
            let share = share(part.estimate.value, attribution.delta);
            Some(PartEntry { key: names.key(part.service)?, estimate: part.estimate, share })
        })
    }

    /// The unattributed rest as a share of the growth.
    pub fn unattributed_share(&self) -> f64 {
        share(self.attribution.unattributed, self.attribution.delta)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Serialize for AttributionEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attribution = self.attribution;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("counter", &attribution.counter)?;
        map.serialize_entry("delta", &attribution.delta)?;
        if attribution.gauge {
            map.serialize_entry("gauge", &true)?;
        }
        map.serialize_entry("class", attribution.class.name())?;
        map.serialize_entry("skew", &attribution.skew)?;
        map.serialize_entry("attributed", &attribution.attributed)?;
        map.serialize_entry("unattributed", &attribution.unattributed)?;
        let reasons: Vec<&str> = attribution.reasons.iter().map(|reason| reason.code()).collect();
        map.serialize_entry("unattributed_reasons", &reasons)?;
        map.serialize_entry("by_service", &self.parts().collect::<Vec<_>>())?;
        map.end()
    }
}

/// A service's part in a counter.
#[derive(Debug, Clone, Copy)]
pub struct PartEntry<'a> {
    /// The service.
    pub key: &'a ServiceKey,
    /// How much of the growth belongs to it.
    pub estimate: Estimate,
    /// The same as a share of the growth.
    pub share: f64,
}

impl Serialize for PartEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Estimate { value, low, high } = self.estimate;
        let mut map = serializer.serialize_map(None)?;
        naming(&mut map, self.key)?;
        map.serialize_entry("value", &value)?;
        map.serialize_entry("low", &low)?;
        map.serialize_entry("high", &high)?;
        map.serialize_entry("share", &self.share)?;
        map.end()
    }
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
