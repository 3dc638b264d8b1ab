//! The receiver's window, and what nobody reads.

use std::time::Duration;

use super::Fault;
use super::fault::{client, long, server};
use super::setup::{accept, connect};
use crate::lab::{Side, Ss};

pub const ALL: &[&Fault] = &[&ZERO_WINDOW, &UNREAD];

const ZERO_WINDOW: Fault = Fault {
    name: "zero window",
    does: "the receiver's program reads nothing at all",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD130"]), server(&["TD131", "TD132"])],
    may: &["TD101", "TD122"],
    provoke: |setup| {
        let tune = |side, socket: &crate::lab::Socket| {
            if side == Side::Server {
                socket.set_number(libc::SOL_SOCKET, libc::SO_RCVBUF, 32 << 10).unwrap();
            }
        };
        for [client, server] in setup.pairs(8040, 2, tune) {
            setup.act(Side::Client, move |hours| hours.write_on(&client));
            setup.keep(server);
        }
    },
    holds: |setup| {
        let persists = |ss: &Ss| ss.figures.get("timer").is_some_and(|timer| timer == "persist");
        setup.count(Side::Client, persists) == 2
            && setup.count(Side::Server, |ss| ss.state == "ESTAB" && ss.queues[0] > 10_000) == 2
    },
};

const UNREAD: Fault = Fault {
    name: "unread data at close",
    does: "clients say something and hang up; the server closes without having read it",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD133"])],
    may: &["TD132", "TD401"],
    provoke: |setup| {
        let listener = setup.listen(8041, 128, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| {
            let mut lying = std::collections::VecDeque::new();
            while hours.pause(Duration::from_millis(20)) {
                if let Ok(stream) = accept(&listener) {
                    lying.push_back(stream);
                }
                if lying.len() > 6 {
                    lying.pop_front();
                }
            }
            Ok(())
        });
        let target = setup.target(8041);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(150)) {
                let stream = connect(target, Duration::from_secs(5))?;
                hours.write(&stream, &[b'?'; 3000])?;
            }
            Ok(())
        });
    },
    holds: |setup| setup.growth(Side::Server, "TCPAbortOnClose") > 1,
};
