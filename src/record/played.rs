//! A kernel that answers from a recording.

use std::io;

use crate::source::Transport;
use crate::wire::{DumpRequest, Messages, Reply, replay};

/// What recv() brings at most, as from the kernel.
const DATAGRAM: usize = 32 * 1024;

/// Answers requests for dumps with what a dump of everything held.
///
/// It is asked what the kernel is asked, and answers with more, since it runs no filter programs:
/// it refuses them as an old kernel does, and whoever asks looks at each record.
#[derive(Debug, Default)]
pub struct Played {
    /// The datagrams of a dump, one behind the other.
    messages: Vec<u8>,
    answer: Answer,
}

/// How far an answer is.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    /// Of the request in these bytes, from this byte of the messages on.
    Records { request: Vec<u8>, next: usize },
    /// A last datagram.
    Closing(Vec<u8>),
}

impl Played {
    /// Answers with these datagrams, each padded to a multiple of four bytes.
    pub fn new(messages: Vec<u8>) -> Self {
        Self { messages, answer: Answer::None }
    }

    /// The next part of the answer, and how it goes on.
    fn part(&self, request: &DumpRequest<'_>, sequence: u32, from: usize) -> (Vec<u8>, usize) {
        let mut part = Vec::new();
        let mut next = from;
        let messages = Messages::new(self.messages.get(from..).unwrap_or_default());
        for (message, bytes) in messages.framed() {
            let step = bytes.len().next_multiple_of(4);
            if !part.is_empty() && part.len() + step > DATAGRAM {
                return (part, next);
            }
            next += step;
            let Ok(message) = message else { break };
            // Ends of dumps and refusals were of other requests.
            if ![20, crate::wire::TCPDIAG_GETSOCK].contains(&message.kind) {
                continue;
            }
            if Reply::new(message.payload).is_none_or(|reply| request.wants(&reply)) {
                replay::append_answer(bytes, request.reply_kind(), sequence, &mut part);
            }
        }
        (part, self.messages.len())
    }
}

impl Transport for Played {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.answer = match DumpRequest::decode(request) {
            Some((decoded, sequence)) if !decoded.bytecode.is_empty() => {
                Answer::Closing(replay::refusal(sequence, libc::EINVAL))
            }
            Some(_) => Answer::Records { request: request.to_vec(), next: 0 },
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = match std::mem::take(&mut self.answer) {
            Answer::None => return Err(io::ErrorKind::TimedOut.into()),
            Answer::Closing(datagram) => datagram,
            Answer::Records { request, next } => {
                let Some((decoded, sequence)) = DumpRequest::decode(&request) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                let (part, next) = self.part(&decoded, sequence, next);
                if part.is_empty() {
                    replay::done(sequence)
                } else {
                    self.answer = Answer::Records { request, next };
                    part
                }
            }
        };
        buffer.iter_mut().zip(&datagram).for_each(|(to, from)| *to = *from);
        Ok(datagram.len())
    }
}
