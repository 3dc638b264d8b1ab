//! The fault lab: everything that can be wrong with a connection, provoked for
//! real between two namespaces, and what is not wrong at all.

mod connects;
mod ends;
mod fault;
mod handshakes;
mod healthy;
mod hours;
mod limits;
mod listeners;
mod losses;
mod low_losses;
mod options;
mod paths;
mod resets;
mod services;
mod setup;
mod trial;
mod windows;
mod writes;

pub use fault::Fault;
pub use hours::Hours;
pub use setup::{Path, Setup, accept, connect, pace};
pub use trial::try_all;

/// Those to try: all, or those whose names contain what `TCPDIAG_FAULT` says.
pub fn chosen() -> Vec<&'static Fault> {
    let only = std::env::var("TCPDIAG_FAULT").unwrap_or_default();
    all().into_iter().filter(|fault| fault.name.contains(&only)).collect()
}

/// All of them, in the order of the documentation.
fn all() -> Vec<&'static Fault> {
    [
        healthy::ALL,
        limits::ALL,
        losses::ALL,
        low_losses::ALL,
        paths::ALL,
        writes::ALL,
        windows::ALL,
        options::ALL,
        ends::ALL,
        handshakes::ALL,
        connects::ALL,
        resets::ALL,
        listeners::ALL,
        services::ALL,
    ]
    .concat()
}
