//! Replacing names by hashes.

use super::key::{Key, Use};

/// Names that are the same on every host with systemd, the kubelet or the kernel.
const COMMON: [&str; 16] = [
    "",
    "system.slice",
    "user.slice",
    "machine.slice",
    "app.slice",
    "session.slice",
    "background.slice",
    "init.scope",
    "kubepods",
    "kubepods.slice",
    "besteffort",
    "burstable",
    "kubepods-besteffort.slice",
    "kubepods-burstable.slice",
    "docker",
    "lxc",
];

/// Suffixes of systemd's units, which show what a cgroup is.
const SUFFIXES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// Prefixes that mark containers and pods.
const PREFIXES: [&str; 12] = [
    "docker-",
    "cri-containerd-",
    "containerd-",
    "nerdctl-",
    "crio-",
    "libpod-",
    "lxc.payload.",
    "machine-",
    "user@",
    "kubepods-besteffort-pod",
    "kubepods-burstable-pod",
    "kubepods-pod",
];

/// Algorithms, protocols and queueing disciplines that every kernel may have. (Modules and BPF programs bring others.)
const PROTOCOLS: [&str; 36] = [
    "reno",
    "cubic",
    "bic",
    "bbr",
    "bbr1",
    "bbr2",
    "bbr3",
    "dctcp",
    "vegas",
    "veno",
    "westwood",
    "htcp",
    "hybla",
    "highspeed",
    "illinois",
    "lp",
    "nv",
    "scalable",
    "yeah",
    "cdg",
    "prague",
    "dctcp-reno",
    "tls",
    "mptcp",
    "espintcp",
    "smc",
    "fq_codel",
    "fq",
    "pfifo_fast",
    "pfifo",
    "noqueue",
    "cake",
    "sfq",
    "mq",
    "fq_pie",
    "codel",
];

/// A process's name: 14 characters, as many as the kernel has room for.
pub(super) fn process(key: &Key, name: &str) -> String {
    // It marks a socket that systemd holds for a service.
    if name == "systemd" { name.to_owned() } else { hashed(key, Use::Process, "p-", name, 12) }
}

/// A network namespace's name.
pub(super) fn namespace(key: &Key, name: &str) -> String {
    hashed(key, Use::Namespace, "ns-", name, 12)
}

/// An interface's name.
pub(super) fn interface(key: &Key, name: &str) -> String {
    if name == "lo" { name.to_owned() } else { hashed(key, Use::Interface, "if-", name, 10) }
}

/// A host's name.
pub(super) fn host(key: &Key, name: &str) -> String {
    hashed(key, Use::Host, "host-", name, 12)
}

/// A boot's id, in its usual form.
pub(super) fn boot(key: &Key, id: &str) -> String {
    let digits = key.digits(Use::Boot, id.as_bytes(), 32);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The numbers that a kernel's release begins with: builders append their names.
pub(super) fn release(release: &str) -> &str {
    let end = release.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
    release.get(..end.unwrap_or(release.len())).unwrap_or_default()
}

/// Whether a name of an algorithm or protocol may stay.
pub(super) fn is_common_protocol(name: &str) -> bool {
    PROTOCOLS.contains(&name)
}

/// A congestion control's name.
pub(super) fn protocol(key: &Key, name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(known) if is_common_protocol(known) => name.to_vec(),
        _ => format!("cc-{}", key.digits(Use::Protocol, name, 10)).into_bytes(),
    }
}

/// A cgroup's path, with the same depth; each part is a hash unless it is the same everywhere. The
/// marks of units, containers and pods stay.
pub(super) fn cgroup(key: &Key, path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(|part| cgroup_part(key, part)).collect();
    parts.join("/")
}

fn cgroup_part(key: &Key, part: &str) -> String {
    if COMMON.contains(&part) {
        return part.to_owned();
    }
    let suffix = SUFFIXES.into_iter().find(|suffix| part.ends_with(suffix)).unwrap_or_default();
    let rest = part.strip_suffix(suffix).unwrap_or(part);
    let prefix = PREFIXES.into_iter().find(|prefix| rest.starts_with(prefix));
    let prefix = prefix.or_else(|| pod_prefix(rest)).unwrap_or_default();
    let name = rest.strip_prefix(prefix).unwrap_or(rest);
    let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = if is_id { 64 } else { 12 };
    let mark = if is_id || !prefix.is_empty() { "" } else { "g-" };
    let hash = key.digits(Use::Cgroup, name.as_bytes(), digits);
    format!("{prefix}{mark}{hash}{suffix}")
}

/// The kubelet without systemd: `pod` and a uid.
fn pod_prefix(name: &str) -> Option<&'static str> {
    let uid = name.strip_prefix("pod")?;
    let hexadecimal = uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (uid.len() >= 32 && hexadecimal).then_some("pod")
}

fn hashed(key: &Key, what: Use, prefix: &str, name: &str, digits: usize) -> String {
    format!("{prefix}{}", key.digits(what, name.as_bytes(), digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::{Runtime, container, unit};

    #[test]
    fn units_and_containers_are_still_recognised() {
        let key = Key::random().unwrap();
        let id = "0123456789abcdef".repeat(4);
        for (path, runtime) in [
            (format!("/system.slice/docker-{id}.scope"), Runtime::Docker),
            (format!("/machine.slice/libpod-{id}.scope/container"), Runtime::Podman),
            (format!("/docker/{id}"), Runtime::Docker),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\
                     1b2c3d4e_0000_1111_2222_333344445555.slice/cri-containerd-{id}.scope"
                ),
                Runtime::Containerd,
            ),
            (
                format!("/kubepods/besteffort/pod1b2c3d4e-0000-1111-2222-333344445555/{id}"),
                Runtime::Kubernetes,
            ),
        ] {
            let mapped = cgroup(&key, &path);
            assert_eq!(container(&mapped).unwrap().runtime, runtime, "{mapped}");
            assert!(!mapped.contains(&id) && !mapped.contains("1b2c3d4e"), "{mapped}");
            assert_eq!(mapped.matches('/').count(), path.matches('/').count());
        }
        let mapped = cgroup(&key, "/system.slice/shop-backend.service/payload");
        assert!(unit(&mapped).unwrap().ends_with(".service"), "{mapped}");
        assert!(!mapped.contains("shop") && !mapped.contains("payload"), "{mapped}");
        assert!(unit(&cgroup(&key, "/user.slice/user@1000.service")).unwrap().starts_with("user@"));
        assert_eq!(cgroup(&key, "/"), "/");
        assert_eq!(cgroup(&key, "/init.scope"), "/init.scope");
    }

    #[test]
    fn one_name_is_one_hash_under_one_key() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_eq!(process(&key, "java"), process(&key, "java"));
        assert_ne!(process(&key, "java"), process(&other, "java"));
        assert_ne!(process(&key, "java"), process(&key, "jave"));
        assert!(process(&key, "java").len() <= 15 && interface(&key, "eth0").len() <= 15);
        assert_eq!(boot(&key, "x").len(), 36);
        assert_eq!(release("6.1.90-acme+"), "6.1.90");
        assert_eq!(release("acme"), "");
        assert_eq!(protocol(&key, b"cubic"), b"cubic");
        assert!(protocol(&key, b"acme_cc").len() < 16);
    }
}
