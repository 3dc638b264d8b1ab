//! From samples to findings.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::connection_history::{ConnectionHistory, Inflation};
use super::evidence::Fate;
use super::finding::{Example, Finding, RuleMatch, Subject};
use super::groups::{Group, GroupKey, Groups, Peer};
use super::host::{HostHistory, HostReading};
use super::limits::Limits;
use super::listening::ListenerHistory;
use super::registry::RULES;
use super::rule::{Context, HostInput, Judge, ListenerInput, RuleInput, ServiceInput};
use crate::counters::{CounterWidth, Ratio, Threshold};
use crate::model::{Role, Socket, State};
use crate::settings::Values;
use crate::tracking::Accounts;

/// Dead connections that wait to be judged; the rest is only counted.
const DEAD: usize = 16_384;

/// Examples kept of each finding.
const EXAMPLES: usize = 5;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// What rules decide by.
    pub limits: Limits,
    /// Whether each rule of the registry is asked.
    pub asked: Vec<bool>,
    /// Bytes per second that each connection should reach.
    pub target_rate: Option<f64>,
    /// How wide the host's counters are.
    pub width: CounterWidth,
    /// Local ports of clients (`net.ipv4.ip_local_port_range`).
    pub ephemeral: RangeInclusive<u16>,
}

impl Question {
    /// The part that a socket plays: one whose listener is gone looks like a client, and its ports
    /// tell.
    fn side(&self, socket: &Socket, role: Role) -> Role {
        let clients = |port: u16| self.ephemeral.contains(&port);
        let serves = !clients(socket.local.port) && clients(socket.remote.port);
        let connected = !matches!(socket.state, State::Listen | State::SynSent);
        if role == Role::Client && serves && connected { Role::Server } else { role }
    }
}

/// One network namespace that is watched.
///
/// A look is [`begin`](Self::begin), then [`enter`](Self::enter) for every record of a dump and
/// [`on_destroy`](Self::on_destroy) for every destroy event, in any order, then [`end`](Self::end). Looks of a
/// settled host allocate nothing.
#[derive(Debug)]
pub struct Diagnosis {
    question: Question,
    inflation: Inflation,
    histories: Accounts<ConnectionHistory>,
    listeners: FxHashMap<u64, ListenerHistory>,
    dead: Vec<ConnectionHistory>,
    /// Dead connections that there was no room for.
    unjudged: u64,
    /// Of the dead.
    groups: Groups,
    /// Sockets in TIME-WAIT at this look, by group and by the peer's end.
    waiting: FxHashMap<GroupKey, (Example, u64)>,
    waiting_towards: FxHashMap<(IpAddr, u16), u64>,
    /// Requests in SYN-RECV at this look, by port.
    requests: FxHashMap<u16, u32>,
    host: HostHistory,
    /// Number of the look.
    look: u32,
    /// When it began, since the first.
    at: Duration,
    /// Connections that it has shown.
    shown: usize,
}

/// What there was to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections at the last look.
    pub connections: u64,
    /// Of them, and of those that ended, how many did something.
    pub active: u64,
    /// Connections that ended meanwhile.
    pub closed: u64,
    /// Of these, how many could not be judged.
    pub unjudged: u64,
    /// Listeners.
    pub listeners: u64,
    /// Rules that were asked.
    pub rules: u64,
    /// Looks.
    pub looks: u32,
}

/// What it came to.
#[derive(Debug)]
pub struct Conclusion {
    /// Worst first.
    pub findings: Vec<Finding>,
    /// What there was to see.
    pub seen: Seen,
    /// What was true for all.
    pub context: Context,
}

/// Connections with the same trouble.
#[derive(Debug, Default)]
struct Same {
    count: u64,
    /// What they retransmitted.
    retrans: u64,
    worst: Vec<(Example, RuleMatch)>,
}

impl Same {
    fn add(&mut self, example: Example, retrans: u64, rule_match: RuleMatch) {
        self.count += 1;
        self.retrans += retrans;
        let place = self.worst.iter().position(|(_, other)| rule_match.is_worse_than(other));
        let place = place.unwrap_or(self.worst.len());
        if place < EXAMPLES {
            self.worst.insert(place, (example, rule_match));
            self.worst.truncate(EXAMPLES);
        }
    }

    /// Whether it is the trouble of a whole group, and not of a few of its connections.
    fn is_of(&self, group: &Group) -> bool {
        let Peer { connections, retrans, .. } = group.sum;
        self.count * 2 >= connections || self.retrans > 0 && self.retrans * 2 >= retrans
    }
}

