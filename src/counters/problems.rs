//! Which counters indicate problems.

use super::Catalogue;

/// Categories of the catalogue whose counters do not move while all is well.
const CATEGORIES: [&str; 14] = [
    "syncookies",
    "listen",
    "rto",
    "retransmission",
    "recovery",
    "undo",
    "dsack",
    "reordering",
    "window",
    "memory",
    "abort",
    "reset",
    "paws",
    "authentication",
];

/// Whether growth of a counter indicates a problem. Counters outside these categories do if the
/// catalogue gives a healthy range for them. Counters that the catalogue does not know may.
pub fn indicates_problem(name: &str) -> bool {
    Catalogue::builtin().entry(name).is_some_and(|entry| {
        CATEGORIES.contains(&entry.category.as_str()) || entry.healthy.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_exists() {
        for category in CATEGORIES {
            assert!(Catalogue::builtin().category(category).is_some(), "{category}");
        }
    }
}
