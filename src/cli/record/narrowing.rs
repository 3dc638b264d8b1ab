//! Which sockets are recorded, if not all.

use anyhow::bail;
use clap::Args;

use crate::cli::expression::{Prefix, WhichArgs, prefix, states};
use crate::filter::PlanOptions;
use crate::model::{State, StateSet};
use crate::monitor::{FilterNames, NameSource, RecordingFilter};
use crate::procfs::{PortNames, capabilities};

/// Filters that the kernel applies, so that what is recorded is what it sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Narrowing {
    /// Record only sockets with this port on either side, a number or a service name; repeatable.
    #[arg(long, short = 'p', value_name = "PORT")]
    port: Vec<String>,
    /// Local port; repeatable.
    #[arg(long, value_name = "PORT")]
    local_port: Vec<String>,
    /// Remote port; repeatable.
    #[arg(long, value_name = "PORT")]
    remote_port: Vec<String>,
    /// Local address or prefix, e.g. 10.0.0.0/8; repeatable.
    #[arg(long, value_name = "ADDR", value_parser = prefix)]
    local_ip: Vec<Prefix>,
    /// Remote address or prefix; repeatable.
    #[arg(long, value_name = "ADDR", value_parser = prefix)]
    remote_ip: Vec<Prefix>,
    /// State, or a group of states: all, connected, synchronized, bucket, big; repeatable.
    #[arg(long, short, value_name = "STATE", value_parser = states)]
    state: Vec<StateSet>,
    /// IPv4 sockets only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 sockets only, v4-mapped ones included.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Filter expression, as `conns` takes it, of what the kernel can decide: states, ports,
    /// addresses, interfaces, marks, cgroups.
    #[arg(value_name = "EXPRESSION")]
    expression: Vec<String>,
}

impl Narrowing {
    /// Names of interfaces are those of the network namespaces that are recorded.
    pub(super) fn filter(&self, netns: &[String]) -> anyhow::Result<RecordingFilter> {
        let ports = PortNames::load();
        let names = FilterNames { ports: &ports, source: NameSource::Host(netns) };
        let arguments = self.arguments();
        let expr = arguments.expression(&names)?;
        // Each namespace has a plan of its own, in which conditions on namespaces are decided.
        let netns = Some(0);
        let options = PlanOptions { mark: capabilities::has_net_admin(), cgroup: true, netns };
        let needs = expr.needs();
        let undecided = if needs.program {
            // Destroy events do not have it.
            Some("`autobound`".to_owned())
        } else {
            expr.undecided(options)
        };
        if let Some(what) = undecided {
            let right = if needs.mark && !options.mark { " without CAP_NET_ADMIN" } else { "" };
            bail!(
                "the kernel cannot decide {what}{right}, and what is recorded is what it sends; \
                 accepted are states, ports, addresses, families, interfaces, marks and cgroups \
                 (`conns --read` takes everything)"
            );
        }
        let bare = PlanOptions { mark: false, cgroup: false, netns };
        let decides_destroyed = expr.undecided(bare).is_none();
        Ok(RecordingFilter::new(expr, options, self.text(), decides_destroyed))
    }

    fn arguments(&self) -> WhichArgs {
        let mut arguments = WhichArgs::default();
        arguments.port.clone_from(&self.port);
        arguments.local_port.clone_from(&self.local_port);
        arguments.remote_port.clone_from(&self.remote_port);
        arguments.local_ip.clone_from(&self.local_ip);
        arguments.remote_ip.clone_from(&self.remote_ip);
        arguments.state.clone_from(&self.state);
        (arguments.ipv4, arguments.ipv6) = (self.ipv4, self.ipv6);
        arguments.expression.clone_from(&self.expression);
        arguments
    }

    /// All of it, as `conns` takes it.
    fn text(&self) -> Option<String> {
        let mut words = Vec::new();
        let texts = [
            ("--port", &self.port),
            ("--local-port", &self.local_port),
            ("--remote-port", &self.remote_port),
        ];
        for (flag, values) in texts {
            words.extend(values.iter().map(|value| format!("{flag} {value}")));
        }
        for (flag, nets) in [("--local-ip", &self.local_ip), ("--remote-ip", &self.remote_ip)] {
            words.extend(nets.iter().map(|net| format!("{flag} {net}")));
        }
        let wanted = self.state.iter().fold(StateSet::NONE, |all, set| all.union(*set));
        let states = State::ALL.iter().filter(|state| wanted.contains(**state));
        words.extend(states.map(|state| format!("--state {}", state.name())));
        for (flag, is_set) in [("-4", self.ipv4), ("-6", self.ipv6)] {
            words.extend(is_set.then(|| flag.to_owned()));
        }
        words.extend((!self.expression.is_empty()).then(|| self.expression.join(" ")));
        (!words.is_empty()).then(|| words.join(" "))
    }
}
