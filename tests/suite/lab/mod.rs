//! The laboratory: namespaces, sockets, links, traffic, and the programs to
//! compare.
//!
//! [`Socket`], [`Pair`] and [`Population`] make sockets in one namespace. [`Scenario`] runs
//! services and clients in two, over a link that loses packets, and reads the kernel's trace of
//! every retransmitted segment.

mod addresses;
mod attacker;
mod child;
mod classify;
mod counters;
mod environment;
pub mod faults;
mod firewall;
mod icmp;
mod isolate;
mod kinds;
mod link;
mod loss;
mod network;
mod pair;
mod population;
mod program;
mod random;
mod refusing;
mod router;
mod row;
mod running;
mod scenario;
pub mod scenes;
mod segment;
mod shape;
mod socket;
mod ss;
mod stream;
mod tap;
mod tcpdiag;
mod trace;
mod traffic;
mod truth;
mod wait;
mod wire;
mod witness;

pub use addresses::{Addresses, Side};
pub use attacker::{Attacker, FORGED_RETRANSMITS};
pub use child::Child;
pub use classify::{Verdict, classify};
pub use counters::Counters;
pub use environment::{plain, program};
pub use firewall::Firewall;
pub use icmp::too_big;
pub use isolate::{Privileges, require, run, run_alone, runs, scenes as scenes_wanted};
pub use kinds::{Kind, Kinds};
pub use link::{Link, Tally};
pub use loss::Loss;
pub use network::{Network, ip};
pub use pair::Pair;
pub use population::{Member, Population};
pub use program::Program;
pub use random::Random;
pub use refusing::{linux_3_10, refusal, refusing};
pub use router::Router;
pub use row::{Row, cookies};
pub use running::RunningScenario;
pub use scenario::{Medium, Scenario};
pub use segment::Segment;
pub use shape::{Affects, Narrow, Shape};
pub use socket::Socket;
pub use ss::{End as SsEnd, Owner as SsOwner, Ss};
pub use stream::Stream;
pub use tcpdiag::{Output, Tcpdiag};
pub use trace::Trace;
pub use traffic::{Profile, Service, Work};
pub use truth::{SideTruth, Source, Truth};
pub use wait::{PATIENCE, settles, until};
pub use wire::Wire;
pub use witness::{Fate, Sums, Witness};

/// A test in a network namespace of its own: `lab!(fn name() { ... })`. `as Root` needs the
/// host's root, and `alone` keeps other such tests from running at the same time, for tests that
/// measure time: `lab!(alone as Best fn name() { ... })`.
macro_rules! lab {
    (fn $name:ident() $body:block) => {
        lab!(as Mapped fn $name() $body);
    };
    (as $privileges:ident fn $name:ident() $body:block) => {
        #[test]
        fn $name() {
            crate::lab::run(
                concat!(module_path!(), "::", stringify!($name)),
                crate::lab::Privileges::$privileges,
                || $body,
            );
        }
    };
    (alone as $privileges:ident $(#[$more:meta])? fn $name:ident() $body:block) => {
        #[test]
        $(#[$more])?
        fn $name() {
            crate::lab::run_alone(
                concat!(module_path!(), "::", stringify!($name)),
                crate::lab::Privileges::$privileges,
                || $body,
            );
        }
    };
}
pub(crate) use lab;
