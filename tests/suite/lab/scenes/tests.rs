//! The generator and the truth, without a network.

use std::time::Duration;

use super::observed::at_least;
use super::{Observed, Scene, Statement, Traffic, Trouble, truth};
use crate::lab::{Affects, Narrow, Side, Sums};

/// An upload of one connection over 20 ms and 1 MB/s, with this trouble.
fn upload(troubles: &[Trouble]) -> Scene {
    Scene {
        number: 0,
        seed: 0,
        rtt: Duration::from_millis(20),
        rate: Some(1_000_000),
        queue: Duration::from_millis(40),
        traffic: Traffic::Up,
        connections: 1,
        control: "reno",
        is_v6: false,
        troubles: troubles.to_vec(),
    }
}

/// Five seconds in which the client sent this.
fn observed(client: Sums) -> Observed {
    Observed {
        time: Duration::from_secs(5),
        sums: [client, Sums::default()],
        ..Observed::default()
    }
}

/// The statements that are true and those that are demanded, at one side.
fn of(scene: &Scene, observed: &Observed, side: Side) -> [Vec<Statement>; 2] {
    let claims = truth(scene, observed);
    let here: Vec<_> = claims.iter().filter(|claim| claim.side == side).collect();
    let demanded = here.iter().filter(|claim| claim.is_demanded);
    [here.iter().map(|c| c.statement).collect(), demanded.map(|c| c.statement).collect()]
}

const LOSS: Trouble =
    Trouble::Loss { from: Side::Client, chance: 0.003, burst: 1.0, affects: Affects::Data };

#[test]
fn the_same_seed_draws_the_same_scene() {
    for number in 0..50 {
        assert_eq!(Scene::draw(7, number), Scene::draw(7, number));
        assert_ne!(Scene::draw(7, number).seed, Scene::draw(8, number).seed);
    }
}

#[test]
fn a_third_is_calm_and_every_kind_is_drawn() {
    let scenes: Vec<_> = (0..3000).map(|number| Scene::draw(11, number)).collect();
    let calm = scenes.iter().filter(|scene| scene.is_calm()).count();
    assert!((980..1020).contains(&calm), "{calm} of 3000");
    let twice = scenes.iter().filter(|scene| scene.troubles.len() == 2).count();
    assert!((200..800).contains(&twice), "{twice} with two troubles");
    assert!(scenes.iter().all(|scene| scene.troubles.len() <= 2));
    let kinds: std::collections::HashSet<_> =
        scenes.iter().flat_map(|scene| &scene.troubles).map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 15);
    let traffic: std::collections::HashSet<_> =
        scenes.iter().map(|scene| std::mem::discriminant(&scene.traffic)).collect();
    assert_eq!(traffic.len(), 8);
    for control in ["reno", "cubic", "bbr"] {
        let share = scenes.iter().filter(|scene| scene.control == control).count();
        assert!(share > 500, "{control}: {share}");
    }
    let v6 = scenes.iter().filter(|scene| scene.is_v6).count();
    assert!((1100..1300).contains(&v6), "{v6} over IPv6");
}

#[test]
fn scenes_stay_within_their_limits() {
    for scene in (0..3000).map(|number| Scene::draw(13, number)) {
        let rtt = scene.rtt.as_secs_f64();
        assert!((0.0001..=0.3001).contains(&rtt), "{scene}");
        assert!((1..=20).contains(&scene.connections), "{scene}");
        assert!(scene.rate.is_none_or(|rate| (120_000..13_000_000).contains(&rate)), "{scene}");
        let is_bounded = scene.rate.is_some()
            || scene.trouble(|trouble| {
                matches!(
                    trouble,
                    Trouble::ReceiveBuffer(_)
                        | Trouble::SendBuffer(_)
                        | Trouble::SlowReader(_)
                        | Trouble::NotReading
                )
                .then_some(())
            }) == Some(());
        assert!(!scene.is_bulk() || is_bounded, "{scene}");
        for trouble in &scene.troubles {
            if let Trouble::Loss { chance, .. } = trouble {
                assert!((0.0..=0.05).contains(chance), "{scene}");
            }
        }
    }
}

