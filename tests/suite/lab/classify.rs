//! What a recording says: which segments were retransmitted, by whom, and why.
//!
//! Two ways lead to a kind, and each checks the other.
//!
//! *The path*: the stack of the event names the function that decided.
//! `tcp_retransmit_timer` is the first segment of a timeout,
//! `tcp_send_loss_probe` a probe, `tcp_xmit_retransmit_queue` recovery, which
//! the kernel counts as slow start while the socket's state is Loss and as fast
//! otherwise. Exact: it is the kernel's own condition. Interrupts stack, so the
//! innermost of them counts.
//!
//! *The state*: without stacks, the first segment after each entry into Loss
//! is the timer's (`tcp_enter_loss` tells of every one), more in Loss are slow
//! start, those in Recovery fast, and those in other states probes, which the
//! kernel arms in Open and CWR only. An inference; it also decides where the
//! kernel has no stack of an event, see [`parse`]. `tests/suite/lab_tests` holds it
//! against the paths, and against TCPTimeouts, which knows neither.
//!
//! SYN-ACKs have an event of their own; SYNs show by the state of the socket.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use tcpdiag::wire::uapi::{TCP_CA_LOSS, TCP_CA_RECOVERY};

use super::kinds::{Kind, Kinds};
use super::truth::Retransmit;
use super::{Addresses, Side};

/// What there is to know of all events.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Each retransmitted segment, in order.
    pub retransmits: Vec<Retransmit>,
    /// Retransmissions that the kernel thought better of before it counted
    /// them, as the original was still in a queue of the host. (Since Linux
    /// 6.15 the event tells of them, with an error.)
    pub suppressed: u64,
    /// Retransmissions counted, but failed to be sent.
    pub failed: u64,
    /// Events that the kernel had no room for.
    pub lost: u64,
    /// Events with a stack.
    pub with_path: u64,
    /// Those of which path and state say different things.
    pub disputed: u64,
    /// Stacks that belong to no event: of those as the trace began, or the reader is wrong.
    pub astray: u64,
    /// Segments, apart from SYN-ACKs, whose kind the states alone tell.
    pub without_path: Kinds,
    /// Whether the kernel told of states.
    pub has_states: bool,
    /// By the states alone: what could be known without stacks.
    pub by_state: [BTreeMap<u16, Kinds>; 2],
}

/// One event.
#[derive(Debug)]
struct Event<'a> {
    name: &'a str,
    context: Context<'a>,
    fields: Fields<'a>,
    /// Functions as they are printed, innermost first.
    stack: Vec<&'a str>,
}

/// When and in which context something happened.
#[derive(Debug, Clone, Copy)]
struct Context<'a> {
    /// Microseconds of CLOCK_MONOTONIC.
    at: u64,
    /// Name and number of the thread, or of the one that was interrupted.
    thread: &'a str,
    processor: &'a str,
    /// The kind of interrupt, if in one.
    interrupt: char,
}

/// What is read of an event.
#[derive(Debug, Default)]
struct Fields<'a> {
    own: (&'a str, u16),
    peer: (&'a str, u16),
    state: &'a str,
    congestion: u8,
    error: i32,
}

/// A socket: addresses and ports of both ends, its own first.
type Tuple = (IpAddr, u16, IpAddr, u16);

/// The event that comes with its stack.
const RETRANSMIT: &str = "tcp_retransmit_skb";
/// The event of a socket that goes from one `enum tcp_ca_state` to another.
const STATE: &str = "tcp_cong_state_set";
/// Errors before anything was counted: `__tcp_retransmit_skb` had EBUSY, EAGAIN,
/// EINVAL, ENOMEM, EHOSTUNREACH. Errors of sending are others.
const BEFORE: [i32; 5] = [-16, -11, -22, -12, -113];

/// Reads lines of trace_pipe.
pub fn classify(text: &str, addresses: Addresses) -> Verdict {
    let mut verdict = Verdict::default();
    let mut events = parse(text, &mut verdict);
    // Processors take turns in the text; each one's own order stays.
    events.sort_by_key(|event| event.context.at);
    verdict.has_states = events.iter().any(|event| event.name == STATE);
    // The state, and whether the timer's segment is still to come.
    let mut states: HashMap<Tuple, (u8, bool)> = HashMap::new();
    for event in &events {
        let Some((tuple, side)) = event.socket(addresses) else { continue };
        let state = states.entry(tuple).or_default();
        if event.name == STATE {
            let new = event.fields.congestion;
            *state = (new, new == TCP_CA_LOSS);
            continue;
        }
        if BEFORE.contains(&event.fields.error) {
            verdict.suppressed += 1;
            // The timer had its turn, and fires again.
            state.1 = false;
            continue;
        }
        verdict.failed += u64::from(event.fields.error != 0);
        let by_state = event.kind_by_state(state);
        let by_path = event.kind_by_path(state.0);
        let port = if side == Side::Server { tuple.1 } else { tuple.3 };
        let has_path = !event.stack.is_empty();
        let kind = match (has_path, verdict.has_states) {
            (true, true) => by_path,
            (false, true) => by_state,
            // Nothing tells fast from slow start then.
            (true, false) if ![Kind::Fast, Kind::SlowStart].contains(&by_path) => by_path,
            _ => event.is_syn().unwrap_or(Kind::Other),
        };
        if verdict.has_states {
            verdict.by_state[side.index()].entry(port).or_default().count(by_state);
            verdict.disputed += u64::from(has_path && by_path != by_state);
        }
        verdict.with_path += u64::from(has_path);
        if !has_path && kind != Kind::SynAck {
            verdict.without_path.count(kind);
        }
        verdict.retransmits.push(Retransmit { at: event.context.at, side, port, kind });
    }
    verdict
}

impl Event<'_> {
    /// Whose it is; nobody's here if not of these addresses.
    fn socket(&self, addresses: Addresses) -> Option<(Tuple, Side)> {
        let Fields { own, peer, .. } = self.fields;
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let tuple = (address(own.0)?, own.1, address(peer.0)?, peer.1);
        Some((tuple, addresses.side(tuple.0)?))
    }

    fn is_syn(&self) -> Option<Kind> {
        if self.name == "tcp_retransmit_synack" {
            return Some(Kind::SynAck);
        }
        (self.fields.state == "TCP_SYN_SENT").then_some(Kind::Syn)
    }

    fn kind_by_path(&self, state: u8) -> Kind {
        if let Some(kind) = self.is_syn() {
            return kind;
        }
        let decides = |line: &&str| match bare(line) {
            "tcp_retransmit_timer" => Some(Kind::Timeout),
            "tcp_send_loss_probe" => Some(Kind::Probe),
            "tcp_xmit_retransmit_queue" if state == TCP_CA_LOSS => Some(Kind::SlowStart),
            "tcp_xmit_retransmit_queue" => Some(Kind::Fast),
            _ => None,
        };
        self.stack.iter().find_map(decides).unwrap_or(Kind::Other)
    }

    fn kind_by_state(&self, (state, timer): &mut (u8, bool)) -> Kind {
        if let Some(kind) = self.is_syn() {
            return kind;
        }
        match *state {
            TCP_CA_LOSS if std::mem::take(timer) => Kind::Timeout,
            TCP_CA_LOSS => Kind::SlowStart,
            TCP_CA_RECOVERY => Kind::Fast,
            _ => Kind::Probe,
        }
    }
}

