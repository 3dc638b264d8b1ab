//! A filter expression.

use std::fmt;
use std::str::FromStr;

use super::error::Error;
use super::names::AnyName;
use crate::filter::{Plan, PlanOptions, parse};
use crate::model::StateSet;
use crate::monitor::{FilterNames, NameSource, SocketFilter};
use crate::procfs::{PortNames, capabilities};
use crate::recording::{NamespaceChoice, Sample};

/// Which sockets: an expression in the language of `ss`, and more.
///
/// It knows what `ss` takes (`state`, `exclude`, `src`, `dst`, `sport`, `dport`, `dev`, `fwmark`,
/// `cgroup`, `and`, `or`, `not`, parentheses), every figure of [`SocketRow::figures`] with units
/// (`us ms s`, `kB MiB`, `kbit Mbit`, `%`), and `pid`, `comm`, `user`, `unit`, `container`,
/// `service`, `role`, `family`, `congestion` and `netns`. Comparing a figure that a socket does not
/// have is false. The kernel decides what it can (`INET_DIAG_REQ_BYTECODE`, net/ipv4/inet_diag.c),
/// so that it sends fewer sockets.
///
/// Without states in the expression, established and closing connections pass. Listeners pass
/// where the expression is about them: `state listening`, `role = listener`, `accept_queue > 10`.
///
/// [`SocketRow::figures`]: crate::SocketRow::figures
///
/// ```
/// use tcpdiag::{Error, Filter};
///
/// let filter: Filter = "sport = :443 and rtt > 50ms".parse()?;
/// assert_eq!(filter.to_string(), "sport = :443 and rtt > 50ms");
///
/// let Err(Error::Filter { message, position }) = Filter::parse("rtt > 50ms bananas") else {
///     unreachable!()
/// };
/// assert_eq!(&"rtt > 50ms bananas"[position], "bananas");
/// assert!(message.contains("^^^^^^^"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter(String);

/// A filter for the sockets of one sample.
pub(super) struct ResolvedFilter {
    pub(super) filter: SocketFilter,
    pub(super) plan: Plan,
    /// Whether only the kernel can decide a part of it.
    pub(super) needs_program: bool,
}

impl Filter {
    /// Checks an expression. An empty one passes all connections.
    ///
    /// Names of interfaces, cgroups and users are looked up when the filter is used: in a recording
    /// they mean others than on this host.
    ///
    /// # Errors
    /// [`Error::Filter`] for the first mistake.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse(text, &AnyName { ports: &PortNames::load() })?;
        Ok(Self(text.to_owned()))
    }

    /// The expression, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Looks up its names, in a sample of a recording that has the chosen network namespaces only, or
    /// on this host.
    pub(super) fn resolve(
        &self,
        ports: &PortNames,
        sample: Option<&Sample>,
        netns: &[String],
    ) -> Result<ResolvedFilter, Error> {
        let chosen = NamespaceChoice::default();
        let source = match sample {
            Some(sample) => NameSource::Recording(sample, &chosen),
            None => NameSource::Host(netns),
        };
        let expr = parse(&self.0, &FilterNames { ports, source })?;
        // The kernel compares marks for holders of CAP_NET_ADMIN only (inet_diag.c).
        let options =
            PlanOptions { mark: capabilities::has_net_admin(), cgroup: true, netns: None };
        let plan = expr.plan(StateSet::DEFAULT, options);
        let needs_program = expr.needs().program;
        Ok(ResolvedFilter { filter: SocketFilter::new(expr), plan, needs_program })
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
