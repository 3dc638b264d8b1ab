//! Counters that an unknown name may be meant for.

use super::entry::Entry;
use super::spelling::fold;
use crate::text;

/// At most this many names are suggested.
const MOST: usize = 5;

/// Names near to `name`, nearest first.
///
/// Compared are the full name, the kernel name, and the kernel name without the `TCP` that most of
/// them begin with: people remember `LossProbe`, not `TcpExtTCPLossProbes`.
pub(super) fn suggest<'a>(entries: &'a [Entry], name: &str) -> Vec<&'a str> {
    let spellings = |entry: &Entry| {
        let kernel = fold(entry.kernel_name());
        let short = kernel.strip_prefix("tcp").map(str::to_owned);
        [Some(fold(&entry.name)), Some(kernel), short].into_iter().flatten()
    };
    let candidates = entries.iter().map(|entry| (entry.name.as_str(), spellings(entry)));
    text::suggest(&fold(name), candidates, MOST)
}
