//! Address families.

/// Which of the two families are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Families {
    /// IPv4 sockets.
    pub v4: bool,
    /// IPv6 sockets, v4-mapped ones included.
    pub v6: bool,
}

impl Families {
    /// Neither.
    pub const NONE: Self = Self { v4: false, v6: false };
    /// Both.
    pub const BOTH: Self = Self { v4: true, v6: true };
}
