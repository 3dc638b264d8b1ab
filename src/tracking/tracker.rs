//! What each socket did since the last poll, until it is destroyed.

use std::time::{Duration, Instant};

use super::activity::{Activity, Ending, Observed, Totals, Watch};
use super::counters::{Counters, Shape};
use super::delta::Delta;
use super::identity::CommonParts;
use super::last_seen::LastSeen;
use super::table::{HasCookie, SocketTable};
use super::tracked::{
    BASELINE, CLOSED, CLOSING_UNCONFIRMED, DESTROYED, MINISOCK, NONE, OPENED, Record,
    TrackedSocket, VANISHED, WIPED,
};
use crate::model::fields::tcp_info as t;
use crate::model::{Socket, State};

/// At most this many sockets whose close is not confirmed are kept, or as many as there are live
/// sockets.
const MOST_UNCONFIRMED: usize = 4096;

/// The sockets of one network namespace over time, by cookie.
///
/// A poll is [`begin`](Self::begin), then [`observe`](Self::observe) for every record of a dump and
/// [`on_destroy`](Self::on_destroy) for every destroy event, in any order, then [`end`](Self::end).
/// The dump must include all states of full sockets; otherwise a socket that changes its state looks
/// new.
///
/// A socket takes 188 bytes, and 5.7 to 11.5 in the hash table, which doubles when seven eighths of
/// it are full: 194 to 200 in all. (That is with 50,000 sockets and more; with fewer, the reserve of
/// up to 12 KB and the common parts of identities weigh more: 200.1 at 28,673.) Sockets that moved
/// take another 152 until the end of the poll. Polls of a settled host allocate nothing.
#[derive(Debug, Default)]
pub struct SocketTracker {
    sockets: SocketTable<TrackedSocket>,
    commons: CommonParts,
    moved: Vec<Record>,
    /// Slots to be freed at the end of the poll.
    destroyed: Vec<u32>,
    /// Number of this poll, modulo 256.
    poll: u8,
    first_poll: Option<Instant>,
    now: Option<Instant>,
    /// The first poll has ended.
    has_baseline: bool,
    /// Events were lost in the last poll.
    was_lossy: bool,
    closing_unconfirmed: usize,
    /// Destroy events in this poll for sockets whose close was not confirmed.
    late: u64,
    ignored: u64,
    /// Live sockets observed in this poll.
    live: usize,
    /// This poll has destroy events.
    has_destroyed: bool,
}

impl SocketTracker {
    /// A tracker without sockets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll, before its dump.
    pub fn begin(&mut self, now: Instant) {
        self.first_poll.get_or_insert(now);
        self.now = Some(now);
        self.poll = self.poll.wrapping_add(1);
        self.sockets.rewind();
        (self.live, self.has_destroyed) = (0, false);
    }

    /// Takes a record of the dump, and returns whether its socket has a [`tag`](Self::tag).
    #[inline]
    pub fn observe(&mut self, socket: &Socket) -> Observed {
        if socket.state == State::BoundInactive {
            // Bound and unused, or closed with its file still open: no connection, no counters.
            return Observed::Ignored;
        }
        let poll = self.poll;
        let slot = self.sockets.find(socket.cookie);
        let Some((slot, tracked)) = slot.and_then(|slot| Some((slot, self.sockets.get_mut(slot)?)))
        else {
            // Requests and TIME-WAIT are no sockets: a request becomes one under the same cookie,
            // and TIME-WAIT was one.
            if socket.is_minisock() {
                return Observed::Ignored;
            }
            self.add(socket);
            return Observed::Untagged;
        };
        if tracked.is(CLOSING_UNCONFIRMED) {
            tracked.clear(CLOSING_UNCONFIRMED);
            self.closing_unconfirmed -= 1;
        } else if tracked.seen == poll {
            // The kernel may send a socket twice that moves in its tables during the dump. The
            // first record counts.
            return Observed::Ignored;
        }
        tracked.seen = poll;
        if socket.is_minisock() {
            tracked.set(MINISOCK);
            return Observed::Ignored;
        }
        if tracked.is(DESTROYED) {
            return Observed::Ignored;
        }
        self.live += usize::from(!tracked.is(MINISOCK));
        let still = tracked.record == NONE && tracked.state == socket.state;
        if still
            && socket.state != State::Listen
            && tracked.counters.are_those_of(tracked.shape, socket)
        {
            let tag = self.commons.update(&mut tracked.identity, socket, false);
            return tag.map_or(Observed::Untagged, Observed::Known);
        }
        let (counters, shape) = Counters::of(socket);
        if !tracked.shape.has_info() && tracked.state == State::Listen {
            // A listener that called connect() started from zero.
            tracked.shape = tracked.shape.with_info_of(shape);
        }
        let idle = still && tracked.shape == shape && tracked.counters == counters;
        let turned = (tracked.state == State::Listen) != (socket.state == State::Listen);
        tracked.state = socket.state;
        let tag = self.commons.update(&mut tracked.identity, socket, turned);
        if !idle {
            self.update(slot, &counters, shape, Some(LastSeen::of(socket)));
        }
        tag.map_or(Observed::Untagged, Observed::Known)
    }

