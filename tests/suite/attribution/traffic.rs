//! Thousands of short connections, all of them counted.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A server that answers one byte with another, and closes when the client does. Never ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// On some port.
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..2 {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || {
                while let Ok((mut stream, _)) = listener.accept() {
                    let mut byte = [0];
                    while stream.read(&mut byte).is_ok_and(|length| length > 0) {
                        let _ = stream.write_all(&byte);
                    }
                }
            });
        }
        Self { address }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connects, sends a request and closes: two sockets are destroyed.
    pub fn ask(&self) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
}

/// Makes short connections to these servers in turn for `time`, at most `rate` a second; returns
/// how many each server had.
pub fn churn<const N: usize>(servers: [&Server; N], time: Duration, rate: u32) -> [u64; N] {
    let (start, mut made) = (Instant::now(), [0; N]);
    for number in 0.. {
        let due = start + Duration::from_secs(1) * number / rate;
        if due >= start + time || start.elapsed() >= time {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let turn = number as usize % N;
        servers[turn].ask();
        made[turn] += 1;
    }
    made
}
