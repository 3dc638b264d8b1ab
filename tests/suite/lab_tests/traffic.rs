//! TCP over impaired links.

use std::time::Duration;

use crate::lab::{Loss, Medium, Profile, Scenario, Service, Shape, Side, lab};

const SHORT: Duration = Duration::from_millis(1200);

lab!(
    alone as Mapped fn reordering_and_duplicates_are_counted() {
        let there = Shape {
            reorder: 0.02,
            hold: Duration::from_millis(4),
            duplicate: 0.02,
            ..Shape::delayed(5)
        };
        let upload = Profile::Upload { flows: 2, rate: Some(1_000_000) };
        let scenario = Scenario::builder()
            .service(873, upload, 0.0)
            .over(Medium::Link([there, Shape::delayed(5)]));
        let Some(truth) = scenario.run(SHORT) else { return };
        let [client, server] = &truth.sides;
        println!("{:?}", client.after.grown(&client.before).collect::<Vec<_>>());
        println!("{:?}", server.after.grown(&server.before).collect::<Vec<_>>());
        assert_eq!(truth.unsettled, 0);
        assert!(server.growth("TCPOFOQueue") > 0, "nothing came out of order");
        let seen = ["TCPSACKReorder", "TCPTSReorder"].map(|name| client.growth(name));
        assert!(seen.iter().sum::<u64>() > 0, "the sender saw no reordering");
        assert!(server.growth("TCPDSACKOldSent") > 0, "no copy was reported");
        assert!(client.growth("TCPDSACKRecv") > 0, "no report came");
    }
);

lab!(
    alone as Mapped fn a_narrow_link_is_filled_and_overflows() {
        let rate = 1_000_000;
        let there = Shape { rate: Some(rate), queue: 20, ..Shape::delayed(5) };
        let scenario = Scenario::builder()
            .with(Service {
                congestion: Some("cubic"),
                ..Service::new(80, Profile::Download { flows: 2, rate: None }, 0.0)
            })
            .over(Medium::Link([Shape::delayed(5), there]));
        let Some(truth) = scenario.run(SHORT) else { return };
        let bytes = truth.work[&80].bytes;
        let server = truth.side(Side::Server);
        println!("{bytes} bytes, {:?}", server.totals());
        // Data written before the end is still read after it.
        assert!(bytes as f64 > 0.6 * SHORT.as_secs_f64() * rate as f64);
        assert!(server.growth("RetransSegs") > 0, "the queue has no end");
        assert_eq!(truth.unsettled, 0);
    }
);

lab!(
    alone as Best fn each_port_has_its_configured_loss() {
        let flow = Profile::Download { flows: 2, rate: Some(1_000_000) };
        let chances = [(1001, 0.0), (1002, 0.01), (1003, 0.08)];
        let scenario = chances.iter().fold(Scenario::builder(), |scenario, (port, chance)| {
            scenario.service(*port, flow, *chance)
        });
        let Some((truth, tallies)) = scenario.run_with(2 * SHORT, |running| {
            running.wait_for(SHORT);
            Side::BOTH.map(|side| Loss::tally(side, running.networks()))
        }) else { return };
        assert_eq!(truth.unsettled, 0);
        for tally in tallies {
            for (port, chance) in chances {
                let [came, lost] = tally[&port];
                let expected = came as f64 * chance;
                println!("{port}: {lost} of {came} lost, {expected:.0} expected");
                let deviation = (expected * (1.0 - chance)).sqrt();
                assert!((lost as f64 - expected).abs() <= 5.0 * deviation + 1.0, "{port}");
            }
        }
        if truth.is_traced() {
            let server = &truth.side(Side::Server).per_port;
            println!("{server:?}, DSACKs {}", truth.side(Side::Server).growth("TCPDSACKRecv"));
            let [none, few, many] =
                [1001, 1002, 1003].map(|port| server.get(&port).copied().unwrap_or_default());
            // Without loss, late acknowledgements still cause probes.
            assert_eq!(none.fast, 0);
            let [none, few, many] = [none, few, many].map(|kinds| kinds.total());
            assert!(none < few && few < many, "{none}, {few}, {many}");
        }
    }
);

lab!(
    alone as Best fn a_slow_reader_closes_the_window() {
        let scenario =
            Scenario::builder().service(515, Profile::SlowReader { flows: 2, rate: 20_000 }, 0.0);
        let Some(truth) = scenario.run(SHORT) else { return };
        assert_eq!(truth.unsettled, 0);
        let [client, server] = &truth.sides;
        let closed = ["TCPToZeroWindowAdv", "TCPWantZeroWindowAdv"];
        assert!(closed.iter().any(|name| client.growth(name) > 0));
        // The path loses nothing. But a receiver may drop what its buffer does not take, and a busy
        // host may acknowledge so late that a probe goes out.
        let again = server.growth("RetransSegs");
        let grown = truth.sides.iter().map(|side| side.after.grown(&side.before));
        let grown: Vec<_> = grown.map(Vec::from_iter).collect();
        assert!(again < 20, "{again} segments were sent again: {grown:?}");
        assert_eq!(truth.work[&515].failures, 0);
    }
);

lab!(
    alone as Mapped fn the_other_address_family_works_too() {
        let scenario = [Medium::Wire, Medium::Link([Shape::default(); 2])].map(|medium| {
            let v6 = |port, loss| {
                let service = Service::new(port, Profile::short(4, 9000), loss);
                Service { v6: true, ..service }
            };
            Scenario::builder().with(v6(443, 0.05)).over(medium)
        });
        for scenario in scenario {
            let Some(truth) = scenario.run(SHORT / 2) else { return };
            assert_eq!(truth.contradictions(), Vec::<String>::new());
            assert!(truth.work[&443].connections > 0);
            let sum: u64 = truth.sides.iter().map(|side| side.growth("RetransSegs")).sum();
            assert!(sum > 0, "nothing was lost");
        }
    }
);
