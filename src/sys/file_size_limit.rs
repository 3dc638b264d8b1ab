//! The limit on the size of files (RLIMIT_FSIZE, `ulimit -f`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// From now on, writing beyond the limit on the size of files fails with EFBIG. By default SIGXFSZ
/// ends the process instead (`generic_write_check_limits`, Linux 6.12), without a word and without
/// what it would do at its end.
pub fn fail_at_file_size_limit() {
    // Only handling it matters. Unlike an ignored signal, a handled one is not passed on to other
    // programs. Registering fails for signals that cannot be handled only.
    let _ = signal_hook::flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// What a write beyond the limit is told as.
pub const FILE_SIZE_LIMIT: &str =
    "the limit on the size of files is reached (ulimit -f, or that of the file system)";

/// The error of a write, in words that name the limit if that is why.
pub fn explain_write_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::new(io::ErrorKind::FileTooLarge, FILE_SIZE_LIMIT),
        _ => error,
    }
}
