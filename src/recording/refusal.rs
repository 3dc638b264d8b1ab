//! What a file that is no recording is, by its first bytes.

/// First bytes of known formats.
const MAGICS: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "a gzip file (gunzip it)"),
    (b"\x04\x22\x4d\x18", "an lz4 file (unlz4 it)"),
    (b"\xfd7zXZ", "an xz file (unxz it)"),
    (b"\x7fELF", "a program"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip file"),
];

/// The format of a file with these first bytes; `compressed` if they were decompressed.
pub(super) fn describe(head: &[u8], compressed: bool) -> String {
    let what = if head.is_empty() {
        "an empty file"
    } else if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        what
    } else if matches!(head.first(), Some(b'{' | b'[')) {
        "JSON, or text"
    } else if head.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "text"
    } else {
        "data of an unknown kind"
    };
    if compressed { format!("{what}, compressed with zstd") } else { what.to_owned() }
}

/// What a capture of this link type contains.
pub(super) fn describe_link(link: u16) -> String {
    let what = match link {
        1 => "Ethernet frames",
        101 | 228 | 229 => "IP packets",
        113 | 276 => "packets of any interface (`tcpdump -i any`)",
        105 | 127 => "frames of a wireless network",
        _ => return format!("a capture of link type {link}"),
    };
    format!("a capture of {what}")
}
