//! Connections with known byte counts.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server that reads as many bytes as the first four say, answers with as many as the next four
/// say, and closes when the client does. It never ends.
pub fn serve(port: u16) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..4 {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok((mut stream, _)) = listener.accept() {
                // A long connection continues beside the next client.
                if answer(&mut stream, &mut buffer).is_some_and(|more| more) {
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 1 << 16];
                        while answer(&mut stream, &mut buffer).is_some_and(|more| more) {}
                    });
                }
            }
        });
    }
    address
}

/// One request; whether the client announced another.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Option<bool> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let number = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap()) as usize;
    let (up, down) = (number(0), number(4));
    let mut left = up;
    while left > 0 {
        let most = left.min(buffer.len());
        left -= stream.read(&mut buffer[..most]).ok().filter(|&got| got > 0)?;
    }
    let mut left = down;
    while left > 0 {
        left -= stream.write(&buffer[..left.min(1 << 16)]).ok()?;
    }
    if head[8] == 1 {
        return Some(true);
    }
    // Until the client closes, so that it is the one in TIME-WAIT.
    let _ = stream.read(&mut head);
    Some(false)
}

/// One request over an open connection.
pub fn ask(stream: &mut TcpStream, up: usize, down: usize, more: bool) {
    let mut request = Vec::with_capacity(9 + up);
    request.extend((up as u32).to_ne_bytes());
    request.extend((down as u32).to_ne_bytes());
    request.push(more.into());
    request.resize(9 + up, 7);
    stream.write_all(&request).unwrap();
    let mut left = down;
    let mut buffer = [0; 4096];
    while left > 0 {
        let got = stream.read(&mut buffer).unwrap();
        assert!(got > 0);
        left -= got;
    }
}

/// Connects, asks once and closes: two sockets are destroyed.
pub fn short(server: SocketAddr, up: usize, down: usize) {
    ask(&mut TcpStream::connect(server).unwrap(), up, down, false);
}

/// `count` short connections at `rate` a second, or as fast as the host can.
pub fn churn(server: SocketAddr, count: u32, rate: u32) -> JoinHandle<Duration> {
    std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count {
            let due = start + Duration::from_secs(1) * number / rate;
            if let Some(early) = due.checked_duration_since(Instant::now())
                && early > Duration::from_millis(1)
            {
                std::thread::sleep(early);
            }
            short(server, 10, 20);
        }
        start.elapsed()
    })
}

/// Tcp counters of this namespace.
pub fn counters() -> BTreeMap<String, i64> {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let names = names.split_whitespace().skip(1).map(str::to_owned);
    names.zip(values.split_whitespace().skip(1).map(|value| value.parse().unwrap())).collect()
}
