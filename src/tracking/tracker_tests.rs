use super::*;
use crate::model::example::{skmem, socket, tcp_info};
use crate::model::fields::tcp_info::{BYTES_SENT, SEGS_OUT, TOTAL_RETRANS};
use crate::model::fields::{self, Field};
use crate::model::{Endpoint, Timer};
use crate::wire::uapi::IDIAG_TIMER_TIME_WAIT;

#[path = "tracker_kept_tests.rs"]
mod kept;

/// A connection that has sent this many bytes, retransmits and segments.
fn sent(cookie: u64, bytes: u32, retransmits: u32, segments: u32) -> Socket {
    let words = [(100, retransmits), (136, segments), (200, bytes)];
    Socket { cookie, tcp_info: Some(tcp_info(&words)), skmem: None, ..socket() }
}

/// Its destroy event.
fn destroy_event(cookie: u64, bytes: u32, retransmits: u32, segments: u32) -> Socket {
    let socket = sent(cookie, bytes, retransmits, segments);
    Socket { state: State::Close, inode: 0, uid: 0, cgroup_id: None, ..socket }
}

/// The event of a socket that was wiped before: only the cookie is left.
fn wiped(cookie: u64) -> Socket {
    let nowhere = Endpoint { address: "0.0.0.0".parse().unwrap(), port: 0 };
    let local = Endpoint { port: 8080, ..nowhere };
    Socket { local, remote: nowhere, ..destroy_event(cookie, 0, 0, 0) }
}

fn time_wait(cookie: u64) -> Socket {
    let socket = Socket {
        cookie,
        state: State::TimeWait,
        timer: Timer::new(IDIAG_TIMER_TIME_WAIT, 60_000, 0),
        ..socket()
    };
    Socket { tcp_info: None, skmem: None, inode: 0, uid: 0, cgroup_id: None, ..socket }
}

/// What is asserted of an activity: cookie, growth of bytes, retransmits and segments, and its flags.
type Seen = (u64, [u64; 3], &'static str);

/// Steps of a poll.
#[expect(clippy::large_enum_variant, reason = "a handful, in a test")]
enum Step {
    Dump(Vec<Socket>),
    Event(Socket),
}
use Step::{Dump, Event};

impl SocketTracker {
    fn observe_all(&mut self, sockets: &[Socket]) {
        for socket in sockets {
            self.observe(socket);
        }
    }
}

struct Bench {
    tracker: SocketTracker,
    start: Instant,
    polls: u32,
}

impl Bench {
    /// A tracker that has had its first poll.
    fn with(sockets: &[Socket]) -> Self {
        let mut bench = Self { tracker: SocketTracker::new(), start: Instant::now(), polls: 0 };
        let (seen, totals) = bench.poll(&[Dump(sockets.to_vec())], Watch::Whole);
        assert!(seen.is_empty() && totals.first);
        bench
    }

    fn poll(&mut self, steps: &[Step], watch: Watch) -> (Vec<Seen>, Totals) {
        self.end(steps, Ending { watch, whole_dump: true })
    }

    fn end(&mut self, steps: &[Step], ending: Ending) -> (Vec<Seen>, Totals) {
        self.tracker.begin(self.start + Duration::from_secs(self.polls.into()));
        self.polls += 1;
        for step in steps {
            match step {
                Dump(sockets) => self.tracker.observe_all(sockets),
                Event(socket) => self.tracker.on_destroy(socket),
            }
        }
        let mut seen = Vec::new();
        let totals = self.tracker.end(ending, |activity| seen.push(summary(activity)));
        seen.sort_unstable();
        (seen, totals)
    }

    fn poll_whole(&mut self, steps: &[Step]) -> Vec<Seen> {
        self.poll(steps, Watch::Whole).0
    }
}

fn summary(activity: &Activity) -> Seen {
    let growth = |field: &Field| activity.delta.growth(field).unwrap_or(0);
    let word = match (activity.opened, activity.closed, activity.vanished, activity.wiped) {
        (false, false, false, false) => "stayed",
        (true, false, false, false) => "opened",
        (false, true, false, false) => "closed",
        (true, true, false, false) => "opened closed",
        (false, true, true, false) => "vanished",
        (false, true, false, true) => "closed wiped",
        (true, true, false, true) => "opened closed wiped",
        other => panic!("{other:?}"),
    };
    (activity.cookie, [growth(&BYTES_SENT), growth(&TOTAL_RETRANS), growth(&SEGS_OUT)], word)
}

#[test]
fn opened_growing_and_closed() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1), sent(2, 20, 0, 2)]);
    let seen =
        bench.poll_whole(&[Dump(vec![sent(3, 5, 1, 1), sent(2, 25, 3, 9), sent(1, 10, 0, 1)])]);
    assert_eq!(seen, [(2, [5, 3, 7], "stayed"), (3, [5, 1, 1], "opened")]);
    let seen = bench.poll_whole(&[
        Dump(vec![sent(2, 25, 3, 9)]),
        Event(destroy_event(3, 6, 1, 3)),
        Event(destroy_event(1, 10, 0, 2)),
    ]);
    assert_eq!(seen, [(1, [0, 0, 1], "closed"), (3, [1, 0, 2], "closed")]);
    let (seen, totals) = bench.poll(&[Dump(vec![sent(2, 25, 3, 9)])], Watch::Whole);
    assert!(seen.is_empty());
    assert_eq!((totals.live, totals.closing_unconfirmed, bench.tracker.len()), (1, 0, 1));
}

