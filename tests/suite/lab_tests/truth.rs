//! The kernel's trace of every retransmitted segment.

use std::time::{Duration, Instant};

use crate::lab::{Kinds, Medium, Profile, Scenario, Service, Shape, Side, Truth, lab};

/// Four services at once, long flows and short connections.
fn busy_host() -> Scenario {
    let lossy = Profile::Upload { flows: 3, rate: Some(500_000) };
    Scenario::builder()
        .service(2181, Profile::short(32, 2_000), 0.01)
        .service(6379, Profile::short(24, 20_000), 0.02)
        .service(9092, Profile::Download { flows: 4, rate: Some(1_000_000) }, 0.005)
        .with(Service { congestion: Some("cubic"), ..Service::new(5432, lossy, 0.1) })
}

fn show(truth: &Truth, since: Instant) {
    println!("{:?} after {:?}", truth.source, since.elapsed());
    for (port, work) in &truth.work {
        println!("{port}: {work:?}");
    }
    for side in Side::BOTH {
        let truth = truth.side(side);
        for (port, kinds) in &truth.per_port {
            println!("{side:?} {port}: {kinds:?}");
        }
        println!("{side:?}, counters: {:?}", truth.totals());
    }
    let verdict = &truth.verdict;
    println!(
        "{} retransmits, {} with a path, {} disputed, {} suppressed, {} failed, {} events lost",
        truth.retransmits.len(),
        verdict.with_path,
        verdict.disputed,
        verdict.suppressed,
        verdict.failed,
        verdict.lost
    );
    println!("by states alone: {:?}", verdict.without_path);
}

/// Checks that hold for every run.
fn check_truth(truth: &Truth) {
    assert_eq!(truth.unsettled, 0);
    let made: u64 = truth.work.values().map(|work| work.connections).sum();
    // The number depends on the machine; it only has to be large.
    assert!(made >= 500, "{made} connections");
    for (port, work) in &truth.work {
        assert!(work.connections > 0 && work.bytes > 0 && work.failures == 0, "{port}: {work:?}");
    }
    let retransmitted: u64 = truth.sides.iter().map(|side| side.growth("RetransSegs")).sum();
    assert!(retransmitted > 100, "{retransmitted}");
    assert_eq!(truth.contradictions(), Vec::<String>::new());
    if !truth.is_traced() {
        assert!(truth.per_port().is_empty());
        return;
    }
    let per_port = truth.per_port();
    assert_eq!(per_port.keys().copied().collect::<Vec<_>>(), [2181, 5432, 6379, 9092]);
    assert_eq!(per_port.values().map(Kinds::total).sum::<u64>(), retransmitted);
    // Long flows have few SYNs; short ones with loss have many.
    assert!(per_port[&2181].syn > 0 && per_port[&6379].syn > 0);
    assert!(per_port[&5432].fast > per_port[&5432].syn);
    // States and paths agree for segments that have a path. How many have one depends on which
    // tasks the timers interrupt.
    let verdict = &truth.verdict;
    // The trace covers the whole host: on each processor one event may have happened at its start.
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(verdict.astray <= processors, "{}", verdict.astray);
    assert!(verdict.disputed * 100 <= verdict.with_path, "{verdict:?}");
    // All segments, with a path or not: whether timeouts are distinguished from probes. A client
    // has no SYN-ACK timers, and none here gives up.
    let client = truth.side(Side::Client);
    let sum = client.sum();
    let (timers, counted) = (sum.timeout + sum.syn, client.growth("TCPTimeouts"));
    println!("client: {timers} segments of timers, TCPTimeouts {counted}");
    assert_eq!(timers, counted);
    let server = truth.side(Side::Server);
    let (sum, counted) = (server.sum(), server.growth("TCPTimeouts"));
    println!("server: {} to {}, TCPTimeouts {counted}", sum.timeout, sum.timeout + sum.syn_ack);
    assert!((sum.timeout..=sum.timeout + sum.syn_ack).contains(&counted));
}

lab!(
    alone as Best fn trace_and_counters_agree_over_a_wire() {
        let since = Instant::now();
        let Some(truth) = busy_host().run(Duration::from_secs(3)) else { return };
        show(&truth, since);
        check_truth(&truth);
    }
);

lab!(
    alone as Best fn trace_and_counters_agree_over_a_link() {
        let since = Instant::now();
        // Outages cause timeouts and slow starts after them.
        let there = Shape {
            jitter: Duration::from_millis(1),
            outage: Some([Duration::from_millis(1500), Duration::from_millis(150)]),
            ..Shape::delayed(2)
        };
        let scenario = busy_host().over(Medium::Link([there; 2]));
        let Some(truth) = scenario.run(Duration::from_secs(4)) else { return };
        show(&truth, since);
        check_truth(&truth);
        let slow: u64 = truth.sides.iter().map(|side| side.growth("TCPSlowStartRetrans")).sum();
        assert!(slow > 0, "no slow start");
    }
);

lab!(
    alone as Mapped fn without_host_root_there_are_only_totals() {
        let scenario = Scenario::builder().service(80, Profile::short(4, 20_000), 0.05);
        let Some(truth) = scenario.run(Duration::from_secs(1)) else { return };
        assert!(!truth.is_traced());
        let totals = truth.side(Side::Server).totals();
        assert!(totals.total() > 0);
        assert_eq!(totals.total(), truth.side(Side::Server).growth("RetransSegs"));
        assert_eq!(truth.contradictions(), Vec::<String>::new());
    }
);

lab!(
    alone as Best fn observers_run_on_either_side() {
        let scenario = Scenario::builder().service(80, Profile::short(2, 100), 0.0);
        let seen = scenario.run_with(Duration::from_millis(500), |running| {
            let sides = Side::BOTH.map(|side| {
                let document = running.inside(side, || {
                    crate::lab::Tcpdiag::new().document(&["listeners", "-o", "json"])
                });
                assert_eq!(document["netns"]["inode"], running.network(side).inode());
                document["listeners"].as_array().unwrap().len()
            });
            assert!(!running.is_over());
            assert!(running.wait_for(Duration::from_millis(100)), "over too soon");
            running.wait();
            assert!(running.is_over());
            sides
        });
        let Some((truth, listeners)) = seen else { return };
        // Only the server listens, before the traffic.
        assert_eq!(listeners, [0, 1]);
        assert!(truth.work[&80].connections > 0);
    }
);
