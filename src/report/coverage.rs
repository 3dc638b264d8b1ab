//! How much of what happened was seen, and how often was looked.

use serde::Serialize;

/// What is known of the connections that came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// Destroy events that arrived; null where nobody listens to them.
    pub destroy_events: Option<u64>,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Connections that began and ended between two polls: only events show them.
    pub between_polls: u64,
    /// Connections that ended with counters which the kernel had zeroed: what they did last is
    /// lost.
    pub counters_zeroed: u64,
    /// Connections that ended without an event: what they did last is lost.
    pub without_event: u64,
    /// Connections that are over and were no longer waited for, because there were too many. If
    /// they are told of later, they count twice.
    pub given_up: u64,
    /// Connections that are over now while a program still holds the file. A level.
    #[serde(rename = "limbo")]
    pub closing_unconfirmed: u64,
}

impl Coverage {
    /// Adds what comes later: counts add up, of levels the later one stands.
    pub fn add(&mut self, later: &Self) {
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

/// How often was looked.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Polls {
    /// Polls of all sockets when their time had come.
    pub regular: u64,
    /// Polls ahead of time, because a watched counter moved.
    pub early: u64,
    /// Early polls that the budget did not allow; null where a recording is read.
    pub skipped: Option<u64>,
    /// Times the counters were read; null where a recording is read.
    pub looks: Option<u64>,
    /// The share of one processor that polling may take; null where a recording is read.
    pub cpu_budget: Option<f64>,
}

impl Polls {
    /// Adds what comes later; the later budget holds.
    pub fn add(&mut self, later: &Self) {
        self.regular += later.regular;
        self.early += later.early;
        self.skipped = sum(self.skipped, later.skipped);
        self.looks = sum(self.looks, later.looks);
        self.cpu_budget = later.cpu_budget;
    }
}

/// Of what is known.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.zip(other).map(|(one, other)| one + other).or(one).or(other)
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
        let mut polls = Polls { regular: 1, cpu_budget: Some(0.01), ..Polls::default() };
        let (skipped, looks, cpu_budget) = (Some(2), Some(50), Some(0.02));
        polls.add(&Polls { regular: 1, early: 4, skipped, looks, cpu_budget });
        let sum = Polls { regular: 2, early: 4, skipped, looks, cpu_budget };
        assert_eq!(polls, sum);
    }
}
