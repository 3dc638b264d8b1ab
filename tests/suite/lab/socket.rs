//! A TCP socket and its options, close to the system calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt,
};

use super::settles;

/// A TCP socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// `127.0.0.1`.
pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// `::1`.
pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

impl Socket {
    /// A socket of the family of `address`.
    pub fn of(address: IpAddr) -> Self {
        Self::with_protocol(address, None).unwrap()
    }

    /// A socket of another protocol than TCP proper, if the kernel has it.
    pub fn with_protocol(
        address: IpAddr,
        protocol: Option<rustix::net::Protocol>,
    ) -> rustix::io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol)
            .map(Self)
    }

    /// A socket bound to an address; port 0 is one that is free.
    pub fn bound(address: IpAddr, port: u16) -> Self {
        let socket = Self::of(address);
        socket.bind(address, port);
        socket
    }

    /// A socket that listens.
    pub fn listening(address: IpAddr, port: u16, backlog: i32) -> Self {
        let socket = Self::bound(address, port);
        socket.listen(backlog);
        socket
    }

    /// Binds it.
    pub fn bind(&self, address: IpAddr, port: u16) {
        sockopt::set_socket_reuseaddr(&self.0, true).unwrap();
        let port = if port == 0 { unused_port() } else { port };
        rustix::net::bind(&self.0, &SocketAddr::new(address, port)).unwrap();
    }

    /// Makes it listen.
    pub fn listen(&self, backlog: i32) {
        rustix::net::listen(&self.0, backlog).unwrap();
    }

    /// Connects, and waits for it.
    pub fn connect(&self, address: IpAddr, port: u16) {
        self.choose_port(address);
        rustix::net::connect(&self.0, &SocketAddr::new(address, port)).unwrap();
    }

    /// Begins to connect.
    pub fn begin_connect(&self, address: IpAddr, port: u16) {
        self.choose_port(address);
        rustix::io::ioctl_fionbio(&self.0, true).unwrap();
        let outcome = rustix::net::connect(&self.0, &SocketAddr::new(address, port));
        assert_eq!(outcome, Err(Errno::INPROGRESS));
    }

    /// Binds it to a port of its own, unless it has one.
    fn choose_port(&self, peer: IpAddr) {
        if self.port() == 0 {
            let any = if peer.is_ipv4() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            };
            rustix::net::bind(&self.0, &SocketAddr::new(any, unused_port())).unwrap();
        }
    }

    /// Accepts a connection, and waits for it.
    pub fn accept(&self) -> Self {
        Self(rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC).unwrap())
    }

    /// Own address and port.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::try_from(rustix::net::getsockname(&self.0).unwrap()).unwrap()
    }

    /// Own port.
    pub fn port(&self) -> u16 {
        self.local().port()
    }

    /// Its cookie, which the kernel assigns at the first request for it.
    pub fn cookie(&self) -> u64 {
        sockopt::socket_cookie(&self.0).unwrap()
    }

    /// Inode of its file.
    pub fn inode(&self) -> u64 {
        rustix::fs::fstat(&self.0).unwrap().st_ino
    }

    /// Its state by the kernel's number.
    pub fn state(&self) -> u8 {
        self.info()[0]
    }

    /// Waits until it is in this state.
    pub fn comes_to(&self, state: u8) {
        settles(&format!("state {state}"), || self.state() == state);
    }

    /// `struct tcp_info`, as long as this kernel has it.
    pub fn info(&self) -> Vec<u8> {
        self.option(libc::IPPROTO_TCP, libc::TCP_INFO, 1024).unwrap()
    }

    /// Writes all of it.
    pub fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sent = rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL).unwrap();
            bytes = &bytes[sent..];
        }
    }

    /// Writes some of it; whether the peer is still there.
    pub fn try_write(&self, bytes: &[u8]) -> bool {
        rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL).is_ok()
    }

    /// Writes until the buffers of both sides are full.
    pub fn write_until_blocked(&self) {
        let block = [7; 16 << 10];
        loop {
            match rustix::net::send(&self.0, &block, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => {}
                // Full, once the peer has advertised a zero window.
                Err(Errno::AGAIN) if self.unsent() => return,
                Err(Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => panic!("send: {error}"),
            }
        }
    }

    /// Whether data waits to be sent, and none is in flight.
    fn unsent(&self) -> bool {
        let info = self.info();
        let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
        word(24) == 0 && info.len() > 148 && word(144) > 0
    }

    /// Reads so many bytes.
    pub fn read(&self, length: usize) {
        let mut buffer = vec![0; length];
        let mut have = 0;
        while have < length {
            let (read, _) =
                rustix::net::recv(&self.0, &mut buffer[have..], RecvFlags::empty()).unwrap();
            assert!(read > 0, "the peer closed");
            have += read;
        }
    }

    /// Sends a FIN.
    pub fn finish(&self) {
        rustix::net::shutdown(&self.0, Shutdown::Write).unwrap();
    }

    /// Sets an option.
    #[expect(unsafe_code, reason = "rustix has neither marks nor MD5 keys")]
    pub fn set(&self, level: i32, name: i32, value: &[u8]) -> rustix::io::Result<()> {
        let length = libc::socklen_t::try_from(value.len()).unwrap();
        // SAFETY: the kernel reads `length` bytes, which are there.
        let outcome = unsafe {
            libc::setsockopt(self.0.as_raw_fd(), level, name, value.as_ptr().cast(), length)
        };
        if outcome == 0 { Ok(()) } else { Err(last_error()) }
    }

    /// Sets an option that is a number.
    pub fn set_number(&self, level: i32, name: i32, value: i32) -> rustix::io::Result<()> {
        self.set(level, name, &value.to_ne_bytes())
    }

    /// Reads an option of at most `longest` bytes.
    #[expect(unsafe_code, reason = "the point is to have tcp_info in the kernel's bytes")]
    pub fn option(&self, level: i32, name: i32, longest: usize) -> rustix::io::Result<Vec<u8>> {
        let mut value = vec![0; longest];
        let mut length = libc::socklen_t::try_from(longest).unwrap();
        // SAFETY: the kernel writes at most `length` bytes, which are there, and how many it
        // wrote to `length`.
        let outcome = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                level,
                name,
                value.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        value.truncate(length as usize);
        if outcome == 0 { Ok(value) } else { Err(last_error()) }
    }
}

impl From<OwnedFd> for Socket {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.0
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A port that no socket of this test had before. The kernel would give the same one to sockets
/// of different families or peers, and the firewall tells sockets apart by their port.
fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap()
}
