//! What an anonymised recording does not have, in one line.

use super::human::grouped;
use crate::recording::Dropped;

/// What is not in the new recording; `None` if nothing is missing.
pub fn dropped(dropped: &Dropped) -> Option<String> {
    let Dropped { notes, lines, messages, attributes, blocks } = *dropped;
    let parts = [
        (notes, "note", "notes"),
        (lines, "line of a note", "lines of notes"),
        (messages, "message", "messages"),
        (attributes, "attribute", "attributes"),
        (blocks, "block of the file", "blocks of the file"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, one, many)| {
            format!("{} {}", grouped(count), if count == 1 { one } else { many })
        })
        .collect();
    (!parts.is_empty())
        .then(|| format!("left out, what it holds not being known: {}", parts.join(", ")))
}
