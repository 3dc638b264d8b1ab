//! Loss that is small, or that no single connection shows.

use std::time::Duration;

use super::fault::{client, long, server};
use super::setup::{accept, connect};
use super::{Fault, Setup};
use crate::lab::{Random, Shape, Side};

pub const ALL: &[&Fault] = &[&BULK, &BURSTS, &THIN, &SHORT_DOWNLOADS, &UNIMPORTANT];

/// What follows from loss of any kind.
const COMPANIONS: &[&str] =
    &["TD110", "TD111", "TD112", "TD113", "TD117", "TD121", "TD302", "TD307", "TD310", "TD401"];

const BULK: Fault = Fault {
    name: "loss of a half percent under bulk",
    does: "two uploads lose one of two hundred packets, on a path of 40 ms",
    shapes: [Shape { loss: 0.005, ..Shape::delayed(20) }, Shape::delayed(20)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD110", "TD307"])],
    may: COMPANIONS,
    provoke: |setup| setup.uploads(8130, 2, None),
    holds: |setup| setup.growth(Side::Client, "TCPFastRetrans") > 3,
};

const BURSTS: Fault = Fault {
    name: "bursts of loss under bulk",
    does: "two uploads lose eight of a thousand packets, three at a time, on a path of 40 ms",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD110", "TD307"])],
    may: COMPANIONS,
    provoke: |setup| {
        let mut random = Random::of("bursts");
        let mut left = 0;
        setup.link().lose_if(move |from, segment| {
            if from != Side::Client || segment.payload == 0 {
                return false;
            }
            if left == 0 && random.below(375) == 0 {
                left = 3;
            }
            let is_lost = left > 0;
            left -= i32::from(is_lost);
            is_lost
        });
        setup.uploads(8131, 2, None);
    },
    holds: |setup| setup.growth(Side::Client, "TCPSackRecovery") > 3,
};

const THIN: Fault = Fault {
    name: "loss shared by many uploads",
    does: "twelve uploads lose three of a thousand packets, on a path of 120 ms: a few losses each",
    shapes: [Shape { loss: 0.003, ..Shape::delayed(60) }, Shape::delayed(60)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD307"])],
    may: COMPANIONS,
    provoke: |setup| setup.uploads(8132, 12, None),
    // Their windows have come down from slow start.
    holds: |setup| setup.growth(Side::Client, "TCPSackRecovery") > 20,
};

const SHORT_DOWNLOADS: Fault = Fault {
    name: "loss on short downloads",
    does: "some sixty connections a second, each for an answer of 20 kB, lose four of a hundred packets on the way back",
    shapes: [Shape::delayed(10), Shape { loss: 0.04, ..Shape::delayed(10) }],
    settings: &[],
    arguments: &[],
    must: &[server(&["TD302"]), client(&["TD310"])],
    may: COMPANIONS,
    provoke: |setup| {
        let listener = setup.listen(8133, 128, |_| {});
        listener.set_nonblocking(true).unwrap();
        for listener in (0..8).map(|_| listener.try_clone().unwrap()).collect::<Vec<_>>() {
            setup.act(Side::Server, move |hours| {
                while hours.pause(Duration::from_millis(2)) {
                    let Ok(stream) = accept(&listener) else { continue };
                    let _ = hours
                        .read(&stream, 100)
                        .and_then(|()| hours.write(&stream, &[b'!'; 20_000]))
                        .and_then(|()| hours.read(&stream, 1));
                }
                Ok(())
            });
        }
        downloads(setup, 8133);
    },
    holds: |setup| setup.growth(Side::Server, "RetransSegs") > 20,
};

/// Clients of one answer of 20 kB on each connection.
fn downloads(setup: &Setup, port: u16) {
    let target = setup.target(port);
    for _ in 0..8 {
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(20)) {
                let stream = connect(target, Duration::from_secs(5))?;
                hours.write(&stream, &[b'?'; 100])?;
                hours.read(&stream, 20_000)?;
            }
            Ok(())
        });
    }
}

const UNIMPORTANT: Fault = Fault {
    name: "loss that costs nothing",
    does: "questions and answers lose one of two thousand packets",
    shapes: [Shape { loss: 0.0005, ..Shape::delayed(20) }; 2],
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| setup.talks(8134, 8, [300, 4000], Duration::from_millis(20)),
    holds: |setup| setup.growth(Side::Client, "InSegs") > 100,
};
