//! Services that do not accept what comes.

use std::net::TcpListener;
use std::time::Duration;

use super::fault::{long, server};
use super::setup::{accept, begin_connect};
use super::{Fault, Setup};
use crate::lab::{Side, Ss};

pub const ALL: &[&Fault] = &[&FULL, &BURSTS, &GROWING, &CAPPED];

const FULL: Fault = Fault {
    name: "full accept queue",
    does: "nobody accepts, there is room for five, and eight a second come",
    shapes: long(2),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD201"])],
    may: &["TD153", "TD202", "TD203", "TD302", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8080, 4, |_| {});
        setup.keep(listener);
        arrivals(setup, 8080, Duration::from_millis(120));
    },
    holds: |setup| {
        setup.count(Side::Server, |ss| ss.state == "LISTEN" && ss.queues[0] > ss.queues[1]) == 1
            && setup.growth(Side::Server, "ListenOverflows") > 0
    },
};

const BURSTS: Fault = Fault {
    name: "overflows between looks",
    does: "forty connections at once, a program that accepts at once, and room for nine",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    // A look may meet the queue while it is full.
    must: &[server(&["TD203", "TD201"])],
    may: &["TD202", "TD204", "TD206", "TD153", "TD302", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8083, 8, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| {
            while hours.pause(Duration::from_millis(10)) {
                while let Ok(stream) = accept(&listener) {
                    drop(stream);
                }
            }
            Ok(())
        });
        let target = setup.target(8083);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(900)) {
                let burst: Vec<_> = (0..40).map(|_| begin_connect(target)).collect();
                hours.pause(Duration::from_millis(100));
                drop(burst);
            }
            Ok(())
        });
    },
    holds: |setup| {
        setup.growth(Side::Server, "ListenOverflows") > 5
            && setup.growth(Side::Server, "PassiveOpens") > 5
    },
};

const GROWING: Fault = Fault {
    name: "growing accept queue",
    does: "twelve connections a second come, and two are accepted",
    shapes: long(2),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD202"])],
    may: &["TD201", "TD304"],
    provoke: |setup| {
        let listener = setup.listen(8081, 90, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| slowly(hours, &listener));
        arrivals(setup, 8081, Duration::from_millis(80));
    },
    holds: |setup| {
        setup.count(Side::Server, |ss| ss.state == "LISTEN" && ss.queues[0] > 4) == 1
            && setup.growth(Side::Server, "ListenOverflows") == 0
    },
};

const CAPPED: Fault = Fault {
    name: "backlog capped by somaxconn",
    does: "listen(512) under net.core.somaxconn = 8, and the queue is full",
    shapes: long(2),
    settings: &[(Side::Server, "core/somaxconn", "8")],
    arguments: &[],
    must: &[server(&["TD205"])],
    may: &["TD153", "TD201", "TD202", "TD203", "TD302", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8082, 512, |_| {});
        setup.keep(listener);
        arrivals(setup, 8082, Duration::from_millis(50));
    },
    holds: |setup| {
        let is_capped = |ss: &Ss| ss.state == "LISTEN" && ss.queues == [9, 8];
        setup.count(Side::Server, is_capped) == 1
    },
};

/// Accepts two connections a second.
fn slowly(hours: &super::Hours, listener: &TcpListener) -> std::io::Result<()> {
    let mut served = Vec::new();
    while hours.pause(Duration::from_millis(500)) {
        served.extend(accept(listener));
    }
    Ok(())
}

/// Connections that come one by one, and stay.
fn arrivals(setup: &Setup, port: u16, every: Duration) {
    let target = setup.target(port);
    setup.act(Side::Client, move |hours| {
        let mut here = Vec::new();
        while hours.pause(every) {
            here.push(begin_connect(target));
        }
        Ok(())
    });
}
