//! Handshakes that come to nothing.

use super::Fault;
use super::fault::{client, long, server};
use super::setup::begin_connect;
use crate::lab::{Segment, Side};

pub const ALL: &[&Fault] = &[&NO_ANSWER, &SYN_STAGE, &COOKIES];

const NO_ANSWER: Fault = Fault {
    name: "no answer to SYN",
    does: "the way to a port drops what comes without a word",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD153"])],
    may: &["TD121", "TD302", "TD401"],
    provoke: |setup| {
        setup.link().lose_if(|from, segment| from == Side::Client && segment.ports[1] == 8070);
        let target = setup.target(8070);
        setup.keep(setup.inside(Side::Client, || [(); 4].map(|()| begin_connect(target))));
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.state == "SYN-SENT" && ss.number("timer.retransmits") > Some(0.0)
        }) == 4
    },
};

const SYN_STAGE: Fault = Fault {
    name: "handshakes without end",
    does: "fifty-six clients never hear the server's SYN-ACK",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD204"])],
    may: &["TD153", "TD302", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8071, 64, |_| {});
        unfinished(setup, 8071, 56);
        setup.keep(listener);
    },
    holds: |setup| {
        setup.count(Side::Server, |ss| ss.state == "SYN-RECV") >= 50
            && setup.growth(Side::Server, "TCPReqQFullDoCookies") == 0
    },
};

const COOKIES: Fault = Fault {
    name: "SYN cookies",
    does: "three hundred such clients, and room for sixteen of them",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD206"])],
    may: &["TD153", "TD204", "TD201", "TD203", "TD302", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8072, 16, |_| {});
        unfinished(setup, 8072, 300);
        setup.keep(listener);
    },
    holds: |setup| setup.growth(Side::Server, "TCPReqQFullDoCookies") > 10,
};

/// So many clients of a port that never hear its SYN-ACK.
fn unfinished(setup: &super::Setup, port: u16, clients: usize) {
    setup.link().lose_if(move |from, segment| {
        from == Side::Server && segment.ports[0] == port && segment.has(Segment::SYN)
    });
    let target = setup.target(port);
    setup.keep(
        setup.inside(Side::Client, || {
            (0..clients).map(|_| begin_connect(target)).collect::<Vec<_>>()
        }),
    );
}