#[test]
fn nothing_is_true_of_a_good_path() {
    let sums = Sums { data: 3400, new_bytes: 4_900_000, arrived: 3400, ..Sums::default() };
    assert_eq!(truth(&upload(&[]), &observed(sums)), []);
}

#[test]
fn heavy_loss_is_demanded_and_its_gaps_at_the_receiver() {
    let sums = Sums {
        data: 1000,
        lost: 40,
        lost_in_a_row: 40,
        repeats: 40,
        repairs: 40,
        arrived: 960,
        after_gap: 300,
        new_bytes: 4_600_000,
        ..Sums::default()
    };
    let scene = upload(&[LOSS]);
    assert!(of(&scene, &observed(sums), Side::Client)[1].contains(&Statement::Loss));
    assert_eq!(of(&scene, &observed(sums), Side::Server)[1], [Statement::Gaps]);
    let unnoticed = Sums { repeats: 3, repairs: 3, ..sums };
    assert!(!of(&scene, &observed(unnoticed), Side::Client)[1].contains(&Statement::Loss));
}

#[test]
fn four_losses_of_a_hundred_segments_can_be_chance() {
    let sums = Sums { data: 100, lost: 4, repairs: 4, repeats: 4, ..Sums::default() };
    let ask = Scene {
        traffic: Traffic::Ask { question: 100, answer: 100, pause: Duration::from_millis(50) },
        ..upload(&[LOSS])
    };
    let [is_true, demanded] = of(&ask, &observed(sums), Side::Client);
    assert!(is_true.contains(&Statement::Loss) && !demanded.contains(&Statement::Loss));
}

#[test]
fn little_loss_is_demanded_where_it_costs() {
    let sums = Sums {
        data: 2000,
        lost: 10,
        lost_in_a_row: 10,
        repeats: 10,
        repairs: 10,
        ..Sums::default()
    };
    let slow = Sums { new_bytes: 2_800_000, ..sums };
    let full = Sums { new_bytes: 4_700_000, ..sums };
    let scene = upload(&[LOSS]);
    assert!(of(&scene, &observed(slow), Side::Client)[1].contains(&Statement::Loss));
    assert!(of(&scene, &observed(full), Side::Client)[1].is_empty());
    // The program of a paced upload wants no more.
    let paced = Scene { traffic: Traffic::Paced { rate: 560_000 }, ..scene };
    assert!(of(&paced, &observed(slow), Side::Client)[1].is_empty());
}

#[test]
fn one_loss_of_ten_thousand_is_nothing() {
    let sums = Sums {
        data: 10_000,
        lost: 1,
        repeats: 1,
        repairs: 1,
        new_bytes: 4_700_000,
        ..Sums::default()
    };
    assert_eq!(of(&upload(&[LOSS]), &observed(sums), Side::Client), [vec![], vec![]]);
}

#[test]
fn lost_acknowledgements_are_no_lost_data() {
    let acks = Sums { acks: 1000, lost_acks: 50, ..Sums::default() };
    let data = Sums { data: 2000, arrived: 2000, new_bytes: 4_700_000, ..Sums::default() };
    let seen = Observed { sums: [data, acks], ..observed(data) };
    for side in Side::BOTH {
        assert_eq!(of(&upload(&[]), &seen, side), [vec![], vec![]]);
    }
}

#[test]
fn loss_that_costs_a_fifth_may_be_said() {
    let sums = Sums { data: 6000, lost: 8, repeats: 8, repairs: 8, ..Sums::default() };
    let of = |new_bytes| of(&upload(&[LOSS]), &observed(Sums { new_bytes, ..sums }), Side::Client);
    assert_eq!(of(3_800_000), [vec![Statement::Loss], vec![]]);
    assert_eq!(of(4_500_000), [vec![], vec![]]);
    // A queue that is too short drops what costs.
    let dropped = Sums { lost: 0, overflowed: 8, new_bytes: 3_000_000, ..sums };
    let [is_true, demanded] = self::of(&upload(&[]), &observed(dropped), Side::Client);
    assert!(is_true.contains(&Statement::Loss) && demanded.is_empty());
}

