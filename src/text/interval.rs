//! Lengths of time.

use std::time::Duration;

use jiff::SignedDuration;

/// Shorter than this the tool would be its own trouble.
const SHORTEST: Duration = Duration::from_millis(10);

/// A year. Added to a point in time much more would overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A length of time between samples.
///
/// # Errors
/// What is accepted, where it is something else.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let accepted = "a time such as 500ms, 1 (second), 1.5s or 2m, at least 10ms";
    // A number alone is in seconds, as other tools take it.
    let number =
        text.parse().ok().filter(|_| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')));
    let parsed = match number {
        Some(seconds) => SignedDuration::try_from_secs_f64(seconds).ok(),
        None => text.parse().ok(),
    };
    let parsed: SignedDuration =
        parsed.ok_or_else(|| format!("`{text}` is no time; accepted is {accepted}"))?;
    // Less than nothing is too short as well.
    let duration = Duration::try_from(parsed).unwrap_or_default();
    if duration < SHORTEST {
        return Err(format!("`{text}` is too short; accepted is {accepted}"));
    }
    if duration > LONGEST {
        return Err(format!("`{text}` is too long; accepted is {accepted}, and at most a year"));
    }
    Ok(duration)
}
