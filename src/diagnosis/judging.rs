//! From histories to findings.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::connection_history::ConnectionHistory;
use super::explanation::{Explained, Match, explain, may_explain};
use super::finding::{Example, Finding, RuleMatch, Subject};
use super::groups::{Group, GroupKey, Peer, Towards};
use super::peers;
use super::registry::RULES;
use super::rule::{Context, HostInput, Judge, ListenerInput, Rule, RuleInput, ServiceInput};
use super::watch::Diagnosis;
use crate::counters::{Ratio, Threshold};
use crate::model::Role;
use crate::settings::Values;

/// Examples kept of each finding.
const MAX_EXAMPLES: usize = 5;

/// How much was observed and judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Connections in the last poll.
    pub connections: u64,
    /// Connections that did something, ended ones included.
    pub active: u64,
    /// Connections that ended while they were watched.
    pub closed: u64,
    /// Ended connections that could not be kept to be judged.
    pub unjudged: u64,
    /// Listeners.
    pub listeners: u64,
    /// Rules that were applied.
    pub rules: u64,
    /// Polls.
    pub polls: u32,
}

/// The result of a diagnosis.
#[derive(Debug)]
pub struct Conclusion {
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// Of each server that findings are about, a connection that is open: its holder names those
    /// that have ended.
    pub holders: Vec<(GroupKey, Example)>,
    /// How much was observed and judged.
    pub coverage: Coverage,
    /// What all rules were given.
    pub context: Context,
}

