//! Reads the settings of a namespace, and finds what contradicts them.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use super::{Cost, Document, SYSCTL, SettingRow, SysctlDocument, UseRow};
use crate::counters::{Counters, Release, fold, is_pattern, matches, read};
use crate::model::{Families, Socket, State, StateSet, fields};
use crate::monitor::{Namespace, Quality};
use crate::procfs::Host;
use crate::settings::{Conflict, Scope, Setting, Use, Value, Values, conflicts};
use crate::socket_diag::{Error, Query, Sockets};
use crate::sys::UsageSince;
use crate::sys::own_counters;
use crate::text::human;
use crate::wire::Extensions;

/// The settings of a network namespace, and the use of what they limit.
#[derive(Debug)]
pub struct NamespaceSettings {
    values: Values,
    usage: Use,
    /// What could not be read.
    pub quality: Quality,
}

impl NamespaceSettings {
    /// Reads the settings of the calling thread's namespace.
    pub fn read() -> Self {
        let values = Values::read(Path::new("/proc/sys"));
        let mut quality = Quality::default();
        let counters = match read(&own_counters()) {
            Ok(counters) => counters,
            Err(error) => {
                quality.permission_limited.push(format!("use of memory is not known: {error}"));
                Counters::default()
            }
        };
        let sockstat = counters.faults().iter().filter(|fault| fault.file == "sockstat");
        quality.add_faults(&sockstat.copied().collect::<Vec<_>>());
        quality.add_settings(&values, Host::this().kernel.parse().ok());
        let pages = |name: &str| u64::try_from(counters.get(name)?).ok();
        let listeners = listeners(&mut quality).unwrap_or_else(|error| {
            quality.permission_limited.push(format!("listeners are not known: {error}"));
            Vec::new()
        });
        let usage = Use {
            page_size: rustix::param::page_size() as u64,
            memory_pages: pages("sockstat.TCP.mem"),
            orphans: pages("sockstat.TCP.orphan"),
            time_wait: pages("sockstat.TCP.tw"),
            listeners,
        };
        Self { values, usage, quality }
    }

    /// The document of `sysctl` with these settings, of a namespace of this host.
    pub fn document<'a>(
        self,
        host: &'a Host,
        namespace: Namespace,
        chosen: &[&'static Setting],
        used: UsageSince,
    ) -> SysctlDocument<'a> {
        let Self { values, usage, quality } = self;
        let kernel: Option<Release> = host.kernel.parse().ok();
        let is_chosen = |name: &str| chosen.iter().any(|setting| setting.name == name);
        let settings = values
            .iter()
            .filter(|(setting, _)| is_chosen(&setting.name))
            .map(|(setting, value)| row(setting, value, kernel, usage.page_size))
            .collect();
        let is_about_chosen =
            |conflict: &Conflict| conflict.settings.iter().any(|name| is_chosen(name));
        let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0).saturating_mul(usage.page_size);
        SysctlDocument {
            document: Document {
                schema: SYSCTL,
                captured_at: format!("{:.9}", Timestamp::now()),
                host,
                netns: Some(namespace),
                interval_s: None,
            },
            settings,
            usage: UseRow {
                memory_bytes: usage.memory_pages.map(|pages| pages.saturating_mul(usage.page_size)),
                memory_limits_bytes: values.triple("tcp_mem").map(|limits| limits.map(bytes)),
                orphans: usage.orphans,
                time_wait: usage.time_wait,
                listeners: Some(usage.listeners.len()),
                largest_backlog: usage.listeners.iter().map(|(_, backlog)| *backlog).max(),
            },
            warnings: conflicts(&values, &usage).into_iter().filter(is_about_chosen).collect(),
            quality,
            cost: Cost::new(used, usage.listeners.len() as u64),
        }
    }
}

/// Port and backlog of each listener.
fn listeners(quality: &mut Quality) -> Result<Vec<(u16, u64)>, Error> {
    let query = Query {
        families: Families::BOTH,
        states: StateSet::of(&[State::Listen]),
        extensions: Extensions::default(),
        local_port: 0,
        remote_port: 0,
        program: &[],
    };
    let mut found = Vec::new();
    let ecn = Host::this().ecn_word();
    let outcome = Sockets::open()?.read(&query, |reply| {
        let socket = Socket::new(reply, ecn);
        let backlog = socket.and_then(|socket| fields::ACCEPT_QUEUE_MAX.integer(&socket));
        found.extend(backlog.map(|backlog| (reply.local_port(), backlog)));
        ControlFlow::Continue(())
    })?;
    quality.add_dump(&outcome);
    Ok(found)
}

