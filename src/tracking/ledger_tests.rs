use super::*;
use crate::model::example::{skmem, socket, tcp_info};
use crate::model::fields::tcp_info::{BYTES_SENT, SEGS_OUT, TOTAL_RETRANS};
use crate::model::fields::{self, Field};
use crate::model::{Endpoint, Timer};

#[path = "ledger_kept_tests.rs"]
mod kept;

/// A connection that has sent this many bytes, retransmits and segments.
fn sent(cookie: u64, bytes: u32, retransmits: u32, segments: u32) -> Socket {
    let words = [(100, retransmits), (136, segments), (200, bytes)];
    Socket { cookie, tcp_info: Some(tcp_info(&words)), skmem: None, ..socket() }
}

/// The event of its death.
fn dead(cookie: u64, bytes: u32, retransmits: u32, segments: u32) -> Socket {
    let socket = sent(cookie, bytes, retransmits, segments);
    Socket { state: State::Close, inode: 0, uid: 0, cgroup_id: None, ..socket }
}

/// The event of a socket that was wiped before: only the cookie is left.
fn wiped(cookie: u64) -> Socket {
    let nowhere = Endpoint { address: "0.0.0.0".parse().unwrap(), port: 0 };
    let local = Endpoint { port: 8080, ..nowhere };
    Socket { local, remote: nowhere, ..dead(cookie, 0, 0, 0) }
}

fn time_wait(cookie: u64) -> Socket {
    let socket =
        Socket { cookie, state: State::TimeWait, timer: Timer::new(3, 60_000, 0), ..socket() };
    Socket { tcp_info: None, skmem: None, inode: 0, uid: 0, cgroup_id: None, ..socket }
}

/// What is asserted of an activity: cookie, growth of bytes, retransmits and
/// segments, and what was said of it.
type Seen = (u64, [u64; 3], &'static str);

/// Steps of a poll.
#[expect(clippy::large_enum_variant, reason = "a handful, in a test")]
enum Step {
    Dump(Vec<Socket>),
    Event(Socket),
}
use Step::{Dump, Event};

impl Ledger {
    fn enter_all(&mut self, sockets: &[Socket]) {
        for socket in sockets {
            self.enter(socket);
        }
    }
}

struct Bench {
    ledger: Ledger,
    start: Instant,
    polls: u32,
}

impl Bench {
    /// A ledger that has had its first poll.
    fn with(sockets: &[Socket]) -> Self {
        let mut bench = Self { ledger: Ledger::new(), start: Instant::now(), polls: 0 };
        let (seen, totals) = bench.poll(&[Dump(sockets.to_vec())], Watch::Whole);
        assert!(seen.is_empty() && totals.first);
        bench
    }

    fn poll(&mut self, steps: &[Step], watch: Watch) -> (Vec<Seen>, Totals) {
        self.end(steps, Ending { watch, whole_dump: true })
    }

    fn end(&mut self, steps: &[Step], ending: Ending) -> (Vec<Seen>, Totals) {
        self.ledger.begin(self.start + Duration::from_secs(self.polls.into()));
        self.polls += 1;
        for step in steps {
            match step {
                Dump(sockets) => self.ledger.enter_all(sockets),
                Event(socket) => self.ledger.on_destroy(socket),
            }
        }
        let mut seen = Vec::new();
        let totals = self.ledger.end(ending, |activity| seen.push(summary(activity)));
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
fn births_growth_and_deaths() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1), sent(2, 20, 0, 2)]);
    let seen =
        bench.poll_whole(&[Dump(vec![sent(3, 5, 1, 1), sent(2, 25, 3, 9), sent(1, 10, 0, 1)])]);
    assert_eq!(seen, [(2, [5, 3, 7], "stayed"), (3, [5, 1, 1], "opened")]);
    let seen = bench.poll_whole(&[
        Dump(vec![sent(2, 25, 3, 9)]),
        Event(dead(3, 6, 1, 3)),
        Event(dead(1, 10, 0, 2)),
    ]);
    assert_eq!(seen, [(1, [0, 0, 1], "closed"), (3, [1, 0, 2], "closed")]);
    let (seen, totals) = bench.poll(&[Dump(vec![sent(2, 25, 3, 9)])], Watch::Whole);
    assert!(seen.is_empty());
    assert_eq!((totals.live, totals.closing_unconfirmed, bench.ledger.len()), (1, 0, 1));
}

/// Whatever the order of dump and event, within a poll or over two, the sum is
/// the same, and the socket opens once and closes once.
#[test]
fn the_order_of_dump_and_event_does_not_matter() {
    let alive = || Dump(vec![sent(2, 5, 1, 3)]);
    let gone = || Dump(vec![]);
    let event = || Event(dead(2, 9, 2, 7));
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
        assert_eq!((bench.ledger.len(), bench.ledger.closing_unconfirmed), (0, 0), "case {number}");
    }
}

