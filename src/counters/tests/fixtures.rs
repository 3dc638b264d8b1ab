//! Real captures of /proc/net.

use std::path::{Path, PathBuf};

/// The kernels with captures.
pub(super) const KERNELS: [&str; 5] = ["5.10.223", "6.1.192", "6.12.107", "6.18.44", "7.2.13"];

/// Directory of the counter files of a capture: `dump` or `after`.
pub(super) fn dir(kernel: &str, moment: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(kernel).join(moment)
}

/// Text of a counter file.
pub(super) fn text(kernel: &str, file: &str) -> String {
    std::fs::read_to_string(dir(kernel, "dump").join(file)).unwrap()
}
