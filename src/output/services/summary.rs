//! The result of a run, in one line.

use crate::attribution::{Polls, ServiceInterval};
use crate::output::human;

/// The closing line of a run, `2 intervals in 2s; 2 polls (1 early, 12 skipped); 0.5% of one CPU`,
/// or `12 intervals of the recording's 1min; 13 polls read in 0.4s`.
pub fn services_summary(whole: &ServiceInterval, intervals: u64, is_replay: bool) -> String {
    let mut line = human::counted(intervals, "interval");
    let Polls { regular, early, skipped, .. } = whole.polls;
    let wall = whole.used.wall;
    if is_replay {
        line.push_str(" of the recording's ");
        human::microseconds(whole.length.as_micros() as u64, &mut line);
        line.push_str("; ");
        line.push_str(&human::counted(regular + early, "poll"));
        line.push_str(" read in ");
        human::microseconds(wall.as_micros() as u64, &mut line);
        return line;
    }
    line.push_str(" in ");
    human::microseconds(whole.length.as_micros() as u64, &mut line);
    let polls = human::counted(regular + early, "poll");
    line.push_str(&format!("; {polls} ({} early", human::grouped(early)));
    if let Some(skipped @ 1..) = skipped {
        line.push_str(&format!(", {} skipped", human::grouped(skipped)));
    }
    line.push_str("); ");
    let used = (whole.used.user + whole.used.system).as_secs_f64();
    human::share(used / wall.as_secs_f64().max(1e-9), &mut line);
    line.push_str(" of one CPU");
    line
}
