//! A netlink socket for sock_diag.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;

/// How long the kernel may take for the next part of an answer. It answers
/// within the system call; only a lost answer takes longer.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A datagram, and who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datagram {
    /// From the kernel, with its true length, which may be larger than the buffer.
    Kernel(usize),
    /// From another process.
    Foreign,
}

/// Opens a socket that only the kernel can send to.
///
/// With `CAP_NET_ADMIN` in the user namespace that owns a network namespace, which any user can
/// have in a namespace of their own, a process may send to every socket in it
/// (`netlink_sendmsg()`). A connected socket gets none of that: `netlink_getsockbyportid()` refuses
/// all unicast senders but the peer (3.10 to 6.18). Multicasts still arrive, and so does what is
/// sent between the binding and the connection, so each sender is checked too.
pub(super) fn open_to_kernel() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    // Without it, as in a sandbox that refuses the call, [`receive`] still checks the senders.
    let _ = socket.connect(&SocketAddr::new(0, 0));
    Ok(socket)
}

/// Receives one datagram and decides who sent it: only the kernel has port id 0.
#[inline]
pub(super) fn receive(
    socket: &Socket,
    mut buffer: &mut [u8],
    flags: libc::c_int,
) -> io::Result<Datagram> {
    loop {
        match socket.recv_from(&mut buffer, flags | libc::MSG_TRUNC) {
            Ok((length, from)) if from.port_number() == 0 => return Ok(Datagram::Kernel(length)),
            Ok(_) => return Ok(Datagram::Foreign),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An open socket. It stays in the network namespace of the thread that opened
/// it, whichever thread uses it.
pub struct NetlinkSocket {
    /// Never cloned itself: netlink-sys would close it twice.
    socket: Arc<Socket>,
    /// Datagrams that were not from the kernel.
    foreign: Cell<u64>,
}

/// The descriptor of a [`NetlinkSocket`], which stays open as long as either lives.
#[derive(Debug, Clone)]
pub struct NetlinkHandle(Arc<Socket>);

impl NetlinkSocket {
    /// Opens and binds a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// What socket(2), bind(2) or setsockopt(2) answer.
    pub fn open() -> io::Result<Self> {
        let socket = open_to_kernel()?;
        // Only improves error texts; kernels before 4.12 lack it.
        let _ = socket.set_ext_ack(true);
        let fd = socket.as_fd();
        sockopt::set_socket_timeout(fd, sockopt::Timeout::Recv, Some(RECEIVE_TIMEOUT))?;
        Ok(Self { socket: Arc::new(socket), foreign: Cell::new(0) })
    }

    /// Its descriptor, for what is asked about its namespace while a dump runs.
    pub fn handle(&self) -> NetlinkHandle {
        NetlinkHandle(Arc::clone(&self.socket))
    }

    /// Datagrams so far that other processes sent, and that were discarded.
    pub fn foreign(&self) -> u64 {
        self.foreign.get()
    }

    /// Sends one request.
    ///
    /// # Errors
    /// What send(2) answers, `EINTR` excepted.
    pub fn send(&self, request: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(request, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }

    /// Receives one datagram of the kernel into `buffer` and returns its true length, which is
    /// larger than the buffer if it did not fit.
    ///
    /// # Errors
    /// What recv(2) answers, `EINTR` excepted; `TimedOut` after ten seconds, whatever other
    /// processes send meanwhile.
    #[inline]
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waiting_since = None;
        loop {
            match receive(&self.socket, buffer, 0) {
                Ok(Datagram::Kernel(length)) => return Ok(length),
                Ok(Datagram::Foreign) => {
                    self.foreign.set(self.foreign.get() + 1);
                    let since = waiting_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > RECEIVE_TIMEOUT {
                        return Err(unanswered());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(unanswered());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cold]
fn unanswered() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer within 10 s")
}

impl AsFd for NetlinkHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for NetlinkSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NetlinkSocket").field(&self.socket.as_raw_fd()).finish()
    }
}

#[cfg(test)]
mod tests {
    use netlink_sys::protocols::NETLINK_USERSOCK;

    use super::*;

    /// A pair of sockets of the protocol in which any user may send to others.
    fn pair() -> (Socket, Socket, SocketAddr) {
        let mut to = Socket::new(NETLINK_USERSOCK).unwrap();
        let address = to.bind_auto().unwrap();
        let mut from = Socket::new(NETLINK_USERSOCK).unwrap();
        from.bind_auto().unwrap();
        (to, from, address)
    }

    #[test]
    fn what_processes_send_is_foreign() {
        let (to, from, address) = pair();
        for length in [1, 16, 4000] {
            from.send_to(&vec![0; length], &address, 0).unwrap();
            let received = receive(&to, &mut [0; 32], libc::MSG_DONTWAIT);
            assert_eq!(received.unwrap(), Datagram::Foreign, "{length} bytes");
        }
        let error = receive(&to, &mut [0; 32], libc::MSG_DONTWAIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_connected_socket_refuses_processes() {
        let (to, from, address) = pair();
        to.connect(&SocketAddr::new(0, 0)).unwrap();
        let error = from.send_to(&[0; 16], &address, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn foreign_datagrams_are_counted_and_never_returned() {
        let (to, from, address) = pair();
        let wait = Some(Duration::from_millis(20));
        sockopt::set_socket_timeout(to.as_fd(), sockopt::Timeout::Recv, wait).unwrap();
        for _ in 0..3 {
            from.send_to(&[0; 16], &address, 0).unwrap();
        }
        let socket = NetlinkSocket { socket: Arc::new(to), foreign: Cell::new(0) };
        let error = socket.receive(&mut [0; 32]).unwrap_err();
        assert_eq!((error.kind(), socket.foreign()), (io::ErrorKind::TimedOut, 3));
    }
}
