//! `--names`.

use clap::{Args, ValueEnum};

use crate::procfs::{HostNames, PeerNames};

/// Where names of peers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    /// [hosts] of the configuration and /etc/hosts.
    Hosts,
    /// Then also the system's resolver: asks the DNS about every other peer.
    Dns,
}

/// Whether peers are named.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct NamesArgs {
    /// Show peers by name: of [hosts] in the configuration and of /etc/hosts, with --names=dns also
    /// of the DNS, for which a single sample waits 2 seconds at most.
    #[arg(long, value_enum, value_name = "FROM", num_args = 0..=1, require_equals = true, default_missing_value = "hosts")]
    names: Option<Names>,
}

impl NamesArgs {
    /// The names that were asked for. `configured` is called where some were.
    pub(super) fn load<E>(
        self,
        configured: impl FnOnce() -> Result<HostNames, E>,
    ) -> Result<Option<PeerNames>, E> {
        let Some(names) = self.names else { return Ok(None) };
        Ok(Some(PeerNames::load(configured()?, names == Names::Dns)))
    }
}
