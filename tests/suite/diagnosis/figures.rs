//! The figures of findings are what ss(8) and the kernel's counters show over the same time.
//!
//! Both are read again and again while the diagnosis runs. What grows has grown at least as much as
//! between the readings inside of its time, and at most as much as between those around it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::lab::faults::{Setup, chosen, try_all};
use crate::lab::{Counters, Side, Ss, Tcpdiag, lab, require};

/// A fault, the end that is looked at, and the finding there.
const FAULTS: &[(&str, Side, &str)] = &[
    ("random loss", Side::Client, "TD110"),
    ("small writes", Side::Client, "TD118"),
    ("small receive buffer", Side::Server, "TD134"),
    ("loss shared by many uploads", Side::Client, "TD307"),
    ("loss on short downloads", Side::Client, "TD310"),
];
/// Between two readings.
const PAUSE: Duration = Duration::from_millis(250);
/// The clock of a document is read near its last poll, not in it.
const MARGIN: Duration = Duration::from_millis(100);

/// What others showed, from when to when.
struct Reading {
    time: [SystemTime; 2],
    sockets: Vec<Ss>,
    counters: Counters,
}

impl Reading {
    fn take() -> Self {
        let begin = SystemTime::now();
        let (sockets, counters) = (Ss::all(), Counters::read());
        Self { time: [begin, SystemTime::now()], sockets, counters }
    }
}

/// The readings around the time of a diagnosis, and those inside of it.
struct Readings {
    around: [Reading; 2],
    inside: [Reading; 2],
}

/// Diagnoses one end while it is read.
fn look(setup: &Setup, side: Side) -> (Value, Readings) {
    let over = AtomicBool::new(false);
    let (document, mut readings) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            setup.inside(side, || {
                let mut readings = vec![Reading::take()];
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(PAUSE);
                    readings.push(Reading::take());
                }
                readings.push(Reading::take());
                readings
            })
        });
        std::thread::sleep(Duration::from_secs(1));
        let arguments = ["diagnose", "--duration", "5s", "-o", "json"];
        let document = setup.inside(side, || Tcpdiag::new().document(&arguments));
        std::thread::sleep(2 * MARGIN);
        over.store(true, Ordering::Relaxed);
        (document, reading.join().unwrap())
    });
    let end: jiff::Timestamp = document["captured_at"].as_str().unwrap().parse().unwrap();
    let end = SystemTime::from(end);
    let begin = end - Duration::from_secs_f64(document["interval_s"].as_f64().unwrap());
    let is_before = |reading: &Reading| reading.time[1] + MARGIN <= begin;
    let is_after = |reading: &Reading| reading.time[0] >= end + MARGIN;
    let is_inside =
        |reading: &Reading| reading.time[0] >= begin + MARGIN && reading.time[1] + MARGIN <= end;
    let after = readings.remove(readings.iter().position(is_after).unwrap());
    let last = readings.remove(readings.iter().rposition(is_inside).unwrap());
    let first = readings.remove(readings.iter().position(is_inside).unwrap());
    let before = readings.remove(readings.iter().rposition(is_before).unwrap());
    (document, Readings { around: [before, after], inside: [first, last] })
}

impl Readings {
    /// The least and the most that something grew while the diagnosis looked.
    fn growth(&self, of: impl Fn(&Reading) -> f64) -> [f64; 2] {
        [&self.inside, &self.around].map(|[first, last]| of(last) - of(first))
    }
}

fn assert_between(what: &str, value: f64, [least, most]: [f64; 2]) {
    assert!(least <= value && value <= most, "{what}: {value} is not in {least} to {most}");
}

/// The figures of a finding's worst example, or of the finding, by their names.
fn figures(finding: &Value) -> BTreeMap<&str, f64> {
    let example = &finding["subject"]["examples"][0]["evidence"];
    let evidence = example.as_array().or(finding["evidence"].as_array()).unwrap().iter();
    evidence.map(|one| (one["field"].as_str().unwrap(), one["value"].as_f64().unwrap())).collect()
}

