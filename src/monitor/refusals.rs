//! Network namespaces that cannot be watched, and when to try again.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

/// The time before the first further attempt; each one that fails doubles it.
const FIRST: Duration = Duration::from_secs(5);

/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(600);

/// The namespaces, by inode.
#[derive(Debug, Default)]
pub(super) struct Refusals(FxHashMap<u64, Refusal>);

#[derive(Debug)]
struct Refusal {
    reason: String,
    /// Whether the reason was reported.
    is_told: bool,
    /// Since when it is not watched, if it is not.
    since: Option<Instant>,
    /// The time before the next attempt.
    wait: Duration,
}

impl Refusals {
    /// Notes that a namespace is not watched from `now` on. `is_lasting`: an attempt is not likely to
    /// succeed soon, so each waits twice as long as the one before.
    pub(super) fn add(&mut self, inode: u64, reason: String, is_lasting: bool, now: Instant) {
        let refusal = self.0.entry(inode).or_insert_with(|| Refusal {
            reason: String::new(),
            is_told: false,
            since: None,
            wait: Duration::ZERO,
        });
        if refusal.reason != reason {
            (refusal.reason, refusal.is_told) = (reason, false);
        }
        refusal.since = Some(now);
        refusal.wait = if is_lasting { (2 * refusal.wait).clamp(FIRST, LONGEST) } else { FIRST };
    }

    /// Notes that a namespace is watched again. Whether that lasts is not known yet.
    pub(super) fn open(&mut self, inode: u64) {
        if let Some(refusal) = self.0.get_mut(&inode) {
            refusal.since = None;
        }
    }

    /// Why a namespace is not tried at this time; `None` if it is.
    pub(super) fn waits(&self, inode: u64, now: Instant) -> Option<&str> {
        let refusal = self.0.get(&inode)?;
        let passed = now.saturating_duration_since(refusal.since?);
        (passed < refusal.wait).then_some(&refusal.reason)
    }

    /// The reasons that were not returned before.
    pub(super) fn take_new(&mut self) -> Vec<String> {
        let new = self.0.values_mut().filter(|refusal| !refusal.is_told);
        let mut reasons: Vec<String> = new
            .map(|refusal| {
                refusal.is_told = true;
                refusal.reason.clone()
            })
            .collect();
        reasons.sort_unstable();
        reasons
    }

    /// Forgets namespaces that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.0.retain(|inode, _| is_there(*inode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which a namespace is tried that fails at each attempt.
    fn attempts(refusals: &mut Refusals, is_lasting: bool, start: Instant) -> Vec<u64> {
        let mut tried = Vec::new();
        for second in 0..2000 {
            let now = start + Duration::from_secs(second);
            if refusals.waits(7, now).is_none() {
                refusals.open(7);
                refusals.add(7, "it fails".to_owned(), is_lasting, now);
                tried.push(second);
            }
        }
        tried
    }

    #[test]
    fn what_keeps_failing_is_tried_less_often_and_told_once() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let tried = attempts(&mut refusals, true, start);
        assert_eq!(tried, [0, 5, 15, 35, 75, 155, 315, 635, 1235, 1835]);
        assert_eq!(refusals.take_new(), ["it fails"]);
        refusals.add(7, "it fails".to_owned(), true, start);
        assert_eq!(refusals.take_new(), [""; 0]);
        // Another reason is news.
        refusals.add(7, "it is gone".to_owned(), true, start);
        assert_eq!(refusals.take_new(), ["it is gone"]);
        refusals.retain(|_| false);
        assert_eq!(refusals.waits(7, start), None);
    }

    #[test]
    fn a_shortage_may_end_at_any_time() {
        let tried = attempts(&mut Refusals::default(), false, Instant::now());
        assert_eq!(tried.len(), 400, "every 5 s");
    }
}
