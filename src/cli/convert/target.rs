//! Where a conversion goes.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

/// For the owner's eyes only, as the recording is.
const MODE: u32 = 0o600;

/// A new file, or with `force` an empty one; never the one that is read.
pub(super) fn create(path: &Path, force: bool, read: &File) -> anyhow::Result<File> {
    let cannot = || format!("cannot create {}", path.display());
    let source = read.metadata().with_context(cannot)?;
    if fs::metadata(path).is_ok_and(|old| (old.dev(), old.ino()) == (source.dev(), source.ino())) {
        bail!("{} is the recording itself; it cannot be read and written at once", path.display());
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow!("{} exists already; --force overwrites it", path.display())
        }
        _ => anyhow::Error::new(error).context(cannot()),
    })?;
    if force && file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        file.set_permissions(fs::Permissions::from_mode(MODE)).with_context(cannot)?;
    }
    Ok(file)
}
