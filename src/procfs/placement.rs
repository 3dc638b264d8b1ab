//! The unit and container of a socket, from its own cgroup and that of the process that holds it.
//!
//! A socket stays in the cgroup it was made in. Its holder may be in another one: after socket
//! activation, when the descriptor was passed on, or when the process was moved (a login session).

use std::borrow::Cow;

use super::unit::{container, unit};

/// Where a socket belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement<'path> {
    /// The systemd unit, unescaped.
    pub unit: Option<Cow<'path, str>>,
    /// The container's id as the runtimes show it (12 digits), or its name.
    pub container: Option<String>,
}

/// Where a socket belongs, from the cgroup paths of the socket and of its holder. `None` is a path
/// that is not known; the root (`/`) says nothing.
///
/// The container is that of the process, or else that of the socket. The same holds for the unit,
/// except that a cgroup that names a service (a container, `*.service`, `*.socket`) goes before one
/// that does not (`init.scope`, `session-3.scope`, `user@1000.service`). A container without a unit
/// has no unit, whoever made the socket.
#[must_use]
pub fn placement<'path>(
    socket: Option<&'path str>,
    process: Option<&'path str>,
) -> Placement<'path> {
    let candidates = [process, socket].map(|path| Candidate::new(path?));
    let known = || candidates.iter().flatten();
    let by_unit = known().find(|candidate| candidate.names_service);
    let by_unit = by_unit.or_else(|| known().find(|candidate| candidate.unit.is_some()));
    Placement {
        unit: by_unit.and_then(|candidate| candidate.unit.clone()),
        container: known().find_map(|candidate| candidate.container.clone()),
    }
}

/// What one cgroup says.
struct Candidate<'path> {
    unit: Option<Cow<'path, str>>,
    container: Option<String>,
    names_service: bool,
}

impl<'path> Candidate<'path> {
    fn new(path: &'path str) -> Option<Self> {
        if path == "/" {
            return None;
        }
        let unit = unit(path);
        let container = container(path).map(|found| found.short_id().to_owned());
        let names_service = container.is_some() || unit.as_deref().is_some_and(is_service);
        Some(Self { unit, container, names_service })
    }
}

/// Whether a unit is a service, rather than a session or a user's service manager.
fn is_service(unit: &str) -> bool {
    (unit.ends_with(".service") || unit.ends_with(".socket")) && !unit.starts_with("user@")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4a9cf7f6d3f3d5a2a7c0b7c1a5e0f0c5b9f4f1e2d3c4b5a69788796a5b4c3d";
    const SHORT: &str = "3f4a9cf7f6d3";
    const POD: &str = "0d0b7a5c_8f0e_4a4e_9a55_1f6b8f7a1c2d";

    /// The cgroups of socket and process, and the unit and container that follow.
    type Row<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    fn check(table: &[Row<'_>]) {
        for &(socket, process, unit, container) in table {
            let found = placement(socket, process);
            let found = (found.unit.as_deref(), found.container.as_deref());
            assert_eq!(found, (unit, container), "socket {socket:?}, process {process:?}");
        }
    }

    #[test]
    fn one_cgroup() {
        const SERVICE: Option<&str> = Some("/system.slice/a.service");
        const SESSION: Option<&str> = Some("/user.slice/user-0.slice/session-3.scope");
        const MANAGER: Option<&str> = Some("/user.slice/user-1000.slice/user@1000.service");
        check(&[
            (None, None, None, None),
            (Some("/"), Some("/"), None, None),
            (Some(""), None, None, None),
            (SERVICE, None, Some("a.service"), None),
            (SERVICE, Some("/"), Some("a.service"), None),
            (None, SERVICE, Some("a.service"), None),
            (Some("/"), SERVICE, Some("a.service"), None),
            (SERVICE, SERVICE, Some("a.service"), None),
            (SESSION, None, Some("session-3.scope"), None),
            (None, MANAGER, Some("user@1000.service"), None),
        ]);
    }

    #[test]
    fn the_socket_was_made_elsewhere() {
        const SSH: Option<&str> = Some("/system.slice/ssh.service");
        const SSH_SOCKET: Option<&str> = Some("/system.slice/ssh.socket");
        const INIT: Option<&str> = Some("/init.scope");
        const SESSION: Option<&str> = Some("/user.slice/user-0.slice/session-3.scope");
        const MANAGER: Option<&str> = Some("/user.slice/user-1000.slice/user@1000.service");
        const APP: Option<&str> =
            Some("/user.slice/user-1000.slice/user@1000.service/app.slice/app.service");
        check(&[
            // Socket activation.
            (SSH_SOCKET, SSH, Some("ssh.service"), None),
            (INIT, SSH, Some("ssh.service"), None),
            (MANAGER, APP, Some("app.service"), None),
            // Not activated yet: systemd itself holds it.
            (SSH_SOCKET, INIT, Some("ssh.socket"), None),
            // sshd accepts, and the session's process is moved after the login.
            (SSH, SESSION, Some("ssh.service"), None),
            (APP, MANAGER, Some("app.service"), None),
            // A descriptor that was passed on.
            (Some("/system.slice/a.service"), SSH, Some("ssh.service"), None),
            (INIT, SESSION, Some("session-3.scope"), None),
            // A slice names nothing.
            (SSH, Some("/system.slice"), Some("ssh.service"), None),
        ]);
    }

    #[test]
    fn containers() {
        let docker = format!("/system.slice/docker-{ID}.scope");
        let scope = format!("docker-{ID}.scope");
        let cgroupfs = format!("/docker/{ID}");
        let podman = format!("/machine.slice/libpod-{ID}.scope/container");
        let podman_scope = format!("libpod-{ID}.scope");
        let pod = format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD}.slice/cri-containerd-{ID}.scope"
        );
        let pod_scope = format!("cri-containerd-{ID}.scope");
        let pod_cgroupfs = format!("/kubepods/besteffort/pod{}/{ID}", POD.replace('_', "-"));
        let daemon = Some("/system.slice/docker.service");
        let session = Some("/user.slice/user-0.slice/session-3.scope");
        let other = "a".repeat(64);
        let other_container = format!("/docker/{other}");
        check(&[
            (Some(&docker), Some(&docker), Some(&scope), Some(SHORT)),
            (None, Some(&docker), Some(&scope), Some(SHORT)),
            (Some("/"), Some(&cgroupfs), None, Some(SHORT)),
            (Some(&podman), Some(&podman), Some(&podman_scope), Some(SHORT)),
            (Some(&pod), Some(&pod), Some(&pod_scope), Some(SHORT)),
            (Some(&pod_cgroupfs), None, None, Some(SHORT)),
            // The runtime made the socket and passed it into the container.
            (daemon, Some(&docker), Some(&scope), Some(SHORT)),
            (daemon, Some(&cgroupfs), None, Some(SHORT)),
            // A process of the host entered the container's network, or took its socket.
            (Some(&docker), daemon, Some("docker.service"), Some(SHORT)),
            (Some(&pod), session, Some(&pod_scope), Some(SHORT)),
            // Two containers: the process's.
            (Some(&other_container), Some(&docker), Some(&scope), Some(SHORT)),
            // A service of a container's own systemd.
            (
                Some("/lxc.payload.web01/init.scope"),
                Some("/lxc.payload.web01/system.slice/nginx.service"),
                Some("nginx.service"),
                Some("web01"),
            ),
        ]);
    }
}
