//! The contents of JSON notes. Keys are a contract: they are only added.
//!
//! Names are cut where they are longer than any system has them: a recording may come from anybody,
//! and each name appears in many rows.

use serde::{Deserialize, Deserializer, Serialize};

use super::clock_step::ClockStep;
use crate::procfs::Host;
use crate::socket_diag::{Drained, DumpOutcome};
use crate::sys::Clocks;

/// The most bytes of a name. Of hosts and network interfaces they have 64 and 15.
const NAME: usize = 255;

/// The same of a process's name, which has 15 here, and 63 for a kernel thread (`WQ_NAME_LEN`).
const COMM: usize = 64;

/// The same of a path: `PATH_MAX`.
const PATH: usize = 4096;

fn cut<'de, const MOST: usize, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let mut text = String::deserialize(from)?;
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
    }
    Ok(text)
}

/// A text that is cut when it is read.
#[derive(Deserialize)]
struct Cut<const MOST: usize>(#[serde(deserialize_with = "cut::<MOST, _>")] String);

fn cut_option<'de, const MOST: usize, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<Cut<MOST>>::deserialize(from)?.map(|Cut(text)| text))
}

/// The most bytes of a sentence, and the most sentences.
const SENTENCE: usize = 1024;
const SENTENCES: usize = 64;

fn cut_list<'de, const MOST: usize, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<String>, D::Error> {
    let list = Vec::<Cut<MOST>>::deserialize(from)?;
    Ok(list.into_iter().take(SENTENCES).map(|Cut(text)| text).collect())
}

/// [`Kind::Host`](super::Kind::Host).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `uname -n`.
    #[serde(deserialize_with = "cut::<NAME, _>")]
    pub hostname: String,
    /// `uname -r`.
    #[serde(deserialize_with = "cut::<NAME, _>")]
    pub kernel: String,
    /// `uname -m`.
    #[serde(deserialize_with = "cut::<NAME, _>")]
    pub machine: String,
    /// Changes with every boot.
    #[serde(default, deserialize_with = "cut_option::<NAME, _>")]
    pub boot_id: Option<String>,
    /// The program's version.
    #[serde(deserialize_with = "cut::<NAME, _>")]
    pub version: String,
    /// The command line.
    pub arguments: Vec<String>,
    /// Nanoseconds between samples.
    pub interval_ns: u64,
    /// Whether the program had CAP_NET_ADMIN, so that the kernel reported marks and MD5 peers.
    pub net_admin: bool,
    /// Which file of the run it is; earlier versions did not write that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunFile>,
    /// When it began.
    #[serde(flatten)]
    pub clocks: Clocks,
}

/// A file of a run that writes several, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// When the run began, by the monotonic clock: with the boot it tells runs apart.
    pub begun_ns: u64,
    /// Its number in the run, from 0.
    pub number: u64,
    /// Where the wall clock was set in the file before, up to the last sample of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock_steps: Vec<ClockStep>,
}

impl From<&HostFacts> for Host {
    fn from(facts: &HostFacts) -> Self {
        Self {
            hostname: facts.hostname.clone(),
            kernel: facts.kernel.clone(),
            boot_id: facts.boot_id.clone(),
        }
    }
}

/// [`Kind::Namespace`](super::Kind::Namespace).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceOf {
    /// The recording's interface.
    pub interface: u32,
    /// The namespace's inode.
    pub inode: u64,
    /// Its name.
    #[serde(default, deserialize_with = "cut_option::<PATH, _>")]
    pub name: Option<String>,
}

/// [`Kind::Sample`](super::Kind::Sample).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleBegun {
    /// When.
    #[serde(flatten)]
    pub clocks: Clocks,
    /// Taken early, because a counter moved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// [`Kind::SampleEnd`](super::Kind::SampleEnd).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleEnded {
    /// When.
    #[serde(flatten)]
    pub clocks: Clocks,
    /// Processes whose descriptors could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub processes_hidden: u64,
    /// What could not be seen for lack of privilege.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "cut_list::<SENTENCE, _>"
    )]
    pub permission_limited: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// [`Kind::Filter`](super::Kind::Filter).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterFact {
    /// As given to `tcpdiag record`.
    pub filter: String,
}

