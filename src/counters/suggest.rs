//! Close spellings for a name nobody knows.

use super::entry::Entry;
use super::spelling::fold;

/// At most this many are worth reading.
const MOST: usize = 5;

/// Names near to `name`, nearest first.
///
/// Compared are the full name, the kernel name, and the kernel name without the `TCP` that
/// most of them begin with: people remember `LossProbe`, not `TcpExtTCPLossProbes`.
pub(super) fn suggest<'a>(entries: &'a [Entry], name: &str) -> Vec<&'a str> {
    let wanted = fold(name);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = entries
        .iter()
        .filter_map(|entry| Some((distance(&wanted, entry)?, entry.name.as_str())))
        .collect();
    near.sort_unstable();
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// How far an entry is from what was typed; `None` if too far to be meant.
fn distance(wanted: &str, entry: &Entry) -> Option<usize> {
    let full = fold(&entry.name);
    let kernel = fold(entry.kernel_name());
    let short = kernel.strip_prefix("tcp").unwrap_or(&kernel);
    // A third of the letters may be wrong, and two of a short word.
    let limit = (wanted.len() / 3).max(2).min(wanted.len().saturating_sub(1));
    let edits = [full.as_str(), kernel.as_str(), short]
        .into_iter()
        .map(|candidate| strsim::damerau_levenshtein(wanted, candidate))
        .min()
        .filter(|edits| *edits <= limit);
    // A part of a name is a good guess too, the better the more of the name it is.
    let part = (wanted.len() >= 3 && kernel.contains(wanted))
        .then(|| 1 + (kernel.len() - wanted.len()) / 3);
    edits.into_iter().chain(part).min()
}
