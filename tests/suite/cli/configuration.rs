//! Files that a user names, or that others can replace.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

fn tcpdiag(home: &Path, arguments: &[&str]) -> Output {
    // A FIFO without a writer would block for ever.
    let mut command = Command::new("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_tcpdiag")]).args(arguments);
    command.env("XDG_CONFIG_HOME", home).output().unwrap()
}

#[test]
fn only_regular_files_of_bounded_length_configure() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    File::create(path("huge")).unwrap().set_len(1 << 40).unwrap();
    std::fs::create_dir(path("tcpdiag")).unwrap();
    let usual = home.join("tcpdiag/config.toml");
    for (file, reason) in [
        (path("fifo").as_str(), "not a regular file"),
        ("/dev/zero", "not a regular file"),
        (path("huge").as_str(), "larger than"),
        (path("tcpdiag").as_str(), "not a regular file"),
    ] {
        for arguments in [&["conns", "--limit", "1"][..], &["stats", "--no-history"]] {
            let is_usual = arguments[0] == "conns";
            let given = ["--config", file];
            if is_usual {
                std::os::unix::fs::symlink(file, &usual).unwrap();
            }
            let given: &[&str] = if is_usual { &[] } else { &given };
            let output = tcpdiag(home, &[arguments, given].concat());
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{file}: {message}");
            assert!(message.contains(reason), "{file}: {message}");
            if is_usual {
                std::fs::remove_file(&usual).unwrap();
            }
        }
    }
}

#[test]
fn users_are_those_of_the_system() {
    let home = tempfile::tempdir().unwrap();
    let run = |user: &str| tcpdiag(home.path(), &["conns", "--limit", "1", "--uid", user]);
    for (user, code) in [("root", 0), ("0", 0), ("no-such-user", 2)] {
        let output = run(user);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{user}: {message}");
    }
}
