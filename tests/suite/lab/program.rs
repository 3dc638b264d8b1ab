//! A program of a chosen name, whose sockets a test makes by sending it code.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Reads code from standard input and runs it; defines `listen`, `connect`, ...
const SOURCE: &str = include_str!("program.py");

/// A running program: a copy of Python under another name.
#[derive(Debug)]
pub struct Program {
    /// Its process name.
    pub name: String,
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Program {
    /// Starts it, from a copy in `directory`.
    pub fn start(name: &str, directory: &Path) -> Self {
        Self::with(name, directory, &[], &[])
    }

    /// Starts it in another network namespace, by the path of its file.
    pub fn start_in(network: &str, name: &str, directory: &Path) -> Self {
        Self::with(name, directory, &["nsenter", &format!("--net={network}"), "--"], &[])
    }

    /// Starts one whose main thread ends while another goes on.
    pub fn without_main_thread(name: &str, directory: &Path) -> Self {
        Self::with(name, directory, &[], &["--without-main-thread"])
    }

    fn with(name: &str, directory: &Path, wrapper: &[&str], arguments: &[&str]) -> Self {
        let (executable, home) = python();
        let program = directory.join(name);
        std::fs::copy(executable, &program).unwrap();
        // Killed when the thread that started it ends, however it ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(wrapper).arg(&program);
        command.args(["-S", "-c", SOURCE]).args(arguments).env("PYTHONHOME", home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let pipes = RefCell::new((input, output));
        let program = Self { name: name.to_owned(), child, pipes };
        program.run("");
        program
    }

    /// Runs Python code in it; returns the value that the code leaves in `result`.
    pub fn run(&self, code: &str) -> Value {
        let (input, output) = &mut *self.pipes.borrow_mut();
        writeln!(input, "{}", Value::from(code)).unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{} ended ({error}) at: {code}", self.name));
        assert!(answer.get("error").is_none(), "{code}: {}", answer["error"]);
        answer["result"].take()
    }

    /// The cookie of a socket, by an expression.
    pub fn cookie(&self, socket: &str) -> u64 {
        self.run(&format!("result = cookie({socket})")).as_u64().unwrap()
    }

    /// The cookies of a list of sockets.
    pub fn cookies(&self, sockets: &str) -> Vec<u64> {
        let cookies = self.run(&format!("result = [cookie(s) for s in {sockets}]"));
        cookies.as_array().unwrap().iter().map(|cookie| cookie.as_u64().unwrap()).collect()
    }

    /// The local ports of a list of sockets.
    pub fn ports(&self, sockets: &str) -> Vec<u16> {
        let ports = self.run(&format!("result = [s.getsockname()[1] for s in {sockets}]"));
        let ports = ports.as_array().unwrap().iter();
        ports.map(|port| u16::try_from(port.as_u64().unwrap()).unwrap()).collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter itself, not a script that chooses one; and where its library is.
fn python() -> &'static (PathBuf, PathBuf) {
    static PYTHON: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let code =
            "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)";
        let output = Command::new("python3").args(["-c", code]).output().expect("python3");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().map(PathBuf::from);
        (lines.next().unwrap(), lines.next().unwrap())
    })
}
