//! The environment of the program under test, which is the same on every machine.

use std::process::Command;

/// What the program, its dynamic linker and the shells around it need.
const KEPT: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "TMPDIR"];

/// The program, in the environment of tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdiag"));
    plain(&mut command);
    command
}

/// Gives a command that runs the program, directly or not, the environment of tests: no home, no
/// configuration of this machine (`/etc/tcpdiag`), and none of the variables that change output
/// (`NO_COLOR`, `COLUMNS`, `TZ`, `LANG`, ...).
pub fn plain(command: &mut Command) -> &mut Command {
    command.env_clear().env("TERM", "xterm").env("TCPDIAG_CONFIG", "/dev/null");
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
