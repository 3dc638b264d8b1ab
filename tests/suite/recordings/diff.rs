//! `tcpdiag diff`: what changed, beyond chance.

use serde_json::Value;
use tcpdiag::model::{State, fields};
use tcpdiag::recording::{
    Compression, Direction, DumpBegun, DumpEnded, EventsDrained, HostFacts, Kind, NamespaceOf,
    SampleBegun, SampleEnded,
};
use tcpdiag::sys::Clocks;

use super::content::{NAMESPACE, writer};
use super::convert::{stderr, stdout, tcpdiag};
use tcpdiag::wire::uapi::{INET_DIAG_INFO, NLMSG_HDRLEN, SOCK_DIAG_BY_FAMILY};

fn document(arguments: &[&str]) -> Value {
    let usual = ["diff", "-o", "json"];
    let output = tcpdiag(&[&usual[..], arguments].concat());
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["schema"], "tcpdiag.diff/1");
    assert!(document["changes"].is_array() && document["same"].is_u64());
    for side in ["a", "b"] {
        assert!(document[side]["seconds"].as_f64().unwrap() > 0.0);
    }
    document
}

/// The rows of the service at a port, on the server's side.
fn rows(document: &Value, port: u16) -> Vec<Value> {
    let of_port = |row: &&Value| {
        let name = row["name"].as_str().unwrap();
        name == port.to_string() && row["role"] == "server"
    };
    document["changes"].as_array().unwrap().iter().filter(of_port).cloned().collect()
}

fn row(document: &Value, port: u16, measure: &str) -> Option<Value> {
    rows(document, port).into_iter().find(|row| row["measure"] == measure)
}

/// A socket at one sample.
#[derive(Clone, Copy)]
pub struct FakeSocket {
    cookie: u32,
    state: State,
    local: u16,
    remote: u16,
    /// Segments that it has received so far, of 1000 bytes each.
    segments: u32,
}

impl FakeSocket {
    pub fn listener(port: u16) -> Self {
        let (cookie, state) = (u32::from(port), State::Listen);
        Self { cookie, state, local: port, remote: 0, segments: 0 }
    }

    pub fn server(port: u16, segments: u32) -> Self {
        let (cookie, state) = (u32::from(port) + 100_000, State::Established);
        Self { cookie, state, local: port, remote: 40_000, segments }
    }

    /// The kernel's message about it.
    pub fn message(self) -> Vec<u8> {
        let mut record = vec![0; 72];
        (record[0], record[1]) = (2, self.state as u8);
        record[4..6].copy_from_slice(&self.local.to_be_bytes());
        record[6..8].copy_from_slice(&self.remote.to_be_bytes());
        for at in [8, 24] {
            record[at..at + 4].copy_from_slice(&[127, 0, 0, 1]);
        }
        record[44..48].copy_from_slice(&self.cookie.to_ne_bytes());
        let mut info = vec![0; 248];
        let mut put = |name: &str, value: &[u8]| {
            let (at, length) = fields::find(name).unwrap().slot().unwrap().range();
            info[at..at + length].copy_from_slice(&value[..length]);
        };
        put("segs_in", &self.segments.to_ne_bytes());
        put("bytes_received", &(u64::from(self.segments) * 1000).to_ne_bytes());
        record.extend((4 + info.len() as u16).to_ne_bytes());
        record.extend(INET_DIAG_INFO.to_ne_bytes());
        record.extend(info);
        let mut message = ((NLMSG_HDRLEN + record.len()) as u32).to_ne_bytes().to_vec();
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.resize(NLMSG_HDRLEN, 0);
        message.extend(record);
        message
    }
}

/// When a sample begins, in seconds since 1970.
fn second(sample: u32) -> u64 {
    1_700_000_000 + u64::from(sample)
}

const STEADY: u16 = 1001;
const RISING: u16 = 1002;
const LATE: u16 = 1003;

/// Samples 0 to 20, a second apart. From 10 on one service has twenty times the traffic, and
/// another one appears.
fn recording() -> Vec<u8> {
    let mut writer = writer(Compression::Zstd);
    let facts = HostFacts { machine: "x86_64".to_owned(), ..HostFacts::default() };
    writer.json(Kind::Host, 0, &facts).unwrap();
    let inode = NAMESPACE.inode;
    let namespace = NamespaceOf { interface: 0, inode, name: None };
    writer.json(Kind::Namespace, inode, &namespace).unwrap();
    let (mut steady, mut rising, mut late) = (1000, 1000, 0);
    for sample in 0..=20u32 {
        let clocks = Clocks {
            realtime_ns: second(sample) * 1_000_000_000,
            monotonic_ns: u64::from(sample + 1) * 1_000_000_000,
        };
        writer.set_sample(sample);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false }).unwrap();
        let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
        writer.json(Kind::DumpBegin, inode, &begun).unwrap();
        let mut sockets = vec![
            FakeSocket::listener(STEADY),
            FakeSocket::listener(RISING),
            FakeSocket::server(STEADY, steady),
            FakeSocket::server(RISING, rising),
        ];
        if sample > 10 {
            sockets.extend([FakeSocket::listener(LATE), FakeSocket::server(LATE, late)]);
        }
        let ended = DumpEnded {
            sockets: sockets.len() as u64,
            decode_errors: 0,
            bad_attributes: 0,
            interrupted: 0,
            foreign: 0,
        };
        let dump: Vec<u8> = sockets.into_iter().flat_map(FakeSocket::message).collect();
        writer.datagram(0, Direction::Received, &dump).unwrap();
        writer.json(Kind::DumpEnd, inode, &ended).unwrap();
        writer.json(Kind::EventsDrained, inode, &EventsDrained::default()).unwrap();
        let counters =
            format!("snmp\nTcp: InSegs RetransSegs\nTcp: {} 7\n", steady + rising + late);
        writer.note(Kind::Counters, inode, counters.as_bytes()).unwrap();
        writer.json(Kind::SampleEnd, 0, &SampleEnded { clocks, ..SampleEnded::default() }).unwrap();
        writer.flush().unwrap();
        // Small variations.
        let uneven = [90, 110, 95, 105, 100][sample as usize % 5];
        steady += uneven;
        rising += if sample < 10 { uneven } else { 20 * uneven };
        late += if sample < 10 { 0 } else { uneven };
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    writer.finish().unwrap()
}

