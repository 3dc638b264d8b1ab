//! Events that are lost, by force.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tcpdiag::socket_diag::{EventOptions, Events};

use crate::ground::alone;
use crate::traffic::{ask, churn, serve};
use crate::watcher::Watcher;

/// Both ends of 500 connections that were known and 2,000 that were not.
const DEATHS: u64 = 2 * (500 + 2000);

/// Lost events are counted to the last one, and the ledger is consistent after.
#[test]
fn a_tiny_buffer_loses_events_and_says_so() {
    alone("losses::a_tiny_buffer_loses_events_and_says_so", || {
        let server = serve(7011);
        // The smallest that the kernel has (SOCK_MIN_RCVBUF): one event.
        let options =
            EventOptions { receive_buffer: 1, most_sockets: 1, ..EventOptions::default() };
        let events = Events::open(&options).unwrap();
        assert!(events.capacity() < 10, "{}", events.capacity());
        let mut long = TcpStream::connect(server).unwrap();
        let mut held: Vec<_> = (0..500)
            .map(|_| {
                let mut stream = TcpStream::connect(server).unwrap();
                ask(&mut stream, 100, 100, true);
                stream
            })
            .collect();
        let mut watcher = Watcher::new(Some(events));
        // Known ones die in a burst while the others churn.
        let worker = churn(server, 2000, 1_000_000);
        held.clear();
        worker.join().unwrap();
        ask(&mut long, 10_000, 10_000, true);
        // On a busy host the kernel's workers take their time to tell.
        let start = Instant::now();
        while watcher.drained.events + watcher.drained.lost < DEATHS {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", watcher.drained);
            std::thread::sleep(Duration::from_millis(50));
            watcher.poll();
        }
        // After the last loss: the next dump tells what is gone.
        watcher.poll();
        let drained = watcher.drained;
        println!("{drained:?}, closed {} of 5,000", watcher.closed);
        assert!(drained.lost > 0 && drained.overruns > 0);
        // Every death was either told or counted as lost.
        assert_eq!(drained.events + drained.lost, DEATHS);
        // Those that were known are closed nevertheless, and what was not told of
        // the others was never opened.
        assert!(watcher.closed >= drained.events && watcher.closed <= 5000);
        assert_eq!(watcher.closed, watcher.opened + 1000);
        assert_eq!(watcher.totals.live, 3);
        // From here on it is exact again.
        let before = watcher.sum("bytes_sent");
        ask(&mut long, 991, 1000, true);
        watcher.poll();
        assert_eq!(watcher.sum("bytes_sent") - before, 2000);
        assert!(!watcher.totals.first && watcher.totals.closed == 0);
    });
}
