//! Compression, and detecting compressed files by their first bytes.

use std::io::{self, BufReader, Cursor, Read, Write};

use zstd::zstd_safe::CParameter;

/// How a recording is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// As one stream of zstd.
    #[default]
    Zstd,
}

/// Of 10,000 sockets, of which a fifth move, a further sample takes 6.5 bytes each. Level 1 takes
/// 10 and negative levels 9 to 38, none of them for less than four fifths of the processor time
/// (`benches/record`): reading the bytes takes it, not searching for matches.
const LEVEL: i32 = 3;

/// The logarithm of how many bytes back the stream may refer to, so that a socket finds itself in
/// the sample before: 32 MiB, which 60,000 sockets take. It is also the memory that writing and
/// reading need, so that no larger one is read: not by zstd(1) with `--long` or `--ultra -22`
/// either. Wireshark and zstd(1) take up to 27.
pub(super) const WINDOW: u32 = 25;

/// The logarithm of the number of hashes of eight bytes. 2^20 of them take a twentieth more time
/// and find no more matches.
const HASHES: u32 = 18;

/// The same for five bytes.
const SHORT_HASHES: u32 = 17;

/// First bytes of a zstd stream.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A writer that counts.
#[derive(Debug)]
pub(super) struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What blocks are written to.
pub(super) enum Sink<W: Write> {
    Plain(Counted<W>),
    Zstd(zstd::Encoder<'static, Counted<W>>),
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W, compression: Compression) -> io::Result<Self> {
        let counted = Counted { inner: out, bytes: 0 };
        Ok(match compression {
            Compression::None => Self::Plain(counted),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(counted, LEVEL)?;
                encoder.window_log(WINDOW)?;
                encoder.set_parameter(CParameter::HashLog(HASHES))?;
                encoder.set_parameter(CParameter::ChainLog(SHORT_HASHES))?;
                // A reader that comes to the end knows that the data are right.
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        match self {
            Self::Plain(counted) => counted.bytes,
            Self::Zstd(encoder) => encoder.get_ref().bytes,
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(counted) => counted.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Writes everything out, so that it can be read even if nothing follows.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(counted) => counted.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    pub(super) fn finish(self) -> io::Result<W> {
        let mut counted = match self {
            Self::Plain(counted) => counted,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        counted.flush()?;
        Ok(counted.inner)
    }
}

/// A file whose first bytes were read.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// What blocks are read from.
pub(super) enum Stream<R: Read> {
    Plain(BufReader<Peeked<R>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Peeked<R>>>>),
}

impl<R: Read> Stream<R> {
    pub(super) fn new(mut file: R) -> io::Result<Self> {
        let mut head = Vec::new();
        (&mut file).take(MAGIC.len() as u64).read_to_end(&mut head)?;
        let is_zstd = head == MAGIC;
        let peeked = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(file));
        if !is_zstd {
            return Ok(Self::Plain(peeked));
        }
        let mut decoder = zstd::Decoder::with_buffer(peeked)?;
        decoder.window_log_max(WINDOW)?;
        Ok(Self::Zstd(Box::new(decoder)))
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Self::Zstd(_))
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Whether a stream could not be decompressed because its window is too large.
pub(super) fn is_window(error: &io::Error) -> bool {
    // `ZSTD_error_frameParameter_windowTooLarge`; the crate passes on the text only.
    error.to_string().contains("too much memory")
}