/// The sum does not depend on the order of dump and event, within a poll or over two, and the socket
/// opens once and closes once.
#[test]
fn the_order_of_dump_and_event_does_not_matter() {
    let alive = || Dump(vec![sent(2, 5, 1, 3)]);
    let gone = || Dump(vec![]);
    let event = || Event(destroy_event(2, 9, 2, 7));
    let rest = || Dump(vec![time_wait(2)]);
    let cases = [
        vec![vec![alive(), event()], vec![gone()]],
        vec![vec![event(), alive()], vec![gone()]],
        vec![vec![alive()], vec![gone(), event()]],
        vec![vec![alive()], vec![event(), gone()]],
        vec![vec![alive()], vec![gone()], vec![gone(), event()]],
        vec![vec![alive(), event(), event()], vec![rest(), event()]],
        vec![vec![event()], vec![gone()]],
    ];
    for (number, polls) in cases.iter().enumerate() {
        let mut bench = Bench::with(&[]);
        let mut seen: Vec<Seen> = Vec::new();
        for steps in polls {
            seen.extend(bench.poll_whole(steps));
        }
        seen.extend(bench.poll_whole(&[gone()]));
        let sum =
            seen.iter().fold([0; 3], |sum, seen| std::array::from_fn(|at| sum[at] + seen.1[at]));
        assert_eq!(sum, [9, 2, 7], "case {number}: {seen:?}");
        let said = |word| seen.iter().filter(|seen| seen.2.contains(word)).count();
        assert_eq!((said("opened"), said("closed")), (1, 1), "case {number}: {seen:?}");
        assert_eq!(
            (bench.tracker.len(), bench.tracker.closing_unconfirmed),
            (0, 0),
            "case {number}"
        );
    }
}

#[test]
fn an_unconfirmed_close_waits_for_the_event() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    for _ in 0..300 {
        // More polls than the poll number has values.
        let (seen, totals) = bench.poll(&[Dump(vec![])], Watch::Whole);
        assert!(seen.is_empty());
        assert_eq!((totals.live, totals.closing_unconfirmed), (0, 1));
    }
    let (seen, totals) = bench.poll(&[Event(destroy_event(1, 15, 2, 4))], Watch::Whole);
    assert_eq!(seen, [(1, [5, 2, 3], "closed")]);
    assert_eq!((totals.closing_unconfirmed, bench.tracker.len()), (0, 0));
    // A socket that an interrupted dump missed comes back.
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    bench.poll_whole(&[Dump(vec![])]);
    assert_eq!(bench.poll_whole(&[Dump(vec![sent(1, 12, 0, 2)])]), [(1, [2, 0, 1], "stayed")]);
    assert_eq!(bench.tracker.closing_unconfirmed, 0);
}

