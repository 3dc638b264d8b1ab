//! The TCP counters of a namespace, read without tcpdiag.

use std::collections::BTreeMap;

/// `Tcp:` and `TcpExt:` of /proc/net/snmp and /proc/net/netstat, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Those of the namespace where the calling thread is.
    pub fn read() -> Self {
        let mut all = BTreeMap::new();
        for file in ["snmp", "netstat"] {
            let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.chunks_exact(2) {
                let [mut names, mut values] = [pair[0], pair[1]].map(str::split_whitespace);
                if !["Tcp:", "TcpExt:"].map(Some).contains(&names.next()) {
                    continue;
                }
                values.next();
                let known = names.zip(values);
                all.extend(known.map(|(name, value)| (name.to_owned(), value.parse().unwrap())));
            }
        }
        Self(all)
    }

    /// One of them; 0 where this kernel has none of that name.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// How much one grew since `before`.
    pub fn growth(&self, before: &Self, name: &str) -> u64 {
        u64::try_from(self.get(name) - before.get(name)).unwrap()
    }

    /// All that grew since `before`.
    pub fn grown<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.keys().map(|name| (name.as_str(), self.get(name) - before.get(name))).filter_map(
            |(name, growth)| {
                u64::try_from(growth).ok().filter(|growth| *growth > 0).map(|growth| (name, growth))
            },
        )
    }
}