/// Matches by rule and group of connections.
type Matches = FxHashMap<(&'static str, GroupKey), MatchedConnections>;

/// Connections of one group that match the same rule.
#[derive(Debug)]
struct MatchedConnections {
    rule: &'static Rule,
    count: u64,
    /// Segments that they retransmitted.
    retrans: u64,
    worst: Vec<(Example, RuleMatch)>,
    explains: Vec<Explained>,
}

impl MatchedConnections {
    fn new(rule: &'static Rule) -> Self {
        Self { rule, count: 0, retrans: 0, worst: Vec::new(), explains: Vec::new() }
    }

    fn add(&mut self, example: Example, retrans: u64, rule_match: RuleMatch) {
        self.count += 1;
        self.retrans += retrans;
        let position = self.worst.iter().position(|(_, other)| rule_match.is_worse_than(other));
        let position = position.unwrap_or(self.worst.len());
        if position < MAX_EXAMPLES {
            self.worst.insert(position, (example, rule_match));
            self.worst.truncate(MAX_EXAMPLES);
        }
    }

    /// Whether half of the group's connections or retransmits are among them.
    fn is_most_of(&self, group: &Group) -> bool {
        let Peer { connections, retrans, .. } = group.sum;
        self.count * 2 >= connections || self.retrans > 0 && self.retrans * 2 >= retrans
    }
}

impl Diagnosis {
    /// Judges. `threshold` gives the values above which a ratio of counters is unhealthy.
    pub fn conclude(
        mut self,
        settings: Values,
        threshold: impl Fn(&Ratio) -> Threshold,
    ) -> Conclusion {
        let rare = self.question.limits.rare_events();
        let judgements = Ratio::all().iter().map(|ratio| {
            (ratio, ratio.judge(threshold(ratio), rare, |name| self.host.amount(name)))
        });
        self.host.judgements = judgements.collect();
        self.host.listening_ports = (!self.is_filtered)
            .then(|| self.listeners.values().map(|it| it.example.local.port).collect());
        let context = Context {
            settings,
            target_rate: self.question.target_rate,
            elapsed_s: self.at.as_secs_f64(),
            polls: self.poll,
            has_events: self.has_events && !self.lost_events,
            host: self.host.clone(),
        };
        let mut coverage = Coverage {
            connections: self.histories.len() as u64,
            unjudged: self.unjudged,
            listeners: self.listeners.len() as u64,
            rules: self.question.asked.iter().filter(|asked| **asked).count() as u64,
            polls: self.poll,
            ..Coverage::default()
        };
        let mut matches = self.judge_connections(&context, &mut coverage);
        self.count_ports();
        self.groups.share_connects();
        let mut findings = Vec::new();
        self.judge_listeners(&context, &mut findings);
        self.judge_groups(&context, &mut matches, &mut findings);
        for matched in matches.into_values() {
            let Some((_, worst)) = matched.worst.first() else { continue };
            let rule_match = worst.clone();
            let subject = Subject::Connections { count: matched.count, worst: matched.worst };
            let MatchedConnections { rule, explains, retrans, .. } = matched;
            findings.push(Finding { rule, subject, rule_match, explains, retrans });
        }
        peers::complete(&mut findings, &self.groups, self.at);
        self.judge_host(&context, &mut findings);
        sort(&mut findings);
        let holders = self.groups.holders(&findings);
        Conclusion { findings, holders, coverage, context }
    }

    fn judge_connections(&mut self, context: &Context, coverage: &mut Coverage) -> Matches {
        let mut matches = Matches::default();
        for slot in 0..self.histories.len() {
            let Some(history) = self.histories.get(slot) else { break };
            if history.is_quiet() {
                // Most connections are quiet: their counters are not read.
                self.groups.add_quiet(history);
                continue;
            }
            self.groups.add(history);
            coverage.active += u64::from(history.is_active());
        }
        // What the other connections to a host show counts for each of them.
        for slot in 0..self.histories.len() {
            let Some(history) = self.histories.get(slot) else { break };
            if !history.is_quiet() {
                self.judge_connection(history, context, &mut matches);
            }
        }
        for history in &self.ended {
            self.judge_connection(history, context, &mut matches);
        }
        coverage.closed = self.groups.iter().map(|(_, group)| group.closed).sum();
        coverage.active += coverage.closed;
        matches
    }

    /// Applies all rules to one connection.
    fn judge_connection(
        &self,
        history: &ConnectionHistory,
        context: &Context,
        matches: &mut Matches,
    ) {
        let evidence = history.evidence();
        let peer_takes = self.groups.takes(history.example.remote_host());
        let full_listener = self.full_listener(&history.example, &evidence);
        let input = RuleInput { evidence: &evidence, peer_takes, full_listener, context };
        let mut matched: Vec<Match> = Vec::new();
        for rule in self.rules() {
            if let Judge::Connection(judge) = rule.judge {
                let rule_match = judge(&input, &self.question.limits);
                matched.extend(rule_match.map(|rule_match| (rule, rule_match)));
            }
        }
        let key = GroupKey::of(&history.example);
        for ((rule, rule_match), explains) in explain(matched) {
            let entry = matches.entry((rule.code, key));
            let matched = entry.or_insert_with(|| MatchedConnections::new(rule));
            matched.add(history.example, evidence.retrans, rule_match);
            explains.into_iter().for_each(|one| one.add_to(&mut matched.explains));
        }
    }

    fn judge_listeners(&self, context: &Context, findings: &mut Vec<Finding>) {
        // A filter may have left out others, whose drops the host counts too.
        let is_only_listener = self.listeners.len() == 1 && !self.is_filtered;
        for listener in self.listeners.values() {
            let input = ListenerInput { listener, is_only_listener, context };
            let mut matched = Vec::new();
            for rule in self.rules() {
                if let Judge::Listener(judge) = rule.judge {
                    let rule_match = judge(&input, &self.question.limits);
                    matched.extend(rule_match.map(|rule_match| (rule, rule_match)));
                }
            }
            findings.extend(explain(matched).into_iter().map(|((rule, rule_match), explains)| {
                let subject = Subject::Listener(listener.example);
                Finding { rule, subject, rule_match, explains, retrans: 0 }
            }));
        }
    }

    fn judge_groups(&self, context: &Context, matches: &mut Matches, findings: &mut Vec<Finding>) {
        for (key, group) in self.groups.iter() {
            let Some(example) = group.example else { continue };
            let input = ServiceInput { key: *key, group, context };
            let mut matched: Vec<Match> = Vec::new();
            for rule in self.rules() {
                let Judge::Service(judge) = rule.judge else { continue };
                let rule_match = judge(&input, &self.question.limits);
                matched.extend(rule_match.map(|rule_match| (rule, rule_match)));
            }
            for (one, explains) in explain(matched) {
                // Most of the service's connections, or of its retransmits, are the same subject.
                let explainer = matches.iter_mut().find(|((_, other), found)| {
                    other == key
                        && found.is_most_of(group)
                        && found.worst.first().is_some_and(|(_, worst)| {
                            may_explain(&(found.rule, worst.clone()), &one)
                        })
                });
                if let Some((_, found)) = explainer {
                    explains.into_iter().for_each(|one| one.add_to(&mut found.explains));
                    Explained::new(one).add_to(&mut found.explains);
                    continue;
                }
                let (rule, rule_match) = one;
                let (subject, retrans) = (Subject::Service(example), group.sum.retrans);
                findings.push(Finding { rule, subject, rule_match, explains, retrans });
            }
        }
    }

    fn judge_host(&self, context: &Context, findings: &mut Vec<Finding>) {
        let mut matched: Vec<Match> = Vec::new();
        for rule in self.rules() {
            let Judge::Host(judge) = rule.judge else { continue };
            let matches = judge(&HostInput { context }, &self.question.limits);
            matched.extend(matches.into_iter().map(|rule_match| (rule, rule_match)));
        }
        for (one, explains) in explain(matched) {
            match explainer_of_host(&one, context, findings) {
                Some(explainer) => {
                    explains.into_iter().for_each(|one| one.add_to(&mut explainer.explains));
                    Explained::new(one).add_to(&mut explainer.explains);
                }
                None => {
                    let (rule, rule_match) = one;
                    let subject = Subject::Host;
                    findings.push(Finding { rule, subject, rule_match, explains, retrans: 0 });
                }
            }
        }
    }

    /// The rules that apply.
    fn rules(&self) -> impl Iterator<Item = &'static Rule> + '_ {
        let rules = RULES.iter().copied().enumerate();
        let asked = |index| self.question.asked.get(index).copied().unwrap_or(true);
        rules.filter(move |(index, _)| asked(*index)).map(|(_, rule)| rule)
    }

    /// Counts the local ports in use towards each remote end.
    fn count_ports(&mut self) {
        let mut towards = std::mem::take(&mut self.waiting_towards);
        let waiting = towards.clone();
        for slot in 0..self.histories.len() {
            let Some(history) = self.histories.get(slot) else { break };
            if history.example.role == Role::Client {
                let example = &history.example;
                *towards.entry(Towards::of(example)).or_default() += 1;
            }
        }
        for (towards, used) in towards {
            let port = towards.port;
            let group = self.groups.group(GroupKey { role: Role::Client.name(), port });
            if group.ports.is_none_or(|(_, most)| used > most) {
                group.ports = Some((towards.remote, used));
                group.ports_waiting = waiting.get(&towards).copied().unwrap_or(0);
            }
        }
        for (key, (example, count)) in &self.waiting {
            let group = self.groups.group(*key);
            group.time_wait = *count;
            // The service may have no other sockets.
            group.example.get_or_insert(*example);
        }
    }
}

/// Puts the worst findings first.
fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| {
        let rule_match = &finding.rule_match;
        let count = match &finding.subject {
            Subject::Connections { count, .. } => *count,
            _ => 1,
        };
        let key = finding.subject.example().map(GroupKey::of);
        (
            Reverse((rule_match.severity, rule_match.confidence)),
            Reverse(count),
            finding.rule.code,
            key.map(|key| (key.port, key.role)),
        )
    });
}