/// Events with their stacks. The stack is an event of its own, behind the one
/// it belongs to on the same processor, unless an interrupt with events of its
/// own came in between. Of some contexts the kernel has no stack: in a virtual
/// machine with 6.18, for timers that interrupt the idle thread of any processor
/// but the first, and some programs. So what has none is no fair sample: on a
/// quiet host it is most of what timers send.
fn parse<'a>(text: &'a str, verdict: &mut Verdict) -> Vec<Event<'a>> {
    let mut events: Vec<Event<'a>> = Vec::new();
    // By processor: events whose stacks are still to come.
    let mut waiting: HashMap<&str, Vec<usize>> = HashMap::new();
    // The event whose stack is being read.
    let mut current: Option<usize> = None;
    for line in text.lines() {
        // Most lines are these.
        if line.starts_with(" =>") {
            if let Some(event) = current {
                events[event].stack.push(line);
            }
            continue;
        }
        current = None;
        if line.ends_with("<stack trace>") {
            let Some(context) = Context::of(line) else { continue };
            let waiting = waiting.entry(context.processor).or_default();
            let same = |event: &usize| {
                let event = &events[*event].context;
                (event.thread, event.interrupt) == (context.thread, context.interrupt)
            };
            current = waiting.iter().rposition(same).map(|found| waiting.remove(found));
            verdict.astray += u64::from(current.is_none());
        } else if let Some((head, rest)) = line.split_once(": tcp_") {
            let Some(context) = Context::of(head) else { continue };
            let name_at = line.len() - rest.len() - "tcp_".len();
            let Some((name, fields)) = line[name_at..].split_once(": ") else { continue };
            if name == RETRANSMIT {
                waiting.entry(context.processor).or_default().push(events.len());
            }
            let fields = Fields::of(fields);
            events.push(Event { name, context, fields, stack: Vec::new() });
        } else if let Some((_, number)) = line.split_once("[LOST ") {
            // "[LOST EVENTS]" does not say how many.
            let number = number.split(' ').next().unwrap_or_default();
            verdict.lost += number.parse().unwrap_or(1);
        }
    }
    events
}

impl<'a> Context<'a> {
    /// From the head of a line: `comm-pid [000] flags time: `. Names of
    /// processes may be anything.
    fn of(head: &'a str) -> Option<Self> {
        let (thread, rest) = head.rsplit_once('[')?;
        let (processor, rest) = rest.split_once(']')?;
        let mut words = rest.split_whitespace();
        // irqs-off, need-resched, hardirq/softirq, preempt-depth, migrate-disable
        let interrupt = words.next()?.chars().nth(2)?;
        let (seconds, fraction) = words.next()?.trim_end_matches(':').split_once('.')?;
        let at = seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?;
        Some(Self { at, thread, processor, interrupt })
    }
}

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        let mut fields = Self::default();
        for word in text.split(' ') {
            let Some((name, value)) = word.split_once('=') else { continue };
            match name {
                "saddrv6" => fields.own.0 = value,
                "daddrv6" => fields.peer.0 = value,
                "sport" => fields.own.1 = value.parse().unwrap_or_default(),
                "dport" => fields.peer.1 = value.parse().unwrap_or_default(),
                "state" => fields.state = value,
                "cong_state" => fields.congestion = value.parse().unwrap_or_default(),
                "err" => fields.error = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        fields
    }
}

/// A function as it is printed, without what compilers and tracers append.
fn bare(line: &str) -> &str {
    let function = line.trim_start_matches(" =>").trim_start();
    function.split(['.', '+', ' ']).next().unwrap_or(function)
}
