//! The error of the public types.

use std::error::Error as StdError;
use std::ops::Range;

use crate::filter::SyntaxError;
use crate::monitor::MonitorError;
use crate::recording::SessionError;

type Source = Box<dyn StdError + Send + Sync>;

/// Why a snapshot, a monitor or a recording fails.
///
/// A problem with a single socket is no error: it is counted in [`Quality`](crate::Quality).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text of a filter has a mistake, or names an interface, cgroup or user that does not
    /// exist. `message` has several lines: the mistake, the text, and carets below it.
    #[error("{message}")]
    Filter {
        /// The mistake, for display with a fixed-width font.
        message: String,
        /// Where in the text it is, in bytes.
        position: Range<usize>,
    },
    /// The `[[service]]` rules have a mistake.
    #[error("service rules: {0}")]
    ServiceRules(String),
    /// A network namespace does not exist or may not be entered (`setns()` needs CAP_SYS_ADMIN).
    #[error("cannot enter network namespace {name}: {source}")]
    Namespace {
        /// The namespace as it was given; `all` if none of them can be entered.
        name: String,
        /// Why.
        source: Source,
    },
    /// The kernel does not answer: no netlink socket, no sock_diag module for TCP (`inet_diag`,
    /// `tcp_diag`), an unreadable counter file, or a filter that this kernel cannot decide.
    #[error("cannot read the kernel's sockets: {0}")]
    Kernel(#[source] Source),
    /// The processes in /proc cannot be listed. Single processes that may not be read are counted
    /// in [`Quality`](crate::Quality) instead.
    #[error(transparent)]
    Processes(Source),
    /// Files cannot be opened or are no recordings; several files are of different hosts or boots;
    /// or there is no sample in the time span.
    #[error(transparent)]
    Recording(Source),
}

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Self {
        Self::Filter { position: error.span.start..error.span.end, message: error.to_string() }
    }
}

impl From<MonitorError> for Error {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Specification { spec: name, reason: source } => {
                Self::Namespace { name, source: source.into() }
            }
            MonitorError::AllAndOthers => {
                let source = "it means every namespace, so there can be no others";
                Self::Namespace { name: "all".to_owned(), source: source.into() }
            }
            MonitorError::NoNamespace(reason) => {
                Self::Namespace { name: "all".to_owned(), source: reason.into() }
            }
            MonitorError::Owners(_) => Self::Processes(error.into()),
            error => Self::Kernel(error.into()),
        }
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Open { path, source } => {
                Self::Recording(format!("cannot open {}: {source}", path.display()).into())
            }
            error => Self::Recording(error.into()),
        }
    }
}
