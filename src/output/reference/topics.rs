//! Socket states, timers and headers of tables, which are in no other catalogue.

use serde::Deserialize;

use crate::report::Explanation;

const TEXT: &str = include_str!("topics.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    name: String,
    kind: String,
    #[serde(default)]
    aliases: Vec<String>,
    meaning: String,
    trigger: Option<String>,
    suggests: Option<String>,
    check: Option<String>,
    since: Option<String>,
}

#[derive(Deserialize)]
struct File {
    topic: Vec<Topic>,
}

/// All topics.
pub(super) fn topics() -> Vec<Explanation> {
    // Compiled in and checked by a test, so it is never empty.
    let topics = toml::from_str::<File>(TEXT).map(|file| file.topic).unwrap_or_default();
    topics.into_iter().map(explanation).collect()
}

fn explanation(topic: Topic) -> Explanation {
    let (kind, category) = match topic.kind.as_str() {
        "state" => ("state", "states"),
        "timer" => ("timer", "timers"),
        _ => ("column", "columns"),
    };
    Explanation {
        name: topic.name,
        kind,
        category: category.to_owned(),
        aliases: topic.aliases,
        meaning: topic.meaning,
        trigger: topic.trigger,
        suggests: topic.suggests,
        check: topic.check,
        since: topic.since,
        ..Explanation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{State, TimerKind};

    #[test]
    fn every_state_and_timer_has_its_topic() {
        let topics = topics();
        let has = |kind: &str, name: &str| {
            topics.iter().any(|topic| {
                topic.kind == kind
                    && topic.name.strip_suffix("_timer").unwrap_or(&topic.name) == name
            })
        };
        for state in State::ALL {
            assert!(has("state", state.name()), "{}", state.name());
        }
        for timer in [
            TimerKind::Retransmit,
            TimerKind::Keepalive,
            TimerKind::TimeWait,
            TimerKind::ZeroWindowProbe,
            TimerKind::DelayedAck,
        ] {
            assert!(has("timer", timer.name()), "{}", timer.name());
        }
        let topics = topics.iter().filter(|topic| topic.kind != "column");
        assert_eq!(topics.count(), 17);
    }
}