impl Diagnosis {
    /// Has seen nothing yet.
    pub fn new(question: Question) -> Self {
        let of_queues = question.limits.named("TD120");
        let limit = |place: usize| of_queues.get(place).copied().unwrap_or(f64::INFINITY);
        let host = HostHistory::new(question.width);
        Self {
            inflation: Inflation { times: limit(0), least_us: limit(1) * 1e3 },
            question,
            histories: Accounts::default(),
            listeners: FxHashMap::default(),
            dead: Vec::new(),
            unjudged: 0,
            groups: Groups::default(),
            waiting: FxHashMap::default(),
            waiting_towards: FxHashMap::default(),
            requests: FxHashMap::default(),
            host,
            look: 0,
            at: Duration::ZERO,
            shown: 0,
        }
    }

    /// Begins a look, so long after the first.
    pub fn begin(&mut self, at: Duration) {
        self.at = at;
        self.look += 1;
        self.histories.rewind();
        self.waiting.clear();
        self.waiting_towards.clear();
        self.requests.clear();
        self.shown = 0;
    }

    /// Enters a record of the dump, and the part it plays.
    #[inline]
    pub fn enter(&mut self, socket: &Socket, role: Role) {
        match socket.state {
            State::Listen => return self.enter_listener(socket),
            State::SynRecv => {
                *self.requests.entry(socket.local.port).or_default() += 1;
                return;
            }
            State::TimeWait => return self.enter_time_wait(socket, role),
            State::Close | State::BoundInactive => return,
            _ if socket.is_minisock() => return,
            _ => {}
        }
        let (at, look, inflation) = (self.at, self.look, self.inflation);
        let slot = self.histories.find(socket.cookie);
        let Some(history) = slot.and_then(|slot| self.histories.get_mut(slot)) else {
            let role = self.question.side(socket, role);
            let history = ConnectionHistory::new(socket, role, look > 1, at, look, inflation);
            let slot = self.histories.push(history);
            self.histories.expect_after(slot);
            self.shown += 1;
            return;
        };
        if history.seen != look {
            // The kernel may send a socket twice; the first record counts.
            history.follow(socket, at, look, inflation);
            self.shown += 1;
        }
    }

    fn enter_listener(&mut self, socket: &Socket) {
        let look = self.look;
        self.listeners
            .entry(socket.cookie)
            .and_modify(|history| history.follow(socket, look))
            .or_insert_with(|| ListenerHistory::new(socket, look));
    }

    fn enter_time_wait(&mut self, socket: &Socket, role: Role) {
        let port = if role == Role::Client { socket.remote.port } else { socket.local.port };
        let key = GroupKey { role: role.name(), port };
        let (_, count) = self.waiting.entry(key).or_insert_with(|| (Example::of(socket, role), 0));
        *count += 1;
        if role == Role::Client {
            let towards = (socket.remote.address, socket.remote.port);
            *self.waiting_towards.entry(towards).or_default() += 1;
        }
    }

    /// Enters a destroy event; `role` as far as it is known.
    pub fn on_destroy(&mut self, event: &Socket, role: Role) {
        if self.look == 0 || event.remote.port == 0 {
            return;
        }
        let history = match self.histories.look_up(event.cookie) {
            Some(slot) => self.histories.swap_remove(slot).map(|mut history| {
                self.shown -= usize::from(history.seen == self.look).min(self.shown);
                history.on_destroy(event, self.at);
                history
            }),
            // Not a connection of before: those were in the first dump.
            None => {
                let role = self.question.side(event, role);
                Some(ConnectionHistory::of_the_dead(event, role, self.at, self.look))
            }
        };
        if let Some(history) = history {
            self.finish(history);
        }
    }

    /// Ends a look. `whole`: the dump was; `events`: deaths are told of.
    pub fn end(&mut self, whole: bool, events: bool) {
        for history in self.listeners.values_mut() {
            let requests = self.requests.get(&history.example.local.port).copied().unwrap_or(0);
            history.requests_now = requests;
            history.requests = history.requests.max(requests);
        }
        if !whole || self.shown == self.histories.len() {
            return;
        }
        // Whose death is told of may be told of late.
        let grace = if events { 2 } else { 1 };
        for slot in (0..self.histories.len()).rev() {
            let gone = self.histories.get(slot).is_some_and(|own| own.seen + grace <= self.look);
            if gone && let Some(mut history) = self.histories.swap_remove(slot) {
                history.fate = Fate::Vanished;
                self.finish(history);
            }
        }
        let look = self.look;
        self.listeners.retain(|_, history| history.seen == look);
    }

