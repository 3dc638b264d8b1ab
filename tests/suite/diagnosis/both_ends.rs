//! The diagnosis of both ends of a link.

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

/// Diagnoses both ends at the same time.
pub fn diagnose(setup: &Setup, more: &[&str]) -> Vec<Said> {
    let mut arguments = vec!["diagnose", "--duration", "5s", "-o", "json"];
    arguments.extend(more);
    let at = |side: Side| {
        let document = setup.inside(side, || Tcpdiag::new().document(&arguments));
        let findings = document["findings"].as_array().unwrap().clone();
        findings.into_iter().map(move |whole| Said {
            side,
            code: whole["code"].as_str().unwrap().to_owned(),
            is_alarm: whole["severity"] != "info",
            whole,
        })
    };
    std::thread::scope(|scope| {
        let ends = Side::BOTH.map(|side| scope.spawn(move || at(side).collect::<Vec<_>>()));
        ends.into_iter().flat_map(|end| end.join().unwrap()).collect()
    })
}
