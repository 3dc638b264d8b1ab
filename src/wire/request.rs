//! Requests for TCP sockets (net/ipv4/inet_diag.c).

use netlink_packet_core::{
    Emitable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};

use super::attribute::Attributes;
use super::bytes::{be16_at, u32_at};
use super::message::Messages;
use super::uapi::{
    self, AF_INET, AF_INET6, INET_DIAG_REQ_BYTECODE, INET_DIAG_REQ_LEN, INET_DIAG_REQ_V2_LEN,
    IPPROTO_TCP, NLA_HDRLEN, NLM_F_DUMP, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK,
};

/// Which tables a dump walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `SOCK_DIAG_BY_FAMILY` for IPv4 sockets.
    Ipv4,
    /// `SOCK_DIAG_BY_FAMILY` for IPv6 sockets, v4-mapped ones included.
    Ipv6,
    /// `TCPDIAG_GETSOCK`: both families in one walk of the table, where the by-family form needs two
    /// (see `benches/`).
    Both,
}

/// The requested attributes (`idiag_ext`). The kernel sends shutdown, mark, cgroup and socket options
/// without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions(pub u8);

impl Extensions {
    /// `INET_DIAG_INFO`, and with it MD5 and ULP information.
    pub const INFO: Self = Self::of(uapi::INET_DIAG_INFO);
    /// `INET_DIAG_SKMEMINFO`.
    pub const SKMEMINFO: Self = Self::of(uapi::INET_DIAG_SKMEMINFO);
    /// `INET_DIAG_CONG`.
    pub const CONG: Self = Self::of(uapi::INET_DIAG_CONG);
    /// `INET_DIAG_VEGASINFO`; the same bit requests those of DCTCP and BBR.
    pub const CC_INFO: Self = Self::of(uapi::INET_DIAG_VEGASINFO);
    /// `INET_DIAG_TOS`.
    pub const TOS: Self = Self::of(uapi::INET_DIAG_TOS);
    /// `INET_DIAG_TCLASS`, and with it the class id.
    pub const TCLASS: Self = Self::of(uapi::INET_DIAG_TCLASS);
    /// All of the above: everything but `INET_DIAG_MEMINFO`, whose words are in SKMEMINFO too.
    pub const ALL: Self = Self(
        Self::INFO.0
            | Self::SKMEMINFO.0
            | Self::CONG.0
            | Self::CC_INFO.0
            | Self::TOS.0
            | Self::TCLASS.0,
    );

    const fn of(kind: u16) -> Self {
        Self(1 << (kind - 1))
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A dump request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpRequest<'a> {
    /// Which tables to walk.
    pub form: Form,
    /// `idiag_states`: bit n for state n.
    pub states: u32,
    /// Requested attributes.
    pub extensions: Extensions,
    /// Only this local port, 0 for any.
    pub local_port: u16,
    /// Only this remote port, 0 for any; a listener never matches.
    pub remote_port: u16,
    /// Filter program, see [`bytecode`](super::bytecode); empty for none.
    pub bytecode: &'a [u8],
}

impl DumpRequest<'_> {
    /// Type of the replies.
    pub fn reply_kind(&self) -> u16 {
        self.message_type()
    }

