//! The program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Row, Stream, plain};

/// How to run it.
#[derive(Debug)]
pub struct Tcpdiag {
    wrapper: Vec<String>,
    binary: PathBuf,
}

/// Its output and exit code.
#[derive(Debug)]
pub struct Output {
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

impl Tcpdiag {
    /// With the privileges of this test.
    pub fn new() -> Self {
        Self { wrapper: Vec::new(), binary: env!("CARGO_BIN_EXE_tcpdiag").into() }
    }

    /// Without any capability.
    pub fn powerless() -> Self {
        let wrapper = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
        Self { wrapper: wrapper.map(str::to_owned).into(), ..Self::new() }
    }

    /// Started by this wrapper.
    pub fn under(wrapper: Vec<String>) -> Self {
        Self { wrapper, ..Self::new() }
    }

    /// With a limit of prlimit(1), such as `--nofile=256:1024`.
    pub fn limited(limit: &str) -> Self {
        Self { wrapper: vec!["prlimit".to_owned(), limit.to_owned()], ..Self::new() }
    }

    /// With all of its files in `directory`.
    pub fn at_home(directory: &Path) -> Self {
        let names = ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"];
        let settings = names.map(|name| format!("{name}={}", directory.display()));
        let wrapper = ["env", "-u", "TCPDIAG_CONFIG"].map(str::to_owned).into_iter();
        let wrapper = wrapper.chain(settings);
        Self { wrapper: wrapper.collect(), ..Self::new() }
    }

    /// As user `nobody`, from a copy in `directory` that this user can read.
    pub fn as_nobody(directory: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let binary = directory.join("tcpdiag");
        std::fs::copy(env!("CARGO_BIN_EXE_tcpdiag"), &binary).unwrap();
        for path in [directory, &binary] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        Self { wrapper: wrapper.map(str::to_owned).into(), binary }
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    /// Starts it, to read its output while it runs.
    pub fn start(&self, arguments: &[&str]) -> Stream {
        Stream::of(&mut self.command(arguments))
    }

    /// The document that it prints; `arguments` contain `-o json`.
    pub fn document(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// The rows of `conns`, or of `listeners`.
    pub fn rows(&self, arguments: &[&str]) -> Vec<Row> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        Self::rows_of(self.document(&arguments))
    }

    /// The rows of a document.
    pub fn rows_of(mut document: Value) -> Vec<Row> {
        let key = if document.get("listeners").is_some() { "listeners" } else { "connections" };
        let Value::Array(rows) = document[key].take() else { panic!("no {key}") };
        rows.into_iter().map(Row).collect()
    }

    /// Every socket.
    pub fn all(&self) -> Vec<Row> {
        self.rows(&["conns", "--state", "all"])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().map(String::as_ref).chain([self.binary.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).stdin(Stdio::null());
        plain(&mut command);
        command
    }
}
