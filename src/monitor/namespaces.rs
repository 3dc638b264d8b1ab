//! The requested network namespaces.

use super::error::MonitorError;
use crate::procfs::{Namespaces, NetNamespace, capabilities};

/// Whether every namespace is requested: then those that cannot be entered are reported, not fatal.
pub fn wants_all(specs: &[String]) -> bool {
    specs.iter().any(|spec| spec == "all")
}

/// Finds the namespaces of these specifications, the program's own if there are none. Also returns
/// what cannot be seen of them.
///
/// # Errors
/// When a specification means no namespace, or one that may not be read.
pub fn find_namespaces(specs: &[String]) -> Result<(Vec<NetNamespace>, Vec<String>), MonitorError> {
    let namespaces = Namespaces::new("/proc".as_ref());
    if wants_all(specs) {
        if specs.len() > 1 {
            return Err(MonitorError::AllAndOthers);
        }
        let all = namespaces.all()?;
        let hidden = (all.processes_hidden > 0).then(|| {
            format!(
                "the network namespaces of {} processes may not be read; {}",
                all.processes_hidden,
                capabilities::Unreadable::Namespaces.remedy()
            )
        });
        return Ok((all.namespaces, hidden.into_iter().collect()));
    }
    let mut found: Vec<NetNamespace> = Vec::new();
    if specs.is_empty() {
        found.push(namespaces.current()?);
    }
    for spec in specs {
        let namespace = namespaces
            .resolve(spec)
            .map_err(|reason| MonitorError::Specification { spec: spec.clone(), reason })?;
        if !found.iter().any(|known| known.inode == namespace.inode) {
            found.push(namespace);
        }
    }
    Ok((found, Vec::new()))
}
