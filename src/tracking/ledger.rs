//! One account per socket: what it did since it was last seen, and its death.

use std::time::{Duration, Instant};

use super::account::{
    Account, BASELINE, CLOSED, CLOSING_UNCONFIRMED, DESTROYED, MINISOCK, NONE, OPENED, Record,
    VANISHED, WIPED,
};
use super::accounts::{Accounts, Holder};
use super::activity::{Activity, Ending, Entered, Totals, Watch};
use super::counters::{Counters, Shape};
use super::delta::Delta;
use super::identity::Commons;
use super::last_seen::LastSeen;
use crate::model::fields::tcp_info as t;
use crate::model::{Socket, State};

/// As many accounts whose close is not confirmed are kept, or as many as there are live sockets.
const MOST_UNCONFIRMED: usize = 4096;

/// The sockets of one network namespace over time, by cookie.
///
/// A poll is [`begin`](Self::begin), then [`enter`](Self::enter) for every
/// record of a dump and [`on_destroy`](Self::on_destroy) for every destroy event, in any
/// order, then [`end`](Self::end). The dump must hold all states in which a full
/// socket can be, or one that only changes its state looks new.
///
/// An account takes 188 bytes, and 5.7 to 11.5 in the hash table, which doubles
/// when seven eighths of it are full: 194 to 200 in all. (That is with 50,000
/// sockets and more; with fewer, accounts in reserve, up to 12 KB, and the common
/// parts of identities weigh heavier: 200.1 at 28,673.)
/// Those that moved take another 152 until the end of the poll; polls of a
/// settled host allocate nothing.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Accounts<Account>,
    commons: Commons,
    moved: Vec<Record>,
    graves: Vec<u32>,
    /// Number of the poll that runs, modulo 256.
    poll: u8,
    first_look: Option<Instant>,
    now: Option<Instant>,
    /// A poll has ended.
    has_baseline: bool,
    /// Events were lost in the last poll.
    was_lossy: bool,
    closing_unconfirmed: usize,
    /// Destroy events in this poll for sockets whose close was not confirmed.
    late: u64,
    ignored: u64,
    /// Accounts of live sockets that this poll has come to.
    alive: usize,
    /// A death was told of in this poll.
    has_deaths: bool,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a poll, before its dump.
    pub fn begin(&mut self, now: Instant) {
        self.first_look.get_or_insert(now);
        self.now = Some(now);
        self.poll = self.poll.wrapping_add(1);
        self.accounts.rewind();
        (self.alive, self.has_deaths) = (0, false);
    }

    /// Enters a record of the dump; tells whether it is of a socket that wants a
    /// [`tag`](Self::tag).
    #[inline]
    pub fn enter(&mut self, socket: &Socket) -> Entered {
        if socket.state == State::BoundInactive {
            // Bound and unused, or a dead connection whose file is still open:
            // without counters either way, and no connection.
            return Entered::Ignored;
        }
        let poll = self.poll;
        let slot = self.accounts.find(socket.cookie);
        let Some((slot, account)) =
            slot.and_then(|slot| Some((slot, self.accounts.get_mut(slot)?)))
        else {
            // A record of a request or of TIME-WAIT is none of a socket: the
            // first becomes one under the same cookie, the second was one.
            if socket.is_minisock() {
                return Entered::Ignored;
            }
            self.open(socket);
            return Entered::Untagged;
        };
        if account.is(CLOSING_UNCONFIRMED) {
            account.clear(CLOSING_UNCONFIRMED);
            self.closing_unconfirmed -= 1;
        } else if account.seen == poll {
            // The kernel may send a socket twice that moves in its tables
            // during the dump. The first record counts.
            return Entered::Ignored;
        }
        account.seen = poll;
        if socket.is_minisock() {
            account.set(MINISOCK);
            return Entered::Ignored;
        }
        if account.is(DESTROYED) {
            return Entered::Ignored;
        }
        self.alive += usize::from(!account.is(MINISOCK));
        let still = account.record == NONE && account.state == socket.state;
        if still
            && socket.state != State::Listen
            && account.counters.are_those_of(account.shape, socket)
        {
            // As most sockets are between two polls.
            let tag = self.commons.update(&mut account.identity, socket, false);
            return tag.map_or(Entered::Untagged, Entered::Known);
        }
        let (counters, shape) = Counters::of(socket);
        if !account.shape.has_info() && account.state == State::Listen {
            // A listener that turned to connect() did so from zero.
            account.shape = account.shape.with_info_of(shape);
        }
        let idle = still && account.shape == shape && account.counters == counters;
        let turned = (account.state == State::Listen) != (socket.state == State::Listen);
        account.state = socket.state;
        let tag = self.commons.update(&mut account.identity, socket, turned);
        if !idle {
            self.note(slot, &counters, shape, Some(LastSeen::of(socket)));
        }
        tag.map_or(Entered::Untagged, Entered::Known)
    }

    /// Marks a socket that has an account: its activities carry the tag until it
    /// dies, or becomes another kind of thing. (A listener that connects is one,
    /// or one that is connected elsewhere.) `u32::MAX` takes the tag away.
    ///
    /// Tags take no bytes of an account as long as they are few: every pair of
    /// owner and tag is kept once.
    pub fn tag(&mut self, cookie: u64, tag: u32) {
        if let Some(slot) = self.accounts.look_up(cookie)
            && let Some(account) = self.accounts.get_mut(slot)
        {
            self.commons.set_tag(&mut account.identity, tag);
        }
    }

    /// Whether a socket has an account.
    pub fn knows(&self, cookie: u64) -> bool {
        self.accounts.look_up(cookie).is_some()
    }

    fn open(&mut self, socket: &Socket) {
        let (counters, shape) = Counters::of(socket);
        let first = !self.has_baseline;
        let flags = if first { BASELINE } else { OPENED };
        let identity = self.commons.pack(socket);
        let mut account = Account::new(socket, identity, shape, self.poll, flags);
        if first {
            account.counters = counters;
        }
        let last_seen = account.last_seen;
        let slot = self.accounts.push(account);
        self.accounts.expect_after(slot);
        self.alive += 1;
        if !first {
            self.record(slot, &counters, shape, Some(last_seen));
        }
    }

    /// Enters a destroy event: the socket's last counters.
    pub fn on_destroy(&mut self, event: &Socket) {
        let (counters, shape) = Counters::of(event);
        if counters.is_duplicate_child() {
            // Its cookie is its twin's where a dump had shown the request.
            self.ignored += 1;
            return;
        }
        self.has_deaths = true;
        let Some(slot) = self.accounts.look_up(event.cookie) else {
            return self.on_destroy_unknown(event, counters, shape);
        };
        let Some(account) = self.accounts.get_mut(slot) else { return };
        if account.is(DESTROYED) {
            return;
        }
        if account.is(CLOSING_UNCONFIRMED) {
            account.clear(CLOSING_UNCONFIRMED);
            self.closing_unconfirmed -= 1;
            self.late += 1;
        }
        account.set(DESTROYED);
        if !self.has_baseline {
            return;
        }
        if !account.is(VANISHED) {
            account.set(CLOSED);
        }
        if account.state == State::Listen {
            return self.touch(slot);
        }
        let (record, known) = (account.record, account.counters);
        let known = self.moved.get(record as usize).map_or(known, |record| record.counters);
        if counters.is_blank() && !known.is_blank() {
            account.set(WIPED);
        } else {
            // What is wiped shows nothing, and what is blank may be.
            let last_seen = (!counters.is_blank()).then(|| LastSeen::of(event));
            self.note(slot, &counters, shape, last_seen);
        }
        self.touch(slot);
    }

    /// A socket that no dump has shown.
    fn on_destroy_unknown(&mut self, event: &Socket, counters: Counters, shape: Shape) {
        let unused = event.local.port == 0 && counters.is_blank();
        if !self.has_baseline || unused || self.is_older_than_the_first_look(event, &counters) {
            self.ignored += 1;
            return;
        }
        let wiped = if counters.is_blank() { WIPED } else { 0 };
        let flags = OPENED | CLOSED | DESTROYED | wiped;
        let identity = self.commons.pack(event);
        let account = Account::new(event, identity, shape, self.poll.wrapping_sub(1), flags);
        let last_seen = (wiped == 0).then_some(account.last_seen);
        let slot = self.accounts.push(account);
        self.record(slot, &counters, shape, last_seen);
    }

    /// Whether a connection had ended when the first dump was made, and only its
    /// file was closed later: it was in no dump and its counters are of before.
    /// An end that was connected has these clocks set (`tcp_finish_connect()`,
    /// `tcp_create_openreq_child()`), others have them as good as random.
    fn is_older_than_the_first_look(&self, event: &Socket, counters: &Counters) -> bool {
        let clocks = [&t::LAST_DATA_SENT, &t::LAST_DATA_RECV, &t::LAST_ACK_RECV];
        let idle = clocks.iter().filter_map(|clock| clock.integer(event)).min();
        let (Some(now), Some(first), Some(idle)) = (self.now, self.first_look, idle) else {
            return false;
        };
        // The event came after the poll began, and a dump may take its time.
        let watched = now.saturating_duration_since(first) + Duration::from_secs(1);
        counters.was_connected() && Duration::from_millis(idle) > watched
    }

    /// Notes what a socket's counters are now, and what is seen of it.
    fn note(
        &mut self,
        slot: usize,
        counters: &Counters,
        shape: Shape,
        last_seen: Option<LastSeen>,
    ) {
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let record = self.moved.get_mut(account.record as usize);
        let (known, was) = match &record {
            Some(record) => (&record.counters, record.shape),
            None => (&account.counters, account.shape),
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
            (account.counters, account.shape) = (*counters, shape);
            account.last_seen = last_seen.unwrap_or(account.last_seen);
            return;
        }
        if !was.has_info() {
            if account.is(OPENED) {
                account.shape = account.shape.with_info_of(shape);
            } else {
                // Nothing to compare with, but for the drops.
                let (before, was) = (&account.counters, account.shape);
                (account.counters, account.shape) =
                    counters.over(shape.without_drops(), before, was);
            }
        }
        match record {
            Some(record) if !record.counters.is_reset_by(counters) => {
                (record.counters, record.shape) = (*counters, shape);
                record.last_seen = last_seen.or(record.last_seen);
            }
            // After a reset the old record stands, and another begins.
            _ => self.record(slot, counters, shape, last_seen),
        }
    }

    /// Makes sure that a socket is handed out.
    fn touch(&mut self, slot: usize) {
        if let Some(account) = self.accounts.get(slot)
            && account.record == NONE
        {
            let (counters, shape) = (account.counters, account.shape);
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
        if let Some(account) = self.accounts.get_mut(slot) {
            account.record = self.moved.len() as u32;
            self.moved.push(Record { slot: slot as u32, counters: *counters, shape, last_seen });
        }
    }

    /// Ends a poll: hands out what every socket did since the last one, if it
    /// did anything.
    pub fn end(&mut self, ending: Ending, mut each: impl FnMut(&Activity)) -> Totals {
        let mut totals = Totals {
            first: !self.has_baseline,
            late: std::mem::take(&mut self.late),
            ignored: std::mem::take(&mut self.ignored),
            ..Totals::default()
        };
        totals.live = self.find_absent(ending);
        self.give_up_unconfirmed(&mut totals);
        self.hand_out(&mut totals, &mut each);
        // From the last to the first: what moves into a grave is none itself.
        self.graves.sort_unstable();
        while let Some(slot) = self.graves.pop() {
            self.accounts.swap_remove(slot as usize);
        }
        if self.commons.wants_cleaning() {
            self.commons.clean(self.accounts.iter_mut().map(|account| &mut account.identity));
        }
        self.has_baseline = true;
        self.was_lossy = ending.watch == Watch::Lossy;
        totals.closing_unconfirmed = self.closing_unconfirmed;
        totals
    }

    /// What is to become of the accounts that were not in the dump; tells how
    /// many live sockets were.
    fn find_absent(&mut self, ending: Ending) -> usize {
        if self.alive == self.accounts.len() && !self.has_deaths {
            // All are there: nothing to be gained by looking at each once more.
            return self.alive;
        }
        let mut live = 0;
        let watch = match ending.watch {
            // Events lost after the last dump are of sockets that were in it.
            Watch::Whole if self.was_lossy => Watch::Lossy,
            watch => watch,
        };
        for slot in 0..self.accounts.len() {
            let Some(account) = self.accounts.get_mut(slot) else { break };
            let seen = account.seen == self.poll && !account.is(CLOSING_UNCONFIRMED);
            if account.is(DESTROYED) {
                // Its TIME-WAIT record may still come, in the next dump.
                if !seen && ending.whole_dump {
                    self.graves.push(slot as u32);
                }
                continue;
            }
            live += usize::from(seen && !account.is(MINISOCK));
            let stays = match seen {
                true => !account.is(MINISOCK) || watch == Watch::Whole,
                false => !ending.whole_dump,
            };
            if stays {
                continue;
            }
            if !seen && watch != Watch::Off && !account.is(CLOSING_UNCONFIRMED) {
                account.set(CLOSING_UNCONFIRMED);
                self.closing_unconfirmed += 1;
            }
            if watch == Watch::Whole || account.is(VANISHED) {
                continue;
            }
            account.set(VANISHED | CLOSED);
            if watch == Watch::Off {
                account.set(DESTROYED);
                if !seen {
                    self.graves.push(slot as u32);
                }
            }
            self.touch(slot);
        }
        live
    }

    /// Keeps closing_unconfirmed within bounds. Those go first that most likely are dead, their
    /// event being lost.
    fn give_up_unconfirmed(&mut self, totals: &mut Totals) {
        let bound = (self.accounts.len() - self.closing_unconfirmed).max(MOST_UNCONFIRMED);
        for vanished in [VANISHED, 0] {
            for slot in 0..self.accounts.len() {
                if self.closing_unconfirmed <= bound {
                    return;
                }
                let Some(account) = self.accounts.get_mut(slot) else { break };
                if !account.is(CLOSING_UNCONFIRMED) || account.flags & VANISHED != vanished {
                    continue;
                }
                account.clear(CLOSING_UNCONFIRMED);
                self.closing_unconfirmed -= 1;
                if vanished == 0 {
                    account.set(VANISHED | CLOSED);
                }
                self.graves.push(slot as u32);
                totals.given_up += 1;
                self.touch(slot);
            }
        }
    }

    fn hand_out(&mut self, totals: &mut Totals, each: &mut impl FnMut(&Activity)) {
        let mut moved = std::mem::take(&mut self.moved);
        for (index, record) in moved.iter().enumerate() {
            let Some(account) = self.accounts.get_mut(record.slot as usize) else { continue };
            let (before, was) = (account.counters, account.shape);
            (account.counters, account.shape) = (record.counters, record.shape);
            let seen_before = account.last_seen;
            account.last_seen = record.last_seen.unwrap_or(seen_before);
            let last = account.record == index as u32;
            let flags = account.flags;
            account.clear(if last { OPENED | CLOSED } else { OPENED });
            if last {
                account.record = NONE;
            }
            if totals.first {
                continue;
            }
            let is = |flag: u8| flags & flag != 0;
            let closed = is(CLOSED) && last;
            let activity = Activity {
                cookie: account.cookie(),
                identity: self.commons.unpack(&account.identity, account.state),
                tag: self.commons.tag(&account.identity),
                delta: Delta::of(&before, was, &record.counters, record.shape),
                before: (!is(OPENED)).then_some(seen_before),
                after: record.last_seen,
                opened: is(OPENED),
                closed,
                born_before_first_look: is(BASELINE),
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

    /// Sockets with an account, those whose close is not confirmed included.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.len() == 0
    }

    /// Bytes of the heap that accounts, hash table and common parts of
    /// identities occupy; what moved in the poll that runs is not in it.
    pub fn allocated(&self) -> usize {
        self.accounts.allocated() + self.commons.allocated()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
