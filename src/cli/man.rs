//! `tcpdiag man`.

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man as Page;

use super::exit::Exit;
use crate::output::OutputWriter;

/// Print the manual page, of tcpdiag or of one command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag man | man -l -
  tcpdiag man conns > /usr/local/share/man/man1/tcpdiag-conns.1")]
pub(super) struct Man {
    /// The command to describe.
    command: Option<String>,
}

impl Man {
    pub(super) fn run(&self, mut root: clap::Command) -> anyhow::Result<Exit> {
        root.build();
        let page = match &self.command {
            None => Page::new(root),
            Some(name) => {
                let names: Vec<String> =
                    root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
                let command = root.find_subcommand(name).cloned().with_context(|| {
                    format!("unknown command '{name}'; there are {}", names.join(", "))
                })?;
                Page::new(command.display_name(format!("tcpdiag-{name}")))
                    .title(format!("tcpdiag-{name}"))
            }
        };
        let mut text = Vec::new();
        page.render(&mut text)?;
        let mut out = OutputWriter::standard();
        out.page(&text)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