#[test]
fn only_real_changes_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("night.pcapng.zst");
    std::fs::write(&path, recording()).unwrap();
    let file = path.to_str().unwrap();
    let middle = "2023-11-14T22:13:30Z";
    let (before, after) = (format!("{file}@..{middle}"), format!("@{middle}.."));

    let changed = document(&[&before, &after]);
    assert_eq!(changed["a"]["to"], "2023-11-14T22:13:30.000000000Z");
    assert_eq!((&changed["a"]["intervals"], &changed["b"]["seconds"]), (&10.into(), &10.0.into()));
    let received = row(&changed, RISING, "received").unwrap();
    assert_eq!(received["change"], "changed");
    assert_eq!(received["unit"], "bytes_per_second");
    let [a, b, factor, sigma] =
        ["a", "b", "factor", "sigma"].map(|key| received[key].as_f64().unwrap());
    assert_eq!((a, b), (100_000.0, 2_000_000.0), "{received}");
    assert!((factor - 20.0).abs() < 1e-9 && sigma > 3.0, "{received}");
    // The steady service did not change.
    assert_eq!(row(&changed, STEADY, "received"), None, "{changed}");
    let all = document(&[&before, &after, "--all"]);
    let steady = row(&all, STEADY, "received").unwrap();
    assert_eq!(steady["change"], "same");
    assert!(changed["same"].as_u64() > Some(0) && all["same"] == 0);
    // The new service is on one side only.
    let [new] = &rows(&changed, LATE)[..] else { panic!("{changed}") };
    assert_eq!((&new["change"], &new["a"]), (&"appeared".into(), &Value::Null));
    let backwards = document(&[&format!("{file}@{middle}.."), &format!("@..{middle}")]);
    let [gone] = &rows(&backwards, LATE)[..] else { panic!("{backwards}") };
    assert_eq!((&gone["change"], &gone["b"]), (&"gone".into(), &Value::Null));
    // The host's counters changed too, except the constant one.
    let rows = changed["changes"].as_array().unwrap().iter();
    let counters: Vec<&Value> = rows.filter(|row| row["kind"] == "counter").collect();
    let [segments] = counters[..] else { panic!("{counters:?}") };
    assert_eq!((&segments["name"], &segments["a"]), (&"TcpInSegs".into(), &200.0.into()));

    // A recording does not differ from itself, and an interval can be compared.
    let same = document(&[file, file]);
    assert_eq!(same["changes"], Value::Array(Vec::new()));
    let one = document(&[&format!("{file}@{middle}"), &after]);
    assert_eq!((&one["a"]["intervals"], &one["a"]["to"]), (&1.into(), &changed["a"]["to"]));
    check_table(&before, &after, LATE);
    check_wrong_usage(file, middle);
}

fn check_table(before: &str, after: &str, late: u16) {
    let output = tcpdiag(&["diff", before, after, "--limit", "1"]);
    let text = stdout(&output);
    assert!(text.contains("Services, biggest change first"), "{text}");
    assert!(text.contains("more; --limit shows them"), "{text}");
    // The first line contains a file name of any length.
    assert!(text.lines().skip(2).all(|line| line.chars().count() <= 80), "{text}");
    let text = stdout(&tcpdiag(&["diff", before, after]));
    let line = text.lines().find(|line| line.starts_with(&format!("{late} ")));
    assert!(line.unwrap().contains("appeared"), "{text}");
}

fn check_wrong_usage(file: &str, middle: &str) {
    for (arguments, words) in [
        (&[file][..], "<B>"),
        (&["@..", file], "the first side needs a file"),
        (&[file, "@yesterday"], "`yesterday` is no time"),
        (&[file, "@1999-01-01T00:00..1998-01-01T00:00"], "nothing is between"),
        (&[file, "@..1999-01-01T00:00"], "nothing before its first sample"),
        (&[file, "@2999-01-01T00:00.."], "no interval between two samples in that span"),
        (&[file, "/no/such/file"], "cannot open /no/such/file"),
        (&[file, "@..", "--netns", "blue"], "not in the recording"),
        (&[file, "@..", "--by", "moon"], "no grouping is called"),
    ] {
        let output = tcpdiag(&[&["diff"][..], arguments].concat());
        let error_text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error_text}");
        assert!(error_text.contains(words) && output.stdout.is_empty(), "{error_text}");
    }
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, &bytes[..bytes.len() - 200]).unwrap();
    let arguments = ["diff", &format!("{file}@..{middle}"), "@-1s..", "--strict"];
    let output = tcpdiag(&arguments);
    let error_text = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{error_text}");
    assert!(error_text.contains("recording ends early at byte "), "{error_text}");
}
