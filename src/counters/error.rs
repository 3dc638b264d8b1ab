//! Errors in the catalogue's data and in reading counter files.

use std::io;
use std::path::PathBuf;

/// A catalogue file that is not valid. Cannot happen with the built-in one.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is no TOML, or has other keys.
    #[error("cannot parse catalogue file {file}")]
    Parse {
        /// Which file.
        file: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// An entry names a category that no file defines.
    #[error("{entry}: there is no category {category:?}")]
    Category {
        /// The entry.
        entry: String,
        /// The category it names.
        category: String,
    },
}

/// A counter file that could not be read. An absent file is no error.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file exists, but cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is open, but reading it failed.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory has no counter files.
    #[error("no counter files in {root} (wanted snmp or netstat)")]
    Nothing {
        /// The directory.
        root: PathBuf,
    },
}
