//! One entry per cookie, mostly found without a hash lookup.

use hashbrown::HashTable;

/// Entries of one chunk. One long vector would hold up to twice what it needs after it has grown,
/// and copy everything while it grows.
const CHUNK: usize = 256;

/// Entries that the last chunk grows by. A whole chunk in reserve would be another byte for each of
/// 50,000 sockets.
const STEP: usize = CHUNK / 4;

/// An entry of a [`SocketTable`].
pub(crate) trait HasCookie {
    /// The socket's cookie.
    fn cookie(&self) -> u64;
}

/// Entries by cookie.
///
/// The kernel walks its tables in the same order every time, so the next record usually belongs to
/// the next entry, and few records need the hash table. It holds slots only, five bytes each with
/// hashbrown's own byte; cookies are compared in the entries.
#[derive(Debug)]
pub(crate) struct SocketTable<T> {
    chunks: Vec<Vec<T>>,
    slots: HashTable<u32>,
    length: usize,
    /// The slot that the next record is expected in.
    next: usize,
}

impl<T> Default for SocketTable<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), slots: HashTable::new(), length: 0, next: 0 }
    }
}

impl<T: HasCookie> SocketTable<T> {
    /// Expects the first entry next.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Expects the entry behind this slot next.
    pub(crate) fn expect_after(&mut self, slot: usize) {
        self.next = slot + 1;
    }

    /// The slot of a cookie.
    #[inline]
    pub(crate) fn find(&mut self, cookie: u64) -> Option<usize> {
        let guess = self.next;
        let slot = match self.get(guess) {
            Some(entry) if entry.cookie() == cookie => guess,
            _ => self.look_up(cookie)?,
        };
        self.next = slot + 1;
        Some(slot)
    }

    /// The slot of a cookie by the hash table alone, for cookies that come in no order.
    pub(crate) fn look_up(&self, cookie: u64) -> Option<usize> {
        let slot = self.slots.find(hash(cookie), |&slot| {
            self.get(slot as usize).is_some_and(|entry| entry.cookie() == cookie)
        });
        slot.map(|&slot| slot as usize)
    }

    /// The entry in a slot.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&T> {
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    /// The entry in a slot, mutable.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    /// Adds an entry whose cookie has none yet, and returns its slot.
    pub(crate) fn push(&mut self, entry: T) -> usize {
        let (slot, cookie) = (self.length, entry.cookie());
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::new());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            if chunk.len() == chunk.capacity() {
                chunk.reserve_exact(STEP);
            }
            chunk.push(entry);
        }
        self.length += 1;
        let chunks = &self.chunks;
        self.slots.insert_unique(hash(cookie), slot as u32, |&slot| {
            let slot = slot as usize;
            let entry = chunks.get(slot / CHUNK).and_then(|chunk| chunk.get(slot % CHUNK));
            entry.map_or(0, |entry| hash(entry.cookie()))
        });
        slot
    }

    /// Removes an entry. The last one moves into its slot.
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
        let moved =
            self.slots.find_mut(hash(last.cookie()), |&moved| moved as usize == self.length);
        if let Some(moved) = moved {
            *moved = slot as u32;
        }
        self.get_mut(slot).map(|place| std::mem::replace(place, last))
    }

    fn forget(&mut self, cookie: u64, slot: usize) {
        if let Ok(entry) = self.slots.find_entry(hash(cookie), |&known| known as usize == slot) {
            entry.remove();
        }
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// All entries by slot, mutable.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// Bytes on the heap.
    pub(crate) fn allocated(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
            + self.slots.allocation_size()
    }
}

/// The kernel counts cookies up and nobody can choose them, so one multiplication spreads them well
/// enough. The hash table needs the upper bits spread too.
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

    impl HasCookie for Cookie {
        fn cookie(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn found_after_any_removals() {
        let mut table = SocketTable::default();
        let cookies: Vec<u64> = (0..2000).map(|n| n * 4096 + 7).collect();
        for &cookie in &cookies {
            table.push(Cookie(cookie));
        }
        for &cookie in cookies.iter().filter(|&cookie| cookie % 3 == 0) {
            let slot = table.find(cookie).unwrap();
            assert_eq!(table.swap_remove(slot).unwrap().0, cookie);
        }
        for &cookie in &cookies {
            let found = table.find(cookie).map(|slot| table.get(slot).unwrap().0);
            assert_eq!(found, (cookie % 3 != 0).then_some(cookie));
        }
        assert_eq!(table.len(), table.iter_mut().count());
        while table.len() > 0 {
            table.swap_remove(0).unwrap();
        }
        assert!(table.find(7).is_none() && table.swap_remove(0).is_none());
        table.push(Cookie(7));
        assert_eq!(table.find(7), Some(0));
    }
}
