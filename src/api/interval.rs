//! What services did in an interval.

use std::time::{Duration, SystemTime};

use super::row::SocketRow;
use crate::attribution::{
    Attribution, Class, Coverage, IntervalSum, Listen, Reason, ServiceRow as Account,
};
use crate::identity::{ServiceBasis, ServiceKey, ServiceRegistry};
use crate::model::{Role, RoleBasis};
use crate::monitor::Quality;

/// A service's accept queues, summed over its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptQueues {
    /// Connections that wait for `accept()` at the end of the interval.
    pub waiting: u64,
    /// The sum of the queues' limits (`sk_max_ack_backlog`).
    pub limit: u64,
    /// Segments that the listeners dropped in the interval (`sk_drops`): SYNs and ACKs that found a
    /// full queue, and every other discard.
    pub drops: u64,
}

/// What one service did in an interval.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceRow {
    /// Its name: `nginx` for the connections that nginx serves, `→ mysql:3306` for those that this
    /// host opened to MySQL. Parts of it may be chosen by processes. The same as
    /// [`SocketRow::service`] of its sockets.
    pub name: String,
    /// The name with the port: `nginx:443`. One program may listen at several ports, and each of
    /// these is a service.
    pub label: String,
    /// Whether its connections are a server's or a client's.
    pub role: Role,
    /// What the role rests on: the weakest evidence of its connections.
    pub role_basis: RoleBasis,
    /// The server's port, if there is only one.
    pub port: Option<u16>,
    /// What the name rests on: the weakest evidence of its connections.
    pub basis: ServiceBasis,
    /// Segments that were sent again, SYNs and SYN-ACKs included (growth of `tcpi_total_retrans`,
    /// and repeats of half-open connections).
    pub retransmits: u64,
    /// Segments sent, including those that were sent again (`tcpi_segs_out`, Linux 4.2).
    pub segments_out: Option<u64>,
    /// Segments received (`tcpi_segs_in`, Linux 4.2).
    pub segments_in: Option<u64>,
    /// Payload sent, including what was sent again (`tcpi_bytes_sent`, Linux 4.19); before 4.19,
    /// payload that was acknowledged (`tcpi_bytes_acked`).
    pub bytes_out: Option<u64>,
    /// Payload received in order (`tcpi_bytes_received`).
    pub bytes_in: Option<u64>,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Connections in ESTABLISHED and CLOSE-WAIT at the end, as `TcpCurrEstab` counts them.
    pub established: u64,
    /// The median of its connections' smoothed round-trip times (`tcpi_rtt`) at the end, within
    /// 4.5 %.
    pub median_rtt: Option<Duration>,
    /// The shortest round-trip time of its connections (`tcpi_min_rtt`).
    pub min_rtt: Option<Duration>,
    /// Its accept queues, if it listens.
    pub accept_queues: Option<AcceptQueues>,
}

/// One service's part in the growth of a counter. The truth lies between `low` and `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterPart {
    /// The service, as in [`ServiceRow::label`].
    pub service: String,
    /// The best estimate.
    pub value: u64,
    /// Not less than this.
    pub low: u64,
    /// Not more than this.
    pub high: u64,
}

/// A counter of the host (/proc/net/snmp, /proc/net/netstat) that grew in an interval, divided
/// among services. The values of `parts` and `unattributed` add up to `growth`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CounterRow {
    /// Its name in the spelling of nstat: `TcpRetransSegs`, `TcpExtTCPTimeouts`, ...
    pub name: String,
    /// How reliable the division is.
    pub class: Class,
    /// What it grew by. `TcpCurrEstab` does not count events: its level at the end.
    pub growth: u64,
    /// How much of the growth may belong to the intervals before and after: counters and sockets
    /// cannot be read at the same moment.
    pub skew: u64,
    /// The services, the largest part first.
    pub parts: Vec<CounterPart>,
    /// The rest, which belongs to no service.
    pub unattributed: u64,
    /// Why there is a rest.
    pub reasons: Vec<Reason>,
}

/// What happened between two polls, in all network namespaces of a monitor together.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Interval {
    /// When the poll at its end was begun, by the wall clock of the host.
    pub ended_at: SystemTime,
    /// Its length, by the monotonic clock.
    pub length: Duration,
    /// Services with any connection or activity: the most retransmits first, then the most
    /// segments.
    pub services: Vec<ServiceRow>,
    /// The TCP counters that grew, in the kernel's order.
    pub counters: Vec<CounterRow>,
    /// How many of the connections that came and went were seen.
    pub coverage: Coverage,
    /// What could not be read, and other limits of these figures.
    pub quality: Quality,
    /// The sockets at the end, if [`MonitorOptions::rows`](crate::MonitorOptions::rows) asked for
    /// them.
    pub rows: Vec<SocketRow>,
}

impl Interval {
    /// Names the services of a sum.
    pub(super) fn new(
        ended_at: SystemTime,
        length: Duration,
        sum: IntervalSum,
        registry: &ServiceRegistry,
    ) -> Self {
        let named = sum.table.rows().filter_map(|(id, row)| Some((registry.key(id)?, row)));
        let mut services: Vec<_> = named.map(|(key, row)| service(key, row)).collect();
        services.sort_by_key(|row| {
            let segments = row.segments_in.unwrap_or(0) + row.segments_out.unwrap_or(0);
            std::cmp::Reverse((row.retransmits, segments, row.established))
        });
        let counters = sum.counters.total().counters;
        let counters = counters.into_iter().map(|counter| divided(counter, registry)).collect();
        let (coverage, quality) = (sum.coverage, sum.quality);
        Self { ended_at, length, services, counters, coverage, quality, rows: Vec::new() }
    }

    /// The counter of this name, in the spelling of nstat. `None` if it did not grow or this kernel
    /// does not have it.
    pub fn counter(&self, name: &str) -> Option<&CounterRow> {
        self.counters.iter().find(|counter| counter.name == name)
    }
}

fn service(key: &ServiceKey, row: &Account) -> ServiceRow {
    let queues = |Listen { accept_queue, accept_queue_max, drops }| AcceptQueues {
        waiting: accept_queue,
        limit: accept_queue_max,
        drops,
    };
    ServiceRow {
        name: key.name.to_string(),
        label: key.label().into_owned(),
        role: key.role,
        role_basis: key.role_basis,
        port: key.port,
        basis: key.basis,
        retransmits: row.retrans_segs(),
        segments_out: row.segs_out(),
        segments_in: row.segs_in(),
        bytes_out: row.bytes_out(),
        bytes_in: row.bytes_in(),
        opened: row.opened,
        closed: row.closed,
        established: row.established(),
        median_rtt: row.rtt.quantile(0.5).map(Duration::from_micros),
        min_rtt: row.min_rtt().map(Duration::from_micros),
        accept_queues: row.listen().map(queues),
    }
}

fn divided(counter: Attribution, registry: &ServiceRegistry) -> CounterRow {
    let parts = counter.by_service.iter().filter_map(|part| {
        Some(CounterPart {
            service: registry.key(part.service)?.label().into_owned(),
            value: part.estimate.value,
            low: part.estimate.low,
            high: part.estimate.high,
        })
    });
    CounterRow {
        parts: parts.collect(),
        name: counter.counter.into(),
        class: counter.class,
        growth: counter.delta,
        skew: counter.skew,
        unattributed: counter.unattributed,
        reasons: counter.reasons,
    }
}
