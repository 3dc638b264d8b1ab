//! Why a recording cannot be written.

use std::io;
use std::path::{Path, PathBuf};

/// Why a recording cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path is `-`.
    #[error("a recording goes to a file, not to standard output: give it a name")]
    StandardOutput,
    /// The file exists, and was not to be overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The file is a symbolic link, by which another user could choose what is overwritten.
    #[error("{} is a symbolic link, which is not followed: name the file itself", path.display())]
    Link {
        /// Which.
        path: PathBuf,
    },
    /// The file cannot be created.
    #[error("cannot create {}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A time cannot be put into the name.
    #[error("{}: a time goes into the name, so it has to be UTF-8", path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The directory of the file does not exist, or is no directory.
    #[error("{} is no directory", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
    },
    /// The store has one file only, so none follows it.
    #[error("there is one file only")]
    OneFile,
}

impl StoreError {
    /// That a file cannot be written.
    pub fn write(path: &Path, error: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source: error }
    }
}
