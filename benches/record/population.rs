//! Live sockets of this process, some of which transfer data on request.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Other descriptors needed.
const SPARE: u64 = 64;

const REQUEST: [u8; 300] = [b'q'; 300];
const RESPONSE: [u8; 3_000] = [b'r'; 3_000];

/// Both ends of connections.
pub(super) struct Population(Vec<[TcpStream; 2]>);

impl Population {
    /// Makes this many sockets.
    pub(super) fn new(sockets: usize) -> io::Result<Self> {
        let needed = sockets as u64 + SPARE;
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < needed) {
            let wanted = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        let mut population = Self(Vec::new());
        for index in 0..sockets / 2 {
            let to: SocketAddr = (Ipv4Addr::new(127, 0, 0, 1 + (index % 8) as u8), port).into();
            let client = TcpStream::connect_timeout(&to, Duration::from_secs(10))?;
            let (server, _) = listener.accept()?;
            for stream in [&client, &server] {
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            }
            population.0.push([client, server]);
            population.exchange(index)?;
        }
        Ok(population)
    }

    /// A fifth of them, selected by `number`, transfer a request and its answer.
    pub(super) fn talk(&mut self, number: usize) -> io::Result<()> {
        // Scattered: neighbours in the kernel's table are not neighbours here anyway.
        (number % 5..self.0.len()).step_by(5).try_for_each(|index| self.exchange(index))
    }

    fn exchange(&mut self, index: usize) -> io::Result<()> {
        let Some([client, server]) = self.0.get_mut(index) else { return Ok(()) };
        let mut buffer = [0; RESPONSE.len()];
        client.write_all(&REQUEST)?;
        server.read_exact(buffer.get_mut(..REQUEST.len()).unwrap_or_default())?;
        server.write_all(&RESPONSE)?;
        client.read_exact(&mut buffer)
    }
}

impl Drop for Population {
    fn drop(&mut self) {
        for stream in self.0.iter().flatten() {
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}
