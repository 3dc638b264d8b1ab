//! Notes without names.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::Key;
use super::{Dropped, names};
use crate::recording::{
    CgroupPath, DumpBegun, DumpEnded, EventsDrained, FilterFact, HostFacts, InterfaceName, Kind,
    Note, SampleBegun, SampleEnded, SocketOwners, Writer,
};
use crate::settings::Setting;

/// Why recordings end.
const ENDS: [&str; 7] = ["count", "duration", "size", "interrupted", "error", "rotated", "kept"];

/// The replacement of a filter, which may have addresses and names in it.
const NARROWED: &str = "(left out with the names in it)";

/// Files of one number.
const NUMBERS: [&str; 2] = ["nf_conntrack_count", "nf_conntrack_max"];

/// The counter files.
const FILES: [&str; 5] = ["snmp", "netstat", "snmp6", "sockstat", "sockstat6"];

/// Whether a line is one of a counter file: a name and numbers, `group: name number ...`, or a
/// group's names above its numbers.
fn is_of_counters(line: &str, next: Option<&str>) -> bool {
    let is_number = |word: &str| word.parse::<i128>().is_ok();
    let is_name = |word: &str| word.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    let Some((group, rest)) = line.split_once([' ', '\t']) else { return false };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let of_group = |word: &str| is_name(word.strip_suffix(':').unwrap_or(word));
    if words.is_empty() || !of_group(group) {
        return false;
    }
    let numbers = words.iter().all(|word| is_number(word));
    let pairs = words
        .chunks(2)
        .all(|pair| matches!(pair, [name, number] if is_name(name) && is_number(number)));
    let heads = next.and_then(|next| next.strip_prefix(group)).is_some_and(|next| {
        let below: Vec<&str> = next.split_whitespace().collect();
        below.len() == words.len() && below.iter().all(|word| is_number(word))
    });
    numbers || pairs || heads && words.iter().all(|word| is_name(word))
}

/// The host of a recording, without its names and without the command line.
pub(super) fn host(key: &Key, facts: HostFacts) -> HostFacts {
    HostFacts {
        hostname: names::host(key, &facts.hostname),
        kernel: names::release(&facts.kernel).to_owned(),
        machine: word(&facts.machine),
        boot_id: facts.boot_id.map(|id| names::boot(key, &id)),
        version: names::release(&facts.version).to_owned(),
        arguments: Vec::new(),
        ..facts
    }
}

/// Why a recording ends, if that is one of the known reasons.
pub(super) fn end(why: &str) -> &str {
    if ENDS.contains(&why) { why } else { "" }
}

/// A text if it is a plain word.
fn word(text: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-+".contains(sign);
    if text.len() <= 32 && text.chars().all(plain) { text.to_owned() } else { String::new() }
}

/// Writes notes without what must not stay.
pub(super) struct Notes<'a, W: Write> {
    pub(super) key: &'a Key,
    pub(super) writer: &'a mut Writer<W>,
    pub(super) dropped: &'a mut Dropped,
}