fn row(
    setting: &'static Setting,
    value: &Value,
    kernel: Option<Release>,
    page_size: u64,
) -> SettingRow {
    let default = setting.default_on(kernel);
    let text = match value {
        Value::Text(text) => Some(text.clone()),
        Value::Absent | Value::Unreadable(..) => None,
    };
    SettingRow {
        name: &setting.name,
        group: &setting.group,
        scope: if setting.scope == Scope::Host { "host" } else { "namespace" },
        unit: &setting.unit,
        default,
        varies: setting.varies.as_deref(),
        changed: text.as_deref().zip(default).map(|(text, default)| text != default),
        readable: text.as_deref().and_then(|text| readable(&setting.unit, text, page_size)),
        error: match value {
            Value::Unreadable(_, error) => Some(error.clone()),
            Value::Text(_) | Value::Absent => None,
        },
        value: text,
        meaning: &setting.meaning,
    }
}

/// Sizes and times in readable units; `None` if the number itself is readable.
fn readable(unit: &str, text: &str, page_size: u64) -> Option<String> {
    let scale = match unit {
        "bytes" => 1,
        "pages" => page_size,
        _ => return None,
    };
    let mut words = Vec::new();
    for number in text.split(' ') {
        let number: u64 = number.parse().ok()?;
        let mut word = String::new();
        if number >= u64::from(u32::MAX) && scale == 1 {
            word.push_str("no limit");
        } else {
            human::bytes(number.saturating_mul(scale), &mut word);
        }
        words.push(word);
    }
    Some(words.join(" "))
}

/// No setting and no group has this name, or matches this pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown setting '{name}'")]
pub struct UnknownSetting {
    /// The name or pattern.
    pub name: String,
}

/// The settings that match names, patterns of `*` and `?`, or groups; all without any.
///
/// # Errors
/// When nothing matches one of them.
pub fn choose_settings(names: &[String]) -> Result<Vec<&'static Setting>, UnknownSetting> {
    let mut wanted: Vec<&'static Setting> = Vec::new();
    for name in names {
        let folded = fold(name);
        let is_meant = |setting: &Setting| {
            Setting::find(name).is_some_and(|found| found.name == setting.name)
                || setting.group == *name
                || (is_pattern(&folded)
                    && (matches(&folded, &fold(setting.short()))
                        || matches(&folded, &fold(&setting.name))))
        };
        let found: Vec<&'static Setting> =
            Setting::all().iter().filter(|setting| is_meant(setting)).collect();
        if found.is_empty() {
            return Err(UnknownSetting { name: name.clone() });
        }
        wanted.extend(found);
    }
    let all = Setting::all().iter();
    Ok(all
        .filter(|setting| names.is_empty() || wanted.iter().any(|one| one.name == setting.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Result<Vec<&'static str>, UnknownSetting> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Ok(choose_settings(&wanted)?.iter().map(|setting| setting.short()).collect())
    }

    #[test]
    fn settings_by_name_pattern_and_group() {
        assert_eq!(names(&["tcp_rmem"]).unwrap(), ["tcp_rmem"]);
        assert_eq!(names(&["net/core/somaxconn"]).unwrap(), ["somaxconn"]);
        assert_eq!(names(&["tcp_keepalive*"]).unwrap().len(), 3);
        assert_eq!(names(&["keepalive"]).unwrap().len(), 3);
        assert_eq!(names(&[]).unwrap().len(), Setting::all().len());
        let error = names(&["tcp_rmme"]).unwrap_err().to_string();
        assert_eq!(error, "unknown setting 'tcp_rmme'");
    }

    #[test]
    fn sizes_in_words() {
        assert_eq!(readable("bytes", "4096 131072 6291456", 1).as_deref(), Some("4096 128k 6M"));
        assert_eq!(readable("pages", "1024 2048 4096", 4096).as_deref(), Some("4M 8M 16M"));
        assert_eq!(readable("bytes", "4294967295", 1).as_deref(), Some("no limit"));
        assert_eq!(readable("bytes", "many", 1), None);
        assert_eq!(readable("seconds", "7200", 1), None);
    }
}
