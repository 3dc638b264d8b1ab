//! What is read of a host besides its sockets.

use std::io;
use std::path::Path;

use super::error::MonitorError;
use super::input::{NamespaceInput, Side};
use super::live_namespace::LiveNamespace;
use crate::counters::{
    Counters, Device, FileFault, HOST_FILES, Softnet, host_faults, parse_devices, parse_softnet,
};
use crate::sys::at_own_thread;

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
    /// The files besides the counters that could not be read whole.
    pub faults: Vec<FileFault>,
}

/// A file's text; `None` if there is no such file.
type Text = io::Result<Option<String>>;

/// Reads the files of a live namespace, or else of a recording.
pub(super) fn read_host(
    input: &mut NamespaceInput,
    namespace: Option<&LiveNamespace>,
    side: Side,
) -> Result<HostReading, MonitorError> {
    let mut counters = Counters::default();
    input.read_counters(side, &mut counters)?;
    let texts: Vec<(&str, Text)> = match namespace {
        Some(namespace) => {
            namespace.inside(|| HOST_FILES.map(|(name, path)| (name, read(path))))?
        }
        None => HOST_FILES.map(|(name, _)| (name, Ok(input.text(side, name).map(str::to_owned)))),
    }
    .into();
    let text = |wanted: &str| match texts.iter().find(|(name, _)| *name == wanted) {
        Some((_, Ok(text))) => Ok(text.as_deref()),
        Some((_, Err(error))) => Err(error.kind()),
        None => Ok(None),
    };
    let known = |wanted: &str| text(wanted).ok().flatten();
    Ok(HostReading {
        counters,
        softnet: known("softnet_stat").map(parse_softnet),
        devices: known("dev").map(parse_devices).unwrap_or_default(),
        conntrack: conntrack(known),
        faults: host_faults(text),
    })
}

fn read(path: &str) -> Text {
    match std::fs::read_to_string(at_own_thread(Path::new(path))) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tracked connections and how many there may be, where connections are tracked.
fn conntrack<'t>(text: impl Fn(&str) -> Option<&'t str>) -> Option<(u64, u64)> {
    // A number without its line feed may lack digits.
    let read = |name: &str| text(name)?.strip_suffix('\n')?.trim().parse::<u64>().ok();
    Some((read("nf_conntrack_count")?, read("nf_conntrack_max")?))
}
