//! Connections that do not end, and peers that are no more.

use std::net::Shutdown;
use std::time::Duration;

use super::Fault;
use super::fault::{client, long, server};
use super::healthy::keep_alive;
use crate::lab::{Side, Ss};

pub const ALL: &[&Fault] =
    &[&CLOSE_WAIT, &DEAD_PEER, &FORGOTTEN, &DYING_KEEPALIVE, &FORGOTTEN_IDLE, &STUCK_CLOSING];

const CLOSE_WAIT: Fault = Fault {
    name: "leaked CLOSE-WAIT",
    does: "the server's program keeps thirty connections whose clients have closed",
    shapes: long(2),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD152"])],
    may: &[],
    provoke: |setup| {
        for [client, server] in setup.pairs(8060, 30, |_, _| {}) {
            drop(client);
            setup.keep(server);
        }
    },
    holds: |setup| setup.count(Side::Server, |ss| ss.state == "CLOSE-WAIT") == 30,
};

const DEAD_PEER: Fault = Fault {
    name: "dead peer",
    does: "in mid-transfer nothing arrives any more, in either direction",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD122"])],
    may: &["TD112", "TD113", "TD121", "TD302", "TD401"],
    provoke: |setup| {
        setup.uploads(8061, 3, Some(300_000));
        let link = setup.link();
        setup.act(Side::Client, move |hours| {
            hours.pause(Duration::from_millis(500));
            link.lose_if(|_, _| true);
            Ok(())
        });
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.number("unacked") > Some(0.0) && ss.number("backoff") > Some(0.0)
        }) == 3
    },
};

const FORGOTTEN: Fault = Fault {
    name: "one connection forgotten by a firewall",
    does: "of four uploads to one peer nothing of the first arrives any more, in either direction",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD122"])],
    may: &["TD112", "TD113", "TD121", "TD302", "TD401"],
    provoke: |setup| {
        setup.uploads(8065, 1, Some(300_000));
        setup.uploads(8064, 3, Some(300_000));
        let link = setup.link();
        setup.act(Side::Client, move |hours| {
            hours.pause(Duration::from_millis(500));
            link.lose_if(|_, segment| segment.ports.contains(&8065));
            Ok(())
        });
    },
    holds: |setup| setup.count(Side::Client, |ss| ss.number("backoff") > Some(0.0)) == 1,
};

const FORGOTTEN_IDLE: Fault = Fault {
    name: "idle connections forgotten by a firewall",
    does: "keepalive probes of two idle connections do not arrive, while another one talks to the peer",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD150"])],
    may: &[],
    provoke: |setup| {
        for pair in setup.pairs(8066, 2, |side, socket| {
            if side == Side::Client {
                keep_alive(socket, 60);
            }
        }) {
            setup.keep(pair);
        }
        setup.link().lose_if(|_, segment| segment.ports.contains(&8066));
        setup.talks(8067, 1, [300, 3000], Duration::from_millis(50));
    },
    holds: |setup| {
        let probes = |ss: &Ss| {
            ss.figures.get("timer").is_some_and(|timer| timer == "keepalive")
                && ss.number("timer.retransmits") > Some(0.0)
        };
        setup.count(Side::Client, probes) == 2
    },
};

const DYING_KEEPALIVE: Fault = Fault {
    name: "keepalive without answer",
    does: "idle connections probe every second a peer that is gone",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD150"])],
    may: &[],
    provoke: |setup| {
        for pair in setup.pairs(8062, 3, |side, socket| {
            if side == Side::Client {
                keep_alive(socket, 60);
            }
        }) {
            setup.keep(pair);
        }
        setup.link().lose_if(|_, _| true);
    },
    holds: |setup| {
        let probes = |ss: &Ss| {
            ss.figures.get("timer").is_some_and(|timer| timer == "keepalive")
                && ss.number("timer.retransmits") > Some(0.0)
        };
        setup.count(Side::Client, probes) == 3
    },
};

const STUCK_CLOSING: Fault = Fault {
    name: "stuck FIN-WAIT-1 and LAST-ACK",
    does: "the peer is gone when the client closes; of some connections it had closed its half",
    shapes: long(5),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD151"])],
    may: &["TD112", "TD121", "TD122", "TD302", "TD401"],
    provoke: |setup| {
        let mut pairs = setup.pairs(8063, 6, |_, _| {});
        for [_, server] in &pairs[..3] {
            server.shutdown(Shutdown::Write).unwrap();
        }
        crate::lab::settles("the peer's FINs to arrive", || {
            setup.count(Side::Client, |ss| ss.state == "CLOSE-WAIT") == 3
        });
        setup.link().lose_if(|_, _| true);
        for [client, server] in pairs.drain(..) {
            setup.act(Side::Client, move |hours| hours.write(&client, &[b'#'; 2000]));
            setup.keep(server);
        }
    },
    holds: |setup| {
        let waits = |state: &'static str| move |ss: &Ss| ss.state == state;
        setup.count(Side::Client, waits("FIN-WAIT-1")) == 3
            && setup.count(Side::Client, waits("LAST-ACK")) == 3
    },
};
