//! Whether a share is above a limit beyond chance.

/// The chance that is taken of calling a share too large that is not.
const CHANCE: f64 = 0.01;

/// Events from which the normal distribution is close enough.
const MANY: u64 = 1_000;

/// The normal quantile of [`CHANCE`].
const QUANTILE: f64 = 2.326;

/// Whether `events` out of `whole` show a share above `limit`: if the true share were the limit, so
/// many events would be seen in one of a hundred samples at most. This is the lower end of the
/// exact one-sided 99 % interval (Clopper and Pearson, 1934) against the limit. Ratios that are no
/// shares, with more events than the whole, are taken as counts (Poisson).
pub fn is_above(events: u64, whole: u64, limit: f64) -> bool {
    if events == 0 || whole == 0 || events as f64 <= limit * whole as f64 {
        return false;
    }
    if limit <= 0.0 {
        return true;
    }
    if events > whole || limit >= 1.0 {
        return poisson_tail(events, limit * whole as f64) <= CHANCE;
    }
    if events > MANY {
        return normal_lower_end(events as f64, whole as f64) > limit;
    }
    binomial_tail(events, whole, limit) <= CHANCE
}

/// The probability of `least` or more events in `whole` trials.
fn binomial_tail(least: u64, whole: u64, share: f64) -> f64 {
    let odds = (share / (1.0 - share)).ln();
    let mut log = whole as f64 * (-share).ln_1p();
    let mut below = 0.0;
    for events in 0..least {
        below += log.exp();
        let left = whole.saturating_sub(events) as f64;
        log += (left / (events + 1) as f64).ln() + odds;
    }
    (1.0 - below).max(0.0)
}

/// The probability of `least` or more events where `expected` are expected.
fn poisson_tail(least: u64, expected: f64) -> f64 {
    if least > MANY {
        let (least, deviation) = (least as f64, expected.sqrt());
        return if least > expected + QUANTILE * deviation { 0.0 } else { 1.0 };
    }
    let mut log = -expected;
    let mut below = 0.0;
    for events in 0..least {
        below += log.exp();
        log += expected.ln() - ((events + 1) as f64).ln();
    }
    (1.0 - below).max(0.0)
}

/// The lower end of Wilson's interval.
fn normal_lower_end(events: f64, whole: f64) -> f64 {
    let (share, square) = (events / whole, QUANTILE * QUANTILE);
    let centre = share + square / (2.0 * whole);
    let spread = share * (1.0 - share) / whole + square / (4.0 * whole * whole);
    (centre - QUANTILE * spread.sqrt()) / (1.0 + square / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_events_can_be_beyond_chance() {
        for (events, whole, limit, expected) in [
            // Samples that are small and clear.
            (4, 16, 0.01, true),
            (9, 10, 0.1, true),
            (61, 61, 0.3, true),
            (5_023, 6_941, 0.1, true),
            // One of one is no evidence of more than 5 %, two of two are.
            (1, 1, 0.05, false),
            (2, 2, 0.05, true),
            (2, 2, 0.2, false),
            // Close to the limit.
            (12, 1_000, 0.01, false),
            (20, 1_000, 0.01, true),
            (10_100, 1_000_000, 0.01, false),
            (10_300, 1_000_000, 0.01, true),
            (0, 0, 0.0, false),
            (1, 1_000_000, 0.0, true),
            (5, 1_000, 0.01, false),
            // More events than the whole.
            (30, 10, 1.5, true),
            (16, 10, 1.5, false),
            (30_000, 10_000, 2.9, true),
        ] {
            assert_eq!(is_above(events, whole, limit), expected, "{events} of {whole} > {limit}");
        }
    }

    #[test]
    fn tails_are_those_of_tables() {
        assert!((binomial_tail(9, 10, 0.5) - 11.0 / 1024.0).abs() < 1e-12);
        assert!((binomial_tail(1, 3, 0.25) - (1.0 - 0.421_875)).abs() < 1e-12);
        assert!((poisson_tail(3, 1.0) - (1.0 - 2.5 / std::f64::consts::E)).abs() < 1e-12);
    }
}