    /// Tags a socket. Its activities carry the tag until the socket is destroyed or reused: a
    /// listener that connects, or a socket that is connected to another peer, loses it. `u32::MAX`
    /// removes the tag.
    ///
    /// Tags take no memory per socket as long as they are few: every pair of owner and tag is kept
    /// once.
    pub fn tag(&mut self, cookie: u64, tag: u32) {
        if let Some(slot) = self.sockets.look_up(cookie)
            && let Some(tracked) = self.sockets.get_mut(slot)
        {
            self.commons.set_tag(&mut tracked.identity, tag);
        }
    }

    /// Whether a socket is known.
    pub fn contains(&self, cookie: u64) -> bool {
        self.sockets.look_up(cookie).is_some()
    }

    fn add(&mut self, socket: &Socket) {
        let (counters, shape) = Counters::of(socket);
        let first = !self.has_baseline;
        let flags = if first { BASELINE } else { OPENED };
        let identity = self.commons.pack(socket);
        let mut tracked = TrackedSocket::new(socket, identity, shape, self.poll, flags);
        if first {
            tracked.counters = counters;
        }
        let last_seen = tracked.last_seen;
        let slot = self.sockets.push(tracked);
        self.sockets.expect_after(slot);
        self.live += 1;
        if !first {
            self.record(slot, &counters, shape, Some(last_seen));
        }
    }

    /// Takes a destroy event, which has the socket's last counters.
    pub fn on_destroy(&mut self, event: &Socket) {
        let (counters, shape) = Counters::of(event);
        if counters.is_duplicate_child() {
            // Its cookie is that of the first child if a dump has shown the request.
            self.ignored += 1;
            return;
        }
        self.has_destroyed = true;
        let Some(slot) = self.sockets.look_up(event.cookie) else {
            return self.on_destroy_unknown(event, counters, shape);
        };
        let Some(tracked) = self.sockets.get_mut(slot) else { return };
        if tracked.is(DESTROYED) {
            return;
        }
        if tracked.is(CLOSING_UNCONFIRMED) {
            tracked.clear(CLOSING_UNCONFIRMED);
            self.closing_unconfirmed -= 1;
            self.late += 1;
        }
        tracked.set(DESTROYED);
        if !self.has_baseline {
            return;
        }
        if !tracked.is(VANISHED) {
            tracked.set(CLOSED);
        }
        if tracked.state == State::Listen {
            return self.ensure_record(slot);
        }
        let (record, known) = (tracked.record, tracked.counters);
        let known = self.moved.get(record as usize).map_or(known, |record| record.counters);
        if counters.is_blank() && !known.is_blank() {
            tracked.set(WIPED);
        } else {
            // A blank event may be a wiped one, and that shows nothing.
            let last_seen = (!counters.is_blank()).then(|| LastSeen::of(event));
            self.update(slot, &counters, shape, last_seen);
        }
        self.ensure_record(slot);
    }

    /// A destroy event of a socket that no dump has shown.
    fn on_destroy_unknown(&mut self, event: &Socket, counters: Counters, shape: Shape) {
        let unused = event.local.port == 0 && counters.is_blank();
        if !self.has_baseline || unused || self.is_older_than_the_first_poll(event, &counters) {
            self.ignored += 1;
            return;
        }
        let wiped = if counters.is_blank() { WIPED } else { 0 };
        let flags = OPENED | CLOSED | DESTROYED | wiped;
        let identity = self.commons.pack(event);
        let tracked = TrackedSocket::new(event, identity, shape, self.poll.wrapping_sub(1), flags);
        let last_seen = (wiped == 0).then_some(tracked.last_seen);
        let slot = self.sockets.push(tracked);
        self.record(slot, &counters, shape, last_seen);
    }

