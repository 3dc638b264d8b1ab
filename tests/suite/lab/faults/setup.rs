//! Two hosts, a link, and the connections over it.

use std::any::Any;
use std::io::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::{Fault, Hours};
use crate::lab::{Addresses, Counters, Link, Network, Router, Side, Socket, Ss, Sums, ip};

/// What joins the hosts.
pub enum Path {
    /// A link in user space.
    Link(Link),
    /// Devices with netem.
    Router(Router),
}

/// A fault in progress. It ends when it is dropped.
pub struct Setup {
    networks: Arc<[Network; 2]>,
    addresses: Addresses,
    is_v6: bool,
    link: Option<Arc<Link>>,
    router: Option<Router>,
    hours: Hours,
    actors: Mutex<Vec<JoinHandle<()>>>,
    kept: Mutex<Vec<Box<dyn Any + Send>>>,
    marked: Mutex<[Counters; 2]>,
    holds: fn(&Self) -> bool,
}

/// The longest that a socket waits before its owner checks the time.
const SHORT: Duration = Duration::from_millis(100);
/// Small, because there are many threads.
const STACK: usize = 256 << 10;

impl Setup {
    /// Starts a fault. Fails where there is no TUN or a setting is refused.
    pub fn of(fault: &Fault) -> std::result::Result<Self, String> {
        // Hosts differ in their default; this one is available everywhere.
        let reno = Side::BOTH.map(|side| (side, "ipv4/tcp_congestion_control", "reno"));
        let settings: Vec<_> = reno.iter().chain(fault.settings).copied().collect();
        let lay = |networks: &[Network; 2], addresses| {
            Link::lay(networks, addresses, fault.shapes).map(Path::Link)
        };
        let setup = Self::laid(lay, &settings, false, fault.holds)?;
        (fault.provoke)(&setup);
        Ok(setup)
    }

    /// Two hosts with these settings, joined by `lay`, before there is a connection.
    pub fn laid(
        lay: impl FnOnce(&[Network; 2], Addresses) -> std::result::Result<Path, String>,
        settings: &[(Side, &str, &str)],
        is_v6: bool,
        holds: fn(&Self) -> bool,
    ) -> std::result::Result<Self, String> {
        let addresses = Addresses::next();
        let networks = Arc::new([Network::new(), Network::new()]);
        let (link, router) = match lay(&networks, addresses)? {
            Path::Link(link) => (Some(Arc::new(link)), None),
            Path::Router(router) => (None, Some(router)),
        };
        for (side, name, value) in settings {
            let path = format!("/proc/sys/net/{name}");
            let written = networks[side.index()].inside(|| std::fs::write(&path, value));
            written.map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(Self {
            marked: Mutex::new(networks.each_ref().map(|network| network.inside(Counters::read))),
            networks,
            addresses,
            is_v6,
            link,
            router,
            hours: Hours::default(),
            actors: Mutex::default(),
            kept: Mutex::default(),
            holds,
        })
    }

    /// Whether the fault has occurred since the last mark.
    pub fn holds(&self) -> bool {
        (self.holds)(self)
    }

    /// Marks the counters, to measure growth from here.
    pub fn mark(&self) {
        let now = self.networks.each_ref().map(|network| network.inside(Counters::read));
        *self.marked.lock().unwrap() = now;
    }

    /// How much a counter grew since the last mark.
    pub fn growth(&self, side: Side, name: &str) -> u64 {
        let now = self.inside(side, Counters::read);
        now.growth(&self.marked.lock().unwrap()[side.index()], name)
    }

    /// All counters that grew since the last mark.
    pub fn grown(&self, side: Side) -> Vec<(String, u64)> {
        let now = self.inside(side, Counters::read);
        let before = &self.marked.lock().unwrap()[side.index()];
        now.grown(before).map(|(name, growth)| (name.to_owned(), growth)).collect()
    }

    /// Whether almost nothing was retransmitted: a host that was busy for a moment sends tail loss
    /// probes.
    pub fn is_smooth(&self) -> bool {
        Side::BOTH
            .iter()
            .all(|side| self.growth(*side, "RetransSegs") * 200 <= self.growth(*side, "OutSegs"))
    }

    /// What ss(8) shows at one side.
    pub fn sockets(&self, side: Side) -> Vec<Ss> {
        self.inside(side, Ss::all)
    }

    /// How many sockets of one side are like this.
    pub fn count(&self, side: Side, like: impl Fn(&Ss) -> bool) -> usize {
        self.sockets(side).iter().filter(|ss| like(ss)).count()
    }

    /// The link.
    pub fn link(&self) -> Arc<Link> {
        Arc::clone(self.link.as_ref().unwrap())
    }

    /// What a witness of the path has seen up to now, by the side that sent.
    pub fn witnessed(&self) -> Option<[Sums; 2]> {
        match (&self.link, &self.router) {
            (Some(link), _) => link.witnessed(),
            (None, router) => router.as_ref().map(Router::witnessed),
        }
    }

    /// The path, if it is netem's.
    pub fn router(&self) -> Option<&Router> {
        self.router.as_ref()
    }

    /// Runs something in the namespace of one side.
    pub fn inside<T: Send>(&self, side: Side, act: impl FnOnce() -> T + Send) -> T {
        self.networks[side.index()].inside(act)
    }

    /// Runs ip(8) at one side.
    pub fn ip(&self, side: Side, arguments: &str) {
        self.inside(side, || ip(arguments)).unwrap();
    }

    /// Where the server listens.
    pub fn target(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.addresses.of(Side::Server, self.is_v6), port)
    }

