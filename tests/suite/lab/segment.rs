//! TCP segments as they are in packets without link-layer header.

/// A TCP segment in an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Source and destination.
    pub ports: [u16; 2],
    /// The last byte of the source's address, and of the destination's.
    pub hosts: [u8; 2],
    /// Number of the first byte.
    pub sequence: u32,
    /// Number of the byte that is expected from the other side.
    pub acknowledges: u32,
    /// The advertised window, before scaling.
    pub window: u16,
    /// The scale that a SYN offers for later windows.
    pub scale: Option<u8>,
    /// The bits from FIN (1) up to CWR (128).
    pub flags: u8,
    /// Bytes of data.
    pub payload: u32,
    /// Bytes of the packet.
    pub packet: u32,
}

impl Segment {
    /// A flag bit.
    pub const SYN: u8 = 2;
    /// A flag bit.
    pub const RST: u8 = 4;
    /// A flag bit.
    pub const ACK: u8 = 16;
    /// A flag bit.
    pub const PSH: u8 = 8;

    /// Reads one; `None` for what is no TCP.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let (protocol, hosts, segment) = match packet.first()? >> 4 {
            4 => (packet.get(9)?, [15, 19], packet.get(usize::from(packet[0] & 15) * 4..)?),
            6 => (packet.get(6)?, [23, 39], packet.get(40..)?),
            _ => return None,
        };
        let header = usize::from(segment.get(12)? >> 4) * 4;
        if *protocol != 6 || segment.len() < header.max(20) {
            return None;
        }
        let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
        Some(Self {
            ports: [port(0), port(2)],
            hosts: hosts.map(|at| packet[at]),
            sequence: u32::from(port(4)) << 16 | u32::from(port(6)),
            acknowledges: u32::from(port(8)) << 16 | u32::from(port(10)),
            window: port(14),
            scale: if segment[13] & Self::SYN == 0 { None } else { scale(&segment[20..header]) },
            flags: segment[13],
            payload: (segment.len() - header) as u32,
            packet: packet.len() as u32,
        })
    }

    /// Whether it has all of these flags.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// The window scale among the options of a SYN.
fn scale(mut options: &[u8]) -> Option<u8> {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => return None,
            1 => rest,
            3 => return rest.get(1).copied(),
            _ => rest.get(usize::from(*rest.first()?).checked_sub(1)?..)?,
        };
    }
    None
}
