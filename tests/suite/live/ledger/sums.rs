//! The sums over all activities equal the traffic.

use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tcpdiag::model::State;
use tcpdiag::procfs::Namespaces;
use tcpdiag::socket_diag::{EventOptions, Events};

use super::traffic::{ask, churn, counters, serve, short};
use super::watcher::Watcher;
use crate::lab::{lab, require};

fn events() -> Option<EventOptions> {
    Some(EventOptions::default())
}

lab!(
    fn short_and_long_connections_add_up() {
        let server = serve(7001);
        let mut long = TcpStream::connect(server).unwrap();
        // The answer shows that all has arrived.
        ask(&mut long, 1_000_000, 1, true);
        let mut watcher = Watcher::new(events());
        let (mut up, mut down) = (0, 0);
        for round in 0..5 {
            for number in 0..60 {
                short(server, 100 * number, 50 * number);
                (up, down) = (up + 9 + 100 * number, down + 50 * number);
            }
            ask(&mut long, 70_000, 30_000 + round, true);
            (up, down) = (up + 9 + 70_000, down + 30_000 + round);
            watcher.poll();
        }
        watcher.poll_until_closed(600);
        assert_eq!(watcher.sum("bytes_sent"), (up + down) as u64);
        // And one for each FIN that found a full socket: the server's always, the
        // client's unless it was FIN-WAIT-2 without a socket by then.
        let fins = watcher.sum("bytes_received") - (up + down) as u64;
        assert!((300..=600).contains(&fins), "{fins}");
        assert_eq!((watcher.opened, watcher.closed), (600, 600));
        assert!(watcher.events.is_whole());
        assert_eq!((watcher.totals.live, watcher.totals.closing_unconfirmed), (3, 0));
    }
);

// Retransmits and segments against the host's own counters, under loss.
lab!(
    fn retransmits_and_segments_reconcile_with_the_host() {
        let rules = "add table ip t; add chain ip t c { type filter hook input priority 0; }; \
            add rule ip t c numgen random mod 100 < 4 drop";
        if !Command::new("nft").arg(rules).output().is_ok_and(|output| output.status.success()) {
            require(false, "needs nft(8)");
            return;
        }
        let server = serve(7002);
        let mut watcher = Watcher::new(events());
        let before = counters();
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                std::thread::spawn(move || {
                    for number in 0..40 {
                        short(server, 3000 * (worker + 1), 200 * number);
                    }
                })
            })
            .collect();
        while !workers.iter().all(std::thread::JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(250));
            watcher.poll();
        }
        watcher.poll_until_closed(640);
        let after = counters();
        let grown = |name: &str| after[name] - before[name];
        println!(
            "RetransSegs {} of {}, OutSegs {}, segs_out {}",
            watcher.sum("total_retrans"),
            grown("RetransSegs"),
            grown("OutSegs"),
            watcher.sum("segs_out")
        );
        assert!(grown("RetransSegs") > 50, "{}", grown("RetransSegs"));
        assert_eq!(watcher.sum("total_retrans") as i64, grown("RetransSegs"));
        assert_eq!((watcher.opened, watcher.closed), (640, 640));
        // Not in any account: 320 SYN-ACKs and their retransmits, and what TIME-WAIT answers. Retransmits are in segs_out and not in OutSegs.
        let outside = grown("OutSegs") + grown("RetransSegs") - watcher.sum("segs_out") as i64;
        assert!((320..480).contains(&outside), "{outside}");
    }
);

lab!(
    fn five_thousand_destroy_events_a_second_are_all_received() {
        let server = serve(7003);
        // The size granted with the default net.core.rmem_max.
        let options = EventOptions { receive_buffer: 212_992, ..EventOptions::default() };
        let events = Events::open(&options).unwrap();
        let (buffer, capacity) = (events.receive_buffer(), events.capacity());
        drop(events);
        let mut watcher = Watcher::new(Some(options));
        let worker = churn(server, 5000, 2500);
        while !worker.is_finished() {
            std::thread::sleep(Duration::from_millis(500));
            watcher.poll();
        }
        let took = worker.join().unwrap();
        watcher.poll_until_closed(10_000);
        println!(
            "10,000 destroy events in {took:?} ({:.0} a second), buffer {buffer} bytes, {capacity} events",
            10_000.0 / took.as_secs_f64()
        );
        assert!(watcher.events.is_whole(), "{:?}", watcher.events);
        assert_eq!((watcher.opened, watcher.closed), (10_000, 10_000));
        assert_eq!(watcher.sum("bytes_sent"), 5000 * (9 + 10 + 20));
    }
);

