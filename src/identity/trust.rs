//! Whether the holder of a listener also holds the connections that it accepts.
//!
//! Looking up the holder of every connection is expensive: a walk through /proc costs 1.6 to 3 µs
//! for each descriptor. Where one program holds a listener, a sample of its connections shows
//! whether it keeps them. A super-server, socket activation and listeners passed to another program
//! are found this way.

/// Connections whose holders are looked up before a listener is trusted.
const SAMPLE: u32 = 4;

/// What a sample of a listener's connections has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// Pending lookups.
    asked: u32,
    /// Connections that the listener's own program holds.
    confirmed: u32,
    /// Some connection is held by another program.
    refuted: bool,
    /// It would cost too much to find out.
    assumed: bool,
}

/// What to do about a connection's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Look it up.
    Ask,
    /// Wait for the pending lookups.
    Await,
    /// Assume the listener's program.
    Trust,
}

impl Trust {
    /// What to do about the next connection.
    pub(super) fn next(&mut self) -> Sampling {
        if self.refuted {
            return Sampling::Ask;
        }
        if self.assumed || self.confirmed >= SAMPLE {
            return Sampling::Trust;
        }
        if self.asked < SAMPLE {
            self.asked += 1;
            return Sampling::Ask;
        }
        Sampling::Await
    }

    /// Marks the pending lookups as finished.
    pub(super) fn settle(&mut self) {
        self.asked = 0;
    }

    /// Cancels the pending lookups, which would cost too much: the listener's program is assumed.
    pub(super) fn assume(&mut self) {
        self.assumed |= self.asked > 0;
    }

    /// Records the holder of a connection.
    pub(super) fn learn(&mut self, is_own: bool) {
        if is_own {
            self.confirmed = self.confirmed.saturating_add(1);
        } else {
            self.refuted = true;
        }
    }

    /// Has one more connection looked up, since a listener's holder may change at any time.
    pub(super) fn sample_again(&mut self) {
        self.assumed = false;
        if self.confirmed >= SAMPLE {
            self.confirmed = SAMPLE - 1;
            self.asked = SAMPLE - 1;
        }
    }

    /// Whether connections are known to be held by the listener's program.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed > 0 && !self.refuted && !self.assumed
    }

    /// Whether nothing is known yet.
    pub(super) fn is_open(&self) -> bool {
        self.confirmed == 0 && !self.refuted && !self.assumed
    }

    /// Whether other programs hold connections.
    pub(super) fn is_refuted(&self) -> bool {
        self.refuted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_trusted_after_a_sample() {
        let mut trust = Trust::default();
        for _ in 0..SAMPLE {
            assert_eq!(trust.next(), Sampling::Ask);
        }
        assert_eq!(trust.next(), Sampling::Await);
        assert!(!trust.is_confirmed());
        (0..SAMPLE).for_each(|_| trust.learn(true));
        trust.settle();
        assert_eq!(trust.next(), Sampling::Trust);
        assert!(trust.is_confirmed());
        // Once an interval one more is looked up.
        trust.sample_again();
        assert_eq!(trust.next(), Sampling::Ask);
        assert_eq!(trust.next(), Sampling::Await);
        trust.settle();
        trust.learn(false);
        assert_eq!(trust.next(), Sampling::Ask);
        assert!(!trust.is_confirmed() && trust.is_refuted());
    }

    #[test]
    fn what_costs_too_much_to_find_out_is_assumed_but_not_confirmed() {
        let mut trust = Trust::default();
        trust.assume();
        assert_eq!(trust.next(), Sampling::Ask, "nothing was asked before");
        trust.assume();
        trust.settle();
        assert_eq!(trust.next(), Sampling::Trust);
        assert!(!trust.is_confirmed());
        trust.sample_again();
        assert_eq!(trust.next(), Sampling::Ask);
    }

    #[test]
    fn lookups_without_an_answer_are_repeated() {
        let mut trust = Trust::default();
        while trust.next() == Sampling::Ask {}
        trust.settle();
        assert_eq!(trust.next(), Sampling::Ask);
    }
}
