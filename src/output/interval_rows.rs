//! Which intervals of sockets have a row in a table.

use std::io::{self, Write};

use super::{Flat, Intervals, OutputWriter, escape};
use crate::filter::{Expr, PlanOptions};
use crate::model::{State, StateSet};
use crate::monitor::{Observation, ObservationSink, SocketFilter};
use crate::recording::Session;
use crate::report::{IntervalColumn, IntervalRow, interval_columns};
use crate::text;
use crate::tracking::Activity;

/// States that sockets are in.
const SOCKETS: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::FinWait1,
    State::FinWait2,
    State::Close,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
]);

/// States of records that are no sockets.
const MINISOCKS: StateSet = StateSet::of(&[State::TimeWait, State::SynRecv]);

/// A name that no column has.
#[derive(Debug, thiserror::Error)]
#[error("unknown column '{}'{} (`--columns help` lists them all)", escape::text(name), hint(near))]
pub struct UnknownColumn {
    /// As it was given.
    pub name: String,
    /// The column that was perhaps meant.
    pub near: Option<&'static str>,
}

fn hint(near: &Option<&'static str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"))
}

/// The columns of these names; all of them for none.
///
/// # Errors
/// When a column does not exist.
pub fn named_interval_columns(
    names: &[String],
) -> Result<Vec<&'static IntervalColumn>, UnknownColumn> {
    let all = interval_columns();
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |name: &String| {
        let name = name.trim();
        all.iter().find(|column| column.name == name).ok_or_else(|| {
            let near = text::nearest(name, all.iter().map(|column| &*column.name));
            UnknownColumn { name: name.to_owned(), near }
        })
    };
    names.iter().map(find).collect()
}

/// Rows of those sockets of a recording that pass a filter: of their first and last intervals, and
/// of those in which they did something.
#[derive(Debug)]
pub struct IntervalRows<W: Write> {
    table: Intervals<W>,
    states: StateSet,
    filter: SocketFilter,
    /// Also where nothing moved.
    all_rows: bool,
    /// The time of the current sample.
    time_ns: u64,
    sample: u32,
    /// Whether the interval is in the span that was asked for.
    is_in_span: bool,
    /// Whether all sockets have a row in the current sample.
    all: bool,
    /// Rows so far.
    pub written: u64,
    /// Sockets that have a row.
    pub sockets: u64,
    error: Option<io::Error>,
}

impl<W: Write> IntervalRows<W> {
    /// Begins a table of the sockets of this expression. `all_rows`: also where nothing moved.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(
        out: OutputWriter<W>,
        form: Flat,
        columns: Vec<&'static IntervalColumn>,
        expr: Expr,
        all_rows: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            table: Intervals::begin(out, form, columns)?,
            states: expr.plan(SOCKETS, PlanOptions::default()).states,
            filter: SocketFilter::new(expr),
            all_rows,
            time_ns: 0,
            sample: 0,
            is_in_span: false,
            all: false,
            written: 0,
            sockets: 0,
            error: None,
        })
    }

    /// Whether records that are no sockets, TIME-WAIT and SYN-RECV, have rows.
    pub fn has_minisocks(&self) -> bool {
        self.states.intersection(MINISOCKS) != StateSet::NONE
    }

    /// Begins the current sample of a recording.
    pub fn begin_sample(&mut self, session: &Session) {
        let sample = session.sample();
        (self.time_ns, self.sample) = (sample.clocks.realtime_ns, sample.number);
        self.is_in_span = !session.span().from.is_some_and(|from| from.is_after(sample.clocks));
        // All sockets have their last row in the last sample.
        self.all = self.all_rows || session.is_last();
    }

    /// Ends it.
    ///
    /// # Errors
    /// The first error of the writer.
    pub fn end_sample(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<()> {
        self.table.end()?.flush()
    }

    fn row(&mut self, seen: &Observation<'_>) -> io::Result<()> {
        let first = !seen.memory.was_reported();
        let is_wanted = (seen.moved || first || self.all)
            && self.states.contains(seen.socket.state)
            && self.filter.passes_observation(seen);
        if !is_wanted {
            return Ok(());
        }
        seen.memory.set_reported();
        let holders = seen.owner.holders();
        let holder = holders.first();
        let placement = seen.placement();
        let interface = seen.interfaces.interface(seen.socket.interface);
        let flag = |read: fn(&Activity) -> bool| seen.activity.is_some_and(read);
        let row = IntervalRow {
            time_ns: self.time_ns,
            interval_s: seen.interval.map(|interval| interval.as_secs_f64()),
            sample: self.sample,
            netns: seen.namespace.inode,
            netns_name: seen.namespace.name.as_deref(),
            socket: seen.socket,
            figures: seen.figures,
            role: seen.role.0,
            role_basis: seen.role.1,
            service: seen.service.map(|(_, key)| &*key.name),
            service_basis: seen.service.map(|(identified, _)| identified.service_basis),
            interface: interface.and_then(|interface| interface.name),
            pid: holder.map(|holder| holder.pid),
            process: holder.map(|holder| holder.comm),
            cgroup: seen.owner.cgroup_path,
            unit: placement.unit,
            container: placement.container,
            first,
            opened: flag(|activity| activity.opened),
            closed: flag(|activity| activity.closed),
            vanished: flag(|activity| activity.vanished),
            wiped: flag(|activity| activity.wiped),
            delta: seen.delta.as_ref(),
        };
        self.table.row(&row)?;
        self.written += 1;
        self.sockets += u64::from(first);
        Ok(())
    }
}

impl<W: Write> ObservationSink for IntervalRows<W> {
    fn take(&mut self, seen: &Observation<'_>) {
        if self.is_in_span && self.error.is_none() {
            self.error = self.row(seen).err();
        }
    }
}
