//! The diagnosis of both ends of a link.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::lab::faults::Setup;
use crate::lab::{Side, Tcpdiag};

/// A finding at one end.
#[derive(Debug, Clone)]
pub struct Said {
    /// The end.
    pub side: Side,
    /// The rule.
    pub code: String,
    /// Whether it is more than information.
    pub is_alarm: bool,
    /// The finding as it was printed.
    pub whole: Value,
}

impl Said {
    /// The ratio of counters that it is about.
    pub fn ratio(&self) -> Option<&str> {
        let is_ratio = self.code == "TD401";
        is_ratio.then(|| self.whole["evidence"][0]["field"].as_str().unwrap())
    }
}

/// What both ends said, and from when to when they looked.
pub type Diagnosis = (Vec<Said>, [SystemTime; 2]);

/// Diagnoses both ends at the same time.
pub fn diagnose(setup: &Setup, more: &[&str]) -> Diagnosis {
    let mut arguments = vec!["diagnose", "--duration", "5s", "-o", "json"];
    arguments.extend(more);
    let at = |side: Side| {
        let document = setup.inside(side, || Tcpdiag::new().document(&arguments));
        let end: jiff::Timestamp = document["captured_at"].as_str().unwrap().parse().unwrap();
        let looked = Duration::from_secs_f64(document["interval_s"].as_f64().unwrap());
        let end = SystemTime::from(end);
        let findings = document["findings"].as_array().unwrap().clone();
        let said = findings.into_iter().map(move |whole| Said {
            side,
            code: whole["code"].as_str().unwrap().to_owned(),
            is_alarm: whole["severity"] != "info",
            whole,
        });
        (said.collect::<Vec<_>>(), [end - looked, end])
    };
    let [one, other] = std::thread::scope(|scope| {
        let ends = Side::BOTH.map(|side| scope.spawn(move || at(side)));
        ends.map(|end| end.join().unwrap())
    });
    let window = [one.1[0].min(other.1[0]), one.1[1].max(other.1[1])];
    ([one.0, other.0].concat(), window)
}
