//! What two hosts did not agree on in their handshake.

use super::Fault;
use super::fault::{client, long};
use crate::lab::Side;

pub const ALL: &[&Fault] = &[&SMALL_MSS, &NO_SACK, &NO_TIMESTAMPS, &NO_SCALING];

const SMALL_MSS: Fault = Fault {
    name: "small MSS",
    does: "the server's side asks for segments of 300 bytes",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD140"])],
    may: &[],
    provoke: |setup| {
        let tune = |side, socket: &crate::lab::Socket| {
            if side == Side::Server {
                socket.set_number(libc::IPPROTO_TCP, libc::TCP_MAXSEG, 300).unwrap();
            }
        };
        for [client, server] in setup.pairs(8050, 2, tune) {
            setup.act(Side::Client, move |hours| hours.write_at(&client, 200_000));
            setup.act(Side::Server, move |hours| hours.read_on(&server));
        }
    },
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.number("mss") <= Some(300.0) && ss.number("bytes_acked") > Some(20_000.0)
        }) == 2
    },
};

const NO_SACK: Fault = Fault {
    name: "SACK off",
    does: "net.ipv4.tcp_sack = 0 at the server",
    shapes: long(20),
    settings: &[(Side::Server, "ipv4/tcp_sack", "0")],
    arguments: &[],
    must: &[client(&["TD143"])],
    may: &[],
    provoke: |setup| setup.uploads(8051, 2, Some(300_000)),
    holds: |setup| {
        setup.count(Side::Client, |ss| ss.state == "ESTAB" && !ss.figures.contains_key("sack")) == 2
    },
};

const NO_TIMESTAMPS: Fault = Fault {
    name: "timestamps off",
    does: "net.ipv4.tcp_timestamps = 0 at the server",
    shapes: long(20),
    settings: &[(Side::Server, "ipv4/tcp_timestamps", "0")],
    arguments: &[],
    must: &[client(&["TD143"])],
    may: &[],
    provoke: |setup| setup.uploads(8052, 2, Some(300_000)),
    holds: |setup| {
        setup.count(Side::Client, |ss| ss.state == "ESTAB" && !ss.figures.contains_key("ts")) == 2
    },
};

const NO_SCALING: Fault = Fault {
    name: "window scaling off",
    does: "net.ipv4.tcp_window_scaling = 0 at the server, on a path of 60 ms",
    shapes: long(30),
    settings: &[(Side::Server, "ipv4/tcp_window_scaling", "0")],
    arguments: &[],
    must: &[client(&["TD142"])],
    may: &["TD101"],
    provoke: |setup| setup.uploads(8053, 2, None),
    holds: |setup| {
        setup.count(Side::Client, |ss| {
            ss.state == "ESTAB"
                && !ss.figures.contains_key("wscale")
                && ss.number("rwnd_limited.share") > Some(30.0)
        }) == 2
    },
};
