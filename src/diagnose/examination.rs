//! From samples to findings.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::course::{Course, Inflation};
use super::evidence::Fate;
use super::finding::{Example, Finding, Sighting, Subject};
use super::groups::{GroupKey, Groups};
use super::host::{HostCourse, HostReading};
use super::limits::Limits;
use super::listening::ListenerCourse;
use super::registry::RULES;
use super::rule::{Case, Context, HostCase, Judge, ListenerCase, ServiceCase};
use crate::counters::{CounterWidth, Ratio, Threshold};
use crate::model::{Role, Socket, State};
use crate::sample::Accounts;
use crate::settings::Values;

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
/// [`bury`](Self::bury) for every destroy event, in any order, then [`end`](Self::end). Looks of a
/// settled host allocate nothing.
#[derive(Debug)]
pub struct Examination {
    question: Question,
    inflation: Inflation,
    courses: Accounts<Course>,
    listeners: FxHashMap<u64, ListenerCourse>,
    dead: Vec<Course>,
    /// Dead connections that there was no room for.
    unjudged: u64,
    /// Of the dead.
    groups: Groups,
    /// Sockets in TIME-WAIT at this look, by group and by the peer's end.
    waiting: FxHashMap<GroupKey, (Example, u64)>,
    waiting_towards: FxHashMap<(IpAddr, u16), u64>,
    /// Requests in SYN-RECV at this look, by port.
    requests: FxHashMap<u16, u32>,
    host: HostCourse,
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
    worst: Vec<(Example, Sighting)>,
}

impl Same {
    fn add(&mut self, example: Example, sighting: Sighting) {
        self.count += 1;
        let place = self.worst.iter().position(|(_, other)| sighting.is_worse_than(other));
        let place = place.unwrap_or(self.worst.len());
        if place < EXAMPLES {
            self.worst.insert(place, (example, sighting));
            self.worst.truncate(EXAMPLES);
        }
    }
}

