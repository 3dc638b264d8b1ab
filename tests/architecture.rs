//! The shape of the house, read off its source.
//!
//! A room imports only what stands upstream of it; only `sys` is unsafe; files
//! stay small; and what ss or nstat print is never read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows them in #[test] functions only, not in what those call"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the source to the mouth. `export` and `tui` stand side by
/// side but nothing forbids one to show the other.
const ORDER: [&str; 16] = [
    "sys",
    "wire",
    "model",
    "counters",
    "settings",
    "filter",
    "procfs",
    "socket_diag",
    "tracking",
    "attribution",
    "diagnosis",
    "recording",
    "history",
    "report",
    "output",
    "cli",
];

/// Lines of code, without blank ones and comments, that a file may have.
const LONGEST: usize = 500;

/// One file under src/.
struct File {
    path: PathBuf,
    /// The first part of its path: its room. `None` for lib.rs and main.rs.
    room: Option<&'static str>,
    /// Its lines without comments and literals, blank ones included.
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
                let room = room(first.trim_end_matches(".rs"));
                let text = fs::read_to_string(&path).unwrap();
                files.push(File { path: inner, room, code: code(&text) });
            }
        }
    }
    assert!(files.len() > 50);
    files
}

fn room(name: &str) -> Option<&'static str> {
    if ["lib", "main"].contains(&name) {
        return None;
    }
    let known = ORDER.into_iter().find(|room| *room == name);
    Some(known.unwrap_or_else(|| panic!("src/{name} has no place in the order: add it here")))
}

/// The lines of a file with comments, strings and characters taken out.
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

/// The rooms that a file names: `crate::room`, `crate::{room, ...}`.
fn imports(file: &File) -> Vec<String> {
    let text = file.code.join("\n");
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        // `$crate` of macros counts, `thecrate` does not.
        let before = text[..at].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
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
fn nothing_is_imported_from_downstream() {
    let place = |room: &str| ORDER.iter().position(|known| *known == room);
    let mut arrows = 0;
    for file in sources() {
        let Some(own) = file.room else { continue };
        for import in imports(&file) {
            // Macros of the crate's root have no place in the order.
            let Some(other) = place(&import) else {
                panic!("{}: crate::{import} is no room", file.path.display())
            };
            arrows += usize::from(import != own);
            assert!(
                other <= place(own).unwrap(),
                "{}: {own} imports {import}, which is downstream of it",
                file.path.display()
            );
        }
        // The way around: `super` from the room's own door is the root.
        let is_door = file.path.ends_with("mod.rs") && file.path.components().count() == 2;
        let depth = file.path.components().count() - usize::from(file.path.ends_with("mod.rs"));
        let too_far = "super::".repeat(depth + 1);
        for line in &file.code {
            assert!(!line.contains(&too_far), "{}: {line}", file.path.display());
            let at_root = is_door && line.starts_with("use super::");
            assert!(!at_root, "{}: {line}", file.path.display());
        }
    }
    // Otherwise this test reads nothing.
    assert!(arrows > 20, "{arrows}");
}

#[test]
fn only_sys_is_unsafe() {
    for file in sources().iter().filter(|file| file.room != Some("sys")) {
        for line in &file.code {
            let found = words(line).any(|word| word == "unsafe" || word == "unsafe_code");
            assert!(!found, "{}: {line}", file.path.display());
        }
    }
}

#[test]
fn files_are_small() {
    for file in sources() {
        let lines = file.code.iter().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= LONGEST, "{} has {lines} lines of code", file.path.display());
    }
}

#[test]
fn no_other_program_is_asked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // Tests may compare with what others print.
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
fn the_reader_of_this_test_reads_well() {
    let text = "use crate::{wire::Reply, model::{A, B}}; // crate::cli\n\
                let s = \"crate::tui\"; let c = '\"'; /* crate::cli\n/* */ */ fn f<'a>(x: &'a u8) {}\n\
                let r = r#\"unsafe \" \"#; crate::sys::f();";
    let file = File { path: PathBuf::new(), room: None, code: code(text) };
    assert_eq!(imports(&file), ["wire", "model", "sys"]);
    assert_eq!(file.code.len(), 4);
    assert!(!file.code.join("\n").contains("unsafe"));
}
