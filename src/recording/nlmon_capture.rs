//! What other programs asked the kernel, in a capture of all netlink traffic (`nlmon`).

use super::sample::{Part, SamplePart};
use crate::wire::{DumpRequest, Form, Messages, TCPDIAG_GETSOCK};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const REQUEST: u16 = 0x301;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// Requests that nobody answers any more are forgotten.
const MOST_OPEN: usize = 64;

/// Puts together what belongs together: a dump of IPv4 sockets and one of IPv6 sockets, as ss asks
/// for them one after the other.
#[derive(Debug, Default)]
pub(super) struct NlmonCapture {
    open: Vec<Open>,
    group: Option<Group>,
}

/// A dump that runs.
#[derive(Debug)]
struct Open {
    sequence: u32,
    /// Whose it is, which only the answer tells.
    port: Option<u32>,
    /// `None` for dumps of something else than TCP.
    part: Option<Part>,
    /// Messages of the answer so far.
    answer: Vec<u8>,
}

/// Dumps that make one sample.
#[derive(Debug)]
pub(super) struct Group {
    /// When the first was asked for, in nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) part: SamplePart,
    /// Families and states that were asked for.
    scopes: Vec<(Form, u32)>,
    /// Dumps of it that were answered in whole.
    answered: usize,
}

impl NlmonCapture {
    /// Hears a datagram; hands back what it ends.
    pub(super) fn hear(&mut self, time: u64, datagram: &[u8]) -> Option<Group> {
        let mut ended = None;
        for (message, bytes) in Messages::new(datagram).framed() {
            let Ok(message) = message else { break };
            if message.flags & REQUEST == REQUEST {
                let request = DumpRequest::decode(bytes).map(|(request, _)| request);
                let is_tcp = message.kind == TCPDIAG_GETSOCK
                    || message.kind == BY_FAMILY && message.payload.get(1) == Some(&TCP);
                let part = request.filter(|_| is_tcp).map(|request| {
                    ended = self.ask(time, &request).or(ended.take());
                    Part { states: request.states, start: 0, interrupted: None }
                });
                if self.open.len() >= MOST_OPEN {
                    self.open.remove(0);
                }
                let sequence = message.sequence;
                self.open.push(Open { sequence, port: None, part, answer: Vec::new() });
                continue;
            }
            let Some(at) = self.asked(message.sequence, message.port) else { continue };
            match message.kind {
                BY_FAMILY | TCPDIAG_GETSOCK => {
                    if let Some(open) = self.open.get_mut(at).filter(|open| open.part.is_some()) {
                        open.answer.extend_from_slice(bytes);
                        open.answer.resize(open.answer.len().next_multiple_of(4), 0);
                    }
                }
                DONE => {
                    let open = self.open.remove(at);
                    self.answer(open);
                }
                ERROR => drop(self.open.remove(at)),
                _ => {}
            }
        }
        ended
    }

    /// There is nothing more to hear.
    pub(super) fn end(&mut self) -> Option<Group> {
        self.open.clear();
        self.group.take().filter(|group| group.answered > 0)
    }

    /// A dump begins; what was asked for before is another sample if that was a part of it.
    fn ask(&mut self, time: u64, request: &DumpRequest<'_>) -> Option<Group> {
        let scope = (request.form, request.states);
        let overlaps = |&(form, states): &(Form, u32)| {
            let families = form == scope.0 || form == Form::Both || scope.0 == Form::Both;
            families && states & scope.1 != 0
        };
        match &mut self.group {
            Some(group) if !group.scopes.iter().any(overlaps) => {
                group.scopes.push(scope);
                None
            }
            group => {
                let take = SamplePart::default();
                let new = Group { time, part: take, scopes: vec![scope], answered: 0 };
                group.replace(new).filter(|group| group.answered > 0)
            }
        }
    }

    /// Which request this is an answer to: programs may use the same numbers.
    fn asked(&mut self, sequence: u32, port: u32) -> Option<usize> {
        let is_of = |open: &Open, port: Option<u32>| open.sequence == sequence && open.port == port;
        let known = self.open.iter().rposition(|open| is_of(open, Some(port)));
        let at = known.or_else(|| self.open.iter().rposition(|open| is_of(open, None)))?;
        self.open.get_mut(at)?.port = Some(port);
        Some(at)
    }

    /// A dump is whole.
    fn answer(&mut self, open: Open) {
        let (Some(part), Some(group)) = (open.part, &mut self.group) else { return };
        group.part.parts.push(Part { start: group.part.dump.len(), ..part });
        group.part.dump.extend(open.answer);
        group.answered += 1;
    }
}
