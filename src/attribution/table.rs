//! Figures of services besides their part in counters.

use super::growth::{Growth, KernelCounters, Slot};
use super::histogram::Histogram;
use super::interval::ListenerDrops;
use super::work::Work;
use crate::identity::ServiceId;
use crate::model::{Socket, State, fields, fields::tcp_info as t};

/// A service's accept queues, summed over its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listen {
    /// Connections waiting for `accept()`.
    pub accept_queue: u64,
    /// The sum of the queues' limits.
    pub accept_queue_max: u64,
    /// Segments dropped at the listeners in the interval.
    pub drops: u64,
}

/// One service. Levels are those of the last poll; growth is since the interval began.
#[derive(Debug, Clone, Default)]
pub struct ServiceRow {
    states: [u64; 16],
    pub(super) growth: Growth,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Round-trip times of its connections.
    pub rtt: Histogram,
    min_rtt: Option<u64>,
    listen: Option<Listen>,
    drops: u64,
    request_repeats: u64,
}

/// Shares of the time in which data was waiting to be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limited {
    /// Limited by the peer's receive window.
    pub rwnd: f64,
    /// Limited by the send buffer.
    pub sndbuf: f64,
    /// Limited by neither: by the network or the congestion window.
    pub busy: f64,
}

impl ServiceRow {
    /// The number of connections in each state; states without any are left out.
    pub fn connections(&self) -> impl Iterator<Item = (State, u64)> {
        State::ALL.into_iter().filter_map(|state| {
            let count = self.states.get(state as usize).copied()?;
            (count > 0).then_some((state, count))
        })
    }

    /// Sockets in ESTABLISHED and CLOSE-WAIT, which `TcpCurrEstab` counts.
    pub fn established(&self) -> u64 {
        let of = |state: State| self.states.get(state as usize).copied().unwrap_or(0);
        of(State::Established) + of(State::CloseWait)
    }

    fn grown(&self, slot: Slot) -> Option<u64> {
        self.growth.has(slot).then(|| self.growth.get(slot))
    }

    /// Payload received, in order.
    pub fn bytes_in(&self) -> Option<u64> {
        self.grown(Slot::BytesReceived)
    }

    /// Payload sent, including retransmits; before 4.19, payload acknowledged.
    pub fn bytes_out(&self) -> Option<u64> {
        self.grown(Slot::BytesSent).or_else(|| self.grown(Slot::BytesAcked))
    }

    /// Segments received.
    pub fn segs_in(&self) -> Option<u64> {
        self.grown(Slot::SegsIn)
    }

    /// Segments sent, including retransmits.
    pub fn segs_out(&self) -> Option<u64> {
        self.grown(Slot::SegsOut)
    }

    /// Segments retransmitted, including SYN-ACKs of half-open connections.
    pub fn retrans_segs(&self) -> u64 {
        self.growth.get(Slot::TotalRetrans) + self.request_repeats
    }

    /// Retransmits as a share of segments sent.
    pub fn retrans_ratio(&self) -> Option<f64> {
        let sent = self.segs_out().filter(|sent| *sent > 0)?;
        // segs_out does not include SYN-ACKs.
        Some((self.retrans_segs() as f64 / sent as f64).min(1.0))
    }

    /// The shortest round-trip time of its connections.
    pub fn min_rtt(&self) -> Option<u64> {
        self.min_rtt
    }

    /// What limited sending. `None` if nothing was sent or the kernel does not keep these times.
    pub fn limited(&self) -> Option<Limited> {
        let busy = self.grown(Slot::BusyTime).filter(|busy| *busy > 0)? as f64;
        // The kernel reads the three times one after the other.
        let rwnd = (self.growth.get(Slot::RwndLimited) as f64 / busy).min(1.0);
        let sndbuf = (self.growth.get(Slot::SndbufLimited) as f64 / busy).min(1.0 - rwnd);
        Some(Limited { rwnd, sndbuf, busy: 1.0 - rwnd - sndbuf })
    }

    /// Its accept queues, if it has listeners.
    pub fn listen(&self) -> Option<Listen> {
        let listens = self.listen.is_some() || self.drops > 0;
        listens.then(|| Listen { drops: self.drops, ..self.listen.unwrap_or_default() })
    }

    /// Adds another namespace's part or another interval.
    fn add(&mut self, other: &Self) {
        self.states.iter_mut().zip(other.states).for_each(|(count, more)| *count += more);
        self.growth.add(&other.growth);
        self.opened += other.opened;
        self.closed += other.closed;
        self.drops += other.drops;
        self.request_repeats += other.request_repeats;
        self.rtt.merge(&other.rtt);
        self.min_rtt = [self.min_rtt, other.min_rtt].into_iter().flatten().min();
        if let Some(more) = other.listen {
            let listen = self.listen.get_or_insert_default();
            listen.accept_queue += more.accept_queue;
            listen.accept_queue_max += more.accept_queue_max;
        }
    }

    /// Whether all figures are zero.
    pub fn is_empty(&self) -> bool {
        self.states.iter().all(|count| *count == 0)
            && self.opened + self.closed + self.request_repeats + self.drops == 0
            && self.listen.is_none()
            && self.growth == Growth::default()
    }
}

/// All services of a namespace or a host, by number.
#[derive(Debug, Clone, Default)]
pub struct ServiceTable {
    rows: Vec<ServiceRow>,
}

impl ServiceTable {
    /// No services.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll: clears the levels.
    pub fn begin_poll(&mut self) {
        for row in &mut self.rows {
            row.states = Default::default();
            row.listen = None;
            row.min_rtt = None;
            row.rtt.clear();
        }
    }

