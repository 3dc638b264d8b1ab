//! What was demanded, found, missed, and said though false, in a set of scenes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::both_ends::Said;
use crate::lab::scenes::{Claim, Observed, Scene, Statement, at_least, behind};

/// A scene with what is true, and what was said.
pub struct Scored {
    /// The scene.
    pub scene: Scene,
    /// What happened.
    pub observed: Observed,
    /// What is true.
    pub claims: Vec<Claim>,
    /// What was said.
    pub said: Vec<Said>,
    /// How often it was played until it was not disturbed.
    pub attempts: usize,
}

impl Scored {
    /// Whether it does not count.
    pub fn is_disturbed(&self) -> bool {
        self.observed.is_disturbed()
    }

    /// Whether nothing was made wrong, and nothing has come to be demanded.
    pub fn is_healthy(&self) -> bool {
        self.scene.is_calm() && self.demanded().next().is_none()
    }

    fn demanded(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(|claim| claim.is_demanded)
    }

    fn is_found(&self, claim: &Claim) -> bool {
        let mut here = self.said.iter().filter(|said| said.side == claim.side);
        here.any(|said| claim.statement.answers().contains(&said.code.as_str()))
    }

    /// What was demanded and is absent.
    pub fn missed(&self) -> Vec<&Claim> {
        self.demanded().filter(|claim| !self.is_found(claim)).collect()
    }

    fn alarms(&self) -> impl Iterator<Item = &Said> {
        self.said.iter().filter(|said| said.is_alarm)
    }

    fn is_true(&self, said: &Said) -> bool {
        // An unhealthy ratio is right where what it counts happened.
        let ratio = said.ratio().map(behind);
        self.claims.iter().any(|claim| {
            let is_here = claim.side == said.side;
            match ratio {
                Some([here, anywhere]) => {
                    is_here && here.contains(&claim.statement)
                        || anywhere.contains(&claim.statement)
                }
                None => is_here && claim.statement.codes().contains(&said.code.as_str()),
            }
        })
    }

    /// What is above information and not true.
    pub fn wrong(&self) -> Vec<&Said> {
        self.alarms().filter(|said| !self.is_true(said)).collect()
    }

    /// What is true and what was said, and what was missed and what was wrong with what decides.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        let (missed, wrong) = (self.missed(), self.wrong());
        let _ = writeln!(text, "{}", self.scene);
        if self.is_disturbed() {
            let _ = writeln!(text, "    DISTURBED {} times, not counted", self.attempts);
        }
        let _ = writeln!(text, "    {}", self.observed.shown());
        for claim in missed {
            let Claim { statement, side, because, .. } = claim;
            let _ = writeln!(text, "    MISSED at the {side:?}: {statement:?}: {because}");
        }
        for said in wrong {
            let _ =
                writeln!(text, "    WRONG at the {:?}: {}: {}", said.side, said.code, said.whole);
        }
        let all: Vec<_> = self
            .said
            .iter()
            .map(|said| {
                let mark = if said.is_alarm { "" } else { " (info)" };
                let ratio = said.ratio().map(|ratio| format!(" {ratio}")).unwrap_or_default();
                format!("{:?} {}{ratio}{mark}", said.side, said.code)
            })
            .collect();
        let _ = writeln!(text, "    said: {}", all.join(", "));
        let claims: Vec<_> = self
            .claims
            .iter()
            .map(|claim| {
                let mark = if claim.is_demanded { "!" } else { "" };
                format!("{:?} {:?}{mark} ({})", claim.side, claim.statement, claim.because)
            })
            .collect();
        let _ = writeln!(text, "    true: {}", claims.join("; "));
        if self.is_healthy() && self.alarms().next().is_some() {
            text.push_str("    NOT QUIET, though healthy\n");
        }
        text
    }
}

/// One statement in all scenes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Line {
    demanded: usize,
    found: usize,
    said: usize,
    wrong: usize,
}

