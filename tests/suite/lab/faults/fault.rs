//! A fault, and what a diagnosis has to say of it.

use super::Setup;
use crate::lab::{Shape, Side};

/// Findings of which at least one has to be there, seen from one side.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Where the diagnosis is made.
    pub side: Side,
    /// Any of these codes will do.
    pub one_of: &'static [&'static str],
}

/// Something that is wrong, or that is not.
#[derive(Debug)]
pub struct Fault {
    /// Unique.
    pub name: &'static str,
    /// What is done, in one line.
    pub does: &'static str,
    /// The link, by the side that sends.
    pub shapes: [Shape; 2],
    /// Settings of one side, as paths under /proc/sys/net.
    pub settings: &'static [(Side, &'static str, &'static str)],
    /// What the diagnosis is asked in addition.
    pub arguments: &'static [&'static str],
    /// What has to be found. Nothing, where nothing is wrong.
    pub must: &'static [Demand],
    /// What may be found beside it, on either side: it is true as well.
    pub may: &'static [&'static str],
    /// Sets it going.
    pub provoke: fn(&Setup),
    /// Whether it is there, by what the kernel tells ss(8) and its counters.
    pub holds: fn(&Setup) -> bool,
}

impl Fault {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.must.is_empty()
    }

    /// Whether a finding of this code belongs to it.
    pub fn allows(&self, code: &str) -> bool {
        let mut musts = self.must.iter().flat_map(|demand| demand.one_of);
        // The receiver sees gaps where the sender sees loss or reordering.
        let leaves_gaps = ["TD117", "TD310"].contains(&code)
            && ["TD110", "TD115"].iter().any(|it| self.allows(it));
        musts.any(|known| *known == code) || self.may.contains(&code) || leaves_gaps
    }
}

/// What the sides have to find.
pub const fn client(one_of: &'static [&'static str]) -> Demand {
    Demand { side: Side::Client, one_of }
}

/// See [`client`].
pub const fn server(one_of: &'static [&'static str]) -> Demand {
    Demand { side: Side::Server, one_of }
}

/// A link that is this many milliseconds long, in both directions.
pub const fn long(milliseconds: u64) -> [Shape; 2] {
    [Shape::delayed(milliseconds); 2]
}
