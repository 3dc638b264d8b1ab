//! Services and their parts as CSV, in base units. Unknown values are empty cells.

use std::io::{self, Write};

use super::safe;
use crate::attribution::{Estimate, KindRow, RetransmitKind};
use crate::model::State;
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
pub fn services_csv(out: &mut impl Write, services: &Services<'_>, header: bool) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    if header {
        let kinds = RetransmitKind::ALL.map(RetransmitKind::name).into_iter();
        let kinds = kinds.flat_map(|kind| ["", "_low", "_high"].map(|end| format!("{kind}{end}")));
        let titles = BEFORE_KINDS.into_iter().map(str::to_owned).chain(kinds);
        writer.write_record(titles.chain(AFTER_KINDS.map(str::to_owned)))?;
    }
    for entry in &services.services {
        let mut cells = before_kinds(services, entry);
        cells.extend(kinds(entry.kinds.as_ref()));
        cells.extend(after_kinds(entry));
        writer.write_record(cells)?;
    }
    writer.flush()
}

/// Writes a row for each counter and service, and one without a service for the unattributed rest;
/// after a header line if `header` is true.
///
/// # Errors
/// Errors of the writer.
pub fn attribution_csv(
    out: &mut impl Write,
    services: &Services<'_>,
    header: bool,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    if header {
        writer.write_record(ATTRIBUTION)?;
    }
    for entry in &services.attribution {
        for part in entry.parts() {
            let (key, estimate) = (part.key, part.estimate);
            let mut cells = counter(services, entry);
            cells.extend([safe(&key.name), key.role.name().to_owned(), cell(key.port)]);
            cells.extend(
                [estimate.value, estimate.low, estimate.high].map(|value| value.to_string()),
            );
            cells.push(part.share.to_string());
            writer.write_record(cells)?;
        }
        if entry.attribution.unattributed > 0 {
            let mut cells = counter(services, entry);
            let (value, share) = (entry.attribution.unattributed, entry.unattributed_share());
            let none = String::new;
            cells.extend([none(), none(), none(), value.to_string(), none(), none()]);
            cells.push(share.to_string());
            writer.write_record(cells)?;
        }
    }
    writer.flush()
}

fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn moment(services: &Services<'_>) -> [String; 2] {
    [services.document.captured_at.clone(), cell(services.netns())]
}

fn counter(services: &Services<'_>, entry: &AttributionEntry<'_>) -> Vec<String> {
    let attribution = entry.attribution;
    let mut cells = moment(services).to_vec();
    // Normally the kernel's names, but a recording may contain anything.
    cells.extend([safe(&attribution.counter), attribution.delta.to_string()]);
    cells.push(attribution.class.name().to_owned());
    cells
}

fn before_kinds(services: &Services<'_>, entry: &ServiceEntry<'_>) -> Vec<String> {
    let (key, row) = (entry.key, entry.row);
    let mut cells = moment(services).to_vec();
    cells.extend([safe(&key.name), key.role.name().to_owned(), cell(key.port)]);
    cells.push(key.owner.as_deref().map_or_else(String::new, safe));
    let connections: u64 = row.connections().map(|(_, count)| count).sum();
    let established = row.connections().find(|(state, _)| *state == State::Established);
    let established = established.map_or(0, |(_, count)| count);
    let counts = [established, connections, row.opened, row.closed];
    cells.extend(counts.map(|count| count.to_string()));
    cells.push(cell(services.document.interval_s));
    cells.extend([row.bytes_in(), row.bytes_out(), row.segs_in(), row.segs_out()].map(cell));
    cells.extend([row.retrans_segs().to_string(), cell(row.retrans_ratio())]);
    cells
}

fn kinds(kinds: Option<&KindRow>) -> Vec<String> {
    let estimates = RetransmitKind::ALL.map(|kind| kinds.map(|kinds| kinds.kind(kind)));
    let three = |estimate: Option<Estimate>| {
        [estimate.map(|it| it.value), estimate.map(|it| it.low), estimate.map(|it| it.high)]
    };
    estimates.into_iter().flat_map(three).map(cell).collect()
}

fn after_kinds(entry: &ServiceEntry<'_>) -> Vec<String> {
    let row = entry.row;
    let quantiles = [0.5, 0.9, 0.99].map(|share| cell(row.rtt.quantile(share)));
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
    cells.push(cell(row.min_rtt()));
    cells.extend(limited.map(cell));
    cells.extend(listen.map(cell));
    cells
}