#[test]
fn an_unconfirmed_close_waits_for_the_event() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    for _ in 0..300 {
        // More polls than the account's poll number has values.
        let (seen, totals) = bench.poll(&[Dump(vec![])], Watch::Whole);
        assert!(seen.is_empty());
        assert_eq!((totals.live, totals.closing_unconfirmed), (0, 1));
    }
    let (seen, totals) = bench.poll(&[Event(dead(1, 15, 2, 4))], Watch::Whole);
    assert_eq!(seen, [(1, [5, 2, 3], "closed")]);
    assert_eq!((totals.closing_unconfirmed, bench.ledger.len()), (0, 0));
    // One that a disturbed dump missed comes back.
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    bench.poll_whole(&[Dump(vec![])]);
    assert_eq!(bench.poll_whole(&[Dump(vec![sent(1, 12, 0, 2)])]), [(1, [2, 0, 1], "stayed")]);
    assert_eq!(bench.ledger.closing_unconfirmed, 0);
}

#[test]
fn wiped_events_fall_back_on_what_was_known() {
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
fn a_child_that_nobody_accepted() {
    let words = [(100, 1), (140, 2)];
    let child = Socket { tcp_info: Some(tcp_info(&words)), ..sent(1, 0, 0, 0) };
    let mut bench = Bench::with(&[]);
    assert_eq!(bench.poll_whole(&[Dump(vec![child])]), [(1, [0, 1, 0], "opened")]);
    assert_eq!(bench.poll_whole(&[Event(wiped(1))]), [(1, [0, 0, 0], "closed wiped")]);
}

#[test]
fn a_wiped_event_does_not_change_who_it_was() {
    let mut bench = Bench::with(&[sent(1, 10, 3, 4)]);
    bench.ledger.begin(bench.start);
    bench.ledger.on_destroy(&wiped(1));
    let mut identity = None;
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    bench.ledger.end(ending, |activity| identity = Some(activity.identity));
    assert_eq!(identity, Some(super::super::Identity::of(&sent(1, 0, 0, 0))));
}

#[test]
fn failed_connects_count_what_polls_saw_of_them() {
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
    // One that stood there at the first look is not older than it for that.
    let mut bench = Bench::with(&[request]);
    assert!(bench.poll_whole(&[Dump(vec![request])]).is_empty());
    assert_eq!(bench.poll_whole(&[Dump(vec![sent(1, 5, 2, 3)])]), [(1, [5, 2, 3], "opened")]);
}

/// A child that another one came before: what two children of one request hold is
/// counted once (measured on 6.18: total_retrans 2, segs_in 1, all else of traffic 0).
#[test]
fn a_second_child_of_a_request_is_no_socket() {
    let duplicate_child = |cookie| {
        let words = [(100, 2), (140, 1), (228, 1), (232, 1), (236, 1024)];
        Socket { tcp_info: Some(tcp_info(&words)), ..dead(cookie, 0, 0, 0) }
    };
    let mut bench = Bench::with(&[]);
    let child = sent(1, 100, 2, 3);
    let steps = [Dump(vec![child]), Event(duplicate_child(1)), Event(duplicate_child(2))];
    let (seen, totals) = bench.poll(&steps, Watch::Whole);
    assert_eq!(seen, [(1, [100, 2, 3], "opened")]);
    assert_eq!((totals.ignored, totals.live), (2, 1));
    let seen = bench.poll_whole(&[Event(dead(1, 120, 2, 4))]);
    assert_eq!(seen, [(1, [20, 0, 1], "closed")]);
}

#[test]
fn time_wait_is_no_new_socket() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1)]);
    for _ in 0..3 {
        assert!(bench.poll_whole(&[Dump(vec![time_wait(1), time_wait(99)])]).is_empty());
    }
    let seen = bench.poll_whole(&[Dump(vec![time_wait(1)]), Event(dead(1, 12, 0, 3))]);
    assert_eq!(seen, [(1, [2, 0, 2], "closed")]);
    assert!(bench.poll_whole(&[Dump(vec![time_wait(1)])]).is_empty());
    assert_eq!(bench.ledger.len(), 1);
    bench.poll_whole(&[]);
    assert_eq!(bench.ledger.len(), 0);
}

#[test]
fn without_events_what_vanishes_is_closed() {
    let mut bench = Bench::with(&[sent(1, 10, 0, 1), sent(2, 10, 0, 1)]);
    let (seen, totals) = bench.poll(&[Dump(vec![time_wait(2)])], Watch::Off);
    assert_eq!(seen, [(1, [0; 3], "vanished"), (2, [0; 3], "vanished")]);
    assert_eq!((totals.vanished, totals.closing_unconfirmed, totals.live), (2, 0, 0));
    assert!(bench.poll(&[Dump(vec![time_wait(2)])], Watch::Off).0.is_empty());
    bench.poll(&[], Watch::Off);
    assert_eq!(bench.ledger.len(), 0);
}

