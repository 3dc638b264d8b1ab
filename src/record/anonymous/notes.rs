//! Notes without names.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::Key;
use super::{Dropped, names};
use crate::record::{
    CgroupPath, DumpBegun, DumpEnded, Ending, EventsDrained, HostFacts, InterfaceName, Kind, Note,
    SampleBegun, SampleEnded, SocketOwners, Writer,
};
use crate::settings::Setting;

/// Why recordings end.
const ENDS: [&str; 7] = ["count", "duration", "size", "interrupted", "error", "trigger", "rotated"];

/// The counter files.
const FILES: [&str; 6] = ["snmp", "netstat", "snmp6", "sockstat", "sockstat6", "softnet_stat"];

/// The host of a recording, without its names and without the command line.
pub(super) fn host(key: &Key, facts: HostFacts) -> HostFacts {
    HostFacts {
        hostname: names::host(key, &facts.hostname),
        kernel: names::release(&facts.kernel).to_owned(),
        machine: words(&facts.machine),
        boot_id: facts.boot_id.map(|id| names::boot(key, &id)),
        version: words(&facts.version),
        arguments: Vec::new(),
        ..facts
    }
}

/// A text as long as it is a plain word.
fn words(text: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-+".contains(sign);
    if text.len() <= 32 && text.chars().all(plain) { text.to_owned() } else { String::new() }
}

/// Writes what may stay of notes.
pub(super) struct Notes<'a, W: Write> {
    pub(super) key: &'a Key,
    pub(super) writer: &'a mut Writer<W>,
    pub(super) dropped: &'a mut Dropped,
}

impl<W: Write> Notes<'_, W> {
    /// Writes a note; those of hosts and namespaces are not for here.
    pub(super) fn put(&mut self, note: &Note<'_>) -> io::Result<()> {
        let key = self.key;
        match note.kind {
            Kind::Host | Kind::Namespace => Ok(()),
            Kind::Sample => self.json::<SampleBegun>(note, |begun| begun),
            // What was not to be seen is told in words, which are not known.
            Kind::SampleEnd => self.json::<SampleEnded>(note, |ended| SampleEnded {
                permission_limited: Vec::new(),
                ..ended
            }),
            Kind::DumpBegin => self.json::<DumpBegun>(note, |begun| begun),
            Kind::DumpEnd => self.json::<DumpEnded>(note, |ended| ended),
            Kind::EventsDrained => self.json::<EventsDrained>(note, |drained| drained),
            Kind::End => self.json::<Ending>(note, |mut ending| {
                if !ENDS.contains(&ending.why.as_str()) {
                    ending.why.clear();
                }
                ending
            }),
            Kind::Owners => self.lines::<SocketOwners>(note, |mut owners| {
                for holder in &mut owners.holders {
                    holder.comm = names::process(key, &holder.comm);
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

    /// Lines of words and numbers, as all of these files have them.
    fn counters(&mut self, note: &Note<'_>) -> io::Result<()> {
        let Some((name, text)) = note.named_text().filter(|(name, _)| FILES.contains(name)) else {
            self.dropped.notes += 1;
            return Ok(());
        };
        let is_plain = |line: &&str| {
            line.chars().all(|sign| sign.is_ascii_alphanumeric() || " \t:_-".contains(sign))
        };
        let mut payload = format!("{name}\n");
        for line in text.lines() {
            if is_plain(&line) {
                payload.push_str(line);
                payload.push('\n');
            } else {
                self.dropped.lines += 1;
            }
        }
        self.writer.note(note.kind, note.namespace, payload.as_bytes())
    }

    /// Settings that are known, whose values are numbers or what every kernel may have.
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
