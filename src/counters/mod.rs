//! The system counters: what each one means, and the files they are read from.
//!
//! - The **catalogue**: every counter of the groups Tcp, TcpExt, IpExt and MPTcpExt of Linux 3.10
//!   to 7.x, with its meaning, trigger, healthy range and per-socket twin (`catalogue/*.toml`).
//! - The **readers** of `/proc/net/{snmp,netstat,snmp6,sockstat,sockstat6,softnet_stat}`. They keep
//!   counters that are not in the catalogue.
//! - **Ratios** of counters, with the thresholds of their verdicts (`ratios.toml`).
//!
//! Knows no sockets: a twin is a list of field names, which attribution uses.

mod catalogue;
mod categories;
mod category;
mod delta;
mod devices;
mod entry;
mod error;
mod fault;
mod full_name;
mod group;
mod healthy;
mod kind;
mod layout;
mod problems;
mod procfile;
mod ratio;
mod reader;
mod release;
mod retransmits;
mod selection;
mod significance;
mod snmp;
mod snmp6;
mod sockstat;
mod softnet;
mod spelling;
mod suggest;
mod template;
mod texts;
mod twin;
mod values;
mod verdict;

#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use categories::{UNKNOWN_CATEGORY, category_of, is_host_wide, is_shown_by_default};
pub use category::Category;
pub use delta::{CounterWidth, Delta, deltas};
pub use devices::{Device, parse_devices};
pub use entry::{Entry, Scope};
pub use error::{CatalogueError, ReadError};
pub use fault::{Fault, FileFault, host_faults};
pub use group::Group;
pub use healthy::Healthy;
pub use kind::Kind;
pub use layout::Layout;
pub use problems::{indicates_problem, problem_rank};
pub use ratio::Ratio;
pub use reader::{CounterReader, LayoutChange, file_of, read};
pub use release::{ParseReleaseError, Release};
pub use retransmits::{Estimate, Retransmits};
pub use selection::{Selection, SelectionError};
pub use significance::is_above;
pub use snmp::parse_snmp;
pub use snmp6::parse_snmp6;
pub use sockstat::{parse_sockstat, parse_sockstat6};
pub use softnet::{Softnet, SoftnetCpu, parse_softnet};
pub use spelling::{fold, is_pattern, matches};
pub use texts::{CounterTexts, HOST_FILES};
pub use twin::{Bound, Twin, TwinClass};
pub use values::Counters;
pub use verdict::{Amount, Judgement, NoData, Threshold, Verdict};
