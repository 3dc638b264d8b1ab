//! The settings of a network namespace that go into a recording.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::counters::Fault;
use crate::identity::{DEFAULT_EPHEMERAL, ephemeral_range};
use crate::recording::RecordedNamespace;
use crate::settings::{Setting, Value, Values};

const ROOT: &str = "/proc/sys";

/// The range of ephemeral ports.
const EPHEMERAL: &str = "net.ipv4.ip_local_port_range";

/// The settings of the calling thread's namespace as a recording has them: a line for each, its
/// name, a blank, its value.
pub(super) fn recorded_settings() -> String {
    let mut text = String::new();
    for (setting, value) in read_settings().iter() {
        if let Value::Text(value) = value {
            text.push_str(&format!("{} {value}\n", setting.name));
        }
    }
    text
}

/// The settings of the calling thread's namespace.
pub fn read_settings() -> Values {
    Values::read(Path::new(ROOT))
}

/// A range of ports; if the setting could not be read, the usual range, the path of the setting and
/// what is wrong with it.
type PortRange = (RangeInclusive<u16>, Option<(String, Fault)>);

/// The ephemeral ports of the calling thread's namespace.
pub(super) fn port_range() -> PortRange {
    range_of(|setting| setting.read(Path::new(ROOT)), true)
}

/// The ephemeral ports of a recorded namespace. Other programs record no settings at all.
pub(super) fn recorded_port_range(recorded: &RecordedNamespace) -> PortRange {
    let value = |_: &Setting| {
        let text = recorded.setting(EPHEMERAL);
        text.map_or(Value::Absent, |text| Value::Text(text.to_owned()))
    };
    range_of(value, !recorded.settings.is_empty())
}

fn range_of(value: impl Fn(&Setting) -> Value, must_exist: bool) -> PortRange {
    let Some(setting) = Setting::find(EPHEMERAL) else { return (DEFAULT_EPHEMERAL, None) };
    let value = value(setting);
    let text = if let Value::Text(text) = &value { Some(text.as_str()) } else { None };
    let fault = setting.fault(&value, must_exist);
    (ephemeral_range(text), fault.map(|fault| (setting.path(), fault)))
}
