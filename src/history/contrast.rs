//! Tests whether the counts of two periods differ by more than chance.

/// Events counted per interval, and the exposure they are divided by: seconds or segments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// Events.
    pub events: f64,
    /// The total exposure.
    pub exposure: f64,
    /// Sum over the intervals of events squared divided by exposure.
    squares: f64,
    /// Intervals with an exposure.
    intervals: u64,
}

impl Count {
    /// Adds an interval. Intervals without exposure are ignored.
    pub fn add(&mut self, events: f64, exposure: f64) {
        if exposure > 0.0 {
            self.events += events;
            self.exposure += exposure;
            self.squares += events * events / exposure;
            self.intervals += 1;
        }
    }

    /// Adds intervals without events.
    pub fn add_idle(&mut self, exposure: f64, intervals: u64) {
        if exposure > 0.0 {
            self.exposure += exposure;
            self.intervals += intervals;
        }
    }

    /// Events divided by exposure; `None` without exposure.
    pub fn rate(&self) -> Option<f64> {
        (self.exposure > 0.0).then(|| self.events / self.exposure)
    }

    /// The number of intervals.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Pearson's statistic over the intervals: their deviation from the mean, relative to
    /// independent events.
    fn pearson(&self) -> f64 {
        match self.rate() {
            Some(rate) if rate > 0.0 => (self.squares / rate - self.events).max(0.0),
            _ => 0.0,
        }
    }
}

/// The difference between two counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The later rate divided by the earlier; `None` if the earlier is zero.
    pub factor: Option<f64>,
    /// The difference in standard deviations; `None` if these cannot be estimated.
    pub sigma: Option<f64>,
    /// The size of the change: the logarithm of the factor, with half an event added to both so
    /// that none and few are not infinitely far apart.
    pub effect: f64,
}

impl Contrast {
    /// Compares two counts. `None` if one has no exposure.
    ///
    /// Independent events would vary like a Poisson process. Segments come in bursts, so the
    /// variation between intervals is measured and used if it is larger. Times (`timed`) have no
    /// such lower bound on their variation: they need two intervals on each side.
    pub fn between(before: &Count, after: &Count, timed: bool) -> Option<Self> {
        let (earlier, later) = (before.rate()?, after.rate()?);
        let intervals = before.intervals + after.intervals;
        let freedom = intervals.saturating_sub(2) as f64;
        let spread = match freedom {
            0.0 if timed => None,
            0.0 => Some(1.0),
            freedom => {
                let measured = (before.pearson() + after.pearson()) / freedom;
                Some(if timed { measured } else { measured.max(1.0) })
            }
        };
        let common = (before.events + after.events) / (before.exposure + after.exposure);
        let sigma = spread.and_then(|spread| {
            let variance = spread * common * (1.0 / before.exposure + 1.0 / after.exposure);
            (variance > 0.0).then(|| (later - earlier) / variance.sqrt())
        });
        let smoothed = |count: &Count| ((count.events + 0.5) / count.exposure).ln();
        Some(Self {
            factor: (earlier > 0.0).then(|| later / earlier),
            sigma,
            effect: (smoothed(after) - smoothed(before)).abs(),
        })
    }

    /// Whether the difference is at least this many standard deviations.
    pub fn is_beyond(&self, sigma: f64) -> bool {
        self.sigma.is_some_and(|measured| measured.abs() > sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(intervals: &[(f64, f64)]) -> Count {
        let mut count = Count::default();
        intervals.iter().for_each(|&(events, exposure)| count.add(events, exposure));
        count
    }

    #[test]
    fn few_events_are_not_significant() {
        // Four in a minute, then nine: chance. Forty, then ninety: a change.
        let minute = |events: f64| count(&[(events, 60.0)]);
        let few = Contrast::between(&minute(4.0), &minute(9.0), false).unwrap();
        let many = Contrast::between(&minute(40.0), &minute(90.0), false).unwrap();
        assert!(!few.is_beyond(3.0) && many.is_beyond(3.0), "{few:?} {many:?}");
        assert_eq!(many.factor, Some(2.25));
        // (90 - 40) / sqrt(130).
        assert!((many.sigma.unwrap() - 50.0 / 130f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn bursts_are_not_significant() {
        let steady = count(&[(100.0, 1.0); 10]);
        let more = count(&[(130.0, 1.0); 10]);
        assert!(Contrast::between(&steady, &more, false).unwrap().is_beyond(3.0));
        // The same sums, all in one of ten intervals.
        let mut bursts = [(0.0, 1.0); 10];
        bursts[3].0 = 1000.0;
        let before = count(&bursts);
        bursts[3].0 = 1300.0;
        let after = count(&bursts);
        assert_eq!(before.rate(), steady.rate());
        assert!(!Contrast::between(&before, &after, false).unwrap().is_beyond(3.0));
    }

    #[test]
    fn no_events_compared_with_some() {
        let none = count(&[(0.0, 10.0)]);
        let contrast = Contrast::between(&none, &count(&[(50.0, 10.0)]), false).unwrap();
        assert_eq!(contrast.factor, None);
        assert!(contrast.is_beyond(3.0) && contrast.effect > 4.0);
        let same = Contrast::between(&none, &none, false).unwrap();
        assert_eq!((same.sigma, same.effect), (None, 0.0));
        assert_eq!(Contrast::between(&Count::default(), &none, false), None);
        assert_eq!(count(&[(5.0, 0.0)]), Count::default());
    }

    #[test]
    fn times_use_their_own_variation() {
        let of =
            |means: &[f64]| count(&means.iter().map(|mean| (mean * 8.0, 8.0)).collect::<Vec<_>>());
        let before = of(&[20_000.0, 21_000.0, 19_000.0, 20_500.0]);
        let close = of(&[20_400.0, 21_300.0, 19_900.0, 20_100.0]);
        let far = of(&[60_000.0, 61_000.0, 58_000.0, 60_500.0]);
        assert!(!Contrast::between(&before, &close, true).unwrap().is_beyond(3.0));
        assert!(Contrast::between(&before, &far, true).unwrap().is_beyond(3.0));
        let once = Contrast::between(&of(&[1.0]), &of(&[1e6]), true).unwrap();
        assert_eq!(once.sigma, None);
    }
}
