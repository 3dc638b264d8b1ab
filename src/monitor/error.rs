//! What stops a poll.

use std::io;
use std::path::PathBuf;

use super::shortage::Shortage;
use crate::counters::ReadError;
use crate::procfs::{NamespaceError, WalkError};
use crate::recording::{StoreError, TriggerError};
use crate::socket_diag::Error as DumpError;

/// A failure that stops a poll. What is wrong with one socket is counted in `quality`.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The socket tables could not be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A network namespace could not be found or entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The counter files could not be read.
    #[error(transparent)]
    Counters(#[from] ReadError),
    /// The processes could not be searched.
    #[error("cannot look for the owners of sockets: {0}")]
    Owners(#[from] WalkError),
    /// The kernel refuses the filter program without which the filter cannot be decided.
    #[error("this kernel does not take the filter program that {0} needs")]
    Program(&'static str),
    /// The recording could not be written.
    #[error("cannot write {}, which keeps {samples} samples", path.display())]
    Record {
        /// The recording.
        path: PathBuf,
        /// Its complete samples.
        samples: u64,
        /// The error.
        source: io::Error,
    },
    /// The recording could not be begun, or continued in another file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The counter of a trigger cannot be watched.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// There is nothing to compare a sample of a recording with.
    #[error("only one sample in the span: two are needed to see {0}")]
    OneSample(&'static str),
    /// A namespace that was asked for.
    #[error("--netns {spec}: {reason}")]
    Specification {
        /// As it was given.
        spec: String,
        /// Why it cannot be used.
        reason: NamespaceError,
    },
    /// `all` together with others.
    #[error("--netns all already includes every namespace; leave out the others")]
    AllAndOthers,
    /// Watching a namespace would leave too few descriptors for the rest.
    #[error(
        "the network namespace {namespace} is left out: of {limit} descriptors too few are left"
    )]
    Descriptors {
        /// Its name, or else its inode.
        namespace: String,
        /// How many this process may have.
        limit: u64,
    },
    /// No namespace can be entered.
    #[error("no network namespace could be entered: {0}")]
    NoNamespace(String),
    /// A consumer failed.
    #[error(transparent)]
    Consumer(Box<dyn std::error::Error + Send + Sync>),
}

impl MonitorError {
    /// Whether others can still be watched: it concerns one network namespace only, or is a shortage,
    /// which is not the namespace's fault and may be over at the next attempt.
    pub fn is_of_namespace(&self) -> bool {
        matches!(
            self,
            Self::Dump(_) | Self::Namespace(_) | Self::Counters(_) | Self::Descriptors { .. }
        ) || Shortage::of(self).is_some()
    }
}