/// The table of a set.
pub struct Table {
    name: String,
    seed: u64,
    scored: Vec<Scored>,
    disturbed: usize,
}

impl Table {
    /// That of these scenes.
    pub fn of(name: &str, seed: u64, mut scored: Vec<Scored>) -> Self {
        let all = scored.len();
        scored.retain(|scored| !scored.is_disturbed());
        let disturbed = all - scored.len();
        Self { name: name.to_owned(), seed, scored, disturbed }
    }

    fn lines(&self) -> BTreeMap<Option<Statement>, Line> {
        let mut lines: BTreeMap<Option<Statement>, Line> = BTreeMap::new();
        for scored in &self.scored {
            for claim in scored.demanded() {
                let line = lines.entry(Some(claim.statement)).or_default();
                line.demanded += 1;
                line.found += usize::from(scored.is_found(claim));
            }
            for said in scored.alarms() {
                let line = lines.entry(Statement::of(&said.code)).or_default();
                line.said += 1;
                line.wrong += usize::from(!scored.is_true(said));
            }
        }
        lines
    }

    fn sum(&self, part: impl Fn(&Line) -> usize) -> usize {
        self.lines().values().map(part).sum()
    }

    /// The share of what was demanded that was said.
    fn recall(&self) -> f64 {
        share(self.sum(|line| line.found), self.sum(|line| line.demanded))
    }

    /// The share of what was said above information that is true.
    fn precision(&self) -> f64 {
        let said = self.sum(|line| line.said);
        share(said - self.sum(|line| line.wrong), said)
    }

    /// The shares of what was missed, and of what was said though false, beyond chance.
    pub fn surely_bad(&self) -> [f64; 2] {
        let part = |part: fn(&Line) -> usize| self.sum(part) as u64;
        let missed = at_least(part(|line| line.demanded - line.found), part(|line| line.demanded));
        [missed, at_least(part(|line| line.wrong), part(|line| line.said))]
    }

    /// The table and the misses.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let healthy: Vec<_> = self.scored.iter().filter(|scored| scored.is_healthy()).collect();
        let quiet = healthy.iter().filter(|scored| scored.alarms().next().is_none()).count();
        let _ = writeln!(
            text,
            "The {} set of seed {} has {} scenes, {} of them healthy; {} more were disturbed and are not \
             counted. Of {} statements that were demanded {} were made (recall {:.3}); of {} findings above \
             information {} are true (precision {:.3}); {quiet} of {} healthy scenes had none.\n",
            self.name,
            self.seed,
            self.scored.len(),
            healthy.len(),
            self.disturbed,
            self.sum(|line| line.demanded),
            self.sum(|line| line.found),
            self.recall(),
            self.sum(|line| line.said),
            self.sum(|line| line.said - line.wrong),
            self.precision(),
            healthy.len(),
        );
        text.push_str(
            "| statement | codes | demanded | found | missed | said | of these false |\n",
        );
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for (statement, line) in self.lines() {
            let (name, codes) = statement
                .map_or(("another".to_owned(), String::new()), |statement| {
                    (statement.text().to_owned(), statement.codes().join(", "))
                });
            let Line { demanded, found, said, wrong } = line;
            let missed = demanded - found;
            let _ = writeln!(
                text,
                "| {name} | {codes} | {demanded} | {found} | {missed} | {said} | {wrong} |"
            );
        }
        text.push('\n');
        for scored in &self.scored {
            for claim in scored.missed() {
                let Claim { statement, side, because, .. } = claim;
                let _ = writeln!(
                    text,
                    "- Missed at the {}: {} ({because}). {}",
                    format!("{side:?}").to_lowercase(),
                    statement.text(),
                    scored.scene
                );
            }
            for said in scored.wrong() {
                let _ = writeln!(
                    text,
                    "- False at the {}: {}{}. {}",
                    format!("{:?}", said.side).to_lowercase(),
                    said.code,
                    said.ratio().map(|ratio| format!(" {ratio}")).unwrap_or_default(),
                    scored.scene
                );
            }
        }
        text
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
