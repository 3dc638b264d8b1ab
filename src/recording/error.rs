//! Why a recording cannot be read to its end.

/// What is wrong with a block, or with the file's stream of blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends within a block.
    #[error("it is cut in the middle of a block")]
    Cut,
    /// A block length that is impossible.
    #[error("a block claims a length of {0} bytes (possible are multiples of 4 up to 8 MiB)")]
    Length(u32),
    /// A packet length that is impossible.
    #[error("a packet claims a length of {0} bytes (possible are up to 1 MiB)")]
    Packet(u32),
    /// The lengths at a block's start and end differ.
    #[error("the two lengths of a block differ ({start} and {end})")]
    Lengths {
        /// The length at the start.
        start: u32,
        /// The length at the end.
        end: u32,
    },
    /// The file ends after a block, without the note that ends a recording.
    #[error("it has no end: it was cut there, or is still being written")]
    NoEnd,
    /// A section header without its byte-order magic.
    #[error("a section header without the mark of its byte order")]
    ByteOrder,
    /// The file does not begin with a section.
    #[error("a block of type {0:#x} where a section must begin")]
    NoSection(u32),
    /// An interface or packet that is shorter than its fields.
    #[error("a block of type {0:#x} that is too short for what it must hold")]
    Short(u32),
    /// More interfaces than are accepted.
    #[error("more than {0} interfaces")]
    Interfaces(usize),
    /// More network namespaces than are accepted.
    #[error("more than {0} network namespaces")]
    Namespaces(usize),
    /// A sample of more sockets than are accepted.
    #[error("a sample of more than {0} sockets")]
    Sockets(usize),
    /// A sample that holds more than what it shows can take.
    #[error("a sample that takes {bytes} bytes so far, and shows {sockets} sockets only")]
    Sample {
        /// Its bytes.
        bytes: usize,
        /// Different sockets in it.
        sockets: usize,
    },
    /// Owners and names of more than the sockets that there are.
    #[error("it names more owners, cgroups and interfaces than its sockets can have")]
    Facts,
    /// Names in an expression that mean more than is compared with each socket.
    #[error("the names in the expression mean more than {0} interfaces and cgroups")]
    Meanings(usize),
    /// A note that is longer than those of its kind can be.
    #[error("a note of kind {kind} with more than {most} bytes")]
    NoteLength {
        /// The kind.
        kind: &'static str,
        /// The most bytes.
        most: usize,
    },
    /// A datagram of an interface that no note assigns to a network namespace.
    #[error("a datagram of interface {0}, which belongs to no network namespace")]
    Unassigned(u32),
    /// Recordings behind each other that are not of one boot.
    #[error(
        "a recording of another host, or of another boot of it, begins here: read it by itself"
    )]
    OtherHost,
    /// Recordings behind each other in another order than in time.
    #[error("an earlier recording begins here: read it by itself")]
    Order,
    /// Recordings that were merged packet by packet.
    #[error("several recordings are mixed here, as by mergecap: read them by themselves")]
    SecondHost,
    /// A recording and a capture behind each other.
    #[error("a file of another kind begins here: read it by itself")]
    OtherKind,
    /// The zstd stream needs more memory than is allowed.
    #[error(
        "it was compressed with a window of more than {most} MiB; `zstd -d --long=31` decompresses it"
    )]
    Window {
        /// The largest window that is read.
        most: u64,
    },
    /// A packet of an interface that was not declared.
    #[error("a packet of interface {0}, which does not exist")]
    Interface(u32),
    /// A note that is shorter than its header.
    #[error("a note of {0} bytes")]
    Note(usize),
    /// The file could not be read or decompressed.
    #[error("{0}")]
    Stream(String),
}

/// Why a file cannot be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file is something else.
    #[error("this is no recording, but {what}")]
    NotARecording {
        /// What it looks like.
        what: String,
    },
    /// The file is a recording that ends early. What was read before that is valid.
    #[error("recording ends early at byte {at}{}: {why}", if *.compressed { " (decompressed)" } else { "" })]
    EndsEarly {
        /// The offset of the block that cannot be read.
        at: u64,
        /// Whether the offset is in the decompressed data.
        compressed: bool,
        /// What is wrong with it.
        why: Damage,
    },
}
