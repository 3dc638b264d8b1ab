//! What accounts keep beyond counters.

use super::*;

/// A poll's activities, in the order of their cookies.
fn poll(ledger: &mut Ledger, steps: &[Step]) -> Vec<Activity> {
    ledger.begin(Instant::now());
    for step in steps {
        match step {
            Dump(sockets) => sockets.iter().for_each(|socket| ledger.enter(socket)),
            Event(socket) => ledger.bury(socket),
        }
    }
    let mut activities = Vec::new();
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    ledger.end(ending, |activity| activities.push(*activity));
    activities.sort_by_key(|activity| activity.cookie);
    activities
}

/// What was seen before and after, by full segments' size and state.
type Sight = Option<(u16, State)>;

fn sights(activities: &[Activity]) -> Vec<(Sight, Sight)> {
    let sight = |glimpse: Option<Glimpse>| glimpse.map(|it| (it.mss().unwrap(), it.state()));
    activities.iter().map(|activity| (sight(activity.before), sight(activity.after))).collect()
}

/// One that has sent so many bytes, as many segments, and shows this size of
/// full ones.
fn shown(cookie: u64, bytes: u32, mss: u32) -> Socket {
    let words = [(16, mss), (136, bytes), (200, bytes)];
    Socket { tcp_info: Some(tcp_info(&words)), ..sent(cookie, 0, 0, 0) }
}

fn buried(cookie: u64, bytes: u32, mss: u32) -> Socket {
    Socket { state: State::Close, inode: 0, ..shown(cookie, bytes, mss) }
}

const UP: State = State::Established;
const GONE: State = State::Close;

#[test]
fn what_was_seen_before_and_after() {
    let mut ledger = Ledger::new();
    poll(&mut ledger, &[Dump(vec![shown(1, 10, 100)])]);
    let seen = poll(&mut ledger, &[Dump(vec![shown(1, 20, 101), shown(2, 5, 200)])]);
    assert_eq!(sights(&seen), [(Some((100, UP)), Some((101, UP))), (None, Some((200, UP)))]);
    // Idle ones are not looked at.
    assert!(poll(&mut ledger, &[Dump(vec![shown(1, 20, 102), shown(2, 5, 200)])]).is_empty());
    let closing = Socket { state: State::CloseWait, ..shown(1, 30, 103) };
    let seen =
        poll(&mut ledger, &[Dump(vec![closing, shown(2, 6, 201)]), Event(buried(2, 7, 202))]);
    let expected =
        [(Some((101, UP)), Some((103, State::CloseWait))), (Some((200, UP)), Some((202, GONE)))];
    assert_eq!(sights(&seen), expected);
    // Born and died between two polls; died without another byte.
    let seen = poll(&mut ledger, &[Event(buried(3, 5, 300)), Event(buried(1, 30, 104))]);
    let expected = [(Some((103, State::CloseWait)), Some((104, GONE))), (None, Some((300, GONE)))];
    assert_eq!(sights(&seen), expected);
}

#[test]
fn a_state_that_changes_alone_is_seen() {
    let mut ledger = Ledger::new();
    poll(&mut ledger, &[Dump(vec![shown(1, 10, 100)])]);
    let closing = |bytes, mss| Socket { state: State::FinWait1, ..shown(1, bytes, mss) };
    assert!(poll(&mut ledger, &[Dump(vec![closing(10, 101)])]).is_empty());
    let seen = poll(&mut ledger, &[Dump(vec![closing(11, 102)])]);
    assert_eq!(sights(&seen), [(Some((101, State::FinWait1)), Some((102, State::FinWait1)))]);
}

#[test]
fn what_is_wiped_or_vanished_shows_nothing() {
    let mut ledger = Ledger::new();
    poll(&mut ledger, &[Dump(vec![shown(1, 10, 100), shown(2, 10, 200), shown(3, 0, 300)])]);
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
    assert_eq!(sights(&poll(&mut ledger, &steps)), expected);

    let mut ledger = Ledger::new();
    poll(&mut ledger, &[Dump(vec![shown(1, 10, 100)])]);
    ledger.begin(Instant::now());
    let mut seen = Vec::new();
    let ending = Ending { watch: Watch::Off, whole_dump: true };
    ledger.end(ending, |activity| seen.push(*activity));
    assert_eq!(sights(&seen), [(Some((100, UP)), None)]);
}

/// Used anew between dump and event: the second part begins where the first ends.
#[test]
fn of_two_parts_each_has_its_own() {
    let mut ledger = Ledger::new();
    poll(&mut ledger, &[Dump(vec![shown(1, 500, 100)])]);
    let alive = Dump(vec![shown(1, 510, 101), shown(2, 90, 200)]);
    let steps = [alive, Event(buried(1, 4, 102)), Event(buried(2, 3, 201))];
    let seen = poll(&mut ledger, &steps);
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
