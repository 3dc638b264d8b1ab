//! Which match explains which: of two matches for the same cause, only one is a finding of its own.

use super::finding::RuleMatch;
use super::rule::Rule;

/// A rule and what it found.
pub(super) type Match = (&'static Rule, RuleMatch);

/// A match that another one of the same subject explains.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its rule.
    pub rule: &'static Rule,
    /// The match; with several connections that of the worst.
    pub rule_match: RuleMatch,
    /// The number of connections, 1 for other subjects.
    pub count: u64,
}

impl Explained {
    pub(super) fn new((rule, rule_match): Match) -> Self {
        Self { rule, rule_match, count: 1 }
    }

    /// Adds to a list, in which every rule has one entry for each part of a subject.
    pub(super) fn add_to(self, list: &mut Vec<Self>) {
        let key = |one: &Self| (one.rule.code, one.rule_match.about.clone());
        let own = key(&self);
        match list.iter_mut().find(|other| key(other) == own) {
            None => list.push(self),
            Some(other) => {
                other.count += self.count;
                if self.rule_match.is_worse_than(&other.rule_match) {
                    other.rule_match = self.rule_match;
                }
            }
        }
    }
}

/// Whether a match may explain another one of the same subject: its rule is among the other's
/// explainers, and it is at least as severe.
pub(super) fn may_explain(explainer: &Match, explained: &Match) -> bool {
    let (rule, rule_match) = explained;
    let mut codes = rule.explained_by.iter().chain(rule_match.explained_by);
    codes.any(|code| *code == explainer.0.code) && explainer.1.severity >= rule_match.severity
}

/// A match that is shown, and the matches that it explains.
pub(super) type Shown = (Match, Vec<Explained>);

/// Divides the matches of one subject into those that are shown, each with those that it explains.
/// A match that is explained itself explains nothing.
pub(super) fn explain(matched: Vec<Match>) -> Vec<Shown> {
    let explainers = explainers(&matched);
    let mut shown: Vec<Option<Shown>> = Vec::with_capacity(matched.len());
    let mut hidden = Vec::new();
    for (one, explainer) in matched.into_iter().zip(explainers) {
        match explainer {
            None => shown.push(Some((one, Vec::new()))),
            Some(explainer) => {
                shown.push(None);
                hidden.push((explainer, one));
            }
        }
    }
    for (explainer, one) in hidden {
        if let Some(Some((_, explained))) = shown.get_mut(explainer) {
            explained.push(Explained::new(one));
        }
    }
    shown.into_iter().flatten().collect()
}

/// The position of the match that explains each match; `None` for those that are shown.
fn explainers(matched: &[Match]) -> Vec<Option<usize>> {
    // None: not decided yet.
    let mut decided: Vec<Option<Option<usize>>> = vec![None; matched.len()];
    // Every round decides at least one match, unless rules explain each other in a circle.
    for _ in 0..matched.len() {
        for (at, one) in matched.iter().enumerate() {
            if decided.get(at).copied().flatten().is_some() {
                continue;
            }
            let candidates = matched.iter().enumerate();
            let candidates: Vec<usize> = candidates
                .filter(|(other, explainer)| *other != at && may_explain(explainer, one))
                .map(|(other, _)| other)
                .collect();
            let state = |other: &usize| decided.get(*other).copied().flatten();
            let is_shown = |other: &&usize| state(other) == Some(None);
            let explainer = candidates.iter().find(is_shown).copied();
            let all_known = candidates.iter().all(|other| state(other).is_some());
            if (explainer.is_some() || all_known)
                && let Some(slot) = decided.get_mut(at)
            {
                *slot = Some(explainer);
            }
        }
    }
    decided.into_iter().map(Option::flatten).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::rule::{Confidence, Severity};

    /// What is shown, and what each explains.
    fn shown(matched: &[(&str, Severity)]) -> Vec<(&'static str, Vec<&'static str>)> {
        let matched = matched.iter().map(|(code, severity)| {
            let rule = crate::diagnosis::rule(code).unwrap();
            (rule, RuleMatch::new(*severity, Confidence::High, 1.0))
        });
        let shown = explain(matched.collect());
        let codes = |list: Vec<Explained>| list.into_iter().map(|one| one.rule.code).collect();
        shown.into_iter().map(|((rule, _), list)| (rule.code, codes(list))).collect()
    }

    use Severity::{Critical, Info, Warning};

    #[test]
    fn what_is_explained_is_listed_under_what_explains_it() {
        let matched = [("TD201", Critical), ("TD202", Warning), ("TD203", Warning)];
        assert_eq!(shown(&matched), [("TD201", vec!["TD202", "TD203"])]);
    }

    #[test]
    fn milder_findings_explain_nothing() {
        assert_eq!(
            shown(&[("TD103", Info), ("TD120", Warning)]),
            [("TD103", vec![]), ("TD120", vec![])]
        );
        assert_eq!(shown(&[("TD103", Warning), ("TD120", Warning)]), [("TD103", vec!["TD120"])]);
    }

    #[test]
    fn what_is_explained_itself_explains_nothing() {
        // TD206 explains TD204. TD203 is explained by TD204, but not by TD206.
        let matched = [("TD203", Warning), ("TD204", Warning), ("TD206", Warning)];
        assert_eq!(shown(&matched), [("TD203", vec![]), ("TD206", vec!["TD204"])]);
    }

    #[test]
    fn only_the_same_of_the_same_part_is_counted_together() {
        let of = |about: Option<&str>| {
            let rule = crate::diagnosis::rule("TD401").unwrap();
            let mut rule_match = RuleMatch::new(Warning, Confidence::High, 1.0);
            rule_match.about = about.map(str::to_owned);
            Explained::new((rule, rule_match))
        };
        let mut list = Vec::new();
        for about in [Some("drops"), Some("overflows"), None, None] {
            of(about).add_to(&mut list);
        }
        assert_eq!(list.iter().map(|one| one.count).collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn nothing_is_lost() {
        let codes: Vec<&str> = crate::diagnosis::RULES.iter().map(|rule| rule.code).collect();
        for severities in [[Info, Warning, Critical], [Critical, Info, Warning]] {
            let matched: Vec<(&str, Severity)> =
                codes.iter().copied().zip(severities.into_iter().cycle()).collect();
            let listed: usize = shown(&matched).iter().map(|(_, list)| 1 + list.len()).sum();
            assert_eq!(listed, codes.len());
        }
    }
}
