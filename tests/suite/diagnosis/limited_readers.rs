//! Programs that limit the rate at which they read: the window closes again and again, or for many
//! seconds, and nothing is wrong.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Pair, Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Codes and severities of what is found while a peer writes without limit, and a program reads so
/// many bytes at once, as often, after it has read `first`.
fn found(port: u16, first: usize, [each, every]: [usize; 2]) -> Vec<(String, String)> {
    let listener = Socket::listening(V4, port, 4);
    let Pair { client, server, .. } = Pair::new(&listener, V4);
    let over = Arc::new(AtomicBool::new(false));
    let is_over = || Arc::clone(&over);
    let [told, also_told] = [is_over(), is_over()];
    let writing = std::thread::spawn(move || {
        // Ends with an error when the reader goes.
        while !told.load(Ordering::Relaxed) && server.try_write(&[b'!'; 65_536]) {}
    });
    let reading = std::thread::spawn(move || {
        client.read(first);
        let every = Duration::from_millis(every as u64);
        let mut next = Instant::now() + every;
        while !also_told.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5).min(every));
            if Instant::now() >= next {
                client.read(each);
                next += every;
            }
        }
    });
    std::thread::sleep(Duration::from_secs(1));
    let document = Tcpdiag::new().document(&["diagnose", "--duration", "5s", "-o", "json"]);
    over.store(true, Ordering::Relaxed);
    reading.join().unwrap();
    writing.join().unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    let found: Vec<_> = findings.map(|one| (text(one, "code"), text(one, "severity"))).collect();
    println!("{found:?}");
    found
}

/// Whether the closed window was noticed, and everything about it is information.
fn assert_information(found: &[(String, String)], codes: &[&str]) {
    for code in codes {
        assert!(found.iter().any(|(other, _)| other == code), "{code}: {found:?}");
    }
    let about_reading = ["TD101", "TD130", "TD131", "TD132"];
    for (code, severity) in found {
        assert!(!about_reading.contains(&code.as_str()) || severity == "info", "{found:?}");
    }
}

lab!(
    fn a_reader_at_a_high_rate_is_not_one_that_does_not_read() {
        // 128 Mbit/s.
        let found = found(7061, 0, [160_000, 10]);
        assert_information(&found, &["TD132"]);
    }
);

// What `curl --limit-rate` does: it reads all that is there, and then pauses.
lab!(
    fn a_reader_that_pauses_has_read_before() {
        let found = found(7062, 8_000_000, [1_000_000, 60_000]);
        assert_information(&found, &["TD130", "TD131"]);
    }
);
