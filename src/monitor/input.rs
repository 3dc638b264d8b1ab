//! Where a namespace's dumps, counters and destroy events come from: the kernel or a recording.

use std::mem;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use super::channel::Channel;
use super::consumer::RecordedBytes;
use super::error::MonitorError;
use super::interfaces::Interfaces;
use super::live_namespace::LiveNamespace;
use super::recorder::{NamespaceRecorder, Recorder};
use super::recording_filter::RecordingFilter;
use super::settings::recorded_settings;
use crate::counters::{CounterReader, CounterTexts, Counters, FileFault};
use crate::model::{State, StateSet};
use crate::recording::{EventsDrained, ReplayTransport, SamplePart};
use crate::socket_diag::{Drained, DumpOutcome, Error, Events, Query, Sockets};
use crate::sys::{NetlinkSocket, OWN_COUNTERS};
use crate::wire::{Extensions, Messages, Reply};

/// Which reading of the counters in a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before the dump.
    Before,
    /// After the events were taken.
    After,
}

/// Which counter files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterFiles {
    /// None.
    None,
    /// snmp and netstat, which hold every counter of the catalogue.
    Catalogue,
    /// All of them.
    All,
}

/// The counter files.
#[derive(Debug)]
pub(super) enum CounterSource {
    /// The kernel, by files that stay open: they are read often.
    Kernel(CounterReader),
    /// The kernel; the namespace is entered for each reading.
    Entered { namespace: Rc<LiveNamespace>, reader: CounterReader },
    /// The same; the texts also go to a recording.
    Recorded { namespace: Rc<LiveNamespace>, texts: CounterTexts, reader: CounterReader },
    /// The sample of a recording.
    Replay { texts: [Vec<(String, String)>; 2], reader: CounterReader },
}

/// The destroy events.
#[derive(Debug)]
pub(super) enum EventSource {
    /// They are not received.
    None,
    Kernel(Events),
    /// The sample of a recording.
    Replay {
        messages: Vec<u8>,
        drained: Option<EventsDrained>,
    },
}

/// The result of receiving events.
pub(super) enum Received {
    /// They are not received.
    Nothing,
    Events(Drained),
    /// They cannot be received any more, for this reason.
    NoMore(String),
}

/// The inputs of one namespace.
#[derive(Debug)]
pub(super) struct NamespaceInput {
    pub(super) sockets: Sockets<Channel>,
    pub(super) counters: CounterSource,
    pub(super) events: EventSource,
    /// Records all of it.
    pub(super) recorder: Option<NamespaceRecorder>,
}

impl NamespaceInput {
    /// Reads from the kernel.
    pub(super) fn kernel(
        namespace: &Rc<LiveNamespace>,
        socket: NetlinkSocket,
        files: CounterFiles,
        events: EventSource,
        recorder: Option<&mut Recorder>,
    ) -> Result<Self, MonitorError> {
        let root = Path::new(OWN_COUNTERS);
        let Some(recorder) = recorder else {
            let counters = match files {
                CounterFiles::Catalogue => {
                    let reader = CounterReader::watched(root);
                    CounterSource::Kernel(namespace.inside(|| reader.open())??)
                }
                CounterFiles::All => {
                    let reader = CounterReader::new(root);
                    CounterSource::Entered { namespace: Rc::clone(namespace), reader }
                }
                CounterFiles::None => CounterSource::Kernel(CounterReader::given()),
            };
            let sockets = Sockets::over(Channel::Kernel(socket));
            return Ok(Self { sockets, counters, events, recorder: None });
        };
        let texts = match files {
            CounterFiles::All => CounterTexts::with_host(),
            _ => CounterTexts::new(root),
        };
        let counters = CounterSource::Recorded {
            namespace: Rc::clone(namespace),
            texts,
            reader: CounterReader::given_watched(),
        };
        let recorded = recorder.add(namespace, namespace.inside(recorded_settings)?);
        Ok(Self {
            sockets: Sockets::over(Channel::Recorded(recorder.transport(socket, &recorded))),
            counters,
            events,
            recorder: Some(recorded),
        })
    }

