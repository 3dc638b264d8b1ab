//! The closing lines on standard error.

use std::fmt::Write as _;
use std::time::Duration;

use super::sample::Tally;
use crate::model::State;
use crate::output::escape;
use crate::output::human::{self, grouped};
use crate::report::Quality;

/// `3 sockets shown of 51 listed (2 established, 1 close_wait) in 1.2ms`.
pub(super) fn one_sample(tally: &Tally, took: Duration) -> String {
    let mut line = format!(
        "{} {} shown of {} listed",
        grouped(tally.shown),
        if tally.shown == 1 { "socket" } else { "sockets" },
        grouped(tally.listed),
    );
    let mut states: Vec<(u64, State)> = State::ALL
        .iter()
        .map(|&state| (tally.by_state(state), state))
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
    if tally.limited {
        line.push_str(", stopped at the limit");
    }
    line.push_str(" in ");
    human::microseconds(took.as_micros() as u64, &mut line);
    line
}

/// Over all samples of a repeated run.
pub(super) fn whole_run(tally: &Tally, samples: u64, took: Duration) -> String {
    let mut line = format!("{} samples in ", grouped(samples));
    human::microseconds(took.as_micros() as u64, &mut line);
    let _ = write!(
        line,
        ": {} connections opened, {} closed; {} of {} segments retransmitted",
        grouped(tally.opened),
        grouped(tally.closed),
        grouped(tally.retransmitted),
        grouped(tally.segments),
    );
    if tally.segments > 0 {
        line.push_str(" (");
        human::share(tally.retransmitted as f64 / tally.segments as f64, &mut line);
        line.push(')');
    }
    line
}

/// What is missing, a line each.
pub(super) fn warnings(quality: &Quality) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |count: u64, text: &str| {
        if count > 0 {
            lines.push(format!("{} {text}", grouped(count)));
        }
    };
    say(
        quality.dump_interrupted,
        "times the socket table changed under the dump: rows may be missing or double",
    );
    say(quality.decode_errors, "records could not be read in whole");
    say(quality.truncated_tcp_info, "sockets have a longer tcp_info than this program can keep");
    lines.extend(quality.permission_limited.iter().cloned());
    if let Some(filter) = &quality.recorded_filter {
        let filter = escape::text(filter);
        lines.push(format!("only these sockets were recorded: {filter}"));
    }
    lines
}
