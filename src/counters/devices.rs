//! `/proc/net/dev`: packets that network devices received, sent or dropped.
//!
//! Printed by `dev_seq_printf_stats()` in net/core/net-procfs.c, for the reader's namespace.

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Name.
    pub name: String,
    /// Packets received.
    pub received: u64,
    /// Packets received and dropped, or missed for lack of a buffer.
    pub receive_drops: u64,
    /// Packets received with an error.
    pub receive_errors: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets dropped instead of sent.
    pub send_drops: u64,
}

/// The most devices of a namespace. A recording may claim any number.
const MOST: usize = 1 << 16;

/// Parses the text. Lines that cannot be read are left out.
pub fn parse_devices(text: &str) -> Vec<Device> {
    text.lines().filter_map(device).take(MOST).collect()
}

/// `name: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ...`
fn device(line: &str) -> Option<Device> {
    let (name, rest) = line.rsplit_once(':')?;
    let numbers: Option<Vec<u64>> =
        rest.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    let numbers = numbers?;
    let at = |place: usize| numbers.get(place).copied();
    Some(Device {
        name: name.trim().to_owned(),
        received: at(1)?,
        receive_errors: at(2)?,
        receive_drops: at(3)?.saturating_add(at(4)?),
        sent: at(9)?,
        send_drops: at(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_host() {
        let text = "Inter-|   Receive                                                |  Transmit\n\
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
             lo: 100 10 0 0 0 0 0 0 100 10 0 0 0 0 0 0\n  \
             eth0: 5000 50 1 2 3 0 0 0 600 60 0 7 0 0 0 0\n\
             eth0:1 x\n";
        let devices = parse_devices(text);
        assert_eq!(devices.len(), 2);
        let eth = &devices[1];
        assert_eq!((eth.name.as_str(), eth.received, eth.receive_errors), ("eth0", 50, 1));
        assert_eq!((eth.receive_drops, eth.sent, eth.send_drops), (5, 60, 7));
        assert!(parse_devices("").is_empty() && parse_devices(":::\n1:2").is_empty());
    }
}
