use proptest::prelude::*;

use super::*;

const ANYTHING: Share = Share { low: 0, high: u64::MAX, weight: 0.0, likely: u64::MAX };

#[test]
fn divides_known_cases() {
    let exactly = Share::exactly;
    // Known values; the rest is outside.
    let division = divide(10, &[exactly(3), exactly(5)], ANYTHING);
    assert_eq!(division.rows, [Estimate::exactly(3), Estimate::exactly(5)]);
    assert_eq!(division.outside, 2);
    // The rows show more than the total: divide the total, and lower the lower limits.
    let division = divide(6, &[exactly(4), exactly(4)], ANYTHING);
    let half = Estimate { value: 3, low: 2, high: 4 };
    assert_eq!((division.rows, division.outside), (vec![half, half], 0));
    // Limits and proportions, and limits that narrow each other.
    let rows = [Share::between(0, 2, 9.0), Share::between(0, 100, 1.0)];
    let division = divide(10, &rows, exactly(0));
    let wanted = [Estimate { value: 2, low: 0, high: 2 }, Estimate { value: 8, low: 8, high: 10 }];
    assert_eq!((division.rows, division.outside), (wanted.to_vec(), 0));
    // Only one row can have had it.
    let division = divide(7, &[Share::between(0, 0, 1.0), Share::between(0, 9, 1.0)], exactly(0));
    assert_eq!(division.rows, [Estimate::exactly(0), Estimate::exactly(7)]);
    // No row can have had it: it stays outside, whatever the limit of outside.
    let division = divide(7, &[Share::between(0, 3, 1.0)], exactly(0));
    assert_eq!((division.rows, division.outside), (vec![Estimate::exactly(3)], 4));
    // An improbable amount goes outside while outside is below its limit.
    let rows = [Share::between(0, u64::MAX, 1.0).likely(2)];
    let division = divide(7, &rows, ANYTHING);
    assert_eq!(division.rows, [Estimate { value: 2, low: 0, high: 7 }]);
    assert_eq!(divide(7, &rows, exactly(0)).rows, [Estimate::exactly(7)]);
}

prop_compose! {
    fn share()(low in 0u64..20, more in 0u64..40, weight in prop_oneof![Just(0.0), 0.01f64..100.0],
        unlimited in any::<bool>(), likely in 0u64..60) -> Share {
        let high = if unlimited { u64::MAX } else { low + more };
        Share::between(low, high, weight).likely(likely)
    }
}

proptest! {
    #[test]
    fn everything_adds_up(total in 0u64..400, rows in prop::collection::vec(share(), 0..12),
        outside in share()) {
        let division = divide(total, &rows, outside);
        let sum: u64 = division.rows.iter().map(|row| row.value).sum();
        prop_assert_eq!(sum + division.outside, total);
        for row in &division.rows {
            prop_assert!(row.low <= row.value && row.value <= row.high);
        }
    }

    /// For any truth within the rows' own limits.
    #[test]
    fn bounds_contain_the_truth(truth in prop::collection::vec((0u64..50, 0u64..9, 0u64..9, 0.0f64..5.0), 0..10),
        outside in (0u64..50, 0u64..9, 0u64..9)) {
        let around = |value: u64, below: u64, above: u64, weight| {
            Share::between(value.saturating_sub(below), value + above, weight)
        };
        let rows: Vec<Share> = truth.iter().map(|&(value, below, above, weight)| around(value, below, above, weight)).collect();
        let total = truth.iter().map(|row| row.0).sum::<u64>() + outside.0;
        let division = divide(total, &rows, around(outside.0, outside.1, outside.2, 0.0));
        for (row, (value, ..)) in division.rows.iter().zip(&truth) {
            prop_assert!(row.low <= *value && *value <= row.high, "{row:?} {value}");
        }
    }
}
