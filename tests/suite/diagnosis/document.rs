//! docs/faults.md: two parts, each written by its own command.

use std::path::PathBuf;

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The hand-made faults, from the beginning.
    Matrix,
    /// The random scenes, to the end.
    Scenes,
}

/// Begins the second part.
const SCENES: &str = "## Random scenes\n";

/// The text before the table of the random scenes.
const HEAD: &str = "
Scenes drawn at random (`tests/suite/lab/scenes`): paths, programs and troubles, a third without
any. What is true of a scene is computed from its parameters, from what its link did to each packet and
from what its programs did, never from tcpdiag. A statement is demanded at one end where an expert would
miss it; between true and demanded there is room for what may be said. This part is written by a
command, with seeds that no run had before:

```sh
TCPDIAG_WRITE_MATRIX=1 cargo test --test suite diagnosis::held_out::held_out -- --ignored --nocapture
```

`TCPDIAG_SEED` plays the same set again, `TCPDIAG_SCENE` one scene of it, and the test `tuning` a set
that is always the same.

";

/// Writes a part and keeps the other.
pub fn write(part: Part, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(path, replaced(&old, part, text)).unwrap();
}

fn replaced(old: &str, part: Part, text: &str) -> String {
    let (matrix, scenes) = old.split_at(old.find(SCENES).unwrap_or(old.len()));
    match part {
        Part::Matrix if scenes.is_empty() => text.to_owned(),
        Part::Matrix => format!("{}\n\n{scenes}", text.trim_end()),
        Part::Scenes => format!("{}\n\n{SCENES}{HEAD}{text}", matrix.trim_end()),
    }
}

#[test]
fn each_part_keeps_the_other() {
    let both = replaced("# Faults\n", Part::Scenes, "one\n");
    assert!(both.starts_with("# Faults\n\n## Random scenes\n") && both.ends_with("\none\n"));
    let again = replaced(&both, Part::Matrix, "# New\n");
    assert!(again.starts_with("# New\n\n## Random scenes\n") && again.ends_with("\none\n"));
    let third = replaced(&again, Part::Scenes, "two\n");
    assert!(third.starts_with("# New\n") && third.ends_with("\ntwo\n") && !third.contains("one\n"));
}
