//! The current values of the settings.

use std::path::Path;

use super::setting::Setting;

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// As the kernel prints it, with single spaces.
    Text(String),
    /// This kernel or this namespace does not have the setting.
    Absent,
    /// The file cannot be read, with the reason.
    Unreadable(String),
}

/// The value of every setting of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(Vec<(&'static Setting, Value)>);

impl Values {
    /// Reads the files below `root`, usually `/proc/sys`. They show the namespace of the reading
    /// thread.
    pub fn read(root: &Path) -> Self {
        let value = |setting: &Setting| match std::fs::read_to_string(
            root.join(setting.name.replace('.', "/")),
        ) {
            Ok(text) => Value::Text(text.split_whitespace().collect::<Vec<_>>().join(" ")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Absent,
            Err(error) => Value::Unreadable(error.kind().to_string()),
        };
        Self(Setting::all().iter().map(|setting| (setting, value(setting))).collect())
    }

    /// Parses the format of recordings: one line per setting, name, space, value.
    pub fn recorded(text: &str) -> Self {
        let value = |setting: &Setting| {
            let mut lines = text.lines();
            let found = lines.find_map(|line| line.strip_prefix(&setting.name)?.strip_prefix(' '));
            found.map_or(Value::Absent, |value| Value::Text(value.to_owned()))
        };
        Self(Setting::all().iter().map(|setting| (setting, value(setting))).collect())
    }

    /// Settings with their values, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        self.0.iter().map(|(setting, value)| (*setting, value))
    }

    /// The text of a value, by its short name.
    pub fn text(&self, short: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(setting, _)| setting.short() == short)?;
        match value {
            Value::Text(text) => Some(text),
            Value::Absent | Value::Unreadable(_) => None,
        }
    }

    /// The numbers of a value; `None` if it is absent or not numeric.
    pub fn numbers(&self, short: &str) -> Option<Vec<i64>> {
        self.text(short)?.split(' ').map(|number| number.parse().ok()).collect()
    }

    /// The value, if it is one number.
    pub fn number(&self, short: &str) -> Option<i64> {
        match self.numbers(short)?.as_slice() {
            [number] => Some(*number),
            _ => None,
        }
    }

    /// The value, if it is three numbers.
    pub fn triple(&self, short: &str) -> Option<[i64; 3]> {
        self.numbers(short)?.try_into().ok()
    }

    /// From given values, for tests.
    #[cfg(test)]
    pub(super) fn of(values: &[(&str, &str)]) -> Self {
        let value = |setting: &Setting| {
            let found = values.iter().find(|(name, _)| *name == setting.short());
            found.map_or(Value::Absent, |(_, text)| Value::Text((*text).to_owned()))
        };
        Self(Setting::all().iter().map(|setting| (setting, value(setting))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_recordings() {
        let values = Values::recorded("net.ipv4.tcp_rmem 4096 131072 6291456\nnet.core.x 1\n");
        assert_eq!(values.triple("tcp_rmem"), Some([4096, 131_072, 6_291_456]));
        assert_eq!(values.text("tcp_wmem"), None);
    }

    #[test]
    fn reads_this_machine() {
        let values = Values::read(Path::new("/proc/sys"));
        assert!(values.triple("tcp_rmem").is_some());
        assert!(values.number("somaxconn").is_some());
        assert!(values.text("tcp_congestion_control").is_some());
        assert_eq!(values.number("tcp_rmem"), None);
    }

    #[test]
    fn absent_and_unreadable_differ() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("net/ipv4/tcp_sack")).unwrap();
        std::fs::create_dir_all(root.path().join("net/core")).unwrap();
        std::fs::write(root.path().join("net/ipv4/tcp_rmem"), "4096\t131072\t6291456\n").unwrap();
        std::fs::write(root.path().join("net/core/somaxconn"), "many\n").unwrap();
        let values = Values::read(root.path());
        assert_eq!(values.triple("tcp_rmem"), Some([4096, 131_072, 6_291_456]));
        assert_eq!((values.text("somaxconn"), values.number("somaxconn")), (Some("many"), None));
        let of = |short| {
            values.iter().find(|(setting, _)| setting.short() == short).map(|(_, value)| value)
        };
        assert_eq!(of("tcp_dsack"), Some(&Value::Absent));
        assert!(matches!(of("tcp_sack"), Some(Value::Unreadable(_))));
    }
}
