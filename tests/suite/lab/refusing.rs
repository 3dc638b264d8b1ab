//! Kernels and sandboxes that refuse system calls, made by a seccomp filter.

use std::process::Command;

/// Installs the filter and runs a command.
const SOURCE: &str = include_str!("refuse.py");

/// The files of a procfs before Linux 3.17, as far as the program reads them: threads have no
/// `thread-self`, and are found by their ids only. Runs its arguments there. To be run in a new pid
/// namespace, in which ids are small.
const OLD_PROC: &str = r#"
set -e
mkdir -p "$1/proc"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs /proc
for entry in "$1"/proc/[a-z]*; do
    case ${entry##*/} in
        self|thread-self|net|mounts) ;;
        *) ln -s "$entry" /proc ;;
    esac
done
ln -s $(seq -f "$1/proc/%g" 1 400) /proc
ln -s $$ /proc/self
ln -s self/net /proc/net
ln -s self/mounts /proc/mounts
shift
exec "$@"
"#;

/// The words before a command that refuse what these rules of `refuse.py` name.
pub fn refusing(rules: &[&str]) -> Vec<String> {
    let words = ["python3", "-c", SOURCE].into_iter().chain(rules.iter().copied()).chain(["--"]);
    words.map(str::to_owned).collect()
}

/// The words before a command that make it see a kernel like Linux 3.10: its procfs, its system
/// calls, and a release before the destroy events. `directory` is an empty one.
pub fn linux_3_10(directory: &str) -> Vec<String> {
    let procfs = ["unshare", "--pid", "--fork", "--mount", "sh", "-c", OLD_PROC, "sh", directory];
    let release = ["setarch", "--uname-2.6"].map(str::to_owned);
    let before = procfs.map(str::to_owned).into_iter().chain(release);
    before.chain(refusing(&["after-3.10=ENOSYS"])).collect()
}

/// Why commands cannot be run so; `None` if they can.
pub fn refusal(wrapper: &[String]) -> Option<String> {
    let [program, arguments @ ..] = wrapper else { return None };
    match Command::new(program).args(arguments).arg("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}
