//! The rules for the modules of this program, checked on its source.
//!
//! A module imports only modules before it in [`ORDER`], commands do not import each other, only
//! `sys` is unsafe, only `cli` uses clap and anyhow, files stay small, and the output of ss and
//! nstat is never read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows them in #[test] functions only, not in what those call"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules. Each imports only itself and those before it.
const ORDER: [&str; 22] = [
    "text",
    "sys",
    "wire",
    "model",
    "counters",
    "settings",
    "filter",
    "procfs",
    "socket_diag",
    "identity",
    "tracking",
    "recording",
    "monitor",
    "attribution",
    "diagnosis",
    "history",
    "report",
    // Builds the document of `diff` itself.
    "comparison",
    "output",
    "config",
    "api",
    "cli",
];

/// The most lines of code in a file, without blank lines and comments.
const LONGEST_FILE: usize = 500;

/// The most lines in `cli`, with blank lines and comments.
const LONGEST_CLI: usize = 6_500;

/// One file under src/.
struct File {
    path: PathBuf,
    /// The first part of its path. `None` for lib.rs and main.rs.
    module: Option<&'static str>,
    /// Its lines, blank ones included, without comments and literals.
    code: Vec<String>,
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inner = path.strip_prefix(&root).unwrap().to_owned();
                let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = module(first.trim_end_matches(".rs"));
                let text = fs::read_to_string(&path).unwrap();
                files.push(File { path: inner, module, code: code(&text) });
            }
        }
    }
    assert!(files.len() > 50);
    files
}

fn module(name: &str) -> Option<&'static str> {
    if ["lib", "main"].contains(&name) {
        return None;
    }
    let known = ORDER.into_iter().find(|module| *module == name);
    Some(known.unwrap_or_else(|| panic!("src/{name} is not in ORDER: add it")))
}

/// The lines of a file without comments, strings and characters.
fn code(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut rest = text;
    // Comments of several lines nest.
    let mut depth = 0;
    while let Some(character) = rest.chars().next() {
        let mut width = character.len_utf8();
        if character == '\n' {
            lines.push(String::new());
        } else if depth > 0 || rest.starts_with("/*") {
            match rest.get(..2) {
                Some("/*") => (depth, width) = (depth + 1, 2),
                Some("*/") => (depth, width) = (depth - 1, 2),
                _ => {}
            }
        } else if rest.starts_with("//") {
            width = rest.find('\n').unwrap_or(rest.len());
        } else if let Some(length) = literal(rest) {
            let literal = &rest[..length];
            lines.extend(literal.matches('\n').map(|_| String::from("\"")));
            lines.last_mut().unwrap().push('"');
            width = length;
        } else {
            lines.last_mut().unwrap().push(character);
        }
        rest = &rest[width..];
    }
    lines
}

/// The length of the string or character literal that `text` starts with.
fn literal(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let at = raw[hashes + 1..].find(&end).unwrap();
            return Some(1 + hashes + 1 + at + end.len());
        }
    }
    let quote = text.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let mut characters = text.char_indices().skip(1);
    if quote == '\'' {
        // 'a' and '\n' are literals, 'a alone is a lifetime.
        let escaped = text[1..].starts_with('\\');
        let closes = text[1..].char_indices().nth(1).is_some_and(|(_, next)| next == '\'');
        if !escaped && !closes {
            return None;
        }
    }
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Words of a line, as Rust splits them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
}

/// The modules that a file names: `crate::module`, `crate::{module, ...}`.
fn imports(file: &File) -> Vec<String> {
    names_after(&file.code.join("\n"), "crate::")
}

/// The names after a path prefix, alone or in braces.
fn names_after(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        // `$crate` of macros counts, `thecrate` does not, nor the second half of `super::super::`.
        let before = text[..at].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || "_:".contains(before)) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => found.extend(words(rest).next().map(str::to_owned)),
            Some(group) => found.extend(heads(group)),
        }
    }
    found
}

/// The first words of the paths in a `{...}` group.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0, Vec::new(), String::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(std::mem::take(&mut head)),
            _ if depth == 0 => head.push(character),
            _ => {}
        }
    }
    heads.push(head);
    heads.iter().filter_map(|head| words(head).next().map(str::to_owned)).collect()
}

#[test]
fn every_module_is_in_the_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        found.extend(module(name.trim_end_matches(".rs")));
    }
    assert_eq!(found, BTreeSet::from(ORDER));
}

#[test]
fn modules_import_only_modules_before_them() {
    let position = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut checked = 0;
    for file in sources() {
        let Some(own) = file.module else { continue };
        for import in imports(&file) {
            // Also refuses macros of the crate's root, which have no position.
            let Some(other) = position(&import) else {
                panic!("{}: crate::{import} is no module", file.path.display())
            };
            checked += usize::from(import != own);
            assert!(
                other <= position(own).unwrap(),
                "{}: {own} imports {import}, which comes after it",
                file.path.display()
            );
        }
        // `super` in a module's own mod.rs is the root, and so is one `super` too many.
        let is_mod = file.path.ends_with("mod.rs");
        let is_own_mod = is_mod && file.path.components().count() == 2;
        let depth = file.path.components().count() - usize::from(is_mod);
        let too_many = "super::".repeat(depth + 1);
        for line in &file.code {
            assert!(!line.contains(&too_many), "{}: {line}", file.path.display());
            let is_at_root = is_own_mod && line.starts_with("use super::");
            assert!(!is_at_root, "{}: {line}", file.path.display());
        }
    }
    // Otherwise this test reads nothing.
    assert!(checked > 20, "{checked}");
}

