//! The `services` document: services, and their parts in the host's counters.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Basis, Cost, Coverage, Document, Namespace, Polls, Quality};
use crate::attribution::{
    Attribution, Classifier, Estimate, KindRow, KindTable, Limited, Reconciliation, RetransmitKind,
    ServiceId, ServiceKey, ServiceRow, ServiceTable,
};
use crate::procfs::Host;

/// What a document says besides its rows.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// [`Basis::Interval`], or [`Basis::WholeRun`] for the closing summary.
    pub basis: Basis,
    /// RFC 3339, nanoseconds, UTC: when the interval ended.
    pub captured_at: String,
    /// The host.
    pub host: &'a Host,
    /// The network namespace, when there is one for all rows.
    pub netns: Option<Namespace>,
    /// How long the interval, or the whole run, was.
    pub interval_s: Option<f64>,
    /// How much of what happened was seen.
    pub coverage: Coverage,
    /// How often was looked.
    pub polls: Polls,
    /// What to know before trusting it.
    pub quality: Quality,
    /// What it cost.
    pub cost: Cost,
}

/// The whole document, of an interval or of a whole run.
#[derive(Debug, serde::Serialize)]
pub struct Services<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// What growth is about.
    pub basis: Basis,
    /// The services: most retransmits first, then most segments, then most connections.
    pub services: Vec<ServiceEntry<'a>>,
    /// Every counter that grew, in the kernel's order.
    pub attribution: Vec<AttributionEntry<'a>>,
    /// How much of what happened was seen.
    pub coverage: Coverage,
    /// How often was looked.
    pub polls: Polls,
    /// What to know before trusting it.
    pub quality: Quality,
    /// What it cost.
    pub cost: Cost,
}

impl<'a> Services<'a> {
    /// Schema of an interval.
    pub const SCHEMA: &'static str = "tcpdiag.services/1";
    /// Schema of the summary over the whole run.
    pub const SUMMARY: &'static str = "tcpdiag.services.summary/1";
    /// Schema of a service on a line of its own.
    pub const ROW: &'static str = "tcpdiag.services.row/1";
    /// Schema of a counter on a line of its own.
    pub const ATTRIBUTION: &'static str = "tcpdiag.services.attribution/1";
    /// Schema of the line that ends a sample.
    pub const END: &'static str = "tcpdiag.services.end/1";

    /// From what an interval, or many, came to. A service that `names` does not know is left
    /// out; there is none where both come from the same run.
    pub fn new(
        frame: Frame<'a>,
        table: &'a ServiceTable,
        reconciliation: &'a Reconciliation,
        names: &'a Classifier,
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

    /// A service or a counter on a line of its own.
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

    /// What the line after all others says.
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
    names: &'a Classifier,
) -> Vec<ServiceEntry<'a>> {
    let entry = |(id, row): (ServiceId, &'a ServiceRow)| {
        Some(ServiceEntry { key: names.key(id)?, row, kinds: kinds_of(kinds, id, row) })
    };
    let mut services: Vec<_> = table.rows().filter_map(entry).collect();
    services.sort_by_cached_key(|entry| {
        let row = entry.row;
        let segments = row.segs_in().unwrap_or(0) + row.segs_out().unwrap_or(0);
        let connections: u64 = row.connections().map(|(_, count)| count).sum();
        std::cmp::Reverse((row.retrans_segs(), segments, connections))
    });
    services
}

/// What repeated nothing has zeros; what did and is not in the table is not told apart here.
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
    /// When.
    pub captured_at: &'a str,
    /// Inode of the namespace.
    pub netns: Option<u64>,
    /// What growth is about: tells the summary's lines from those of intervals.
    pub basis: Basis,
    /// How long that is.
    pub interval_s: Option<f64>,
    /// What.
    #[serde(flatten)]
    pub row: &'a T,
}

/// What the last line of a sample in `-o jsonl` says.
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
    /// What it is.
    pub key: &'a ServiceKey,
    /// What its connections did.
    pub row: &'a ServiceRow,
    /// Its retransmits by kind; `None` where it had some and the host does not count them.
    pub kinds: Option<KindRow>,
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
    map.serialize_entry("port", &key.port)
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
        // Not a kind of its own: what could not be sent. With it the kinds come to retrans_segs.
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
    names: &'a Classifier,
}

impl<'a> AttributionEntry<'a> {
    /// The services' parts, largest first. Those that had none and can have had any are among
    /// them.
    pub fn parts(&self) -> impl Iterator<Item = PartEntry<'a>> + use<'a> {
        let (attribution, names) = (self.attribution, self.names);
        attribution.by_service.iter().filter_map(move |part| {
            let share = share(part.estimate.value, attribution.delta);
            Some(PartEntry { key: names.key(part.service)?, estimate: part.estimate, share })
        })
    }

    /// What no service had, as a share of the growth.
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
    /// How much of the growth is its own.
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
