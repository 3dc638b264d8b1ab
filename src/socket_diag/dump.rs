//! One dump: a request, the datagrams that answer it, and what went wrong.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::ops::ControlFlow;

use super::Error;
use crate::sys::NetlinkSocket;
use crate::wire::uapi::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};
use crate::wire::{Answer, DumpRequest, Messages, Reply};

/// The kernel fills at most 32 KiB at a time, and a larger buffer only costs
/// cache: 54,000 sockets take 40 ms with 32 KiB and 73 ms with 64.
const BUFFER: usize = 32 * 1024;

/// What a dump is read from: the kernel, or a script in tests.
pub trait Transport {
    /// Sends one request.
    ///
    /// # Errors
    /// What the system call answers.
    fn send(&mut self, request: &[u8]) -> io::Result<()>;

    /// Receives one datagram into `buffer` and returns its true length, which may
    /// be larger.
    ///
    /// # Errors
    /// What the system call answers.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Datagrams so far that were not from the kernel, and were discarded.
    fn foreign(&self) -> u64 {
        0
    }
}

impl Transport for NetlinkSocket {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        Self::send(self, request)
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::receive(self, buffer)
    }

    fn foreign(&self) -> u64 {
        Self::foreign(self)
    }
}

/// What the reader of a dump must know before trusting it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DumpOutcome {
    /// Records handed on.
    pub sockets: u64,
    /// Messages or records that could not be read at all.
    pub decode_errors: u64,
    /// Records handed on with an attribute missing that could not be read.
    pub bad_attributes: u64,
    /// Times the kernel said that the table changed under the dump, or that it
    /// lost a part of it: records may be missing or double.
    pub interrupted: u64,
    /// Datagrams that other processes sent meanwhile, and that were discarded.
    pub foreign: u64,
    /// The reader asked to stop before the end.
    pub stopped: bool,
}

impl DumpOutcome {
    /// Adds the result of another dump.
    pub fn add(&mut self, other: &Self) {
        self.sockets += other.sockets;
        self.decode_errors += other.decode_errors;
        self.bad_attributes += other.bad_attributes;
        self.interrupted += other.interrupted;
        self.foreign += other.foreign;
        self.stopped |= other.stopped;
    }
}

/// Sends dump requests over one transport and reads the answers with one
/// buffer. The kernel sizes its answers by the largest receive so far, so a
/// dumper is best kept between dumps.
#[derive(Debug)]
pub struct Dumper<T> {
    transport: T,
    buffer: Vec<u8>,
    /// The number of the last request. It starts at random, so that an answer to another program,
    /// or a guess, does not fit.
    sequence: u32,
    /// Datagrams of other processes that an outcome has counted.
    foreign: u64,
    /// A dump whose end was not read yet.
    unfinished: bool,
}

/// How a datagram left the dump.
enum Progress {
    More,
    Done,
    Stopped,
}

impl<T: Transport> Dumper<T> {
    /// A dumper over `transport`.
    pub fn new(transport: T) -> Self {
        let sequence = RandomState::new().build_hasher().finish() as u32;
        Self { transport, buffer: vec![0; BUFFER], sequence, foreign: 0, unfinished: false }
    }

    /// What it reads from.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// The same, to be changed between dumps.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Runs one dump; `each` sees every record as it arrives and may stop.
    ///
    /// # Errors
    /// When the socket fails or the kernel refuses the request. What was handed
    /// on until then stands.
    #[inline]
    pub fn dump(
        &mut self,
        request: &DumpRequest<'_>,
        mut each: impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        self.finish()?;
        self.sequence = self.sequence.wrapping_add(1);
        self.transport
            .send(&request.encode(self.sequence))
            .map_err(|source| Error::Socket { operation: "send to", source })?;
        self.unfinished = true;
        let mut outcome = DumpOutcome::default();
        loop {
            let length = self.receive(&mut outcome)?;
            let datagram = self.buffer.get(..length).unwrap_or(&[]);
            let kind = request.reply_kind();
            match read(datagram, self.sequence, kind, &mut outcome, &mut each) {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => {
                    self.unfinished = false;
                    return Ok(outcome);
                }
                Ok(Progress::Stopped) => {
                    outcome.stopped = true;
                    self.unfinished = !ends(datagram, self.sequence);
                    return Ok(outcome);
                }
                Err(error) => {
                    self.unfinished = false;
                    return Err(error);
                }
            }
        }
    }

