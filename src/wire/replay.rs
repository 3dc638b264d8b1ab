//! Answers to requests, made of recorded messages.

use super::uapi::{
    AF_INET, AF_INET6, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN,
    NLMSG_NOOP,
};
use super::{DumpRequest, Form, Reply};

/// Appends a recorded message as an answer of this kind to request `sequence`.
pub fn append_answer(message: &[u8], kind: u16, sequence: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(message);
    out.resize(out.len().next_multiple_of(4), 0);
    for (at, bytes) in [(4, &kind.to_ne_bytes()[..]), (8, &sequence.to_ne_bytes())] {
        let target = out.get_mut(start + at..start + at + bytes.len());
        if let Some(target) = target {
            target.copy_from_slice(bytes);
        }
    }
}

/// `NLMSG_DONE`: the end of the answer to request `sequence`.
pub fn done(sequence: u32) -> Vec<u8> {
    closing(NLMSG_DONE, sequence, 0)
}

/// `NLMSG_ERROR`: request `sequence` is refused with this error number.
pub fn refusal(sequence: u32, errno: i32) -> Vec<u8> {
    closing(NLMSG_ERROR, sequence, errno)
}

/// `NLMSG_NOOP` with the flag that the table changed during the answer to request `sequence`.
pub fn interruption(sequence: u32) -> Vec<u8> {
    let mut bytes = closing(NLMSG_NOOP, sequence, 0);
    let flags = (NLM_F_MULTIPART | NLM_F_DUMP_INTR).to_ne_bytes();
    bytes.iter_mut().skip(6).zip(flags).for_each(|(to, from)| *to = from);
    bytes
}

/// A message with an error number and, in an error, the quoted header.
fn closing(kind: u16, sequence: u32, errno: i32) -> Vec<u8> {
    let quoted = if kind == NLMSG_ERROR { NLMSG_HDRLEN } else { 0 };
    let length = (NLMSG_HDRLEN + size_of::<i32>() + quoted) as u32;
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(NLM_F_MULTIPART.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend((-errno).to_ne_bytes());
    bytes.resize(bytes.len() + quoted, 0);
    bytes
}

impl DumpRequest<'_> {
    /// Whether the kernel would answer with this record, if the request had no filter program.
    pub fn selects(&self, reply: &Reply<'_>) -> bool {
        let family = match self.form {
            Form::Both => true,
            Form::Ipv4 => reply.family() == AF_INET,
            Form::Ipv6 => reply.family() == AF_INET6,
        };
        let port = |wanted: u16, found: u16| wanted == 0 || wanted == found;
        family
            && 1u32.checked_shl(reply.state().into()).is_some_and(|bit| self.states & bit != 0)
            && port(self.local_port, reply.local_port())
            && port(self.remote_port, reply.remote_port())
    }
}
