//! One account per socket: what it was when last seen.

use rustc_hash::FxHashMap;

use super::Delta;
use crate::model::Socket;

/// What became of a socket since the last poll.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack, for one record at a time; a box would be an allocation for each"
)]
pub enum Movement {
    /// The first poll: nothing to compare with.
    First,
    /// It was not there before.
    Opened,
    /// It was, and has moved by this much.
    Stayed(Delta),
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
    /// Accounts that the poll has come to.
    seen: usize,
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
        self.seen = 0;
    }

    /// Enters what a socket is now; tells how it moved. A record that the
    /// kernel sends twice in one poll counts from the first.
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
        let delta = Delta::between(&account.socket, socket);
        account.socket.copy_from(socket);
        self.seen += usize::from(account.seen != poll);
        account.seen = poll;
        Movement::Stayed(delta)
    }

    fn open(&mut self, socket: &Socket) -> Movement {
        self.slots.insert(socket.cookie, self.accounts.len() as u32);
        self.accounts.push(Account { seen: self.poll, socket: *socket });
        self.next = self.accounts.len();
        self.seen += 1;
        if self.poll == 1 { Movement::First } else { Movement::Opened }
    }

    /// Ends a poll: hands out the sockets that were not seen in it and closes
    /// their accounts.
    pub fn end(&mut self, mut vanished: impl FnMut(&Socket)) {
        let poll = self.poll;
        if self.seen == self.accounts.len() {
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
