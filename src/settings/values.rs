//! The current values of the settings.

use std::path::Path;

use super::setting::{Scope, Setting};
use crate::counters::{Fault, Release};

/// The directories of the settings.
const DIRECTORIES: [&str; 2] = ["net/ipv4", "net/core"];

/// Mainline kernels that have every setting of a namespace in every namespace: in 4.19 and before,
/// some of them are only in the first one. Later kernels than the last may remove some.
const COMPLETE: (Release, Release) = (Release::new(5, 0), Release::new(7, 3));

/// A build of the kernel may leave this out (CONFIG_SYN_COOKIES).
const OPTIONAL: &str = "tcp_syncookies";

/// A list that is empty by default.
const MAY_BE_EMPTY: &str = "ip_local_reserved_ports";

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// As the kernel prints it, with single spaces.
    Text(String),
    /// This kernel or this namespace does not have the setting.
    Absent,
    /// The file cannot be read whole, with the reason.
    Unreadable(Fault, String),
}

/// The value of every setting of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(Vec<(&'static Setting, Value)>);

impl Values {
    /// Reads the files below `root`, usually `/proc/sys`. They show the namespace of the reading
    /// thread.
    pub fn read(root: &Path) -> Self {
        Self(Setting::all().iter().map(|setting| (setting, setting.read(root))).collect())
    }

    /// The paths of the settings that could not be read whole on a kernel of this release, with what
    /// is wrong. One that this kernel need not have is not among them.
    pub fn unread(&self, kernel: Option<Release>) -> Vec<(String, Fault)> {
        let (first, last) = COMPLETE;
        let is_complete = kernel.is_some_and(|kernel| first <= kernel && kernel <= last);
        let is_empty = |directory: &str| {
            let mut inside = self.iter().filter(|(setting, _)| setting.is_in(directory));
            inside.all(|(_, value)| *value == Value::Absent)
        };
        let gone: Vec<&str> = DIRECTORIES.into_iter().filter(|it| is_empty(it)).collect();
        let mut unread: Vec<(String, Fault)> =
            gone.iter().map(|it| (format!("/proc/sys/{it}"), Fault::Missing)).collect();
        for (setting, value) in self.iter() {
            let is_gone = gone.iter().any(|directory| setting.is_in(directory));
            let must_exist = is_complete && setting.scope == Scope::Namespace && !is_gone;
            let fault = setting.fault(value, must_exist && setting.short() != OPTIONAL);
            unread.extend(fault.map(|fault| (setting.path(), fault)));
        }
        unread
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
            Value::Absent | Value::Unreadable(..) => None,
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
    pub(crate) fn of(values: &[(&str, &str)]) -> Self {
        let value = |setting: &Setting| {
            let found = values.iter().find(|(name, _)| *name == setting.short());
            found.map_or(Value::Absent, |(_, text)| Value::Text((*text).to_owned()))
        };
        Self(Setting::all().iter().map(|setting| (setting, value(setting))).collect())
    }
}

impl Setting {
    /// Reads its file below `root`.
    pub fn read(&self, root: &Path) -> Value {
        let text = match std::fs::read_to_string(root.join(self.name.replace('.', "/"))) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Value::Absent,
            Err(error) => return Value::Unreadable(Fault::Unreadable, error.kind().to_string()),
        };
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // `proc_dointvec()` and its siblings end every value with a line feed.
        match (words.is_empty(), text.ends_with('\n')) {
            (true, _) if self.short() != MAY_BE_EMPTY => {
                Value::Unreadable(Fault::Empty, "the file is empty".to_owned())
            }
            (false, false) => Value::Unreadable(Fault::Cut, "the file is cut short".to_owned()),
            _ => Value::Text(words),
        }
    }

