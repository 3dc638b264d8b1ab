//! Recordings of the fault lab, as fixtures.
//!
//! ```text
//! cargo test --test diagnose write_recordings -- --ignored --nocapture
//! ```

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::faults::{Fault, chosen, try_all};
use crate::lab::{Side, lab};

/// As many are recorded at the same time.
const ABREAST: usize = 8;
/// Small enough to lie in a repository.
const LARGEST: u64 = 36 << 10;

/// Where they lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/diagnose")
}

/// The file of one end of a fault.
pub fn file(fault: &Fault, side: Side) -> String {
    let name = fault.name.replace(|character: char| !character.is_alphanumeric(), "-");
    format!("{}-{side:?}.pcapng.zst", name.replace("--", "-")).to_lowercase()
}

/// The ends that are recorded: those where something has to be found, and both
/// where nothing is wrong.
fn ends(fault: &Fault) -> Vec<Side> {
    let looks = |side: &Side| fault.must.iter().any(|demand| demand.side == *side);
    Side::BOTH.into_iter().filter(|side| fault.is_healthy() || looks(side)).collect()
}

/// Records where the caller stands. Where this machine keeps its files is
/// nobody's business.
fn record(name: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdiag"));
    command.arg0("tcpdiag").current_dir(folder());
    let output = command.args(["record", name, "--force", "--count", "6"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

lab!(
    alone as Mapped #[ignore = "writes fixtures/diagnose"] fn write_recordings() {
        std::fs::create_dir_all(folder()).unwrap();
        let faults = chosen();
        let outcomes = try_all(&faults, ABREAST, |fault, scene| {
            std::thread::scope(|scope| {
                for side in ends(fault) {
                    let name = file(fault, side);
                    scope.spawn(move || {
                        scene.inside(side, || record(&name));
                        let length = std::fs::metadata(folder().join(&name)).unwrap().len();
                        println!("{name}: {length} bytes");
                        assert!(length <= LARGEST, "{name} has {length} bytes");
                    });
                }
            });
        });
        outcomes.into_iter().for_each(|outcome| {
            outcome.unwrap();
        });
    }
);