#[test]
fn wiped_events_keep_the_last_known_counters() {
    // Seen in an earlier dump, in this one, and never.
    let mut bench = Bench::with(&[sent(1, 10, 3, 4)]);
    let seen = bench.poll_whole(&[
        Dump(vec![sent(2, 7, 1, 2)]),
        Event(wiped(1)),
        Event(wiped(2)),
        Event(wiped(3)),
    ]);
    let expected = [
        (1, [0, 0, 0], "closed wiped"),
        (2, [7, 1, 2], "opened closed wiped"),
        (3, [0, 0, 0], "opened closed wiped"),
    ];
    assert_eq!(seen, expected);
}

/// On 5.10 such a child has received two segments, retransmitted its SYN-ACK
/// once, and sent nothing by its own count.
#[test]
fn a_child_that_was_not_accepted() {
    let words = [(100, 1), (140, 2)];
    let child = Socket { tcp_info: Some(tcp_info(&words)), ..sent(1, 0, 0, 0) };
    let mut bench = Bench::with(&[]);
    assert_eq!(bench.poll_whole(&[Dump(vec![child])]), [(1, [0, 1, 0], "opened")]);
    assert_eq!(bench.poll_whole(&[Event(wiped(1))]), [(1, [0, 0, 0], "closed wiped")]);
}

#[test]
fn a_wiped_event_does_not_change_the_identity() {
    let mut bench = Bench::with(&[sent(1, 10, 3, 4)]);
    bench.tracker.begin(bench.start);
    bench.tracker.on_destroy(&wiped(1));
    let mut identity = None;
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    bench.tracker.end(ending, |activity| identity = Some(activity.identity));
    assert_eq!(identity, Some(super::super::Identity::of(&sent(1, 0, 0, 0))));
}

#[test]
fn failed_connects_count_what_dumps_showed() {
    let mut bench = Bench::with(&[]);
    let connecting =
        |segments| Socket { state: State::SynSent, ..sent(1, 0, segments - 1, segments) };
    assert_eq!(bench.poll_whole(&[Dump(vec![connecting(2)])]), [(1, [0, 1, 2], "opened")]);
    assert_eq!(bench.poll_whole(&[Dump(vec![connecting(3)])]), [(1, [0, 1, 1], "stayed")]);
    assert_eq!(bench.poll_whole(&[Event(wiped(1))]), [(1, [0, 0, 0], "closed wiped")]);
}

#[test]
fn requests_become_sockets_under_their_cookie() {
    let request = Socket { state: State::SynRecv, ..time_wait(1) };
    // A request in the first dump may still become a socket that counts from zero.
    let mut bench = Bench::with(&[request]);
    assert!(bench.poll_whole(&[Dump(vec![request])]).is_empty());
    assert_eq!(bench.poll_whole(&[Dump(vec![sent(1, 5, 2, 3)])]), [(1, [5, 2, 3], "opened")]);
}

/// What two children of one request hold is counted once (measured on 6.18: total_retrans 2,
/// segs_in 1, all other traffic counters 0).
#[test]
fn a_second_child_of_a_request_is_no_socket() {
    let duplicate_child = |cookie| {
        let words = [(100, 2), (140, 1), (228, 1), (232, 1), (236, 1024)];
        Socket { tcp_info: Some(tcp_info(&words)), ..destroy_event(cookie, 0, 0, 0) }
    };
    let mut bench = Bench::with(&[]);
    let child = sent(1, 100, 2, 3);
    let steps = [Dump(vec![child]), Event(duplicate_child(1)), Event(duplicate_child(2))];
    let (seen, totals) = bench.poll(&steps, Watch::Whole);
    assert_eq!(seen, [(1, [100, 2, 3], "opened")]);
    assert_eq!((totals.ignored, totals.live), (2, 1));
    let seen = bench.poll_whole(&[Event(destroy_event(1, 120, 2, 4))]);
    assert_eq!(seen, [(1, [20, 0, 1], "closed")]);
}