    /// Whether a connection had ended before the first dump and only its file was closed later. Such
    /// a socket was in no dump, and its counters are from before. The clocks of a socket that was
    /// connected are set (`tcp_finish_connect()`, `tcp_create_openreq_child()`); those of others are
    /// as good as random.
    fn is_older_than_the_first_poll(&self, event: &Socket, counters: &Counters) -> bool {
        let clocks = [&t::LAST_DATA_SENT, &t::LAST_DATA_RECV, &t::LAST_ACK_RECV];
        let idle = clocks.iter().filter_map(|clock| clock.integer(event)).min();
        let (Some(now), Some(first), Some(idle)) = (self.now, self.first_poll, idle) else {
            return false;
        };
        // The event came after the poll began, and a dump may take long.
        let watched = now.saturating_duration_since(first) + Duration::from_secs(1);
        counters.was_connected() && Duration::from_millis(idle) > watched
    }

    /// Stores a socket's counters, and what else is seen of it.
    fn update(
        &mut self,
        slot: usize,
        counters: &Counters,
        shape: Shape,
        last_seen: Option<LastSeen>,
    ) {
        let Some(tracked) = self.sockets.get_mut(slot) else { return };
        let record = self.moved.get_mut(tracked.record as usize);
        let (known, was) = match &record {
            Some(record) => (&record.counters, record.shape),
            None => (&tracked.counters, tracked.shape),
        };
        let (merged, counters, shape) = match shape.covers(was) {
            true => (None, counters, shape),
            false => {
                let (merged, shape) = counters.over(shape, known, was);
                (Some(merged), counters, shape)
            }
        };
        let counters = merged.as_ref().unwrap_or(counters);
        if !self.has_baseline {
            (tracked.counters, tracked.shape) = (*counters, shape);
            tracked.last_seen = last_seen.unwrap_or(tracked.last_seen);
            return;
        }
        if !was.has_info() {
            if tracked.is(OPENED) {
                tracked.shape = tracked.shape.with_info_of(shape);
            } else {
                // Only drops can be compared.
                let (before, was) = (&tracked.counters, tracked.shape);
                (tracked.counters, tracked.shape) =
                    counters.over(shape.without_drops(), before, was);
            }
        }
        match record {
            Some(record) if !record.counters.is_reset_by(counters) => {
                (record.counters, record.shape) = (*counters, shape);
                record.last_seen = last_seen.or(record.last_seen);
            }
            // After a reset the old record stays, and another begins.
            _ => self.record(slot, counters, shape, last_seen),
        }
    }

    /// Gives a socket a record, so that it is reported.
    fn ensure_record(&mut self, slot: usize) {
        if let Some(tracked) = self.sockets.get(slot)
            && tracked.record == NONE
        {
            let (counters, shape) = (tracked.counters, tracked.shape);
            self.record(slot, &counters, shape, None);
        }
    }

    fn record(
        &mut self,
        slot: usize,
        counters: &Counters,
        shape: Shape,
        last_seen: Option<LastSeen>,
    ) {
        if let Some(tracked) = self.sockets.get_mut(slot) {
            tracked.record = self.moved.len() as u32;
            self.moved.push(Record { slot: slot as u32, counters: *counters, shape, last_seen });
        }
    }

    /// Ends a poll: reports what every socket did since the last one, if it did anything.
    pub fn end(&mut self, ending: Ending, mut each: impl FnMut(&Activity)) -> Totals {
        let mut totals = Totals {
            first: !self.has_baseline,
            late: std::mem::take(&mut self.late),
            ignored: std::mem::take(&mut self.ignored),
            ..Totals::default()
        };
        totals.live = self.find_absent(ending);
        self.drop_unconfirmed(&mut totals);
        self.report(&mut totals, &mut each);
        // From the last slot to the first, so that no destroyed socket moves into a freed slot.
        self.destroyed.sort_unstable();
        while let Some(slot) = self.destroyed.pop() {
            self.sockets.swap_remove(slot as usize);
        }
        if self.commons.wants_cleaning() {
            self.commons.clean(self.sockets.iter_mut().map(|tracked| &mut tracked.identity));
        }
        self.has_baseline = true;
        self.was_lossy = ending.watch == Watch::Lossy;
        totals.closing_unconfirmed = self.closing_unconfirmed;
        totals
    }

