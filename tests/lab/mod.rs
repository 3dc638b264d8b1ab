//! The laboratory: namespaces, sockets, links, traffic, and the programs to
//! compare. Test binaries take it in by `#[path = "../lab/mod.rs"] mod lab;`.
//!
//! For sockets in one namespace there are [`Socket`], [`Pair`] and
//! [`Population`]; for services and clients in two, with a bad link between
//! them and the kernel's own word on every retransmitted segment, [`Scenario`].
#![allow(dead_code, unused_imports, unused_macros, reason = "every test binary uses a part of it")]

mod addresses;
mod child;
mod classify;
mod counters;
mod firewall;
mod ground;
mod kinds;
mod link;
mod loss;
mod network;
mod pair;
mod patience;
mod population;
#[path = "../fixtures/random.rs"]
mod random;
mod row;
mod scenario;
mod segment;
mod shape;
mod socket;
mod ss;
mod stage;
mod stream;
mod tcpdiag;
mod trace;
mod traffic;
mod truth;
mod wire;

pub use addresses::{Addresses, Side};
pub use child::Child;
pub use classify::{Verdict, classify};
pub use counters::Counters;
pub use firewall::Firewall;
pub use ground::{Ground, require, run, run_alone, runs};
pub use kinds::{Kind, Kinds};
pub use link::{Link, Tally};
pub use loss::Loss;
pub use network::{Network, ip};
pub use pair::Pair;
pub use patience::{settles, until};
pub use population::{Member, Population};
pub use random::Random;
pub use row::{Row, cookies};
pub use scenario::{Medium, Scenario};
pub use segment::Segment;
pub use shape::Shape;
pub use socket::Socket;
pub use ss::Ss;
pub use stage::Stage;
pub use stream::Stream;
pub use tcpdiag::{Output, Tcpdiag};
pub use trace::Trace;
pub use traffic::{Profile, Service, Work};
pub use truth::{Retransmit, SideTruth, Source, Truth};
pub use wire::Wire;

/// A test in a network namespace of its own: `lab!(fn name() { ... })`, or
/// `lab!(as Root fn name() { ... })` for one that needs the host's root, and
/// `lab!(alone as Best fn name() { ... })` for one that measures time.
macro_rules! lab {
    (fn $name:ident() $body:block) => {
        lab!(as Mapped fn $name() $body);
    };
    (as $ground:ident fn $name:ident() $body:block) => {
        #[test]
        fn $name() {
            crate::lab::run(
                concat!(module_path!(), "::", stringify!($name)),
                crate::lab::Ground::$ground,
                || $body,
            );
        }
    };
    (alone as $ground:ident $(#[$more:meta])? fn $name:ident() $body:block) => {
        #[test]
        $(#[$more])?
        fn $name() {
            crate::lab::run_alone(
                concat!(module_path!(), "::", stringify!($name)),
                crate::lab::Ground::$ground,
                || $body,
            );
        }
    };
}
pub(crate) use lab;
