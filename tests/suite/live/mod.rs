//! Live tests: real sockets, in a network namespace that each test makes for
//! itself, compared with what tcpdiag reports of them.
//!
//! No privilege is needed where user namespaces are allowed; a test that cannot
//! run prints the reason and is skipped. With `TCPDIAG_REQUIRE_PRIVILEGED=1` a
//! skip is a failure.

mod closed;
mod filters;
mod forgery;
mod groups;
mod identity;
mod interfaces;
mod interval;
mod kernels;
mod kill;
mod ledger;
mod lines;
mod listeners;
mod many_namespaces;
mod namespaces;
mod owners;
mod roles;
mod sorting;
mod ss_parity;
mod tcp_info;
