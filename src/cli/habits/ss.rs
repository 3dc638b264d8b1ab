//! `tcpdiag ss`: the command line of ss(8), answered by the commands of this program.

use anyhow::{bail, ensure};
use clap::Args;

/// Show TCP sockets as ss is asked for them: its own flags and filters, with the tables of this
/// program.
///
/// The flags are those of ss(8). `conns` and `listeners` take them too, also several behind one dash,
/// as in `tcpdiag conns -tnp`.
#[derive(Debug, Default, Args)]
#[command(
    disable_version_flag = true,
    after_help = "Flags of ss and what they mean here:
  -t -n        nothing: only TCP sockets are shown, and ports as numbers
  -l           tcpdiag listeners
  -s           tcpdiag summary
  -E           tcpdiag closed
  -a           --state all
  -p           -P, --processes      -p PORT of conns is --port
  -i           -d, --detail         -i TIME of conns is --interval
  -o           the column timer     -o FORMAT of conns is --output
  -e           the columns uid, inode, cookie
  -m           the columns of socket memory: rmem_alloc, rcvbuf, ...
  -r           --names=dns
  -K           --kill, which asks first
  -H           --no-header
  -f, -A       -4, -6; only TCP can be asked for
In conns, -p, -n, -s, -o and -i keep the meaning that its help states wherever a
value follows them.

Examples:
  tcpdiag ss -tlnp
  tcpdiag ss -tn state established '( dport = :443 or sport = :443 )'
  tcpdiag ss -ti dst 10.0.0.0/8"
)]
pub(in crate::cli) struct SsCommand {
    /// TCP sockets: always so.
    #[arg(short, long)]
    tcp: bool,
    /// Ports as numbers: always so.
    #[arg(short, long)]
    numeric: bool,
    /// Names of hosts, from DNS.
    #[arg(short, long)]
    resolve: bool,
    /// Sockets in all states.
    #[arg(short, long)]
    all: bool,
    /// Listening sockets.
    #[arg(short, long)]
    listening: bool,
    /// Timers.
    #[arg(short, long)]
    options: bool,
    /// Owner's user id, inode and cookie.
    #[arg(short, long)]
    extended: bool,
    /// Socket memory.
    #[arg(short, long)]
    memory: bool,
    /// Processes that hold the sockets.
    #[arg(short, long)]
    processes: bool,
    /// All that the kernel tells of each connection.
    #[arg(short, long)]
    info: bool,
    /// Counts of sockets.
    #[arg(short, long)]
    summary: bool,
    /// Types of service and priorities.
    #[arg(long)]
    tos: bool,
    /// Cgroups.
    #[arg(long)]
    cgroup: bool,
    /// Connections as they end.
    #[arg(short = 'E', long)]
    events: bool,
    /// Another network namespace.
    #[arg(short = 'N', long = "net", value_name = "NETNS")]
    net: Option<String>,
    /// IPv4 sockets only.
    #[arg(short = '4', long)]
    ipv4: bool,
    /// IPv6 sockets only.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Only this family: inet or inet6.
    #[arg(short, long)]
    family: Option<String>,
    /// Only this kind of socket: tcp.
    #[arg(short = 'A', long, visible_alias = "socket")]
    query: Option<String>,
    /// Close the sockets.
    #[arg(short = 'K', long)]
    kill: bool,
    /// No header line.
    #[arg(short = 'H', long)]
    no_header: bool,
    /// One line per socket.
    #[arg(short = 'O', long)]
    oneline: bool,
    /// Of other protocols, which are left out.
    #[arg(short, long, hide = true)]
    udp: bool,
    #[arg(short = 'w', long, hide = true)]
    raw: bool,
    #[arg(short = 'x', long, hide = true)]
    unix: bool,
    #[arg(short, long, hide = true)]
    dccp: bool,
    #[arg(short = 'S', long, hide = true)]
    sctp: bool,
    #[arg(short = 'M', long, hide = true)]
    mptcp: bool,
    #[arg(short = '0', long, hide = true)]
    packet: bool,
    /// A filter, as ss takes it.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

/// The columns beside those that were asked for.
const CONNECTION: [&str; 5] = ["state", "recv_q", "send_q", "local", "remote"];
const LISTENER: [&str; 4] = ["local", "accept_queue", "accept_queue_max", "syn_recv_count"];
const MEMORY: [&str; 9] = [
    "rmem_alloc",
    "rcvbuf",
    "wmem_alloc",
    "sndbuf",
    "fwd_alloc",
    "wmem_queued",
    "optmem",
    "backlog",
    "drops",
];

/// The command of this program that answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) command: &'static str,
    pub(super) arguments: Vec<String>,
    /// What is left out, to be said.
    pub(super) note: Option<String>,
}

