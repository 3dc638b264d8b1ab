//! Kernel bytes and views of them: netlink framing, requests, filter bytecode, attributes and
//! structures of varying length.
//!
//! Knows the layouts of include/uapi/linux/{netlink,inet_diag,sock_diag,tcp}.h from Linux 3.10 to
//! 7.3. Does no I/O, allocates nothing per socket, and panics on no input.

mod answer;
mod attribute;
pub mod bytecode;
mod bytes;
mod congestion;
mod destroy;
mod md5;
mod message;
pub mod replay;
mod reply;
mod request;
mod skmem;
mod tcp_info;
pub mod uapi;
mod ulp;

pub use answer::Answer;
pub use attribute::{Attribute, Attributes, BrokenAttribute};
pub use congestion::{Bbr, Dctcp, Vegas};
pub use destroy::DestroyRequest;
pub use md5::{Md5Key, Md5Keys, blank_keys};
pub use message::{BrokenFraming, Message, Messages};
pub use reply::{ATTRIBUTE_COUNT, Reply};
pub use request::{DumpRequest, Extensions, Form};
pub use skmem::SkMem;
pub use tcp_info::{EcnWord, Slot, TcpInfo};
pub use ulp::{Mptcp, Tls, Ulp, UlpDetail};
