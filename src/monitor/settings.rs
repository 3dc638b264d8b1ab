//! The settings of a network namespace that go into a recording.

use std::path::Path;

use crate::settings::{Value, Values};

const ROOT: &str = "/proc/sys";

/// The range of ephemeral ports, which is not among the checked settings.
pub(super) const EPHEMERAL: &str = "net.ipv4.ip_local_port_range";

/// The settings of the calling thread's namespace as a recording has them: a line for each, its
/// name, a blank, its value.
pub(super) fn recorded_settings() -> String {
    let mut text = String::new();
    for (setting, value) in read_settings().iter() {
        if let Value::Text(value) = value {
            text.push_str(&format!("{} {value}\n", setting.name));
        }
    }
    if let Some(range) = port_range()
        && !text.contains(EPHEMERAL)
    {
        let range = range.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("{EPHEMERAL} {range}\n"));
    }
    text
}

/// The settings of the calling thread's namespace.
pub fn read_settings() -> Values {
    Values::read(Path::new(ROOT))
}

/// The ephemeral ports of the calling thread's namespace.
pub(super) fn port_range() -> Option<String> {
    std::fs::read_to_string(Path::new(ROOT).join(EPHEMERAL.replace('.', "/"))).ok()
}
