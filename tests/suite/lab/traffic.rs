//! Services and their clients: threads that talk over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};

use super::{Addresses, Network, Side};

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Long flows from the server, each as fast as `rate` bytes a second.
    Download {
        /// Connections.
        flows: usize,
        /// Bytes a second; none for as fast as it goes.
        rate: Option<u64>,
    },
    /// The same from the client.
    Upload {
        /// Connections.
        flows: usize,
        /// Bytes a second; none for as fast as it goes.
        rate: Option<u64>,
    },
    /// Questions and answers.
    Requests {
        /// Clients at the same time.
        clients: usize,
        /// Questions on one connection; then the client closes it.
        per_connection: u32,
        /// Bytes of a question.
        question: usize,
        /// Bytes of an answer.
        answer: usize,
        /// Between two questions.
        pause: Duration,
    },
    /// Long flows whose client reads slower than the server writes.
    SlowReader {
        /// Connections.
        flows: usize,
        /// Bytes a second that the client reads.
        rate: u64,
    },
}

impl Profile {
    /// Short connections: one small question, one answer of `answer` bytes.
    pub fn short(clients: usize, answer: usize) -> Self {
        let pause = Duration::from_millis(2);
        Self::Requests { clients, per_connection: 1, question: 200, answer, pause }
    }

    /// Connections at the same time.
    fn width(self) -> usize {
        match self {
            Self::Download { flows, .. }
            | Self::Upload { flows, .. }
            | Self::SlowReader { flows, .. } => flows,
            Self::Requests { clients, .. } => clients,
        }
    }
}

/// A service of a scenario.
#[derive(Debug, Clone)]
pub struct Service {
    /// Where it listens; below 20,000, where clients' ports begin.
    pub port: u16,
    /// What it does.
    pub profile: Profile,
    /// What part of the packets is lost, by the side that sends.
    pub loss: [f64; 2],
    /// How both ends control congestion; the kernel's own choice if not said.
    pub congestion: Option<&'static str>,
    /// Over IPv6.
    pub v6: bool,
}

impl Service {
    /// One that loses packets in both directions alike.
    pub fn new(port: u16, profile: Profile, loss: f64) -> Self {
        assert!(port < 20_000);
        Self { port, profile, loss: [loss; 2], congestion: None, v6: false }
    }
}

/// What came of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Connections that were made.
    pub connections: u64,
    /// Bytes that were read, at either end.
    pub bytes: u64,
    /// Connections that failed, or broke.
    pub failures: u64,
}

/// A service with its listener, its clients and its figures.
#[derive(Debug)]
pub struct Business {
    service: Service,
    listener: OwnedFd,
    target: SocketAddr,
    over: AtomicBool,
    connections: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

/// Nothing takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often those with a rate have their turn.
const TURN: Duration = Duration::from_millis(10);
/// Bytes at once.
const BLOCK: usize = 64 << 10;
/// Threads are many.
const STACK: usize = 256 << 10;

impl Business {
    /// Opens the listener.
    pub fn open(service: Service, networks: &[Network; 2], addresses: Addresses) -> Arc<Self> {
        let listener = networks[Side::Server.index()].inside(|| {
            let socket = socket(&service).unwrap();
            let any: IpAddr = if service.v6 {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                Ipv4Addr::UNSPECIFIED.into()
            };
            sockopt::set_socket_reuseaddr(&socket, true).unwrap();
            rustix::net::bind(&socket, &SocketAddr::new(any, service.port)).unwrap();
            rustix::net::listen(&socket, 1024).unwrap();
            socket
        });
        let target = SocketAddr::new(addresses.of(Side::Server, service.v6), service.port);
        Arc::new(Self {
            service,
            listener,
            target,
            over: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.service.port
    }

    /// Starts those who serve.
    pub fn serve<'scope>(self: &Arc<Self>, scope: &'scope Scope<'scope, '_>) {
        // As many as there are clients, and some for connections of which the client is done.
        for _ in 0..self.service.profile.width() * 2 {
            let business = Arc::clone(self);
            start(scope, move || {
                let listener = &business.listener;
                while let Ok(socket) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
                    let answered = business.answer(&TcpStream::from(socket));
                    business.note(answered);
                }
            });
        }
    }

