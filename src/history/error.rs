//! Why a file of past readings was not used.

use std::io;
use std::path::PathBuf;

/// A failure that leaves the file as it is.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is no place for state.
    #[error("no place for it: neither XDG_STATE_HOME nor HOME is set to an absolute path")]
    NoHome,
    /// Something of the file system failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory is another user's, as under sudo.
    #[error("{} belongs to another user", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a file of tcpdiag ({reason}), so it is left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another run holds it.
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
