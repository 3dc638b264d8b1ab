//! What is kept besides counters.

use super::*;

/// A poll's activities, in the order of their cookies.
fn poll(tracker: &mut SocketTracker, steps: &[Step]) -> Vec<Activity> {
    tracker.begin(Instant::now());
    for step in steps {
        match step {
            Dump(sockets) => tracker.observe_all(sockets),
            Event(socket) => tracker.on_destroy(socket),
        }
    }
    let mut activities = Vec::new();
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    tracker.end(ending, |activity| activities.push(*activity));
    activities.sort_by_key(|activity| activity.cookie);
    activities
}

/// What was seen: size of full segments, and state.
type Sight = Option<(u16, State)>;

fn sights(activities: &[Activity]) -> Vec<(Sight, Sight)> {
    let sight = |last_seen: Option<LastSeen>| last_seen.map(|it| (it.mss().unwrap(), it.state()));
    activities.iter().map(|activity| (sight(activity.before), sight(activity.after))).collect()
}

/// A socket that has sent this many bytes and as many segments, with this size of full segments.
fn shown(cookie: u64, bytes: u32, mss: u32) -> Socket {
    let words = [(16, mss), (136, bytes), (200, bytes)];
    Socket { tcp_info: Some(tcp_info(&words)), ..sent(cookie, 0, 0, 0) }
}

fn destroyed(cookie: u64, bytes: u32, mss: u32) -> Socket {
    Socket { state: State::Close, inode: 0, ..shown(cookie, bytes, mss) }
}

const UP: State = State::Established;
const GONE: State = State::Close;

#[test]
fn what_was_seen_before_and_after() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![shown(1, 10, 100)])]);
    let seen = poll(&mut tracker, &[Dump(vec![shown(1, 20, 101), shown(2, 5, 200)])]);
    assert_eq!(sights(&seen), [(Some((100, UP)), Some((101, UP))), (None, Some((200, UP)))]);
    // Idle sockets are not reported.
    assert!(poll(&mut tracker, &[Dump(vec![shown(1, 20, 102), shown(2, 5, 200)])]).is_empty());
    let closing = Socket { state: State::CloseWait, ..shown(1, 30, 103) };
    let seen =
        poll(&mut tracker, &[Dump(vec![closing, shown(2, 6, 201)]), Event(destroyed(2, 7, 202))]);
    let expected =
        [(Some((101, UP)), Some((103, State::CloseWait))), (Some((200, UP)), Some((202, GONE)))];
    assert_eq!(sights(&seen), expected);
    // One lived between two polls, the other closed without another byte.
    let seen = poll(&mut tracker, &[Event(destroyed(3, 5, 300)), Event(destroyed(1, 30, 104))]);
    let expected = [(Some((103, State::CloseWait)), Some((104, GONE))), (None, Some((300, GONE)))];
    assert_eq!(sights(&seen), expected);
}

#[test]
fn a_state_that_changes_alone_is_seen() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![shown(1, 10, 100)])]);
    let closing = |bytes, mss| Socket { state: State::FinWait1, ..shown(1, bytes, mss) };
    assert!(poll(&mut tracker, &[Dump(vec![closing(10, 101)])]).is_empty());
    let seen = poll(&mut tracker, &[Dump(vec![closing(11, 102)])]);
    assert_eq!(sights(&seen), [(Some((101, State::FinWait1)), Some((102, State::FinWait1)))]);
}

#[test]
fn wiped_and_vanished_sockets_show_nothing() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![shown(1, 10, 100), shown(2, 10, 200), shown(3, 0, 300)])]);
    let nothing = |cookie| Socket { tcp_info: Some(tcp_info(&[(16, 9)])), ..wiped(cookie) };
    let steps = [
        Dump(vec![shown(2, 11, 201)]),
        Event(nothing(1)),
        Event(nothing(2)),
        Event(nothing(3)),
        Event(nothing(4)),
    ];
    let expected = [
        (Some((100, UP)), None),
        (Some((200, UP)), Some((201, UP))),
        (Some((300, UP)), None),
        (None, None),
    ];
    assert_eq!(sights(&poll(&mut tracker, &steps)), expected);

    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![shown(1, 10, 100)])]);
    tracker.begin(Instant::now());
    let mut seen = Vec::new();
    let ending = Ending { watch: Watch::Off, whole_dump: true };
    tracker.end(ending, |activity| seen.push(*activity));
    assert_eq!(sights(&seen), [(Some((100, UP)), None)]);
}

/// Reused between dump and event: the second part begins where the first ends.
#[test]
fn each_of_two_parts_has_its_own() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![shown(1, 500, 100)])]);
    let alive = Dump(vec![shown(1, 510, 101), shown(2, 90, 200)]);
    let steps = [alive, Event(destroyed(1, 4, 102)), Event(destroyed(2, 3, 201))];
    let seen = poll(&mut tracker, &steps);
    let expected = [
        (Some((100, UP)), Some((101, UP))),
        (Some((101, UP)), Some((102, GONE))),
        (None, Some((200, UP))),
        (Some((200, UP)), Some((201, GONE))),
    ];
    assert_eq!(sights(&seen), expected);
    assert_eq!(seen.iter().map(|it| it.opened).collect::<Vec<_>>(), [false, false, true, false]);
    assert_eq!(seen.iter().map(|it| it.closed).collect::<Vec<_>>(), [false, true, false, true]);
}

