//! The `services` document: services, and their parts in the host's counters.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::attribute::{
    Attribution, Classifier, Estimate, KindRow, KindTable, Limited, Reconciliation, RetransmitKind,
    ServiceId, ServiceKey, ServiceRow, ServiceTable,
};

/// What stands after the envelope in `tcpdiag.services/1`.
#[derive(Debug, serde::Serialize)]
pub struct Services<'a> {
    /// The services, by number.
    pub services: Vec<ServiceEntry<'a>>,
    /// Every counter that grew.
    pub attribution: Vec<AttributionEntry<'a>>,
}

impl<'a> Services<'a> {
    /// The document's schema.
    pub const SCHEMA: &'static str = "tcpdiag.services/1";

    /// From what an interval, or many, came to. A service that `names` does not know is left
    /// out; there is none where both come from the same run.
    pub fn new(
        table: &'a ServiceTable,
        reconciliation: &'a Reconciliation,
        names: &'a Classifier,
    ) -> Self {
        let services = table.rows().filter_map(|(id, row)| {
            let kinds = kinds_of(&reconciliation.kinds, id);
            Some(ServiceEntry { key: names.key(id)?, row, kinds })
        });
        let attribution = reconciliation
            .counters
            .iter()
            .map(|attribution| AttributionEntry { attribution, names });
        Self { services: services.collect(), attribution: attribution.collect() }
    }
}

fn kinds_of(kinds: &KindTable, service: ServiceId) -> KindRow {
    let found = kinds.services.binary_search_by_key(&service, |(id, _)| *id);
    found.ok().and_then(|at| kinds.services.get(at)).map_or_else(KindRow::default, |(_, row)| *row)
}

/// One service.
#[derive(Debug)]
pub struct ServiceEntry<'a> {
    /// What it is.
    pub key: &'a ServiceKey,
    /// What its connections did.
    pub row: &'a ServiceRow,
    /// Its retransmits.
    pub kinds: KindRow,
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
        map.serialize_entry("retransmits_by_kind", &Kinds(kinds))?;
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
        let parts = attribution.by_service.iter().filter_map(|part| {
            Some(PartEntry {
                key: self.names.key(part.service)?,
                estimate: part.estimate,
                delta: attribution.delta,
            })
        });
        map.serialize_entry("by_service", &parts.collect::<Vec<_>>())?;
        map.end()
    }
}

struct PartEntry<'a> {
    key: &'a ServiceKey,
    estimate: Estimate,
    delta: u64,
}

impl Serialize for PartEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Estimate { value, low, high } = self.estimate;
        let mut map = serializer.serialize_map(None)?;
        naming(&mut map, self.key)?;
        map.serialize_entry("value", &value)?;
        map.serialize_entry("low", &low)?;
        map.serialize_entry("high", &high)?;
        map.serialize_entry("share", &(value as f64 / self.delta.max(1) as f64))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::attribute::testing::Slot;
    use crate::attribute::testing::{Host, Sketch, server_facts};
    use crate::attribute::{Classifier, Grouping, Interval, ListenerDrops, Rules, reconcile};
    use crate::model::example::socket;
    use crate::model::{Role, Socket, State};
    use crate::source::PortNames;

    #[test]
    fn the_document() {
        let names = PortNames::parse("");
        let mut classifier = Classifier::new(Rules::default(), Grouping::Service, names);
        let id = classifier.classify(&server_facts("10.0.0.1:2181", "java"));
        let work = Sketch::new(id.0, Role::Server)
            .grew(Slot::TotalRetrans, 3)
            .grew(Slot::TotalRto, 1)
            .grew(Slot::SegsOut, 60)
            .grew(Slot::BytesSent, 9000)
            .work();
        let mut table = ServiceTable::new();
        table.begin_poll();
        table.see(id, &socket());
        table
            .see(id, &Socket { state: State::Listen, receive_queue: 1, send_queue: 8, ..socket() });
        table.enter(&work);
        table.add_drops(&ListenerDrops { service: id, drops: 2 });
        let host = Host::grown(&[
            ("TcpRetransSegs", 4),
            ("TcpExtTCPFastRetrans", 2),
            ("TcpExtTCPSlowStartRetrans", 0),
            ("TcpExtTCPSynRetrans", 1),
            ("TcpExtTCPTimeouts", 2),
            ("TcpExtTCPLossProbes", 0),
        ]);
        let works = [work];
        let reconciliation = reconcile(&Interval { ..host.interval(&works) });
        let document = Services::new(&table, &reconciliation, &classifier);
        let document: Value = serde_json::to_value(&document).unwrap();
        let range = |value: u64| json!({"value": value, "low": value, "high": value});
        assert_eq!(
            document["services"][0],
            json!({
                "service": "java", "role": "server", "port": 2181, "owner": "java",
                "connections": {"established": 1}, "opened": 0, "closed": 0,
                "bytes_in": 0, "bytes_out": 9000, "segs_in": 0, "segs_out": 60,
                "retrans_segs": 3, "retrans_ratio": 0.05,
                "retransmits_by_kind": {"fast": range(2), "slow_start": range(0),
                    "rto": range(1), "probe": range(0), "syn": range(0)},
                "rtt_us": {"p50": 60000, "p90": 60000, "p99": 60000, "min": 60000},
                "limited": null,
                "listen": {"accept_queue": 1, "accept_queue_max": 8, "drops": 2},
            })
        );
        let retransmits = document["attribution"].as_array().unwrap().iter();
        let retransmits = retransmits.filter(|entry| entry["counter"] == "TcpRetransSegs");
        assert_eq!(
            retransmits.collect::<Vec<_>>(),
            [&json!({
                "counter": "TcpRetransSegs", "delta": 4, "class": "exact", "skew": 0,
                "attributed": 3, "unattributed": 1,
                "unattributed_reasons": ["half_open", "cleared"],
                "by_service": [{"service": "java", "role": "server", "port": 2181,
                    "value": 3, "low": 3, "high": 4, "share": 0.75}],
            })]
        );
    }
}
