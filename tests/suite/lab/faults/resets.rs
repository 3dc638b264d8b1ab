//! Connections that end with a reset.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::fault::{client, long};
use super::setup::{accept, connect};
use super::{Fault, Setup};
use crate::lab::{Side, Socket};

pub const ALL: &[&Fault] = &[&BY_PEER, &AFTER_ANSWER];

const BY_PEER: Fault = Fault {
    name: "resets by the server",
    does: "the server's program drops nine of ten connections with a reset instead of an answer",
    shapes: long(10),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD309"])],
    may: &["TD401"],
    provoke: |setup| {
        let listener = setup.listen(8100, 128, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| {
            let mut count = 0;
            while hours.pause(Duration::from_millis(5)) {
                let Ok(stream) = accept(&listener) else { continue };
                count += 1;
                if hours.read(&stream, 100).is_err() {
                } else if count % 10 == 0 {
                    let _ = hours.write(&stream, &[b'!'; 1000]);
                    let _ = hours.read(&stream, 1);
                } else {
                    drop_with_reset(stream);
                }
            }
            Ok(())
        });
        ask(setup, 8100, false);
    },
    holds: |setup| {
        setup.growth(Side::Client, "EstabResets") > 5 && setup.growth(Side::Client, "OutRsts") == 0
    },
};

/// As load balancers and health checks do.
const AFTER_ANSWER: Fault = Fault {
    name: "resets after the answer",
    does: "clients drop their connections with a reset once they have the whole answer",
    shapes: long(10),
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| {
        let listener = setup.listen(8101, 128, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| {
            while hours.pause(Duration::from_millis(5)) {
                let Ok(stream) = accept(&listener) else { continue };
                if hours.read(&stream, 100).is_ok() {
                    let _ = hours.write(&stream, &[b'!'; 1000]);
                    let _ = hours.read(&stream, 1);
                }
            }
            Ok(())
        });
        ask(setup, 8101, true);
    },
    holds: |setup| {
        setup.growth(Side::Server, "EstabResets") > 5 && setup.growth(Side::Server, "OutRsts") == 0
    },
};

/// A client that asks on a new connection some ten times a second.
fn ask(setup: &Setup, port: u16, resets: bool) {
    let target = setup.target(port);
    setup.act(Side::Client, move |hours| {
        while hours.pause(Duration::from_millis(60)) {
            let stream = connect(target, Duration::from_secs(5))?;
            let answered =
                hours.write(&stream, &[b'?'; 100]).and_then(|()| hours.read(&stream, 1000));
            if resets && answered.is_ok() {
                // The acknowledgement of the answer leaves first.
                hours.pause(Duration::from_millis(60));
                drop_with_reset(stream);
            }
        }
        Ok(())
    });
}

/// Closes with SO_LINGER 0.
fn drop_with_reset(stream: TcpStream) {
    let socket = Socket::from(OwnedFd::from(stream));
    // struct linger: on, for no time.
    let linger = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
    socket.set(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
}