    /// What is wrong with a value of this setting, which a namespace need not have unless it
    /// `must_exist`.
    pub fn fault(&self, value: &Value, must_exist: bool) -> Option<Fault> {
        let text = match value {
            Value::Unreadable(fault, _) => return Some(*fault),
            Value::Absent => return must_exist.then_some(Fault::Missing),
            Value::Text(text) => text,
        };
        let least = match self.short() {
            "tcp_rmem" | "tcp_wmem" | "tcp_mem" => 3,
            "ip_local_port_range" => 2,
            _ => 1,
        };
        let numbers = text.split(' ').filter(|word| word.parse::<i64>().is_ok()).count();
        match self.unit.as_str() {
            "text" => (text.is_empty() && self.short() != MAY_BE_EMPTY).then_some(Fault::Empty),
            _ if text.is_empty() => Some(Fault::Empty),
            _ if numbers != text.split(' ').count() => Some(Fault::Malformed),
            _ => (numbers < least).then_some(Fault::Cut),
        }
    }

    /// The path of its file.
    pub fn path(&self) -> String {
        format!("/proc/sys/{}", self.name.replace('.', "/"))
    }

    /// Whether it is in a directory.
    fn is_in(&self, directory: &str) -> bool {
        self.path().strip_prefix("/proc/sys/").is_some_and(|path| path.starts_with(directory))
    }
}

/// Whether a path is that of a setting, or of a directory of settings.
pub fn is_setting(path: &str) -> bool {
    let inside = path.strip_prefix("/proc/sys/");
    inside.is_some_and(|inside| DIRECTORIES.iter().any(|directory| inside.starts_with(directory)))
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
        assert!(matches!(of("tcp_sack"), Some(Value::Unreadable(Fault::Unreadable, _))));
    }
    #[test]
    fn missing_empty_and_cut_settings_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let unread = |kernel: &str| Values::read(root.path()).unread(kernel.parse().ok());
        let directories = ["/proc/sys/net/ipv4", "/proc/sys/net/core"];
        let gone = directories.map(|it| (it.to_owned(), Fault::Missing));
        for kernel in ["3.10", "6.18", "no release"] {
            assert_eq!(unread(kernel), gone, "{kernel}");
        }
        std::fs::create_dir_all(path("net/ipv4")).unwrap();
        std::fs::create_dir_all(path("net/core")).unwrap();
        for setting in Setting::all() {
            let text = match setting.short() {
                MAY_BE_EMPTY => "\n",
                "tcp_rmem" | "tcp_wmem" | "tcp_mem" => "1\t2\t3\n",
                "ip_local_port_range" => "1 2\n",
                _ => "1\n",
            };
            std::fs::write(path(&setting.name.replace('.', "/")), text).unwrap();
        }
        assert_eq!(unread("6.18"), []);
        for (text, fault) in [
            ("", Fault::Empty),
            ("\n", Fault::Empty),
            ("4096\t131", Fault::Cut),
            ("4096\t131\n", Fault::Cut),
            ("4096\tx\t3\n", Fault::Malformed),
        ] {
            std::fs::write(path("net/ipv4/tcp_rmem"), text).unwrap();
            let wanted = [("/proc/sys/net/ipv4/tcp_rmem".to_owned(), fault)];
            assert_eq!(unread("6.18"), wanted, "{text:?}");
            assert_eq!(Values::read(root.path()).triple("tcp_rmem"), None);
        }
        // Missing in a kernel that has it in every namespace; others may lack it.
        std::fs::remove_file(path("net/ipv4/tcp_rmem")).unwrap();
        let missing = [("/proc/sys/net/ipv4/tcp_rmem".to_owned(), Fault::Missing)];
        assert_eq!(unread("6.18.44-generic"), missing);
        assert_eq!((unread("4.4"), unread("9.1")), (vec![], vec![]));
        assert!(missing.iter().all(|(path, _)| is_setting(path)));
        assert!(!is_setting("/proc/net/netstat"));
        assert!(!is_setting("/proc/sys/net/netfilter/nf_conntrack_max"));
    }

    #[test]
    fn this_machine_has_every_setting() {
        let kernel = rustix::system::uname().release().to_string_lossy().parse().ok();
        assert_eq!(Values::read(Path::new("/proc/sys")).unread(kernel), []);
    }
}
