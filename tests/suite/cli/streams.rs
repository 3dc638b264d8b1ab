//! Nobody has to read standard output or standard error: the exit code is that of what was done.

use std::fs::OpenOptions;
use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Connection;

/// What a stream of the program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// Read.
    Open,
    /// `2>&-`.
    Closed,
    /// A pipe without a reader.
    Unread,
    /// A full disk.
    Full,
}

fn stdio(stream: Stream) -> Stdio {
    match stream {
        Stream::Open => Stdio::piped(),
        Stream::Closed => Stdio::null(),
        Stream::Unread => {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            writer.into()
        }
        Stream::Full => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
    }
}

/// Runs the program; the exit code, and what it wrote to standard error.
fn run(arguments: &[&str], home: &Path, output: Stream, error: Stream) -> (Option<i32>, String) {
    // The shell closes streams before it becomes the program.
    let script = format!(
        "exec \"$0\" \"$@\"{}{}",
        if output == Stream::Closed { " >&-" } else { "" },
        if error == Stream::Closed { " 2>&-" } else { "" },
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_tcpdiag")]).args(arguments);
    command.current_dir(home).env("XDG_STATE_HOME", home).env("HOME", home);
    command.stdin(Stdio::null()).stdout(stdio(output)).stderr(stdio(error));
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every command, with its exit code; each writes to standard error or may do so.
const COMMANDS: [(&[&str], i32); 27] = [
    (&["conns"], 0),
    (&["conns", "-o", "json"], 0),
    (&["conns", "-i", "20ms", "--count", "2", "-o", "csv"], 0),
    (&["conns", "--read", "a.pcapng.zst"], 0),
    (&["listeners"], 0),
    (&["services", "-i", "20ms", "--count", "2"], 0),
    (&["services", "-i", "20ms", "--count", "1", "-o", "json"], 0),
    (&["diagnose", "--duration", "50ms"], 0),
    (&["diagnose", "--read", "a.pcapng.zst", "-o", "csv"], 0),
    (&["stats", "--no-history"], 0),
    (&["stats", "--save", "baseline.json", "-o", "csv"], 0),
    (&["stats", "-i", "20ms", "--count", "2", "-o", "json"], 0),
    (&["stats", "--read", "a.pcapng.zst"], 0),
    (&["sysctl"], 0),
    (&["sysctl", "tcp_rmem", "-o", "jsonl"], 0),
    (&["explain", "rtt"], 0),
    (&["convert", "a.pcapng.zst"], 0),
    (&["convert", "--anonymise", "a.pcapng.zst", "--into", "b.pcapng.zst", "-f"], 0),
    (&["diff", "a.pcapng.zst", "a.pcapng.zst"], 0),
    (&["record", "c.pcapng.zst", "--force", "--count", "2", "-i", "20ms"], 0),
    (&["completions", "bash"], 0),
    (&["man"], 0),
    (&["--help"], 0),
    (&["conns", "rrt > 5"], 2),
    (&["stats", "NoSuchCounter"], 2),
    (&["sysctl", "no_such_setting"], 2),
    (&["no-such-command"], 2),
];

/// A directory with a recording.
fn home() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let record = ["record", "a.pcapng.zst", "--count", "3", "-i", "20ms"];
    let (code, said) = run(&record, directory.path(), Stream::Open, Stream::Open);
    assert_eq!(code, Some(0), "{said}");
    directory
}

#[test]
fn nobody_has_to_read_standard_error() {
    let (_connection, home) = (Connection::new(), home());
    for (arguments, code) in COMMANDS {
        for error in [Stream::Open, Stream::Closed, Stream::Unread, Stream::Full] {
            let (found, said) = run(arguments, home.path(), Stream::Open, error);
            assert_eq!(found, Some(code), "{arguments:?} with {error:?}: {said}");
        }
    }
}

#[test]
fn nobody_has_to_read_standard_output() {
    let (_connection, home) = (Connection::new(), home());
    for (arguments, code) in COMMANDS {
        for output in [Stream::Closed, Stream::Unread] {
            for error in [Stream::Open, Stream::Closed, Stream::Unread] {
                let (found, said) = run(arguments, home.path(), output, error);
                assert_eq!(found, Some(code), "{arguments:?} with {output:?}, {error:?}: {said}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let (_connection, home) = (Connection::new(), home());
    for (arguments, code) in COMMANDS {
        let writes_nothing = code != 0 || arguments[0] == "record" || arguments.contains(&"--into");
        let (found, said) = run(arguments, home.path(), Stream::Full, Stream::Open);
        // Clap prints the help, and does not tell whether it could.
        let expected = if writes_nothing || arguments == ["--help"] { code } else { 2 };
        assert_eq!(found, Some(expected), "{arguments:?}: {said}");
        assert_eq!(said.contains("No space left"), expected != code, "{arguments:?}: {said}");
        let (found, _) = run(arguments, home.path(), Stream::Full, Stream::Full);
        assert_eq!(found, Some(expected), "{arguments:?}");
    }
}
