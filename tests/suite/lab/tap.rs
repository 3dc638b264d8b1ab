//! Packets on all devices of a namespace, as the kernel hands them out, with its times.

use std::io::Error;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A packet that passes a device.
pub struct Packet<'a> {
    /// Which of the devices, by its place among those that were asked for.
    pub port: usize,
    /// Whether it leaves the namespace.
    pub is_leaving: bool,
    /// When.
    pub at: Instant,
    /// Without link-layer header.
    pub bytes: &'a [u8],
}

/// A packet socket.
pub struct Tap {
    socket: OwnedFd,
    indexes: [i32; 2],
    /// One moment on both clocks.
    epoch: (Instant, Duration),
}

/// Packets are read for so long at a time.
const NAP: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
/// Packets at once.
const BATCH: usize = 256;
/// Bytes of the socket's buffer.
const BUFFER: i32 = 32 << 20;

#[expect(unsafe_code, reason = "rustix knows neither packet sockets nor their timestamps")]
impl Tap {
    /// A tap in the namespace of the calling thread.
    pub fn open(ports: [&str; 2]) -> Result<Self, String> {
        let failed = |what: &str| format!("{what}: {}", Error::last_os_error());
        let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
        // SAFETY: no pointers.
        let socket = unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, protocol)
        };
        if socket < 0 {
            return Err(failed("AF_PACKET"));
        }
        // SAFETY: it is open and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        set(&socket, libc::SO_RCVBUFFORCE, &BUFFER).map_err(|()| failed("SO_RCVBUFFORCE"))?;
        set(&socket, libc::SO_TIMESTAMPNS, &1).map_err(|()| failed("SO_TIMESTAMPNS"))?;
        set(&socket, libc::SO_RCVTIMEO, &NAP).map_err(|()| failed("SO_RCVTIMEO"))?;
        let index = |name: &str| {
            rustix::net::netdevice::name_to_index(&socket, name).ok().map(u32::cast_signed)
        };
        let indexes = ports.map(index);
        let [Some(first), Some(second)] = indexes else {
            return Err(format!("no index of {ports:?}"));
        };
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { socket, indexes: [first, second], epoch: (Instant::now(), wall) })
    }

    /// Hands out what has come; waits a little where there is nothing.
    pub fn read(&self, mut take: impl FnMut(Packet<'_>)) {
        let mut bytes = [0_u8; 2048];
        for number in 0..BATCH {
            // SAFETY: plain data, for which zeros are valid.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            let mut control = [0_u64; 16];
            let mut part =
                libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            // SAFETY: as above.
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            message.msg_name = (&raw mut address).cast();
            message.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control);
            let flags = if number == 0 { 0 } else { libc::MSG_DONTWAIT };
            // SAFETY: every pointer leads to what is alive, and as long as is said.
            let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, flags) };
            let Ok(length) = usize::try_from(length) else { return };
            // struct cmsghdr is a length, a level and a type; then comes a struct timespec.
            let word = |at: usize| Duration::from_nanos(control[at]);
            let wall = Duration::from_secs(control[2]) + word(3);
            let (then, epoch) = self.epoch;
            let at = then + wall.saturating_sub(epoch);
            let port = self.indexes.iter().position(|index| *index == address.sll_ifindex);
            if let Some(port) = port {
                let is_leaving = address.sll_pkttype == libc::PACKET_OUTGOING;
                take(Packet { port, is_leaving, at, bytes: &bytes[..length] });
            }
        }
    }
}

/// Sets an option of the socket level.
#[expect(unsafe_code, reason = "see above")]
fn set<T>(socket: &OwnedFd, name: i32, value: &T) -> Result<(), ()> {
    // SAFETY: the kernel reads a value of this size, which is there.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(()) }
}
