//! Recordings: the kernel's messages, byte for byte, in pcapng files.
//!
//! Reading and writing files, several files as one session, rotation and the ring in memory. What
//! the messages mean is left to other modules.
//!
//! # The file
//!
//! A recording is a pcapng file (draft-ietf-opsawg-pcapng), as a whole compressed with zstd, which
//! Wireshark opens as it is. Its section header names the program, the kernel and the machine;
//! its byte order is the machine's, since that is also the order of the netlink messages in it.
//! Two kinds of interface follow, and times are nanoseconds since 1970 (`if_tsresol` 9):
//!
//! - `LINKTYPE_NETLINK` (253): datagrams of `NETLINK_SOCK_DIAG` as recv() returned them, after the
//!   sixteen bytes of the cooked header (two unused, ARPHRD_NETLINK 824, ten unused, the netlink
//!   family 4; all in network order). Requests are there too, marked outbound in `epb_flags`.
//!   The bytes of TCP-MD5 keys are zeros, unless they were asked for (`--with-keys`).
//!   Number 0 is of the first network namespace; each further one has an interface of its own,
//!   named after it, which a note of kind `namespace` assigns.
//! - `LINKTYPE_USER0` (147), number 1, named `tcpdiag`: notes of this program. Each begins with
//!   sixteen bytes in the section's byte order, and the rest is the payload:
//!
//!   | offset | bytes | what |
//!   |---|---|---|
//!   | 0 | 1 | version, 1 |
//!   | 1 | 1 | flags, 0 |
//!   | 2 | 2 | kind, see [`Kind`] |
//!   | 4 | 4 | which sample it belongs to, from 0 |
//!   | 8 | 8 | inode of the network namespace, 0 for the whole host |
//!
//! Wireshark shows sockets of the by-family requests in full, and of the older request (type 18,
//! which this program asks first, since it walks the tables once) the message's header only.
//!
//! A complete recording ends with a note of kind `end`. One that was cut short is readable up to the
//! last [`Writer::flush`] before the cut.
//!
//! # Sessions
//!
//! A [`Session`] reads one file or several, such as those of `record --rotate`, as one recording. A
//! file may itself hold several recordings of one boot, one behind the other.
//!
//! # Memory
//!
//! A recording may come from anybody. What reading holds grows with the sockets and namespaces that
//! the recording shows (`bounds`), and names are cut where no system has longer ones (`facts`).
//!
//! # Captures by other programs
//!
//! A capture of an `nlmon` interface, pcapng or the older pcap, is read for the dumps of TCP sockets
//! that programs requested while it ran, and for nothing else.
//!
//! # Why the C library
//!
//! Measured at level 1 in November 2026 on 7.5 MB, twenty samples of the captures in `fixtures/` of which one
//! byte in a hundred changes from one to the next:
//!
//! | | cold release build, 2 busy cores | ratio | written | read |
//! |---|---|---|---|---|
//! | `zstd`, one stream | 49 s | 43.8 | 596 MB/s | 374 MB/s |
//! | `zstd`, a frame for each sample | | 3.6 | 144 MB/s | 237 MB/s |
//! | `ruzstd` 0.8, its only level, a frame for each sample | 13 s | 2.3 | 22 MB/s | 87 MB/s |
//!
//! Most of a sample is in the one before, and only a single stream can refer to it; `ruzstd` writes
//! whole frames only. Twelve times the size costs users more than half a minute of a first build.
//!
//! Of 10,000 sockets of which a fifth move each second, a sample of one a second took 7 bytes per
//! socket instead of the kernel's 497. Its cost is in benches/RESULTS.md.
//!
//! pcapng itself is implemented here: three block types, and the reader has to report at which byte
//! and why a damaged file ends, within bounds on memory that no crate's reader keeps.

mod anonymous;
mod assembler;
mod block;
mod bounds;
mod checks;
mod classic;
mod clock_step;
mod compression;
mod counted_file;
mod entry;
mod error;
mod facts;
mod file;
mod interface;
mod join;
mod kind;
mod known_facts;
mod mark;
mod namespace_choice;
mod naming;
mod next_sample;
mod nlmon_capture;
mod note;
mod order;
mod preamble;
mod reader;
mod recorded_names;
mod recording_transport;
mod refusal;
mod replay_transport;
mod ring;
mod rotation;
mod sample;
mod session;
mod session_error;
mod session_files;
mod shared_writer;
mod store;
mod store_error;
mod survey;
mod timeline;
mod totals;
mod trigger;
mod walk;
mod when;
mod writer;

pub use anonymous::{Anonymised, Dropped, Key, anonymise};
pub use clock_step::ClockStep;
pub(crate) use clock_step::StepWatch;
pub use compression::Compression;
pub use counted_file::{BytesRead, CountedFile};
pub use entry::{Datagram, Direction, Entry};
pub use error::{Damage, ReadError};
pub use facts::{
    CgroupPath, DumpBegun, DumpEnded, Ending, EventsDrained, FilterFact, HostFacts, InterfaceName,
    MOST_HOLDERS, NamespaceOf, RunFile, SampleBegun, SampleEnded, SocketHolder, SocketOwners,
};
pub use file::{Output, check_path, create_private};
pub use join::join;
pub use kind::Kind;
pub use mark::Mark;
pub use namespace_choice::NamespaceChoice;
pub use note::Note;
pub use preamble::Preamble;
pub use reader::{Reader, Skipped};
pub use recorded_names::RecordedNames;
pub use recording_transport::RecordingTransport;
pub use replay_transport::ReplayTransport;
pub use rotation::{DeleteFailure, Retention, RotateAt};
pub use sample::{Found, Part, RecordedNamespace, Sample, SamplePart};
pub use session::{Session, SessionOptions};
pub use session_error::{FileDamage, Overlap, SessionError};
pub use shared_writer::SharedWriter;
pub use store::{Store, StoreMode, StoreOptions, WrittenRing};
pub use store_error::StoreError;
pub use survey::RepeatedTime;
pub use totals::{EndReason, RecordedTotals};
pub use trigger::{CounterGrowth, CounterThreshold, CounterTrigger, TriggerError};
pub use walk::{Span, Walk};
pub use when::{When, full_time, local_time, localised, localised_short, parse_time, timestamp};
pub use writer::{About, NamespaceInterface, Writer};
