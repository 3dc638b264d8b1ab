//! A netlink socket that is told of things: joined to multicast groups, with as
//! large a buffer as it may have, and a way to stop waiting for it.
#![allow(
    unsafe_code,
    reason = "SO_MEMINFO and SO_ATTACH_FILTER are in no safe library of the tree"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

/// How a receive came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this length, which may be larger than the buffer.
    Datagram(usize),
    /// Nothing there.
    Nothing,
    /// The socket's buffer had overrun, so that datagrams were lost; said once
    /// for all of them.
    Overrun,
}

/// A subscription. It stays in the network namespace of the thread that opened
/// it, whichever thread uses it.
pub struct EventSocket {
    socket: Socket,
    stop: OwnedFd,
}

impl EventSocket {
    /// Joins groups of sock_diag in the calling thread's network namespace and
    /// asks for a receive buffer of so many bytes; unless allowed to exceed it
    /// (CAP_NET_ADMIN), the kernel gives at most `net.core.rmem_max`.
    ///
    /// # Errors
    /// What socket(2), bind(2), setsockopt(2) or eventfd(2) answer; joining is
    /// refused with `EPERM` to unprivileged users before Linux 4.2.
    pub fn open(groups: &[u32], receive_buffer: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        // Bound before it joins: with port id 0, the kernel's own, no event ever
        // comes, and no error either (5.10 to 7.2).
        socket.bind_auto()?;
        let fd = socket.as_fd();
        // Before it joins: what comes until then is not lost.
        if sockopt::set_socket_recv_buffer_size_force(fd, receive_buffer).is_err() {
            sockopt::set_socket_recv_buffer_size(fd, receive_buffer)?;
        }
        for &group in groups {
            socket.add_membership(group)?;
        }
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { socket, stop })
    }

    /// Bytes of receive buffer that the kernel granted, its bookkeeping included:
    /// twice what was asked for.
    ///
    /// # Errors
    /// What getsockopt(2) answers.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_recv_buffer_size(self.socket.as_fd())?)
    }

    /// Receives one datagram if there is one.
    ///
    /// # Errors
    /// What recv(2) answers, `EINTR`, `EAGAIN` and `ENOBUFS` excepted.
    #[inline]
    pub fn receive(&self, mut buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            return match self.socket.recv(&mut buffer, libc::MSG_TRUNC | libc::MSG_DONTWAIT) {
                Ok(length) => Ok(Received::Datagram(length)),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::EAGAIN) => Ok(Received::Nothing),
                    Some(libc::ENOBUFS) => Ok(Received::Overrun),
                    _ => Err(error),
                },
            };
        }
    }

    /// Waits until there is something to receive; `false` when
    /// [`stop`](Self::stop) was called.
    ///
    /// # Errors
    /// What poll(2) answers.
    pub fn wait(&self) -> io::Result<bool> {
        loop {
            let mut waiting = [
                PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    let [_, stop] = &waiting;
                    return Ok(stop.revents().is_empty());
                }
            }
        }
    }

    /// Sleeps, but for [`stop`](Self::stop): then `false` at once.
    pub fn pause(&self, time: Duration) -> bool {
        let Ok(time) = Timespec::try_from(time) else { return true };
        let mut waiting = [PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN)];
        !poll(&mut waiting, Some(&time)).is_ok_and(|ready| ready > 0)
    }

    /// Ends all waiting, now and later.
    pub fn stop(&self) {
        // A counter of 64 bits that nobody resets: it cannot be full.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }

    /// How many datagrams did not fit into the buffer so far (`sk_drops`);
    /// `None` on kernels before 4.12.
    pub fn drops(&self) -> Option<u32> {
        let mut words = [0u32; 9];
        let mut length = size_of_val(&words) as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `self` is; `words` is
        // writable for the `length` bytes that the kernel may write, and any
        // bytes are valid words.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_MEMINFO,
                words.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let [.., drops] = words;
        (result == 0 && length as usize >= size_of_val(&words)).then_some(drops)
    }

    /// Lets the kernel keep only events of connections with this port on either
    /// end, and those whose remote port was wiped.
    ///
    /// # Errors
    /// What setsockopt(2) answers.
    pub fn filter_port(&self, port: u16) -> io::Result<()> {
        // Classic BPF reads in network order, as the ports are. Offsets: 16 of
        // the netlink header, 4 to idiag_sport, 6 to idiag_dport.
        const LOAD_HALF: u16 = 0x28;
        const JUMP_EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let mut program = [
            step(LOAD_HALF, 0, 0, 20),
            step(JUMP_EQUAL, 3, 0, port.into()),
            step(LOAD_HALF, 0, 0, 22),
            step(JUMP_EQUAL, 1, 0, port.into()),
            step(JUMP_EQUAL, 0, 1, 0),
            step(RETURN, 0, 0, u32::MAX),
            step(RETURN, 0, 0, 0),
        ];
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: the descriptor is open as long as `self` is; `filter` points to
        // `len` instructions, which outlive the call, and the kernel copies them.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const filter).cast(),
                size_of_val(&filter) as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// `SO_MEMINFO` (include/uapi/asm-generic/socket.h).
const SO_MEMINFO: libc::c_int = 55;

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for EventSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventSocket").field(&self.socket.as_raw_fd()).finish()
    }
}
