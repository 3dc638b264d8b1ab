//! The last minutes of a recording, in memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::totals::RecordedTotals;

/// Segments that the time is divided into: one is dropped as a whole.
const SEGMENTS: u32 = 8;

/// A part of the time, a recording by itself.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) bytes: Vec<u8>,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) totals: RecordedTotals,
}

/// Segments that follow each other.
#[derive(Debug)]
pub(super) struct Ring {
    span: Duration,
    /// The most bytes to keep.
    most: u64,
    segments: VecDeque<Segment>,
    /// When a trigger last wrote it.
    triggered: Option<Instant>,
    /// How often it was written.
    pub(super) writings: u64,
}

impl Ring {
    /// Keeps the samples of this time, in no more than this number of bytes.
    pub(super) fn new(span: Duration, most: u64) -> Self {
        Self { span, most, segments: VecDeque::new(), triggered: None, writings: 0 }
    }

    /// Whether a segment of this age and size is full.
    pub(super) fn is_due(&self, age: Duration, size: u64) -> bool {
        age >= self.span / SEGMENTS || size >= self.most / u64::from(SEGMENTS)
    }

    /// Adds a segment and drops those that are older than the span or too many.
    pub(super) fn push(&mut self, mut segment: Segment) {
        let now = segment.ended;
        segment.bytes.shrink_to_fit();
        self.segments.push_back(segment);
        while self.segments.len() > 1
            && (self.bytes() > self.most
                || self.segments.front().is_some_and(|first| now - first.ended > self.span))
        {
            self.segments.pop_front();
        }
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes.len() as u64).sum()
    }

    /// When the oldest segment began, and the bytes of all, without the one that is being written.
    pub(super) fn kept(&self) -> (Option<Instant>, u64) {
        (self.segments.front().map(|first| first.begun), self.bytes())
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Whether a trigger may write it: once in the time that is kept.
    pub(super) fn trigger(&mut self, now: Instant) -> bool {
        let may = self.triggered.is_none_or(|before| now - before >= self.span);
        if may {
            self.triggered = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(begun: Instant, seconds: u64, bytes: usize) -> Segment {
        let ended = begun + Duration::from_secs(seconds);
        let bytes = vec![0; bytes];
        Segment { bytes, begun, ended, totals: RecordedTotals::default() }
    }

    #[test]
    fn old_segments_go() {
        let start = Instant::now();
        let mut ring = Ring::new(Duration::from_secs(80), 1000);
        for number in 0..100 {
            ring.push(segment(start + Duration::from_secs(10 * number), 10, 10));
            let (since, bytes) = ring.kept();
            let kept = start + Duration::from_secs(10 * number + 10) - since.unwrap();
            // All of the span, and at most one segment more.
            assert!(kept <= Duration::from_secs(90) && bytes <= 90);
            assert!(number < 9 || kept >= Duration::from_secs(80));
        }
        assert!(ring.is_due(Duration::from_secs(10), 0));
        assert!(!ring.is_due(Duration::from_secs(9), 124));
        assert!(ring.is_due(Duration::ZERO, 125));
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut ring = Ring::new(Duration::from_secs(3600), 1000);
        for number in 0..50 {
            ring.push(segment(start + Duration::from_secs(number), 1, 130));
            assert!(ring.kept().1 <= 1000);
        }
        assert_eq!(ring.segments().count(), 7);
        // A single one is kept whatever its size.
        ring.push(segment(start, 100, 5000));
        assert_eq!(ring.segments().count(), 1);
    }

    #[test]
    fn a_trigger_writes_once_in_the_time_that_is_kept() {
        let start = Instant::now();
        let mut ring = Ring::new(Duration::from_secs(60), 1);
        let at = |second| start + Duration::from_secs(second);
        assert!(ring.trigger(at(0)));
        assert!(!ring.trigger(at(59)));
        assert!(ring.trigger(at(60)));
        assert!(!ring.trigger(at(61)));
    }
}
