//! All rules, in the order of their codes.

use super::rule::Rule;
use super::rules::*;

/// Makes the list of the rules and the struct with the limits of each.
macro_rules! rules {
    ($($module:ident)*) => {
        /// The rules.
        pub const RULES: &[&Rule] = &[$(&$module::RULE,)*];

        /// The limits of all rules: one field per rule, named after its module.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct RuleLimits {
            $(pub(super) $module: $module::Limits,)*
        }

        impl RuleLimits {
            /// The limit with this key of the rule with this code.
            pub(super) fn get_mut(&mut self, code: &str, key: &str) -> Option<&mut f64> {
                $(if code == $module::RULE.code {
                    return self.$module.get_mut(key);
                })*
                None
            }
        }
    };
}

rules! {
    receiver_window
    send_buffer
    congestion
    application
    pacing
    loss
    tail_loss
    timeouts
    lost_retransmits
    spurious
    reordering
    duplicated
    gaps
    delayed_ack
    queueing
    slow_timer
    stalled
    peer_window_closed
    not_reading
    slow_reader
    unread_at_close
    own_receive_buffer
    small_segments
    black_hole
    no_window_scaling
    no_sack
    keepalive_dying
    stuck_closing
    close_wait
    syn_unanswered
    buffer_for_target
    accept_queue_full
    accept_queue_growing
    listener_drops
    syn_queue
    backlog_capped
    syn_cookies
    outlier
    retransmit_ratio
    rtt_shift
    churn
    time_wait
    ports_exhausted
    loss_limits
    connects_fail
    resets
    gaps_by_peer
    counter_verdict
    memory_pressure
    orphans
    softnet
    conntrack
    device_drops
    signatures
}

/// The rule with this code, in upper or lower case, or with this name.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name == code)
}

/// Codes of rules that no longer exist. They are never used again.
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
                assert!(limit.value().is_finite() && limit.value() >= 0.0, "{code}");
            }
        }
    }

    #[test]
    fn explaining_rules_exist_and_form_no_cycle() {
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
    fn placeholders_of_advice_are_known() {
        for rule in RULES {
            let texts = rule.advice.iter().flat_map(|one| [Some(one.text), one.command]);
            let mut named: BTreeSet<&str> = texts.flatten().flat_map(placeholders).collect();
            named.extend(rule.advice.iter().filter_map(|one| one.only_with));
            for name in &named {
                let known = rule.placeholders.contains(name) || Setting::find(name).is_some();
                assert!(known, "{}: {{{name}}}", rule.code);
            }
            for name in rule.placeholders {
                assert!(named.contains(name), "{}: no advice uses {{{name}}}", rule.code);
            }
        }
    }
}
