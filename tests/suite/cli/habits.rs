//! Typical mistakes, and the answer that a helpful colleague would give.

use std::process::Stdio;

use super::tcpdiag;
use crate::lab::program;

/// Runs it; returns its exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = tcpdiag().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_mistake_is_answered() {
    for (line, answer) in [
        // A word instead of an expression.
        ("conns 8080", "for sockets of port 8080: tcpdiag conns --port 8080"),
        ("conns :8080", "tcpdiag conns --port 8080"),
        ("conns nginx", "for sockets of a process nginx: tcpdiag conns --process nginx"),
        ("conns ssh", "tcpdiag conns --port ssh, or --process ssh"),
        ("conns 10.0.0.1", "for sockets of 10.0.0.1: tcpdiag conns addr 10.0.0.1"),
        ("conns 10.0.0.0/8", "tcpdiag conns addr 10.0.0.0/8"),
        ("conns 10.0.0.1:443", "for connections to 10.0.0.1:443: tcpdiag conns dst 10.0.0.1:443"),
        ("conns ::1", "tcpdiag conns addr ::1"),
        ("conns close-wait", "for sockets in close-wait: tcpdiag conns --state close-wait"),
        ("conns established", "tcpdiag conns --state established"),
        ("conns server", "for the side of the server: tcpdiag conns --role server"),
        ("listeners 443", "tcpdiag listeners --port 443"),
        // Expressions with a fault.
        ("conns rrt > 50ms", "did you mean `rtt`?"),
        ("conns rtt 50ms", "a comparison is missing between `rtt` and `50ms`"),
        ("conns rtt > 50", "accepted: 50us, 50ms, 50s"),
        ("conns rtt > fast", "accepted: us, ms, s, m, h"),
        ("conns rtt > 5kB", "the unit `kB` does not fit this field"),
        ("conns delivery_rate > 10", "accepted: 10kB (per second), 10kbit, 10Mbit"),
        ("conns retrans_ratio > 5", "accepted: 5%, or a share up to 1"),
        ("conns state opened", "unknown state `opened`"),
        ("conns port", "a value for `port` is missing"),
        ("conns role = sever", "did you mean `server`?"),
        // Options.
        ("conns --port nginx", "--port nginx: no such port"),
        ("conns --state opened", "`opened` is no state; accepted are established"),
        ("conns --sort rrt", "did you mean 'rtt'?"),
        ("conns --columns snd_cwmd", "did you mean 'snd_cwnd'?"),
        ("conns --interval soon", "accepted is a time such as 500ms, 1 (second)"),
        ("conns --count 3", "--interval"),
        ("conns -o xml", "table, json, jsonl, csv, tsv"),
        ("conns --prot 443", "'--port'"),
        ("conns --remote-ip example.com", "accepted are e.g. 10.0.0.1"),
        ("conns --netns nope", "accepted: NAME, PID or PATH"),
        ("services --counter RetranSegs", "did you mean TcpRetransSegs?"),
        ("explain RetransSeg", "RetransSegs"),
        // ss and other tools.
        ("ss -u", "only TCP sockets are shown; `ss -u` shows these"),
        ("ss -x -a", "`ss -x` shows these"),
        ("ss -f unix", "accepted are inet and inet6"),
        ("-tlnp", "with the flags of ss: tcpdiag ss -tlnp"),
        ("netstat -an", "tcpdiag conns"),
        ("connections", "tcpdiag conns"),
        ("nstat", "tcpdiag stats"),
        ("listening", "tcpdiag listeners"),
        ("8080", "for sockets of port 8080: tcpdiag conns --port 8080"),
        ("10.0.0.1", "tcpdiag conns addr 10.0.0.1"),
        ("conn", "conns"),
        ("diagnos", "diagnose"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!(code, Some(2), "{line}: {stderr}");
        assert_eq!(stdout, "", "{line}");
        assert!(stderr.contains(answer), "{line}: {stderr}");
    }
}

#[test]
fn flags_of_ss_are_understood() {
    for (theirs, ours) in [
        ("conns -tan -n 3", "conns --state=all -n 3"),
        ("ss -tlnH", "listeners --no-header"),
        ("conns -t state listening", "conns state listening"),
        ("ss -to state all", "conns --columns=state,recv_q,send_q,local,remote,timer state all"),
    ] {
        let [theirs, ours] = [theirs, ours].map(|line| run(&line.split(' ').collect::<Vec<_>>()));
        assert_eq!(theirs.0, Some(0), "{}", theirs.2);
        assert_eq!(theirs.1.lines().next(), ours.1.lines().next());
    }
    let (code, _, stderr) = run(&["ss", "-tulpn"]);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("-u is left out: only TCP sockets are shown"), "{stderr}");
}

