//! Rules that name services.

use serde::Deserialize;

use super::error::Error;
use crate::identity::{Grouping, Rules, ServiceRegistry};
use crate::procfs::PortNames;

/// Names that the user gives to services: the `[[service]]` tables of tcpdiag's configuration file.
///
/// The first rule that matches names the service of a socket. Without rules, or where none matches,
/// a service is called after the first that is known: container, systemd unit, process, name of the
/// port, port.
///
/// ```
/// let rules = tcpdiag::ServiceRules::parse(
///     r#"
///     [[service]]
///     name = "shop"
///     port = [8000, 8001]        # and any of: address, process, unit, container,
///     role = "server"            # cgroup, role; `*` and `?` are wildcards
///     "#,
/// )?;
/// # let _ = rules;
/// # Ok::<(), tcpdiag::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServiceRules(Rules);

/// The part of the configuration file that is read here.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    service: Rules,
}

impl ServiceRules {
    /// Reads the rules from the text of a configuration file. Its other tables are ignored.
    ///
    /// # Errors
    /// [`Error::ServiceRules`] if it is no TOML or a rule has a mistake.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let file: ConfigFile = toml::from_str(text)
            .map_err(|error| Error::ServiceRules(error.to_string().trim_end().to_owned()))?;
        Ok(Self(file.service))
    }

    /// The services of a run, none of them known yet.
    pub(super) fn registry(&self, ports: PortNames) -> ServiceRegistry {
        ServiceRegistry::new(self.0.clone(), Grouping::Service, ports)
    }
}
