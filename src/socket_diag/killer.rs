//! Killing sockets, one at a time. Only `conns --kill` does that.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::SocketAddr;

use super::Error;
use crate::model::{Endpoint, Socket};
use crate::procfs::{NamespaceError, NetNamespace};
use crate::sys::NetlinkSocket;
use crate::wire::uapi::NLMSG_ERROR;
use crate::wire::{Answer, DestroyRequest, Messages};

/// The kernel's answer quotes the request.
const BUFFER: usize = 1024;

/// What became of a socket that was to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// The kernel has ended the connection.
    Killed,
    /// It had ended before. A socket that has its addresses now, or a listener, lives.
    Gone,
    /// CAP_NET_ADMIN is missing in the user namespace that owns the network namespace.
    NotPermitted,
    /// The kernel was built without CONFIG_INET_DIAG_DESTROY, or cannot end a socket in this state.
    Unsupported,
    /// Another error.
    Failed(i32),
}

impl Killed {
    /// From the error number in the kernel's answer.
    fn of(errno: i32) -> Self {
        match errno {
            0 => Self::Killed,
            // `inet_diag_find_one_icsk()`, also for a cookie that is another socket's; `tcp_abort()`.
            libc::ENOENT | libc::ESTALE => Self::Gone,
            libc::EPERM => Self::NotPermitted,
            // `inet_diag_cmd_exact()`; before Linux 4.5 `sock_diag_rcv_msg()` knows no such request.
            libc::EOPNOTSUPP | libc::EINVAL => Self::Unsupported,
            errno => Self::Failed(errno),
        }
    }

    /// Whether the connection is no more.
    pub fn is_dead(self) -> bool {
        matches!(self, Self::Killed | Self::Gone)
    }

    /// A word for it, which programs may rely on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Gone => "gone",
            Self::NotPermitted => "not_permitted",
            Self::Unsupported => "unsupported",
            Self::Failed(_) => "failed",
        }
    }

    /// The reason, where it was not killed.
    pub fn reason(self) -> Option<String> {
        Some(match self {
            Self::Killed => return None,
            Self::Gone => "it had ended before".to_owned(),
            Self::NotPermitted => "CAP_NET_ADMIN is missing in the user namespace that owns the \
                                   network namespace"
                .to_owned(),
            Self::Unsupported => {
                "this kernel was built without CONFIG_INET_DIAG_DESTROY, or cannot \
                                  end a socket in this state"
                    .to_owned()
            }
            Self::Failed(errno) => io::Error::from_raw_os_error(errno).to_string(),
        })
    }
}

/// Kills sockets of one network namespace.
#[derive(Debug)]
pub struct Killer {
    socket: NetlinkSocket,
    sequence: u32,
}

/// Why nothing can be killed in a namespace.
#[derive(Debug, thiserror::Error)]
pub enum KillerError {
    /// It could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The socket could not be opened.
    #[error(transparent)]
    Socket(#[from] Error),
}

impl Killer {
    /// In this namespace.
    ///
    /// # Errors
    /// When it cannot be entered, or has no netlink socket.
    pub fn open_in(namespace: &NetNamespace) -> Result<Self, KillerError> {
        let socket = namespace
            .inside(NetlinkSocket::open)?
            .map_err(|source| Error::Socket { operation: "open", source })?;
        let sequence = RandomState::new().build_hasher().finish() as u32;
        Ok(Self { socket, sequence })
    }

    /// Kills the socket with exactly these addresses and this cookie (`tcp_abort()`): its program
    /// gets ECONNABORTED, and its peer a reset.
    pub fn kill(&mut self, target: &Socket) -> Killed {
        let end = |end: &Endpoint| SocketAddr::new(end.address, end.port);
        let request = DestroyRequest {
            local: end(&target.local),
            remote: end(&target.remote),
            interface: target.interface,
            cookie: target.cookie,
        };
        let errno = self.ask(&request);
        Killed::of(errno.unwrap_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO)))
    }

    /// The error number in the kernel's answer to a request.
    fn ask(&mut self, request: &DestroyRequest) -> io::Result<i32> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request.encode(self.sequence))?;
        let mut buffer = [0; BUFFER];
        loop {
            let length = self.socket.receive(&mut buffer)?.min(BUFFER);
            let datagram = buffer.get(..length).unwrap_or(&[]);
            let answer = Messages::new(datagram)
                .filter_map(Result::ok)
                .find(|message| message.kind == NLMSG_ERROR && message.sequence == self.sequence);
            if let Some(answer) = answer {
                return Ok(Answer::of_error(&answer).errno);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_word_and_a_reason() {
        for (errno, word, words) in [
            (libc::ENOENT, "gone", "ended before"),
            (libc::EPERM, "not_permitted", "CAP_NET_ADMIN"),
            (libc::EOPNOTSUPP, "unsupported", "CONFIG_INET_DIAG_DESTROY"),
            (libc::ENOMEM, "failed", "os error 12"),
        ] {
            let killed = Killed::of(errno);
            assert_eq!((killed.name(), killed.is_dead()), (word, word == "gone"));
            assert!(killed.reason().unwrap().contains(words), "{killed:?}");
        }
        assert_eq!((Killed::of(0), Killed::Killed.reason()), (Killed::Killed, None));
    }
}