#[test]
fn an_interval_without_a_unit_is_in_seconds() {
    let (code, stdout, _) = run(&["conns", "-i", "0.02", "--count", "2", "-o", "csv"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("time,"), "{stdout}");
}

#[test]
fn a_redirect_by_mistake_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, file, wanted) in [
        (&["conns", "rtt"][..], "50ms", "rtt gt 50ms"),
        (&["conns", "state", "established", "rtt"], "50ms", "rtt gt 50ms"),
        (&["listeners", "drops"], "0", "drops gt 0"),
        (&["conns", "rtt", "50ms"], "=", "rtt ge 50ms"),
    ] {
        let path = directory.path().join(file);
        let output = program()
            .args(arguments)
            .stdout(Stdio::from(std::fs::File::create(&path).unwrap()))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(wanted), "{stderr}");
        let made =
            format!("the file {file}, which it has made or emptied and which can be removed");
        assert!(stderr.contains(&made), "{stderr}");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
    // Any other file is one that was meant.
    let path = directory.path().join("lost.txt");
    let file = Stdio::from(std::fs::File::create(&path).unwrap());
    let output = program().args(["conns", "lost"]).stdout(file).output().unwrap();
    assert!(output.status.success());
    assert!(!std::fs::read(&path).unwrap().is_empty());
}

#[test]
fn a_process_that_is_not_here_is_said() {
    let (code, _, stderr) = run(&["conns", "--pid", "4194304"]);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("--pid 4194304: there is no such process"), "{stderr}");
    let closed = ["closed", "--pid", "4194304", "--duration", "20ms", "-i", "10ms"];
    let (code, _, stderr) = run(&closed);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("--pid 4194304: there is no such process"), "{stderr}");
    let own = std::process::id().to_string();
    let (_, _, stderr) = run(&["conns", "--pid", &own]);
    assert!(!stderr.contains("--pid"), "{stderr}");
}

#[test]
fn defaults_and_aliases() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let text = "[defaults]\nlisteners = [\"-o\", \"csv\", \"--columns\", \"local,state\"]\n\
                [alias]\nwaiting = [\"listeners\", \"accept_queue > 0\"]\n";
    std::fs::write(&path, text).unwrap();
    let with = |arguments: &[&str]| {
        let output = tcpdiag().args(arguments).env("TCPDIAG_CONFIG", &path).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let header = |run: &(Option<i32>, String, String)| run.1.lines().next().unwrap().to_owned();
    assert_eq!(header(&with(&["listeners"])), "local,state");
    // What is typed goes first.
    assert_eq!(header(&with(&["listeners", "-o", "tsv"])), "local\tstate");
    // An alias has the defaults of its command.
    assert_eq!(header(&with(&["waiting"])), "local,state");
    // Defaults that contradict what is typed are left out.
    let contradicting = with(&["listeners", "--detail"]);
    assert_eq!(contradicting.0, Some(0), "{}", contradicting.2);
    assert!(contradicting.2.contains("defaults of `listeners` do not go with"));
    std::fs::write(&path, "[defaults]\nlisteners = \"-w\"\n").unwrap();
    let wrong = with(&["listeners"]);
    assert_eq!(wrong.0, Some(2));
    assert!(wrong.2.contains("line 2"), "{}", wrong.2);
    // The word may be an alias that the file has.
    let wrong = with(&["waiting"]);
    assert_eq!(wrong.0, Some(2));
    assert!(wrong.2.contains("line 2"), "{}", wrong.2);
}

#[test]
fn names_of_defaults_and_aliases_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let run = |text: &str, arguments: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let output = tcpdiag().args(arguments).env("TCPDIAG_CONFIG", &path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (text, wanted) in [
        (
            "[defaults]\ncons = []\n",
            "defaults.cons: there is no command `cons`; did you mean `conns`?",
        ),
        ("[defaults]\nss = ['-t']\n", "defaults.ss: `ss` has the defaults of the command"),
        ("[defaults]\nconns = ['--kill', '--yes']\n", "defaults.conns: --kill must be typed"),
        ("[alias]\nconns = ['stats']\n", "alias.conns: this is the name of a command"),
        ("[alias]\nhelp = ['stats']\n", "alias.help: this is the name of a command"),
        ("[alias]\n--help = ['stats']\n", "alias.--help: the name of an alias cannot"),
        ("[alias]\nslow = ['con', 'rtt > 1s']\n", "alias.slow: there is no command `con`"),
        ("[alias]\nslow = []\n", "alias.slow: it is empty"),
    ] {
        let (code, stderr) = run(text, &["conns", "--limit", "1"]);
        assert_eq!(code, Some(2), "{text}: {stderr}");
        let line = format!("{}: {wanted}", path.display());
        assert!(stderr.contains(&line), "{text}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(run(text, &["--help"]).0, Some(0));
    }
}
