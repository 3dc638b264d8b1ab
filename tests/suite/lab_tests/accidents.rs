//! What the links of random scenes do to connections, told by the witness and by the kernel.

use std::time::Duration;

use crate::lab::faults::{Path, Setup};
use crate::lab::{
    Affects, Counters, Link, Narrow, Random, Shape, Side, Sums, Witness, lab, require,
};

/// Five uploads of what `shape` does to the client's packets; counters at both ends grow from 0.
fn upload(shape: Shape, is_v6: bool) -> Option<(Setup, [Sums; 2], [Counters; 2])> {
    let made = Setup::laid(
        |networks, addresses| {
            let witness = Some(Witness::new(Duration::from_millis(5)));
            let randoms = [1, 2].map(Random::from_seed);
            let shapes = [shape, Shape::delayed(2)];
            Link::lay_with(networks, addresses, shapes, randoms, witness).map(Path::Link)
        },
        &[],
        is_v6,
        |_| true,
    );
    let reason = made.as_ref().err().cloned().unwrap_or_default();
    require(made.is_ok(), &reason).then_some(())?;
    let setup = made.ok()?;
    setup.uploads(8200, 5, Some(200_000));
    std::thread::sleep(Duration::from_secs(3));
    let sums = setup.witnessed().unwrap();
    let counters = Side::BOTH.map(|side| setup.inside(side, Counters::read));
    println!("client: {}\nserver: {}", sums[0].shown(), sums[1].shown());
    Some((setup, sums, counters))
}

/// Whether two counts are alike: some segments are under way between the two looks.
fn alike(one: u64, other: i64) -> bool {
    one.abs_diff(other.unsigned_abs()) <= 5 + one / 20
}

lab!(
    alone as Mapped fn the_witness_counts_what_the_kernel_counts() {
        let there = Shape { loss: 0.02, affects: Affects::Data, ..Shape::delayed(2) };
        let Some((_setup, [client, server], counters)) = upload(there, false) else { return };
        assert!(client.data > 1000 && client.lost > 10, "{client:?}");
        assert!(alike(client.repeats, counters[0].get("RetransSegs")));
        assert!(alike(client.after_gap, counters[1].get("TCPOFOQueue")));
        assert_eq!((client.lost_acks, server.lost, client.corrupted), (0, 0, 0));
        // All but those under way were repaired, and few repairs were in vain.
        assert!(client.repairs + 5 >= client.lost && client.repeats <= client.lost + 10);
    }
);

lab!(
    alone as Mapped fn bursts_have_their_share_and_their_length() {
        let there = Shape { loss: 0.05, burst: 5.0, ..Shape::delayed(2) };
        let Some((_setup, [client, _], _)) = upload(there, true) else { return };
        let share = client.lost as f64 / client.data as f64;
        let length = client.lost as f64 / client.lost_in_a_row as f64;
        println!("{share:.3} lost, {length:.1} in a row");
        assert!((0.01..0.12).contains(&share) && (2.5..10.0).contains(&length));
    }
);

lab!(
    alone as Mapped fn a_wrong_checksum_is_seen_by_the_receiver_only() {
        let there = Shape { corrupt: 0.03, ..Shape::delayed(2) };
        let Some((_setup, [client, _], counters)) = upload(there, true) else { return };
        assert!(client.corrupted > 10 && client.lost == 0, "{client:?}");
        assert!(alike(client.corrupted, counters[1].get("InCsumErrors")));
    }
);

lab!(
    alone as Mapped fn a_hop_that_tells_makes_segments_small() {
        for is_v6 in [false, true] {
            let narrow = Some(Narrow { mtu: 1300, tells: true });
            let there = Shape { narrow, ..Shape::delayed(2) };
            let Some((setup, [client, _], _)) = upload(there, is_v6) else { return };
            assert!(client.too_big > 0 && client.arrived > 1000, "{client:?}");
            let sizes = setup.sockets(Side::Client).into_iter().filter_map(|ss| ss.number("mss"));
            let largest = sizes.fold(0.0, f64::max);
            assert!((1200.0..1300.0).contains(&largest), "{largest}");
        }
    }
);

lab!(
    alone as Mapped fn a_hop_that_does_not_tell_is_a_black_hole() {
        let narrow = Some(Narrow { mtu: 1300, tells: false });
        let there = Shape { narrow, ..Shape::delayed(2) };
        let Some((_setup, [client, _], _)) = upload(there, false) else { return };
        assert!(client.too_big > 5 && client.arrived < 20, "{client:?}");
    }
);

lab!(
    alone as Mapped fn a_queue_can_be_limited_by_time() {
        let longest = Duration::from_millis(30);
        let there =
            Shape { rate: Some(400_000), longest_wait: Some(longest), ..Shape::delayed(2) };
        let Some((_setup, [client, _], _)) = upload(there, false) else { return };
        let kept = client.data - client.overflowed;
        let mean = Duration::from_micros(client.waited / kept);
        println!("{mean:?} in the queue");
        assert!(client.overflowed > 20 && client.lost == 0, "{client:?}");
        assert!((longest / 3..=longest + Duration::from_millis(5)).contains(&mean));
    }
);
