//! The engine: polls network namespaces, of the kernel or of a recording, and delivers the results
//! to any number of consumers.
//!
//! Knows inputs, the order of a poll, when to poll, owners and the recorder. Does not know what
//! consumers make of a poll.

mod budget;
mod channel;
mod consumer;
mod counter_gate;
mod counter_watch;
mod counter_watches;
mod error;
mod filter_names;
mod host_files;
mod input;
mod interfaces;
mod interval_schedule;
mod live_namespace;
mod looks;
mod namespace_monitor;
mod namespace_set;
mod namespaces;
mod owners;
mod pace;
mod poll;
mod quality;
mod recorded_intervals;
mod recorded_owners;
mod recorder;
mod recording_filter;
mod recording_run;
mod refusals;
mod request;
mod settings;
mod shortage;
mod socket_filter;
mod socket_intervals;
mod unreachable;

pub use budget::{CpuBudget, parse_share};
pub use channel::Channel;
pub use consumer::{
    Consumer, Identities, Identity, Interest, Level, Placement, PollBegun, PollEnded, RecordedBytes,
};
pub use counter_gate::CounterGate;
pub use counter_watch::{CounterWatch, ReadingTime};
pub use counter_watches::CounterWatches;
pub use error::MonitorError;
pub use filter_names::{FilterNames, NameSource};
pub use host_files::HostReading;
pub use input::{CounterFiles, Side};
pub use interfaces::{Interface, Interfaces};
pub use interval_schedule::IntervalSchedule;
pub use looks::Looks;
pub use namespace_monitor::{NamespaceMonitor, Opening, Shared};
pub use namespace_set::{Member, NamespaceSet};
pub use namespaces::{find_namespaces, wants_all};
pub use owners::{Holder, OwnerInfo, OwnerResolver, OwnerScope, Processes};
pub use pace::{Pace, Ticks, next_tick, parse_speed};
pub use quality::{Namespace, Quality, WallClockStep};
pub use recorded_intervals::RecordedIntervals;
pub use recorder::{NamespaceRecorder, Recorder};
pub use recording_filter::RecordingFilter;
pub use recording_run::{
    RecordingEvent, RecordingOptions, RecordingProgress, RecordingRun, RecordingSummary,
    WriteReason,
};
pub use request::PollRequest;
pub use settings::read_settings;
pub use socket_filter::SocketFilter;
pub use socket_intervals::{Gaps, Observation, ObservationSink, SocketIntervals, SocketMemory};
