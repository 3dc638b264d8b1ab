//! Address families.

/// A set of address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Families {
    /// IPv4 sockets.
    pub v4: bool,
    /// IPv6 sockets, v4-mapped ones included.
    pub v6: bool,
}

impl Families {
    /// No family.
    pub const NONE: Self = Self { v4: false, v6: false };
    /// Both families.
    pub const BOTH: Self = Self { v4: true, v6: true };
}
