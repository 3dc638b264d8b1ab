//! What holds a connection back, and what is wrong with a listener, a service or the host.
//!
//! Knows **rules**, one per file in `rules`, each with a stable code, what it means, its evidence,
//! what it must not be taken in by, what to do, and its sources. They judge what happened while
//! it was watched, not since the connection began: an [`Diagnosis`] is fed samples (time, rows,
//! deaths, counters) and keeps one [`ConnectionHistory`] per socket; what that came to is [`Evidence`].
//! Where two rules see the same cause, the one that explains it speaks
//! ([`Rule::explained_by`]); connections with the same trouble are one [`Finding`].
//!
//! Refuses to know where samples come from (no I/O, no clock) and how findings are shown.

mod advice;
mod connection_history;
mod evidence;
mod finding;
mod groups;
mod host;
mod limits;
mod listening;
mod registry;
mod rule;
mod rules;
mod sign;
#[cfg(test)]
mod testing;
mod watch;

pub use advice::{Words, fill, placeholders};
pub use connection_history::{ConnectionHistory, Rtt};
pub use evidence::{Evidence, Fate};
pub use finding::{Example, Finding, Measure, RuleMatch, Subject};
pub use groups::{Group, GroupKey, Groups, Peer};
pub use host::{HostHistory, HostReading};
pub use limits::{Limits, LimitsError};
pub use listening::ListenerHistory;
pub use registry::{RULES, rule};
pub use rule::{
    Advice, Confidence, Context, HostInput, Judge, Limit, ListenerInput, Rule, RuleInput,
    RuleScope, ServiceInput, Severity,
};
pub use sign::Sign;
pub use watch::{Conclusion, Diagnosis, Question, Seen};
