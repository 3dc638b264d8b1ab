//! What limits a connection, and what is wrong with a listener, a service or the host.
//!
//! **Rules**, one per file in `rules`, have a stable code and their documentation: meaning,
//! evidence, guards against wrong findings, advice, sources. They judge what happened while the
//! namespace was watched, not since a connection was opened. A [`Diagnosis`] is fed samples (time,
//! sockets, destroy events, counters) and keeps one [`ConnectionHistory`] per socket; rules receive
//! it as [`Evidence`]. Where two rules match for the same cause, one is a finding and lists the other
//! ([`Rule::explained_by`], [`Finding::explains`]). Connections that match the same rule are one [`Finding`].
//!
//! Only [`DiagnosisRun`], which polls the kernel or a recording, does I/O and reads clocks. How
//! findings are shown is not part of this module.

mod advice;
mod carrying;
mod connection_history;
mod consumer;
mod ending;
mod evidence;
mod explanation;
mod extremes;
mod finding;
mod full_listener;
mod groups;
mod growth;
mod host;
mod judging;
mod limits;
mod listening;
mod looks;
mod peers;
mod registry;
mod rule;
mod rules;
mod run;
mod selection;
mod sign;
mod sizing;
#[cfg(test)]
mod testing;
mod watch;

pub use advice::{Words, fill, placeholders};
pub use connection_history::{ConnectionHistory, Rtt};
pub use consumer::FilteredDiagnosis;
pub use ending::{EndedConnection, Ending, Ends, is_failed_connect, is_wiped, was_never_connected};
pub use evidence::{Evidence, Lifecycle};
pub use explanation::Explained;
pub use finding::{Example, Finding, Measure, RuleMatch, Silence, Subject};
pub use groups::{Group, GroupKey, Groups, Peer};
pub use host::HostHistory;
pub use judging::{Conclusion, Coverage};
pub use limits::{Limit, LimitsError};
pub use listening::ListenerHistory;
pub use registry::{RULES, RuleLimits, rule};
pub use rule::{
    Advice, Confidence, Context, HostInput, Judge, ListenerInput, Rule, RuleInput, RuleScope,
    ServiceInput, Severity,
};
pub use run::{Diagnosed, DiagnosedNamespace, DiagnosisOptions, DiagnosisRun, SocketNames};
pub use selection::{UnknownRule, selected_rules};
pub use sign::Sign;
pub use watch::{Diagnosis, Question};
