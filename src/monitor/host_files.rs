//! What is read of a host besides its sockets.

use std::path::Path;

use super::error::MonitorError;
use super::input::{NamespaceInput, Side};
use crate::counters::{Counters, Device, Softnet, parse_devices, parse_softnet, read_softnet};
use crate::procfs::NetNamespace;

/// What is read of a host at one time.
#[derive(Debug, Clone, Default)]
pub struct HostReading {
    /// The counter files, sockstat included.
    pub counters: Counters,
    /// What the processors did with received packets.
    pub softnet: Option<Softnet>,
    /// Its network devices.
    pub devices: Vec<Device>,
    /// Tracked connections and how many there may be.
    pub conntrack: Option<(u64, u64)>,
}

/// Reads the files of a live namespace, or else of a recording.
pub(super) fn read_host(
    input: &mut NamespaceInput,
    namespace: Option<&NetNamespace>,
    side: Side,
) -> Result<HostReading, MonitorError> {
    let mut counters = Counters::default();
    input.read_counters(side, &mut counters)?;
    let Some(namespace) = namespace else {
        return Ok(HostReading {
            counters,
            softnet: input.text(side, "softnet_stat").map(parse_softnet),
            devices: input.text(side, "dev").map(parse_devices).unwrap_or_default(),
            conntrack: conntrack(|name| input.text(side, name).map(str::to_owned)),
        });
    };
    let read = || HostReading {
        counters,
        softnet: read_softnet(Path::new("/proc/thread-self/net")).ok().flatten(),
        devices: std::fs::read_to_string("/proc/thread-self/net/dev")
            .map(|text| parse_devices(&text))
            .unwrap_or_default(),
        conntrack: conntrack(|name| {
            std::fs::read_to_string(Path::new("/proc/sys/net/netfilter").join(name)).ok()
        }),
    };
    Ok(namespace.inside(read)?)
}

/// Tracked connections and how many there may be, where connections are tracked.
fn conntrack(text: impl Fn(&str) -> Option<String>) -> Option<(u64, u64)> {
    let read = |name: &str| text(name)?.trim().parse::<u64>().ok();
    Some((read("nf_conntrack_count")?, read("nf_conntrack_max")?))
}
