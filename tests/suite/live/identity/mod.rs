//! The same socket has the same role, service and processes in every command and in a recording,
//! and they are those that the test gave it and that ss shows.
//!
//! Each test makes programs of different names ([`Program`](crate::lab::Program)), gives them
//! sockets, and compares what [`Views`] collected with what it [`Expected`].

mod clients;
mod drained;
mod ephemeral;
mod evidence;
mod expected;
mod families;
mod handed_over;
mod interfaces;
mod names;
mod reuseport;
mod threads;
mod transparent;
mod views;

use expected::{Expected, Holder};
use views::Views;
