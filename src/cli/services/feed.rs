//! Where a namespace's sockets, counters and deaths come from: the kernel, or a recording.

use std::mem;
use std::ops::ControlFlow;

use super::tee::Tee;
use crate::cli::scene::Line;
use crate::counters::{CounterReader, CounterTexts, Counters, ReadError};
use crate::recording::{EventsDrained, ReplayTransport, SamplePart};
use crate::socket_diag::{Drained, DumpOutcome, Error, Events, Query, Sockets};
use crate::wire::{Messages, Reply};

/// Which reading of the counters in a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Side {
    /// Before the dump.
    Before,
    /// After the events were taken.
    After,
}

/// The counter files.
#[derive(Debug)]
pub(in crate::cli) enum Files {
    Kernel(CounterReader),
    /// The kernel's, all of which also go to a recording.
    Taped {
        texts: CounterTexts,
        reader: CounterReader,
        tee: Tee,
    },
    /// Those of the sample.
    Recorded {
        texts: [Vec<(String, String)>; 2],
        reader: CounterReader,
    },
}

/// The destroy events.
#[derive(Debug)]
pub(in crate::cli) enum Deaths {
    /// Nobody listens.
    None,
    Kernel(Events),
    /// The kernel's, which also go to a recording.
    Taped(Events, Tee),
    /// Those of the sample.
    Recorded {
        messages: Vec<u8>,
        drained: Option<EventsDrained>,
    },
}

/// What taking the events came to.
pub(in crate::cli) enum Heard {
    /// Nobody listens.
    Nothing,
    These(Drained),
    /// From here on nothing is heard; why.
    NoMore(String),
}

/// All of it.
#[derive(Debug)]
pub(in crate::cli) struct Feed {
    pub(in crate::cli) sockets: Sockets<Line>,
    pub(in crate::cli) files: Files,
    pub(in crate::cli) deaths: Deaths,
}

impl Feed {
    /// Of a recording, with nothing in it before [`load`](Self::load).
    pub(in crate::cli) fn recorded(is_heard: bool) -> Self {
        let drained = is_heard.then(EventsDrained::default);
        let deaths = Deaths::Recorded { messages: Vec::new(), drained };
        Self {
            sockets: Sockets::over(Line::Recording(ReplayTransport::default())),
            files: Files::Recorded {
                texts: [Vec::new(), Vec::new()],
                reader: CounterReader::given_watched(),
            },
            deaths: if is_heard { deaths } else { Deaths::None },
        }
    }

    /// Takes what the next sample holds.
    pub(in crate::cli) fn load(&mut self, take: &mut SamplePart) {
        if let Line::Recording(played) = self.sockets.transport_mut() {
            played.load(take);
        }
        if let Files::Recorded { texts, .. } = &mut self.files {
            mem::swap(texts, &mut take.counters);
        }
        if let Deaths::Recorded { messages, drained } = &mut self.deaths {
            mem::swap(messages, &mut take.events);
            *drained = take.drained;
        }
    }

    /// Whether deaths are heard of.
    pub(in crate::cli) fn hears(&self) -> bool {
        !matches!(self.deaths, Deaths::None)
    }

    /// What the sample of a recording holds of a file.
    pub(in crate::cli) fn text(&self, side: Side, wanted: &str) -> Option<&str> {
        let Files::Recorded { texts: [before, after], .. } = &self.files else { return None };
        let texts = if side == Side::Before { before } else { after };
        texts.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
    }

    /// Reads the counters.
    pub(in crate::cli) fn count(
        &mut self,
        side: Side,
        into: &mut Counters,
    ) -> Result<(), ReadError> {
        match &mut self.files {
            Files::Kernel(reader) => reader.sample(into)?,
            Files::Taped { texts, reader, tee } => {
                let mut read = Vec::new();
                texts.read(|name, text| {
                    tee.counters(name, text);
                    read.push((name.to_owned(), text.to_owned()));
                })?;
                reader.give(named(&read));
                reader.sample(into)?
            }
            Files::Recorded { texts: [before, after], reader } => {
                reader.give(named(if side == Side::Before { before } else { after }));
                reader.sample(into)?
            }
        };
        Ok(())
    }

    /// Reads the sockets that a query asks for.
    pub(in crate::cli) fn read(
        &mut self,
        query: &Query<'_>,
        mut each: impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        let Files::Taped { tee, .. } = &self.files else { return self.sockets.read(query, each) };
        let wanted = query.states.bits();
        let query = tee.begin_dump(query);
        let mut others = 0;
        let outcome = self.sockets.read(&query, |reply| {
            let bit = 1u32.checked_shl(reply.state().into());
            if bit.is_some_and(|bit| wanted & bit != 0) {
                return each(reply);
            }
            others += 1;
            ControlFlow::Continue(())
        })?;
        tee.end_dump(&outcome);
        Ok(DumpOutcome { sockets: outcome.sockets - others, ..outcome })
    }

    /// Hands on the events since the last time.
    pub(in crate::cli) fn drain(&mut self, mut each: impl FnMut(&Reply<'_>)) -> Heard {
        let result = match &mut self.deaths {
            Deaths::None => return Heard::Nothing,
            Deaths::Kernel(events) => events.drain(each),
            Deaths::Taped(events, tee) => {
                let drained = events.drain_datagrams(|datagram, reply| {
                    tee.event(datagram);
                    each(reply);
                });
                if let Ok(drained) = drained {
                    tee.drained(drained);
                }
                drained
            }
            Deaths::Recorded { messages, drained: Some(told) } => {
                let mut drained = Drained {
                    events: 0,
                    decode_errors: told.decode_errors,
                    overruns: told.overruns,
                    lost: told.lost,
                };
                for message in Messages::new(messages) {
                    match message.ok().and_then(|message| Reply::new(message.payload)) {
                        Some(reply) => {
                            drained.events += 1;
                            each(&reply);
                        }
                        None => drained.decode_errors += 1,
                    }
                }
                Ok(drained)
            }
            Deaths::Recorded { drained: None, .. } => {
                self.deaths = Deaths::None;
                return Heard::NoMore("the recording has no deaths of sockets any more".to_owned());
            }
        };
        match result {
            Ok(drained) => Heard::These(drained),
            Err(error) => {
                self.deaths = Deaths::None;
                Heard::NoMore(error.to_string())
            }
        }
    }
}

fn named(texts: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
}