    /// Begins an interval: clears the growth.
    pub fn begin_interval(&mut self) {
        for row in &mut self.rows {
            row.growth = Growth::default();
            (row.opened, row.closed, row.drops, row.request_repeats) = (0, 0, 0, 0);
        }
    }

    fn row(&mut self, service: ServiceId) -> Option<&mut ServiceRow> {
        if service.index() >= self.rows.len() {
            self.rows.resize_with(service.index() + 1, ServiceRow::default);
        }
        self.rows.get_mut(service.index())
    }

    /// Adds a socket's current levels.
    pub fn see(&mut self, service: ServiceId, socket: &Socket) {
        let Some(row) = self.row(service) else { return };
        if socket.state == State::Listen {
            let listen = row.listen.get_or_insert_default();
            listen.accept_queue += u64::from(socket.receive_queue);
            listen.accept_queue_max += u64::from(socket.send_queue);
            return;
        }
        if let Some(count) = row.states.get_mut(socket.state as usize) {
            *count += 1;
        }
        let rtt = t::RTT.integer(socket);
        if let Some(rtt) = rtt {
            row.rtt.add(rtt);
        }
        if let Some(least) = t::MIN_RTT.integer(socket).or(rtt) {
            row.min_rtt = Some(row.min_rtt.map_or(least, |min| min.min(least)));
        }
    }

    /// A service with connections has every counter that the kernel keeps per socket, also if none of
    /// them moved.
    pub(super) fn assume(&mut self, kernel: KernelCounters) {
        let has_connections = |row: &&mut ServiceRow| row.states.iter().any(|count| *count > 0);
        for row in self.rows.iter_mut().filter(has_connections) {
            row.growth.assume(kernel);
        }
    }

    /// Adds what a socket did.
    pub fn enter(&mut self, work: &Work) {
        let Some(row) = self.row(work.service) else { return };
        row.growth.add(&work.growth());
        row.opened += u64::from(work.began());
        row.closed += u64::from(work.ended());
        if work.activity.identity.state == State::Listen
            && let Some(drops) = work.activity.delta.growth(&fields::DROPS)
        {
            row.drops += drops;
        }
    }

    /// Adds another table of the same services, growth and levels. When summing intervals, call
    /// [`begin_poll`](Self::begin_poll) first so that only the last interval's levels remain.
    pub fn add(&mut self, other: &Self) {
        for (service, more) in other.rows() {
            if let Some(row) = self.row(service) {
                row.add(more);
            }
        }
    }

    /// Adds SYN-ACK repeats of half-open connections.
    pub fn add_repeats(&mut self, service: ServiceId, repeats: u64) {
        if let Some(row) = self.row(service) {
            row.request_repeats += repeats;
        }
    }

    /// Adds drops of listeners that are not among the activities.
    pub fn add_drops(&mut self, drops: &ListenerDrops) {
        if let Some(row) = self.row(drops.service) {
            row.drops += drops.drops;
        }
    }

    /// The services with any figures.
    pub fn rows(&self) -> impl Iterator<Item = (ServiceId, &ServiceRow)> {
        let rows = self.rows.iter().zip(0..).map(|(row, id)| (ServiceId(id), row));
        rows.filter(|(_, row)| !row.is_empty())
    }

    /// One service.
    pub fn get(&self, service: ServiceId) -> Option<&ServiceRow> {
        self.rows.get(service.index())
    }

    /// Established connections by service, for [`Interval`](super::Interval).
    pub fn established(&self) -> impl Iterator<Item = (ServiceId, u64)> {
        self.rows().map(|(id, row)| (id, row.established())).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::testing::Sketch;
    use crate::model::Role;
    use crate::model::example::{socket, tcp_info};

    #[test]
    fn levels_and_growth() {
        let mut table = ServiceTable::new();
        let id = ServiceId(3);
        table.begin_poll();
        for rtt in [10_000, 20_000, 0] {
            let info = tcp_info(&[(68, rtt), (148, rtt.min(15_000))]);
            table.see(id, &Socket { tcp_info: Some(info), ..socket() });
        }
        let listener = Socket { state: State::Listen, receive_queue: 2, send_queue: 5, ..socket() };
        table.see(id, &listener);
        let work = Sketch::new(3, Role::Server)
            .grew(Slot::SegsOut, 100)
            .grew(Slot::TotalRetrans, 5)
            .grew(Slot::BusyTime, 1000)
            .grew(Slot::RwndLimited, 250)
            .opened()
            .closed();
        table.enter(&work.work());
        table.add_repeats(id, 1);
        table.add_drops(&ListenerDrops { service: id, drops: 4 });
        let (_, row) = table.rows().next().unwrap();
        assert_eq!(row.connections().collect::<Vec<_>>(), [(State::Established, 3)]);
        assert_eq!((row.opened, row.closed, row.retrans_segs()), (1, 1, 6));
        assert_eq!(row.retrans_ratio(), Some(0.06));
        assert_eq!(row.limited(), Some(Limited { rwnd: 0.25, sndbuf: 0.0, busy: 0.75 }));
        let listen = Listen { accept_queue: 2, accept_queue_max: 5, drops: 4 };
        assert_eq!(row.listen(), Some(listen));
        assert_eq!((row.rtt.len(), row.min_rtt()), (2, Some(10_000)));
        assert_eq!(table.established().collect::<Vec<_>>(), [(id, 3)]);
        let mut sum = table.clone();
        sum.begin_poll();
        sum.add(&table);
        let row = sum.get(id).unwrap();
        assert_eq!((row.established(), row.opened, row.retrans_segs()), (3, 2, 12));
        assert_eq!(row.listen(), Some(Listen { drops: 8, ..listen }));
        assert_eq!((row.rtt.len(), row.min_rtt()), (2, Some(10_000)));
        table.begin_poll();
        table.begin_interval();
        assert_eq!(table.rows().count(), 0);
    }
}
