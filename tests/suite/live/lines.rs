//! `--lines`: one line per sample, with the same columns throughout.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::{Output, Pair, Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The lines of a run, by words.
#[track_caller]
fn words(output: &Output) -> Vec<Vec<String>> {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let lines = output.stdout.lines();
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The number in a column.
#[track_caller]
fn number(lines: &[Vec<String>], line: usize, header: &str) -> Option<u64> {
    let column = lines[0].iter().position(|title| title == header).unwrap();
    lines[line][column].parse().ok()
}

lab!(
    fn lines_of_connections_are_sums() {
        let listener = Socket::listening(V4, 0, 8);
        let pairs = [(); 3].map(|()| Pair::new(&listener, V4));
        let expression = format!("dport = :{}", listener.port());
        let arguments = ["conns", &expression, "-i", "300ms", "--count", "3", "--lines", "-w"];
        let mut stream = Tcpdiag::new().start(&arguments);
        let mut lines: Vec<String> = (0..2).map(|_| stream.line().unwrap()).collect();
        for pair in &pairs {
            pair.client.write(&[1; 1000]);
            pair.server.read(1000);
        }
        let another = Pair::new(&listener, V4);
        lines.push(stream.line().unwrap());
        let Output { stdout, stderr, code } = stream.end();
        let stdout = lines.concat() + &stdout;
        let lines = words(&Output { stdout, stderr, code });
        assert_eq!(lines.len(), 4, "a header and three samples: {lines:?}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:?}");
        assert_eq!((number(&lines, 1, "CONNS"), number(&lines, 1, "NEW")), (Some(3), None));
        let grown: u64 = [2, 3].map(|line| number(&lines, line, "NEW").unwrap()).iter().sum();
        assert_eq!((number(&lines, 3, "CONNS"), grown), (Some(4), 1), "{lines:?}");
        assert_eq!(number(&lines, 3, "RETRANS"), Some(0));
        drop(another);
    }
);

lab!(
    fn lines_of_a_service_fit_80_columns() {
        let listener = Socket::listening(V4, 0, 8);
        let _pairs = [(); 3].map(|()| Pair::new(&listener, V4));
        let port = listener.port().to_string();
        let arguments =
            ["services", &port, "--by", "port", "-i", "100ms", "--count", "3", "--lines"];
        let output = Tcpdiag::new().run(&arguments);
        let lines = words(&output);
        assert_eq!(lines.len(), 4, "{}", output.stdout);
        assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
        for line in 1..4 {
            assert_eq!(number(&lines, line, "CONNS"), Some(3), "the server's end: {lines:?}");
            assert_eq!(number(&lines, line, "DROPS"), Some(0));
        }
        let nobody =
            ["services", "nobody", "--by", "port", "-i", "50ms", "--count", "2", "--lines"];
        let output = Tcpdiag::new().run(&nobody);
        assert!(
            output.stderr.contains("no service is called 'nobody' so far"),
            "{}",
            output.stderr
        );
        assert_eq!(number(&words(&output), 1, "CONNS"), Some(0));
    }
);