    /// The bytes to send, numbered `sequence`.
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(self.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    /// Decodes a request and its number. `None` for a request that [`encode`](Self::encode) does not
    /// make.
    pub fn decode(bytes: &[u8]) -> Option<(DumpRequest<'_>, u32)> {
        let message = Messages::new(bytes).next()?.ok()?;
        let body = message.payload;
        let family = *body.first()?;
        // The fields of struct inet_diag_req_v2 and struct inet_diag_req have different offsets.
        let (form, extensions, ports, states, fixed) = match (message.kind, family) {
            (TCPDIAG_GETSOCK, _) => (Form::Both, 3, 4, 52, INET_DIAG_REQ_LEN),
            (SOCK_DIAG_BY_FAMILY, AF_INET) => (Form::Ipv4, 2, 8, 4, INET_DIAG_REQ_V2_LEN),
            (SOCK_DIAG_BY_FAMILY, AF_INET6) => (Form::Ipv6, 2, 8, 4, INET_DIAG_REQ_V2_LEN),
            _ => return None,
        };
        let program = Attributes::new(body.get(fixed..)?)
            .filter_map(Result::ok)
            .find(|attribute| attribute.kind == INET_DIAG_REQ_BYTECODE);
        let request = DumpRequest {
            form,
            states: u32_at(body, states)?,
            extensions: Extensions(*body.get(extensions)?),
            local_port: be16_at(body, ports)?,
            remote_port: be16_at(body, ports + 2)?,
            bytecode: program.map_or(&[], |attribute| attribute.value),
        };
        Some((request, message.sequence))
    }

    fn fixed_part(&self) -> Vec<u8> {
        let mut id = if self.form == Form::Ipv6 { SocketId::new_v6() } else { SocketId::new_v4() };
        id.source_port = self.local_port;
        id.destination_port = self.remote_port;
        let request = InetRequest {
            family: if self.form == Form::Ipv6 { AF_INET6 } else { AF_INET },
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::from_bits_retain(self.extensions.0),
            // The flags of the crate lack NEW_SYN_RECV and BOUND_INACTIVE.
            states: StateFlags::from_bits_retain(self.states),
            socket_id: id,
        };
        let mut modern = vec![0; request.buffer_len()];
        request.emit(&mut modern);
        if self.form != Form::Both {
            return modern;
        }
        // struct inet_diag_req: family, src_len, dst_len, ext; id; states; dbs.
        let mut legacy = vec![AF_INET, 0, 0, self.extensions.0];
        legacy.extend(modern.get(8..).unwrap_or(&[]));
        legacy.extend(self.states.to_ne_bytes());
        legacy.extend(0u32.to_ne_bytes());
        legacy
    }

    fn attribute_length(&self) -> usize {
        if self.bytecode.is_empty() { 0 } else { NLA_HDRLEN + self.bytecode.len() }
    }
}

impl NetlinkSerializable for DumpRequest<'_> {
    fn message_type(&self) -> u16 {
        if self.form == Form::Both { TCPDIAG_GETSOCK } else { SOCK_DIAG_BY_FAMILY }
    }

    fn buffer_len(&self) -> usize {
        self.fixed_part().len() + self.attribute_length()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let mut body = self.fixed_part();
        if !self.bytecode.is_empty() {
            body.extend((self.attribute_length() as u16).to_ne_bytes());
            body.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
            body.extend(self.bytecode);
        }
        buffer.iter_mut().zip(body).for_each(|(to, from)| *to = from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(form: Form, bytecode: &[u8]) -> DumpRequest<'_> {
        DumpRequest {
            form,
            states: 0x1fff,
            extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
            local_port: 0x1234,
            remote_port: 0,
            bytecode,
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        for form in [Form::Ipv4, Form::Ipv6, Form::Both] {
            for bytecode in [&[][..], &[1, 4, 4, 0]] {
                let request = DumpRequest { remote_port: 7, ..request(form, bytecode) };
                let bytes = request.encode(5);
                assert_eq!(DumpRequest::decode(&bytes), Some((request, 5)));
                for length in 0..bytes.len() {
                    assert_eq!(DumpRequest::decode(&bytes[..length]), None);
                }
            }
        }
    }

    #[test]
    fn by_family_form() {
        let bytes = request(Form::Ipv6, &[]).encode(5);
        assert_eq!(bytes.len(), 16 + 56);
        assert_eq!(&bytes[..4], 72u32.to_ne_bytes());
        assert_eq!(&bytes[4..6], SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        assert_eq!(&bytes[6..8], 0x301u16.to_ne_bytes());
        assert_eq!(&bytes[16..20], &[10, 6, 0x42, 0]);
        assert_eq!(&bytes[20..24], 0x1fffu32.to_ne_bytes());
        assert_eq!(&bytes[24..28], &[0x12, 0x34, 0, 0]);
    }

    #[test]
    fn legacy_form_with_bytecode() {
        let bytes = request(Form::Both, &[1, 4, 4, 0]).encode(5);
        assert_eq!(bytes.len(), 16 + 60 + 8);
        assert_eq!(&bytes[4..6], TCPDIAG_GETSOCK.to_ne_bytes());
        assert_eq!(&bytes[16..24], &[2, 0, 0, 0x42, 0x12, 0x34, 0, 0]);
        assert_eq!(&bytes[68..72], 0x1fffu32.to_ne_bytes());
        assert_eq!(&bytes[76..], &[8, 0, 1, 0, 1, 4, 4, 0]);
    }
}
