//! docs/faults.md: parts, each written by its own command.

use std::path::PathBuf;

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The hand-made faults, from the beginning.
    Matrix,
    /// The random scenes.
    Scenes,
    /// Those over netem, on this kernel.
    Netem(String),
}

/// The text before the table of the random scenes.
const SCENES: &str = "
Scenes drawn at random (`tests/suite/lab/scenes`): paths, programs and troubles, a third without
any. What is true of a scene is computed from its parameters, from what its link did to each packet and
from what its programs did, never from tcpdiag. A statement is demanded at one end where an expert would
miss it; between true and demanded there is room for what may be said. This part is written by a
command, with seeds that no run had before:

```sh
TCPDIAG_WRITE_MATRIX=1 cargo test --test suite held_out::held_out -- --ignored --nocapture
```

`TCPDIAG_SEED` plays the same set again, `TCPDIAG_SCENE` one scene of it. The test `held_out::tuning`
plays a set that is always the same; no figure here comes from it.

";

/// The text before the table of those over netem.
const NETEM: &str = "
The same with a path by netem, in an emulated machine. The processor is emulated too, so these scenes
are lighter, and more of them are disturbed.

```sh
TCPDIAG_WRITE_MATRIX=1 tests/emulated/run --scenes 40 KERNEL
```

";

impl Part {
    fn heading(&self) -> String {
        match self {
            Self::Matrix => String::new(),
            Self::Scenes => "## Random scenes\n".to_owned(),
            Self::Netem(kernel) => format!("## Random scenes over netem, Linux {kernel}\n"),
        }
    }

    fn introduction(&self) -> &'static str {
        match self {
            Self::Matrix => "",
            Self::Scenes => SCENES,
            Self::Netem(_) => NETEM,
        }
    }
}

/// Writes a part and keeps the others.
pub fn write(part: &Part, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(path, replaced(&old, part, text)).unwrap();
}

fn replaced(old: &str, part: &Part, text: &str) -> String {
    let heading = part.heading();
    // The first part has a title of its own.
    let found = old.find(&heading);
    let next = |from: usize| old[from..].find("\n## ").map_or(old.len(), |at| from + at + 1);
    let (begin, end) = match (part, found) {
        (_, Some(begin)) => (begin, next(begin + heading.len())),
        (Part::Scenes, None) => {
            let netem = old.find("## Random scenes over").unwrap_or(old.len());
            (netem, netem)
        }
        (_, None) => (old.len(), old.len()),
    };
    let whole = format!("{heading}{}{text}", part.introduction());
    let parts = [&old[..begin], &whole, &old[end..]].map(str::trim);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

/// Takes what an emulated machine printed, `TCPDIAG_PRINTED`, into the part of its kernel.
#[test]
#[ignore = "for tests/emulated/run"]
fn write_netem() {
    let [kernel, file] =
        ["TCPDIAG_KERNEL", "TCPDIAG_PRINTED"].map(|name| std::env::var(name).unwrap());
    let printed = String::from_utf8_lossy(&std::fs::read(file).unwrap()).replace('\r', "");
    let table = printed.split_once("\nThe netem set").unwrap().1;
    let table = table.split("\nthe test ran").next().unwrap();
    // The kernel's own messages come between.
    let lines: Vec<&str> = table.lines().filter(|line| !line.starts_with('[')).collect();
    write(&Part::Netem(kernel), &format!("The netem set{}\n", lines.join("\n")));
}

#[test]
fn each_part_keeps_the_others() {
    let one = replaced("# Faults\n\nold\n", &Part::Scenes, "one\n");
    assert!(one.starts_with("# Faults\n\nold\n\n## Random scenes\n\nScenes"), "{one}");
    assert!(one.ends_with("from it.\n\none\n"), "{one}");
    let netem = Part::Netem("6.12".to_owned());
    let two = replaced(&one, &netem, "two\n");
    assert!(two.contains("\none\n\n## Random scenes over netem, Linux 6.12\n"), "{two}");
    let again = replaced(&replaced(&two, &Part::Matrix, "# New\n"), &Part::Scenes, "three\n");
    assert!(again.starts_with("# New\n\n## Random scenes\n"), "{again}");
    assert!(again.contains("\nthree\n\n## Random") && again.ends_with("\ntwo\n"), "{again}");
    assert!(!again.contains("one\n") && !again.contains("old"), "{again}");
    assert_eq!(replaced(&again, &netem, "two\n"), again);
    let reversed = replaced(&replaced("# Faults\n", &netem, "two\n"), &Part::Scenes, "one\n");
    assert_eq!(
        reversed,
        replaced(&replaced("# Faults\n", &Part::Scenes, "one\n"), &netem, "two\n")
    );
}