impl Examination {
    /// Has seen nothing yet.
    pub fn new(question: Question) -> Self {
        let of_queues = question.limits.named("TD120");
        let limit = |place: usize| of_queues.get(place).copied().unwrap_or(f64::INFINITY);
        let host = HostCourse::new(question.width);
        Self {
            inflation: Inflation { times: limit(0), least_us: limit(1) * 1e3 },
            question,
            courses: Accounts::default(),
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
        self.courses.rewind();
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
        let slot = self.courses.find(socket.cookie);
        let Some(course) = slot.and_then(|slot| self.courses.get_mut(slot)) else {
            let role = self.question.side(socket, role);
            let course = Course::new(socket, role, look > 1, at, look, inflation);
            let slot = self.courses.push(course);
            self.courses.expect_after(slot);
            self.shown += 1;
            return;
        };
        if course.seen != look {
            // The kernel may send a socket twice; the first record counts.
            course.follow(socket, at, look, inflation);
            self.shown += 1;
        }
    }

    fn enter_listener(&mut self, socket: &Socket) {
        let look = self.look;
        self.listeners
            .entry(socket.cookie)
            .and_modify(|course| course.follow(socket, look))
            .or_insert_with(|| ListenerCourse::new(socket, look));
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
    pub fn bury(&mut self, event: &Socket, role: Role) {
        if self.look == 0 || event.remote.port == 0 {
            return;
        }
        let course = match self.courses.look_up(event.cookie) {
            Some(slot) => self.courses.swap_remove(slot).map(|mut course| {
                self.shown -= usize::from(course.seen == self.look).min(self.shown);
                course.bury(event, self.at);
                course
            }),
            // Not a connection of before: those were in the first dump.
            None => {
                let role = self.question.side(event, role);
                Some(Course::of_the_dead(event, role, self.at, self.look))
            }
        };
        if let Some(course) = course {
            self.finish(course);
        }
    }

    /// Ends a look. `whole`: the dump was; `events`: deaths are told of.
    pub fn end(&mut self, whole: bool, events: bool) {
        for course in self.listeners.values_mut() {
            let requests = self.requests.get(&course.example.local.port).copied().unwrap_or(0);
            course.requests_now = requests;
            course.requests = course.requests.max(requests);
        }
        if !whole || self.shown == self.courses.len() {
            return;
        }
        // Whose death is told of may be told of late.
        let grace = if events { 2 } else { 1 };
        for slot in (0..self.courses.len()).rev() {
            let gone = self.courses.get(slot).is_some_and(|own| own.seen + grace <= self.look);
            if gone && let Some(mut course) = self.courses.swap_remove(slot) {
                course.fate = Fate::Vanished;
                self.finish(course);
            }
        }
        let look = self.look;
        self.listeners.retain(|_, course| course.seen == look);
    }

    /// Whether a connection is known.
    pub fn knows(&self, cookie: u64) -> bool {
        self.courses.look_up(cookie).is_some()
    }

    /// Connections that are known.
    pub fn len(&self) -> usize {
        self.courses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.courses.len() == 0
    }

    /// Enters a reading of the host.
    pub fn read_host(&mut self, reading: HostReading) {
        self.host.read(reading, u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX));
    }

    /// Lets a connection go that is not asked about after all.
    pub fn dismiss(&mut self, cookie: u64) {
        if let Some(slot) = self.courses.look_up(cookie) {
            self.courses.swap_remove(slot);
            self.shown = self.shown.saturating_sub(1);
        }
    }

    fn finish(&mut self, course: Course) {
        self.groups.add(&course);
        if !course.asks_for_a_judge() {
        } else if self.dead.len() < DEAD {
            self.dead.push(course);
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
            connections: self.courses.len() as u64,
            unjudged: self.unjudged,
            listeners: self.listeners.len() as u64,
            rules: self.question.asked.iter().filter(|asked| **asked).count() as u64,
            looks: self.look,
            ..Seen::default()
        };
        let mut same: FxHashMap<(usize, GroupKey), Same> = FxHashMap::default();
        for slot in 0..self.courses.len() {
            let Some(course) = self.courses.get(slot) else { break };
            if course.is_quiet() {
                // As most are: not even its counters are looked at.
                self.groups.add_quiet(course);
                continue;
            }
            self.groups.add(course);
            seen.active += u64::from(course.has_moved());
            self.judge(course, &context, &mut same);
        }
        for course in &self.dead {
            self.judge(course, &context, &mut same);
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
            let sighting = worst.clone();
            let subject = Subject::Connections { count: same.count, worst: same.worst };
            findings.push(Finding { rule, subject, sighting });
        }
        self.judge_host(&context, &mut findings);
        findings.sort_by_key(|finding| {
            let sighting = &finding.sighting;
            let port = match &finding.subject {
                Subject::Connections { worst, .. } => worst.first().map(|(one, _)| one),
                Subject::Listener(one) | Subject::Service(one) => Some(one),
                Subject::Host => None,
            };
            let port = port.map(|one| GroupKey::of(one).port);
            (
                Reverse((sighting.severity, sighting.confidence)),
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
        course: &Course,
        context: &Context,
        same: &mut FxHashMap<(usize, GroupKey), Same>,
    ) {
        let evidence = course.evidence();
        let mut sighted: Vec<(usize, Sighting)> = Vec::new();
        for (place, rule) in self.asked() {
            if let Judge::Connection(judge) = rule.judge {
                let limits = self.question.limits.of(place);
                let sighting = judge(&Case { evidence: &evidence, context, limits });
                sighted.extend(sighting.map(|sighting| (place, sighting)));
            }
        }
        let key = GroupKey::of(&course.example);
        for (place, sighting) in unexplained(sighted) {
            same.entry((place, key)).or_default().add(course.example, sighting);
        }
    }

    fn judge_listeners(&self, context: &Context, findings: &mut Vec<Finding>) {
        let alone = self.listeners.len() == 1;
        for listener in self.listeners.values() {
            let mut sighted = Vec::new();
            for (place, rule) in self.asked() {
                if let Judge::Listener(judge) = rule.judge {
                    let limits = self.question.limits.of(place);
                    let sighting = judge(&ListenerCase { listener, alone, context, limits });
                    sighted.extend(sighting.map(|sighting| (place, sighting)));
                }
            }
            for (place, sighting) in unexplained(sighted) {
                if let Some(&rule) = RULES.get(place) {
                    let subject = Subject::Listener(listener.example);
                    findings.push(Finding { rule, subject, sighting });
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
                let case = ServiceCase { key: *key, group, context, limits };
                let Some(sighting) = judge(&case) else { continue };
                let explained = same.keys().any(|(other, its)| {
                    its == key
                        && RULES
                            .get(*other)
                            .is_some_and(|other| rule.explained_by.contains(&other.code))
                });
                if !explained {
                    findings.push(Finding { rule, subject: Subject::Service(example), sighting });
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
            let sightings = judge(&HostCase { context, limits });
            let found = sightings.into_iter().map(|sighting| Finding {
                rule,
                subject: Subject::Host,
                sighting,
            });
            of_host.extend(found);
        }
        let own: Vec<&str> = of_host.iter().map(|finding| finding.rule.code).collect();
        of_host.retain(|finding| {
            let explainers = finding.rule.explained_by.iter().chain(finding.sighting.explained_by);
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
        for slot in 0..self.courses.len() {
            let Some(course) = self.courses.get(slot) else { break };
            if course.example.role == Role::Client {
                let (_, remote) = course.ends();
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
fn unexplained(sighted: Vec<(usize, Sighting)>) -> Vec<(usize, Sighting)> {
    let codes: Vec<&str> =
        sighted.iter().filter_map(|(place, _)| RULES.get(*place)).map(|rule| rule.code).collect();
    let explained = |place: usize, sighting: &Sighting| {
        let own = RULES.get(place).map_or(&[][..], |rule| rule.explained_by);
        own.iter().chain(sighting.explained_by).any(|code| codes.contains(code))
    };
    sighted.into_iter().filter(|(place, sighting)| !explained(*place, sighting)).collect()
}
