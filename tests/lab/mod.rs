//! The laboratory: namespaces, sockets, loss, and the programs to compare. Test
//! binaries take it in by `#[path = "../lab/mod.rs"] mod lab;`.

mod child;
mod firewall;
mod ground;
mod pair;
mod patience;
mod population;
mod row;
mod socket;
mod ss;
mod stream;
mod tcpdiag;

pub use child::Child;
pub use firewall::Firewall;
pub use ground::{Ground, require, run};
pub use pair::Pair;
pub use patience::{settles, until};
pub use population::{Member, Population};
pub use row::{Row, cookies};
pub use socket::Socket;
pub use ss::Ss;
pub use stream::Stream;
pub use tcpdiag::{Output, Tcpdiag};

/// A test in a network namespace of its own: `lab!(fn name() { ... })`, or
/// `lab!(as Root fn name() { ... })` for one that needs the host's root.
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
}
pub(crate) use lab;
