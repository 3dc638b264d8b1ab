//! System calls that no library wraps as needed: netlink sockets, descriptor
//! tables, the process's own cost and heap, interrupts and the terminal.
//!
//! The only module with `unsafe`.

mod clocks;
mod event_socket;
mod heap;
mod interrupt;
mod kcmp;
mod netlink;
mod random;
mod terminal;
mod uptime;
mod usage;

pub use clocks::Clocks;
pub use event_socket::{EventSocket, Received, Subscription};
pub use heap::give_memory_back;
pub use interrupt::Interrupt;
pub use kcmp::share_descriptor_table;
pub use netlink::NetlinkSocket;
pub use random::random_bytes;
pub use terminal::{error_columns, terminal_size};
pub use uptime::uptime;
pub use usage::{Usage, UsageSince};