    /// Reads what is left of a dump that was stopped: the kernel runs one dump
    /// at a time for a socket.
    fn finish(&mut self) -> Result<(), Error> {
        while self.unfinished {
            let length = self.receive(&mut DumpOutcome::default())?;
            let datagram = self.buffer.get(..length).unwrap_or(&[]);
            self.unfinished = !ends(datagram, self.sequence);
        }
        Ok(())
    }

    /// The next datagram's length within the buffer.
    fn receive(&mut self, outcome: &mut DumpOutcome) -> Result<usize, Error> {
        loop {
            let received = self.transport.receive(&mut self.buffer);
            let foreign = self.transport.foreign();
            outcome.foreign +=
                foreign.saturating_sub(std::mem::replace(&mut self.foreign, foreign));
            match received {
                // The socket's queue overran: a part is gone, the rest comes.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    outcome.interrupted += 1
                }
                Err(source) => return Err(Error::Socket { operation: "receive from", source }),
                Ok(0) => {
                    let source = io::ErrorKind::UnexpectedEof.into();
                    return Err(Error::Socket { operation: "receive from", source });
                }
                Ok(length) if length > self.buffer.len() => {
                    // Cut by MSG_TRUNC: what fitted is read, the rest is lost.
                    outcome.decode_errors += 1;
                    return Ok(self.buffer.len());
                }
                Ok(length) => return Ok(length),
            }
        }
    }
}

/// Reads one datagram of the answer to request `sequence`.
#[inline]
fn read(
    datagram: &[u8],
    sequence: u32,
    reply_kind: u16,
    outcome: &mut DumpOutcome,
    each: &mut impl FnMut(&Reply<'_>) -> ControlFlow<()>,
) -> Result<Progress, Error> {
    for message in Messages::new(datagram) {
        let Ok(message) = message else {
            outcome.decode_errors += 1;
            break;
        };
        if message.sequence != sequence {
            continue;
        }
        if message.flags & NLM_F_DUMP_INTR != 0 {
            outcome.interrupted += 1;
        }
        match message.kind {
            kind if kind == reply_kind => {
                let Some(reply) = Reply::new(message.payload) else {
                    outcome.decode_errors += 1;
                    continue;
                };
                outcome.sockets += 1;
                outcome.bad_attributes += u64::from(reply.has_bad_attribute());
                if each(&reply).is_break() {
                    return Ok(Progress::Stopped);
                }
            }
            NLMSG_DONE => return checked(Answer::of_done(&message)).map(|()| Progress::Done),
            NLMSG_ERROR => checked(Answer::of_error(&message))?,
            NLMSG_OVERRUN => outcome.interrupted += 1,
            NLMSG_NOOP => {}
            _ => outcome.decode_errors += 1,
        }
    }
    Ok(Progress::More)
}

/// Whether the answer to request `sequence` ends in this datagram.
fn ends(datagram: &[u8], sequence: u32) -> bool {
    Messages::new(datagram).filter_map(Result::ok).any(|message| {
        [NLMSG_DONE, NLMSG_ERROR].contains(&message.kind) && message.sequence == sequence
    })
}

fn checked(answer: Answer<'_>) -> Result<(), Error> {
    match answer.errno {
        0 => Ok(()),
        errno => Err(Error::Refused { errno, text: answer.text.map(str::to_owned) }),
    }
}
