//! One row of a JSON document.

use std::collections::BTreeSet;

use serde_json::Value;

/// A row.
#[derive(Debug, Clone)]
pub struct Row(pub Value);

impl Row {
    /// The value at a path such as `tcp_info.rtt_us`, if there is one; null is
    /// one.
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |value, key| value.get(key))
    }

    /// The number at a path; `None` where there is none, or null.
    pub fn number(&self, path: &str) -> Option<u64> {
        let value = self.at(path).filter(|value| !value.is_null())?;
        Some(value.as_u64().unwrap_or_else(|| panic!("{path} is no integer: {value}")))
    }

    /// The text at a path; empty where there is none.
    pub fn text(&self, path: &str) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether it is true at a path.
    pub fn is(&self, path: &str) -> bool {
        self.at(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the list at a path has this text.
    pub fn lists(&self, path: &str, text: &str) -> bool {
        let list = self.at(path).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry == text))
    }

    /// The kernel's name for the socket.
    pub fn cookie(&self) -> u64 {
        let text = self.text("cookie");
        let digits = text.strip_prefix("0x").unwrap_or_else(|| panic!("cookie {text:?}"));
        u64::from_str_radix(digits, 16).unwrap()
    }

    /// Its state.
    pub fn state(&self) -> &str {
        self.text("state")
    }

    /// Own port.
    pub fn port(&self) -> u64 {
        self.number("local.port").unwrap()
    }

    /// The peer's port.
    pub fn peer(&self) -> u64 {
        self.number("remote.port").unwrap()
    }

    /// Pids of the holders that are named.
    pub fn pids(&self) -> Vec<u64> {
        let holders = self.at("processes").and_then(Value::as_array);
        holders.into_iter().flatten().map(|holder| holder["pid"].as_u64().unwrap()).collect()
    }
}

/// The sockets of these rows.
pub fn cookies(rows: &[Row]) -> BTreeSet<u64> {
    rows.iter().map(Row::cookie).collect()
}
