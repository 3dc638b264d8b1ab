//! A netlink socket for sock_diag.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use rustix::net::sockopt;

/// How long the kernel may take for the next part of an answer. It answers
/// within the system call; only a lost answer takes longer.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// An open socket. It stays in the network namespace of the thread that opened
/// it, whichever thread uses it. Never cloned: netlink-sys would close it twice.
pub struct NetlinkSocket(Socket);

impl NetlinkSocket {
    /// Opens and binds a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// What socket(2), bind(2) or setsockopt(2) answer.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        // Only improves error texts; kernels before 4.12 lack it.
        let _ = socket.set_ext_ack(true);
        let fd = socket.as_fd();
        sockopt::set_socket_timeout(fd, sockopt::Timeout::Recv, Some(RECEIVE_TIMEOUT))?;
        Ok(Self(socket))
    }

    /// Sends one request.
    ///
    /// # Errors
    /// What send(2) answers, `EINTR` excepted.
    pub fn send(&self, request: &[u8]) -> io::Result<()> {
        loop {
            match self.0.send(request, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }

    /// Receives one datagram into `buffer` and returns its true length, which is
    /// larger than the buffer if it did not fit.
    ///
    /// # Errors
    /// What recv(2) answers, `EINTR` excepted; `TimedOut` after ten seconds.
    #[inline]
    pub fn receive(&self, mut buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.recv(&mut buffer, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the kernel did not answer within 10 s",
                    ));
                }
                result => return result,
            }
        }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl std::fmt::Debug for NetlinkSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NetlinkSocket").field(&self.0.as_raw_fd()).finish()
    }
}
