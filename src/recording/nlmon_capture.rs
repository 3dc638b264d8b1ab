//! The dumps that other programs requested, in a capture of all netlink traffic (`nlmon`).

use super::bounds::{Allowance, Shown, sockets};
use super::error::Damage;
use super::sample::{Part, SamplePart};
use crate::wire::uapi::{
    IPPROTO_TCP, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, SOCK_DIAG_BY_FAMILY,
    TCPDIAG_GETSOCK,
};
use crate::wire::{DumpRequest, Form, Messages};

/// Flags of a dump request.
const REQUEST: u16 = NLM_F_REQUEST | NLM_F_DUMP;

/// Older requests are dropped as unanswered.
const MOST_OPEN: usize = 64;

/// Groups dumps into samples: one of IPv4 sockets and one of IPv6 sockets, which ss requests one
/// after the other.
#[derive(Debug, Default)]
pub(super) struct NlmonCapture {
    open: Vec<Open>,
    group: Option<Group>,
    /// What both hold.
    allowance: Allowance,
}

/// A dump in progress.
#[derive(Debug)]
struct Open {
    sequence: u32,
    /// The requester's port, known from the answer only.
    port: Option<u32>,
    /// `None` for dumps of something else than TCP.
    part: Option<Part>,
    /// Messages of the answer so far.
    answer: Vec<u8>,
}

/// Dumps that make up one sample.
#[derive(Debug)]
pub(super) struct Group {
    /// When the first was requested, in nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) part: SamplePart,
    /// Families and states that were requested.
    scopes: Vec<(Form, u32)>,
    /// Dumps that were answered completely.
    answered: usize,
}

impl NlmonCapture {
    /// Adds a datagram; returns the group of dumps that it ends.
    pub(super) fn add(&mut self, time: u64, datagram: &[u8]) -> Result<Option<Group>, Damage> {
        let mut ended = None;
        for (message, bytes) in Messages::new(datagram).framed() {
            let Ok(message) = message else { break };
            if message.flags & REQUEST == REQUEST {
                let request = DumpRequest::decode(bytes).map(|(request, _)| request);
                let is_tcp = message.kind == TCPDIAG_GETSOCK
                    || message.kind == SOCK_DIAG_BY_FAMILY
                        && message.payload.get(1) == Some(&IPPROTO_TCP);
                let part = request.filter(|_| is_tcp).map(|request| {
                    ended = self.begin_dump(time, &request).or(ended.take());
                    Part { states: request.states, start: 0, interrupted: None }
                });
                if self.open.len() >= MOST_OPEN {
                    let dropped = self.open.remove(0);
                    self.allowance.give_back(dropped.answer.len());
                }
                let sequence = message.sequence;
                self.open.push(Open { sequence, port: None, part, answer: Vec::new() });
                continue;
            }
            let Some(at) = self.request_of(message.sequence, message.port) else { continue };
            match message.kind {
                SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => {
                    if self.open.get(at).is_none_or(|open| open.part.is_none()) {
                        continue;
                    }
                    self.hold(bytes.len())?;
                    if let Some(open) = self.open.get_mut(at) {
                        open.answer.extend_from_slice(bytes);
                        open.answer.resize(open.answer.len().next_multiple_of(4), 0);
                    }
                }
                NLMSG_DONE => {
                    let open = self.open.remove(at);
                    self.end_dump(open);
                }
                NLMSG_ERROR => {
                    let dropped = self.open.remove(at);
                    self.allowance.give_back(dropped.answer.len());
                }
                _ => {}
            }
        }
        Ok(ended)
    }

    /// Holds so many bytes more.
    fn hold(&mut self, bytes: usize) -> Result<(), Damage> {
        let Self { open, group, allowance } = self;
        let answers = open.iter().map(|open| open.answer.as_slice());
        let dumps = answers.chain(group.as_ref().map(|group| group.part.dump.as_slice()));
        allowance.take(bytes, || Shown { sockets: sockets(dumps), namespaces: 1 })
    }

    /// The capture ends.
    pub(super) fn end(&mut self) -> Option<Group> {
        self.open.clear();
        self.allowance.clear();
        self.group.take().filter(|group| group.answered > 0)
    }

    /// A dump begins. If the group has one of the same sockets already, it begins a new group.
    fn begin_dump(&mut self, time: u64, request: &DumpRequest<'_>) -> Option<Group> {
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
                // The group before is another sample.
                self.allowance.clear();
                let new =
                    Group { time, part: SamplePart::default(), scopes: vec![scope], answered: 0 };
                group.replace(new).filter(|group| group.answered > 0)
            }
        }
    }

    /// The request that this answers. Several programs may use the same sequence number.
    fn request_of(&mut self, sequence: u32, port: u32) -> Option<usize> {
        let is_of = |open: &Open, port: Option<u32>| open.sequence == sequence && open.port == port;
        let known = self.open.iter().rposition(|open| is_of(open, Some(port)));
        let at = known.or_else(|| self.open.iter().rposition(|open| is_of(open, None)))?;
        self.open.get_mut(at)?.port = Some(port);
        Some(at)
    }

    /// A dump is complete.
    fn end_dump(&mut self, open: Open) {
        let (Some(part), Some(group)) = (open.part, &mut self.group) else { return };
        group.part.parts.push(Part { start: group.part.dump.len(), ..part });
        group.part.dump.extend(open.answer);
        group.answered += 1;
    }
}