    /// Reads from a recording; empty before [`load`](Self::load).
    pub(super) fn replay(files: CounterFiles, has_events: bool) -> Self {
        let drained = Some(EventsDrained::default());
        let events = EventSource::Replay { messages: Vec::new(), drained };
        Self {
            sockets: Sockets::over(Channel::Replay(ReplayTransport::default())),
            counters: CounterSource::Replay {
                texts: [Vec::new(), Vec::new()],
                reader: match files {
                    CounterFiles::Catalogue => CounterReader::given_watched(),
                    CounterFiles::All | CounterFiles::None => CounterReader::given(),
                },
            },
            events: if has_events { events } else { EventSource::None },
            recorder: None,
        }
    }

    /// Loads the next sample.
    pub(super) fn load(&mut self, part: &mut SamplePart) {
        if let Channel::Replay(transport) = self.sockets.transport_mut() {
            transport.load(part);
        }
        if let CounterSource::Replay { texts, .. } = &mut self.counters {
            mem::swap(texts, &mut part.counters);
        }
        if let EventSource::Replay { messages, drained } = &mut self.events {
            mem::swap(messages, &mut part.events);
            *drained = part.drained;
        }
    }

    /// The bytes of the sample of a recording.
    pub(super) fn recorded_bytes(&self) -> Option<RecordedBytes<'_>> {
        let Channel::Replay(transport) = self.sockets.transport() else { return None };
        let events = match &self.events {
            EventSource::Replay { messages, .. } => messages.as_slice(),
            EventSource::None | EventSource::Kernel(_) => &[],
        };
        Some(RecordedBytes { dump: transport.datagrams(), events })
    }

    /// Whether there are destroy events.
    pub(super) fn has_events(&self) -> bool {
        !matches!(self.events, EventSource::None)
    }

    /// What the sample of a recording holds of a file.
    pub(super) fn text(&self, side: Side, wanted: &str) -> Option<&str> {
        let CounterSource::Replay { texts: [before, after], .. } = &self.counters else {
            return None;
        };
        let texts = if side == Side::Before { before } else { after };
        texts.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
    }

    /// Reads the counters.
    pub(super) fn read_counters(
        &mut self,
        side: Side,
        into: &mut Counters,
    ) -> Result<(), MonitorError> {
        self.read_texts(side, into, true)
    }

    /// Reads the counters between two samples, which a recording does not have.
    pub(super) fn read_counters_between(
        &mut self,
        into: &mut Counters,
    ) -> Result<(), MonitorError> {
        self.read_texts(Side::Before, into, false)
    }

    fn read_texts(
        &mut self,
        side: Side,
        into: &mut Counters,
        is_recorded: bool,
    ) -> Result<(), MonitorError> {
        match &mut self.counters {
            CounterSource::Kernel(reader) => reader.sample(into)?,
            CounterSource::Entered { namespace, reader } => {
                let change = namespace.inside(|| reader.sample(into))?;
                reader.close();
                change?
            }
            CounterSource::Recorded { namespace, texts, reader } => {
                // The reader finds what is wrong with its own files.
                let (read, _faults) = read_inside(namespace, texts)?;
                if let Some(recorder) = self.recorder.as_ref().filter(|_| is_recorded) {
                    read.iter().for_each(|(name, text)| recorder.counters(name, text));
                }
                reader.give(named(&read));
                reader.sample(into)?
            }
            CounterSource::Replay { texts: [before, after], reader } => {
                reader.give(named(if side == Side::Before { before } else { after }));
                reader.sample(into)?
            }
        };
        Ok(())
    }

    /// Records a sample of the namespace with this inode as the kernel sends it, without decoding it; `each` gets the replies.
    /// `faults` gets the files that could not be read whole.
    pub(super) fn record(
        &mut self,
        namespace: u64,
        filter: &mut RecordingFilter,
        interfaces: &mut Interfaces,
        mut each: impl FnMut(&Reply<'_>),
        faults: &mut Vec<FileFault>,
    ) -> Result<Received, MonitorError> {
        faults.extend(self.record_counters()?);
        let (query, seen) = filter.query(namespace);
        self.read_recorded(&query, |reply| {
            seen.add(reply);
            each(reply);
            ControlFlow::Continue(())
        })?;
        if self.sockets.refuses_programs() {
            return Err(MonitorError::Program("the filter"));
        }
        self.record_interfaces(interfaces);
        let received = self.drain(|reply| filter.takes_event(namespace, reply), |_| ());
        faults.extend(self.record_counters()?);
        Ok(received)
    }

    fn record_counters(&mut self) -> Result<Vec<FileFault>, MonitorError> {
        if let (CounterSource::Recorded { namespace, texts, .. }, Some(recorder)) =
            (&mut self.counters, &self.recorder)
        {
            let (read, faults) = read_inside(namespace, texts)?;
            read.iter().for_each(|(name, text)| recorder.counters(name, text));
            return Ok(faults);
        }
        Ok(Vec::new())
    }

    /// Records the names of the network interfaces that the dumps of the sample showed.
    pub(super) fn record_interfaces(&mut self, interfaces: &mut Interfaces) {
        if let Some(recorder) = &mut self.recorder {
            recorder.write_interfaces(interfaces);
        }
    }

    /// Reads the sockets that a query asks for, between the notes that begin and end a dump.
    fn read_recorded(
        &mut self,
        query: &Query<'_>,
        mut each: impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        let Some(recorder) = &mut self.recorder else { return self.sockets.read(query, each) };
        recorder.begin_dump(query);
        let outcome = self.sockets.read(query, |reply| {
            recorder.add_interface(reply.interface());
            each(reply)
        })?;
        recorder.end_dump(&outcome);
        Ok(outcome)
    }

    /// Reads the sockets that a query asks for. For a recording, all attributes are read, and all
    /// sockets but listeners with the connections.
    pub(super) fn dump(
        &mut self,
        query: &Query<'_>,
        mut each: impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        if self.recorder.is_none() {
            return self.sockets.read(query, each);
        }
        let wanted = query.states.bits();
        let listeners = StateSet::of(&[State::Listen]);
        let states = if query.states == listeners { listeners } else { listeners.complement() };
        let mut others = 0;
        let query = Query { states, extensions: Extensions::ALL, ..*query };
        let outcome = self.read_recorded(&query, |reply| {
            let bit = 1u32.checked_shl(reply.state().into());
            if bit.is_some_and(|bit| wanted & bit != 0) {
                return each(reply);
            }
            others += 1;
            ControlFlow::Continue(())
        })?;
        Ok(DumpOutcome { sockets: outcome.sockets - others, ..outcome })
    }

    /// Delivers the events since the last call. Records those that `takes` selects.
    pub(super) fn drain(
        &mut self,
        takes: impl Fn(&Reply<'_>) -> bool,
        mut each: impl FnMut(&Reply<'_>),
    ) -> Received {
        let recorder = &self.recorder;
        let result = match &mut self.events {
            EventSource::None => return Received::Nothing,
            EventSource::Kernel(events) => match recorder {
                None => events.drain(each),
                Some(recorder) => {
                    let mut kept = 0;
                    let drained = events.drain_datagrams(|datagram, reply| {
                        if takes(reply) {
                            kept += 1;
                            recorder.event(datagram);
                        }
                        each(reply);
                    });
                    if let Ok(drained) = drained {
                        recorder.drained(drained, kept);
                    }
                    drained
                }
            },
            EventSource::Replay { messages, drained: Some(recorded) } => {
                let mut drained = Drained {
                    events: 0,
                    decode_errors: recorded.decode_errors,
                    overruns: recorded.overruns,
                    lost: recorded.lost,
                    foreign: recorded.foreign,
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
            EventSource::Replay { drained: None, .. } => {
                self.events = EventSource::None;
                let reason = "the recording has no destroy events from here on";
                return Received::NoMore(reason.to_owned());
            }
        };
        match result {
            Ok(drained) => Received::Events(drained),
            Err(error) => {
                self.events = EventSource::None;
                Received::NoMore(error.to_string())
            }
        }
    }
}

/// Names and texts of files.
type Texts = Vec<(String, String)>;

/// The names and texts of the counter files of a namespace.
fn read_inside(
    namespace: &LiveNamespace,
    texts: &mut CounterTexts,
) -> Result<(Texts, Vec<FileFault>), MonitorError> {
    let mut read = Vec::new();
    let each = |name: &str, text: &str| read.push((name.to_owned(), text.to_owned()));
    let faults = namespace.inside(|| texts.read(each))??;
    Ok((read, faults))
}

fn named(texts: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
}