/// The modules of the commands: those that cli/mod.rs names as a variant's type.
fn commands(files: &[File]) -> BTreeSet<String> {
    let main = files.iter().find(|file| file.path == Path::new("cli/mod.rs")).unwrap();
    let mut lines = main.code.iter().skip_while(|line| !line.starts_with("enum Command"));
    lines.next();
    let variants = lines.take_while(|line| !line.starts_with('}'));
    variants.filter_map(|line| words(line).nth(1).map(str::to_owned)).collect()
}

#[test]
fn commands_do_not_import_each_other() {
    let files = sources();
    let commands = commands(&files);
    assert!(commands.contains("conns") && commands.contains("sysctl"), "{commands:?}");
    for file in files.iter().filter(|file| file.module == Some("cli")) {
        let mut path = file.path.components().skip(1);
        let own = path.next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        // cli/mod.rs runs the commands. Shared modules must not import a command either.
        if own == "mod" {
            continue;
        }
        let is_mod = file.path.ends_with("mod.rs");
        let depth = file.path.components().count() - 1 - usize::from(is_mod);
        let text = file.code.join("\n");
        let mut imports = names_after(&text, "crate::cli::");
        imports.extend(names_after(&text, &"super::".repeat(depth)));
        for import in imports {
            assert!(
                import == own || !commands.contains(&import),
                "{}: {own} imports the command {import}",
                file.path.display()
            );
        }
    }
}

#[test]
fn only_cli_uses_clap_and_anyhow() {
    for file in sources() {
        if file.module == Some("cli") || file.path == Path::new("main.rs") {
            continue;
        }
        for line in &file.code {
            let found = words(line)
                .any(|word| ["clap", "clap_complete", "clap_mangen", "anyhow"].contains(&word));
            assert!(!found, "{}: {line}", file.path.display());
        }
    }
}

#[test]
fn cli_is_small() {
    let files = sources();
    let cli = files.iter().filter(|file| file.module == Some("cli"));
    // Without what follows the last newline.
    let lines: usize = cli.map(|file| file.code.len() - 1).sum();
    assert!(lines < LONGEST_CLI, "src/cli has {lines} lines");
}

#[test]
fn only_sys_is_unsafe() {
    for file in sources().iter().filter(|file| file.module != Some("sys")) {
        for line in &file.code {
            let found = words(line).any(|word| word == "unsafe" || word == "unsafe_code");
            assert!(!found, "{}: {line}", file.path.display());
        }
    }
}

/// What reaches a terminal or a spreadsheet is escaped by the writers of these files; clippy.toml
/// keeps others from opening standard output and standard error.
#[test]
fn output_goes_through_the_writers_that_escape() {
    const WRITERS: [&str; 7] = [
        "sys/terminal.rs",
        "output/writer.rs",
        "output/json.rs",
        "output/rows.rs",
        "output/intervals.rs",
        "output/messages.rs",
        "output/progress.rs",
    ];
    for file in sources() {
        let path = file.path.to_string_lossy().into_owned();
        if !matches!(file.module, Some("cli" | "output")) || WRITERS.contains(&&*path) {
            continue;
        }
        for line in &file.code {
            let bypass =
                ["writeln!(", ".write_all(", ".raw()", "standard_output(", "standard_error("];
            let found = bypass.iter().find(|call| line.contains(**call));
            assert!(found.is_none(), "{path}: {}", line.trim());
        }
    }
}

/// Nothing that runs for long, and no other command, can kill a connection.
#[test]
fn only_conns_kills() {
    const MAY: [(&str, &[&str]); 3] = [
        ("DestroyRequest", &["wire/destroy.rs", "wire/mod.rs", "socket_diag/killer.rs"]),
        ("Killer", &["socket_diag/killer.rs", "socket_diag/mod.rs", "cli/kill.rs"]),
        ("KillArgs", &["cli/kill.rs", "cli/conns.rs"]),
    ];
    for file in sources() {
        let path = file.path.to_string_lossy().into_owned();
        for (name, files) in MAY {
            let found = file.code.iter().any(|line| words(line).any(|word| word == name));
            assert_eq!(found, files.contains(&&*path), "{path}: {name}");
        }
        let calls =
            file.module == Some("cli") && file.code.iter().any(|it| it.contains("kill::run"));
        assert_eq!(calls, path == "cli/conns.rs", "{path}");
    }
}

#[test]
fn files_are_small() {
    for file in sources() {
        let lines = file.code.iter().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines of code", file.path.display());
    }
}

#[test]
fn the_output_of_other_programs_is_not_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // Tests may compare with the output of other programs.
    let is_test = |file: &File| file.path.to_string_lossy().ends_with("tests.rs");
    for file in sources().into_iter().filter(|file| !is_test(file)) {
        // Literals count here.
        let text = fs::read_to_string(root.join(&file.path)).unwrap();
        for program in ["ss", "netstat", "nstat"] {
            let call = format!("Command::new(\"{program}\")");
            assert!(!text.contains(&call), "{}: {call}", file.path.display());
        }
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "use crate::{wire::Reply, model::{A, B}}; // crate::cli\n\
                let s = \"crate::tui\"; let c = '\"'; /* crate::cli\n/* */ */ fn f<'a>(x: &'a u8) {}\n\
                let r = r#\"unsafe \" \"#; crate::sys::f();";
    let file = File { path: PathBuf::new(), module: None, code: code(text) };
    assert_eq!(imports(&file), ["wire", "model", "sys"]);
    assert_eq!(file.code.len(), 4);
    assert!(!file.code.join("\n").contains("unsafe"));
}

#[test]
fn names_after_a_prefix() {
    let text = "use super::super::conns; use super::{a::B, c}; use crate::cli::diff::D;";
    assert_eq!(names_after(text, "super::"), ["super", "a", "c"]);
    assert_eq!(names_after(text, "super::super::"), ["conns"]);
    assert_eq!(names_after(text, "crate::cli::"), ["diff"]);
}
