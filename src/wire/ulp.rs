//! `INET_DIAG_ULP_INFO`: the upper layer protocol on top of a TCP socket.

use super::attribute::Attributes;
use super::bytes::{u8_at, u16_at, u32_at, u64_at};

/// `INET_ULP_INFO_*`.
const NAME: u16 = 1;
const TLS: u16 = 2;
const MPTCP: u16 = 3;

/// Kernel TLS (`TLS_INFO_*`, include/uapi/linux/tls.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tls {
    /// Protocol version as on the wire: 0x0303 for TLS 1.2.
    pub version: Option<u16>,
    /// `TLS_CIPHER_*`.
    pub cipher: Option<u16>,
    /// Who encrypts what is sent: 1 nobody, 2 software, 3 device, 4 record device.
    pub tx_conf: Option<u16>,
    /// Who decrypts what is received, as above.
    pub rx_conf: Option<u16>,
    /// Whether zero-copy sendfile was allowed.
    pub zerocopy_sendfile: bool,
    /// Whether padding of TLS 1.3 records is expected to be absent.
    pub rx_no_pad: bool,
    /// Largest payload of a record sent, bytes (7.2).
    pub tx_max_payload: Option<u16>,
}

/// One MPTCP subflow (`MPTCP_SUBFLOW_ATTR_*`, include/uapi/linux/mptcp.h). The
/// sequence numbers and the mapping are only sent to holders of CAP_NET_ADMIN
/// (seen on 6.18 and 7.2; older kernels send nothing at all to others).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mptcp {
    /// The peer's token.
    pub token_remote: Option<u32>,
    /// Our token.
    pub token_local: Option<u32>,
    /// Subflow sequence number of the current mapping.
    pub relative_write_sequence: Option<u32>,
    /// Data sequence number of the current mapping.
    pub map_sequence: Option<u64>,
    /// Subflow sequence number where the mapping starts.
    pub map_subflow_sequence: Option<u32>,
    /// Offset of the subflow's sequence numbers.
    pub sequence_offset: Option<u32>,
    /// Length of the current mapping, bytes.
    pub map_data_length: Option<u16>,
    /// `MPTCP_SUBFLOW_FLAG_*`.
    pub flags: Option<u32>,
    /// Address id of the peer.
    pub id_remote: Option<u8>,
    /// Our address id.
    pub id_local: Option<u8>,
}

/// What is known of the protocol besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UlpDetail {
    /// Nothing more was sent.
    NameOnly,
    /// Kernel TLS.
    Tls(Tls),
    /// A subflow of an MPTCP connection.
    Mptcp(Mptcp),
}

/// A socket's upper layer protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulp {
    /// `TCP_ULP_NAME_MAX` bytes, NUL-padded.
    name: [u8; 16],
    /// What is known besides.
    pub detail: UlpDetail,
}

impl Ulp {
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        let mut ulp = Self { name: [0; 16], detail: UlpDetail::NameOnly };
        let mut any = false;
        for attribute in Attributes::new(payload).map_while(Result::ok) {
            any = true;
            match attribute.kind {
                NAME => ulp.name.iter_mut().zip(attribute.value).for_each(|(to, &from)| *to = from),
                TLS => ulp.detail = UlpDetail::Tls(Tls::new(attribute.value)),
                MPTCP => ulp.detail = UlpDetail::Mptcp(Mptcp::new(attribute.value)),
                _ => {}
            }
        }
        any.then_some(ulp)
    }

    /// `tls`, `mptcp`, ...
    pub fn name(&self) -> &[u8] {
        self.name.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

impl Tls {
    fn new(payload: &[u8]) -> Self {
        let mut tls = Self::default();
        for attribute in Attributes::new(payload).map_while(Result::ok) {
            let value = attribute.value;
            match attribute.kind {
                1 => tls.version = u16_at(value, 0),
                2 => tls.cipher = u16_at(value, 0),
                3 => tls.tx_conf = u16_at(value, 0),
                4 => tls.rx_conf = u16_at(value, 0),
                5 => tls.zerocopy_sendfile = true,
                6 => tls.rx_no_pad = true,
                7 => tls.tx_max_payload = u16_at(value, 0),
                _ => {}
            }
        }
        tls
    }
}

impl Mptcp {
    fn new(payload: &[u8]) -> Self {
        let mut mptcp = Self::default();
        for attribute in Attributes::new(payload).map_while(Result::ok) {
            let value = attribute.value;
            match attribute.kind {
                1 => mptcp.token_remote = u32_at(value, 0),
                2 => mptcp.token_local = u32_at(value, 0),
                3 => mptcp.relative_write_sequence = u32_at(value, 0),
                4 => mptcp.map_sequence = u64_at(value, 0),
                5 => mptcp.map_subflow_sequence = u32_at(value, 0),
                6 => mptcp.sequence_offset = u32_at(value, 0),
                7 => mptcp.map_data_length = u16_at(value, 0),
                8 => mptcp.flags = u32_at(value, 0),
                9 => mptcp.id_remote = u8_at(value, 0),
                10 => mptcp.id_local = u8_at(value, 0),
                _ => {}
            }
        }
        mptcp
    }
}
