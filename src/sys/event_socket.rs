//! Netlink sockets that receive events: joined to multicast groups, with receive
//! buffers as large as permitted, and a way to wake whoever waits for events.
#![allow(
    unsafe_code,
    reason = "SO_MEMINFO and SO_ATTACH_FILTER are in no safe library of the tree"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_sys::Socket;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::netlink::{Datagram, open_to_kernel, receive};

/// The outcome of a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this length, which may be larger than the buffer.
    Datagram(usize),
    /// A datagram that another process sent, to be discarded.
    Foreign,
    /// No datagram is waiting.
    Nothing,
    /// The socket's buffer had overrun, so that datagrams were lost; reported
    /// once for all of them.
    Overrun,
}

/// What to join, and with how much buffer.
#[derive(Debug, Clone, Copy)]
pub struct Subscription<'a> {
    /// Multicast groups of sock_diag.
    pub groups: &'a [u32],
    /// Bytes of receive buffer to ask for, per socket; unless allowed to exceed
    /// it (CAP_NET_ADMIN), the kernel gives at most `net.core.rmem_max`.
    pub receive_buffer: usize,
    /// Bytes to reach in total: as long as less is granted, further sockets share
    /// the events.
    pub total_buffer: usize,
    /// Sockets to use at most, a power of two up to 128.
    pub most_sockets: usize,
    /// Only connections with this port on either end, and those whose remote port
    /// was cleared.
    pub port: Option<u16>,
}

/// A subscription. It stays in the network namespace of the thread that opened
/// it, whichever thread uses it.
///
/// The kernel limits the buffer of a socket for ordinary users, but not the number
/// of their sockets. So where one buffer is too small, several share the events:
/// each has a filter that passes its share of the cookies.
pub struct EventSocket {
    shares: Vec<Socket>,
    receive_buffer: usize,
}

impl EventSocket {
    /// Joins in the calling thread's network namespace.
    ///
    /// # Errors
    /// What socket(2), bind(2) or setsockopt(2) answer; joining is
    /// refused with `EPERM` to unprivileged users before Linux 4.2.
    pub fn open(subscription: &Subscription<'_>) -> io::Result<Self> {
        let first = bound(subscription.receive_buffer)?;
        let granted = sockopt::socket_recv_buffer_size(first.as_fd())?;
        let count = subscription.total_buffer.div_ceil(granted.max(1)).next_power_of_two();
        let count = count.min(subscription.most_sockets.clamp(1, 128));
        let mut shares = vec![first];
        while shares.len() < count {
            shares.push(bound(subscription.receive_buffer)?);
        }
        for (number, socket) in shares.iter_mut().enumerate() {
            // Before it joins: so no event is received twice.
            if count > 1 || subscription.port.is_some() {
                attach(socket, &filter(number as u32, count as u32, subscription.port))?;
            }
            for &group in subscription.groups {
                socket.add_membership(group)?;
            }
        }
        Ok(Self { shares, receive_buffer: granted * count })
    }

    /// How many sockets share the events.
    pub fn shares(&self) -> usize {
        self.shares.len()
    }

