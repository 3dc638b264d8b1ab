//! What can go wrong when asking, and the way out. Every command prints these texts.

use std::io;

/// Why the kernel's answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on the netlink socket failed.
    #[error("cannot {operation} the netlink socket for sock_diag: {}", Cause::of_call(source))]
    Socket {
        /// `open`, `send to`, `receive from`.
        operation: &'static str,
        /// What the call answered.
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error(
        "the kernel refused to list TCP sockets: {}{}",
        text.as_deref().map(|text| format!("{text}: ")).unwrap_or_default(),
        Cause::of_reply(*errno)
    )]
    Refused {
        /// The kernel's error number.
        errno: i32,
        /// Its own words, where it sends any.
        text: Option<String>,
    },
}

impl Error {
    /// The kernel's error number, if it gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Socket { source, .. } => source.raw_os_error(),
        }
    }
}

/// An error of sock_diag in words, and what can be done about it.
#[derive(Debug)]
pub(super) struct Cause {
    words: String,
    advice: Option<&'static str>,
}

impl Cause {
    /// Of a system call on a netlink socket.
    pub(super) fn of_call(error: &io::Error) -> Self {
        let advice = match error.raw_os_error() {
            // The answer of systemd's filter (`seccomp_restrict_address_families()`).
            Some(libc::EAFNOSUPPORT) => Some(
                "a sandbox forbids netlink sockets; allow them: in a systemd unit by AF_NETLINK in \
                 RestrictAddressFamilies=, in a container by a seccomp profile with \
                 socket(AF_NETLINK)",
            ),
            // A seccomp filter, or a security module.
            Some(libc::EPERM | libc::EACCES) => Some(
                "a sandbox or security module forbids netlink sockets, which need no capability; \
                 allow them: in a container by a seccomp profile with socket(AF_NETLINK), in a \
                 systemd unit by SystemCallFilter=, in SELinux by the class netlink_tcpdiag_socket",
            ),
            // `netlink_create()`: no such protocol is registered.
            Some(libc::EPROTONOSUPPORT) => Some(
                "this kernel has no sock_diag: it was built without CONFIG_INET_DIAG, or is one \
                 that a sandbox imitates, where only the host's own can list sockets",
            ),
            _ => None,
        };
        Self { words: error.to_string(), advice }
    }

    /// Of an error number in a reply.
    fn of_reply(errno: i32) -> Self {
        let advice = match errno {
            // `inet_diag_lock_handler()` and `sock_diag_lock_handler()`: no handler for TCP, and the
            // kernel could not load one. `sock_diag_rcv_msg()`: none for the old request.
            libc::ENOENT | libc::EOPNOTSUPP => Some(
                "its module for that is not loaded: run `modprobe tcp_diag` as root, on the host of \
                 a container; a kernel without it needs CONFIG_INET_DIAG and CONFIG_INET_TCP_DIAG",
            ),
            libc::EPERM | libc::EACCES => Some(
                "a security module forbids it; in SELinux allow nlmsg_read of the class \
                 netlink_tcpdiag_socket",
            ),
            _ => None,
        };
        Self { words: io::Error::from_raw_os_error(errno).to_string(), advice }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.words)?;
        self.advice.map_or(Ok(()), |advice| write!(formatter, "; {advice}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_and_a_forbidden_request_name_the_way_out() {
        // 6.1.192 without tcp_diag answers ENOENT to all forms of the request; before, a kernel
        // without inet_diag answers EOPNOTSUPP to the old one.
        for errno in [libc::ENOENT, libc::EOPNOTSUPP] {
            let text = Error::Refused { errno, text: None }.to_string();
            assert!(text.contains("`modprobe tcp_diag` as root"), "{text}");
        }
        let text = Error::Refused { errno: libc::EACCES, text: Some("why".to_owned()) }.to_string();
        assert!(text.starts_with("the kernel refused to list TCP sockets: why: Permission denied"));
        assert!(text.contains("netlink_tcpdiag_socket"), "{text}");
        let plain = Error::Refused { errno: libc::ENOMEM, text: None }.to_string();
        assert!(plain.ends_with("(os error 12)"), "{plain}");
    }
}
