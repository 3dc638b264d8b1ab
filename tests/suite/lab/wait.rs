//! Waits for the kernel by asking again, not by sleeping for a fixed time.

use std::time::{Duration, Instant};

/// How long tests wait for what has to come: an emulated machine takes twenty times as long as a
/// real one.
pub const PATIENCE: Duration = Duration::from_secs(120);
const BETWEEN: Duration = Duration::from_millis(5);

/// Asks until there is an answer; fails after two minutes.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "timed out waiting for {what}");
        std::thread::sleep(BETWEEN);
    }
}

/// Waits until `holds` returns true.
pub fn settles(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}
