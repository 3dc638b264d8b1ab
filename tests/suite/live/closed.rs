//! `tcpdiag closed`: a line for each connection that ends, against what its sockets last showed.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::{Output, Pair, Row, Socket, Stream, Tcpdiag, lab, settles};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Begins to watch; the first poll is over when it returns.
fn watch(tcpdiag: &Tcpdiag, arguments: &[&str]) -> Stream {
    let usual = ["closed", "-i", "50ms", "-o", "csv", "--columns"];
    let columns = "cookie,role,service,process,lifetime_low_s,lifetime_high_s,end,zeroed,vanished,\
                   bytes_sent,bytes_acked,bytes_received,segs_out,segs_in,lport,rport";
    let mut stream = tcpdiag.start(&[&usual[..], &[columns], arguments].concat());
    assert!(stream.line().unwrap().starts_with("cookie,role,"), "the header comes at once");
    stream
}

/// A line, by its columns.
#[derive(Debug)]
struct Line(Vec<String>);

impl Line {
    fn next(stream: &mut Stream) -> Self {
        Self(stream.line().unwrap().trim_end().split(',').map(str::to_owned).collect())
    }

    fn cookie(&self) -> u64 {
        u64::from_str_radix(self.0[0].trim_start_matches("0x"), 16).unwrap()
    }

    fn seconds(&self, column: usize) -> Option<f64> {
        self.0[column].parse().ok()
    }
}

/// The next lines, in the order of these cookies.
fn lines(stream: &mut Stream, cookies: [u64; 2]) -> [Line; 2] {
    let both = [Line::next(stream), Line::next(stream)];
    let [one, other] = both;
    let found = if one.cookie() == cookies[0] { [one, other] } else { [other, one] };
    assert_eq!([found[0].cookie(), found[1].cookie()], cookies, "{found:?}");
    found
}

/// A 64-bit figure of `struct tcp_info`.
fn long(info: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(info[at..at + 8].try_into().unwrap())
}

/// A 32-bit one.
fn short(info: &[u8], at: usize) -> u64 {
    u32::from_ne_bytes(info[at..at + 4].try_into().unwrap()).into()
}

