//! systemd units and containers, from a cgroup path: how systemd and the container runtimes name
//! their cgroups.
//!
//! Whoever makes a cgroup chooses its name. So the names are not to be trusted, and not escaped
//! here (`output` does that).

use std::borrow::Cow;
use std::fmt;

/// The types of units that have processes in their cgroup (systemd.unit(5)). Slices only group.
const UNIT_SUFFIXES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// The number of hexadecimal digits that runtimes show of an id.
const SHORT_ID: usize = 12;

/// Who made a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker (`docker-<id>.scope`, `/docker/<id>`, `/ecs/<task>/<id>`).
    Docker,
    /// containerd through the kubelet's CRI.
    Containerd,
    /// CRI-O.
    Crio,
    /// Podman and other users of libpod.
    Podman,
    /// LXC, LXD, Incus.
    Lxc,
    /// systemd-nspawn and machines registered at systemd-machined.
    Nspawn,
    /// A pod's container whose path does not say which runtime (the `cgroupfs` driver).
    Kubernetes,
}

impl fmt::Display for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
            Self::Kubernetes => "kubernetes",
        })
    }
}

/// What a path says about a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Container<'path> {
    /// Who made it.
    pub runtime: Runtime,
    /// Its id (64 hexadecimal digits) or, for LXC and nspawn, its name.
    pub id: Cow<'path, str>,
    /// The uid of the Kubernetes pod it belongs to, with hyphens.
    pub pod: Option<Cow<'path, str>>,
}

impl Container<'_> {
    /// The id as the runtimes show it: 12 digits; a name stays whole.
    #[must_use]
    pub fn short_id(&self) -> &str {
        if is_id(&self.id) { self.id.get(..SHORT_ID).unwrap_or(&self.id) } else { &self.id }
    }
}

/// The systemd unit that a cgroup belongs to: the innermost component that names one, unescaped.
///
/// `/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service` is `foo.service`; a
/// service's own sub-cgroups (`/system.slice/foo.service/payload`) are the service.
#[must_use]
pub fn unit(path: &str) -> Option<Cow<'_, str>> {
    path.rsplit('/')
        .map(strip_kernel_escape)
        .find(|name| {
            UNIT_SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
        })
        .map(unescape)
}

/// The container that a cgroup belongs to: the innermost component that names one.
#[must_use]
pub fn container(path: &str) -> Option<Container<'_>> {
    let mut parents = path;
    while let Some((outer, name)) = parents.rsplit_once('/') {
        if let Some((runtime, id)) = named_container(outer, strip_kernel_escape(name)) {
            return Some(Container { runtime, id, pod: pod(parents) });
        }
        parents = outer;
    }
    None
}

/// Recognises one component, given those outside it.
fn named_container<'path>(
    outer: &'path str,
    name: &'path str,
) -> Option<(Runtime, Cow<'path, str>)> {
    let scope = name.strip_suffix(".scope");
    if let Some(found) = scope.and_then(scoped_container) {
        return Some(found);
    }
    // runc without the systemd driver, given a systemd path: `slice:prefix:id` taken literally,
    // as in `system.slice:docker:<id>` and `kubepods-…-pod<uid>.slice:cri-containerd:<id>`.
    if let Some((before, id)) = name.rsplit_once(':').filter(|(_, id)| is_id(id)) {
        let prefix = before.rsplit(':').next().unwrap_or_default();
        return Some((runtime_of(prefix)?, id.into()));
    }
    // crun and podman's cgroupfs driver: `libpod-<id>`; CRI-O's: `crio-<id>`.
    if let Some((prefix, id)) = name.rsplit_once('-').filter(|(_, id)| is_id(id)) {
        return Some((runtime_of(prefix)?, id.into()));
    }
    if let Some(name) =
        name.strip_prefix("lxc.payload.").or_else(|| name.strip_prefix("lxc.payload-"))
    {
        return Some((Runtime::Lxc, name.into()));
    }
    let machine =
        name.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service"));
    if let Some(machine) = machine {
        return Some((Runtime::Nspawn, unescape(machine)));
    }
    let parent = outer.rsplit('/').next().unwrap_or_default();
    match parent {
        "lxc" | "lxc.payload" if !name.is_empty() => Some((Runtime::Lxc, name.into())),
        "docker" if is_id(name) => Some((Runtime::Docker, name.into())),
        _ if is_id(name) && outer.starts_with("/ecs/") => Some((Runtime::Docker, name.into())),
        _ if is_id(name) && pod(outer).is_some() => Some((Runtime::Kubernetes, name.into())),
        _ => None,
    }
}

