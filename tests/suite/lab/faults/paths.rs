//! The way is longer, or narrower, than it should be.

use std::time::Duration;

use super::Fault;
use super::fault::{client, long};
use crate::lab::{Segment, Shape, Side, Ss};

pub const ALL: &[&Fault] = &[&DELAY, &JITTER, &DEEP_QUEUE, &BLACK_HOLE, &SLOW_TIMER, &SHORT_RING];

const DELAY: Fault = Fault {
    name: "delay",
    does: "a path of 40 ms becomes one of 200 ms under connections with questions",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD120", "TD303"])],
    may: &["TD121"],
    provoke: |setup| {
        setup.talks(8030, 4, [300, 4000], Duration::from_millis(10));
        let link = setup.link();
        setup.act(Side::Client, move |hours| {
            hours.pause(Duration::from_millis(700));
            link.set_shapes(long(100));
            Ok(())
        });
    },
    holds: |setup| {
        let is_late = |ss: &Ss| ss.number("minrtt") < Some(60.0) && ss.number("rtt") > Some(160.0);
        setup.count(Side::Client, is_late) == 4
    },
};

const JITTERY: Shape = Shape { jitter: Duration::from_millis(120), ..Shape::delayed(5) };

const JITTER: Fault = Fault {
    name: "jitter",
    does: "every packet is up to 120 ms late, on a path of 10 ms",
    shapes: [JITTERY; 2],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD120", "TD303"])],
    may: &["TD114", "TD121"],
    provoke: |setup| setup.talks(8031, 4, [300, 800], Duration::from_millis(10)),
    holds: |setup| {
        let is_unsteady = |ss: &Ss| {
            let ratio = |of: &str| Some(ss.number(of)? / ss.number("minrtt")?);
            ratio("rtt") > Some(1.5) && ss.number("rttvar") > Some(10.0)
        };
        setup.count(Side::Client, is_unsteady) >= 3
    },
};

const DEEP: Shape =
    Shape { rate: Some(500_000), queue: 4000, delay: Duration::from_millis(20), ..Shape::PERFECT };

const DEEP_QUEUE: Fault = Fault {
    name: "rate limit with a deep queue",
    does: "uploads fill a queue of 4,000 packets before 500 kB a second",
    shapes: [DEEP, Shape::delayed(20)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD120"])],
    may: &["TD101", "TD103", "TD114", "TD121", "TD303"],
    provoke: |setup| setup.uploads(8032, 4, None),
    holds: |setup| {
        let is_bloated =
            |ss: &Ss| ss.number("minrtt") < Some(80.0) && ss.number("rtt") > Some(250.0);
        setup.count(Side::Client, is_bloated) >= 1
    },
};

const BLACK_HOLE: Fault = Fault {
    name: "black-holed MTU",
    does: "packets of more than 1,300 bytes vanish without a word; small ones pass, both ways",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD141"])],
    may: &["TD112", "TD113", "TD121", "TD122", "TD302", "TD401"],
    provoke: |setup| {
        setup
            .link()
            .lose_if(|from, segment: &Segment| from == Side::Client && segment.packet > 1300);
        for [client, server] in setup.pairs(8033, 3, |_, _| {}) {
            // The peer goes on to speak, and hears nothing but what is small.
            let deaf = server.try_clone().unwrap();
            setup.act(Side::Server, move |hours| {
                while hours.pause(Duration::from_millis(200)) {
                    hours.write(&server, &[b'.'; 50])?;
                }
                Ok(())
            });
            setup.act(Side::Server, move |hours| hours.read_on(&deaf));
            let ear = client.try_clone().unwrap();
            setup.act(Side::Client, move |hours| hours.read_on(&ear));
            setup.act(Side::Client, move |hours| {
                for _ in 0..10 {
                    hours.write(&client, &[b'?'; 100])?;
                    hours.pause(Duration::from_millis(30));
                }
                hours.write(&client, &[b'#'; 60_000])?;
                while hours.pause(Duration::from_secs(1)) {}
                Ok(())
            });
        }
    },
    holds: |setup| {
        let is_stuck = |ss: &Ss| {
            ss.number("unacked") > Some(0.0) && ss.number("timer.retransmits") > Some(0.0)
        };
        setup.count(Side::Client, is_stuck) == 3
    },
};

const SLOW_TIMER: Fault = Fault {
    name: "slow retransmission timer",
    does: "a route says rto_min 2s, on a path of 40 ms",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD121"])],
    may: &[],
    provoke: |setup| {
        let server = setup.target(0).ip();
        setup.ip(Side::Client, &format!("route add {server}/32 dev lab0 rto_min 2s"));
        setup.talks(8034, 4, [300, 4000], Duration::from_millis(20));
    },
    holds: |setup| setup.count(Side::Client, |ss| ss.number("rto") > Some(1900.0)) == 4,
};

const SHORT_RING: Fault = Fault {
    name: "device that drops",
    does: "the sender's device has room for four packets, and drops the rest of each burst",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD406"])],
    may: &["TD110", "TD111", "TD112", "TD113", "TD302", "TD401"],
    provoke: |setup| {
        setup.ip(Side::Client, "link set lab0 txqueuelen 4");
        setup.talks(8035, 4, [30_000, 300], Duration::from_millis(20));
    },
    holds: |setup| setup.growth(Side::Client, "RetransSegs") > 10,
};
