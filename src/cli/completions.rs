//! `tcpdiag completions`.

use clap::Args;
use clap_complete::{Shell, generate};

use super::exit::Exit;
use crate::output::OutputWriter;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag completions bash > /etc/bash_completion.d/tcpdiag
  tcpdiag completions zsh > \"${fpath[1]}/_tcpdiag\"
  tcpdiag completions fish > ~/.config/fish/completions/tcpdiag.fish")]
pub(super) struct Completions {
    /// The shell to complete for.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, command: &mut clap::Command) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        generate(self.shell, command, "tcpdiag", &mut script);
        let mut out = OutputWriter::standard();
        out.page(&script)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
