//! Which sockets: plain flags and the trailing expression, as one formula.

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::exit::eprint_line;
use super::redirect::refuse_redirect;
use crate::filter::{
    self, Comparison, Expr, Family, Names, Pattern, PlanOptions, Predicate, begins_expression,
};
use crate::model::{Role, StateSet};
use crate::procfs::capabilities;
use crate::wire::bytecode::Side;

/// Filter flags, namespaces, and the search for owners.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Read another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    pub(super) netns: Vec<String>,
    /// Show the processes that hold each socket.
    #[arg(long, short = 'P', help_heading = "Owners")]
    pub(super) processes: bool,
    /// Find every holder of a socket, not only the first and its relatives: reads the descriptors
    /// of all processes.
    #[arg(long, help_heading = "Owners")]
    pub(super) all_owners: bool,
}

impl FilterArgs {
    /// All that was asked for as one formula.
    pub(super) fn expression(&self, names: &dyn Names) -> anyhow::Result<Expr> {
        self.which.expression(names)
    }

    /// Reports each process that was asked for and does not exist, or whose sockets are in another
    /// namespace than those that are shown.
    pub(super) fn report_absent_processes(&self) {
        let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
        let own = namespace("self").ok();
        for pid in &self.which.pid {
            match namespace(&pid.to_string()) {
                Ok(of_process) if self.netns.is_empty() && own.as_ref() != Some(&of_process) => {
                    eprint_line(format_args!(
                        "tcpdiag: --pid {pid}: this process is in another network namespace, whose sockets \
                         are not shown; --netns {pid} shows them"
                    ));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    eprint_line(format_args!("tcpdiag: --pid {pid}: there is no such process"));
                }
                _ => {}
            }
        }
    }

    /// Whether several namespaces may be shown.
    pub(super) fn has_many_namespaces(&self) -> bool {
        self.netns.len() > 1 || self.netns.iter().any(|spec| spec == "all")
    }

    /// Whether owners are asked for.
    pub(super) fn asks_for_owners(&self) -> bool {
        self.processes || self.all_owners
    }

    /// What the kernel may be asked to decide. It decides marks for holders of
    /// CAP_NET_ADMIN only.
    pub(super) fn plan_options(&self) -> PlanOptions {
        PlanOptions { mark: capabilities::has_net_admin(), cgroup: true, netns: None }
    }
}

/// Which sockets: filter flags and the expression.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct WhichArgs {
    /// Port on either side, a number or a service name; repeatable.
    #[arg(long, short = 'p', value_name = "PORT")]
    pub(super) port: Vec<String>,
    /// Local port; repeatable.
    #[arg(long, value_name = "PORT")]
    pub(super) local_port: Vec<String>,
    /// Remote port; repeatable.
    #[arg(long, value_name = "PORT")]
    pub(super) remote_port: Vec<String>,
    /// Local address or prefix, e.g. 10.0.0.0/8; repeatable.
    #[arg(long, value_name = "ADDR", value_parser = prefix)]
    pub(super) local_ip: Vec<Prefix>,
    /// Remote address or prefix; repeatable.
    #[arg(long, value_name = "ADDR", value_parser = prefix)]
    pub(super) remote_ip: Vec<Prefix>,
    /// Which end of its connection the socket is.
    #[arg(long, value_enum, value_name = "ROLE")]
    role: Option<RoleArg>,
    /// State, or a group of states: all, connected, synchronized, bucket, big; repeatable.
    #[arg(long, short, value_name = "STATE", value_parser = states)]
    pub(super) state: Vec<StateSet>,
    /// Held by the process of this id; repeatable.
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Held by a process of this name, `*` allowed; repeatable.
    #[arg(long, value_name = "NAME")]
    process: Vec<String>,
    /// Owner's user id or name; repeatable.
    #[arg(long, value_name = "USER")]
    uid: Vec<String>,
    /// Made in the cgroup of this path, or in one below it; repeatable.
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,
    /// IPv4 sockets only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(super) ipv4: bool,
    /// IPv6 sockets only, v4-mapped ones included.
    #[arg(short = '6', long)]
    pub(super) ipv6: bool,
    /// Filter expression, as ss takes it and more; see below.
    #[arg(value_name = "EXPRESSION", help_heading = "Filters")]
    pub(super) expression: Vec<String>,
}

/// Roles that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Accepted by a listener of this host.
    Server,
    /// Opened by this host.
    Client,
    /// Either.
    Any,
}

impl WhichArgs {
    /// All that was asked for as one formula.
    pub(super) fn expression(&self, names: &dyn Names) -> anyhow::Result<Expr> {
        let mut parts = vec![
            self.ports("--port", &self.port, None, names)?,
            self.ports("--local-port", &self.local_port, Some(Side::Local), names)?,
            self.ports("--remote-port", &self.remote_port, Some(Side::Remote), names)?,
            prefixes("--local-ip", &self.local_ip, Side::Local, names)?,
            prefixes("--remote-ip", &self.remote_ip, Side::Remote, names)?,
            any(&self.pid, |pid| Predicate::Pid(*pid)),
            any(&self.process, |name| Predicate::Comm(Pattern::of_comm(name))),
            any_of(self.cgroup.iter().map(|path| below(path, names)).collect::<Result<_, _>>()?),
        ];
        if !self.state.is_empty() {
            let states = self.state.iter().fold(StateSet::NONE, |all, set| all.union(*set));
            parts.push(Predicate::State(states).into());
        }
        match self.role {
            Some(RoleArg::Server) => parts.push(Predicate::Role(Role::Server).into()),
            Some(RoleArg::Client) => parts.push(Predicate::Role(Role::Client).into()),
            Some(RoleArg::Any) | None => {}
        }
        if self.ipv4 || self.ipv6 {
            let family = if self.ipv4 { Family::V4 } else { Family::V6 };
            parts.push(Predicate::Family(family).into());
        }
        let mut users = Vec::new();
        for user in &self.uid {
            let uid = user.parse().ok().or_else(|| names.user(user));
            let uid = uid.with_context(|| {
                format!("--uid {user}: no such user; accepted are user ids and names of passwd(5)")
            })?;
            users.push(Predicate::Uid(uid).into());
        }
        parts.push(any_of(users));
        let text = self.expression.join(" ");
        if !text.trim().is_empty() {
            refuse_redirect(&self.expression)?;
            parts.push(filter::parse(&text, names)?);
        }
        Ok(Expr::all(parts))
    }

