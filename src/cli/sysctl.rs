//! `tcpdiag sysctl`.

use std::io::{self, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use super::exit::Exit;
use super::look::{Form, LookArgs};
use super::scene::{is_all, places};
use crate::counters::{Counters, Release, fold, matches, read};
use crate::model::{Families, Socket, State, StateSet, fields};
use crate::output::{escape, human, json_line, sysctl};
use crate::procfs::{Host, NetNamespace};
use crate::report::{
    Cost, Document, Namespace, Quality, SYSCTL, SettingRow, SysctlDocument, UseRow,
};
use crate::settings::{Conflict, Scope, Setting, Use, Value, Values, conflicts};
use crate::socket_diag::{Query, Sockets};
use crate::sys::Usage;
use crate::wire::Extensions;

/// Show the kernel's TCP settings: values, defaults, meanings, and what contradicts.
///
/// Values are held against each other, against the listeners' backlogs and against what TCP
/// uses of memory. With names, their meanings are shown too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag sysctl                                settings and contradictions
  tcpdiag sysctl tcp_rmem somaxconn             these, with their meanings
  tcpdiag sysctl 'tcp_keepalive*'
  tcpdiag sysctl buffers                        a group: buffers, congestion, loss,
                                                listening, closing, keepalive, ports, other
  tcpdiag sysctl --netns blue
  tcpdiag sysctl -o json | jq '.warnings'

In the table names lack `net.` and `=` is the kernel's own default. Settings of
the whole host are marked `host`; what a network namespace does not have is
shown as (not here).")]
pub(super) struct Sysctl {
    /// Settings, patterns of * and ?, or groups; all without.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Show what each setting does.
    #[arg(long, short)]
    meanings: bool,

    /// Look into another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Exit with 3 when something could not be read.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    look: LookArgs,
}

/// What was found in one namespace.
struct Found {
    values: Values,
    usage: Use,
    quality: Quality,
}

impl Sysctl {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let used = Usage::now();
        let wanted = selected(&self.names)?;
        let host = Host::this();
        let (places, mut unreachable) = places(&self.netns)?;
        let mut out = BufWriter::new(io::stdout());
        let mut headed = false;
        let mut partial = false;
        let many = places.len() > 1;
        for place in &places {
            let mut found = match place.inside(look) {
                Ok(found) => found,
                Err(error) if is_all(&self.netns) => {
                    unreachable.push(error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            found.quality.permission_limited.append(&mut unreachable);
            partial |= found.quality.is_partial();
            let document = document(&host, place, &wanted, found, used);
            if many && self.look.output == Form::Table {
                let name = place.name.as_deref().unwrap_or("without a name");
                writeln!(out, "network namespace {name} ({})", place.inode)?;
            }
            self.write(&mut out, &document, &mut headed)?;
            if many && self.look.output == Form::Table {
                writeln!(out)?;
            }
            for limit in &document.quality.permission_limited {
                out.flush()?;
                eprintln!("tcpdiag: {limit}");
            }
        }
        out.flush()?;
        unreachable.iter().for_each(|line| eprintln!("tcpdiag: {line}"));
        partial |= !unreachable.is_empty();
        Ok(if self.strict && partial { Exit::Partial } else { Exit::Done })
    }

    fn write(
        &self,
        out: &mut impl io::Write,
        document: &SysctlDocument<'_>,
        headed: &mut bool,
    ) -> anyhow::Result<()> {
        match self.look.output {
            Form::Table => {
                let meanings = self.meanings || !self.names.is_empty();
                sysctl(out, document, meanings, self.look.look())?;
            }
            Form::Json => json_line(out, document)?,
            Form::Jsonl => {
                document.settings.iter().try_for_each(|row| json_line(&mut *out, row))?;
            }
            Form::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                if !*headed {
                    writer.write_record(["netns", "name", "group", "scope", "value", "default"])?;
                    *headed = true;
                }
                let netns = document.document.netns.as_ref().map(|netns| netns.inode);
                for row in &document.settings {
                    let SettingRow { name, group, scope, value, default, .. } = row;
                    writer.serialize((netns, name, group, scope, value, default))?;
                }
                writer.flush()?;
            }
        }
        Ok(())
    }
}

/// The settings that the names mean.
fn selected(names: &[String]) -> anyhow::Result<Vec<&'static Setting>> {
    let mut wanted: Vec<&'static Setting> = Vec::new();
    for name in names {
        let folded = fold(name);
        let is_meant = |setting: &Setting| {
            Setting::find(name).is_some_and(|found| found.name == setting.name)
                || setting.group == *name
                || (folded.contains(['*', '?'])
                    && (matches(&folded, &fold(setting.short()))
                        || matches(&folded, &fold(&setting.name))))
        };
        let found: Vec<&'static Setting> =
            Setting::all().iter().filter(|setting| is_meant(setting)).collect();
        if found.is_empty() {
            bail!("unknown setting '{}'{}", escape::text(name), hint(name));
        }
        wanted.extend(found);
    }
    let all = Setting::all().iter();
    Ok(all
        .filter(|setting| names.is_empty() || wanted.iter().any(|one| one.name == setting.name))
        .collect())
}

fn hint(name: &str) -> String {
    let distance = |setting: &'static Setting| {
        (strsim::damerau_levenshtein(name, setting.short()), setting.short())
    };
    match Setting::all().iter().map(distance).min().filter(|(distance, _)| *distance <= 4) {
        Some((_, near)) => format!("; did you mean {near}?"),
        None => "; `tcpdiag sysctl` lists those that are known".to_owned(),
    }
}

