//! Names of well-known ports.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::sys::read_regular_text;

/// Where the names of this host are, and the most bytes of it. Debian's has 13 kB, the whole IANA
/// registry 1 MB.
const SERVICES: &str = "/etc/services";
const LARGEST: u64 = 4 << 20;

/// What runs on these ports in practice, where the IANA registry and thus
/// services(5) have another name or none.
const IN_PRACTICE: [(u16, &str); 36] = [
    (2181, "zookeeper"),
    (2379, "etcd"),
    (2380, "etcd-peer"),
    (3000, "grafana"),
    (3306, "mysql"),
    (4222, "nats"),
    (4317, "otlp-grpc"),
    (4318, "otlp-http"),
    (5432, "postgresql"),
    (5672, "amqp"),
    (6379, "redis"),
    (6443, "kube-apiserver"),
    (7000, "cassandra"),
    (8080, "http-alt"),
    (8086, "influxdb"),
    (8123, "clickhouse"),
    (8300, "consul"),
    (8443, "https-alt"),
    (8500, "consul-http"),
    (9000, "clickhouse-tcp"),
    (9042, "cassandra-cql"),
    (9090, "prometheus"),
    (9092, "kafka"),
    (9093, "alertmanager"),
    (9100, "node-exporter"),
    (9200, "elasticsearch"),
    (9300, "elastic-node"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (15672, "rabbitmq"),
    (16379, "redis-bus"),
    (19092, "kafka-alt"),
    (25672, "rabbitmq-dist"),
    (26257, "cockroachdb"),
    (27017, "mongodb"),
    (50010, "hdfs-datanode"),
];

/// Port to name, and back.
#[derive(Debug, Default)]
pub struct PortNames {
    names: FxHashMap<u16, Box<str>>,
    ports: FxHashMap<Box<str>, u16>,
}

impl PortNames {
    /// Those of this host: services(5), but [`IN_PRACTICE`] goes first.
    pub fn load() -> Self {
        Self::parse(&read_regular_text(Path::new(SERVICES), LARGEST).unwrap_or_default())
    }

    /// From the text of services(5). Skips other protocols than TCP and malformed lines.
    pub fn parse(services: &str) -> Self {
        let mut names = Self::default();
        for (port, name) in IN_PRACTICE {
            names.names.insert(port, name.into());
            names.ports.insert(name.into(), port);
        }
        for line in services.lines() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let (Some(name), Some(protocol)) = (words.next(), words.next()) else { continue };
            let Some(port) = protocol.strip_suffix("/tcp").and_then(|port| port.parse().ok())
            else {
                continue;
            };
            names.names.entry(port).or_insert_with(|| name.into());
            for name in std::iter::once(name).chain(words) {
                names.ports.entry(name.into()).or_insert(port);
            }
        }
        names
    }

    /// The name of a port.
    pub fn name(&self, port: u16) -> Option<&str> {
        self.names.get(&port).map(AsRef::as_ref)
    }

    /// The port of a name or alias.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_services() {
        let names = PortNames::parse(
            "# comment\nhttp\t80/tcp\twww # WorldWideWeb\nhttp 80/udp\neforward 2181/tcp\nbad\nx y/tcp\n",
        );
        assert_eq!(names.name(80), Some("http"));
        assert_eq!(names.port("www"), Some(80));
        assert_eq!(names.name(2181), Some("zookeeper"));
        assert_eq!(names.port("eforward"), Some(2181));
        assert_eq!(names.name(81), None);
        assert_eq!(names.port("bad"), None);
    }
}
