//! One account per cookie, found without a hash lookup as a rule.

use hashbrown::HashTable;

/// Accounts that lie together. One long vector would hold up to twice what it
/// needs after it has grown, and copy everything to get there.
const CHUNK: usize = 256;

/// Accounts that the last chunk grows by: what it has in reserve would be
/// another byte for each of 50,000 if it came at once.
const STEP: usize = CHUNK / 4;

/// What has an account: it knows its own cookie.
pub(crate) trait Holder {
    /// The socket's cookie.
    fn cookie(&self) -> u64;
}

/// Accounts by cookie.
///
/// The kernel walks its tables in the same order every time, so the next
/// account is usually the one that the next record belongs to: few records need
/// the hash table at all. It holds slots only, five bytes each with hashbrown's
/// own; the cookies are compared in the accounts.
#[derive(Debug)]
pub(crate) struct Accounts<T> {
    chunks: Vec<Vec<T>>,
    slots: HashTable<u32>,
    length: usize,
    /// Where the next record is expected.
    next: usize,
}

impl<T> Default for Accounts<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), slots: HashTable::new(), length: 0, next: 0 }
    }
}

impl<T: Holder> Accounts<T> {
    /// Expects the first account next.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Expects the account behind this slot next.
    pub(crate) fn expect_after(&mut self, slot: usize) {
        self.next = slot + 1;
    }

    /// Where the account of this cookie is.
    #[inline]
    pub(crate) fn find(&mut self, cookie: u64) -> Option<usize> {
        let guess = self.next;
        let slot = match self.get(guess) {
            Some(account) if account.cookie() == cookie => guess,
            _ => self.look_up(cookie)?,
        };
        self.next = slot + 1;
        Some(slot)
    }

    /// The same by the hash table alone: for cookies that come in no order.
    pub(crate) fn look_up(&self, cookie: u64) -> Option<usize> {
        let slot = self.slots.find(hash(cookie), |&slot| {
            self.get(slot as usize).is_some_and(|account| account.cookie() == cookie)
        });
        slot.map(|&slot| slot as usize)
    }

    /// The account in a slot.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&T> {
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    /// The account in a slot, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    /// Opens an account whose cookie has none; tells its slot.
    pub(crate) fn push(&mut self, account: T) -> usize {
        let (slot, cookie) = (self.length, account.cookie());
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::new());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            if chunk.len() == chunk.capacity() {
                chunk.reserve_exact(STEP);
            }
            chunk.push(account);
        }
        self.length += 1;
        let chunks = &self.chunks;
        self.slots.insert_unique(hash(cookie), slot as u32, |&slot| {
            let slot = slot as usize;
            let account = chunks.get(slot / CHUNK).and_then(|chunk| chunk.get(slot % CHUNK));
            account.map_or(0, |account| hash(account.cookie()))
        });
        slot
    }

    /// Closes an account. The last one moves into its slot.
    pub(crate) fn swap_remove(&mut self, slot: usize) -> Option<T> {
        let cookie = self.get(slot)?.cookie();
        let last = self.chunks.last_mut()?.pop()?;
        self.length -= 1;
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        self.forget(cookie, slot);
        if slot == self.length {
            return Some(last);
        }
        let entry =
            self.slots.find_mut(hash(last.cookie()), |&moved| moved as usize == self.length);
        if let Some(entry) = entry {
            *entry = slot as u32;
        }
        self.get_mut(slot).map(|place| std::mem::replace(place, last))
    }

    fn forget(&mut self, cookie: u64, slot: usize) {
        if let Ok(entry) = self.slots.find_entry(hash(cookie), |&known| known as usize == slot) {
            entry.remove();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// All of them, by slot, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// Bytes of the heap that this occupies.
    pub(crate) fn allocated(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
            + self.slots.allocation_size()
    }
}

/// Cookies are counted up by the kernel and chosen by nobody: one multiplication
/// spreads them, and the table wants the spread in the upper bits too.
#[inline]
fn hash(cookie: u64) -> u64 {
    let mixed = cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Cookie(u64);

    impl Holder for Cookie {
        fn cookie(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn found_after_any_removals() {
        let mut accounts = Accounts::default();
        let cookies: Vec<u64> = (0..2000).map(|n| n * 4096 + 7).collect();
        for &cookie in &cookies {
            accounts.push(Cookie(cookie));
        }
        for &cookie in cookies.iter().filter(|&cookie| cookie % 3 == 0) {
            let slot = accounts.find(cookie).unwrap();
            assert_eq!(accounts.swap_remove(slot).unwrap().0, cookie);
        }
        for &cookie in &cookies {
            let found = accounts.find(cookie).map(|slot| accounts.get(slot).unwrap().0);
            assert_eq!(found, (cookie % 3 != 0).then_some(cookie));
        }
        assert_eq!(accounts.len(), accounts.iter_mut().count());
        while accounts.len() > 0 {
            accounts.swap_remove(0).unwrap();
        }
        assert!(accounts.find(7).is_none() && accounts.swap_remove(0).is_none());
        accounts.push(Cookie(7));
        assert_eq!(accounts.find(7), Some(0));
    }
}
