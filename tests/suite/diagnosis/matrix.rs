//! Every fault of the fault lab, diagnosed at both ends: recall and precision of the findings.

use super::both_ends::{self, Said};
use super::table;
use crate::lab::faults::{Fault, Setup, chosen, try_all};
use crate::lab::{lab, require, runs};

/// Faults provoked at the same time.
const CONCURRENT: usize = 10;
/// The same when failed faults are repeated.
const CONCURRENT_RETRIES: usize = 4;
/// With a single run, on a machine that may be busy, a failure is repeated this many times and
/// counts only if it always fails.
const RETRIES: usize = 2;
/// The least recall and precision.
const REQUIRED_SHARE: f64 = 0.95;

/// A fault with its findings in each run.
pub struct Line {
    /// The fault.
    pub fault: &'static Fault,
    /// The findings of each run.
    pub runs: Vec<Vec<Said>>,
}

impl Line {
    /// The number of runs with all required findings.
    pub fn found(&self) -> usize {
        let meets = |said: &&Vec<Said>| {
            self.fault.must.iter().all(|demand| {
                said.iter().any(|said| {
                    said.side == demand.side && demand.one_of.contains(&said.code.as_str())
                })
            })
        };
        self.runs.iter().filter(meets).count()
    }

    /// Whether all runs have all required findings and no others.
    fn is_good(&self) -> bool {
        let [true_ones, all] = self.alarms();
        !self.runs.is_empty() && self.found() == self.runs.len() && true_ones == all
    }

    /// Alarms that belong to the fault, and all alarms.
    pub fn alarms(&self) -> [usize; 2] {
        let alarms = self.runs.iter().flatten().filter(|said| said.is_alarm);
        let true_ones = alarms.clone().filter(|said| self.fault.allows(&said.code));
        [true_ones.count(), alarms.count()]
    }
}

fn diagnose(fault: &Fault, setup: &Setup) -> Vec<Said> {
    both_ends::diagnose(setup, fault.arguments).0
}

/// Prints the missing and the wrong findings of a fault.
fn print_deviations(line: &Line) {
    let name = line.fault.name;
    if line.found() < line.runs.len() {
        println!("{name}: found in {} runs of {}", line.found(), line.runs.len());
    }
    for said in line.runs.iter().flatten().filter(|said| said.is_alarm) {
        if !line.fault.allows(&said.code) {
            println!("{name}: {:?} should not say {}: {}", said.side, said.code, said.whole);
        }
    }
}

fn share([part, whole]: [usize; 2]) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

lab!(
    alone as Mapped fn matrix() {
        let faults = chosen();
        let mut lines: Vec<Line> =
            faults.iter().map(|fault| Line { fault, runs: Vec::new() }).collect();
        let mut failures = Vec::new();
        for _ in 0..runs() {
            let outcomes = try_all(&faults, CONCURRENT, diagnose);
            for (line, outcome) in lines.iter_mut().zip(outcomes) {
                match outcome {
                    Ok(trial) => line.runs.push(trial.seen),
                    Err(reason) if reason.contains("/dev/net/tun") => {
                        require(false, &reason);
                        return;
                    }
                    Err(reason) => failures.push(reason),
                }
            }
        }
        lines.iter().for_each(print_deviations);
        for _ in 0..if runs() == 1 { RETRIES } else { 0 } {
            let wrong: Vec<_> =
                lines.iter().filter(|line| !line.is_good()).map(|line| line.fault).collect();
            failures.clear();
            for (fault, outcome) in wrong.iter().zip(try_all(&wrong, CONCURRENT_RETRIES, diagnose)) {
                println!("tried again: {}", fault.name);
                match outcome {
                    Ok(trial) => {
                        let line = lines.iter_mut().find(|line| std::ptr::eq(line.fault, *fault));
                        let line = line.unwrap();
                        line.runs = vec![trial.seen];
                        print_deviations(line);
                    }
                    Err(reason) => failures.push(reason),
                }
            }
        }
        let table = table::of(&lines);
        println!("{table}");
        if std::env::var("TCPDIAG_WRITE_MATRIX").is_ok_and(|value| value == "1") {
            super::document::write(&super::document::Part::Matrix, &table);
        }
        let sick = || lines.iter().filter(|line| !line.fault.is_healthy());
        let recall = share(sick().fold([0, 0], |[found, all], line| {
            [found + line.found(), all + line.runs.len()]
        }));
        let precision = share(lines.iter().map(Line::alarms).fold([0, 0], |sum, one| {
            [sum[0] + one[0], sum[1] + one[1]]
        }));
        println!("recall {recall:.3}, precision {precision:.3}");
        assert!(failures.is_empty(), "not provoked: {}", failures.join("\n"));
        for line in lines.iter().filter(|line| line.fault.is_healthy()) {
            assert_eq!(line.alarms(), [0, 0], "{} is healthy", line.fault.name);
        }
        assert!(recall >= REQUIRED_SHARE, "recall {recall:.3}");
        assert!(precision >= REQUIRED_SHARE, "precision {precision:.3}");
    }
);
