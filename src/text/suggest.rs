//! Known names that an unknown one may be meant for.

/// A longer word is no misspelled name, and comparing it would take long.
const LONGEST: usize = 40;

/// How far a candidate is from a misspelled word, 0 for the same; `None` if it is too far to be
/// meant. Upper and lower case are the same.
///
/// A third of the letters may be wrong, one of a short word and four at most; two letters that
/// changed places are one mistake. A candidate that contains the word is close too, the closer the
/// less it has besides.
pub fn distance(word: &str, candidate: &str) -> Option<usize> {
    let length = word.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
    let limit = (length / 3).clamp(1, 4).min(length - 1);
    let edits =
        Some(strsim::damerau_levenshtein(&word, &candidate)).filter(|&edits| edits <= limit);
    let part = (length >= 3 && candidate.contains(&word))
        .then(|| 1 + (candidate.chars().count() - length) / 3);
    edits.into_iter().chain(part).min()
}

/// The candidate nearest to a misspelled word; of several the first.
pub fn nearest<S: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = S>) -> Option<S> {
    let distances = candidates.into_iter().filter_map(|candidate| {
        let distance = distance(word, candidate.as_ref())?;
        Some((distance, candidate))
    });
    distances.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// At most `most` names near to a misspelled word, nearest first. Each name comes with all of its
/// spellings.
pub fn suggest<'a, S: AsRef<str>>(
    word: &str,
    candidates: impl IntoIterator<Item = (&'a str, impl IntoIterator<Item = S>)>,
    most: usize,
) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|(name, spellings)| {
            let distances = spellings.into_iter().filter_map(|one| distance(word, one.as_ref()));
            Some((distances.min()?, name))
        })
        .collect();
    near.sort_unstable();
    near.truncate(most);
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (word, candidate, expected) in [
            ("rtt", "rtt", Some(0)),
            ("Rtt", "rtt", Some(0)),
            ("rrt", "rtt", Some(1)),
            ("rrt", "rto", None),
            ("x", "y", None),
            ("xy", "yx", Some(1)),
            ("total_retrnas", "total_retrans", Some(1)),
            ("retransmision", "retransmission", Some(1)),
            ("dsack", "tcpdsackundo", Some(3)),
            ("ack", "dsack", Some(1)),
            ("abcdefghijklmnopqrst", "abcdefghijklmno", None),
            ("", "a", None),
        ] {
            assert_eq!(distance(word, candidate), expected, "{word} {candidate}");
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(distance(&long, &long), None);
    }

    #[test]
    fn the_nearest_comes_first() {
        assert_eq!(nearest("rrt", ["rto", "rtt", "art"]), Some("rtt"));
        assert_eq!(nearest("zzz", ["rto", "rtt"]), None);
        let names = [("Loss", ["loss", "tcploss"]), ("Lost", ["lost", "tcplost"])];
        assert_eq!(suggest("tcplsot", names, 5), ["Lost", "Loss"]);
        assert_eq!(suggest("los", names, 1), ["Loss"]);
        assert_eq!(suggest("los", names, 5), ["Loss", "Lost"]);
    }
}
