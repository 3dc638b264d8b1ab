//! The two ends of a connection.

use std::net::IpAddr;

use super::Socket;

/// Both ends of a connection over loopback.
#[derive(Debug)]
pub struct Pair {
    /// The end that connected.
    pub client: Socket,
    /// The end that was accepted.
    pub server: Socket,
}

impl Pair {
    /// Connects a new socket to `listener` at `address`.
    pub fn new(listener: &Socket, address: IpAddr) -> Self {
        Self::with(Socket::of(address), listener, address)
    }

    /// Connects `client` to `listener` at `address`.
    pub fn with(client: Socket, listener: &Socket, address: IpAddr) -> Self {
        client.connect(address, listener.port());
        let server = listener.accept();
        // Of several connections at once another might come first.
        assert_eq!(peer_port(&server), client.port());
        // Both have names, so that what is left of them has the same.
        client.cookie();
        server.cookie();
        Self { client, server }
    }

    /// Both cookies.
    pub fn cookies(&self) -> [u64; 2] {
        [self.client.cookie(), self.server.cookie()]
    }
}

fn peer_port(socket: &Socket) -> u16 {
    let peer = rustix::net::getpeername(socket).unwrap().unwrap();
    std::net::SocketAddr::try_from(peer).unwrap().port()
}