/// Closes with a reset.
fn reset(socket: Socket) {
    let linger = [1_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat();
    socket.set(libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
    drop(socket);
}

lab!(
    fn a_line_has_the_last_figures_of_its_socket() {
        let listener = Socket::listening(V4, 0, 8);
        let mut stream = watch(&Tcpdiag::new(), &[]);
        let born = Instant::now();
        let Pair { client, server } = Pair::new(&listener, V4);
        client.write(&[1; 5000]);
        server.read(5000);
        server.write(&[1; 70_000]);
        client.read(70_000);
        settles("everything to be acknowledged", || server.info()[24..28] == [0; 4]);
        std::thread::sleep(Duration::from_millis(400));
        let cookies = [client.cookie(), server.cookie()];
        let (ports, alive) = ([client.port(), server.port()], born.elapsed().as_secs_f64());
        let before = [client.info(), server.info()];
        drop(client);
        // Its FIN is there.
        server.comes_to(8);
        drop(server);
        let lines = lines(&mut stream, cookies);
        let until = born.elapsed().as_secs_f64();
        for (index, (line, before)) in lines.iter().zip(&before).enumerate() {
            let number = |column: usize| line.0[column].parse::<u64>().unwrap();
            assert_eq!(line.0[1], ["client", "server"][index]);
            assert_eq!(line.0[6..9], ["closed", "false", "false"], "{line:?}");
            assert_eq!(number(9), long(before, 200), "bytes_sent");
            // The FINs of both count.
            assert_eq!(number(10), long(before, 120) + 1, "bytes_acked");
            assert_eq!(number(11), long(before, 128) + 1, "bytes_received");
            for (column, at) in [(12, 136), (13, 140)] {
                let more = number(column) - short(before, at);
                assert!((1..=3).contains(&more), "{more} segments to close: {line:?}");
            }
            assert_eq!(
                [&line.0[14], &line.0[15]],
                [&ports[index].to_string(), &ports[1 - index].to_string()]
            );
            let (low, high) = (line.seconds(4).unwrap(), line.seconds(5).unwrap());
            // A poll may take a moment.
            assert!(
                low <= until && high + 0.05 >= alive && low <= high,
                "{alive} {until} {line:?}"
            );
            assert!(line.0[3].contains('/'), "a poll has found its process: {line:?}");
        }
        assert!(lines[0].0[2].starts_with("→ "), "{lines:?}");
        drop(stream);
    }
);

lab!(
    fn how_a_connection_ended() {
        let listener = Socket::listening(V4, 0, 8);
        let held = Pair::new(&listener, V4);
        let mut stream = watch(&Tcpdiag::powerless(), &["--role", "client"]);
        // Between two polls or over several, with a reset by either end.
        let mut expected = Vec::new();
        for by_client in [true, false] {
            let Pair { client, server } = Pair::new(&listener, V4);
            client.write(&[1; 10]);
            server.read(10);
            let cookie = client.cookie();
            if by_client {
                std::thread::sleep(Duration::from_millis(300));
                reset(client);
                expected.push((cookie, ["reset", "true", "false"]));
            } else {
                reset(server);
                drop(client);
                expected.push((cookie, ["reset", "false", "false"]));
            }
            let line = Line::next(&mut stream);
            let (cookie, how) = expected.pop().unwrap();
            assert_eq!((line.cookie(), &line.0[6..9]), (cookie, &how.map(str::to_owned)[..]));
            assert_eq!(line.0[9], "10", "what the kernel zeroed is as it was last seen: {line:?}");
        }
        // The peer reset it, and its program has it still: no event comes.
        let cookie = held.client.cookie();
        reset(held.server);
        let line = Line::next(&mut stream);
        let ended = ["reset", "false", "true"].map(str::to_owned);
        assert_eq!((line.cookie(), &line.0[6..9]), (cookie, &ended[..]));
        assert_eq!(line.0[5], "", "its beginning was not seen");
        assert!(line.seconds(4).unwrap() >= 0.3, "it was there when watching began: {line:?}");
        // When the program closes it, that is no second line.
        drop(held.client);
        let refused = Socket::of(V4);
        let port = refused.port();
        refused.begin_connect(V4, 9);
        settles("a refusal", || refused.state() == 7);
        drop(refused);
        let line = Line::next(&mut stream);
        assert_eq!(line.0[6], "refused", "{line:?}, not {port}");
        drop(stream);
    }
);

lab!(
    fn without_events_there_is_what_polls_show() {
        let listener = Socket::listening(V4, 0, 8);
        let Pair { client, server } = Pair::new(&listener, V4);
        let cookies = [client.cookie(), server.cookie()];
        let mut stream = watch(&Tcpdiag::new(), &["--no-events", "-n", "2"]);
        drop(client);
        server.comes_to(8);
        drop(server);
        for line in lines(&mut stream, cookies) {
            assert_eq!(line.0[6..9], ["unknown", "false", "true"], "{line:?}");
        }
        let output = stream.end();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("2 connections ended"), "{}", output.stderr);
    }
);

lab!(
    fn a_recording_has_the_same_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcapng.zst").into_os_string().into_string().unwrap();
        let listener = Socket::listening(V4, 0, 8);
        let tcpdiag = Tcpdiag::new();
        let mut live = watch(&tcpdiag, &[]);
        let recorder = tcpdiag.start(&["record", &path, "-i", "50ms"]);
        settles("a recording", || std::fs::metadata(&path).is_ok_and(|file| file.len() > 0));
        std::thread::sleep(Duration::from_millis(300));
        let mut shown = Vec::new();
        for bytes in [100, 7000] {
            let Pair { client, server } = Pair::new(&listener, V4);
            client.write(&vec![1; bytes]);
            server.read(bytes);
            let cookies = [client.cookie(), server.cookie()];
            std::thread::sleep(Duration::from_millis(200));
            drop(client);
            server.comes_to(8);
            drop(server);
            shown.extend(lines(&mut live, cookies));
        }
        std::thread::sleep(Duration::from_millis(300));
        recorder.signal(Signal::INT);
        assert_eq!(recorder.end().code, Some(0));
        let output = tcpdiag.run(&["closed", "--read", &path, "-o", "jsonl"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let documents = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut rows: Vec<Row> = documents.map(Row).collect();
        let end = rows.pop().unwrap();
        assert_eq!((end.text("schema"), end.number("shown")), ("tcpdiag.closed.end/1", Some(4)));
        for line in &shown {
            let row = rows.iter().find(|row| row.cookie() == line.cookie()).unwrap();
            assert_eq!(row.text("schema"), "tcpdiag.closed/1");
            assert_eq!([row.text("role"), row.text("end")], [&*line.0[1], &*line.0[6]]);
            for (column, key) in [
                (9, "bytes_sent"),
                (10, "bytes_acked"),
                (11, "bytes_received"),
                (12, "segs_out"),
                (13, "segs_in"),
            ] {
                let figure = row.number(&format!("tcp_info.{key}"));
                assert_eq!(figure, line.0[column].parse().ok(), "{key} {line:?}");
            }
            let named = row.at("processes").and_then(|all| all[0]["comm"].as_str()).unwrap();
            assert!(line.0[3].starts_with(named), "{line:?} {row:?}");
        }
        drop(live);
        // The table of it fits 80 columns, and filters apply.
        let table = tcpdiag.run(&["closed", "--read", &path, "bytes_sent >= 7000"]);
        assert_eq!(table.stdout.lines().count(), 2, "{}", table.stdout);
        assert!(table.stdout.lines().all(|line| line.chars().count() <= 80), "{}", table.stdout);
        assert!(table.stderr.contains("-w shows all"), "{}", table.stderr);
    }
);

lab!(
    fn peers_have_the_names_of_the_given_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml").into_os_string().into_string().unwrap();
        std::fs::write(&path, "[hosts]\nshop-db = '127.0.0.1'\n").unwrap();
        let listener = Socket::listening(V4, 0, 8);
        let given = ["closed", "-i", "50ms", "-o", "jsonl", "--names", "--config", &path];
        let Pair { client, server } = Pair::new(&listener, V4);
        let tcpdiag = Tcpdiag::new();
        let mut stream = tcpdiag.start(&[&given[..], &["--role", "client"]].concat());
        std::thread::sleep(Duration::from_millis(500));
        drop(client);
        server.comes_to(8);
        drop(server);
        let line = stream.line().unwrap();
        assert_eq!(Row(serde_json::from_str(&line).unwrap()).text("remote.name"), "shop-db");
        drop(stream);
    }
);

/// A run that stands still while connections end, and then for this long.
fn stalled(listener: &Socket, pause: Duration) -> Output {
    let mut stream = watch(&Tcpdiag::powerless(), &["--strict"]);
    stream.signal(Signal::STOP);
    // Sixteen buffers of net.core.rmem_max have room for some 5,000 events.
    for _ in 0..6000 {
        let Pair { client, server } = Pair::new(listener, V4);
        reset(server);
        drop(client);
    }
    std::thread::sleep(pause);
    stream.signal(Signal::CONT);
    assert!(stream.line().is_some());
    stream.signal(Signal::INT);
    stream.end()
}

lab!(
    fn lost_events_are_said() {
        let listener = Socket::listening(V4, 0, 8);
        // The kernel's workers send the events when they get a processor.
        let runs = [0, 1, 3, 9].map(Duration::from_secs).into_iter();
        let mut runs = runs.map(|pause| stalled(&listener, pause));
        let output = runs.find(|output| output.stderr.contains("lost")).unwrap();
        assert_eq!(output.code, Some(3), "{}", output.stderr);
        assert!(output.stderr.contains("destroy events were lost"), "{}", output.stderr);
    }
);
