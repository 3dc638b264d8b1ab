//! Live sockets: processes that each hold both ends of loopback connections, and processes that
//! hold none. All end when the benchmark does, however it ends: they wait for a pipe that only the
//! benchmark keeps open.

use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections per process: two descriptors each, within the usual hard limits of 20,000
/// and more.
const OF_ONE_PROCESS: usize = 8_000;

/// Connections to the port that narrow filters select.
const NARROW: usize = 3;

/// Other descriptors that a process needs.
const SPARE: u64 = 64;

/// The data of each connection, so that its figures are not all zero.
const REQUEST: [u8; 300] = [b'q'; 300];
const RESPONSE: [u8; 3_000] = [b'r'; 3_000];

/// Address families of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IpVersions {
    /// IPv4 only.
    V4,
    /// Half of each.
    Mixed,
}

/// Running processes that hold sockets.
pub(super) struct Population {
    children: Vec<Child>,
    /// Closed to end them.
    lifeline: Option<PipeWriter>,
    waiting: PipeReader,
    /// A port with three connections.
    pub(super) narrow_port: u16,
}

impl Population {
    /// Makes this many sockets, not counting listeners.
    pub(super) fn new(sockets: usize, versions: IpVersions) -> io::Result<Self> {
        let (waiting, lifeline) = io::pipe()?;
        let mut population =
            Self { children: Vec::new(), lifeline: Some(lifeline), waiting, narrow_port: 0 };
        let connections = (sockets / 2).saturating_sub(NARROW);
        let holders = connections.div_ceil(OF_ONE_PROCESS).next_multiple_of(2).max(2);
        for index in 0..holders {
            let share = connections / holders + usize::from(index < connections % holders);
            let v6 = versions == IpVersions::Mixed && index % 2 == 1;
            population.hold(share, v6)?;
        }
        population.narrow_port = population.hold(NARROW, false)?;
        Ok(population)
    }

    /// Starts one process and waits for its connections; returns its port.
    fn hold(&mut self, connections: usize, v6: bool) -> io::Result<u16> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--hold", &connections.to_string(), if v6 { "v6" } else { "v4" }])
            .stdin(self.waiting.try_clone()?)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        self.children.push(child);
        BufReader::new(output).read_line(&mut line)?;
        line.trim().parse().map_err(|_| io::Error::other("a holder of connections failed"))
    }

    /// Starts processes without sockets: half of them idle with three descriptors, half with ten,
    /// like a small daemon.
    pub(super) fn add_bystanders(&mut self, count: usize) -> io::Result<()> {
        const IDLE: &str = "exec cat";
        const DAEMON: &str = "exec 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0 && exec cat";
        for index in 0..count {
            let child = Command::new("sh")
                .args(["-c", if index % 2 == 0 { IDLE } else { DAEMON }])
                .stdin(self.waiting.try_clone()?)
                .stdout(Stdio::null())
                .spawn()?;
            self.children.push(child);
        }
        Ok(())
    }
}

impl Drop for Population {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// The work of a holder: connects to itself and waits for the end of its input.
pub(super) fn hold(connections: usize, v6: bool) -> io::Result<()> {
    allow_descriptors(connections as u64 * 2 + SPARE)?;
    let any: SocketAddr =
        if v6 { (Ipv6Addr::LOCALHOST, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let listener = TcpListener::bind(any)?;
    let port = listener.local_addr()?.port();
    let mut held = Vec::with_capacity(connections * 2);
    let mut buffer = [0; RESPONSE.len()];
    for index in 0..connections {
        // Several addresses: one pair of addresses and one destination port allow some 28,000 local
        // ports.
        let host = Ipv4Addr::new(127, 0, 0, 1 + (index % 8) as u8);
        let to: SocketAddr =
            if v6 { (Ipv6Addr::LOCALHOST, port).into() } else { (host, port).into() };
        let mut client = TcpStream::connect_timeout(&to, Duration::from_secs(10))?;
        let (mut server, _) = listener.accept()?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        }
        client.write_all(&REQUEST)?;
        server.read_exact(buffer.get_mut(..REQUEST.len()).unwrap_or_default())?;
        server.write_all(&RESPONSE)?;
        client.read_exact(&mut buffer)?;
        held.extend([client, server]);
    }
    println!("{port}");
    io::stdin().read_to_end(&mut Vec::new())?;
    for stream in &held {
        // Closed with a reset, so that no TIME-WAIT is left for the next population.
        let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    }
    Ok(())
}

fn allow_descriptors(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let wanted = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}
