//! Programs that write small pieces.

use super::Fault;
use super::fault::{client, long};
use crate::lab::{Side, Ss};

pub const ALL: &[&Fault] = &[&DELAYED_ACK];

const DELAYED_ACK: Fault = Fault {
    name: "small writes",
    does: "questions are written in two pieces without TCP_NODELAY, on a path of 2 ms",
    shapes: long(1),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD118"])],
    may: &[],
    provoke: |setup| {
        for [client, server] in setup.pairs(8120, 4, |_, _| {}) {
            client.set_nodelay(false).unwrap();
            setup.act(Side::Client, move |hours| {
                while !hours.are_over() {
                    hours.write(&client, &[b'?'; 100])?;
                    hours.write(&client, &[b'?'; 200])?;
                    hours.read(&client, 400)?;
                }
                Ok(())
            });
            setup.act(Side::Server, move |hours| hours.answer_on(&server, [300, 400]));
        }
    },
    holds: |setup| {
        let waits = |ss: &Ss| ss.number("notsent") > Some(0.0) && ss.number("unacked") == Some(1.0);
        setup.count(Side::Client, waits) > 0 && setup.growth(Side::Server, "DelayedACKs") > 10
    },
};
