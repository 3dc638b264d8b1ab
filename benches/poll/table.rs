//! Measured figures and their targets.

use std::fmt;

/// The figures of one measurement over all rounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value, or the mean of the two middle values.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        if sorted.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        }
    }

    /// The median of the ratios of each round: disturbances that affect both sides of a round
    /// cancel out.
    pub(super) fn ratio_to(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect()).median()
    }

    pub(super) fn rounds(&self) -> usize {
        self.0.len()
    }
}

/// One line of the result.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) sockets: usize,
    pub(super) what: &'static str,
    pub(super) figure: f64,
    pub(super) unit: &'static str,
    pub(super) than: &'static str,
    pub(super) reference: f64,
    pub(super) ratio: f64,
    /// The largest ratio allowed, if any.
    pub(super) target: Option<f64>,
}

impl Finding {
    /// Processor time of `own` compared with `other`, milliseconds.
    pub(super) fn cpu(
        sockets: usize,
        (what, own): (&'static str, &Series),
        (than, other): (&'static str, &Series),
        target: Option<f64>,
    ) -> Self {
        Self {
            sockets,
            what,
            figure: own.median() / 1e3,
            unit: "ms",
            than,
            reference: other.median() / 1e3,
            ratio: own.ratio_to(other),
            target,
        }
    }

    pub(super) fn is_missed(&self) -> bool {
        self.target.is_some_and(|target| self.ratio > target)
    }

    /// The heading of the lines.
    pub(super) const HEADING: &str = "\
| sockets | what | figure | against | figure | ratio | target | |
| ---: | --- | ---: | --- | ---: | ---: | ---: | --- |";
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sockets, what, figure, unit, than, reference, ratio, target } = self;
        write!(
            f,
            "| {sockets} | {what} | {figure:.2} {unit} | {than} | {reference:.2} {unit} | {ratio:.2} | "
        )?;
        match target {
            Some(target) => {
                write!(f, "{target:.2} | {} |", if self.is_missed() { "MISSED" } else { "met" })
            }
            None => write!(f, "| |"),
        }
    }
}
