//! The closing lines of commands, for standard error.

use std::fmt::Write as _;
use std::time::Duration;

use super::escape;
use super::human::{self, grouped};
use crate::model::{State, StateSet};
use crate::recording::{RepeatedTime, Sample, Session, local_time};
use crate::report::{ConnectionTotals, Quality};

/// `3 sockets shown of 51 listed (2 established, 1 close_wait) in 1.2ms`.
pub fn one_sample(totals: &ConnectionTotals, took: Duration) -> String {
    let mut line = format!(
        "{} {} shown of {} listed",
        grouped(totals.shown),
        if totals.shown == 1 { "socket" } else { "sockets" },
        grouped(totals.listed),
    );
    let mut states: Vec<(u64, State)> = State::ALL
        .iter()
        .map(|&state| (totals.by_state(state), state))
        .filter(|(count, _)| *count > 0)
        .collect();
    states.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let states: Vec<String> = states
        .iter()
        .map(|(count, state)| format!("{} {}", grouped(*count), state.name()))
        .collect();
    if !states.is_empty() {
        let _ = write!(line, " ({})", states.join(", "));
    }
    if totals.limited {
        line.push_str(", stopped at the limit");
    }
    line.push_str(" in ");
    human::microseconds(took.as_micros() as u64, &mut line);
    line
}

/// The same over all samples of a repeated run.
pub fn whole_run(totals: &ConnectionTotals, samples: u64, took: Duration) -> String {
    let mut line = format!("{} in ", human::counted(samples, "sample"));
    human::microseconds(took.as_micros() as u64, &mut line);
    let _ = write!(
        line,
        ": {} connections opened, {} closed; {} of {} segments retransmitted",
        grouped(totals.opened),
        grouped(totals.closed),
        grouped(totals.retransmitted),
        grouped(totals.segments),
    );
    if totals.segments > 0 {
        line.push_str(" (");
        human::share(totals.retransmitted as f64 / totals.segments as f64, &mut line);
        line.push(')');
    }
    line
}

/// The columns that did not fit, as the end of a closing line.
pub fn not_shown(headers: &[String]) -> String {
    match headers {
        [] => String::new(),
        headers => format!("; -w also shows {}", headers.join(", ")),
    }
}

/// One line for each kind of missing data.
pub fn warnings(quality: &Quality) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |count: u64, text: &str| {
        if count > 0 {
            lines.push(format!("{} {text}", grouped(count)));
        }
    };
    add(
        quality.dump_interrupted,
        "times the socket table changed under the dump: rows may be missing or double",
    );
    add(quality.decode_errors, "records could not be read in whole");
    add(
        quality.foreign_datagrams,
        "netlink datagrams that the kernel did not send were discarded: a process forges them",
    );
    add(quality.truncated_tcp_info, "sockets have a longer tcp_info than this program can keep");
    lines.extend(quality.unread_files());
    lines.extend(quality.permission_limited.iter().cloned());
    if let Some(filter) = &quality.recorded_filter {
        let filter = escape::text(filter);
        lines.push(format!("only these sockets were recorded: {filter}"));
    }
    lines
}

/// `night.pcapng: sample 3 of 2026-11-21T04:45:00.000000000Z`.
pub fn recorded_sample(session: &Session) -> String {
    let (path, number) = session.position();
    let (path, number, sample) = (path.display(), number + 1, session.sample());
    let time = local_time(sample.clocks.realtime_ns);
    if sample.capture {
        format!(
            "{path}: dump {number} of {time}, captured by another program: states {}; nothing \
             known of owners, cgroups and names of interfaces",
            states(sample)
        )
    } else {
        format!("{path}: sample {number} of {time}")
    }
}

/// One line for each part of a recording that is missing.
pub fn recording_warnings(session: &Session) -> Vec<String> {
    let mut lines: Vec<String> = session.damage().iter().map(ToString::to_string).collect();
    for overlap in session.overlaps() {
        lines.push(format!(
            "{}: {} samples are of the time of the file before, and left out",
            overlap.path.display(),
            grouped(overlap.samples)
        ));
    }
    lines.extend(clock_warnings(session));
    match session.skipped() {
        0 => {}
        skipped => lines.push(format!(
            "{}: {} other file{} skipped, which tcpdiag did not record",
            session.name(),
            grouped(skipped),
            if skipped == 1 { "" } else { "s" },
        )),
    }
    lines
}

/// Steps of the wall clock that are listed one by one.
const MOST_STEPS: usize = 5;

/// Where the wall clock of a recording was set, and what that means for the times asked for.
fn clock_warnings(session: &Session) -> Vec<String> {
    let (name, steps) = (session.name(), session.clock_steps());
    let mut lines = Vec::new();
    for step in steps.iter().take(MOST_STEPS) {
        let by = step.by_ns();
        let length = human::in_words(Duration::from_nanos(by.unsigned_abs()));
        let (before, after) = (step.before.realtime_ns, step.after.realtime_ns);
        let (before, after) = (local_time(before), local_time(after));
        let what = if by < 0 {
            format!("was set back by {length}")
        } else {
            format!("went forward by {length}, as it was set or the host was suspended,")
        };
        lines.push(format!(
            "{name}: the wall clock {what} between the samples of {before} and {after}; samples \
             are in the order of the monotonic clock"
        ));
    }
    if let Some(more @ 1..) = steps.len().checked_sub(MOST_STEPS) {
        lines.push(format!("{name}: the wall clock was set {} more times", grouped(more as u64)));
    }
    for repeated in session.repeated_times() {
        let RepeatedTime { time, times, taken } = *repeated;
        lines.push(format!(
            "{name}: {} occurs {times} times, as the wall clock was set back; number {taken} is \
             taken. Relative times such as +30s reach the others",
            local_time(time)
        ));
    }
    match session.unordered() {
        0 => {}
        samples => lines.push(format!(
            "{name}: {} samples are no later than the one before, and there is no monotonic clock \
             to order them by; they are in the order in which they were read",
            grouped(samples)
        )),
    }
    lines
}

/// The states that a sample's dumps were asked for.
fn states(sample: &Sample) -> String {
    let parts = sample.namespaces.iter().flat_map(|namespace| &namespace.part.parts);
    let asked = parts.fold(0, |states, part| states | part.states);
    let names = State::ALL.iter().filter(|state| asked & StateSet::of(&[**state]).bits() != 0);
    let names: Vec<&str> = names.map(|state| state.name()).collect();
    if names.len() == State::ALL.len() { "all".to_owned() } else { names.join(", ") }
}
