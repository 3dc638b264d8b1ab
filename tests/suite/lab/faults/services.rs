//! What only many connections together show.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::fault::{client, long, server};
use super::setup::{accept, connect, tame};
use super::{Fault, Setup};
use crate::lab::{Random, Side, Socket};

pub const ALL: &[&Fault] = &[&OUTLIER, &CHURN, &TIME_WAIT, &EXHAUSTION];

/// The hosts of [`OUTLIER`] are `192.0.2.1` and so on.
const HOSTS: u8 = 8;

const OUTLIER: Fault = Fault {
    name: "one bad remote of eight",
    does: "of eight clients' hosts one loses every eighth packet",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD301"])],
    may: &["TD110", "TD111", "TD112", "TD113", "TD121", "TD302", "TD401"],
    provoke: |setup| {
        for host in 1..=HOSTS {
            setup.ip(Side::Client, &format!("address add 192.0.2.{host}/32 dev lab0"));
        }
        setup.ip(Side::Server, "route add 192.0.2.0/28 dev lab0");
        let mut random = Random::of("the bad remote");
        setup.link().lose_if(move |from, segment| {
            from == Side::Server && segment.hosts[1] == HOSTS && random.below(8) == 0
        });
        let listener = setup.listen(8090, 128, |_| {});
        let target = setup.target(8090);
        for number in 0..2 * HOSTS {
            let host = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1 + number % HOSTS));
            let client = setup.inside(Side::Client, || {
                let socket = Socket::of(host);
                socket.bind(host, 0);
                rustix::net::connect(&socket, &target).unwrap();
                TcpStream::from(OwnedFd::from(socket))
            });
            let (server, _) = listener.accept().unwrap();
            [&client, &server].into_iter().for_each(tame);
            let sizes = [300, 20_000];
            let pause = Duration::from_millis(50);
            setup.act(Side::Client, move |hours| hours.ask_on(&client, sizes, pause));
            setup.act(Side::Server, move |hours| hours.answer_on(&server, sizes));
        }
        setup.keep(listener);
    },
    holds: |setup| {
        let bad = format!("192.0.2.{HOSTS}");
        let (mut there, mut elsewhere) = (0.0, 0.0);
        for ss in setup.sockets(Side::Server) {
            let again = ss.number("retrans_total").unwrap_or(0.0);
            *if ss.remote.address == bad { &mut there } else { &mut elsewhere } += again;
        }
        there > 10.0 && elsewhere * 5.0 < there
    },
};

const CHURN: Fault = Fault {
    name: "connection churn",
    does: "some 150 connections a second, each for one question",
    shapes: long(1),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD304"])],
    may: &["TD305"],
    provoke: |setup| short(setup, 8091, 6, Duration::from_millis(25)),
    holds: |setup| setup.growth(Side::Server, "PassiveOpens") > 100,
};

const TIME_WAIT: Fault = Fault {
    name: "TIME-WAIT pressure",
    does: "short connections fill five sixths of net.ipv4.tcp_max_tw_buckets = 300",
    shapes: long(1),
    settings: &[(Side::Client, "ipv4/tcp_max_tw_buckets", "300")],
    arguments: &[],
    must: &[client(&["TD305"])],
    may: &["TD304"],
    provoke: |setup| {
        hurried(setup, 8092, 250);
    },
    holds: |setup| setup.count(Side::Client, |ss| ss.state == "TIME-WAIT") >= 240,
};

const EXHAUSTION: Fault = Fault {
    name: "port exhaustion",
    does: "every local port is in TIME-WAIT towards one remote, and more is asked for",
    shapes: long(1),
    settings: &[(Side::Client, "ipv4/ip_local_port_range", "30000 30199")],
    arguments: &[],
    must: &[client(&["TD306"])],
    may: &["TD304", "TD305"],
    provoke: |setup| {
        hurried(setup, 8093, 200);
        let target = setup.target(8093);
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(100)) {
                let _ = connect(target, Duration::from_secs(1));
            }
            Ok(())
        });
    },
    holds: |setup| {
        let refused = || connect(setup.target(8093), Duration::from_secs(1)).err();
        let error = setup.inside(Side::Client, refused);
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::AddrNotAvailable)
    },
};

/// A service for one question on a connection, whose clients close first.
pub fn short(setup: &Setup, port: u16, clients: usize, pause: Duration) {
    serve(setup, port);
    let target = setup.target(port);
    for _ in 0..clients {
        setup.act(Side::Client, move |hours| {
            while hours.pause(pause) {
                let stream = connect(target, Duration::from_secs(5))?;
                hours.write(&stream, &[b'?'; 100])?;
                hours.read(&stream, 1000)?;
            }
            Ok(())
        });
    }
}

/// So many such connections at once, and then no more.
fn hurried(setup: &Setup, port: u16, count: usize) {
    serve(setup, port);
    let target = setup.target(port);
    for _ in 0..10 {
        setup.act(Side::Client, move |hours| {
            for _ in 0..count / 10 {
                let stream = connect(target, Duration::from_secs(5))?;
                hours.write(&stream, &[b'?'; 100])?;
                hours.read(&stream, 1000)?;
            }
            Ok(())
        });
    }
}

fn serve(setup: &Setup, port: u16) {
    for listener in several(setup, port) {
        setup.act(Side::Server, move |hours| {
            while !hours.are_over() {
                let Ok(stream) = accept(&listener) else {
                    hours.pause(Duration::from_millis(2));
                    continue;
                };
                let served = hours.read(&stream, 100).and_then(|()| {
                    hours.write(&stream, &[b'!'; 1000])?;
                    // Until the client hangs up.
                    hours.read(&stream, 1)
                });
                drop(served);
            }
            Ok(())
        });
    }
}

/// One listener, for as many as serve it.
fn several(setup: &Setup, port: u16) -> Vec<std::net::TcpListener> {
    let listener = setup.listen(port, 128, |_| {});
    listener.set_nonblocking(true).unwrap();
    (0..8).map(|_| listener.try_clone().unwrap()).collect()
}
