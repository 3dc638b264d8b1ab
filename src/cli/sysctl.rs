//! `tcpdiag sysctl`.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;

use super::exit::{Exit, eprint_line, reader_left};
use super::table_args::{Form, TableArgs};
use crate::monitor::find_namespaces;
use crate::output::{OutputWriter, escape, json_line, summary, sysctl, sysctl_csv};
use crate::procfs::{Host, NetNamespace};
use crate::report::{
    Namespace, NamespaceSettings, SysctlDocument, UnknownSetting, choose_settings,
};
use crate::settings::Setting;
use crate::sys::Usage;
use crate::text::nearest;

/// Show the kernel's TCP settings: values, defaults, meanings, and contradictions.
///
/// Values are compared with each other, with the listeners' backlogs and with TCP's use of memory.
/// With names, their meanings are shown too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag sysctl                                settings and contradictions
  tcpdiag sysctl tcp_rmem somaxconn             these, with their meanings
  tcpdiag sysctl 'tcp_keepalive*'
  tcpdiag sysctl buffers                        a group: buffers, congestion, loss,
                                                listening, closing, keepalive, ports, other
  tcpdiag sysctl --netns blue
  tcpdiag sysctl -o json | jq '.warnings'

The table omits `net.` from names; `=` means the kernel's default. Settings of the
whole host are marked `host`; settings that a network namespace does not have are
shown as (not here).")]
pub(super) struct Sysctl {
    /// Settings, patterns of * and ?, or groups; default: all.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Show what each setting does.
    #[arg(long, short)]
    meanings: bool,

    /// Read another network namespace: a name of `ip netns`, a pid, a path, or `all`;
    /// repeatable.
    #[arg(long, short = 'N', value_name = "NETNS", help_heading = "Namespaces")]
    netns: Vec<String>,

    /// Exit with 3 when something could not be read.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    #[command(flatten)]
    table: TableArgs,
}

impl Sysctl {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let used = Usage::now();
        let settings = chosen(&self.names)?;
        let host = Host::this();
        let (namespaces, mut unreachable) = find_namespaces(&self.netns)?;
        let mut partial = false;
        let written =
            self.show(&namespaces, &settings, &host, used, &mut unreachable, &mut partial);
        if !reader_left(written)? {
            unreachable.iter().for_each(|line| eprint_line(format_args!("tcpdiag: {line}")));
        }
        partial |= !unreachable.is_empty();
        Ok(if self.strict && partial { Exit::Partial } else { Exit::Done })
    }

    /// Writes the settings of all namespaces. What is not reported with one is left in `unreachable`.
    fn show(
        &self,
        namespaces: &[NetNamespace],
        settings: &[&'static Setting],
        host: &Host,
        used: Usage,
        unreachable: &mut Vec<String>,
        partial: &mut bool,
    ) -> anyhow::Result<()> {
        let mut out = OutputWriter::standard();
        let (mut headed, mut failed) = (false, 0);
        let many = namespaces.len() > 1;
        for namespace in namespaces {
            let mut read = match namespace.inside(NamespaceSettings::read) {
                Ok(read) => read,
                // One that went away since it was found does not end the others.
                Err(error) if many && failed + 1 < namespaces.len() => {
                    unreachable.push(error.to_string());
                    failed += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            read.quality.permission_limited.append(unreachable);
            *partial |= read.quality.is_partial();
            let netns = Namespace { inode: namespace.inode, name: namespace.name.clone() };
            let document = read.document(host, netns, settings, used.elapsed());
            if many && self.table.output == Form::Table {
                let name = namespace.name.as_deref().unwrap_or("without a name");
                out.line(format_args!("network namespace {name} ({})", namespace.inode))?;
            }
            self.write(&mut out, &document, &mut headed)?;
            if many && self.table.output == Form::Table {
                out.blank()?;
            }
            for warning in summary::warnings(&document.quality) {
                out.flush()?;
                eprint_line(format_args!("tcpdiag: {warning}"));
            }
        }
        Ok(out.flush()?)
    }

    fn write(
        &self,
        out: &mut OutputWriter<impl Write>,
        document: &SysctlDocument<'_>,
        headed: &mut bool,
    ) -> anyhow::Result<()> {
        match self.table.output {
            Form::Table => {
                let meanings = self.meanings || !self.names.is_empty();
                sysctl(out, document, meanings, self.table.layout())?;
            }
            Form::Json => json_line(out, document)?,
            Form::Jsonl => {
                document.settings.iter().try_for_each(|row| json_line(out, row))?;
            }
            Form::Csv => {
                sysctl_csv(out, document, !*headed)?;
                *headed = true;
            }
        }
        Ok(())
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Setting>> {
    choose_settings(names).map_err(|UnknownSetting { name }| {
        anyhow!("unknown setting '{}'{}", escape::text(&name), hint(&name))
    })
}

fn hint(name: &str) -> String {
    match nearest(name, Setting::all().iter().map(Setting::short)) {
        Some(near) => format!("; did you mean {near}?"),
        None => "; `tcpdiag sysctl` lists those that are known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        assert_eq!(hint("tcp_rmme"), "; did you mean tcp_rmem?");
        assert!(hint("qqqqqqqqqq").contains("lists those that are known"));
    }
}