#[test]
fn a_path_is_full_with_a_standing_queue() {
    let sums = Sums { data: 3200, new_bytes: 4_600_000, lost: 60, ..Sums::default() };
    let congested = |waited| {
        let seen = observed(Sums { waited, ..sums });
        of(&upload(&[LOSS]), &seen, Side::Client)[0].contains(&Statement::Congestion)
    };
    assert!(congested(3200 * 6_000));
    assert!(!congested(3200 * 4_000));
}

#[test]
fn handshakes_are_repeated_where_their_acknowledgements_are_lost() {
    let acks = Sums { acks: 600, lost_acks: 30, ..Sums::default() };
    let seen = Observed { sums: [acks, Sums::default()], ..observed(acks) };
    let short = Traffic::Connects { question: 10, answer: 10, pause: Duration::from_millis(50) };
    let scene = Scene { traffic: short, ..upload(&[]) };
    assert!(of(&scene, &seen, Side::Server)[0].contains(&Statement::Unneeded));
    assert!(!of(&scene, &seen, Side::Client)[0].contains(&Statement::Unneeded));
}

#[test]
fn what_the_queue_drops_is_congestion() {
    let sums = Sums {
        data: 2000,
        overflowed: 20,
        repeats: 20,
        repairs: 20,
        new_bytes: 4_700_000,
        ..Sums::default()
    };
    let [is_true, demanded] = of(&upload(&[Trouble::ShortQueue]), &observed(sums), Side::Client);
    assert!(is_true.contains(&Statement::Congestion) && demanded.is_empty());
}

#[test]
fn a_full_queue_is_demanded_from_a_multiple_of_the_round_trip_on() {
    let wait = |milliseconds: u64| Sums {
        data: 3400,
        new_bytes: 4_900_000,
        waited: milliseconds * 1000 * 3400,
        ..Sums::default()
    };
    let scene = upload(&[Trouble::LongQueue]);
    assert_eq!(of(&scene, &observed(wait(5)), Side::Client), [vec![], vec![]]);
    let [is_true, demanded] = of(&scene, &observed(wait(50)), Side::Client);
    assert!(is_true.contains(&Statement::Queue) && demanded.is_empty());
    assert_eq!(of(&scene, &observed(wait(200)), Side::Client)[1], [Statement::Queue]);
}

#[test]
fn a_small_receive_buffer_is_demanded_at_both_ends() {
    let sums = Sums {
        data: 1000,
        new_bytes: 1_400_000,
        limited: 4_500_000,
        busy: 4_900_000,
        ..Sums::default()
    };
    let scene = upload(&[Trouble::ReceiveBuffer(8000)]);
    assert_eq!(of(&scene, &observed(sums), Side::Client)[1], [Statement::PeerWindow]);
    assert_eq!(of(&scene, &observed(sums), Side::Server)[1], [Statement::OwnBuffer]);
    let slow = upload(&[Trouble::SlowReader(200_000)]);
    assert_eq!(of(&slow, &observed(sums), Side::Server)[1], [Statement::SlowReader]);
}

#[test]
fn a_send_buffer_is_demanded_where_it_is_the_narrowest() {
    let sums = Sums { data: 1400, new_bytes: 2_000_000, busy: 5_000_000, ..Sums::default() };
    let mut seen = observed(sums);
    seen.programs.blocked = 4_900_000;
    let scene = upload(&[Trouble::SendBuffer(8000)]);
    assert_eq!(of(&scene, &seen, Side::Client)[1], [Statement::SendBuffer]);
    // The path is full, or loses: then it is the path.
    seen.sums[0].new_bytes = 4_700_000;
    assert!(of(&scene, &seen, Side::Client)[1].is_empty());
    seen.sums[0] = Sums { lost: 14, ..sums };
    assert!(!of(&scene, &seen, Side::Client)[1].contains(&Statement::SendBuffer));
}

