//! What can go wrong when asking.

use std::io;

/// Why the kernel's answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on the netlink socket failed.
    #[error("cannot {operation} the netlink socket for sock_diag: {source}")]
    Socket {
        /// `open`, `send to`, `receive from`.
        operation: &'static str,
        /// What the call answered.
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error(
        "the kernel refused to list TCP sockets: {} (errno {errno}){}",
        io::Error::from_raw_os_error(*errno).kind(),
        text.as_deref().map(|text| format!(": {text}")).unwrap_or_default()
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