    /// Whether a connection is known.
    pub fn knows(&self, cookie: u64) -> bool {
        self.histories.look_up(cookie).is_some()
    }

    /// Connections that are known.
    pub fn len(&self) -> usize {
        self.histories.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.histories.len() == 0
    }

    /// Enters a reading of the host.
    pub fn read_host(&mut self, reading: HostReading) {
        self.host.read(reading, u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX));
    }

    /// Lets a connection go that is not asked about after all.
    pub fn dismiss(&mut self, cookie: u64) {
        if let Some(slot) = self.histories.look_up(cookie) {
            self.histories.swap_remove(slot);
            self.shown = self.shown.saturating_sub(1);
        }
    }

    fn finish(&mut self, history: ConnectionHistory) {
        self.groups.add(&history);
        if !history.asks_for_a_judge() {
        } else if self.dead.len() < DEAD {
            self.dead.push(history);
        } else {
            self.unjudged += 1;
        }
    }

    /// Judges. `threshold` tells from where on a ratio of counters is unhealthy.
    pub fn conclude(
        mut self,
        settings: Values,
        threshold: impl Fn(&Ratio) -> Threshold,
    ) -> Conclusion {
        let judgements = Ratio::all()
            .iter()
            .map(|ratio| (ratio, ratio.judge(threshold(ratio), |name| self.host.amount(name))));
        self.host.judgements = judgements.collect();
        let context = Context {
            settings,
            target_rate: self.question.target_rate,
            elapsed_s: self.at.as_secs_f64(),
            polls: self.look,
            host: self.host.clone(),
        };
        let mut seen = Seen {
            connections: self.histories.len() as u64,
            unjudged: self.unjudged,
            listeners: self.listeners.len() as u64,
            rules: self.question.asked.iter().filter(|asked| **asked).count() as u64,
            looks: self.look,
            ..Seen::default()
        };
        let mut same: FxHashMap<(usize, GroupKey), Same> = FxHashMap::default();
        for slot in 0..self.histories.len() {
            let Some(history) = self.histories.get(slot) else { break };
            if history.is_quiet() {
                // As most are: not even its counters are looked at.
                self.groups.add_quiet(history);
                continue;
            }
            self.groups.add(history);
            seen.active += u64::from(history.has_moved());
            self.judge(history, &context, &mut same);
        }
        for history in &self.dead {
            self.judge(history, &context, &mut same);
        }
        seen.closed = self.groups.iter().map(|(_, group)| group.closed).sum();
        seen.active += seen.closed;
        self.count_ports();
        let mut findings = Vec::new();
        self.judge_listeners(&context, &mut findings);
        self.judge_groups(&context, &same, &mut findings);
        for ((place, _), same) in same {
            let (Some(&rule), Some((_, worst))) = (RULES.get(place), same.worst.first()) else {
                continue;
            };
            let rule_match = worst.clone();
            let subject = Subject::Connections { count: same.count, worst: same.worst };
            findings.push(Finding { rule, subject, rule_match });
        }
        self.judge_host(&context, &mut findings);
        findings.sort_by_key(|finding| {
            let rule_match = &finding.rule_match;
            let port = match &finding.subject {
                Subject::Connections { worst, .. } => worst.first().map(|(one, _)| one),
                Subject::Listener(one) | Subject::Service(one) => Some(one),
                Subject::Host => None,
            };
            let port = port.map(|one| GroupKey::of(one).port);
            (
                Reverse((rule_match.severity, rule_match.confidence)),
                Reverse(count(finding)),
                finding.rule.code,
                port,
            )
        });
        Conclusion { findings, seen, context }
    }

    /// One connection before all rules that are asked.
    fn judge(
        &self,
        history: &ConnectionHistory,
        context: &Context,
        same: &mut FxHashMap<(usize, GroupKey), Same>,
    ) {
        let evidence = history.evidence();
        let mut matched: Vec<(usize, RuleMatch)> = Vec::new();
        for (place, rule) in self.asked() {
            if let Judge::Connection(judge) = rule.judge {
                let limits = self.question.limits.of(place);
                let rule_match = judge(&RuleInput { evidence: &evidence, context, limits });
                matched.extend(rule_match.map(|rule_match| (place, rule_match)));
            }
        }
        let key = GroupKey::of(&history.example);
        for (place, rule_match) in unexplained(matched) {
            let same = same.entry((place, key)).or_default();
            same.add(history.example, evidence.retrans, rule_match);
        }
    }

    fn judge_listeners(&self, context: &Context, findings: &mut Vec<Finding>) {
        let alone = self.listeners.len() == 1;
        for listener in self.listeners.values() {
            let mut matched = Vec::new();
            for (place, rule) in self.asked() {
                if let Judge::Listener(judge) = rule.judge {
                    let limits = self.question.limits.of(place);
                    let rule_match = judge(&ListenerInput { listener, alone, context, limits });
                    matched.extend(rule_match.map(|rule_match| (place, rule_match)));
                }
            }
            for (place, rule_match) in unexplained(matched) {
                if let Some(&rule) = RULES.get(place) {
                    let subject = Subject::Listener(listener.example);
                    findings.push(Finding { rule, subject, rule_match });
                }
            }
        }
    }

    fn judge_groups(
        &self,
        context: &Context,
        same: &FxHashMap<(usize, GroupKey), Same>,
        findings: &mut Vec<Finding>,
    ) {
        for (key, group) in self.groups.iter() {
            let Some(example) = group.example else { continue };
            for (place, rule) in self.asked() {
                let Judge::Service(judge) = rule.judge else { continue };
                let limits = self.question.limits.of(place);
                let case = ServiceInput { key: *key, group, context, limits };
                let Some(rule_match) = judge(&case) else { continue };
                let explained = same.iter().any(|((other, its), same)| {
                    its == key
                        && same.is_of(group)
                        && RULES
                            .get(*other)
                            .is_some_and(|other| rule.explained_by.contains(&other.code))
                });
                if !explained {
                    findings.push(Finding { rule, subject: Subject::Service(example), rule_match });
                }
            }
        }
    }

    fn judge_host(&self, context: &Context, findings: &mut Vec<Finding>) {
        let known: Vec<&str> = findings.iter().map(|finding| finding.rule.code).collect();
        let mut of_host: Vec<Finding> = Vec::new();
        for (place, rule) in self.asked() {
            let Judge::Host(judge) = rule.judge else { continue };
            let limits = self.question.limits.of(place);
            let rule_matches = judge(&HostInput { context, limits });
            let found = rule_matches.into_iter().map(|rule_match| Finding {
                rule,
                subject: Subject::Host,
                rule_match,
            });
            of_host.extend(found);
        }
        let own: Vec<&str> = of_host.iter().map(|finding| finding.rule.code).collect();
        of_host.retain(|finding| {
            let explainers =
                finding.rule.explained_by.iter().chain(finding.rule_match.explained_by);
            let mut explainers = explainers.filter(|code| **code != finding.rule.code);
            !explainers.any(|code| known.contains(code) || own.contains(code))
        });
        findings.extend(of_host);
    }

    fn asked(&self) -> impl Iterator<Item = (usize, &'static super::Rule)> + '_ {
        let rules = RULES.iter().copied().enumerate();
        rules.filter(|(place, _)| self.question.asked.get(*place).copied().unwrap_or(true))
    }

    /// Local ports in use towards each remote end.
    fn count_ports(&mut self) {
        let mut towards = std::mem::take(&mut self.waiting_towards);
        let waiting = towards.clone();
        for slot in 0..self.histories.len() {
            let Some(history) = self.histories.get(slot) else { break };
            if history.example.role == Role::Client {
                let (_, remote) = history.ends();
                *towards.entry((remote.address, remote.port)).or_default() += 1;
            }
        }
        for ((address, port), used) in towards {
            let group = self.groups.group(GroupKey { role: Role::Client.name(), port });
            if group.ports.is_none_or(|(_, most)| used > most) {
                group.ports = Some((address, used));
                group.ports_waiting = waiting.get(&(address, port)).copied().unwrap_or(0);
            }
        }
        for (key, (example, count)) in &self.waiting {
            let group = self.groups.group(*key);
            group.time_wait = *count;
            // Where nothing else is left of a service.
            group.example.get_or_insert(*example);
        }
    }
}

/// How many a finding is about.
fn count(finding: &Finding) -> u64 {
    match &finding.subject {
        Subject::Connections { count, .. } => *count,
        Subject::Listener(_) | Subject::Service(_) | Subject::Host => 1,
    }
}

/// Without those that another one explains.
fn unexplained(matched: Vec<(usize, RuleMatch)>) -> Vec<(usize, RuleMatch)> {
    let codes: Vec<&str> =
        matched.iter().filter_map(|(place, _)| RULES.get(*place)).map(|rule| rule.code).collect();
    let explained = |place: usize, rule_match: &RuleMatch| {
        let own = RULES.get(place).map_or(&[][..], |rule| rule.explained_by);
        own.iter().chain(rule_match.explained_by).any(|code| codes.contains(code))
    };
    matched.into_iter().filter(|(place, rule_match)| !explained(*place, rule_match)).collect()
}
