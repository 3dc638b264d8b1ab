//! All rules, in the order of their codes.

use super::rule::Rule;
use super::rules::*;

/// The rules.
pub const RULES: &[&Rule] = &[
    &receiver_window::RULE,
    &send_buffer::RULE,
    &congestion::RULE,
    &application::RULE,
    &pacing::RULE,
    &loss::RULE,
    &tail_loss::RULE,
    &timeouts::RULE,
    &lost_retransmits::RULE,
    &spurious::RULE,
    &reordering::RULE,
    &queueing::RULE,
    &slow_timer::RULE,
    &stalled::RULE,
    &peer_window_closed::RULE,
    &not_reading::RULE,
    &slow_reader::RULE,
    &unread_at_close::RULE,
    &small_segments::RULE,
    &black_hole::RULE,
    &no_window_scaling::RULE,
    &no_sack::RULE,
    &keepalive_dying::RULE,
    &stuck_closing::RULE,
    &close_wait::RULE,
    &syn_unanswered::RULE,
    &buffer_for_target::RULE,
    &accept_queue_full::RULE,
    &accept_queue_growing::RULE,
    &listener_drops::RULE,
    &syn_queue::RULE,
    &backlog_capped::RULE,
    &syn_cookies::RULE,
    &outlier::RULE,
    &retransmit_ratio::RULE,
    &rtt_shift::RULE,
    &churn::RULE,
    &time_wait::RULE,
    &ports_exhausted::RULE,
    &counter_verdict::RULE,
    &memory_pressure::RULE,
    &orphans::RULE,
    &softnet::RULE,
    &conntrack::RULE,
    &device_drops::RULE,
];

/// The rule of a code, in either case, or of a name.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name == code)
}

/// Codes that were in use once and are no more: never to be used again.
#[cfg(test)]
const RETIRED: &[&str] = &[];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::diagnosis::{RuleScope, placeholders};
    use crate::settings::Setting;

    #[test]
    fn codes_and_names_are_unique_and_in_order() {
        let codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
        assert!(codes.is_sorted() && codes.len() == BTreeSet::from_iter(&codes).len(), "{codes:?}");
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert!(!RETIRED.contains(&rule.code), "{} was something else once", rule.code);
            let digits = rule.code.strip_prefix("TD").unwrap();
            let hundred = match rule.scope {
                RuleScope::Connection => '1',
                RuleScope::Listener => '2',
                RuleScope::Service => '3',
                RuleScope::Host => '4',
            };
            assert!(digits.len() == 3 && digits.starts_with(hundred), "{}", rule.code);
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(rule.name.chars().all(plain), "{}", rule.name);
        }
    }

    #[test]
    fn every_rule_is_documented() {
        for rule in RULES {
            let code = rule.code;
            for text in [rule.meaning, rule.guards, rule.other_side] {
                assert!(text.ends_with('.') && text.len() > 7, "{code}: {text:?}");
            }
            assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{code}");
            assert!(rule.evidence.len() > 20 && !rule.seen_from.is_empty(), "{code}");
            assert!(!rule.advice.is_empty() && !rule.references.is_empty(), "{code}");
            for limit in rule.limits {
                assert!(!limit.meaning.is_empty() && !limit.unit.is_empty(), "{code}");
                assert!(limit.value.is_finite() && limit.value >= 0.0, "{code}");
            }
        }
    }

    #[test]
    fn explainers_exist_and_do_not_go_in_circles() {
        fn explained(rule: &Rule, depth: usize) {
            assert!(depth < RULES.len(), "{} is explained by itself", rule.code);
            for code in rule.explained_by {
                let other = super::rule(code);
                explained(other.unwrap_or_else(|| panic!("{}: {code}", rule.code)), depth + 1);
            }
        }
        RULES.iter().for_each(|rule| explained(rule, 0));
    }

    #[test]
    fn what_advice_names_is_known() {
        for rule in RULES {
            let texts = rule.advice.iter().flat_map(|one| [Some(one.text), one.command]);
            let mut named: BTreeSet<&str> = texts.flatten().flat_map(placeholders).collect();
            named.extend(rule.advice.iter().filter_map(|one| one.only_with));
            for name in &named {
                let known = rule.offers.contains(name) || Setting::find(name).is_some();
                assert!(known, "{}: {{{name}}}", rule.code);
            }
            for offered in rule.offers {
                assert!(named.contains(offered), "{}: nothing says {{{offered}}}", rule.code);
            }
        }
    }
}