impl SsCommand {
    /// The command that answers. Where the user has `chosen` columns or a form of output already, none
    /// are added.
    pub(super) fn answer(self, chosen: bool) -> anyhow::Result<Answer> {
        let note = self.check_protocols()?;
        let command = match (self.summary, self.events, self.listening) {
            (true, _, _) => "summary",
            (_, true, _) => "closed",
            (_, _, true) => "listeners",
            _ => "conns",
        };
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |wanted: bool, argument: &str| {
            if wanted {
                arguments.push(argument.to_owned());
            }
        };
        let shows_sockets = matches!(command, "conns" | "listeners");
        add(self.all && command == "conns", "--state=all");
        add(shows_sockets && self.processes, "--processes");
        add(command == "conns" && self.resolve, "--names=dns");
        add(command == "conns" && self.kill, "--kill");
        add(shows_sockets && self.no_header, "--no-header");
        add(self.ipv4 || self.family.as_deref() == Some("inet"), "--ipv4");
        add(self.ipv6 || self.family.as_deref() == Some("inet6"), "--ipv6");
        if shows_sockets && !chosen {
            match (self.info, self.columns(command)) {
                (true, _) => add(true, "--detail"),
                (false, Some(columns)) => add(true, &format!("--columns={columns}")),
                (false, None) => add(self.oneline, "--oneline"),
            }
        }
        arguments.extend(self.net.map(|netns| format!("--netns={netns}")));
        arguments.extend(self.filter);
        Ok(Answer { command, arguments, note })
    }

    /// The columns that the flags ask for; `None` where the usual ones do.
    fn columns(&self, command: &str) -> Option<String> {
        let asked: [(bool, &[&str]); 5] = [
            (self.options, &["timer"]),
            (self.extended, &["uid", "inode", "cookie"]),
            (self.memory, &MEMORY),
            (self.tos, &["tos", "tclass", "class_id"]),
            (self.cgroup, &["cgroup"]),
        ];
        if asked.iter().all(|(wanted, _)| !wanted) {
            return None;
        }
        let mut names = match command {
            "listeners" => LISTENER.to_vec(),
            _ => CONNECTION.to_vec(),
        };
        if self.processes {
            names.push("process");
        }
        for (_, columns) in asked.iter().filter(|(wanted, _)| *wanted) {
            names.extend(*columns);
        }
        Some(names.join(","))
    }

    /// Refuses to be asked for other sockets only; says which are left out.
    fn check_protocols(&self) -> anyhow::Result<Option<String>> {
        if let Some(family) = self.family.as_deref() {
            ensure!(
                ["inet", "inet6"].contains(&family),
                "-f {family}: only TCP sockets are shown; accepted are inet and inet6"
            );
        }
        let queries: Vec<&str> =
            self.query.as_deref().into_iter().flat_map(|q| q.split(',')).collect();
        let asks_for_tcp =
            self.tcp || queries.iter().any(|query| ["tcp", "inet", "all"].contains(query));
        if let (Some(query), false) = (&self.query, asks_for_tcp) {
            bail!("-A {query}: only TCP sockets are shown; accepted is tcp");
        }
        let others = [
            (self.udp, "-u"),
            (self.raw, "-w"),
            (self.unix, "-x"),
            (self.dccp, "-d"),
            (self.sctp, "-S"),
            (self.mptcp, "-M"),
            (self.packet, "-0"),
        ];
        let others: Vec<&str> =
            others.into_iter().filter_map(|(wanted, flag)| wanted.then_some(flag)).collect();
        if others.is_empty() {
            return Ok(None);
        }
        let others = others.join(" ");
        ensure!(asks_for_tcp, "{others}: only TCP sockets are shown; `ss {others}` shows these");
        Ok(Some(format!(
            "{others} is left out: only TCP sockets are shown; `ss {others}` shows these"
        )))
    }
}