    /// Runs an actor in the namespace of one side until the fault ends. Many faults break
    /// connections.
    pub fn act(&self, side: Side, act: impl FnOnce(&Hours) -> Result<()> + Send + 'static) {
        let networks = Arc::clone(&self.networks);
        let hours = self.hours.clone();
        let actor = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            networks[side.index()].enter();
            let _ = act(&hours);
        });
        self.actors.lock().unwrap().push(actor.unwrap());
    }

    /// Keeps something open until the fault ends.
    pub fn keep(&self, thing: impl Any + Send) {
        self.kept.lock().unwrap().push(Box::new(thing));
    }

    /// A listener of the server's.
    pub fn listen(
        &self,
        port: u16,
        backlog: i32,
        tune: impl FnOnce(&Socket) + Send,
    ) -> TcpListener {
        let any = if self.is_v6 {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        self.inside(Side::Server, || {
            let socket = Socket::of(any);
            tune(&socket);
            socket.bind(any, port);
            socket.listen(backlog);
            TcpListener::from(OwnedFd::from(socket))
        })
    }

    /// A connection, from both ends.
    pub fn pair(&self, port: u16) -> [TcpStream; 2] {
        self.pairs(port, 1, |_, _| {}).remove(0)
    }

    /// Connections from both ends; of each side, `tune` sees the socket before
    /// there is a connection. (What is set on a listener is inherited.)
    pub fn pairs(
        &self,
        port: u16,
        count: usize,
        tune: impl Fn(Side, &Socket) + Sync,
    ) -> Vec<[TcpStream; 2]> {
        let listener = self.listen(port, 128, |socket| tune(Side::Server, socket));
        let target = self.target(port);
        let pair = |_| {
            let client = self.inside(Side::Client, || {
                let socket = Socket::of(target.ip());
                tune(Side::Client, &socket);
                rustix::net::connect(&socket, &target).unwrap();
                TcpStream::from(OwnedFd::from(socket))
            });
            let (server, _) = listener.accept().unwrap();
            [&client, &server].into_iter().for_each(tame);
            [client, server]
        };
        (0..count).map(pair).collect()
    }

    /// Connections that send from the client to the server, each at most so
    /// many bytes a second on the wire.
    pub fn uploads(&self, port: u16, count: usize, pace: Option<u32>) {
        for [client, server] in self.pairs(port, count, |_, _| {}) {
            if let Some(pace) = pace {
                self::pace(&client, pace);
            }
            self.act(Side::Client, move |hours| hours.write_on(&client));
            self.act(Side::Server, move |hours| hours.read_on(&server));
        }
    }

    /// Connections with questions and answers.
    pub fn talks(&self, port: u16, count: usize, sizes: [usize; 2], pause: Duration) {
        for [client, server] in self.pairs(port, count, |_, _| {}) {
            self.act(Side::Client, move |hours| hours.ask_on(&client, sizes, pause));
            self.act(Side::Server, move |hours| hours.answer_on(&server, sizes));
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.hours.end();
        for actor in self.actors.lock().unwrap().drain(..) {
            let outcome = actor.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "an actor broke down");
        }
        self.kept.lock().unwrap().clear();
    }
}

/// A stream whose reads and writes time out soon.
pub fn tame(stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    stream.set_write_timeout(Some(SHORT)).unwrap();
}

/// Connects in the namespace of the caller, with a timeout.
pub fn connect(target: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, patience)?;
    tame(&stream);
    Ok(stream)
}

/// A socket in the namespace of the caller that begins to connect.
pub fn begin_connect(target: SocketAddr) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let _ = rustix::net::connect(&socket, &target);
    socket
}

/// The server's end of the next connection.
pub fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(false)?;
    tame(&stream);
    Ok(stream)
}

/// Sends at most so many bytes a second.
pub fn pace(stream: &TcpStream, rate: u32) {
    let rate = u64::from(rate).to_ne_bytes();
    let socket = Socket::from(OwnedFd::from(stream.try_clone().unwrap()));
    socket.set(libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, &rate).unwrap();
}
