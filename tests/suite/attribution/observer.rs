//! The program under test, run beside traffic, and its summary.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::{Kinds, Output, PATIENCE, RunningScenario, Side, Stream, Tcpdiag};

/// A running `tcpdiag services`.
#[derive(Debug)]
pub struct Observer {
    pid: Pid,
    /// The documents of intervals so far.
    pub seen: Vec<Value>,
    /// Further documents. A thread reads them at once, so the pipe never fills.
    coming: Receiver<Value>,
    reader: JoinHandle<Output>,
}

impl Observer {
    /// Starts it in the namespace of one end; returns when it has its baseline.
    pub fn begin(running: &RunningScenario<'_>, side: Side, arguments: &[&str]) -> Self {
        running.inside(side, || Self::here(arguments))
    }

    /// Starts it in the namespace of the calling thread; the first argument is the interval.
    pub fn here(arguments: &[&str]) -> Self {
        Self::of(&Tcpdiag::new(), arguments)
    }

    /// The same with another configuration or user.
    pub fn of(tcpdiag: &Tcpdiag, arguments: &[&str]) -> Self {
        let usual = ["services", "-o", "json", "--interval"];
        let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
        let mut stream: Stream = tcpdiag.start(&arguments);
        let pid = stream.pid();
        let (documents, coming) = channel();
        let reader = std::thread::spawn(move || {
            while let Some(document) = stream.document() {
                // Read to the end even if the receiver is dropped.
                let _ = documents.send(document);
            }
            stream.end()
        });
        let mut observer = Self { pid, seen: Vec::new(), coming, reader };
        // The first interval: nothing has happened yet.
        observer.next();
        observer
    }

    /// Waits for the next document.
    pub fn next(&mut self) -> &Value {
        let document = self.coming.recv_timeout(PATIENCE).expect("it runs");
        assert_eq!(document["schema"], "tcpdiag.services/1", "{document}");
        check(&document);
        self.seen.push(document);
        self.seen.last().unwrap()
    }

    /// Reads on until a condition holds for the documents so far.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&[Value]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.seen) {
            let last = self.seen.last().map(Value::to_string);
            assert!(Instant::now() < end, "waited in vain for: {what}; at last: {last:?}");
            self.next();
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Does something between two polls while the program is stopped. Best with `--watch off` and
    /// intervals long enough to stop it within one.
    pub fn while_stopped<T>(&mut self, act: impl FnOnce() -> T) -> T {
        // It is idle right after an interval.
        self.seen.extend(self.coming.try_iter());
        self.next();
        self.signal(Signal::STOP);
        let done = act();
        self.signal(Signal::CONT);
        done
    }

    /// Ends it; returns its summary.
    pub fn end(self) -> Summary {
        self.end_by(Signal::INT, 0)
    }

    /// The same with this signal and exit code.
    pub fn end_by(self, signal: Signal, code: i32) -> Summary {
        self.signal(signal);
        let output = self.reader.join().unwrap();
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        let mut intervals = self.seen;
        intervals.extend(self.coming.try_iter());
        let document = intervals.pop().expect("a summary");
        assert_eq!(document["schema"], "tcpdiag.services.summary/1");
        intervals.iter().for_each(check);
        check(&document);
        Summary { document, intervals, closing: output.stderr }
    }
}

/// The sum of a number over documents.
pub fn sum(documents: &[Value], pointer: &str) -> u64 {
    documents.iter().filter_map(|document| document.pointer(pointer)?.as_u64()).sum()
}

/// Checks that parts add up to the whole and values lie within their bounds.
pub fn check(document: &Value) {
    for counter in document["attribution"].as_array().unwrap() {
        let number = |key: &str| counter[key].as_u64().unwrap();
        let parts = counter["by_service"].as_array().unwrap();
        let sum: u64 = parts.iter().map(|part| part["value"].as_u64().unwrap()).sum();
        assert_eq!(sum, number("attributed"), "{counter:#}");
        assert_eq!(number("attributed") + number("unattributed"), number("delta"), "{counter:#}");
        let reasons = counter["unattributed_reasons"].as_array().unwrap();
        assert_eq!(reasons.is_empty(), number("unattributed") == 0, "{counter:#}");
        for part in parts {
            let [low, value, high] =
                ["low", "value", "high"].map(|key| part[key].as_u64().unwrap());
            assert!(low <= value && value <= high && high <= number("delta"), "{counter:#}");
        }
    }
}

/// An estimate of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    pub value: u64,
    pub low: u64,
    pub high: u64,
}

/// The result of a whole run.
#[derive(Debug)]
pub struct Summary {
    pub document: Value,
    /// The intervals before it.
    pub intervals: Vec<Value>,
    pub closing: String,
}

impl Summary {
    /// Retransmits by port of the service.
    pub fn retransmits(&self) -> BTreeMap<u16, u64> {
        self.rows().map(|(port, row)| (port, row["retrans_segs"].as_u64().unwrap())).collect()
    }

    /// The row of a service.
    pub fn row(&self, service: &str, role: &str) -> Option<&Value> {
        let rows = self.document["services"].as_array().unwrap();
        rows.iter().find(|row| row["service"] == service && row["role"] == role)
    }

    /// Each service's part of a counter, by port.
    pub fn parts(&self, counter: &str) -> BTreeMap<u16, Range> {
        let parts = self.counter(counter).and_then(|counter| counter["by_service"].as_array());
        let range = |part: &Value| {
            let [value, low, high] =
                ["value", "low", "high"].map(|key| part[key].as_u64().unwrap());
            Range { value, low, high }
        };
        let port = |part: &Value| Some(u16::try_from(part["port"].as_u64()?).unwrap());
        parts.into_iter().flatten().filter_map(|part| Some((port(part)?, range(part)))).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.document["services"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| Some((u16::try_from(row["port"].as_u64()?).unwrap(), row)))
    }

    /// The kinds of a port: fast, slow start, timeout, probe, SYN.
    pub fn kinds(&self) -> BTreeMap<u16, [Range; 5]> {
        let kinds = ["fast", "slow_start", "rto", "probe", "syn"];
        self.rows()
            .map(|(port, row)| {
                let of = |kind: &str| {
                    let range = &row["retransmits_by_kind"][kind];
                    let [value, low, high] =
                        ["value", "low", "high"].map(|key| range[key].as_u64().unwrap_or(0));
                    Range { value, low, high }
                };
                (port, kinds.map(of))
            })
            .collect()
    }

    /// A counter's attribution.
    pub fn counter(&self, name: &str) -> Option<&Value> {
        self.document["attribution"]
            .as_array()
            .unwrap()
            .iter()
            .find(|counter| counter["counter"] == name)
    }
}

/// The difference between kinds by service and the truth, as a share of all retransmits: half the
/// sum of the differences (total variation).
pub fn distance(truth: &BTreeMap<u16, Kinds>, seen: &BTreeMap<u16, [f64; 5]>) -> f64 {
    let total: u64 = truth.values().map(|kinds| kinds.five().iter().sum::<u64>()).sum();
    let ports = truth.keys().chain(seen.keys()).collect::<std::collections::BTreeSet<_>>();
    let difference: f64 = ports
        .into_iter()
        .map(|port| {
            let truth = truth.get(port).map_or([0; 5], |kinds| kinds.five());
            let seen = seen.get(port).copied().unwrap_or_default();
            truth.iter().zip(seen).map(|(&one, other)| (one as f64 - other).abs()).sum::<f64>()
        })
        .sum();
    difference / 2.0 / total.max(1) as f64
}
