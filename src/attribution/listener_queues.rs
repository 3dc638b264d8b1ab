//! The queues of listeners at each poll: what they tell of the reasons for which segments were
//! dropped.
//!
//! `sk_drops` of a listener counts every segment that it discarded: those that found a queue full
//! (`tcp_listendrop()`), and those that failed a filter, TCP-MD5, a policy or a check
//! (`discard_and_relse` in `tcp_v4_rcv()`, 4.19 to 7.3). Only the queues tell the two apart.

use rustc_hash::FxHashMap;

use crate::model::{Socket, State};

/// A listener's queues at the polls at both ends of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenerQueue {
    /// The most connections that waited to be accepted.
    pub most: u32,
    /// The backlog of the accept queue, and of half-open connections.
    pub backlog: u32,
    /// The most half-open connections with its port.
    pub half_open: u32,
}

/// Whether a queue can have been full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fullness {
    /// No.
    Never,
    /// It may have filled and emptied between two polls.
    Possibly,
    /// A poll found it nearly full.
    Seen,
}

impl ListenerQueue {
    /// Of the accept queue, if `opened` connections with the listener's port began in the interval.
    ///
    /// The queue is full when it holds more than its backlog (`sk_acceptq_is_full()`). Each
    /// connection in it was there before or began since.
    pub(super) fn accept_fullness(self, opened: u64) -> Fullness {
        let capacity = u64::from(self.backlog) + 1;
        let most = u64::from(self.most);
        match (most * 4 >= capacity * 3, most + opened >= capacity) {
            (true, _) => Fullness::Seen,
            (false, true) => Fullness::Possibly,
            (false, false) => Fullness::Never,
        }
    }

    /// Of the queue of half-open connections (`inet_csk_reqsk_queue_is_full()`).
    pub(super) fn syn_fullness(self, opened: u64) -> Fullness {
        let (requests, backlog) = (u64::from(self.half_open), u64::from(self.backlog.max(1)));
        match (requests * 4 >= backlog * 3, requests + opened > 0) {
            (true, _) => Fullness::Seen,
            (false, true) => Fullness::Possibly,
            (false, false) => Fullness::Never,
        }
    }
}

/// What this poll and the one before show.
type Looks<T> = [Option<T>; 2];

/// The queues of all listeners of a namespace.
#[derive(Debug, Default)]
pub(super) struct ListenerQueues {
    /// Length and backlog of accept queues, by the listener's cookie.
    accept: FxHashMap<u64, Looks<(u32, u32)>>,
    /// Half-open connections, by local port.
    half_open: FxHashMap<u16, Looks<u32>>,
}

impl ListenerQueues {
    /// Begins a poll.
    pub(super) fn begin(&mut self) {
        fn shift<T: Copy>(looks: &mut Looks<T>) -> bool {
            *looks = [None, looks[0]];
            looks[1].is_some()
        }
        self.accept.retain(|_, looks| shift(looks));
        self.half_open.retain(|_, looks| shift(looks));
    }

    /// Takes a listener or a half-open connection.
    pub(super) fn see(&mut self, socket: &Socket) {
        if socket.state == State::Listen {
            let look = (socket.receive_queue, socket.send_queue);
            self.accept.entry(socket.cookie).or_default()[0] = Some(look);
        } else {
            let count = &mut self.half_open.entry(socket.local.port).or_default()[0];
            *count = Some(count.unwrap_or(0) + 1);
        }
    }

    /// The queues of a listener.
    pub(super) fn of(&self, cookie: u64, port: u16) -> Option<ListenerQueue> {
        let looks = || self.accept.get(&cookie).into_iter().flatten().flatten();
        let half_open = self.half_open.get(&port).into_iter().flatten().flatten().max();
        Some(ListenerQueue {
            most: looks().map(|(length, _)| *length).max()?,
            backlog: looks().map(|(_, backlog)| *backlog).min()?,
            half_open: half_open.copied().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::socket;

    #[test]
    fn fullness() {
        let queue = |most, half_open| ListenerQueue { most, backlog: 7, half_open };
        for (most, opened, wanted) in [
            (0, 0, Fullness::Never),
            (5, 2, Fullness::Never),
            (5, 3, Fullness::Possibly),
            (0, 8, Fullness::Possibly),
            (6, 0, Fullness::Seen),
            (8, 0, Fullness::Seen),
        ] {
            assert_eq!(queue(most, 0).accept_fullness(opened), wanted, "{most} {opened}");
        }
        for (half_open, opened, wanted) in [
            (0, 0, Fullness::Never),
            (0, 1, Fullness::Possibly),
            (1, 0, Fullness::Possibly),
            (6, 0, Fullness::Seen),
        ] {
            assert_eq!(queue(0, half_open).syn_fullness(opened), wanted, "{half_open} {opened}");
        }
        // A backlog of 0 holds one connection.
        assert_eq!(ListenerQueue::default().accept_fullness(0), Fullness::Never);
        assert_eq!(ListenerQueue { most: 1, ..queue(0, 0) }.accept_fullness(0), Fullness::Never);
    }

    #[test]
    fn both_ends_of_an_interval_count() {
        let mut queues = ListenerQueues::default();
        let listener = |queue| Socket {
            state: State::Listen,
            cookie: 5,
            receive_queue: queue,
            send_queue: 128,
            ..socket()
        };
        let port = socket().local.port;
        for (queue, most) in [(3, 3), (0, 3), (0, 0)] {
            queues.begin();
            queues.see(&listener(queue));
            assert_eq!(queues.of(5, port).unwrap().most, most);
        }
        let request = Socket { state: State::SynRecv, ..socket() };
        queues.begin();
        queues.see(&listener(0));
        queues.see(&request);
        queues.see(&request);
        assert_eq!(queues.of(5, port).unwrap().half_open, 2);
        assert_eq!(queues.of(6, port), None);
        queues.begin();
        queues.begin();
        assert_eq!(queues.of(5, port), None);
        assert!(queues.accept.is_empty() && queues.half_open.is_empty());
    }
}
