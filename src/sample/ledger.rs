//! One account per socket: what it was when last seen.

use rustc_hash::FxHashMap;

use super::Delta;
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

/// The sockets of one network namespace over time, by cookie. One that comes
/// back under its cookie as another state is the same socket.
///
/// Polls of a settled host allocate nothing: accounts are overwritten in place,
/// and since the kernel walks its tables in the same order every time, the next
/// account is usually the one that the next record belongs to, so that few
/// records need the hash table at all.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Vec<Account>,
    slots: FxHashMap<u64, u32>,
    /// Number of the poll that runs.
    poll: u32,
    /// Where the next record is expected.
    next: usize,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll.
    pub fn begin(&mut self) {
        self.poll = self.poll.wrapping_add(1);
        self.next = 0;
    }

    /// Enters what a socket is now; tells how it moved.
    #[inline]
    pub fn enter(&mut self, socket: &Socket) -> Movement {
        let slot = match self.accounts.get(self.next) {
            Some(account) if account.socket.cookie == socket.cookie => Some(self.next),
            _ => self.slots.get(&socket.cookie).map(|&slot| slot as usize),
        };
        let poll = self.poll;
        let Some((slot, account)) =
            slot.and_then(|slot| Some((slot, self.accounts.get_mut(slot)?)))
        else {
            return self.open(socket);
        };
        self.next = slot + 1;
        if account.seen == poll {
            return Movement::Again;
        }
        let delta = Delta::between(&account.socket, socket);
        account.socket = *socket;
        account.seen = poll;
        Movement::Stayed(delta)
    }

    fn open(&mut self, socket: &Socket) -> Movement {
        self.slots.insert(socket.cookie, self.accounts.len() as u32);
        self.accounts.push(Account { seen: self.poll, socket: *socket });
        self.next = self.accounts.len();
        if self.poll == 1 { Movement::First } else { Movement::Opened }
    }

    /// Ends a poll: hands out the sockets that were not seen in it and closes
    /// their accounts.
    pub fn end(&mut self, mut vanished: impl FnMut(&Socket)) {
        let poll = self.poll;
        if self.accounts.iter().all(|account| account.seen == poll) {
            return;
        }
        self.accounts.retain(|account| {
            let stays = account.seen == poll;
            if !stays {
                vanished(&account.socket);
            }
            stays
        });
        self.slots.clear();
        let slots = self.accounts.iter().enumerate();
        self.slots.extend(slots.map(|(slot, account)| (account.socket.cookie, slot as u32)));
    }

    /// Sockets with an account.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
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

    fn poll(ledger: &mut Ledger, sockets: &[Socket]) -> (Vec<Movement>, Vec<u64>) {
        ledger.begin();
        let movements = sockets.iter().map(|socket| ledger.enter(socket)).collect();
        let mut vanished = Vec::new();
        ledger.end(|socket| vanished.push(socket.cookie));
        (movements, vanished)
    }

    fn growth(movement: &Movement) -> Option<(u64, u64, u64, bool)> {
        let Movement::Stayed(delta) = movement else { return None };
        let grown = |field| delta.growth(field).unwrap();
        Some((grown(&BYTES_SENT), grown(&TOTAL_RETRANS), grown(&SEGS_OUT), delta.reset))
    }

    #[test]
    fn births_growth_and_deaths() {
        let mut ledger = Ledger::new();
        let (first, _) = poll(&mut ledger, &[sent(1, 10, 0, 1), sent(2, 20, 0, 2)]);
        assert_eq!(first, [Movement::First, Movement::First]);
        // Another order, one gone, one new.
        let (second, gone) = poll(&mut ledger, &[sent(3, 5, 0, 1), sent(2, 25, 3, 9)]);
        assert_eq!(second[0], Movement::Opened);
        assert_eq!(growth(&second[1]), Some((5, 3, 7, false)));
        assert_eq!(gone, [1]);
        let (third, gone) = poll(&mut ledger, &[sent(2, 25, 3, 9), sent(3, 6, 0, 2)]);
        assert_eq!(growth(&third[0]), Some((0, 0, 0, false)));
        assert_eq!(growth(&third[1]), Some((1, 0, 1, false)));
        assert!(gone.is_empty());
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn a_record_sent_twice_counts_once() {
        let mut ledger = Ledger::new();
        poll(&mut ledger, &[sent(1, 10, 0, 1)]);
        let (movements, _) = poll(&mut ledger, &[sent(1, 15, 0, 2), sent(1, 16, 0, 3)]);
        assert_eq!(growth(&movements[0]), Some((5, 0, 1, false)));
        assert_eq!(movements[1], Movement::Again);
    }

    #[test]
    fn wraps_and_resets() {
        let mut ledger = Ledger::new();
        poll(&mut ledger, &[sent(1, 10, u32::MAX, u32::MAX - 1), sent(2, 500, 1, 50)]);
        let (movements, _) = poll(&mut ledger, &[sent(1, 11, 1, 3), sent(2, 7, 0, 2)]);
        assert_eq!(growth(&movements[0]), Some((1, 2, 5, false)));
        // tcp_disconnect() zeroed the second: what it has now is its growth.
        assert_eq!(growth(&movements[1]), Some((7, 0, 2, true)));
    }
}