    /// Decides on the sockets that were not in the dump, and returns how many live ones were.
    fn find_absent(&mut self, ending: Ending) -> usize {
        if self.live == self.sockets.len() && !self.has_destroyed {
            // All sockets are there.
            return self.live;
        }
        let mut live = 0;
        let watch = match ending.watch {
            // Events that were lost after the last dump belong to sockets in it.
            Watch::Whole if self.was_lossy => Watch::Lossy,
            watch => watch,
        };
        for slot in 0..self.sockets.len() {
            let Some(tracked) = self.sockets.get_mut(slot) else { break };
            let seen = tracked.seen == self.poll && !tracked.is(CLOSING_UNCONFIRMED);
            if tracked.is(DESTROYED) {
                // Its TIME-WAIT record may still be in the next dump.
                if !seen && ending.whole_dump {
                    self.destroyed.push(slot as u32);
                }
                continue;
            }
            live += usize::from(seen && !tracked.is(MINISOCK));
            let stays = match seen {
                true => !tracked.is(MINISOCK) || watch == Watch::Whole,
                false => !ending.whole_dump,
            };
            if stays {
                continue;
            }
            if !seen && watch != Watch::Off && !tracked.is(CLOSING_UNCONFIRMED) {
                tracked.set(CLOSING_UNCONFIRMED);
                self.closing_unconfirmed += 1;
            }
            if watch == Watch::Whole || tracked.is(VANISHED) {
                continue;
            }
            tracked.set(VANISHED | CLOSED);
            if watch == Watch::Off {
                tracked.set(DESTROYED);
                if !seen {
                    self.destroyed.push(slot as u32);
                }
            }
            self.ensure_record(slot);
        }
        live
    }

    /// Limits the number of sockets whose close is not confirmed. Those that vanished go first: their
    /// event was probably lost.
    fn drop_unconfirmed(&mut self, totals: &mut Totals) {
        let bound = (self.sockets.len() - self.closing_unconfirmed).max(MOST_UNCONFIRMED);
        for vanished in [VANISHED, 0] {
            for slot in 0..self.sockets.len() {
                if self.closing_unconfirmed <= bound {
                    return;
                }
                let Some(tracked) = self.sockets.get_mut(slot) else { break };
                if !tracked.is(CLOSING_UNCONFIRMED) || tracked.flags & VANISHED != vanished {
                    continue;
                }
                tracked.clear(CLOSING_UNCONFIRMED);
                self.closing_unconfirmed -= 1;
                if vanished == 0 {
                    tracked.set(VANISHED | CLOSED);
                }
                self.destroyed.push(slot as u32);
                totals.given_up += 1;
                self.ensure_record(slot);
            }
        }
    }

    fn report(&mut self, totals: &mut Totals, each: &mut impl FnMut(&Activity)) {
        let mut moved = std::mem::take(&mut self.moved);
        for (index, record) in moved.iter().enumerate() {
            let Some(tracked) = self.sockets.get_mut(record.slot as usize) else { continue };
            let (before, was) = (tracked.counters, tracked.shape);
            (tracked.counters, tracked.shape) = (record.counters, record.shape);
            let seen_before = tracked.last_seen;
            tracked.last_seen = record.last_seen.unwrap_or(seen_before);
            let last = tracked.record == index as u32;
            let flags = tracked.flags;
            tracked.clear(if last { OPENED | CLOSED } else { OPENED });
            if last {
                tracked.record = NONE;
            }
            if totals.first {
                continue;
            }
            let is = |flag: u8| flags & flag != 0;
            let closed = is(CLOSED) && last;
            let activity = Activity {
                cookie: tracked.cookie(),
                identity: self.commons.unpack(&tracked.identity, tracked.state),
                tag: self.commons.tag(&tracked.identity),
                delta: Delta::of(&before, was, &record.counters, record.shape),
                before: (!is(OPENED)).then_some(seen_before),
                after: record.last_seen,
                opened: is(OPENED),
                closed,
                in_baseline: is(BASELINE),
                wiped: closed && is(WIPED),
                vanished: closed && is(VANISHED),
            };
            if !(activity.opened || closed || !activity.delta.is_zero()) {
                continue;
            }
            totals.opened += u64::from(activity.opened);
            totals.closed += u64::from(closed);
            totals.vanished += u64::from(activity.vanished);
            totals.wiped += u64::from(activity.wiped);
            each(&activity);
        }
        moved.clear();
        self.moved = moved;
    }

    /// Number of sockets, those whose close is not confirmed included.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sockets.len() == 0
    }

    /// Bytes on the heap: sockets, hash table and common parts of identities. Records of this poll
    /// are not included.
    pub fn allocated(&self) -> usize {
        self.sockets.allocated() + self.commons.allocated()
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
