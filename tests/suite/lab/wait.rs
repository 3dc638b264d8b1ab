//! Waits for the kernel by asking again, not by sleeping for a fixed time.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(5);

/// Asks until there is an answer; fails after half a minute.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
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
