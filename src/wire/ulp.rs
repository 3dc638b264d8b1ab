//! `INET_DIAG_ULP_INFO`: the upper layer protocol on top of a TCP socket.

use super::attribute::Attributes;
use super::bytes::{u8_at, u16_at, u32_at, u64_at};
use super::uapi;

/// Kernel TLS (`TLS_INFO_*`, include/uapi/linux/tls.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tls {
    /// Protocol version as on the wire: 0x0303 for TLS 1.2.
    pub version: Option<u16>,
    /// `TLS_CIPHER_*`.
    pub cipher: Option<u16>,
    /// Encryption of what is sent: 1 none, 2 software, 3 device, 4 record device.
    pub tx_conf: Option<u16>,
    /// Decryption of what is received, with the same numbers.
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

/// What the kernel sends of the protocol besides its name.
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
    name: [u8; uapi::TCP_ULP_NAME_MAX],
    /// What the kernel sends besides the name.
    pub detail: UlpDetail,
}

impl Ulp {
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        let mut ulp = Self { name: [0; uapi::TCP_ULP_NAME_MAX], detail: UlpDetail::NameOnly };
        let mut any = false;
        for attribute in Attributes::new(payload).map_while(Result::ok) {
            any = true;
            match attribute.kind {
                uapi::INET_ULP_INFO_NAME => {
                    ulp.name.iter_mut().zip(attribute.value).for_each(|(to, &from)| *to = from)
                }
                uapi::INET_ULP_INFO_TLS => ulp.detail = UlpDetail::Tls(Tls::new(attribute.value)),
                uapi::INET_ULP_INFO_MPTCP => {
                    ulp.detail = UlpDetail::Mptcp(Mptcp::new(attribute.value))
                }
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
                uapi::TLS_INFO_VERSION => tls.version = u16_at(value, 0),
                uapi::TLS_INFO_CIPHER => tls.cipher = u16_at(value, 0),
                uapi::TLS_INFO_TXCONF => tls.tx_conf = u16_at(value, 0),
                uapi::TLS_INFO_RXCONF => tls.rx_conf = u16_at(value, 0),
                uapi::TLS_INFO_ZC_RO_TX => tls.zerocopy_sendfile = true,
                uapi::TLS_INFO_RX_NO_PAD => tls.rx_no_pad = true,
                uapi::TLS_INFO_TX_MAX_PAYLOAD_LEN => tls.tx_max_payload = u16_at(value, 0),
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
                uapi::MPTCP_SUBFLOW_ATTR_TOKEN_REM => mptcp.token_remote = u32_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_TOKEN_LOC => mptcp.token_local = u32_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ => {
                    mptcp.relative_write_sequence = u32_at(value, 0)
                }
                uapi::MPTCP_SUBFLOW_ATTR_MAP_SEQ => mptcp.map_sequence = u64_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_MAP_SFSEQ => mptcp.map_subflow_sequence = u32_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_SSN_OFFSET => mptcp.sequence_offset = u32_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_MAP_DATALEN => mptcp.map_data_length = u16_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_FLAGS => mptcp.flags = u32_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_ID_REM => mptcp.id_remote = u8_at(value, 0),
                uapi::MPTCP_SUBFLOW_ATTR_ID_LOC => mptcp.id_local = u8_at(value, 0),
                _ => {}
            }
        }
        mptcp
    }
}
