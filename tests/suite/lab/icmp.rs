//! What a router says of a packet that is too big for its next hop.

/// As much of the packet as the message quotes.
const QUOTED: usize = 512;

/// The message about `packet`, as if from its destination: ICMP fragmentation needed (RFC 1191)
/// or ICMPv6 packet too big (RFC 4443).
pub fn too_big(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let quoted = &packet[..packet.len().min(QUOTED)];
    match packet.first()? >> 4 {
        4 => {
            let mut body = vec![3, 4, 0, 0, 0, 0];
            body.extend(mtu.to_be_bytes());
            body.extend(quoted);
            let sum = checksum(&[&body]);
            body[2..4].copy_from_slice(&sum.to_be_bytes());
            let length = u16::try_from(20 + body.len()).ok()?;
            let mut message = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
            message[2..4].copy_from_slice(&length.to_be_bytes());
            message.extend(packet.get(16..20)?);
            message.extend(packet.get(12..16)?);
            let sum = checksum(&[&message]);
            message[10..12].copy_from_slice(&sum.to_be_bytes());
            message.extend(body);
            Some(message)
        }
        6 => {
            let mut body = vec![2, 0, 0, 0];
            body.extend(u32::from(mtu).to_be_bytes());
            body.extend(quoted);
            let length = u16::try_from(body.len()).ok()?;
            let [source, destination] = [packet.get(24..40)?, packet.get(8..24)?];
            let pseudo = [0, 0, length.to_be_bytes()[0], length.to_be_bytes()[1], 0, 0, 0, 58];
            let sum = checksum(&[source, destination, &pseudo, &body]);
            body[2..4].copy_from_slice(&sum.to_be_bytes());
            let mut message = vec![0x60, 0, 0, 0, 0, 0, 58, 64];
            message[4..6].copy_from_slice(&length.to_be_bytes());
            message.extend(source);
            message.extend(destination);
            message.extend(body);
            Some(message)
        }
        _ => None,
    }
}

/// The Internet checksum (RFC 1071) of parts of even length, but for the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[test]
fn messages_have_right_checksums() {
    let mut v4 = vec![0; 1400];
    v4[..20]
        .copy_from_slice(&[0x45, 0, 5, 120, 0, 0, 64, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let message = too_big(&v4, 1300).unwrap();
    assert_eq!([checksum(&[&message[..20]]), checksum(&[&message[20..]])], [0, 0]);
    assert_eq!(message[12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
    assert_eq!(message[20..28], [3, 4, message[22], message[23], 0, 0, 5, 20]);
    let mut v6 = vec![0x60; 1400];
    v6[8..40].copy_from_slice(&std::array::from_fn::<u8, 32, _>(|at| at as u8));
    let message = too_big(&v6, 1300).unwrap();
    let length = message[4..6].to_vec();
    let pseudo = [0, 0, length[0], length[1], 0, 0, 0, 58];
    assert_eq!(checksum(&[&message[8..24], &message[24..40], &pseudo, &message[40..]]), 0);
    assert_eq!(message[8..24], v6[24..40]);
}
