//! Where state is kept between runs.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::HistoryError;

/// `$XDG_STATE_HOME/tcpdiag`, by default `~/.local/state/tcpdiag`. Relative paths are ignored,
/// as the specification wants.
///
/// # Errors
/// When neither variable is of use.
pub fn state_directory() -> Result<PathBuf, HistoryError> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|state| state.join("tcpdiag"))
        .ok_or(HistoryError::NoHome)
}

/// Makes the directory, for its owner only, unless it is there. One that is another user's is
/// refused: root with a user's HOME, as under sudo, would leave files there that the user
/// cannot replace.
pub(super) fn prepare(path: &Path) -> Result<(), HistoryError> {
    let own = rustix::process::geteuid().as_raw();
    let existing = path.ancestors().find_map(|part| fs::metadata(part).ok());
    // Below a directory of root's, making ours is either allowed or fails, which is said then.
    let may_be_roots = !path.exists();
    let is_ours = |uid: u32| uid == own || (may_be_roots && uid == 0);
    if existing.is_some_and(|found| !is_ours(found.uid())) {
        return Err(HistoryError::NotOurs { path: path.to_owned() });
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(HistoryError::io("create", path))
}
