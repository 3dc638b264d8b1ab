//! Which counters indicate problems.

use super::Catalogue;

/// Categories of the catalogue whose counters do not move while all is well: those in which something
/// was refused or lost come first, those that only accompany it last.
const CATEGORIES: [&str; 14] = [
    "listen",
    "memory",
    "syncookies",
    "authentication",
    "abort",
    "rto",
    "retransmission",
    "recovery",
    "reset",
    "paws",
    "undo",
    "reordering",
    "dsack",
    "window",
];

/// Whether growth of a counter indicates a problem. Counters outside these categories do if the
/// catalogue gives a healthy range for them. Counters that the catalogue does not know may.
pub fn indicates_problem(name: &str) -> bool {
    Catalogue::builtin().entry(name).is_some_and(|entry| {
        CATEGORIES.contains(&entry.category.as_str()) || entry.healthy.is_some()
    })
}

/// The rank of a counter among those that indicate problems, the most serious first.
pub fn problem_rank(name: &str) -> usize {
    let entry = Catalogue::builtin().entry(name);
    let position = entry.and_then(|entry| CATEGORIES.iter().position(|it| *it == entry.category));
    position.unwrap_or(CATEGORIES.len())
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
