//! Which network namespaces of a recording are asked for.

use super::RecordedNamespace;
use super::session_error::SessionError;

/// Some network namespaces of a recording, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceChoice(Choice);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Choice {
    #[default]
    All,
    /// By inode.
    One(u64),
    /// By names or inodes, also of namespaces that come later.
    Named(Vec<String>),
}

impl NamespaceChoice {
    /// The namespaces of these names or inodes, the first known one without any.
    pub(crate) fn of<'a>(
        wanted: &[String],
        mut known: impl Iterator<Item = (u64, Option<&'a str>)> + Clone,
    ) -> Result<Self, SessionError> {
        let missing = wanted
            .iter()
            .filter(|wanted| *wanted != "all")
            .find(|wanted| !known.clone().any(|(inode, name)| is_called(inode, name, wanted)));
        if let Some(missing) = missing {
            let mut names: Vec<String> = Vec::new();
            for (inode, name) in known {
                let name = name.map_or_else(|| inode.to_string(), str::to_owned);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            return Err(SessionError::Namespace { wanted: missing.clone(), known: names });
        }
        Ok(Self(match wanted {
            [] => known.next().map_or(Choice::All, |(inode, _)| Choice::One(inode)),
            wanted if wanted.iter().any(|wanted| wanted == "all") => Choice::All,
            wanted => Choice::Named(wanted.to_vec()),
        }))
    }

    /// Whether a namespace is among them.
    pub fn includes(&self, namespace: &RecordedNamespace) -> bool {
        self.includes_called(namespace.inode, namespace.name.as_deref())
    }

    /// The same of a namespace with this inode and name.
    pub fn includes_called(&self, inode: u64, name: Option<&str>) -> bool {
        match &self.0 {
            Choice::All => true,
            Choice::One(chosen) => inode == *chosen,
            Choice::Named(names) => names.iter().any(|wanted| is_called(inode, name, wanted)),
        }
    }
}

fn is_called(inode: u64, name: Option<&str>, wanted: &str) -> bool {
    name == Some(wanted) || inode.to_string() == wanted
}