    /// The word before the expression, and the arguments without it; `None` where an expression begins
    /// at once.
    pub(super) fn split_name(&self) -> Option<(String, Self)> {
        let (name, rest) = self.expression.split_first()?;
        let is_name = !name.contains(char::is_whitespace) && !begins_expression(name);
        is_name.then(|| (name.clone(), Self { expression: rest.to_vec(), ..self.clone() }))
    }

    fn ports(
        &self,
        flag: &str,
        ports: &[String],
        side: Option<Side>,
        names: &dyn Names,
    ) -> anyhow::Result<Expr> {
        let mut wanted = Vec::new();
        for text in ports {
            let port = match text.parse::<u16>() {
                Ok(port) => Some(port).filter(|&port| port > 0),
                Err(_) => names.port(text),
            };
            let port = port.with_context(|| {
                format!(
                    "{flag} {text}: no such port; accepted are 1 to 65535 and names of services(5)"
                )
            })?;
            wanted.push(Predicate::Port { side, op: Comparison::Equal, port }.into());
        }
        Ok(any_of(wanted))
    }
}

/// In the cgroup of this path or in one below it. The path may be given as it
/// stands in the file system, and with `*` may name several.
fn below(path: &str, names: &dyn Names) -> anyhow::Result<Expr> {
    let inner = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .iter()
        .find_map(|mount| path.strip_prefix(mount))
        .unwrap_or(path)
        .trim_matches('/');
    let own = format!("/{inner}");
    if !own.contains('*') && names.cgroup(&own).is_empty() {
        bail!("--cgroup {path}: no such cgroup; accepted are paths of cgroup v2, `*` allowed");
    }
    let children = format!("{}/*", own.trim_end_matches('/'));
    let parts = [own, children].map(|path| Predicate::CgroupPath(Pattern::new(&path)).into());
    Ok(Expr::any(parts.into()))
}

/// Whether some value's predicate holds; every socket where there are no values.
fn any<T>(values: &[T], predicate: impl Fn(&T) -> Predicate) -> Expr {
    any_of(values.iter().map(|value| predicate(value).into()).collect())
}

/// Whether one of these holds; every socket where there are none.
fn any_of(parts: Vec<Expr>) -> Expr {
    if parts.is_empty() { Expr::True } else { Expr::any(parts) }
}

/// An address or prefix, and the interface of its link as it was given.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    net: IpNet,
    zone: Option<String>,
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (address, length) = (self.net.addr(), self.net.prefix_len());
        match &self.zone {
            Some(zone) => write!(formatter, "{address}%{zone}/{length}"),
            None => write!(formatter, "{address}/{length}"),
        }
    }
}

pub(super) fn prefix(text: &str) -> Result<Prefix, String> {
    let (written, length) = match text.split_once('/') {
        Some((written, length)) => (written, Some(length)),
        None => (text, None),
    };
    let (address, zone) = filter::split_zone(written);
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let address = bare.unwrap_or(address).parse::<std::net::IpAddr>().ok();
    let net = address.and_then(|address| match length {
        Some(length) => IpNet::new(address, length.parse().ok()?).ok(),
        None => Some(address.into()),
    });
    let net = net.ok_or_else(|| {
        format!(
            "`{text}` is no address or prefix; accepted are e.g. 10.0.0.1, 10.0.0.0/8, ::1, \
             2001:db8::/32, fe80::1%eth0, with prefix lengths up to 32 for IPv4 and 128 for IPv6"
        )
    })?;
    Ok(Prefix { net, zone: zone.map(str::to_owned) })
}

/// Whether one of these contains an address; every socket where there are none.
fn prefixes(
    flag: &str,
    prefixes: &[Prefix],
    side: Side,
    names: &dyn Names,
) -> anyhow::Result<Expr> {
    let mut wanted = Vec::new();
    for prefix in prefixes {
        let inside = Predicate::Prefix { side: Some(side), net: prefix.net }.into();
        let zone = prefix.zone.as_deref().map(|zone| filter::interface(zone, names));
        let zone = zone.unwrap_or(Ok(Expr::True)).map_err(|error| {
            anyhow!("{flag} {prefix}: {}; accepted: {}", error.message, error.accepted)
        })?;
        wanted.push(zone.and(inside));
    }
    Ok(any_of(wanted))
}

pub(super) fn states(text: &str) -> Result<StateSet, String> {
    StateSet::named(text)
        .ok_or_else(|| format!("`{text}` is no state; accepted are {}", StateSet::NAMES))
}
