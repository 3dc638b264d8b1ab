//! What is kept of one listener while it is watched.

use super::finding::Example;
use crate::model::{Role, Socket};

/// One listener's way from the first look to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerHistory {
    /// Which one.
    pub example: Example,
    /// Number of the look that showed it last.
    pub(super) seen: u32,
    /// Looks that showed it.
    pub looks: u32,
    /// Of them those with a full accept queue.
    pub full: u32,
    /// Connections in its accept queue at the first look.
    pub first_queue: u32,
    /// At the last look.
    pub queue: u32,
    /// Looks that found more than the one before.
    pub rises: u32,
    /// The most at one look.
    pub most_queued: u32,
    /// Its backlog, as `listen()` was allowed it.
    pub backlog: u32,
    /// Segments dropped before and now; `None` where the kernel does not tell.
    drops: Option<(u32, u32)>,
    /// The most requests in SYN-RECV at one look.
    pub requests: u32,
    /// Requests at this look.
    pub(super) requests_now: u32,
}

impl ListenerHistory {
    pub(super) fn new(socket: &Socket, look: u32) -> Self {
        let drops = drops(socket);
        let mut history = Self {
            example: Example {
                cookie: socket.cookie,
                role: Role::Listener,
                state: socket.state,
                local: socket.local,
                remote: socket.remote,
                interface: socket.interface,
                uid: socket.uid,
                inode: socket.inode,
                cgroup_id: socket.cgroup_id,
            },
            seen: look,
            looks: 0,
            full: 0,
            first_queue: socket.receive_queue,
            queue: socket.receive_queue,
            rises: 0,
            most_queued: 0,
            backlog: 0,
            drops: drops.map(|drops| (drops, drops)),
            requests: 0,
            requests_now: 0,
        };
        history.follow(socket, look);
        history
    }

    pub(super) fn follow(&mut self, socket: &Socket, look: u32) {
        self.seen = look;
        self.looks += 1;
        self.rises += u32::from(socket.receive_queue > self.queue);
        self.queue = socket.receive_queue;
        self.most_queued = self.most_queued.max(self.queue);
        self.backlog = socket.send_queue;
        self.full += u32::from(self.is_full());
        self.drops = self.drops.zip(drops(socket)).map(|((first, _), now)| (first, now));
    }

    /// Whether the next connection would be refused its place (`sk_acceptq_is_full()`).
    pub fn is_full(&self) -> bool {
        self.queue > self.backlog
    }

    /// Connections that its queue takes.
    pub fn room(&self) -> u32 {
        self.backlog.saturating_add(1)
    }

    /// Segments it dropped while it was watched.
    pub fn dropped(&self) -> Option<u32> {
        self.drops.map(|(first, now)| now.wrapping_sub(first))
    }

    #[cfg(test)]
    pub(super) fn set_dropped(&mut self, dropped: u32) {
        self.drops = Some((0, dropped));
    }
}

fn drops(socket: &Socket) -> Option<u32> {
    socket.skmem.as_ref()?.word(8)
}
