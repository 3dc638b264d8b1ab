//! The directory for state that is kept between runs.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::HistoryError;

/// `$XDG_STATE_HOME/tcpdiag`, by default `~/.local/state/tcpdiag`. Relative paths are ignored, as
/// the specification requires.
///
/// # Errors
/// If neither variable is usable.
pub fn state_directory() -> Result<PathBuf, HistoryError> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|state| state.join("tcpdiag"))
        .ok_or(HistoryError::NoHome)
}

/// Creates the directory, for its owner only, unless it exists. Refuses one that belongs to another
/// user: root with a user's HOME, as under sudo, would leave files there that the user cannot
/// replace.
pub(super) fn prepare(path: &Path) -> Result<(), HistoryError> {
    let user = rustix::process::geteuid().as_raw();
    let existing = path.ancestors().find_map(|part| fs::metadata(part).ok());
    // Below a directory of root, creating ours either works or fails with an error.
    let may_be_roots = !path.exists();
    let is_ours = |uid: u32| uid == user || (may_be_roots && uid == 0);
    if existing.is_some_and(|found| !is_ours(found.uid())) {
        return Err(HistoryError::NotOurs { path: path.to_owned() });
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(HistoryError::io("create", path))
}
