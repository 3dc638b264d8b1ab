//! Network namespaces that could not be watched.

use std::error::Error as _;

use super::error::MonitorError;
use super::shortage::Shortage;
use crate::procfs::NetNamespace;

/// As many are named; the others are counted.
const NAMED: usize = 8;

/// Network namespaces that could not be seen, entered or read any more, and why.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    reasons: Vec<String>,
    others: u64,
}

impl Unreachable {
    /// With what hides namespaces.
    pub(super) fn new(reasons: Vec<String>) -> Self {
        Self { reasons, others: 0 }
    }

    /// Adds a namespace, and why it is not watched.
    pub(super) fn add(&mut self, reason: &str) {
        if self.reasons.iter().any(|known| known == reason) {
            return;
        }
        if self.reasons.len() < NAMED {
            self.reasons.push(reason.to_owned());
        } else {
            self.others += 1;
        }
    }

    /// A sentence for each of the first ones, and one for all others.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = self.reasons.clone();
        match self.others {
            0 => {}
            1 => texts.push("another network namespace could not be read either".to_owned()),
            more => texts.push(format!("{more} other network namespaces could not be read either")),
        }
        texts
    }
}

/// Why a namespace is not watched any more. What happened in it since it was last read whole is in no
/// sum, and is not known.
pub(super) fn reason(name: Option<&str>, inode: u64, error: &MonitorError) -> String {
    format!(
        "the network namespace {} is left out, and what happened in it since its last sample is \
         missing: {}",
        label(name, inode),
        described(error)
    )
}

/// An error with its causes, and with what to do about it if it is a shortage.
pub(super) fn described(error: &MonitorError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.extend([": ", &words]);
        }
        next = cause.source();
    }
    if let Some(shortage) = Shortage::of(error) {
        text.extend(["; ", shortage.advice()]);
    }
    text
}

/// The name of a namespace, or else its inode.
pub(super) fn label(name: Option<&str>, inode: u64) -> String {
    name.map_or_else(|| inode.to_string(), str::to_owned)
}

/// Too few descriptors are left for a namespace.
pub(super) fn too_few_descriptors(namespace: &NetNamespace, limit: u64) -> MonitorError {
    let namespace = label(namespace.name.as_deref(), namespace.inode);
    MonitorError::Descriptors { namespace, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_named_and_the_others_counted() {
        let mut unreachable = Unreachable::new(vec!["hidden".to_owned()]);
        for number in [1, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            unreachable.add(&format!("{number} is gone"));
        }
        let texts = unreachable.texts();
        assert_eq!(texts.len(), NAMED + 1);
        assert_eq!(texts[1], "1 is gone");
        assert_eq!(texts[NAMED], "2 other network namespaces could not be read either");
    }
}
