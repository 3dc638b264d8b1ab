//! Destroy events that overrun their socket.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tcpdiag::socket_diag::{EventOptions, Events};

use super::traffic::{ask, churn, serve};
use super::watcher::Watcher;
use crate::lab::lab;

/// Both ends of 500 connections that were known and 2,000 that were not.
const DESTROYED: u64 = 2 * (500 + 2000);

// Every lost event is counted, and the ledger is consistent afterwards.
lab!(
    fn a_small_buffer_loses_events_and_counts_them() {
        let server = serve(7011);
        // The smallest that the kernel has (SOCK_MIN_RCVBUF): one event.
        let options =
            EventOptions { receive_buffer: 1, most_sockets: 1, ..EventOptions::default() };
        let events = Events::open(&options).unwrap();
        assert!(events.capacity() < 10, "{}", events.capacity());
        drop(events);
        let mut long = TcpStream::connect(server).unwrap();
        let mut held: Vec<_> = (0..500)
            .map(|_| {
                let mut stream = TcpStream::connect(server).unwrap();
                ask(&mut stream, 100, 100, true);
                stream
            })
            .collect();
        let mut watcher = Watcher::new(Some(options));
        // The known ones close in a burst while the others come and go.
        let worker = churn(server, 2000, 1_000_000);
        held.clear();
        worker.join().unwrap();
        ask(&mut long, 10_000, 10_000, true);
        // On a busy host the kernel's workers deliver events late.
        let start = Instant::now();
        while watcher.events.received + watcher.events.lost < DESTROYED {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", watcher.events);
            std::thread::sleep(Duration::from_millis(50));
            watcher.poll();
        }
        // After the last loss: the next dump shows which sockets are gone.
        watcher.poll();
        let events = watcher.events;
        println!("{events:?}, closed {} of 5,000", watcher.closed);
        assert!(events.lost > 0);
        // Every destroyed socket was either reported or counted as lost.
        assert_eq!(events.received + events.lost, DESTROYED);
        // The known ones are closed nevertheless; the others count as opened only where an event
        // reported them.
        assert!(watcher.closed >= events.received && watcher.closed <= 5000);
        assert_eq!(watcher.closed, watcher.opened + 1000);
        assert_eq!(watcher.totals.live, 3);
        // From here on it is exact again.
        let before = watcher.sum("bytes_sent");
        ask(&mut long, 991, 1000, true);
        watcher.poll();
        assert_eq!(watcher.sum("bytes_sent") - before, 2000);
        assert!(!watcher.totals.first && watcher.totals.closed == 0);
    }
);
