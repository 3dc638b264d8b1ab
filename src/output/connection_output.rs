//! Sorts, limits and counts the rows of samples before they are written.

use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::sort_key::SortKey;
use super::{Column, ConnectionWriter};
use crate::counters::Counters;
use crate::monitor::Namespace;
use crate::procfs::PeerNames;
use crate::report::{Connection, ConnectionTotals, KeptConnection, Quality, RowSink};
use crate::sys::Interrupt;

/// How long a single sample waits for names of peers.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Order and number of the rows; the same for every sample.
#[derive(Debug, Clone)]
pub struct RowOrder {
    /// The column to sort by, and whether the largest come first.
    pub sort: Option<(Column, bool)>,
    /// The most rows to write.
    pub limit: Option<u64>,
    /// Whether there are several samples.
    pub repeats: bool,
}

/// Writes the rows of samples, of all namespaces.
pub struct ConnectionOutput<W: Write> {
    order: RowOrder,
    interrupt: Rc<Interrupt>,
    /// Names of peers, if they are asked for.
    names: Option<PeerNames>,
    /// `None` between samples.
    writer: Option<ConnectionWriter<W>>,
    captured_at: Rc<str>,
    totals: ConnectionTotals,
    /// Rows that are held until all can be sorted.
    held: Vec<(SortKey, KeptConnection)>,
    /// The first error of the writer.
    error: Option<io::Error>,
}

impl<W: Write> ConnectionOutput<W> {
    /// Without a sample yet. Ends a sample when the user asks to end.
    pub fn new(order: RowOrder, interrupt: Rc<Interrupt>) -> Self {
        Self {
            order,
            interrupt,
            names: None,
            writer: None,
            captured_at: Rc::from(""),
            totals: ConnectionTotals::default(),
            held: Vec::new(),
            error: None,
        }
    }

    /// The same, with names of peers.
    #[must_use]
    pub fn with_names(self, names: Option<PeerNames>) -> Self {
        Self { names, ..self }
    }

    /// Whether rows wait for the names of their peers. Repeated samples show a name when it is
    /// there.
    fn awaits_names(&self) -> bool {
        !self.order.repeats && self.names.as_ref().is_some_and(PeerNames::is_slow)
    }

    /// The name of a row's peer, if it is asked for and known already.
    fn name(&self, row: &Connection<'_>) -> Option<Arc<str>> {
        let names = self.names.as_ref().filter(|_| row.socket.remote.port != 0)?;
        names.name(row.socket.remote.address)
    }

    /// Begins a sample that was taken at `captured_at`.
    pub fn begin(&mut self, writer: ConnectionWriter<W>, captured_at: &str) {
        self.writer = Some(writer);
        self.captured_at = Rc::from(captured_at);
        self.totals = ConnectionTotals::default();
        self.held.clear();
    }

    /// Reports the error of a writer that has failed.
    ///
    /// # Errors
    /// The first error of the writer.
    pub fn check(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Writes the rows that were held, and ends the sample.
    ///
    /// # Errors
    /// The first error of the writer, or when no sample was begun.
    pub fn end(&mut self) -> io::Result<ConnectionWriter<W>> {
        let descending = self.order.sort.as_ref().is_some_and(|(_, descending)| *descending);
        let mut held = std::mem::take(&mut self.held);
        held.sort_by(|(one, _), (other, _)| one.compare(other, descending));
        if let (true, Some(names)) = (self.awaits_names(), &self.names) {
            names.wait(LONGEST_WAIT);
        }
        let captured_at = Rc::clone(&self.captured_at);
        for (_, row) in &held {
            row.with(&captured_at, |row| self.write(row));
        }
        self.check()?;
        self.writer.take().ok_or_else(|| io::Error::other("no sample was begun"))
    }

    /// The sums of the sample, also of one that could not be written.
    pub fn take_totals(&mut self) -> ConnectionTotals {
        std::mem::take(&mut self.totals)
    }

    /// Writes one row, up to the limit.
    fn write(&mut self, row: &Connection<'_>) {
        if self.order.limit.is_some_and(|limit| self.totals.shown >= limit) {
            self.totals.limited = true;
            return;
        }
        self.totals.count(row);
        let name = self.name(row);
        if let (Some(writer), None) = (&mut self.writer, &self.error) {
            self.error = writer.row(&Connection { remote_name: name.as_deref(), ..*row }).err();
        }
    }
}

impl<W: Write> RowSink for ConnectionOutput<W> {
    fn captured_at(&self) -> Rc<str> {
        Rc::clone(&self.captured_at)
    }

    fn row(&mut self, row: &Connection<'_>) {
        match &self.order.sort {
            None if self.awaits_names() => {
                // Asks for it.
                let _ = self.name(row);
                self.held.push((SortKey::NONE, KeptConnection::of(row)));
            }
            None => self.write(row),
            Some((column, _)) => {
                let name = self.name(row);
                let named = Connection { remote_name: name.as_deref(), ..*row };
                self.held.push((SortKey::of(column, &named), KeptConnection::of(row)))
            }
        }
    }

    /// Repeated samples have to see every socket, to know which are gone.
    fn is_over(&mut self) -> bool {
        self.totals.interrupted |= self.interrupt.is_asked();
        self.totals.limited && !self.order.repeats
            || self.totals.interrupted
            || self.error.is_some()
    }

