//! Random bytes for keys.

use std::fs::File;
use std::io::{self, Read as _};

/// Random bytes from the kernel.
///
/// # Errors
/// Where there is no /dev/urandom.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