#[test]
fn a_narrow_hop_that_tells_makes_small_segments_and_one_that_does_not_a_black_hole() {
    let sums = Sums { data: 1000, new_bytes: 600_000, too_big: 5, ..Sums::default() };
    let told = upload(&[Trouble::Narrow(Narrow { mtu: 660, tells: true })]);
    assert_eq!(of(&told, &observed(sums), Side::Client)[1], [Statement::SmallSegments]);
    let silent = upload(&[Trouble::Narrow(Narrow { mtu: 660, tells: false })]);
    assert_eq!(of(&silent, &observed(sums), Side::Client)[1], [Statement::BlackHole]);
}

#[test]
fn copies_and_overtaken_segments_are_counted_beyond_chance() {
    let hold = Duration::from_millis(10);
    let sums = Sums { data: 5000, overtaken: 150, copied: 150, ..Sums::default() };
    let scene = upload(&[Trouble::Reorder { from: Side::Client, chance: 0.03, hold }]);
    let demanded = &of(&scene, &observed(sums), Side::Client)[1];
    assert_eq!(*demanded, [Statement::Reordered, Statement::Duplicated]);
    let behind = Sums { repeats: 140, copied: 0, ..sums };
    let demanded = &of(&scene, &observed(behind), Side::Client)[1];
    assert_eq!(*demanded, [Statement::Unneeded], "they arrive behind their repeats");
    let few = Sums { data: 5000, overtaken: 10, copied: 10, ..Sums::default() };
    assert!(of(&scene, &observed(few), Side::Client)[1].is_empty());
}

#[test]
fn failing_connects_are_demanded_where_they_fail() {
    let mut seen = observed(Sums::default());
    (seen.programs.refused, seen.programs.given_up, seen.programs.reset) = (8, 8, 8);
    let every = Duration::from_millis(100);
    let client = |trouble| of(&upload(&[trouble]), &seen, Side::Client)[1].clone();
    assert_eq!(client(Trouble::Refused { every }), [Statement::ConnectFails]);
    seen.queue_full = [0, 9];
    let client = |trouble| of(&upload(&[trouble]), &seen, Side::Client)[1].clone();
    let backlog = Trouble::Backlog { every };
    assert_eq!(client(backlog), [Statement::NoAnswer]);
    assert_eq!(of(&upload(&[backlog]), &seen, Side::Server)[1], [Statement::AcceptQueue]);
    let patience = Duration::from_millis(500);
    assert_eq!(client(Trouble::Silent { patience }), [Statement::ConnectFails]);
    let patience = Duration::from_secs(3);
    assert_eq!(client(Trouble::Silent { patience }), [Statement::NoAnswer]);
    assert_eq!(client(Trouble::Resets { every, unread: true }), [Statement::Resets]);
    let server = of(&upload(&[Trouble::Resets { every, unread: true }]), &seen, Side::Server);
    assert_eq!(server[1], [Statement::Unread]);
}

#[test]
fn small_writes_that_wait_are_demanded() {
    let mut seen = observed(Sums::default());
    let scene =
        Scene { traffic: Traffic::Pieces { pause: Duration::from_millis(20) }, ..upload(&[]) };
    (seen.programs.answers, seen.programs.waited) = (80, 80 * 61_000);
    assert_eq!(of(&scene, &seen, Side::Client)[1], [Statement::Nagle]);
    seen.programs.waited = 80 * 21_000;
    assert!(of(&scene, &seen, Side::Client)[1].is_empty());
}

#[test]
fn late_packets_and_a_late_thread_disturb() {
    let on_time = Sums { delivered: 1000, late: 20, ..Sums::default() };
    assert!(!observed(on_time).is_disturbed());
    assert!(observed(Sums { late: 21, ..on_time }).is_disturbed());
    let waits = Observed { unscheduled: Duration::from_millis(600), ..observed(on_time) };
    assert!(waits.is_disturbed());
}

#[test]
fn shares_are_credible_only_of_enough() {
    assert_eq!(at_least(0, 0), 0.0);
    assert!(at_least(1, 1) < 0.25);
    assert!((at_least(40, 1000) - 0.0295).abs() < 0.0005);
}