fn check(code: &str, document: &Value, readings: &Readings) {
    let mut findings = document["findings"].as_array().unwrap().iter();
    let finding = findings.find(|finding| finding["code"] == code);
    let finding = finding.unwrap_or_else(|| panic!("{code}: {document:#}"));
    let shown = figures(finding);
    let port = |end: &str| finding["subject"]["examples"][0][end]["port"].as_u64();
    let socket = |name: &'static str| {
        let (local, remote) = (port("local").unwrap(), port("remote").unwrap());
        // Of a server all have the same local port.
        move |reading: &Reading| {
            let mut sockets = reading.sockets.iter();
            let is_it = |ss: &&Ss| ss.local.port == local && ss.remote.port == remote;
            sockets.find(is_it).and_then(|ss| ss.number(name)).unwrap_or(0.0)
        }
    };
    let counter = |name: &'static str| move |reading: &Reading| reading.counters.get(name) as f64;
    match code {
        "TD110" => {
            for (field, name) in
                [("total_retrans", "retrans_total"), ("data_segs_out", "data_segs_out")]
            {
                assert_between(field, shown[field], readings.growth(socket(name)));
            }
            // What a timeout repaired, and what was not lost, is left out.
            let lost = shown["lost_share"] * shown["data_segs_out"];
            assert!(lost <= shown["total_retrans"] + 1e-6, "{shown:?}");
        }
        "TD118" => {
            let sent = readings.growth(socket("data_segs_out"));
            assert_between("data_segs_out", shown["data_segs_out"], sent);
            // It only falls.
            let [before, after] = readings.around.each_ref().map(socket("minrtt"));
            assert_between("min_rtt", shown["min_rtt"], [after * 1e3 - 0.5, before * 1e3 + 0.5]);
        }
        "TD134" => {
            for reading in readings.inside.iter().chain(&readings.around) {
                assert_eq!(shown["rcvbuf"], socket("skmem.rcvbuf")(reading));
            }
            let time = document["interval_s"].as_f64().unwrap();
            let [least, most] = readings.growth(socket("bytes_received"));
            // From the first poll to the last, which is nearly the interval.
            let received = [least / time * 0.98, most / time * 1.02];
            assert_between("received_rate", shown["received_rate"], received);
        }
        "TD307" => {
            let sum = |name: &'static str| {
                move |reading: &Reading| {
                    let clients = reading.sockets.iter().filter(|ss| ss.remote.port == 8132);
                    clients.map(|ss| ss.number(name).unwrap_or(0.0)).sum::<f64>()
                }
            };
            let all = shown["connections"] == 12.0;
            let sent = readings.growth(sum("data_segs_out"));
            let sent = if all { sent } else { [0.0, sent[1]] };
            assert_between("data_segs_out", shown["data_segs_out"], sent);
            let [_, most] = readings.growth(counter("RetransSegs"));
            assert_between("repaired", shown["repaired"], [1.0, most]);
            let share = shown["repaired"] / shown["data_segs_out"];
            assert!((shown["lost_share"] - share).abs() < 1e-9, "{shown:?}");
        }
        "TD310" => {
            // The connections end before ss shows them; each late segment is counted here too.
            let late = readings.growth(counter("TCPOFOQueue"));
            assert_between("rcv_ooopack", shown["rcv_ooopack"], late);
            let [_, most] = readings.growth(counter("InSegs"));
            assert_between("data_segs_in", shown["data_segs_in"], [shown["rcv_ooopack"], most]);
            let share = shown["rcv_ooopack"] / shown["data_segs_in"];
            assert!((shown["out_of_order_share"] - share).abs() < 1e-9, "{shown:?}");
        }
        _ => panic!("no check for {code}"),
    }
}

lab!(
    alone as Mapped fn figures_are_those_of_ss_and_nstat() {
        let find = |name: &str| FAULTS.iter().find(|(other, ..)| *other == name);
        let mut faults = chosen();
        faults.retain(|fault| find(fault.name).is_some());
        assert_eq!(faults.len(), FAULTS.len());
        let outcomes = try_all(&faults, 3, |fault, setup| {
            let (_, side, _) = find(fault.name).unwrap();
            look(setup, *side)
        });
        for (fault, outcome) in faults.iter().zip(outcomes) {
            let (document, readings) = match outcome {
                Ok(trial) => trial.seen,
                Err(reason) => {
                    require(!reason.contains("/dev/net/tun"), &reason);
                    assert!(reason.contains("/dev/net/tun"), "{reason}");
                    return;
                }
            };
            check(find(fault.name).unwrap().2, &document, &readings);
        }
    }
);
