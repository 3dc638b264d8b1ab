//! The request to destroy one socket (`SOCK_DESTROY`, net/ipv4/tcp_diag.c).

use std::net::SocketAddr;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{SockDiagDestroy, SockDiagMessage};

use super::uapi::{AF_INET, AF_INET6, IPPROTO_TCP, NLM_F_ACK, NLM_F_REQUEST};

/// A socket by everything that the kernel compares: addresses, ports, interface, and the cookie,
/// without which a later socket with the same addresses would be meant too
/// (`sock_diag_check_cookie()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestroyRequest {
    /// Own end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// The interface that it is bound to, 0 for none.
    pub interface: u32,
    /// The kernel's identifier of the socket.
    pub cookie: u64,
}

impl DestroyRequest {
    /// The bytes to send, numbered `sequence`.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut cookie = [0; 8];
        // Two words of the host's byte order, the lower one first.
        let words = [self.cookie as u32, (self.cookie >> 32) as u32];
        let bytes = words.into_iter().flat_map(u32::to_ne_bytes);
        cookie.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        let request = InetRequest {
            family: if self.local.is_ipv4() { AF_INET } else { AF_INET6 },
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::from_bits_retain(u32::MAX),
            socket_id: SocketId {
                source_port: self.local.port(),
                destination_port: self.remote.port(),
                source_address: self.local.ip(),
                destination_address: self.remote.ip(),
                interface_id: self.interface,
                cookie,
            },
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK;
        header.sequence_number = sequence;
        let request = SockDiagDestroy::new(SockDiagMessage::InetRequest(request));
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_socket_in_full() {
        let request = DestroyRequest {
            local: "10.0.0.1:443".parse().unwrap(),
            remote: "192.0.2.7:50000".parse().unwrap(),
            interface: 3,
            cookie: 0x0102_0304_0506_0708,
        };
        let bytes = request.encode(9);
        assert_eq!(bytes.len(), 16 + 56);
        assert_eq!(&bytes[4..6], 21_u16.to_ne_bytes());
        // NLM_F_REQUEST and NLM_F_ACK: no dump.
        assert_eq!(&bytes[6..8], 5_u16.to_ne_bytes());
        assert_eq!(&bytes[16..18], &[2, 6]);
        assert_eq!(&bytes[24..28], &[1, 0xbb, 0xc3, 0x50]);
        assert_eq!(&bytes[28..32], &[10, 0, 0, 1]);
        assert_eq!(&bytes[44..48], &[192, 0, 2, 7]);
        assert_eq!(&bytes[60..64], 3_u32.to_ne_bytes());
        let words = [0x0506_0708_u32.to_ne_bytes(), 0x0102_0304_u32.to_ne_bytes()].concat();
        assert_eq!(&bytes[64..72], words);
        let v6 = DestroyRequest {
            local: "[::ffff:10.0.0.1]:443".parse().unwrap(),
            remote: "[::ffff:192.0.2.7]:50000".parse().unwrap(),
            ..request
        };
        assert_eq!(v6.encode(9)[16], 10);
    }
}