    /// Bytes of receive buffer that the kernel granted in all, its bookkeeping
    /// included: twice what was asked for.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Receives one datagram of a share, if one is waiting.
    ///
    /// # Errors
    /// What recv(2) answers, `EINTR`, `EAGAIN` and `ENOBUFS` excepted.
    #[inline]
    pub fn receive(&self, share: usize, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(socket) = self.shares.get(share) else { return Ok(Received::Nothing) };
        match receive(socket, buffer, libc::MSG_DONTWAIT) {
            Ok(Datagram::Kernel(length)) => Ok(Received::Datagram(length)),
            Ok(Datagram::Foreign) => Ok(Received::Foreign),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => Ok(Received::Nothing),
                Some(libc::ENOBUFS) => Ok(Received::Overrun),
                _ => Err(error),
            },
        }
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// What poll(2) answers.
    pub fn wait(&self) -> io::Result<()> {
        let readable = |socket| PollFd::from_borrowed_fd(socket, PollFlags::IN);
        let shares = self.shares.iter().map(|socket| readable(socket.as_fd()));
        let mut waiting: Vec<PollFd<'_>> = shares.collect();
        loop {
            match poll(&mut waiting, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Ends a wait by asking the kernel for an answer that means nothing; events may get lost from
    /// then on. Returns whether that is possible. An eventfd would be one descriptor more for each
    /// namespace.
    pub fn wake(&self) -> bool {
        let Some(socket) = self.shares.first() else { return false };
        // The filter would drop the answer.
        detach(socket);
        let mut request = [0; 16];
        let (length, rest) = request.split_at_mut(4);
        let (kind, rest) = rest.split_at_mut(2);
        length.copy_from_slice(&16u32.to_ne_bytes());
        kind.copy_from_slice(&(libc::NLMSG_NOOP as u16).to_ne_bytes());
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        rest.split_at_mut(2).0.copy_from_slice(&flags.to_ne_bytes());
        socket.send(&request, 0).is_ok()
    }

    /// How many datagrams did not fit into the buffers so far (`sk_drops`),
    /// modulo 2^32; `None` on kernels before 4.12.
    pub fn drops(&self) -> Option<u32> {
        self.shares.iter().map(drops).try_fold(0u32, |sum, drops| Some(sum.wrapping_add(drops?)))
    }
}

/// A socket that has joined no group yet.
fn bound(receive_buffer: usize) -> io::Result<Socket> {
    // Bound before it joins: with port id 0, the kernel's own, no event ever
    // comes, and no error either (5.10 to 7.2).
    let socket = open_to_kernel()?;
    let fd = socket.as_fd();
    if sockopt::set_socket_recv_buffer_size_force(fd, receive_buffer).is_err() {
        sockopt::set_socket_recv_buffer_size(fd, receive_buffer)?;
    }
    Ok(socket)
}

fn drops(socket: &Socket) -> Option<u32> {
    let mut words = [0u32; 9];
    let mut length = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is; `words` is writable
    // for the `length` bytes that the kernel may write, and any bytes are valid
    // words.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let [.., drops] = words;
    (result == 0 && length as usize >= size_of_val(&words)).then_some(drops)
}

/// Classic BPF over a destroy event that passes share `number` of `count`, by the
/// lowest byte of the cookie, and of these only the events of the port.
fn filter(number: u32, count: u32, port: Option<u16>) -> Vec<libc::sock_filter> {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // Behind the 16 bytes of the netlink header lies struct inet_diag_msg. Ports
    // are in network order, as BPF reads; the cookie is in the host's.
    const LOCAL_PORT: u32 = 20;
    const REMOTE_PORT: u32 = 22;
    const COOKIE: u32 = if cfg!(target_endian = "big") { 63 } else { 60 };
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![
        step(LOAD_BYTE, 0, 0, COOKIE),
        step(AND, 0, 0, count - 1),
        step(JUMP_EQUAL, 1, 0, number),
        step(RETURN, 0, 0, 0),
    ];
    if let Some(port) = port {
        program.extend([
            step(LOAD_HALF, 0, 0, LOCAL_PORT),
            step(JUMP_EQUAL, 4, 0, port.into()),
            step(LOAD_HALF, 0, 0, REMOTE_PORT),
            step(JUMP_EQUAL, 2, 0, port.into()),
            step(JUMP_EQUAL, 1, 0, 0),
            step(RETURN, 0, 0, 0),
        ]);
    }
    program.push(step(RETURN, 0, 0, u32::MAX));
    program
}

fn attach(socket: &Socket, program: &[libc::sock_filter]) -> io::Result<()> {
    let filter =
        libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the descriptor is open as long as `socket` is; `filter` points to
    // `len` instructions, which outlive the call; the kernel only copies them.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of_val(&filter) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Removes the filter, if there is one.
fn detach(socket: &Socket) {
    let none: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `socket` is; `none` is readable for the length
    // that is given, and outlives the call.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            (&raw const none).cast(),
            size_of_val(&none) as libc::socklen_t,
        );
    }
}

/// `SO_MEMINFO` (include/uapi/asm-generic/socket.h).
const SO_MEMINFO: libc::c_int = 55;

impl std::fmt::Debug for EventSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSocket").field("shares", &self.shares.len()).finish_non_exhaustive()
    }
}
