//! Repeated samples: growth, opened and closed connections, and the end.

use std::net::{IpAddr, Ipv4Addr};

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::{Output, Pair, Row, Socket, Tcpdiag, lab, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn find(document: &Value, cookie: u64) -> Option<Row> {
    let rows = document["connections"].as_array().unwrap();
    rows.iter().map(|row| Row(row.clone())).find(|row| row.cookie() == cookie)
}

/// Counters of `tcp_info` in a delta, with their width in bits.
const COUNTERS: [(&str, u32); 12] = [
    ("bytes_sent", 64),
    ("bytes_acked", 64),
    ("bytes_received", 64),
    ("segs_out", 32),
    ("segs_in", 32),
    ("data_segs_out", 32),
    ("data_segs_in", 32),
    ("total_retrans", 32),
    ("delivered", 32),
    ("busy_time_us", 64),
    ("total_rto", 16),
    ("rcv_ooopack", 32),
];

/// Checks that every delta is the difference of two consecutive samples.
fn deltas_are_differences(documents: &[Value], cookie: u64) {
    for neighbours in documents.windows(2) {
        let [before, after] =
            [&neighbours[0], &neighbours[1]].map(|document| find(document, cookie));
        let (Some(before), Some(after)) = (before, after) else { continue };
        for (key, _) in COUNTERS {
            let read = |row: &Row| row.number(&format!("tcp_info.{key}"));
            let (Some(before), Some(now)) = (read(&before), read(&after)) else { continue };
            let growth = after.number(&format!("delta.{key}"));
            assert_eq!(growth, Some(now - before), "{key} of {after:?}");
            let seconds = after.at("delta.interval_s").and_then(Value::as_f64).unwrap();
            let rate = after.at(&format!("delta.rates.{key}")).and_then(Value::as_f64).unwrap();
            assert!((rate * seconds - (now - before) as f64).abs() < 1e-3, "{key}: {rate}");
        }
        assert_eq!(after.number("delta.drops").is_some(), after.at("skmem.drops").is_some());
    }
}

/// The sum of a counter's growth over all documents.
fn grown(documents: &[Value], cookie: u64, key: &str) -> u64 {
    let rows = documents.iter().filter_map(|document| find(document, cookie));
    rows.filter_map(|row| row.number(&format!("delta.{key}"))).sum()
}

lab!(
    fn growth_equals_the_bytes_sent() {
        let listener = Socket::listening(V4, 0, 8);
        let Pair { client, server } = Pair::new(&listener, V4);
        client.write(&[1; 100]);
        server.read(100);
        let tcpdiag = Tcpdiag::new();
        // A busy host may take the last sample before everything was sent; then it is repeated.
        for attempt in 0.. {
            let arguments = ["conns", "--interval", "200ms", "--count", "3", "-o", "json"];
            let mut stream = tcpdiag.start(&arguments);
            let first = stream.document().unwrap();
            let before = client.info();
            for _ in 0..10 {
                client.write(&[2; 1000]);
                server.read(1000);
            }
            settles("everything to be acknowledged", || client.info()[24..28] == [0; 4]);
            let after = client.info();
            let second = stream.document().unwrap();
            let third = stream.document().unwrap();
            let documents = [first, second, third];
            let Output { stdout, stderr, code } = stream.end();
            assert_eq!((stdout.as_str(), code), ("", Some(0)), "{stderr}");
            assert!(stderr.contains("3 samples in "), "{stderr}");

            assert_eq!(documents[0]["interval_s"], Value::Null);
            for document in &documents[1..] {
                let seconds = document["interval_s"].as_f64().unwrap();
                assert!((0.15..30.0).contains(&seconds), "{seconds}");
                assert_eq!(document["schema"], "tcpdiag.conns/1");
            }
            for cookie in [client.cookie(), server.cookie()] {
                let row = find(&documents[0], cookie).unwrap();
                assert_eq!(row.at("delta"), Some(&Value::Null));
                deltas_are_differences(&documents, cookie);
            }
            let last = find(&documents[2], client.cookie()).unwrap();
            if last.number("tcp_info.bytes_sent") != Some(10_100 + attempt * 10_000) {
                assert!(attempt < 10, "the last sample always came too early");
                continue;
            }
            assert_eq!(grown(&documents, client.cookie(), "bytes_sent"), 10_000);
            assert_eq!(grown(&documents, client.cookie(), "bytes_acked"), 10_000);
            assert_eq!(grown(&documents, client.cookie(), "data_segs_out"), 10);
            assert_eq!(grown(&documents, server.cookie(), "bytes_received"), 10_000);
            assert_eq!(grown(&documents, server.cookie(), "data_segs_in"), 10);
            let segments = |info: &[u8]| u32::from_ne_bytes(info[136..140].try_into().unwrap());
            let sent = u64::from(segments(&after) - segments(&before));
            assert_eq!(grown(&documents, client.cookie(), "segs_out"), sent);
            break;
        }
    }
);

lab!(
    fn opened_and_closed_connections_are_marked() {
        let listener = Socket::listening(V4, 0, 8);
        let (staying, leaving) = (Pair::new(&listener, V4), Pair::new(&listener, V4));
        let arguments = ["conns", "--interval", "100ms", "--count", "100", "-o", "json"];
        let mut stream = Tcpdiag::new().start(&arguments);
        let first = stream.document().unwrap();
        assert_eq!(first["connections"].as_array().unwrap().len(), 4);
        let gone = leaving.cookies();
        drop(leaving);
        let coming = Pair::new(&listener, V4);
        let come = coming.cookies();
        let mut opened = Vec::new();
        let mut closed = Vec::new();
        while opened.len() < 2 || closed.len() < 2 {
            let document = stream.document().expect("both within ten seconds");
            for row in document["connections"].as_array().unwrap() {
                let row = Row(row.clone());
                match row.text("change") {
                    "opened" => {
                        assert!(come.contains(&row.cookie()), "{row:?}");
                        assert_eq!(row.at("delta"), Some(&Value::Null));
                        opened.push(row.cookie());
                    }
                    "closed" => {
                        assert!(gone.contains(&row.cookie()), "{row:?}");
                        // With its last sample.
                        assert!(row.number("tcp_info.segs_out").is_some());
                        closed.push(row.cookie());
                    }
                    change => {
                        assert_eq!(change, "");
                        let old = staying.cookies().contains(&row.cookie());
                        assert!(
                            old || row.number("delta.segs_out").is_some()
                                || gone.contains(&row.cookie())
                        );
                    }
                }
            }
        }
        opened.sort_unstable();
        closed.sort_unstable();
        let sorted = |mut cookies: [u64; 2]| {
            cookies.sort_unstable();
            cookies.to_vec()
        };
        assert_eq!((opened, closed), (sorted(come), sorted(gone)), "each once");
        stream.signal(Signal::INT);
        let output = stream.end();
        assert_eq!(output.code, Some(0));
        assert!(output.stderr.contains("2 connections opened, 2 closed"), "{}", output.stderr);
    }
);

lab!(
    fn an_interrupt_ends_it_with_a_summary() {
        let listener = Socket::listening(V4, 0, 8);
        let _pair = Pair::new(&listener, V4);
        for signal in [Signal::INT, Signal::TERM] {
            for format in ["json", "table"] {
                let mut stream = Tcpdiag::new().start(&["conns", "--interval", "1h", "-o", format]);
                assert!(stream.line().is_some());
                stream.signal(signal);
                let output = stream.end();
                assert_eq!(output.code, Some(0), "{format}: {}", output.stderr);
                assert!(output.stderr.contains("1 sample in "), "{}", output.stderr);
            }
        }
    }
);

lab!(
    fn streams_of_rows_have_one_header() {
        let listener = Socket::listening(V4, 0, 8);
        let _pairs = [Pair::new(&listener, V4), Pair::new(&listener, V4)];
        let tcpdiag = Tcpdiag::new();
        let run = |format: &str| {
            let output =
                tcpdiag.run(&["conns", "--interval", "50ms", "--count", "3", "-o", format]);
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            output.stdout
        };
        for (format, delimiter) in [("csv", b','), ("tsv", b'\t')] {
            let text = run(format);
            let mut reader =
                csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
            let header = reader.headers().unwrap().clone();
            let column = |name: &str| header.iter().position(|column| column == name).unwrap();
            let (cookie, growth) = (column("cookie"), column("bytes_sent_delta"));
            let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            assert_eq!(records.len(), 3 * 4, "{text}");
            for (index, record) in records.iter().enumerate() {
                assert_eq!(record.len(), header.len());
                assert!(record[cookie].starts_with("0x"), "{record:?}");
                assert_eq!(&record[growth], if index < 4 { "" } else { "0" });
            }
        }
        let text = run("jsonl");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |schema: &str| lines.iter().filter(|line| line["schema"] == schema).count();
        assert_eq!(of("tcpdiag.conns.row/1"), 3 * 4);
        assert_eq!(of("tcpdiag.conns.end/1"), 3);
        assert_eq!(lines.len(), 3 * 5);
        assert!(lines[..4].iter().all(|line| line["delta"].is_null()));
        assert!(lines[5..9].iter().all(|line| line["delta"]["segs_out"] == 0));
        assert_eq!(lines[4]["shown"], 4);
    }
);

lab!(
    fn leaving_a_filtered_state_is_not_a_close() {
        let listener = Socket::listening(V4, 0, 8);
        let Pair { client, server } = Pair::new(&listener, V4);
        let arguments = ["conns", "--state", "established", "-i", "50ms", "-o", "json"];
        let mut stream = Tcpdiag::new().start(&arguments);
        assert_eq!(stream.document().unwrap()["connections"].as_array().unwrap().len(), 2);
        client.finish();
        server.comes_to(8);
        let mut empty = 0;
        while empty < 3 {
            let document = stream.document().unwrap();
            let rows = document["connections"].as_array().unwrap();
            assert!(rows.iter().all(|row| row.get("change").is_none()), "{rows:?}");
            empty += usize::from(rows.is_empty());
        }
        stream.signal(Signal::INT);
        assert_eq!(stream.end().code, Some(0));
    }
);
