//! A pair of virtual Ethernet devices between two namespaces.

use super::network::ip;
use super::{Addresses, Network, Side};

/// The device's name, on either side and with either carrier.
pub const DEVICE: &str = "lab0";

/// A cable that loses nothing; what loses is [`Loss`](super::loss::Loss).
#[derive(Debug)]
pub struct Wire(());

impl Wire {
    /// Joins the networks.
    pub fn lay(networks: &[Network; 2], addresses: Addresses) -> Result<Self, String> {
        let [client, server] = networks;
        let there = server.path();
        client.inside(|| {
            ip(&format!("link add {DEVICE} type veth peer name {DEVICE} netns {there}"))
        })?;
        for side in Side::BOTH {
            networks[side.index()].inside(|| address(addresses, side))?;
        }
        Ok(Self(()))
    }
}

/// Gives the device of one side its addresses, and brings it up.
pub fn address(addresses: Addresses, side: Side) -> Result<(), String> {
    ip(&format!("link set {DEVICE} mtu 1500 txqueuelen 10000 up"))?;
    ip(&format!("address add {}/30 dev {DEVICE}", addresses.v4(side)))?;
    // A kernel without IPv6 has none to test.
    let _ = ip(&format!("address add {}/64 dev {DEVICE} nodad", addresses.v6(side)));
    Ok(())
}

/// Makes every packet one segment, in the network where the caller is, so that
/// a retransmission that the kernel tells of is a retransmitted segment.
pub fn one_segment_per_packet() -> Result<(), String> {
    ip(&format!("link set {DEVICE} gso_max_segs 1"))
}
