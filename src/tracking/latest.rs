//! Every socket's last row, for those who show rows.

use super::Delta;
use super::accounts::{Accounts, Holder};
use crate::model::Socket;

/// What became of a socket since the last poll.
#[expect(clippy::large_enum_variant, reason = "returned per socket: a box would be an allocation")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Movement {
    /// The first poll: nothing to compare with.
    First,
    /// It was not there before.
    Opened,
    /// It was, and has moved by this much.
    Stayed(Delta),
    /// It was entered in this poll already: the kernel may send a socket twice
    /// that moves in its tables during the dump. The first record counts.
    Again,
}

#[derive(Debug)]
struct Account {
    seen: u32,
    socket: Socket,
}

impl Holder for Account {
    fn cookie(&self) -> u64 {
        self.socket.cookie
    }
}

/// The whole last row (some 700 bytes) of each socket of one network namespace,
/// by cookie: what a list of connections needs, to show one that is gone as it
/// was. One that comes back under its cookie as another state is the same
/// socket. Who only wants what sockets did takes the
/// [`Ledger`](super::Ledger).
///
/// Polls of a settled host allocate nothing: accounts are overwritten in place.
#[derive(Debug, Default)]
pub struct Latest {
    accounts: Accounts<Account>,
    /// Number of the poll that runs.
    poll: u32,
    /// Accounts that the poll has come to.
    seen: usize,
}

impl Latest {
    /// Knows no socket yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll.
    pub fn begin(&mut self) {
        self.poll = self.poll.wrapping_add(1);
        self.accounts.rewind();
        self.seen = 0;
    }

    /// Enters what a socket is now; tells how it moved.
    #[inline]
    pub fn enter(&mut self, socket: &Socket) -> Movement {
        let poll = self.poll;
        let slot = self.accounts.find(socket.cookie);
        let Some(account) = slot.and_then(|slot| self.accounts.get_mut(slot)) else {
            self.accounts.push(Account { seen: poll, socket: *socket });
            self.seen += 1;
            return if poll == 1 { Movement::First } else { Movement::Opened };
        };
        if account.seen == poll {
            return Movement::Again;
        }
        let delta = Delta::between(&account.socket, socket);
        account.socket.copy_from(socket);
        account.seen = poll;
        self.seen += 1;
        Movement::Stayed(delta)
    }

    /// Ends a poll: hands out the sockets that were not seen in it and forgets
    /// them.
    pub fn end(&mut self, mut vanished: impl FnMut(&Socket)) {
        if self.seen == self.accounts.len() {
            return;
        }
        for slot in (0..self.accounts.len()).rev() {
            if self.accounts.get(slot).is_some_and(|account| account.seen != self.poll)
                && let Some(account) = self.accounts.swap_remove(slot)
            {
                vanished(&account.socket);
            }
        }
    }

    /// Sockets that are known.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.len() == 0
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
        let movements = sockets.iter().map(|socket| latest.enter(socket)).collect();
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
    fn births_growth_and_deaths() {
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