#[test]
fn time_wait_is_no_new_socket() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    for _ in 0..3 {
        assert!(bench.poll_whole(&[Dump(vec![time_wait(1), time_wait(99)])]).is_empty());
    }
    let seen = bench.poll_whole(&[Dump(vec![time_wait(1)]), Event(destroy_event(1, 12, 0, 3))]);
    assert_eq!(seen, [(1, [2, 0, 2], "closed")]);
    assert!(bench.poll_whole(&[Dump(vec![time_wait(1)])]).is_empty());
    assert_eq!(bench.tracker.len(), 1);
    bench.poll_whole(&[]);
    assert_eq!(bench.tracker.len(), 0);
}

#[test]
fn without_events_absent_sockets_are_closed() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1), sent(2, 10, 0, 1)]);
    let (seen, totals) = bench.poll(&[Dump(vec![time_wait(2)])], Watch::Off);
    assert_eq!(seen, [(1, [0; 3], "vanished"), (2, [0; 3], "vanished")]);
    assert_eq!((totals.vanished, totals.closing_unconfirmed, totals.live), (2, 0, 0));
    assert!(bench.poll(&[Dump(vec![time_wait(2)])], Watch::Off).0.is_empty());
    bench.poll(&[], Watch::Off);
    assert_eq!(bench.tracker.len(), 0);
}

#[test]
fn after_a_loss_absent_sockets_are_closed_once() {
    let mut bench =
        Bench::with(&[sent(1, 10, 0, 1), sent(2, 10, 0, 1), sent(3, 10, 0, 1), sent(4, 1, 0, 1)]);
    bench.poll_whole(&[Dump(vec![sent(2, 10, 0, 1), sent(3, 10, 0, 1), sent(4, 1, 0, 1)])]);
    // The close of 1 is not confirmed. Events are lost after a dump that still had 2, 3 and 4.
    let steps = [Dump(vec![sent(2, 11, 0, 2), sent(3, 10, 0, 1), sent(4, 1, 0, 1)])];
    let (seen, _) = bench.poll(&steps, Watch::Lossy);
    assert_eq!(seen, [(1, [0; 3], "vanished"), (2, [1, 0, 1], "stayed")]);
    // The next dump shows that 2 is gone, and the event of 3 got through.
    let steps = [Dump(vec![sent(4, 1, 0, 1)]), Event(destroy_event(3, 12, 0, 2))];
    let (seen, totals) = bench.poll(&steps, Watch::Whole);
    assert_eq!(seen, [(2, [0; 3], "vanished"), (3, [2, 0, 1], "closed")]);
    assert_eq!((totals.live, totals.closing_unconfirmed), (1, 2));
    // 1 was only waiting for its event, which brings the rest and does not close it again.
    let seen = bench.poll_whole(&[Dump(vec![sent(4, 1, 0, 1)]), Event(destroy_event(1, 13, 0, 5))]);
    assert_eq!(seen, [(1, [3, 0, 4], "stayed")]);
    assert!(bench.poll_whole(&[Dump(vec![])]).is_empty());
}

#[test]
fn nothing_is_concluded_from_a_partial_dump() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1), sent(2, 10, 0, 1)]);
    let half = Ending { watch: Watch::Off, whole_dump: false };
    assert!(bench.end(&[Dump(vec![sent(1, 10, 0, 1)])], half).0.is_empty());
    let seen = bench.poll(&[Dump(vec![sent(1, 10, 0, 1), sent(2, 11, 0, 2)])], Watch::Off).0;
    assert_eq!(seen, [(2, [1, 0, 1], "stayed")]);
}

#[test]
fn wraps_and_resets() {
    let mut bench = Bench::with(&[sent(1, 10, u32::MAX, u32::MAX - 1), sent(2, 500, 1, 50)]);
    // tcp_disconnect() zeroed the second: what it has now is its growth.
    let seen = bench.poll_whole(&[Dump(vec![sent(1, 11, 1, 3), sent(2, 7, 0, 2)])]);
    assert_eq!(seen, [(1, [1, 2, 5], "stayed"), (2, [7, 0, 2], "stayed")]);
    // Reused between dump and event: both parts count.
    let seen = bench.poll_whole(&[Dump(vec![sent(2, 10, 0, 3)]), Event(destroy_event(2, 4, 1, 2))]);
    assert_eq!(seen, [(2, [3, 0, 1], "stayed"), (2, [4, 1, 2], "closed")]);
}

