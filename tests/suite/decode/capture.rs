//! The captures of one kernel, raw and decoded.

use std::path::PathBuf;

use serde_json::Value;
use tcpdiag::model::{Role, RoleBasis, Socket};
use tcpdiag::report::{Connection, Interface, Processes};
use tcpdiag::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use tcpdiag::wire::{EcnWord, Message, Messages, Reply};

/// A folder of `fixtures/`.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// Its release, which is the folder's name.
    pub release: &'static str,
    /// Length of its `tcp_info`.
    pub tcp_info: usize,
    /// Records in tcp4.nl, tcp6.nl and legacy.nl.
    pub records: [usize; 3],
    /// Whether it has the optional congestion controls (dctcp, vegas, ...).
    pub modules: bool,
    /// Whether it has kernel TLS.
    pub tls: bool,
    /// Whether it has MPTCP.
    pub mptcp: bool,
    /// Whether bound, unused sockets are dumped.
    pub bound: bool,
}

/// All of them.
pub const KERNELS: [Kernel; 5] = [
    kernel("5.10.223", 232, [90, 46, 136], true, false, false, false),
    kernel("6.1.192", 232, [92, 46, 138], true, true, true, false),
    kernel("6.12.107", 248, [93, 46, 139], true, true, true, true),
    kernel("6.18.44", 280, [87, 38, 125], false, false, true, true),
    kernel("7.2.13", 280, [93, 46, 139], true, true, true, true),
];

const fn kernel(
    release: &'static str,
    tcp_info: usize,
    records: [usize; 3],
    modules: bool,
    tls: bool,
    mptcp: bool,
    bound: bool,
) -> Kernel {
    Kernel { release, tcp_info, records, modules, tls, mptcp, bound }
}

/// The folder with the captures of all kernels.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

impl Kernel {
    /// A file's bytes.
    pub fn bytes(&self, file: &str) -> Vec<u8> {
        let path = folder().join(self.release).join(file);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A file's text.
    pub fn text(&self, file: &str) -> String {
        String::from_utf8(self.bytes(file)).unwrap()
    }

    /// The layout of the end of its `tcp_info`.
    pub fn ecn(&self) -> EcnWord {
        EcnWord::of_release(self.release)
    }

    /// The decoded records of a file.
    pub fn sockets(&self, file: &str) -> Vec<Socket> {
        let bytes = self.bytes(file);
        replies(&bytes).iter().map(|reply| Socket::new(reply, self.ecn()).unwrap()).collect()
    }

    /// Both halves of the dump that ss.txt was taken just before.
    pub fn dump(&self) -> Vec<Socket> {
        let mut sockets = self.sockets("tcp4.nl");
        sockets.extend(self.sockets("tcp6.nl"));
        sockets
    }
}

/// The messages of a file, all of them well framed.
pub fn messages(bytes: &[u8]) -> Vec<Message<'_>> {
    Messages::new(bytes).map(Result::unwrap).collect()
}

/// The records among them, all of them readable.
pub fn replies(bytes: &[u8]) -> Vec<Reply<'_>> {
    messages(bytes)
        .into_iter()
        .filter(|message| [SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK].contains(&message.kind))
        .map(|message| {
            let reply = Reply::new(message.payload).unwrap();
            assert!(!reply.has_bad_attribute());
            assert_eq!(reply.unknown_attributes(), 0);
            reply
        })
        .collect()
}

/// A row with the kernel's figures alone.
pub fn connection(socket: &Socket) -> Connection<'_> {
    Connection {
        socket,
        role: Role::Unknown,
        role_basis: RoleBasis::ListenersUnknown,
        service: None,
        service_basis: None,
        netns: None,
        interface: (socket.interface != 0)
            .then_some(Interface { index: socket.interface, name: None }),
        cgroup_path: None,
        unit: None,
        container: None,
        processes: Processes::NotAsked,
        change: None,
        repeats: false,
        captured_at: "",
        delta: None,
        interval_s: None,
        syn_recv: None,
        group: None,
        ended: None,
        remote_name: None,
    }
}

/// The JSON row.
pub fn json(socket: &Socket) -> Value {
    serde_json::to_value(connection(socket)).unwrap()
}
