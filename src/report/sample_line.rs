//! All that a selection of connections did in one interval, as one line.

use std::rc::Rc;

use super::{Change, Connection, Quality, RowSink};
use crate::attribution::{Histogram, ServiceRow};
use crate::counters::Counters;
use crate::model::fields::{self, tcp_info as t};
use crate::model::{Field, Socket};
use crate::monitor::Namespace;
use crate::tracking::Delta;

/// One interval.
#[derive(Debug, Clone, Default)]
pub struct SampleLine {
    /// Its end, in nanoseconds since 1970.
    pub at_ns: u64,
    /// Its length; `None` for a first sample, in which nothing has grown yet.
    pub interval_s: Option<f64>,
    /// Connections at its end.
    pub connections: u64,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Payload received.
    pub bytes_in: u64,
    /// Payload sent, with retransmits.
    pub bytes_out: u64,
    /// Segments received.
    pub segs_in: u64,
    /// Segments sent.
    pub segs_out: u64,
    /// Segments retransmitted.
    pub retrans_segs: u64,
    /// Round trips at its end.
    pub rtt: Histogram,
    /// Bytes that programs have not read.
    pub receive_queue: u64,
    /// Bytes that peers have not acknowledged.
    pub send_queue: u64,
    /// Connections that wait to be accepted.
    pub accept_queue: u64,
    /// Segments that listeners dropped.
    pub drops: u64,
}

impl SampleLine {
    /// Retransmitted segments as a share of those sent.
    pub fn retrans_ratio(&self) -> Option<f64> {
        self.interval_s.filter(|_| self.segs_out > 0)?;
        Some((self.retrans_segs as f64 / self.segs_out as f64).min(1.0))
    }

    /// Adds a service.
    pub fn add_service(&mut self, row: &ServiceRow) {
        let listen = row.listen().unwrap_or_default();
        self.connections += row.established();
        self.opened += row.opened;
        self.closed += row.closed;
        self.bytes_in += row.bytes_in().unwrap_or(0);
        self.bytes_out += row.bytes_out().unwrap_or(0);
        self.segs_in += row.segs_in().unwrap_or(0);
        self.segs_out += row.segs_out().unwrap_or(0);
        self.retrans_segs += row.retrans_segs();
        self.rtt.merge(&row.rtt);
        self.accept_queue += listen.accept_queue;
        self.drops += listen.drops;
    }

    /// Adds a connection of a list.
    fn add(&mut self, row: &Connection<'_>) {
        self.interval_s = self.interval_s.or(row.interval_s);
        if row.change == Some(Change::Closed) {
            self.closed += 1;
            return;
        }
        let socket = row.socket;
        self.connections += 1;
        self.opened += u64::from(row.change == Some(Change::Opened));
        self.receive_queue += fields::RECV_Q.integer(socket).unwrap_or(0);
        self.send_queue += fields::SEND_Q.integer(socket).unwrap_or(0);
        if let Some(rtt) = t::RTT.integer(socket) {
            self.rtt.add(rtt);
        }
        let grown = |field| growth(field, socket, row.delta, row.change);
        self.bytes_in += grown(&t::BYTES_RECEIVED);
        self.bytes_out += grown(&t::BYTES_SENT);
        self.segs_in += grown(&t::SEGS_IN);
        self.segs_out += grown(&t::SEGS_OUT);
        self.retrans_segs += grown(&t::TOTAL_RETRANS);
    }
}

/// The growth of a counter. One that began in the interval has grown from zero.
fn growth(
    field: &'static Field,
    socket: &Socket,
    delta: Option<&Delta>,
    change: Option<Change>,
) -> u64 {
    let grown = match (delta, change) {
        (Some(delta), _) => delta.growth(field),
        (None, Some(Change::Opened)) => field.integer(socket),
        (None, _) => None,
    };
    grown.unwrap_or(0)
}

/// Sums the rows of each sample.
#[derive(Debug, Default)]
pub struct LineSums {
    /// The current sample.
    pub line: SampleLine,
    /// What limits its reliability.
    pub quality: Quality,
}

impl RowSink for LineSums {
    fn captured_at(&self) -> Rc<str> {
        Rc::from("")
    }

    fn row(&mut self, row: &Connection<'_>) {
        self.line.add(row);
    }

    fn is_over(&mut self) -> bool {
        false
    }

    fn remove(&mut self, _: &Namespace) {}

    fn holds_rows(&self) -> bool {
        false
    }

    fn poll_ended(&mut self, _: u64, quality: &Quality, _: &Counters) {
        self.quality.add(quality.clone());
    }
}
