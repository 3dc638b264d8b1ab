//! How much of a recording is held in memory.
//!
//! A recording may come from anybody, and a few bytes of it may stand for gigabytes. What is held
//! grows with the sockets and network namespaces that it shows, and with nothing else.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use super::error::Damage;
use crate::wire::Messages;
use crate::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};

/// The most sockets of a sample, with those in its destroy events. Two million are the most that a
/// host was reported to have; each takes some 500 bytes here.
pub(super) const MOST_SOCKETS: usize = 1 << 22;

/// The most network namespaces of a recording. Each has readers and tables of its own.
pub(super) const MOST_NAMESPACES: usize = 4096;

/// The most that may come and go in the files of a session.
pub(super) const MOST_NAMESPACES_EVER: usize = 1 << 16;

/// What a sample, and the facts that outlast it, may hold in any case.
const BASE: usize = 8 << 20;

/// What they may hold for each socket. A record of Linux 7.0 has some 500 bytes, its owner 100 to
/// 200.
const PER_SOCKET: usize = 2 << 10;

/// What they may hold for each network namespace. Its counter files have 11 kB, and softnet_stat has
/// 135 bytes for each processor, up to 256 of them here; both are there twice.
const PER_NAMESPACE: usize = 128 << 10;

/// Where a sender's identity is in a reply: `struct inet_diag_sockid`.
const SOCKET_ID: std::ops::Range<usize> = 4..52;

/// What is shown, by which is measured what may be held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    pub(super) sockets: usize,
    pub(super) namespaces: usize,
}

impl Shown {
    /// The most bytes for it.
    pub(super) fn allowance(self) -> usize {
        BASE + PER_SOCKET * self.sockets + PER_NAMESPACE * self.namespaces
    }
}

/// What a sample may still hold.
#[derive(Debug)]
pub(super) struct Allowance {
    held: usize,
    most: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { held: 0, most: BASE }
    }
}

impl Allowance {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes so many bytes. What is shown so far is counted only when they do not fit, so the
    /// samples of most hosts are never counted.
    pub(super) fn take(
        &mut self,
        bytes: usize,
        shown: impl FnOnce() -> Shown,
    ) -> Result<(), Damage> {
        self.held = self.held.saturating_add(bytes);
        if self.held <= self.most {
            return Ok(());
        }
        let shown = shown();
        if shown.sockets > MOST_SOCKETS {
            return Err(Damage::Sockets(MOST_SOCKETS));
        }
        self.most = shown.allowance();
        // A quarter is left free, or the next bytes would have everything counted once more.
        if self.held.saturating_add(self.held / 4) > self.most {
            return Err(Damage::Sample { bytes: self.held, sockets: shown.sockets });
        }
        Ok(())
    }

    /// Returns bytes that are not held any more.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }
}

/// How many different sockets the messages in these bytes are of.
pub(super) fn sockets<'a>(datagrams: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut seen = Vec::new();
    for message in datagrams.flat_map(Messages::new).flatten() {
        if let SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK = message.kind
            && let Some(id) = message.payload.get(SOCKET_ID)
        {
            let mut hasher = FxHasher::default();
            id.hash(&mut hasher);
            seen.push(hasher.finish());
        }
    }
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_grows_with_the_sockets() {
        let mut allowance = Allowance::default();
        // 500,000 of 700 bytes. They are counted when what is allowed is used up: 8 MiB at first, then
        // 8 MiB + 128 KiB and 2 KiB for each that was there, so each time about three times as many.
        let mut counts = Vec::new();
        for sockets in 1..=500_000 {
            let shown = || {
                counts.push(sockets);
                Shown { sockets, namespaces: 1 }
            };
            allowance.take(700, shown).unwrap();
        }
        let mut expected = vec![BASE / 700 + 1];
        while let Some(last) = expected.last()
            && let next = (BASE + PER_NAMESPACE + PER_SOCKET * last) / 700 + 1
            && next <= 500_000
        {
            expected.push(next);
        }
        assert_eq!(counts, expected);
        assert_eq!(counts.len(), 4);
        allowance.clear();
        let none = || Shown { sockets: 3, namespaces: 1 };
        let fits = (0..).take_while(|_| allowance.take(1 << 20, none).is_ok()).count();
        assert_eq!(fits, 8);
        allowance.clear();
        let many = || Shown { sockets: MOST_SOCKETS + 1, namespaces: 1 };
        assert_eq!(allowance.take(BASE + 1, many), Err(Damage::Sockets(MOST_SOCKETS)));
    }

    #[test]
    fn a_socket_counts_once() {
        let message = |kind: u16, id: u8| {
            let mut bytes = 88u32.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.resize(88, 0);
            bytes[16 + 10] = id;
            bytes
        };
        let dump = [(20, 1), (20, 2), (18, 2), (20, 1), (3, 5)].map(|(kind, id)| message(kind, id));
        assert_eq!(sockets([dump.concat().as_slice(), &dump[0], &[7; 30]].into_iter()), 2);
    }
}
