//! Services and their parts as CSV, in base units. Unknown values are empty cells.

use std::io::{self, Write};

use crate::attribution::{Estimate, KindRow, RetransmitKind};
use crate::model::State;
use crate::output::{OutputWriter, RowCell, Rows};
use crate::report::{AttributionEntry, ServiceEntry, Services};

const BEFORE_KINDS: [&str; 17] = [
    "time",
    "netns",
    "service",
    "role",
    "port",
    "owner",
    "established",
    "connections",
    "opened",
    "closed",
    "interval_s",
    "bytes_in",
    "bytes_out",
    "segs_in",
    "segs_out",
    "retrans_segs",
    "retrans_ratio",
];

const AFTER_KINDS: [&str; 10] = [
    "rtt_p50_us",
    "rtt_p90_us",
    "rtt_p99_us",
    "rtt_min_us",
    "limited_rwnd",
    "limited_sndbuf",
    "limited_busy",
    "accept_queue",
    "accept_queue_max",
    "drops",
];

const ATTRIBUTION: [&str; 12] = [
    "time", "netns", "counter", "delta", "class", "service", "role", "port", "value", "low",
    "high", "share",
];

/// Writes a row for each service, after a header line if `header` is true.
///
/// # Errors
/// Errors of the writer.
pub fn services_csv(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    header: bool,
) -> io::Result<()> {
    let mut rows = Rows::begin(out, None)?;
    if header {
        let kinds = RetransmitKind::ALL.map(RetransmitKind::name).into_iter();
        let kinds = kinds.flat_map(|kind| ["", "_low", "_high"].map(|end| format!("{kind}{end}")));
        let kinds: Vec<String> = kinds.collect();
        let kinds = kinds.iter().map(String::as_str);
        rows.titles(BEFORE_KINDS.into_iter().chain(kinds).chain(AFTER_KINDS))?;
    }
    for entry in &services.services {
        let mut cells = before_kinds(services, entry);
        cells.extend(kinds(entry.kinds.as_ref()));
        cells.extend(after_kinds(entry));
        rows.row(cells)?;
    }
    rows.flush()
}

/// Writes a row for each counter and service, and one without a service for the unattributed rest;
/// after a header line if `header` is true.
///
/// # Errors
/// Errors of the writer.
pub fn attribution_csv(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    header: bool,
) -> io::Result<()> {
    const NONE: RowCell<'_> = RowCell::Empty;
    let mut rows = Rows::begin(out, header.then_some(&ATTRIBUTION))?;
    for entry in &services.attribution {
        for part in entry.parts() {
            let (key, estimate) = (part.key, part.estimate);
            let mut cells = counter(services, entry);
            cells.extend([(&*key.name).into(), key.role.name().into(), key.port.into()]);
            cells.extend([estimate.value, estimate.low, estimate.high].map(RowCell::from));
            cells.push(part.share.into());
            rows.row(cells)?;
        }
        if entry.attribution.unattributed > 0 {
            let mut cells = counter(services, entry);
            let (value, share) = (entry.attribution.unattributed, entry.unattributed_share());
            cells.extend([NONE, NONE, NONE, value.into(), NONE, NONE, share.into()]);
            rows.row(cells)?;
        }
    }
    rows.flush()
}

fn moment<'a>(services: &'a Services<'_>) -> [RowCell<'a>; 2] {
    [(&*services.document.captured_at).into(), services.netns().into()]
}

fn counter<'a>(services: &'a Services<'_>, entry: &'a AttributionEntry<'_>) -> Vec<RowCell<'a>> {
    let attribution = entry.attribution;
    let mut cells = moment(services).to_vec();
    cells.extend([
        (&*attribution.counter).into(),
        attribution.delta.into(),
        attribution.class.name().into(),
    ]);
    cells
}

fn before_kinds<'a>(services: &'a Services<'_>, entry: &'a ServiceEntry<'_>) -> Vec<RowCell<'a>> {
    let (key, row) = (entry.key, entry.row);
    let mut cells = moment(services).to_vec();
    cells.extend([(&*key.name).into(), key.role.name().into(), key.port.into()]);
    cells.push(key.owner.as_deref().into());
    let connections: u64 = row.connections().map(|(_, count)| count).sum();
    let established = row.connections().find(|(state, _)| *state == State::Established);
    let established = established.map_or(0, |(_, count)| count);
    let counts = [established, connections, row.opened, row.closed];
    cells.extend(counts.map(RowCell::from));
    cells.push(services.document.interval_s.into());
    cells.extend([row.bytes_in(), row.bytes_out(), row.segs_in(), row.segs_out()].map(Into::into));
    cells.extend([row.retrans_segs().into(), row.retrans_ratio().into()]);
    cells
}

fn kinds(kinds: Option<&KindRow>) -> Vec<RowCell<'static>> {
    let estimates = RetransmitKind::ALL.map(|kind| kinds.map(|kinds| kinds.kind(kind)));
    let three = |estimate: Option<Estimate>| {
        [estimate.map(|it| it.value), estimate.map(|it| it.low), estimate.map(|it| it.high)]
    };
    estimates.into_iter().flat_map(three).map(RowCell::from).collect()
}

fn after_kinds(entry: &ServiceEntry<'_>) -> Vec<RowCell<'static>> {
    let row = entry.row;
    let quantiles = [0.5, 0.9, 0.99].map(|share| row.rtt.quantile(share).into());
    let limited = row.limited();
    let limited = [
        limited.map(|limited| limited.rwnd),
        limited.map(|limited| limited.sndbuf),
        limited.map(|limited| limited.busy),
    ];
    let listen = row.listen();
    let listen = [
        listen.map(|listen| listen.accept_queue),
        listen.map(|listen| listen.accept_queue_max),
        listen.map(|listen| listen.drops),
    ];
    let mut cells = quantiles.to_vec();
    cells.push(row.min_rtt().into());
    cells.extend(limited.map(RowCell::from));
    cells.extend(listen.map(RowCell::from));
    cells
}
