//! Recordings: what the kernel said, byte for byte, in a file of a known kind.
//!
//! Knows how bytes get into a recording and back out of it, and what a damaged one looks like.
//! Refuses to know what the bytes mean.
//!
//! # The file
//!
//! A recording is a pcapng file (draft-ietf-opsawg-pcapng), as a whole compressed with zstd, which
//! Wireshark opens as it is. Its section header names the program, the kernel and the machine;
//! its byte order is the machine's, since that is also the order of the netlink messages in it.
//! Two kinds of interface follow, and times are nanoseconds since 1970 (`if_tsresol` 9):
//!
//! - `LINKTYPE_NETLINK` (253): datagrams of `NETLINK_SOCK_DIAG` as recv() returned them, behind the
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
//! A recording that ends as it should ends with a note of kind `end`. One that was cut short is
//! readable up to the last [`Writer::flush`] before the cut.
//!
//! # Captures of others
//!
//! Of a capture that another program made of an `nlmon` interface, pcapng or the older pcap, the
//! dumps of TCP sockets are read that somebody asked for while it ran, and nothing else.
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
//! Most of a sample is in the one before, and only one stream finds it there; `ruzstd` writes whole
//! frames only. Twelve times the size for all users is dearer than half a minute of a first build.
//!
//! Of 10,000 sockets of which a fifth move each second, a sample of one a second took 7 bytes per
//! socket instead of the kernel's 497. What it costs stands in benches/RESULTS.md.
//!
//! pcapng itself is written out here: three block types, and the reader has to tell at which byte
//! and why a damaged file ends, within bounds on memory that no crate's reader takes.

mod anonymous;
mod block;
mod classic;
mod compression;
mod entry;
mod error;
mod facts;
mod interface;
mod join;
mod kind;
mod nlmon_capture;
mod note;
mod order;
mod reader;
mod recording_transport;
mod refusal;
mod replay_transport;
mod sample;
mod shared_writer;
mod walk;
mod writer;

pub use anonymous::{Anonymised, Dropped, Key, anonymise};
pub use compression::Compression;
pub use entry::{Datagram, Entry, Way};
pub use error::{Damage, ReadError};
pub use facts::{
    CgroupPath, DumpBegun, DumpEnded, Ending, EventsDrained, FilterFact, HostFacts, InterfaceName,
    NamespaceOf, SampleBegun, SampleEnded, SocketHolder, SocketOwners,
};
pub use join::join;
pub use kind::Kind;
pub use note::Note;
pub use reader::{Reader, Skipped};
pub use recording_transport::RecordingTransport;
pub use replay_transport::ReplayTransport;
pub use sample::{Found, Part, RecordedNamespace, Sample, SamplePart};
pub use shared_writer::SharedWriter;
pub use walk::{Span, Walk};
pub use writer::{About, Place, Writer};