impl<W: Write> Notes<'_, W> {
    /// Writes a note that is not about a host or a namespace.
    pub(super) fn put(&mut self, note: &Note<'_>) -> io::Result<()> {
        let key = self.key;
        match note.kind {
            Kind::Host | Kind::Namespace | Kind::NamespaceGone => Ok(()),
            Kind::Filter => {
                self.json(note, |_: FilterFact| FilterFact { filter: NARROWED.to_owned() })
            }
            Kind::Sample => self.json::<SampleBegun>(note, |begun| begun),
            // What could not be read is in free text.
            Kind::SampleEnd => self.json::<SampleEnded>(note, |ended| SampleEnded {
                permission_limited: Vec::new(),
                ..ended
            }),
            Kind::DumpBegin => self.json::<DumpBegun>(note, |begun| begun),
            Kind::DumpEnd => self.json::<DumpEnded>(note, |ended| ended),
            Kind::EventsDrained => self.json::<EventsDrained>(note, |drained| drained),
            // A readable one is written at the end, with the totals of all files.
            Kind::End => {
                self.dropped.notes += 1;
                Ok(())
            }
            Kind::Owners => self.lines::<SocketOwners>(note, |mut owners| {
                for holder in &mut owners.holders {
                    holder.comm = names::process(key, &holder.comm);
                    holder.program =
                        holder.program.take().map(|program| names::process(key, &program));
                    holder.cgroup = holder.cgroup.take().map(|path| names::cgroup(key, &path));
                }
                owners
            }),
            Kind::Cgroup => self.lines::<CgroupPath>(note, |cgroup| CgroupPath {
                path: names::cgroup(key, &cgroup.path),
                ..cgroup
            }),
            Kind::Interfaces => self.lines::<InterfaceName>(note, |interface| InterfaceName {
                name: names::interface(key, &interface.name),
                ..interface
            }),
            Kind::Counters => self.counters(note),
            Kind::Sysctl => self.settings(note),
        }
    }

    fn json<T: DeserializeOwned + Serialize>(
        &mut self,
        note: &Note<'_>,
        map: impl FnOnce(T) -> T,
    ) -> io::Result<()> {
        match note.json::<T>() {
            Ok(known) => self.writer.json(note.kind, note.namespace, &map(known)),
            Err(_) => {
                self.dropped.notes += 1;
                Ok(())
            }
        }
    }

    fn lines<T: DeserializeOwned + Serialize>(
        &mut self,
        note: &Note<'_>,
        map: impl Fn(T) -> T,
    ) -> io::Result<()> {
        let mut known = Vec::new();
        for line in note.json_lines::<T>() {
            match line {
                Ok(line) => known.push(map(line)),
                Err(_) => self.dropped.lines += 1,
            }
        }
        self.writer.json_lines(note.kind, note.namespace, known)
    }

    /// The lines that have a form of these files.
    fn counters(&mut self, note: &Note<'_>) -> io::Result<()> {
        if let Some(("dev", text)) = note.named_text() {
            return self.devices(note, text);
        }
        let hexadecimal = |text: &str| {
            text.chars().all(|sign| sign.is_ascii_hexdigit() || sign.is_ascii_whitespace())
        };
        if let Some((name, text)) = note.named_text()
            && (name == "softnet_stat" || NUMBERS.contains(&name))
            && hexadecimal(text)
        {
            return self.writer.note(note.kind, note.namespace, note.payload);
        }
        let Some((name, text)) = note.named_text().filter(|(name, _)| FILES.contains(name)) else {
            self.dropped.notes += 1;
            return Ok(());
        };
        let mut payload = format!("{name}\n");
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if is_of_counters(line, lines.peek().copied()) {
                payload.push_str(line);
                payload.push('\n');
            } else {
                self.dropped.lines += 1;
            }
        }
        self.writer.note(note.kind, note.namespace, payload.as_bytes())
    }

    /// The devices, whose names are those of interfaces.
    fn devices(&mut self, note: &Note<'_>, text: &str) -> io::Result<()> {
        let mut payload = "dev\n".to_owned();
        for line in text.lines() {
            let numbers =
                |rest: &str| rest.split_whitespace().all(|word| word.parse::<u64>().is_ok());
            match line.split_once(':').filter(|(_, rest)| numbers(rest)) {
                Some((name, rest)) => {
                    let name = names::interface(self.key, name.trim());
                    payload.push_str(&format!("{name}:{rest}\n"));
                }
                None if line.contains('|') => payload.push_str("|\n"),
                None => self.dropped.lines += 1,
            }
        }
        self.writer.note(note.kind, note.namespace, payload.as_bytes())
    }

    /// Known settings whose values are numbers or common to all kernels.
    fn settings(&mut self, note: &Note<'_>) -> io::Result<()> {
        let mut payload = String::new();
        let text = String::from_utf8_lossy(note.payload);
        for line in text.lines() {
            let is_harmless = |value: &str| {
                value.split_whitespace().all(|word| {
                    word.chars().all(|sign| sign.is_ascii_digit() || "-,".contains(sign))
                        || names::is_common_protocol(word)
                })
            };
            let known = line.split_once(' ').is_some_and(|(name, value)| {
                Setting::all().iter().any(|setting| setting.name == name) && is_harmless(value)
            });
            if known {
                payload.push_str(line);
                payload.push('\n');
            } else {
                self.dropped.lines += 1;
            }
        }
        self.writer.note(note.kind, note.namespace, payload.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_files_are_kept_whole() {
        for name in FILES {
            for kernel in ["5.10.223", "6.1.192", "6.12.107", "6.18.44", "7.2.13"] {
                let path = format!("{}/fixtures/{kernel}/dump/{name}", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&path).unwrap();
                let mut lines = text.lines().peekable();
                while let Some(line) = lines.next() {
                    assert!(is_of_counters(line, lines.peek().copied()), "{path}: {line}");
                }
            }
        }
    }

    #[test]
    fn other_lines_are_not() {
        for (line, next) in [
            ("", None),
            ("Tcp:", None),
            ("payments", None),
            ("Acme: payments", Some("Other: 1")),
            ("Acme: payments", Some("Acme: 1 2")),
            ("Acme: (payments)", Some("Acme: 1")),
            ("TCP: inuse payments", None),
            ("10.0.0.1: 7", None),
        ] {
            assert!(!is_of_counters(line, next), "{line}");
        }
    }
}
