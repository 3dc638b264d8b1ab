//! Nothing is wrong here.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::Fault;
use super::fault::long;
use super::setup::{accept, connect, tame};
use crate::lab::{Shape, Side, Socket, Ss};

pub const ALL: &[&Fault] = &[&BULK, &LOCAL, &REQUESTS, &SHORT, &IDLE, &FAR];

const BULK: Fault = Fault {
    name: "healthy bulk",
    does: "two uploads, paced by their sender below what the path takes",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| setup.uploads(8001, 2, Some(600_000)),
    holds: |setup| {
        let is_swift = |number: Option<f64>| number.is_some_and(|bytes| bytes > 300_000.0);
        setup.count(Side::Client, |ss| is_swift(ss.number("bytes_acked"))) == 2 && setup.is_smooth()
    },
};

const LOCAL: Fault = Fault {
    name: "healthy local bulk",
    does: "an upload over loopback, as fast as it goes",
    shapes: [Shape::PERFECT; 2],
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| {
        setup.act(Side::Client, |hours| {
            let listener = TcpListener::bind("127.0.0.1:8007")?;
            let writer = TcpStream::connect("127.0.0.1:8007")?;
            let (reader, _) = listener.accept()?;
            [&reader, &writer].into_iter().for_each(tame);
            std::thread::scope(|scope| {
                scope.spawn(|| hours.read_on(&reader));
                hours.write_on(&writer)
            })
        });
    },
    holds: |setup| {
        let much = |ss: &Ss| ss.number("bytes_acked") > Some(50e6);
        setup.count(Side::Client, much) == 1 && setup.is_smooth()
    },
};

const REQUESTS: Fault = Fault {
    name: "healthy request/response",
    does: "eight connections, each with some 30 small questions a second",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| setup.talks(8002, 8, [300, 4000], Duration::from_millis(20)),
    holds: |setup| setup.growth(Side::Client, "InSegs") > 100 && setup.is_smooth(),
};

const SHORT: Fault = Fault {
    name: "healthy short connections",
    does: "six connections a second, each for one question",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| {
        let listener = setup.listen(8003, 128, |_| {});
        listener.set_nonblocking(true).unwrap();
        setup.act(Side::Server, move |hours| {
            while hours.pause(Duration::from_millis(5)) {
                let Ok(stream) = accept(&listener) else { continue };
                hours.read(&stream, 300)?;
                hours.write(&stream, &[b'!'; 4000])?;
                // The client hangs up.
                let _ = hours.read(&stream, 1);
            }
            Ok(())
        });
        let target = setup.target(8003);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(130)) {
                let stream = connect(target, Duration::from_secs(5))?;
                hours.write(&stream, &[b'?'; 300])?;
                hours.read(&stream, 4000)?;
            }
            Ok(())
        });
    },
    holds: |setup| setup.growth(Side::Client, "ActiveOpens") >= 4 && setup.is_smooth(),
};

const IDLE: Fault = Fault {
    name: "idle keepalive connections",
    does: "twenty connections that say nothing, with a keepalive probe a second",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| {
        for pair in setup.pairs(8004, 20, |side, socket| {
            if side == Side::Client {
                keep_alive(socket, 20);
            }
        }) {
            setup.keep(pair);
        }
    },
    holds: |setup| {
        let is_kept = setup.count(Side::Client, |ss| {
            ss.figures.get("timer").is_some_and(|timer| timer == "keepalive")
        });
        is_kept == 20 && setup.growth(Side::Client, "TCPKeepAlive") >= 20
    },
};

const FAR: Fault = Fault {
    name: "high but clean RTT",
    does: "questions and a paced upload over a path of 240 ms there and back",
    shapes: [Shape::delayed(120); 2],
    settings: &[],
    arguments: &[],
    must: &[],
    may: &[],
    provoke: |setup| {
        setup.talks(8005, 4, [300, 4000], Duration::from_millis(20));
        setup.uploads(8006, 1, Some(150_000));
    },
    holds: |setup| {
        let is_far = |ss: &crate::lab::Ss| ss.number("minrtt").is_some_and(|rtt| rtt >= 239.0);
        setup.count(Side::Client, is_far) == 5 && setup.is_smooth()
    },
};

/// Probes a silent peer every second.
pub fn keep_alive(socket: &Socket, probes: i32) {
    socket.set_number(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1).unwrap();
    for (name, value) in
        [(libc::TCP_KEEPIDLE, 1), (libc::TCP_KEEPINTVL, 1), (libc::TCP_KEEPCNT, probes)]
    {
        socket.set_number(libc::IPPROTO_TCP, name, value).unwrap();
    }
}