    /// Starts the clients.
    pub fn call<'scope>(
        self: &Arc<Self>,
        scope: &'scope Scope<'scope, '_>,
        networks: &'scope [Network; 2],
    ) -> Vec<std::thread::ScopedJoinHandle<'scope, ()>> {
        let clients = 0..self.service.profile.width();
        let one = |_| {
            let business = Arc::clone(self);
            start(scope, move || {
                networks[Side::Client.index()].enter();
                while !business.is_over() {
                    let asked = business.ask();
                    let failed = asked.is_err();
                    business.note(asked);
                    if failed {
                        // Not as fast as it goes.
                        std::thread::sleep(TURN);
                    }
                }
            })
        };
        clients.map(one).collect()
    }

    /// Tells clients, and servers that send on their own, to come to an end.
    pub fn finish(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Sends those who serve home.
    pub fn close(&self) {
        // Wakes accept(2).
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
    }

    /// What came of it.
    pub fn work(&self) -> Work {
        let [connections, bytes, failures] = [&self.connections, &self.bytes, &self.failures]
            .map(|number| number.load(Ordering::Relaxed));
        Work { connections, bytes, failures }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn note(&self, outcome: std::io::Result<()>) {
        self.failures.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
    }

    /// One connection, as its client.
    fn ask(&self) -> std::io::Result<()> {
        let socket = socket(&self.service)?;
        if let Profile::SlowReader { .. } = self.service.profile {
            sockopt::set_socket_recv_buffer_size(&socket, 16 << 10)?;
        }
        rustix::net::connect(&socket, &self.target)?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let stream = TcpStream::from(socket);
        limit(&stream)?;
        match self.service.profile {
            Profile::Download { .. } => self.read_all(&stream),
            Profile::Upload { rate, .. } => self.write_on(&stream, rate),
            Profile::SlowReader { rate, .. } => {
                let mut block = vec![0; (rate as usize / 50).max(1)];
                while !self.is_over() {
                    let length = (&stream).read(&mut block)?;
                    self.bytes.fetch_add(length as u64, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
                self.read_all(&stream)
            }
            Profile::Requests { per_connection, question, answer, pause, .. } => {
                for turn in 0..per_connection {
                    (&stream).write_all(&vec![b'?'; question])?;
                    self.read_exactly(&stream, answer)?;
                    if self.is_over() {
                        break;
                    }
                    if turn + 1 < per_connection || per_connection == 1 {
                        std::thread::sleep(pause);
                    }
                }
                Ok(())
            }
        }
    }

    /// One connection, as the service.
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        limit(stream)?;
        match self.service.profile {
            Profile::Download { rate, .. } => self.write_on(stream, rate),
            Profile::SlowReader { .. } => self.write_on(stream, None),
            Profile::Upload { .. } => self.read_all(stream),
            Profile::Requests { question, answer, .. } => {
                let text = vec![b'!'; answer];
                let mut mind = vec![0; question];
                let mut stream = stream;
                loop {
                    let length = stream.read(&mut mind)?;
                    if length == 0 {
                        return Ok(());
                    }
                    stream.read_exact(&mut mind[length..])?;
                    self.bytes.fetch_add(question as u64, Ordering::Relaxed);
                    stream.write_all(&text)?;
                }
            }
        }
    }

    /// Writes until it is over.
    fn write_on(&self, mut stream: &TcpStream, rate: Option<u64>) -> std::io::Result<()> {
        let length = rate.map_or(BLOCK, |rate| (rate as f64 * TURN.as_secs_f64()) as usize);
        let block = vec![b'#'; length.max(1)];
        while !self.is_over() {
            stream.write_all(&block)?;
            if rate.is_some() {
                std::thread::sleep(TURN);
            }
        }
        Ok(())
    }

    /// Reads until the peer has nothing more to say.
    fn read_all(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut block = vec![0; BLOCK];
        loop {
            let length = stream.read(&mut block)?;
            if length == 0 {
                return Ok(());
            }
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        }
    }

    fn read_exactly(&self, mut stream: &TcpStream, mut length: usize) -> std::io::Result<()> {
        let mut block = vec![0; BLOCK.min(length)];
        while length > 0 {
            let wanted = BLOCK.min(length);
            let read = stream.read(&mut block[..wanted])?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.fetch_add(read as u64, Ordering::Relaxed);
            length -= read;
        }
        Ok(())
    }
}

/// A socket as the service wants it.
fn socket(service: &Service) -> std::io::Result<OwnedFd> {
    let family = if service.v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(congestion) = service.congestion {
        sockopt::set_tcp_congestion(&socket, congestion)?;
    }
    Ok(socket)
}

/// Lets nothing take for ever.
fn limit(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    act: impl FnOnce() + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, ()> {
    std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, act).unwrap()
}
