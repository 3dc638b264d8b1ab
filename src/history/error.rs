//! Errors of files of past readings.

use std::io;
use std::path::PathBuf;

/// A failure. The file remains unchanged.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is no directory for state.
    #[error("no directory for it: neither XDG_STATE_HOME nor HOME is set to an absolute path")]
    NoHome,
    /// A file system operation failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// The operation.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The directory belongs to another user, for example under sudo.
    #[error("{} belongs to another user", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// The file is not one of ours.
    #[error("{} is not a file of tcpdiag ({reason}), so it is left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// Another run has locked it.
    #[error("{} is in use by another tcpdiag", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
}

impl HistoryError {
    pub(super) fn io(
        operation: &'static str,
        path: &std::path::Path,
    ) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path: path.clone(), source }
    }
}
