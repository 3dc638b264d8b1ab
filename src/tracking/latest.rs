//! The last row of every socket, for lists of connections.

use super::Delta;
use super::table::{HasCookie, SocketTable};
use crate::model::Socket;

/// What a socket did since the last poll.
#[expect(clippy::large_enum_variant, reason = "returned per socket: a box would be an allocation")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Movement {
    /// This is the first poll: there is nothing to compare with.
    First,
    /// It is new.
    Opened,
    /// It was there before, and its counters grew by this much.
    Stayed(Delta),
    /// It was observed in this poll already: the kernel may send a socket twice that moves in its
    /// tables during the dump. The first record counts.
    Again,
}

#[derive(Debug)]
struct Row {
    seen: u32,
    socket: Socket,
}

impl HasCookie for Row {
    fn cookie(&self) -> u64 {
        self.socket.cookie
    }
}

/// The whole last row (some 700 bytes) of each socket of one network namespace, by cookie. A list of
/// connections needs it to show a socket that is gone. [`SocketTracker`](super::SocketTracker) needs
/// less memory where only the growth of counters is wanted.
///
/// Polls of a settled host allocate nothing: rows are overwritten in place.
#[derive(Debug, Default)]
pub struct Latest {
    sockets: SocketTable<Row>,
    /// Number of this poll.
    poll: u32,
    /// Sockets observed in this poll.
    seen: usize,
}

impl Latest {
    /// Without sockets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll.
    pub fn begin(&mut self) {
        self.poll = self.poll.wrapping_add(1);
        self.sockets.rewind();
        self.seen = 0;
    }

    /// Takes a socket's row, and returns what it did.
    #[inline]
    pub fn observe(&mut self, socket: &Socket) -> Movement {
        let poll = self.poll;
        let slot = self.sockets.find(socket.cookie);
        let Some(row) = slot.and_then(|slot| self.sockets.get_mut(slot)) else {
            self.sockets.push(Row { seen: poll, socket: *socket });
            self.seen += 1;
            return if poll == 1 { Movement::First } else { Movement::Opened };
        };
        if row.seen == poll {
            return Movement::Again;
        }
        let delta = Delta::between(&row.socket, socket);
        row.socket.copy_from(socket);
        row.seen = poll;
        self.seen += 1;
        Movement::Stayed(delta)
    }

    /// Ends a poll: passes on the sockets that were not observed in it, and forgets them.
    pub fn end(&mut self, mut vanished: impl FnMut(&Socket)) {
        if self.seen == self.sockets.len() {
            return;
        }
        for slot in (0..self.sockets.len()).rev() {
            if self.sockets.get(slot).is_some_and(|row| row.seen != self.poll)
                && let Some(row) = self.sockets.swap_remove(slot)
            {
                vanished(&row.socket);
            }
        }
    }

    /// Number of sockets.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sockets.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::model::fields::tcp_info::{BYTES_SENT, SEGS_OUT, TOTAL_RETRANS};

    /// A socket that has sent this many bytes, retransmits and segments.
    fn sent(cookie: u64, bytes: u32, retransmits: u32, segments: u32) -> Socket {
        let words = [(100, retransmits), (136, segments), (200, bytes)];
        Socket { cookie, tcp_info: Some(tcp_info(&words)), ..socket() }
    }

    fn poll(latest: &mut Latest, sockets: &[Socket]) -> (Vec<Movement>, Vec<u64>) {
        latest.begin();
        let movements = sockets.iter().map(|socket| latest.observe(socket)).collect();
        let mut vanished = Vec::new();
        latest.end(|socket| vanished.push(socket.cookie));
        (movements, vanished)
    }

    fn growth(movement: &Movement) -> Option<(u64, u64, u64, bool)> {
        let Movement::Stayed(delta) = movement else { return None };
        let grown = |field| delta.growth(field).unwrap();
        Some((grown(&BYTES_SENT), grown(&TOTAL_RETRANS), grown(&SEGS_OUT), delta.reset))
    }

    #[test]
    fn opened_growing_and_gone() {
        let mut latest = Latest::new();
        let (first, _) = poll(&mut latest, &[sent(1, 10, 0, 1), sent(2, 20, 0, 2)]);
        assert_eq!(first, [Movement::First, Movement::First]);
        // Another order, one gone, one new.
        let (second, gone) = poll(&mut latest, &[sent(3, 5, 0, 1), sent(2, 25, 3, 9)]);
        assert_eq!(second[0], Movement::Opened);
        assert_eq!(growth(&second[1]), Some((5, 3, 7, false)));
        assert_eq!(gone, [1]);
        let (third, gone) = poll(&mut latest, &[sent(2, 25, 3, 9), sent(3, 6, 0, 2)]);
        assert_eq!(growth(&third[0]), Some((0, 0, 0, false)));
        assert_eq!(growth(&third[1]), Some((1, 0, 1, false)));
        assert!(gone.is_empty());
        assert_eq!(latest.len(), 2);
    }

    #[test]
    fn a_record_sent_twice_counts_once() {
        let mut latest = Latest::new();
        poll(&mut latest, &[sent(1, 10, 0, 1)]);
        let (movements, _) = poll(&mut latest, &[sent(1, 15, 0, 2), sent(1, 16, 0, 3)]);
        assert_eq!(growth(&movements[0]), Some((5, 0, 1, false)));
        assert_eq!(movements[1], Movement::Again);
    }

    #[test]
    fn wraps_and_resets() {
        let mut latest = Latest::new();
        poll(&mut latest, &[sent(1, 10, u32::MAX, u32::MAX - 1), sent(2, 500, 1, 50)]);
        let (movements, _) = poll(&mut latest, &[sent(1, 11, 1, 3), sent(2, 7, 0, 2)]);
        assert_eq!(growth(&movements[0]), Some((1, 2, 5, false)));
        // tcp_disconnect() zeroed the second: what it has now is its growth.
        assert_eq!(growth(&movements[1]), Some((7, 0, 2, true)));
    }
}