/// Observes these sockets in a poll of their own.
fn observe(tracker: &mut SocketTracker, sockets: &[Socket]) -> Vec<Observed> {
    tracker.begin(Instant::now());
    let observed = sockets.iter().map(|socket| tracker.observe(socket)).collect();
    tracker.end(Ending { watch: Watch::Whole, whole_dump: true }, |_| {});
    observed
}

fn tags(activities: &[Activity]) -> Vec<(u64, Option<u32>)> {
    activities.iter().map(|activity| (activity.cookie, activity.tag)).collect()
}

#[test]
fn records_are_classified() {
    use Observed::{Ignored, Known, Untagged};
    let mut tracker = SocketTracker::new();
    let bound = Socket { state: State::BoundInactive, ..sent(2, 0, 0, 0) };
    let all = [sent(1, 1, 0, 1), bound, time_wait(3), sent(1, 1, 0, 1), sent(4, 1, 0, 1)];
    assert_eq!(observe(&mut tracker, &all), [Untagged, Ignored, Ignored, Ignored, Untagged]);
    assert_eq!([1, 2, 3, 4].map(|cookie| tracker.contains(cookie)), [true, false, false, true]);
    tracker.tag(1, 7);
    tracker.tag(2, 7);
    assert!(!tracker.contains(2));
    let all = [sent(1, 2, 0, 2), sent(4, 1, 0, 1), sent(5, 1, 0, 1)];
    assert_eq!(observe(&mut tracker, &all), [Known(7), Untagged, Untagged]);
    // Destroyed before the dump comes to it, or a minisock by then.
    tracker.begin(Instant::now());
    tracker.on_destroy(&destroy_event(1, 2, 0, 2));
    assert_eq!(tracker.observe(&sent(1, 2, 0, 2)), Ignored);
    assert_eq!(tracker.observe(&time_wait(4)), Ignored);
    assert!(tracker.contains(1) && tracker.contains(4));
}

#[test]
fn a_tag_stays_with_the_socket() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[Dump(vec![sent(1, 1, 0, 1), sent(2, 1, 0, 1), sent(3, 1, 0, 1)])]);
    tracker.tag(1, 10);
    tracker.tag(3, 0);
    // A socket with a new owner, an idle one, and an orphan.
    let given = Socket { uid: 0, cgroup_id: Some(1), local: wiped(1).local, ..sent(1, 2, 0, 2) };
    let orphan = Socket { inode: 0, uid: 0, state: State::FinWait1, ..sent(3, 2, 0, 2) };
    let seen = poll(&mut tracker, &[Dump(vec![given, sent(2, 2, 0, 2), orphan])]);
    assert_eq!(tags(&seen), [(1, Some(10)), (2, None), (3, Some(0))]);
    assert_eq!((seen[0].identity.uid, seen[2].identity.uid), (0, 1000));
    for _ in 0..3 {
        assert!(poll(&mut tracker, &[Dump(vec![given, sent(2, 2, 0, 2), orphan])]).is_empty());
    }
    // A socket whose close is not confirmed, a wiped one, and an unknown one.
    tracker.tag(2, 20);
    poll(&mut tracker, &[Dump(vec![given, orphan])]);
    let events =
        [destroy_event(2, 3, 0, 3), wiped(1), destroy_event(3, 2, 0, 3), destroy_event(4, 1, 0, 1)];
    let seen = poll(&mut tracker, &events.map(Event));
    assert_eq!(tags(&seen), [(1, Some(10)), (2, Some(20)), (3, Some(0)), (4, None)]);
    assert!(seen.iter().all(|activity| activity.closed));
}

/// A tag that is given in the poll in which a socket is first seen counts for that poll. Both parts
/// of a reused socket have it.
#[test]
fn a_tag_counts_for_the_poll_it_was_given_in() {
    let mut tracker = SocketTracker::new();
    poll(&mut tracker, &[]);
    tracker.begin(Instant::now());
    assert_eq!(tracker.observe(&sent(1, 9, 0, 9)), Observed::Untagged);
    tracker.tag(1, 5);
    assert!(!tracker.contains(2));
    tracker.on_destroy(&destroy_event(1, 3, 0, 3));
    tracker.on_destroy(&destroy_event(2, 3, 0, 3));
    tracker.tag(2, 6);
    let mut seen = Vec::new();
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    tracker.end(ending, |activity| seen.push(*activity));
    assert_eq!(tags(&seen), [(1, Some(5)), (1, Some(5)), (2, Some(6))]);
}

#[test]
fn a_reused_socket_has_no_tag() {
    let unconnected = wiped(1).remote;
    let listener = Socket {
        state: State::Listen,
        remote: unconnected,
        skmem: Some(skmem(3)),
        ..sent(1, 0, 0, 0)
    };
    let connected = |segments| Socket { skmem: Some(skmem(3)), ..sent(1, 10, 0, segments) };
    let closed = Socket { state: State::Close, remote: unconnected, ..connected(2) };
    let elsewhere = Endpoint { port: 443, ..connected(0).remote };
    let reused = Socket { remote: elsewhere, ..connected(3) };
    let mut tracker = SocketTracker::new();
    let mut previous = None;
    for socket in [listener, connected(1), closed, connected(3), reused, listener] {
        assert_eq!(observe(&mut tracker, &[socket]), [Observed::Untagged], "{previous:?}");
        tracker.tag(1, 7);
        assert_eq!(observe(&mut tracker, &[socket]), [Observed::Known(7)]);
        previous = Some(socket.state);
    }
    let seen = poll(&mut tracker, &[Dump(vec![connected(9)])]);
    assert_eq!(tags(&seen), [(1, None)]);
    assert_eq!(seen[0].before.map(|last_seen| last_seen.state()), Some(State::Listen));
}