/// The systemd drivers' scopes: `docker-<id>.scope` and so on, `machine-<name>.scope`.
fn scoped_container(scope: &str) -> Option<(Runtime, Cow<'_, str>)> {
    // `crio-conmon-<id>.scope` and `libpod-conmon-<id>.scope` hold the monitor, not the container.
    if let Some((prefix, id)) = scope.rsplit_once('-').filter(|(_, id)| is_id(id)) {
        return Some((runtime_of(prefix)?, id.into()));
    }
    let machine = unescape(scope.strip_prefix("machine-")?);
    // libvirt registers its guests as machines too: `qemu-1-name` is no container.
    (!machine.starts_with("qemu-")).then_some((Runtime::Nspawn, machine))
}

fn runtime_of(prefix: &str) -> Option<Runtime> {
    match prefix {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::Crio),
        "libpod" => Some(Runtime::Podman),
        _ => None,
    }
}

/// The pod's uid in `…/kubepods-burstable-pod<uid>.slice` (underscores for hyphens, since a
/// hyphen nests slices) or `…/kubepods/burstable/pod<uid>`, also before a `:` of a literal path.
fn pod(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains("kubepods") {
        return None;
    }
    let named = path.rsplit('/').find_map(|name| {
        let name = name.split(':').next().unwrap_or(name);
        let name = name.strip_suffix(".slice").unwrap_or(name);
        let uid = match name.rsplit_once("-pod") {
            Some((_, uid)) => uid,
            None => name.strip_prefix("pod")?,
        };
        (!uid.is_empty()
            && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_')))
        .then_some(uid)
    })?;
    Some(if named.contains('_') { named.replace('_', "-").into() } else { named.into() })
}

/// Whether this is a container id: 64 hexadecimal digits, or what ECS makes of one
/// (`<32 digits>-<decimal>`).
fn is_id(name: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name.len() {
        64 => hexadecimal(name),
        _ => name.split_once('-').is_some_and(|(task, number)| {
            task.len() == 32
                && hexadecimal(task)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
    }
}

/// systemd prefixes `_` to a name that could be mistaken for a kernel file (`cg_escape()`).
fn strip_kernel_escape(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

/// Undoes systemd-escape(1): `\x2d` is a hyphen. What decodes to no UTF-8 stays as it is.
fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains("\\x") {
        return name.into();
    }
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        plain.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    plain.extend_from_slice(rest.as_bytes());
    String::from_utf8(plain).map_or(name.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4a9cf7f6d3f3d5a2a7c0b7c1a5e0f0c5b9f4f1e2d3c4b5a69788796a5b4c3d";
    const POD: &str = "0d0b7a5c-8f0e-4a4e-9a55-1f6b8f7a1c2d";

    #[test]
    fn units() {
        for (path, expected) in [
            ("/", None),
            ("/init.scope", Some("init.scope")),
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            ("/system.slice/ssh.service/payload/worker", Some("ssh.service")),
            ("/system.slice/sshd.socket", Some("sshd.socket")),
            ("/system.slice/dev-disk-by\\x2duuid-1\\x2d2.swap", Some("dev-disk-by-uuid-1-2.swap")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service",
                Some("foo.service"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome\\x2dterm-1.scope",
                Some("app-gnome-term-1.scope"),
            ),
            ("/user.slice/user-1000.slice", None),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/system.slice/.service", None),
            ("/system.slice/bad\\xzz.service", Some("bad\\xzz.service")),
            ("/system.slice/bad\\xff.service", Some("bad\\xff.service")),
            ("", None),
        ] {
            assert_eq!(unit(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn containers() {
        let slice_pod = POD.replace('-', "_");
        for (path, expected) in [
            (format!("/system.slice/docker-{ID}.scope"), Some((Runtime::Docker, ID, None))),
            (format!("/docker/{ID}"), Some((Runtime::Docker, ID, None))),
            (format!("/docker/{ID}/init"), Some((Runtime::Docker, ID, None))),
            (format!("/system.slice:docker:{ID}"), Some((Runtime::Docker, ID, None))),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope"
                ),
                Some((Runtime::Docker, ID, None)),
            ),
            (
                format!("/ecs/8b4c7c1d2e3f40516273849506172839/{ID}"),
                Some((Runtime::Docker, ID, None)),
            ),
            (
                "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-2061"
                    .to_owned(),
                Some((Runtime::Docker, "0123456789abcdef0123456789abcdef-2061", None)),
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice_pod}.slice/cri-containerd-{ID}.scope"
                ),
                Some((Runtime::Containerd, ID, Some(POD))),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{slice_pod}.slice/crio-{ID}.scope"),
                Some((Runtime::Crio, ID, Some(POD))),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{slice_pod}.slice/docker-{ID}.scope"),
                Some((Runtime::Docker, ID, Some(POD))),
            ),
            (
                format!("/kubepods/besteffort/pod{POD}/{ID}"),
                Some((Runtime::Kubernetes, ID, Some(POD))),
            ),
            (
                format!(
                    "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{slice_pod}.slice/cri-containerd-{ID}.scope"
                ),
                Some((Runtime::Containerd, ID, Some(POD))),
            ),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-burstable-pod{slice_pod}.slice:cri-containerd:{ID}"
                ),
                Some((Runtime::Containerd, ID, Some(POD))),
            ),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-burstable-pod{slice_pod}.slice:cri-containerd:{ID}/kubepods"
                ),
                Some((Runtime::Containerd, ID, Some(POD))),
            ),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                Some((Runtime::Podman, ID, None)),
            ),
            (format!("/libpod_parent/libpod-{ID}"), Some((Runtime::Podman, ID, None))),
            (format!("/machine.slice/libpod-conmon-{ID}.scope"), None),
            (format!("/kubepods.slice/kubepods-pod{slice_pod}.slice/crio-conmon-{ID}.scope"), None),
            (
                "/lxc.payload.web01/system.slice/nginx.service".to_owned(),
                Some((Runtime::Lxc, "web01", None)),
            ),
            ("/lxc/web01".to_owned(), Some((Runtime::Lxc, "web01", None))),
            ("/lxc.monitor.web01".to_owned(), None),
            (
                "/machine.slice/systemd-nspawn@deb\\x2d12.service/payload".to_owned(),
                Some((Runtime::Nspawn, "deb-12", None)),
            ),
            (
                "/machine.slice/machine-deb\\x2d12.scope".to_owned(),
                Some((Runtime::Nspawn, "deb-12", None)),
            ),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt".to_owned(), None),
            ("/system.slice/docker.service".to_owned(), None),
            ("/system.slice/nginx.service".to_owned(), None),
            ("/docker/buildkit".to_owned(), None),
            ("/user.slice/user-0.slice/session-1.scope".to_owned(), None),
            (format!("/{ID}"), None),
            ("/".to_owned(), None),
            (String::new(), None),
        ] {
            let found = container(&path);
            let found =
                found.as_ref().map(|found| (found.runtime, &*found.id, found.pod.as_deref()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn the_short_id_has_twelve_digits_and_names_stay_whole() {
        let path = format!("/docker/{ID}");
        assert_eq!(container(&path).unwrap().short_id(), "3f4a9cf7f6d3");
        assert_eq!(container("/lxc/a-rather-long-name").unwrap().short_id(), "a-rather-long-name");
    }
}
