//! Which service a socket belongs to.

mod classifier;
mod key;
mod rules;

pub use classifier::{Classifier, Facts, Owner};
pub use key::{Grouping, ServiceId, ServiceKey};
pub use rules::{Rule, Rules, RulesError};