#[test]
fn a_record_sent_twice_counts_once() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    let twice =
        Dump(vec![sent(1, 15, 0, 2), sent(1, 16, 0, 3), sent(2, 1, 0, 1), sent(2, 2, 0, 2)]);
    let seen = bench.poll_whole(&[twice]);
    assert_eq!(seen, [(1, [5, 0, 1], "stayed"), (2, [1, 0, 1], "opened")]);
}

#[test]
fn connections_that_ended_before_the_first_poll_are_ignored() {
    let idle = |cookie, ms, bytes_acked| {
        let words = [(44, ms), (52, ms), (56, ms), (120, bytes_acked), (136, 5), (200, 9)];
        Socket { tcp_info: Some(tcp_info(&words)), ..destroy_event(cookie, 0, 0, 0) }
    };
    let mut bench = Bench::with(&[]);
    bench.polls = 10;
    let steps = [
        Event(idle(1, 60_000, 10)),
        Event(idle(2, 5_000, 10)),
        // It was never connected, so its clocks mean nothing.
        Event(idle(3, 60_000, 0)),
        // It was never used.
        Event(Socket { local: wiped(4).remote, ..wiped(4) }),
    ];
    let (seen, totals) = bench.poll(&steps, Watch::Whole);
    assert_eq!(seen, [(2, [9, 0, 5], "opened closed"), (3, [9, 0, 5], "opened closed")]);
    assert_eq!(totals.ignored, 2);
}

#[test]
fn drops_of_listeners_count() {
    let listener = |drops| {
        let listener =
            Socket { cookie: 1, state: State::Listen, skmem: Some(skmem(drops)), ..socket() };
        Dump(vec![listener])
    };
    let mut tracker = SocketTracker::new();
    let drops = |tracker: &mut SocketTracker, steps: &[Step]| {
        tracker.begin(Instant::now());
        for step in steps {
            match step {
                Dump(sockets) => tracker.observe_all(sockets),
                Event(socket) => tracker.on_destroy(socket),
            }
        }
        let mut drops = Vec::new();
        tracker.end(Ending { watch: Watch::Whole, whole_dump: true }, |activity| {
            drops.push((activity.delta.growth(&fields::DROPS), activity.closed));
        });
        drops
    };
    assert!(drops(&mut tracker, &[listener(3)]).is_empty());
    assert_eq!(drops(&mut tracker, &[listener(5)]), [(Some(2), false)]);
    assert!(drops(&mut tracker, &[listener(5)]).is_empty());
    assert_eq!(
        drops(&mut tracker, &[listener(9), Event(destroy_event(1, 0, 0, 0))]),
        [(Some(4), true)]
    );
}

#[test]
fn unconfirmed_closes_are_bounded() {
    let count = MOST_UNCONFIRMED as u64 + 100;
    let all: Vec<Socket> = (1..=count).map(|cookie| sent(cookie, 1, 0, 1)).collect();
    let mut bench = Bench::with(&all);
    let (seen, totals) = bench.poll(&[Dump(vec![])], Watch::Whole);
    assert_eq!(
        (seen.len(), totals.given_up, totals.closing_unconfirmed),
        (100, 100, MOST_UNCONFIRMED)
    );
    assert_eq!(bench.tracker.len(), MOST_UNCONFIRMED);
}

#[test]
fn a_tracked_socket_is_small() {
    assert_eq!(size_of::<TrackedSocket>(), 188);
    assert_eq!(size_of::<Record>(), 152);
    // Hash tables double when seven eighths are full: the worst size is just above that, the best
    // just below.
    for count in [50_000u64, 57_344, 57_345, 114_688, 114_689] {
        let mut tracker = SocketTracker::new();
        tracker.begin(Instant::now());
        for cookie in 0..count {
            tracker.observe(&sent(cookie, 1, 0, 1));
        }
        let bytes = tracker.allocated() as f64 / count as f64;
        println!("{bytes:.1} bytes per socket at {count}");
        assert!(bytes <= 200.0, "{bytes:.1} bytes per socket at {count}");
    }
}
