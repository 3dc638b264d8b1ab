//! The listeners of a poll: read before the other sockets, whose services they name.

use std::ops::ControlFlow;

use super::NamespaceMonitor;
use super::Shared;
use crate::model::{Families, Socket, State, StateSet};
use crate::monitor::consumer::{Consumer, Level};
use crate::monitor::error::MonitorError;
use crate::monitor::owners::OwnerScope;
use crate::monitor::poll::Pass;
use crate::monitor::quality::Quality;
use crate::monitor::request::PollRequest;
use crate::socket_diag::{DumpOutcome, Query};
use crate::wire::Extensions;

/// How often the listeners are read if the kernel reports that they changed meanwhile.
const TRIES: u32 = 3;

impl NamespaceMonitor {
    /// Reads the listeners and identifies their owners. Their holders are looked up again at the
    /// end of each interval, and when there are new ones.
    pub(super) fn read_listeners(
        &mut self,
        shared: &mut Shared,
        request: &PollRequest<'_>,
    ) -> Result<DumpOutcome, MonitorError> {
        let query = Query {
            families: Families::BOTH,
            states: StateSet::of(&[State::Listen]),
            extensions: request.query.extensions.with(Extensions::SKMEMINFO),
            local_port: 0,
            remote_port: 0,
            program: &[],
        };
        let (found, ecn) = (&mut self.found, shared.ecn);
        let mut socket = Socket::BLANK;
        let mut outcome = DumpOutcome::default();
        for _ in 0..TRIES {
            found.clear();
            outcome = self.input.dump(&query, |reply| {
                if socket.fill(reply, ecn) {
                    found.push(socket);
                }
                ControlFlow::Continue(())
            })?;
            if outcome.interrupted == 0 {
                break;
            }
        }
        outcome.decode_errors += outcome.sockets - found.len() as u64;
        self.identity.set_listeners(found);
        let is_new = found.iter().any(|socket| !self.known.contains(&socket.cookie));
        // Connections alone may not need them.
        let is_lazy = !request.query.states.contains(State::Listen) && !request.ends_interval;
        if request.names_services && is_new && is_lazy && shared.recorder.is_none() {
            self.is_unresolved = true;
        } else if request.names_services && (request.ends_interval || is_new) {
            self.is_unresolved = false;
            let of = OwnerScope::Listeners(self.namespace.inode);
            shared.owners.resolve(found.iter(), of, false)?;
            self.known.clear();
            self.known.extend(found.iter().map(|socket| socket.cookie));
            if let Some(recorder) = &mut shared.recorder {
                recorder.write_owners(found.iter(), &shared.owners);
            }
            for socket in &*found {
                let info = shared.owners.info(socket);
                self.identity.set_listener_owner(socket, &info.owner());
            }
        }
        Ok(outcome)
    }

    /// Delivers the listeners, if requested. Returns whether the consumer ends the dump.
    pub(super) fn deliver_listeners(
        &mut self,
        shared: &mut Shared,
        request: &PollRequest<'_>,
        consumer: &mut dyn Consumer,
        quality: &mut Quality,
    ) -> Result<bool, MonitorError> {
        if !request.query.states.contains(State::Listen) {
            return Ok(false);
        }
        let (identity, interfaces) = (&mut self.identity, &mut self.interfaces);
        let mut pass = Pass::new(consumer, identity, interfaces, quality, shared);
        for socket in &self.found {
            let interest = pass.consumer.observe(socket);
            if interest.level > Level::Nothing && pass.meet_listener(socket, interest).is_break() {
                break;
            }
        }
        let stopped = pass.stopped;
        pass.finish()?;
        Ok(stopped)
    }
}
