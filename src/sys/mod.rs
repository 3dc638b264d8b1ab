//! System calls that no library wraps as needed: netlink sockets, descriptor
//! tables, the process's own cost and heap, interrupts, the terminal, the time zone, users, and files
//! that others can replace.
//!
//! The only module with `unsafe`.

mod clocks;
mod descriptors;
mod event_socket;
mod file_size_limit;
mod heap;
mod interrupt;
mod kcmp;
mod netlink;
mod new_file;
mod own_thread;
mod random;
mod regular_file;
mod reverse_name;
mod terminal;
mod time_zone;
mod uptime;
mod usage;
mod user_namespace;
mod users;

pub use clocks::Clocks;
pub use descriptors::{descriptor_limit, descriptors_left, raise_descriptor_limit};
pub use event_socket::{EventSocket, Received, Subscription};
pub use file_size_limit::{FILE_SIZE_LIMIT, explain_write_error, fail_at_file_size_limit};
pub use heap::give_memory_back;
pub use interrupt::Interrupt;
pub use kcmp::share_descriptor_table;
pub use netlink::{NetlinkHandle, NetlinkSocket};
pub use new_file::{NewFile, NewFileError};
pub use own_thread::{OWN_COUNTERS, at_own_thread, own_counters, own_thread};
pub use random::random_bytes;
pub use regular_file::{RegularFileError, read_regular_file, read_regular_text};
pub use reverse_name::reverse_name;
pub use terminal::{error_columns, is_error_terminal, is_terminal, terminal_size};
pub(crate) use terminal::{standard_error, standard_output};
pub use time_zone::{TimeZoneError, local_time_zone, missing_time_zone};
pub use uptime::uptime;
pub use usage::{Usage, UsageSince};
pub use user_namespace::governs;
pub use users::user_id;
