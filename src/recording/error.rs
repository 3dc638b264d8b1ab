//! Why a recording cannot be read, or not further.

/// What is wrong with a block, or with the stream of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends within a block.
    #[error("it is cut in the middle of a block")]
    Cut,
    /// A length that no block has.
    #[error("a block claims a length of {0} bytes (possible are multiples of 4 up to 16 MiB)")]
    Length(u32),
    /// A packet that is longer than any.
    #[error("a packet claims a length of {0} bytes (possible are up to 1 MiB)")]
    Packet(u32),
    /// The length at a block's end is another one than at its start.
    #[error("the two lengths of a block differ ({start} and {end})")]
    Lengths {
        /// The first.
        start: u32,
        /// The second.
        end: u32,
    },
    /// The file ends between two blocks, but without the note that ends a recording.
    #[error("it has no end: it was cut there, or is still being written")]
    NoEnd,
    /// A section without the number that tells its byte order.
    #[error("a section header without the mark of its byte order")]
    ByteOrder,
    /// Something else than a section at the start.
    #[error("a block of type {0:#x} where a section must begin")]
    NoSection(u32),
    /// An interface or packet that is shorter than its fields.
    #[error("a block of type {0:#x} that is too short for what it must hold")]
    Short(u32),
    /// More interfaces than anybody needs.
    #[error("more than {0} interfaces")]
    Interfaces(usize),
    /// A packet of an interface that was not declared.
    #[error("a packet of interface {0}, which does not exist")]
    Interface(u32),
    /// A note that is shorter than its header.
    #[error("a note of {0} bytes")]
    Note(usize),
    /// The file could not be read, or not be decompressed.
    #[error("{0}")]
    Stream(String),
}

/// Why there is nothing, or nothing more, to be had from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is something else.
    #[error("this is no recording, but {what}")]
    NotARecording {
        /// What it looks like.
        what: String,
    },
    /// It is one, but ends before it should. What was read until then stands.
    #[error("recording ends early at byte {at}{}: {why}", if *.compressed { " (decompressed)" } else { "" })]
    EndsEarly {
        /// Where the block begins that cannot be read.
        at: u64,
        /// Whether that byte is counted behind the decompression.
        compressed: bool,
        /// What is wrong there.
        why: Damage,
    },
}