#[test]
fn after_a_loss_absent_sockets_are_closed_once() {
    let mut bench =
        Bench::with(&[sent(1, 10, 0, 1), sent(2, 10, 0, 1), sent(3, 10, 0, 1), sent(4, 1, 0, 1)]);
    bench.poll_whole(&[Dump(vec![sent(2, 10, 0, 1), sent(3, 10, 0, 1), sent(4, 1, 0, 1)])]);
    // 1 is whose close is not confirmed. Events are lost after a dump that still had 2, 3 and 4.
    let steps = [Dump(vec![sent(2, 11, 0, 2), sent(3, 10, 0, 1), sent(4, 1, 0, 1)])];
    let (seen, _) = bench.poll(&steps, Watch::Lossy);
    assert_eq!(seen, [(1, [0; 3], "vanished"), (2, [1, 0, 1], "stayed")]);
    // The next dump shows that 2 is gone, and the event of 3 got through.
    let steps = [Dump(vec![sent(4, 1, 0, 1)]), Event(dead(3, 12, 0, 2))];
    let (seen, totals) = bench.poll(&steps, Watch::Whole);
    assert_eq!(seen, [(2, [0; 3], "vanished"), (3, [2, 0, 1], "closed")]);
    assert_eq!((totals.live, totals.closing_unconfirmed), (1, 2));
    // 1 was only one whose close is not confirmed: its event brings the rest, and no second end.
    let seen = bench.poll_whole(&[Dump(vec![sent(4, 1, 0, 1)]), Event(dead(1, 13, 0, 5))]);
    assert_eq!(seen, [(1, [3, 0, 4], "stayed")]);
    // From then on closing_unconfirmed is closing_unconfirmed again.
    assert!(bench.poll_whole(&[Dump(vec![])]).is_empty());
}

#[test]
fn nothing_is_concluded_from_half_a_dump() {
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
    // Used anew between dump and event: both parts count.
    let seen = bench.poll_whole(&[Dump(vec![sent(2, 10, 0, 3)]), Event(dead(2, 4, 1, 2))]);
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
fn what_ended_before_the_first_look_is_left_out() {
    let idle = |cookie, ms, bytes_acked| {
        let words = [(44, ms), (52, ms), (56, ms), (120, bytes_acked), (136, 5), (200, 9)];
        Socket { tcp_info: Some(tcp_info(&words)), ..dead(cookie, 0, 0, 0) }
    };
    let mut bench = Bench::with(&[]);
    bench.polls = 10;
    let steps = [
        Event(idle(1, 60_000, 10)),
        Event(idle(2, 5_000, 10)),
        // Never connected: its clocks mean nothing.
        Event(idle(3, 60_000, 0)),
        // Never used at all.
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
    let mut ledger = Ledger::new();
    let drops = |ledger: &mut Ledger, steps: &[Step]| {
        ledger.begin(Instant::now());
        for step in steps {
            match step {
                Dump(sockets) => ledger.enter_all(sockets),
                Event(socket) => ledger.on_destroy(socket),
            }
        }
        let mut drops = Vec::new();
        ledger.end(Ending { watch: Watch::Whole, whole_dump: true }, |activity| {
            drops.push((activity.delta.growth(&fields::DROPS), activity.closed));
        });
        drops
    };
    assert!(drops(&mut ledger, &[listener(3)]).is_empty());
    assert_eq!(drops(&mut ledger, &[listener(5)]), [(Some(2), false)]);
    assert!(drops(&mut ledger, &[listener(5)]).is_empty());
    assert_eq!(drops(&mut ledger, &[listener(9), Event(dead(1, 0, 0, 0))]), [(Some(4), true)]);
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
    assert_eq!(bench.ledger.len(), MOST_UNCONFIRMED);
}

#[test]
fn an_account_is_small() {
    assert_eq!(size_of::<Account>(), 188);
    assert_eq!(size_of::<Record>(), 152);
    // Hash tables double when seven eighths are full: just behind that is the
    // worst place, just before it the best.
    for count in [50_000u64, 57_344, 57_345, 114_688, 114_689] {
        let mut ledger = Ledger::new();
        ledger.begin(Instant::now());
        for cookie in 0..count {
            ledger.enter(&sent(cookie, 1, 0, 1));
        }
        let bytes = ledger.allocated() as f64 / count as f64;
        println!("{bytes:.1} bytes per socket at {count}");
        assert!(bytes <= 200.0, "{bytes:.1} bytes per socket at {count}");
    }
}
