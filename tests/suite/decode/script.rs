//! A scripted kernel.

use std::collections::VecDeque;
use std::io;

use tcpdiag::socket_diag::Transport;
use tcpdiag::wire::uapi::{NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR};

use super::capture::messages;

/// The result of one receive.
#[derive(Debug, Clone)]
pub enum Step {
    /// A datagram whose messages get the sequence number of the request.
    Datagram(Vec<u8>),
    /// An unchanged datagram.
    Stray(Vec<u8>),
    /// An error number.
    Error(i32),
}

/// One request as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// The address family asked for.
    pub family: u8,
    /// Whether a filter program is attached.
    pub has_program: bool,
}

impl Request {
    fn new(bytes: &[u8]) -> Self {
        let message = messages(bytes)[0];
        // struct inet_diag_req_v2 or, for type 18, the longer inet_diag_req.
        let fixed = if message.kind == 18 { 60 } else { 56 };
        Self {
            kind: message.kind,
            sequence: message.sequence,
            family: message.payload[0],
            has_program: message.payload.len() > fixed,
        }
    }
}

/// The scripted kernel: `answer` gives the steps for a request.
pub struct Script<F> {
    answer: F,
    waiting: VecDeque<Step>,
    sequence: u32,
    /// Every request so far.
    pub sent: Vec<Request>,
}

impl<F: FnMut(&Request) -> Vec<Step>> Script<F> {
    /// A kernel that answers like this.
    pub fn new(answer: F) -> Self {
        Self { answer, waiting: VecDeque::new(), sequence: 0, sent: Vec::new() }
    }

    /// Whether everything was received.
    pub fn is_drained(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<F: FnMut(&Request) -> Vec<Step>> Transport for Script<F> {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let request = Request::new(request);
        // The kernel runs one dump at a time (EBUSY), so the dumper reads each to its end before it
        // sends the next request.
        assert!(self.is_drained(), "a request while an answer is not read");
        self.sequence = request.sequence;
        self.waiting.extend((self.answer)(&request));
        self.sent.push(request);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = match self.waiting.pop_front() {
            // The real socket would time out.
            None => return Err(io::ErrorKind::TimedOut.into()),
            Some(Step::Error(errno)) => return Err(io::Error::from_raw_os_error(errno)),
            Some(Step::Stray(bytes)) => bytes,
            Some(Step::Datagram(bytes)) => numbered(&bytes, self.sequence),
        };
        // Like MSG_TRUNC: the bytes that fit are copied, the whole length is returned.
        buffer.iter_mut().zip(&datagram).for_each(|(to, from)| *to = *from);
        Ok(datagram.len())
    }
}

/// The same messages with this `nlmsg_seq`.
pub fn numbered(datagram: &[u8], sequence: u32) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    for (start, _) in frames(datagram) {
        bytes[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    }
    bytes
}

/// Where each message starts and ends.
pub fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = (at + length.next_multiple_of(4)).min(bytes.len());
        found.push((at, end));
        at = end;
    }
    found
}

/// A capture cut into datagrams as the kernel sends them: a page at first, then
/// up to what 32 KiB hold, and the end on its own.
pub fn datagrams(bytes: &[u8]) -> Vec<Step> {
    let mut cut = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    for (start, end) in frames(bytes) {
        let message = &bytes[start..end];
        let room = if cut.is_empty() { 3712 } else { 32_448 };
        let is_done = message[4..6] == NLMSG_DONE.to_ne_bytes();
        if !open.is_empty() && (is_done || open.len() + message.len() > room) {
            cut.push(Step::Datagram(std::mem::take(&mut open)));
        }
        open.extend(message);
    }
    cut.push(Step::Datagram(open));
    cut
}

/// `NLMSG_ERROR` with this error number.
pub fn refusal(errno: i32) -> Vec<Step> {
    let mut bytes = Vec::new();
    bytes.extend(36u32.to_ne_bytes());
    bytes.extend(NLMSG_ERROR.to_ne_bytes());
    bytes.extend(NLM_F_CAPPED.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend((-errno).to_ne_bytes());
    bytes.extend([0; 16]);
    vec![Step::Datagram(bytes)]
}
