//! The progress line of a recording.

use crate::monitor::RecordingProgress;
use crate::output::human::spelled;
use crate::output::human::{counted, in_words};

/// How far a recording is.
pub(super) fn progress_line(progress: &RecordingProgress) -> String {
    let ending = progress
        .left
        .map_or_else(|| "Ctrl-C ends it".to_owned(), |left| format!("{} left", in_words(left)));
    let sockets = counted(progress.sockets, "socket");
    if let Some((time, bytes)) = progress.kept {
        let (time, bytes) = (in_words(time), spelled(bytes));
        return format!("{sockets}, the last {time} in {bytes} of memory, {ending}");
    }
    let seconds = progress.elapsed.as_secs_f64();
    let rate = if seconds < 0.5 { 0 } else { (progress.size as f64 / seconds) as u64 };
    let samples = counted(progress.samples, "sample");
    let (size, rate) = (spelled(progress.size), spelled(rate));
    format!("{samples}, {sockets}, {size}, {rate}/s, {ending}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line() {
        let progress = RecordingProgress {
            samples: 1200,
            sockets: 10_432,
            size: 3 << 20,
            elapsed: Duration::from_secs(1200),
            left: None,
            kept: None,
        };
        let expected = "1,200 samples, 10,432 sockets, 3MiB, 2.6KiB/s, Ctrl-C ends it";
        assert_eq!(progress_line(&progress), expected);
        let timed = RecordingProgress { left: Some(Duration::from_secs(3725)), ..progress };
        assert!(progress_line(&timed).ends_with(", 1h 2m left"), "{}", progress_line(&timed));
        let ring =
            RecordingProgress { kept: Some((Duration::from_secs(599), 12 << 20)), ..progress };
        let expected = "10,432 sockets, the last 9m 59s in 12MiB of memory, Ctrl-C ends it";
        assert_eq!(progress_line(&ring), expected);
    }
}