    fn remove(&mut self, netns: &Namespace) {
        self.held.retain(|(_, row)| {
            row.is_listener() || row.netns().is_some_and(|own| own.inode != netns.inode)
        });
    }

    fn holds_rows(&self) -> bool {
        self.order.sort.is_some() || self.awaits_names()
    }

    fn poll_ended(&mut self, dumped: u64, quality: &Quality, _: &Counters) {
        self.totals.listed += dumped;
        self.totals.quality.add(quality.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::model::{Endpoint, Role, RoleBasis, Socket, State};
    use crate::monitor::Processes;
    use crate::output::{OutputWriter, RowForm, RowSchema, find_column};
    use crate::procfs::Host;
    use crate::report::{Cost, Document};

    const SCHEMA: RowSchema = RowSchema { document: "", row: "", end: "", rows: "" };

    fn output(order: RowOrder) -> ConnectionOutput<Vec<u8>> {
        let columns = [find_column("lport").unwrap()];
        let host = Host { hostname: String::new(), kernel: String::new(), boot_id: None };
        let document = Document {
            schema: "",
            captured_at: String::new(),
            host: &host,
            netns: None,
            interval_s: None,
        };
        let form = RowForm::Delimited { delimiter: b',', header: false };
        let writer = ConnectionWriter::begin(
            OutputWriter::new(Vec::new()),
            form,
            SCHEMA,
            &columns,
            &document,
        );
        let mut output = ConnectionOutput::new(order, Rc::new(Interrupt::install().unwrap()));
        output.begin(writer.unwrap(), "2026-11-21T04:45:00Z");
        output
    }

    /// A connection on this port; `None` without `tcp_info`.
    fn put(output: &mut impl RowSink, port: u16, rtt_us: Option<u32>, netns: &Namespace) {
        let local = Endpoint { port, ..socket().local };
        let tcp_info = rtt_us.map(|rtt| tcp_info(&[(68, rtt)]));
        put_socket(output, &Socket { local, tcp_info, ..socket() }, netns);
    }

    /// A socket on this port.
    fn put_in(output: &mut impl RowSink, state: State, port: u16, netns: &Namespace) {
        let local = Endpoint { port, ..socket().local };
        put_socket(output, &Socket { state, local, ..socket() }, netns);
    }

    fn put_socket(output: &mut impl RowSink, socket: &Socket, netns: &Namespace) {
        output.row(&Connection {
            socket,
            role: Role::Client,
            role_basis: RoleBasis::TcpInfo,
            service: None,
            service_basis: None,
            netns: Some(netns),
            interface: None,
            cgroup_path: None,
            unit: None,
            container: None,
            processes: Processes::NotAsked,
            change: None,
            repeats: false,
            captured_at: &output.captured_at(),
            delta: None,
            interval_s: None,
            syn_recv: None,
            group: None,
            ended: None,
            remote_name: None,
        });
    }

    fn written(mut output: ConnectionOutput<Vec<u8>>) -> (String, ConnectionTotals) {
        let writer = output.end().unwrap();
        let totals = output.take_totals();
        let cost = Cost { wall_ms: 0.0, cpu_user_ms: 0.0, cpu_sys_ms: 0.0, sockets_dumped: 0 };
        let (out, _) = writer.end(totals.shown, &totals.quality, cost).unwrap();
        let bytes = out.into_inner();
        (String::from_utf8(bytes).unwrap().replace('\n', " "), totals)
    }

    fn netns(inode: u64) -> Namespace {
        Namespace { inode, name: None }
    }

    #[test]
    fn rows_without_a_value_come_last_in_both_directions() {
        for (descending, wanted) in [(false, "2 1 3 "), (true, "1 2 3 ")] {
            let sort = Some((find_column("rtt").unwrap(), descending));
            let mut output = output(RowOrder { sort, limit: None, repeats: false });
            for (port, rtt) in [(3, None), (1, Some(9_000)), (2, Some(800))] {
                put(&mut output, port, rtt, &netns(1));
            }
            assert_eq!(written(output).0, wanted);
        }
    }

    #[test]
    fn the_limit_ends_a_single_sample_only() {
        for repeats in [false, true] {
            let mut output = output(RowOrder { sort: None, limit: Some(2), repeats });
            for port in 1..=3 {
                assert!(!output.is_over());
                put(&mut output, port, None, &netns(1));
            }
            assert_eq!(output.is_over(), !repeats);
            let (rows, totals) = written(output);
            assert_eq!((rows.as_str(), totals.shown, totals.limited), ("1 2 ", 2, true));
        }
    }

    #[test]
    fn a_dump_that_is_read_again_replaces_the_rows_of_its_namespace() {
        let sort = Some((find_column("lport").unwrap(), false));
        let mut output = output(RowOrder { sort, limit: None, repeats: false });
        assert!(output.holds_rows());
        put(&mut output, 1, None, &netns(1));
        put(&mut output, 2, None, &netns(2));
        output.remove(&netns(2));
        put(&mut output, 3, None, &netns(2));
        assert_eq!(written(output).0, "1 3 ");
    }

    #[test]
    fn listeners_stay_since_they_are_read_in_a_dump_of_their_own() {
        let sort = Some((find_column("lport").unwrap(), false));
        let mut output = output(RowOrder { sort, limit: None, repeats: false });
        put_in(&mut output, State::Listen, 1, &netns(1));
        put_in(&mut output, State::Established, 2, &netns(1));
        output.remove(&netns(1));
        assert_eq!(written(output).0, "1 ");
    }
}
