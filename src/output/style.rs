//! Colours.

/// The emphasis of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Normal.
    #[default]
    Plain,
    /// Unimportant.
    Quiet,
    /// A warning.
    Warn,
    /// A problem.
    Alarm,
    /// New.
    Good,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// With colours or without.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// What to write before and after text of this tone.
    pub fn around(self, tone: Tone) -> (&'static str, &'static str) {
        if !self.colour {
            return ("", "");
        }
        match tone {
            Tone::Plain => ("", ""),
            Tone::Quiet => ("\x1b[2m", "\x1b[0m"),
            Tone::Warn => ("\x1b[33m", "\x1b[0m"),
            Tone::Alarm => ("\x1b[1;31m", "\x1b[0m"),
            Tone::Good => ("\x1b[32m", "\x1b[0m"),
        }
    }

    /// What to write before and after a heading.
    pub fn heading(self) -> (&'static str, &'static str) {
        if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") }
    }
}