/// The finding that explains a match about the host. What happened to one service explains what
/// happened to the host if it is most of it; the retransmits of all findings tell.
fn explainer_of_host<'f>(
    one: &Match,
    context: &Context,
    findings: &'f mut [Finding],
) -> Option<&'f mut Finding> {
    let explains =
        |finding: &Finding| may_explain(&(finding.rule, finding.rule_match.clone()), one);
    let candidates = || findings.iter().enumerate().filter(|(_, finding)| explains(finding));
    if one.1.counts_retransmits {
        let host = context.host.growth("TcpRetransSegs").unwrap_or(0);
        // Answers to SYNs are retransmitted by no socket that a dump shows.
        let answers = context.host.growth("TcpExtTCPSynRetrans").unwrap_or(0);
        let of_listeners = candidates()
            .any(|(_, finding)| matches!(finding.subject, Subject::Listener(_)))
            .then_some(answers);
        // A connection may be in several findings of its service: the largest one counts.
        let mut by_group: FxHashMap<Option<GroupKey>, u64> = FxHashMap::default();
        for (_, finding) in candidates() {
            let most = by_group.entry(finding.subject.example().map(GroupKey::of)).or_default();
            *most = finding.retrans.max(*most);
        }
        let explained = by_group.values().copied().fold(0, u64::saturating_add);
        if explained.saturating_add(of_listeners.unwrap_or(0)).saturating_mul(2) < host {
            return None;
        }
    }
    let largest = candidates().max_by_key(|(_, finding)| finding.retrans).map(|(at, _)| at)?;
    findings.get_mut(largest)
}
