//! The per-socket twin of a counter: the socket fields that attribution may use.

use serde::{Deserialize, Serialize};

use super::release::Release;

/// How well a counter corresponds to socket fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TwinClass {
    /// An arithmetic identity between the counter and socket fields, with known exceptions.
    Exact,
    /// Socket fields bound the counter on one side.
    Bounded,
    /// Socket fields move along with it: they show which sockets are likely, not how much.
    Proxy,
    /// No socket field corresponds to it.
    None,
}

impl TwinClass {
    /// All classes, best first.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Bounded, Self::Proxy, Self::None];
}

/// Direction of a bound: how the counter compares with the sum of its twin over all sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Bound {
    /// Counter ≤ sum of the twin.
    #[serde(rename = "<=")]
    AtMost,
    /// Counter ≥ sum of the twin.
    #[serde(rename = ">=")]
    AtLeast,
}

/// The socket fields that correspond to a counter, and how well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// Class of the relation.
    pub class: TwinClass,
    /// Fields of `struct tcp_info` without `tcpi_`, or of the memory attribute (`drops`,
    /// `rmem_alloc` and so on). Empty exactly when the class is [`TwinClass::None`].
    #[serde(default)]
    pub fields: Vec<String>,
    /// Direction of the bound; set exactly when the class is [`TwinClass::Bounded`].
    #[serde(default)]
    pub bound: Option<Bound>,
    /// First kernel whose sockets have all the fields, where later than the counter itself.
    #[serde(default)]
    pub since: Option<Release>,
    /// The relation in words, with its exceptions; for [`TwinClass::None`] the reason.
    pub relation: String,
}

impl Twin {
    /// Whether the twin can be used on this kernel, going by mainline.
    ///
    /// Distributions backport fields of `tcp_info`: fields that a socket has may always be used.
    pub fn usable_on(&self, kernel: Release) -> bool {
        self.class != TwinClass::None && self.since.is_none_or(|since| since <= kernel)
    }
}