/// Reads everything, in the namespace of the calling thread.
fn look() -> Found {
    let values = Values::read(Path::new("/proc/sys"));
    let mut quality = Quality::default();
    let counters = match read(Path::new("/proc/thread-self/net")) {
        Ok(counters) => counters,
        Err(error) => {
            quality.permission_limited.push(format!("use of memory is not known: {error}"));
            Counters::default()
        }
    };
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
    Found { values, usage, quality }
}

/// Port and backlog of each listener.
fn listeners(quality: &mut Quality) -> Result<Vec<(u16, u64)>, crate::socket_diag::Error> {
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

fn document<'a>(
    host: &'a Host,
    place: &NetNamespace,
    wanted: &[&'static Setting],
    found: Found,
    used: Usage,
) -> SysctlDocument<'a> {
    let Found { values, usage, quality } = found;
    let kernel: Option<Release> = host.kernel.parse().ok();
    let settings = values
        .iter()
        .filter(|(setting, _)| wanted.iter().any(|one| one.name == setting.name))
        .map(|(setting, value)| row(setting, value, kernel, usage.page_size))
        .collect();
    let is_wanted = |conflict: &Conflict| {
        conflict.settings.iter().any(|name| wanted.iter().any(|one| one.name == *name))
    };
    let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0).saturating_mul(usage.page_size);
    SysctlDocument {
        document: Document {
            schema: SYSCTL,
            captured_at: format!("{:.9}", Timestamp::now()),
            host,
            netns: Some(Namespace { inode: place.inode, name: place.name.clone() }),
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
        warnings: conflicts(&values, &usage).into_iter().filter(is_wanted).collect(),
        quality,
        cost: Cost::new(used.elapsed(), usage.listeners.len() as u64),
    }
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
        Value::Absent | Value::Unreadable(_) => None,
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
            Value::Unreadable(error) => Some(error.clone()),
            Value::Text(_) | Value::Absent => None,
        },
        value: text,
        meaning: &setting.meaning,
    }
}

/// Sizes and times in words; nothing where the number says it all.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> anyhow::Result<Vec<&'static str>> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        Ok(selected(&wanted)?.iter().map(|setting| setting.short()).collect())
    }

    #[test]
    fn settings_by_name_pattern_and_group() {
        assert_eq!(names(&["tcp_rmem"]).unwrap(), ["tcp_rmem"]);
        assert_eq!(names(&["net/core/somaxconn"]).unwrap(), ["somaxconn"]);
        assert_eq!(names(&["tcp_keepalive*"]).unwrap().len(), 3);
        assert_eq!(names(&["keepalive"]).unwrap().len(), 3);
        assert_eq!(names(&[]).unwrap().len(), Setting::all().len());
        let error = names(&["tcp_rmme"]).unwrap_err().to_string();
        assert_eq!(error, "unknown setting 'tcp_rmme'; did you mean tcp_rmem?");
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
