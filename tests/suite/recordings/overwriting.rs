//! `--force`, `--save` and the files of a run: nobody else chooses what is overwritten, and nothing is
//! lost when it fails.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::command::{record, stderr};

/// What a full file is told as.
const LIMIT: &str =
    ": the limit on the size of files is reached (ulimit -f, or that of the file system)";

fn tcpdiag(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tcpdiag")).args(arguments).output().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn links_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (source, target, link) = (path("source"), path("target"), path("link"));
    assert!(record(Path::new(&source), &["--count", "2", "-i", "20ms"]).status.success());
    // A baseline, so that --save would replace it.
    assert!(tcpdiag(&["stats", "--no-history", "--save", &target]).status.success());
    let content = fs::read(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
    for to in [&target, &path("nothing")] {
        symlink(to, &link).unwrap();
        for arguments in [
            &["record", "--count", "1", "--force", &link][..],
            &["record", "--ring", "1m", "--count", "1", "--force", &link],
            &["convert", &source, "--force", "--into", &link],
            &["convert", "--anonymise", &source, "--force", "--into", &link],
            &["stats", "--no-history", "--save", &link],
            &["services", "--duration", "1s", "--record", &link],
        ] {
            let output = tcpdiag(arguments);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
            assert!(message.contains("symbolic link") || message.contains("exists"), "{message}");
        }
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(names(directory.path()), ["source", "target"]);
    assert_eq!(fs::read(&target).unwrap(), content);
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn a_failure_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (source, old) = (path("source"), path("old"));
    assert!(record(Path::new(&source), &["--count", "3", "-i", "20ms"]).status.success());
    fs::write(&old, "old").unwrap();
    // A file may have one kilobyte, and the signal that tells so is ignored.
    let shell = |script: &str, arguments: &[&str]| {
        let script = format!("trap '' XFSZ; ulimit -f 1; {script}");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script, "-", env!("CARGO_BIN_EXE_tcpdiag")]).args(arguments);
        shell.current_dir(directory.path()).env("XDG_STATE_HOME", path("state")).output().unwrap()
    };
    let limited = |arguments: &[&str]| shell("exec \"$@\"", arguments);
    let _listeners: Vec<_> =
        (0..60).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for into in [&old, &path("new")] {
        for arguments in [
            &["record", "--count", "2", "-i", "20ms", "--compress", "none", "--force", into][..],
            &["convert", &source, "--force", "--into", into],
            &["convert", "--anonymise", &source, "--force", "--into", into],
        ] {
            let output = limited(arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
            let message = stderr(&output);
            let says = format!("cannot write {into}");
            assert!(message.contains(&says), "{arguments:?}: {message}");
            assert!(message.contains(LIMIT), "{arguments:?}: {message}");
            assert_eq!(names(directory.path()), ["old", "source"], "{arguments:?}");
            assert_eq!(fs::read(&old).unwrap(), b"old");
        }
    }
    // A baseline and a reading for the next run; standard output may be a file too.
    let state = path("state");
    let saved = limited(&["stats", "--all", "--no-history", "--save", &path("new")]);
    assert_eq!(saved.status.code(), Some(2), "{}", stderr(&saved));
    let message = stderr(&saved);
    assert!(message.contains(&path("new")) && message.contains(LIMIT), "{message}");
    let kept = limited(&["stats", "--all"]);
    let message = stderr(&kept);
    assert!(message.contains(&state) && message.contains(LIMIT), "{message}");
    let printed = shell("exec \"$@\" > printed", &["explain", "--all"]);
    assert_eq!(printed.status.code(), Some(2));
    assert!(stderr(&printed).contains(LIMIT), "{}", stderr(&printed));
    fs::remove_dir_all(&state).unwrap();
    fs::remove_file(path("printed")).unwrap();
    let replaced = tcpdiag(&["record", "--count", "1", "--force", &old]);
    assert!(replaced.status.success());
    assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777, 0o600);
    assert!(tcpdiag(&["conns", "--strict", "--read", &old]).status.success());
}

#[test]
fn streams_are_still_written() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    assert!(record(&source, &["--count", "2", "-i", "20ms"]).status.success());
    let source = source.to_str().unwrap();
    let printed = tcpdiag(&["convert", source]);
    let to_stdout = tcpdiag(&["convert", source, "--force", "--into", "/dev/stdout"]);
    assert!(to_stdout.status.success(), "{}", stderr(&to_stdout));
    assert!(printed.stdout == to_stdout.stdout);
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = Command::new("cat").arg(&fifo).stdout(Stdio::piped()).spawn().unwrap();
    let to_fifo = tcpdiag(&["convert", source, "--force", "--into", fifo.to_str().unwrap()]);
    assert!(to_fifo.status.success(), "{}", stderr(&to_fifo));
    assert!(reader.wait_with_output().unwrap().stdout == printed.stdout);
    for arguments in [
        &["convert", source, "--force", "--into", "/dev/null"][..],
        &["record", "--count", "1", "--force", "/dev/null"],
    ] {
        let output = tcpdiag(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
}