lab!(
    fn without_events_short_connections_are_missed() {
        let server = serve(7004);
        let (mut without, mut with) = (Watcher::new(None), Watcher::new(events()));
        let mut long = TcpStream::connect(server).unwrap();
        for _ in 0..200 {
            short(server, 1000, 1000);
        }
        ask(&mut long, 50_000, 50_000, true);
        with.poll_until_closed(400);
        without.poll();
        assert_eq!(with.sum("bytes_sent"), 200 * 2009 + 100_009);
        assert_eq!(without.sum("bytes_sent"), 100_009);
        assert_eq!((without.opened, without.closed), (2, 0));
        drop(long);
        without.poll_until_closed(2);
        assert_eq!(without.totals.closing_unconfirmed, 0);
    }
);

lab!(
    fn reset_sockets_linger_and_failed_connects() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 7005)).unwrap();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, 7005)).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut watcher = Watcher::new(events());
        (&server).write_all(&[1; 500]).unwrap();
        watcher.poll();
        assert_eq!(watcher.sum("bytes_sent"), 500);
        // SO_LINGER 0 zeroes the server's counters, and its reset removes the client's socket
        // from every dump.
        sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
        drop(server);
        watcher.poll_until_closed(1);
        assert_eq!((watcher.totals.closing_unconfirmed, watcher.closed), (1, 1));
        assert_eq!(watcher.sum("bytes_sent"), 500);
        drop(client);
        watcher.poll_until_closed(2);
        assert_eq!(watcher.totals.closing_unconfirmed, 0);
        // Refused: the counters are zeroed, if the socket is blocking.
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, 7999)).is_err());
        watcher.poll_until_closed(3);
        assert!(watcher.activities.iter().any(|activity| activity.wiped && activity.opened));
        // Children that nobody accepts: their counters are zeroed when the listener closes.
        let child = TcpStream::connect((Ipv4Addr::LOCALHOST, 7005)).unwrap();
        child.shutdown(Shutdown::Write).unwrap();
        watcher.poll();
        drop(listener);
        watcher.poll_until_closed(4);
        drop(child);
        watcher.poll_until_closed(5);
        assert_eq!((watcher.totals.closing_unconfirmed, watcher.totals.live), (0, 0));
        assert!(watcher.opened == 3 && watcher.sum("bytes_sent") == 500);
    }
);

lab!(
    fn events_of_another_namespace_and_of_one_port() {
        let mut other = Command::new("unshare").args(["--net", "sleep", "60"]).spawn().unwrap();
        let namespaces = Namespaces::new("/proc".as_ref());
        let here = namespaces.current().unwrap().inode;
        let namespace = loop {
            let namespace = namespaces.resolve(&other.id().to_string()).unwrap();
            if namespace.inode != here {
                break namespace;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let options = EventOptions { port: Some(7008), ..EventOptions::default() };
        let mut there = Events::open_in(&namespace, &options).unwrap();
        let mut own = Events::open(&options).unwrap();
        let connect = |port: u16| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            (client, listener.accept().unwrap().0)
        };
        drop(namespace.inside(|| {
            let lo = Command::new("ip").args(["link", "set", "lo", "up"]).status();
            assert!(lo.unwrap().success());
            connect(7008)
        }));
        drop((connect(7007), connect(7008), connect(7009)));
        for events in [&mut there, &mut own] {
            let mut ports = Vec::new();
            let start = Instant::now();
            // Connections and a listener; waits a little longer for events that should not come.
            while ports.len() < 3 || start.elapsed() < Duration::from_millis(300) {
                assert!(start.elapsed() < Duration::from_secs(30), "{ports:?}");
                let drained = events.drain(|event| {
                    assert_eq!(event.state(), State::Close as u8);
                    ports.push((event.local_port(), event.remote_port()));
                });
                assert!(drained.unwrap().is_whole());
                std::thread::sleep(Duration::from_millis(20));
            }
            // Both ends; listeners have no remote port and pass the filter too.
            let connections = ports.iter().filter(|(_, remote)| *remote != 0);
            let ours = |&&(local, remote): &&(u16, u16)| local == 7008 || remote == 7008;
            assert_eq!(connections.clone().filter(ours).count(), 2, "{ports:?}");
            assert_eq!(connections.count(), 2, "{ports:?}");
        }
        other.kill().unwrap();
        other.wait().unwrap();
    }
);
