//! Names in an expression, as a recording knows them.

use std::path::Path;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use crate::cli::expression::WhichArgs;
use crate::filter::{Expr, Names};
use crate::procfs::PortNames;
use crate::recording::{CgroupPath, Entry, InterfaceName, Kind, Reader};

use super::meter;

/// What a recording calls things, in all its samples.
struct Recorded<'a> {
    ports: &'a PortNames,
    interfaces: FxHashMap<String, u32>,
    cgroups: FxHashMap<String, u64>,
}

impl Names for Recorded<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        self.interfaces.get(name).copied()
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        self.cgroups.get(path).copied()
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}

/// What was asked for. Only where a name of an interface or a cgroup is in it the recording is
/// read once more, for those.
pub(super) fn expression(
    which: &WhichArgs,
    ports: &PortNames,
    file: &Path,
) -> anyhow::Result<Expr> {
    let mut recorded =
        Recorded { ports, interfaces: FxHashMap::default(), cgroups: FxHashMap::default() };
    match which.expression(&recorded) {
        Ok(expr) => Ok(expr),
        Err(_) => {
            recorded.learn(file)?;
            which.expression(&recorded)
        }
    }
}

impl Recorded<'_> {
    /// Reads all names; up to the damage where there is one, which is told later.
    fn learn(&mut self, path: &Path) -> anyhow::Result<()> {
        let (file, _) = meter::open(path)?;
        let mut reader = Reader::new(file).with_context(|| path.display().to_string())?;
        while let Ok(Some(entry)) = reader.read_entry() {
            let Entry::Note(note) = entry else { continue };
            match note.kind {
                Kind::Interfaces => {
                    for name in note.json_lines::<InterfaceName>().filter_map(Result::ok) {
                        self.interfaces.entry(name.name).or_insert(name.index);
                    }
                }
                Kind::Cgroup => {
                    let paths = note.json_lines::<CgroupPath>().filter_map(Result::ok);
                    self.cgroups.extend(paths.map(|cgroup| (cgroup.path, cgroup.id)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
