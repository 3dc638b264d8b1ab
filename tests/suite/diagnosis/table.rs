//! The documentation's matrix of faults and findings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::matrix::Line;
use crate::lab::Side;

/// The text before the table.
const HEAD: &str = "\
# Faults and findings

What `tcpdiag diagnose --duration 5s` says at both ends of a connection while something is wrong with
it for real: `tests/suite/lab/faults` makes each fault between two network namespaces. This part is written
by a command:

```sh
TCPDIAG_MATRIX_RUNS=3 TCPDIAG_WRITE_MATRIX=1 cargo test --test suite diagnosis::matrix
```

The client connects; unless the second column says otherwise it also sends. **Has to be found** are
codes of which one has to be there, for each end that is named. A finding that is only information
stands in parentheses; a fraction says in how many runs a finding was there if not in all. What is
above information and not true is struck out. `tcpdiag explain CODE` prints what a code means.

";

/// The document.
pub fn of(lines: &[Line]) -> String {
    let mut text = HEAD.to_owned();
    text.push_str(
        "| fault | what is done | has to be found | found at the client | found at the server |\n",
    );
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for line in lines {
        let fault = line.fault;
        let musts: Vec<String> = fault
            .must
            .iter()
            .map(|demand| {
                format!("{:?}: {}", demand.side, demand.one_of.join(" or ")).to_lowercase()
            })
            .map(|must| must.replace("td", "TD"))
            .collect();
        let musts = if musts.is_empty() { "nothing".to_owned() } else { musts.join("; ") };
        let [client, server] = Side::BOTH.map(|side| said(line, side));
        let _ =
            writeln!(text, "| {} | {} | {musts} | {client} | {server} |", fault.name, fault.does);
    }
    let sick: Vec<&Line> = lines.iter().filter(|line| !line.fault.is_healthy()).collect();
    let found: usize = sick.iter().map(|line| line.found()).sum();
    let all: usize = sick.iter().map(|line| line.runs.len()).sum();
    let [right, alarms] =
        lines.iter().map(Line::alarms).fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    let runs = lines.iter().map(|line| line.runs.len()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\nIn {runs} run{} of {} faults and {} healthy scenes {found} of {all} faults were found, and \
         {right} of {alarms} findings above information belong to what was wrong.",
        if runs == 1 { "" } else { "s" },
        sick.len(),
        lines.len() - sick.len(),
    );
    text
}

/// The findings at one end over all runs.
fn said(line: &Line, side: Side) -> String {
    // By code: the number of runs with it, and of those in which it was an alarm.
    let mut codes: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for run in &line.runs {
        let mut here: BTreeMap<&str, bool> = BTreeMap::new();
        for said in run.iter().filter(|said| said.side == side) {
            *here.entry(&said.code).or_default() |= said.is_alarm;
        }
        for (code, is_alarm) in here {
            let [times, alarms] = codes.entry(code).or_default();
            *times += 1;
            *alarms += usize::from(is_alarm);
        }
    }
    let cells = codes.into_iter().map(|(code, [times, alarms])| {
        let mut cell = code.to_owned();
        if times < line.runs.len() {
            let _ = write!(cell, " {times}/{}", line.runs.len());
        }
        match alarms {
            0 => format!("({cell})"),
            _ if line.fault.allows(code) => cell,
            _ => format!("~~{cell}~~"),
        }
    });
    cells.collect::<Vec<_>>().join(", ")
}
