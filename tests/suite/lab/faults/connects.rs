//! Connects that come to nothing and leave no socket.

use std::time::Duration;

use super::Fault;
use super::fault::{client, long};
use super::setup::connect;
use crate::lab::{Side, Socket};

pub const ALL: &[&Fault] = &[&REFUSED, &REFUSED_BLOCKING, &GIVEN_UP];

const REFUSED: Fault = Fault {
    name: "refused connects",
    does: "a program connects to a port where nobody listens, ten times a second",
    shapes: long(10),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD308"])],
    may: &["TD401"],
    provoke: |setup| {
        let target = setup.target(8110);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(80)) {
                let _ = connect(target, Duration::from_secs(5));
            }
            Ok(())
        });
    },
    holds: |setup| setup.growth(Side::Client, "AttemptFails") > 5,
};

/// After a connect() that waits and fails, the kernel forgets the port.
const REFUSED_BLOCKING: Fault = Fault {
    name: "refused connects that wait",
    does: "the same with connect() calls that wait, which make the kernel forget the port",
    shapes: long(10),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD308"])],
    may: &["TD401"],
    provoke: |setup| {
        let target = setup.target(8111);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(80)) {
                let _ = rustix::net::connect(Socket::of(target.ip()), &target);
            }
            Ok(())
        });
    },
    holds: |setup| setup.growth(Side::Client, "AttemptFails") > 5,
};

const GIVEN_UP: Fault = Fault {
    name: "connects given up",
    does: "the way to a port drops everything, and a program gives up after 0.3 s, before a SYN is repeated",
    shapes: long(10),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD308"])],
    may: &["TD401"],
    provoke: |setup| {
        setup.link().lose_if(|from, segment| from == Side::Client && segment.ports[1] == 8112);
        let target = setup.target(8112);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(50)) {
                let _ = connect(target, Duration::from_millis(300));
            }
            Ok(())
        });
    },
    holds: |setup| {
        setup.growth(Side::Client, "ActiveOpens") > 3
            && setup.growth(Side::Client, "TCPSynRetrans") == 0
    },
};
