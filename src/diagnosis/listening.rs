//! What is kept of one listener while it is watched.

use super::finding::Example;
use crate::model::{Role, Socket, wrap};
use crate::wire::uapi;

/// What one listener did from the first poll to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerHistory {
    /// Its addresses and owner.
    pub example: Example,
    /// Number of the last poll that showed it.
    pub(super) last_poll: u32,
    /// Polls that showed it.
    pub polls: u32,
    /// Polls that showed its accept queue full.
    pub full_polls: u32,
    /// Connections in its accept queue at the first poll.
    pub first_queue: u32,
    /// Connections in its accept queue at the last poll.
    pub queue: u32,
    /// Polls that showed more queued connections than the poll before.
    pub rises: u32,
    /// The most connections queued at one poll.
    pub most_queued: u32,
    /// Its backlog, as the kernel granted it to `listen()`.
    pub backlog: u32,
    /// `sk_drops` at the first and the last poll; `None` if the kernel does not report it.
    drops: Option<(u32, u32)>,
    /// The most requests in SYN-RECV at one poll.
    pub requests: u32,
    /// Requests in SYN-RECV at this poll.
    pub(super) requests_now: u32,
}

impl ListenerHistory {
    pub(super) fn new(socket: &Socket, poll: u32) -> Self {
        let drops = drops(socket);
        let mut history = Self {
            example: Example::of(socket, Role::Listener),
            last_poll: poll,
            polls: 0,
            full_polls: 0,
            first_queue: socket.receive_queue,
            queue: socket.receive_queue,
            rises: 0,
            most_queued: 0,
            backlog: 0,
            drops: drops.map(|drops| (drops, drops)),
            requests: 0,
            requests_now: 0,
        };
        history.update(socket, poll);
        history
    }

    pub(super) fn update(&mut self, socket: &Socket, poll: u32) {
        self.last_poll = poll;
        self.polls += 1;
        self.rises += u32::from(socket.receive_queue > self.queue);
        self.queue = socket.receive_queue;
        self.most_queued = self.most_queued.max(self.queue);
        self.backlog = socket.send_queue;
        self.full_polls += u32::from(self.is_full());
        self.drops = self.drops.zip(drops(socket)).map(|((first, _), now)| (first, now));
    }

    /// Whether the accept queue is full (`sk_acceptq_is_full()`).
    pub fn is_full(&self) -> bool {
        self.queue > self.backlog
    }

    /// The number of connections that its accept queue holds when full.
    pub fn capacity(&self) -> u32 {
        self.backlog.saturating_add(1)
    }

    /// Segments that it dropped while it was watched.
    pub fn dropped(&self) -> Option<u32> {
        self.drops.and_then(|(first, now)| wrap::growth(first, now)).map(|grown| grown as u32)
    }

    #[cfg(test)]
    pub(super) fn set_dropped(&mut self, dropped: u32) {
        self.drops = Some((0, dropped));
    }
}

fn drops(socket: &Socket) -> Option<u32> {
    socket.skmem.as_ref()?.word(uapi::SK_MEMINFO_DROPS)
}