/// [`Kind::DumpBegin`](super::Kind::DumpBegin). The literal requests
/// follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpBegun {
    /// `idiag_states`.
    pub states: u32,
    /// `idiag_ext`.
    pub extensions: u8,
    /// Whether IPv4 sockets were asked for.
    pub ipv4: bool,
    /// Whether IPv6 sockets were asked for.
    pub ipv6: bool,
}

/// [`Kind::DumpEnd`](super::Kind::DumpEnd).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpEnded {
    /// Records.
    pub sockets: u64,
    /// Messages that could not be read.
    pub decode_errors: u64,
    /// Records with an attribute that could not be read.
    pub bad_attributes: u64,
    /// How often the table changed during the dump, or a part of the dump was lost.
    pub interrupted: u64,
    /// Datagrams of other processes, which were discarded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign: u64,
}

impl From<DumpOutcome> for DumpEnded {
    fn from(outcome: DumpOutcome) -> Self {
        Self {
            sockets: outcome.sockets,
            decode_errors: outcome.decode_errors,
            bad_attributes: outcome.bad_attributes,
            interrupted: outcome.interrupted,
            foreign: outcome.foreign,
        }
    }
}

/// [`Kind::EventsDrained`](super::Kind::EventsDrained).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsDrained {
    /// Events since the last time.
    pub events: u64,
    /// Datagrams that could not be read.
    pub decode_errors: u64,
    /// How often a buffer overran.
    pub overruns: u64,
    /// Events lost.
    pub lost: u64,
    /// Datagrams of other processes, which were discarded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign: u64,
}

impl From<Drained> for EventsDrained {
    fn from(drained: Drained) -> Self {
        let Drained { events, decode_errors, overruns, lost, foreign } = drained;
        Self { events, decode_errors, overruns, lost, foreign }
    }
}

/// The most holders that a line has. A server with 64 workers and ten SO_REUSEPORT listeners in each
/// of them holds every one of its 640 sockets 64 times.
pub const MOST_HOLDERS: usize = 16;

/// A line of [`Kind::Owners`](super::Kind::Owners). Holds from its sample on, until there is
/// another line for the inode or the inode is missing in a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketOwners {
    /// The socket's.
    pub inode: u32,
    /// By pid and descriptor, the first [`MOST_HOLDERS`]; empty if no process holds it.
    pub holders: Vec<SocketHolder>,
    /// How many others there are. Earlier versions recorded all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
    /// No visible process holds it, but some processes are not visible.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// One descriptor by which a process holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketHolder {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// The process's name.
    #[serde(deserialize_with = "cut::<COMM, _>")]
    pub comm: String,
    /// The program's name, where `comm` is a generic thread name instead.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "cut_option::<NAME, _>"
    )]
    pub program: Option<String>,
    /// The process's cgroup.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "cut_option::<PATH, _>"
    )]
    pub cgroup: Option<String>,
}

impl SocketHolder {
    /// The name of the program, by which a service is called.
    #[must_use]
    pub fn program(&self) -> &str {
        self.program.as_deref().unwrap_or(&self.comm)
    }
}

/// A line of [`Kind::Cgroup`](super::Kind::Cgroup).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPath {
    /// As sockets have it.
    pub id: u64,
    /// Below the mount of cgroup version 2.
    #[serde(deserialize_with = "cut::<PATH, _>")]
    pub path: String,
}

/// A line of [`Kind::Interfaces`](super::Kind::Interfaces).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceName {
    /// As sockets have it.
    pub index: u32,
    /// As users know it.
    #[serde(deserialize_with = "cut::<NAME, _>")]
    pub name: String,
}

/// [`Kind::End`](super::Kind::End).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// A name of [`EndReason`](super::EndReason), or `error`.
    pub why: String,
    /// Complete samples.
    pub samples: u64,
    /// Records of dumps, in all samples.
    pub sockets: u64,
    /// Destroy events.
    pub events: u64,
    /// Destroy events that were lost.
    pub events_lost: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_written_only_where_it_differs() {
        for (text, program) in [
            (r#"{"pid":7,"fd":3,"comm":"nginx"}"#, "nginx"),
            (r#"{"pid":7,"fd":3,"comm":"MainThread","program":"node"}"#, "node"),
        ] {
            let holder: SocketHolder = serde_json::from_str(text).unwrap();
            assert_eq!(holder.program(), program);
            assert_eq!(serde_json::to_string(&holder).unwrap(), text);
        }
    }
}
