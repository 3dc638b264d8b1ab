//! Answering requests from a recording.

use std::io;
use std::mem;

use super::{Part, SamplePart};
use crate::socket_diag::Transport;
use crate::wire::uapi::{NLM_F_DUMP_INTR, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use crate::wire::{DumpRequest, Messages, Reply, replay};

/// The longest datagram, as from the kernel.
const DATAGRAM: usize = 32 * 1024;

/// As many interruptions as fit into a datagram.
const MOST_INTERRUPTIONS: u64 = 1000;

/// Answers requests for dumps from a dump of everything.
///
/// It takes the kernel's requests, but runs no filter programs: it refuses them as an old kernel
/// does, and the caller filters the records.
#[derive(Debug, Default)]
pub struct ReplayTransport {
    /// The datagrams of all dumps of a sample, one after the other.
    messages: Vec<u8>,
    parts: Vec<Part>,
    answer: Answer,
    /// The datagram that is being put together.
    datagram: Vec<u8>,
}

/// The state of an answer.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    /// Records for the request in these bytes.
    Records { request: Vec<u8>, progress: Progress },
    /// A last datagram.
    Closing(Vec<u8>),
}

/// Where an answer continues.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The offset in the messages.
    next: usize,
    /// Messages so far that report an interruption.
    interrupted: u64,
}

impl ReplayTransport {
    /// Answers with these datagrams, each padded to a multiple of four bytes.
    pub fn new(messages: Vec<u8>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// Answers with the dumps of a sample, and gives back the ones before in their place.
    pub fn load(&mut self, part: &mut SamplePart) {
        mem::swap(&mut self.messages, &mut part.dump);
        mem::swap(&mut self.parts, &mut part.parts);
        self.answer = Answer::None;
    }

    /// The datagrams that it answers with.
    pub fn datagrams(&self) -> &[u8] {
        &self.messages
    }

    /// Puts the next datagram of the answer together; tells how it goes on, if it does.
    fn compose(
        &mut self,
        request: &DumpRequest<'_>,
        sequence: u32,
        mut progress: Progress,
    ) -> Option<Progress> {
        self.datagram.clear();
        let kind = request.reply_kind();
        let messages = Messages::new(self.messages.get(progress.next..).unwrap_or_default());
        for (message, bytes) in messages.framed() {
            let step = bytes.len().next_multiple_of(4);
            if !self.datagram.is_empty() && self.datagram.len() + step > DATAGRAM {
                return Some(progress);
            }
            progress.next += step;
            let Ok(message) = message else { break };
            // Ends of dumps and refusals were of other requests.
            if ![SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK].contains(&message.kind) {
                continue;
            }
            if Reply::new(message.payload).is_none_or(|reply| request.selects(&reply)) {
                progress.interrupted += u64::from(message.flags & NLM_F_DUMP_INTR != 0);
                replay::append_answer(bytes, kind, sequence, &mut self.datagram);
            }
        }
        progress.next = self.messages.len();
        if !self.datagram.is_empty() {
            return Some(progress);
        }
        // Interruptions count even if the messages that report them are not in this answer.
        for _ in progress.interrupted..self.interruptions(request.states) {
            self.datagram.extend(replay::interruption(sequence));
        }
        self.datagram.extend(replay::done(sequence));
        None
    }

    /// How often the table changed during the dumps of these states.
    fn interruptions(&self, states: u32) -> u64 {
        let of_these = |part: &&Part| part.states & states != 0;
        let reported = self.parts.iter().filter(of_these).filter_map(|part| part.interrupted);
        // A damaged recording may claim any number.
        reported.fold(0, u64::saturating_add).min(MOST_INTERRUPTIONS)
    }
}

impl Transport for ReplayTransport {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.answer = match DumpRequest::decode(request) {
            Some((decoded, sequence)) if !decoded.bytecode.is_empty() => {
                Answer::Closing(replay::refusal(sequence, libc::EINVAL))
            }
            Some(_) => Answer::Records { request: request.to_vec(), progress: Progress::default() },
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match mem::take(&mut self.answer) {
            Answer::None => return Err(io::ErrorKind::TimedOut.into()),
            Answer::Closing(datagram) => self.datagram = datagram,
            Answer::Records { request, progress } => {
                let Some((decoded, sequence)) = DumpRequest::decode(&request) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                if let Some(progress) = self.compose(&decoded, sequence, progress) {
                    self.answer = Answer::Records { request, progress };
                }
            }
        }
        let length = self.datagram.len();
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), self.datagram.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }
}
