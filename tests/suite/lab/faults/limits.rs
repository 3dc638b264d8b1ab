//! Something holds the sender back.

use std::time::Duration;

use super::fault::{client, long, server};
use super::{Fault, Setup, setup};
use crate::lab::{Shape, Side, Socket};

pub const ALL: &[&Fault] = &[
    &SLOW_WRITER,
    &PACED,
    &SLOW_READER,
    &SMALL_SEND_BUFFER,
    &UNNOTICED_SEND_BUFFER,
    &SMALL_RECEIVE_BUFFER,
    &SHALLOW_QUEUE,
    &CROWDED,
];

const SLOW_WRITER: Fault = Fault {
    name: "slow writer",
    does: "the sender's program has 60 kB to say every 150 ms",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD104"])],
    may: &[],
    provoke: |setup| {
        let [client, server] = setup.pair(8010);
        setup.act(Side::Client, move |hours| {
            hours.write_bursts(&client, 60_000, Duration::from_millis(150))
        });
        setup.act(Side::Server, move |hours| hours.read_on(&server));
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.figures.contains_key("app_limited") && ss.number("bytes_acked") > Some(100_000.0)
        }) == 1
    },
};

const PACED: Fault = Fault {
    name: "paced sender",
    does: "SO_MAX_PACING_RATE holds a sender to 200 kB a second that has more to say",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD105"])],
    may: &[],
    provoke: |setup| setup.uploads(8011, 1, Some(200_000)),
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.figures.contains_key("max_pacing_rate") && ss.number("notsent") > Some(0.0)
        }) == 1
    },
};

const SLOW_READER: Fault = Fault {
    name: "slow reader",
    does: "the receiver's program reads 100 kB a second of more",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD101", "TD130"]), server(&["TD132", "TD131"])],
    may: &[],
    provoke: |setup| {
        let tune = |side, socket: &Socket| {
            if side == Side::Server {
                socket.set_number(libc::SOL_SOCKET, libc::SO_RCVBUF, 64 << 10).unwrap();
            }
        };
        for [client, server] in setup.pairs(8012, 1, tune) {
            setup.act(Side::Client, move |hours| hours.write_on(&client));
            setup.act(Side::Server, move |hours| hours.read_at(&server, 100_000));
        }
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| ss.number("rwnd_limited.share") > Some(50.0)) == 1
            && setup.count(Side::Server, |ss| ss.state == "ESTAB" && ss.queues[0] > 20_000) == 1
    },
};

const SMALL_SEND_BUFFER: Fault = Fault {
    name: "small send buffer",
    does: "SO_SNDBUF of 6 kB on a path of 40 ms, with pacing as bbr has it",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD102"])],
    may: &["TD160"],
    provoke: |setup| scanty(setup, 8013, Some(4_000_000)),
    holds: |setup| {
        setup.count(Side::Client, |ss| ss.number("sndbuf_limited.share") > Some(50.0)) == 1
    },
};

/// Without pacing the kernel does not notice: it looks whether the program
/// waits for room only when it sends, and by then everything is sent.
const UNNOTICED_SEND_BUFFER: Fault = Fault {
    name: "small send buffer, not paced",
    does: "the same where every segment leaves at once, asked with `--target-rate 100Mbit`",
    shapes: long(20),
    settings: &[],
    arguments: &["--target-rate", "100Mbit"],
    must: &[client(&["TD102", "TD160"])],
    may: &[],
    provoke: |setup| scanty(setup, 8016, None),
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            let held = ss.number("skmem.wmem_queued") >= ss.number("skmem.sndbuf");
            held && ss.number("notsent").is_none() && ss.number("unacked") < ss.number("cwnd")
        }) == 1
    },
};

/// A sender with a send buffer that is too small for its path.
fn scanty(setup: &Setup, port: u16, pace: Option<u32>) {
    let tune = |side, socket: &Socket| {
        if side == Side::Client {
            socket.set_number(libc::SOL_SOCKET, libc::SO_SNDBUF, 6 << 10).unwrap();
        }
    };
    for [client, server] in setup.pairs(port, 1, tune) {
        if let Some(rate) = pace {
            setup::pace(&client, rate);
        }
        setup.act(Side::Client, move |hours| hours.write_on(&client));
        setup.act(Side::Server, move |hours| hours.read_on(&server));
    }
}

const SMALL_RECEIVE_BUFFER: Fault = Fault {
    name: "small receive buffer",
    does: "SO_RCVBUF of 8 kB, read at once, on a path of 40 ms",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD101"]), server(&["TD134"])],
    may: &[],
    provoke: |setup| {
        let tune = |side, socket: &Socket| {
            if side == Side::Server {
                socket.set_number(libc::SOL_SOCKET, libc::SO_RCVBUF, 8 << 10).unwrap();
            }
        };
        for [client, server] in setup.pairs(8014, 2, tune) {
            setup.act(Side::Client, move |hours| hours.write_on(&client));
            setup.act(Side::Server, move |hours| hours.read_on(&server));
        }
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| ss.number("rwnd_limited.share") > Some(50.0)) == 2
            && setup.count(Side::Server, |ss| ss.queues[0] > 8000 && ss.state == "ESTAB") == 0
    },
};

/// As short as many a switch's.
const SHALLOW: Shape =
    Shape { rate: Some(1_000_000), queue: 20, delay: Duration::from_millis(20), ..Shape::PERFECT };

const SHALLOW_QUEUE: Fault = Fault {
    name: "rate limit with a shallow queue",
    does: "six uploads share 1 MB a second and a queue of 20 packets",
    shapes: [SHALLOW, Shape::delayed(20)],
    settings: &[],
    arguments: &[],
    // What a short queue drops looks like what a bad link loses.
    must: &[client(&["TD103", "TD110"])],
    may: &["TD113", "TD120", "TD302"],
    provoke: |setup| setup.uploads(8015, 6, None),
    holds: |setup| setup.growth(Side::Client, "TCPFastRetrans") > 10,
};

const NARROW: Shape =
    Shape { rate: Some(1_250_000), queue: 70, delay: Duration::from_millis(10), ..Shape::PERFECT };

const CROWDED: Fault = Fault {
    name: "crowded bottleneck",
    does: "ten uploads share 1.25 MB a second and a queue of 80 ms, and overflow it",
    shapes: [NARROW, Shape::delayed(10)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD103"])],
    may: &["TD110", "TD113", "TD120", "TD302"],
    provoke: |setup| setup.uploads(8017, 10, None),
    holds: |setup| {
        setup.growth(Side::Client, "TCPFastRetrans") > 10
            && setup.count(Side::Client, |ss| ss.number("rtt") > Some(55.0)) >= 5
    },
};
