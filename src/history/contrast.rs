//! Whether what was counted in one time differs from what was counted in another by more than
//! chance.

/// Events counted interval by interval, and what they are measured by: seconds, segments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// Events.
    pub events: f64,
    /// What there was to have events in.
    pub exposure: f64,
    /// Sum of the square of each interval's events by its exposure.
    squares: f64,
    /// Intervals with any exposure.
    intervals: u64,
}

impl Count {
    /// Adds an interval. One without exposure says nothing.
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

    /// Events by exposure; `None` where there was none.
    pub fn rate(&self) -> Option<f64> {
        (self.exposure > 0.0).then(|| self.events / self.exposure)
    }

    /// Intervals that it was counted in.
    pub fn intervals(&self) -> u64 {
        self.intervals
    }

    /// Pearson's sum over the intervals: how far they lie from their mean, in units of what
    /// independent events would.
    fn pearson(&self) -> f64 {
        match self.rate() {
            Some(rate) if rate > 0.0 => (self.squares / rate - self.events).max(0.0),
            _ => 0.0,
        }
    }
}

/// How far two counts are from each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The later rate by the earlier; `None` where the earlier is zero.
    pub factor: Option<f64>,
    /// The difference in standard deviations of what chance makes; `None` where that cannot be
    /// told.
    pub sigma: Option<f64>,
    /// How large the change is: the logarithm of the factor, with half an event added to both so
    /// that none and few are not infinitely far apart.
    pub effect: f64,
}

impl Contrast {
    /// Compares two counts. `None` where one has no exposure.
    ///
    /// Events that came independently of each other would vary as Poisson has it. Segments come
    /// in bursts, so the variation from interval to interval is measured, and taken where it is
    /// larger. What is `timed` rather than counted has no such least variation: without two
    /// intervals on a side there is no telling.
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

    /// Whether chance is this unlikely to have made it.
    pub fn is_beyond(&self, sigma: f64) -> bool {
        self.sigma.is_some_and(|own| own.abs() > sigma)
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
    fn few_events_are_no_change() {
        // Four in a minute, then nine: chance. Forty, then ninety: not.
        let minute = |events: f64| count(&[(events, 60.0)]);
        let few = Contrast::between(&minute(4.0), &minute(9.0), false).unwrap();
        let many = Contrast::between(&minute(40.0), &minute(90.0), false).unwrap();
        assert!(!few.is_beyond(3.0) && many.is_beyond(3.0), "{few:?} {many:?}");
        assert_eq!(many.factor, Some(2.25));
        // (90 - 40) / sqrt(130).
        assert!((many.sigma.unwrap() - 50.0 / 130f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn bursts_are_no_change() {
        let steady = count(&[(100.0, 1.0); 10]);
        let more = count(&[(130.0, 1.0); 10]);
        assert!(Contrast::between(&steady, &more, false).unwrap().is_beyond(3.0));
        // The same sums, all in one interval of ten.
        let mut bursts = [(0.0, 1.0); 10];
        bursts[3].0 = 1000.0;
        let before = count(&bursts);
        bursts[3].0 = 1300.0;
        let after = count(&bursts);
        assert_eq!(before.rate(), steady.rate());
        assert!(!Contrast::between(&before, &after, false).unwrap().is_beyond(3.0));
    }

    #[test]
    fn nothing_is_compared_with_something() {
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
    fn times_vary_as_they_do() {
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
