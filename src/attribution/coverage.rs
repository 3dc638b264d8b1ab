//! How much of what happened was seen.

use serde::Serialize;

/// What is known of the connections that were opened and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Destroy events received; null if they are not subscribed to.
    pub destroy_events: Option<u64>,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Connections that began and ended between two polls: only destroy events show them.
    pub between_polls: u64,
    /// Connections whose counters the kernel zeroed before they ended: their last growth is lost.
    pub counters_zeroed: u64,
    /// Connections that ended without a destroy event: their last growth is lost.
    pub without_event: u64,
    /// Connections that are over but not tracked any more, because there were too many. If their
    /// destroy events still arrive, they count twice.
    pub given_up: u64,
    /// Connections that are over while a program still holds the file. A level.
    #[serde(rename = "limbo")]
    pub closing_unconfirmed: u64,
}

impl Coverage {
    /// Adds a later interval: counts add up, levels are the later one's.
    pub(crate) fn add(&mut self, later: &Self) {
        if let Some(events) = later.destroy_events {
            *self.destroy_events.get_or_insert_default() += events;
        }
        self.opened += later.opened;
        self.closed += later.closed;
        self.between_polls += later.between_polls;
        self.counters_zeroed += later.counters_zeroed;
        self.without_event += later.without_event;
        self.given_up += later.given_up;
        self.closing_unconfirmed = later.closing_unconfirmed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_levels_do_not() {
        let mut all = Coverage::default();
        all.add(&Coverage { opened: 2, closing_unconfirmed: 5, ..Coverage::default() });
        assert_eq!(all.destroy_events, None);
        assert_eq!(serde_json::to_value(all).unwrap()["destroy_events"], serde_json::Value::Null);
        let listened =
            Coverage { destroy_events: Some(3), opened: 1, closing_unconfirmed: 4, ..all };
        all.add(&listened);
        all.add(&listened);
        assert_eq!((all.destroy_events, all.opened, all.closing_unconfirmed), (Some(6), 4, 4));
    }
}
