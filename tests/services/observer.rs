//! The program under test while a scenario runs, and what its summary says.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::{Kinds, Output, Side, Stage, Stream, Tcpdiag};

/// A running `tcpdiag services` in the namespace of one end.
#[derive(Debug)]
pub struct Observer {
    pid: Pid,
    /// Reads all along: nobody waits for a full pipe.
    reader: JoinHandle<Output>,
}

impl Observer {
    /// Starts it; returns when it has its baseline.
    pub fn begin(stage: &Stage<'_>, side: Side, arguments: &[&str]) -> Self {
        let usual = ["services", "-o", "json", "--interval"];
        let arguments: Vec<&str> = usual.iter().chain(arguments).copied().collect();
        let mut stream: Stream = stage.inside(side, || Tcpdiag::new().start(&arguments));
        // The first interval: nothing has happened yet.
        let first = stream.document().expect("it runs");
        assert_eq!(first["schema"], "tcpdiag.services/1", "{first}");
        Self { pid: stream.pid(), reader: std::thread::spawn(|| stream.end()) }
    }

    /// Asks it to end; hands back its summary.
    pub fn end(self) -> Summary {
        kill_process(self.pid, Signal::INT).unwrap();
        let output = self.reader.join().unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let last = output.stdout.lines().last().expect("a summary");
        let document: Value = serde_json::from_str(last).unwrap();
        assert_eq!(document["schema"], "tcpdiag.services.summary/1");
        check(&document);
        Summary { document, closing: output.stderr }
    }
}

/// What holds of every document: parts come to the whole, values lie in their intervals.
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
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    pub value: u64,
    pub low: u64,
    pub high: u64,
}

/// What a whole run came to.
#[derive(Debug)]
pub struct Summary {
    pub document: Value,
    pub closing: String,
}

impl Summary {
    /// Retransmits by port of the service.
    pub fn retransmits(&self) -> BTreeMap<u16, u64> {
        self.rows().map(|(port, row)| (port, row["retrans_segs"].as_u64().unwrap())).collect()
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

/// How far kinds by service are from the truth, as a share of all retransmits: half the sum of the
/// differences (total variation).
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
