//! Random scenes, diagnosed at both ends: what was missed and what was said though false.
//!
//! Two sets: one with fixed seeds, to tune by, and one with fresh seeds at every run, from which
//! come the figures of the documentation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use super::both_ends::{self, Said};
use super::confusion::{self, Scored};
use crate::lab::scenes::{Medium, Outcome, Scene, Statement, behind, play, truth};
use crate::lab::{lab, require, scenes_wanted};

/// The set to tune by begins here.
const TUNING: u64 = 0x7475_6e69_6e67_2031;
/// Scenes of a full set.
const FULL: usize = 150;
/// Scenes of the reduced set, which every test run plays.
const REDUCED: usize = 12;
/// Scenes of a set for netem, which those are left out of that it cannot have.
const NETEM: usize = 40;
/// Scenes at the same time.
const ABREAST: u64 = 6;
/// The same under an emulated kernel.
const ABREAST_EMULATED: u64 = 2;
/// More than one of them holds open.
const DESCRIPTORS: u64 = 200;
/// The reduced set fails on gross error only: if more than this is missed, beyond chance.
const MISSED: f64 = 0.4;
/// The same for what is said though false.
const WRONG: f64 = 0.2;

/// The set of this seed, or the one scene that `TCPDIAG_SCENE` names.
fn set(seed: u64, count: usize, medium: Medium) -> Vec<Scene> {
    let only: Option<usize> =
        std::env::var("TCPDIAG_SCENE").ok().and_then(|number| number.parse().ok());
    let numbers = only.map_or(0..count, |only| only..only + 1);
    let scenes = numbers.map(|number| Scene::draw(seed, number).available());
    match medium {
        Medium::Link => scenes.collect(),
        Medium::Netem => scenes.filter(Scene::suits_netem).map(Scene::lightened).collect(),
    }
}

/// The seed that `TCPDIAG_SEED` gives, or one that no run had before.
fn fresh() -> u64 {
    let given = std::env::var("TCPDIAG_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        let mut source = std::fs::File::open("/dev/urandom").unwrap();
        std::io::Read::read_exact(&mut source, &mut bytes).unwrap();
        u64::from_ne_bytes(bytes)
    })
}

/// How many scenes `TCPDIAG_SCENES` asks for.
fn count(usual: usize) -> usize {
    scenes_wanted().map_or(usual, |count| count as usize)
}

/// How many scenes at a time, with a few descriptors for each connection.
fn abreast(medium: Medium) -> u64 {
    let usual = if medium == Medium::Link { ABREAST } else { ABREAST_EMULATED };
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (descriptors / DESCRIPTORS).clamp(1, usual)
}

/// Plays all, so many at a time; an error where there can be no scenes.
fn play_all(scenes: &[Scene], medium: Medium) -> Result<Vec<Scored>, String> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..abreast(medium) {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match play(scene, medium, |setup| both_ends::diagnose(setup, &[])) {
                        Ok(outcome) => {
                            let scored = score(scene, outcome);
                            print!("{}", scored.shown());
                            done.lock().unwrap().push(scored);
                        }
                        Err(reason) => failed.lock().unwrap().push(reason),
                    }
                }
            });
        }
    });
    if let Some(reason) = failed.into_inner().unwrap().pop() {
        return Err(reason);
    }
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|scored| scored.scene.number);
    Ok(done)
}

/// Compares what is true with what was said.
fn score(scene: &Scene, outcome: Outcome<Vec<Said>>) -> Scored {
    let Outcome { observed, seen: said, attempts } = outcome;
    let claims = truth(scene, &observed);
    Scored { scene: scene.clone(), observed, claims, said, attempts }
}

/// Plays a set and prints what came of it; `None` where there can be no scenes.
fn judge(name: &str, seed: u64, count: usize, medium: Medium) -> Option<confusion::Table> {
    println!("{name} set: TCPDIAG_SEED={seed}, {count} scenes");
    match play_all(&set(seed, count, medium), medium) {
        Ok(scored) => {
            let table = confusion::Table::of(name, seed, scored);
            println!("{}", table.text());
            Some(table)
        }
        Err(reason) => {
            require(false, &reason);
            None
        }
    }
}

lab!(
    alone as Best fn reduced() {
        let Some(table) = judge("reduced", fresh(), count(REDUCED), Medium::Link) else { return };
        let [missed, wrong] = table.surely_bad();
        assert!(missed <= MISSED, "at least {missed:.3} of what is demanded is missed");
        assert!(wrong <= WRONG, "at least {wrong:.3} of what is said is false");
    }
);

lab!(
    alone as Best
    #[ignore = "takes minutes; see CONTRIBUTING.md"]
    fn tuning() {
        judge("tuning", TUNING, count(FULL), Medium::Link);
    }
);

lab!(
    alone as Best
    #[ignore = "takes minutes; see CONTRIBUTING.md"]
    fn held_out() {
        let Some(table) = judge("held-out", fresh(), count(FULL), Medium::Link) else { return };
        if std::env::var("TCPDIAG_WRITE_MATRIX").is_ok_and(|value| value == "1") {
            super::document::write(&super::document::Part::Scenes, &table.text());
        }
    }
);

lab!(
    alone as Best
    #[ignore = "needs netem; see tests/emulated/run"]
    fn netem() {
        judge("netem", fresh(), count(NETEM), Medium::Netem);
    }
);

#[test]
fn every_code_of_a_statement_is_a_code() {
    for statement in Statement::ALL {
        for code in statement.codes().iter().chain(statement.answers()) {
            assert!(code.starts_with("TD") && code.len() == 5, "{statement:?}: {code}");
        }
    }
}

/// An unhealthy ratio that nothing can make true would always be false.
#[test]
fn ratios_have_statements() {
    let without = tcpdiag::counters::Ratio::all().iter().map(|ratio| ratio.id.as_str());
    let without: Vec<_> = without.filter(|id| behind(id).iter().all(|it| it.is_empty())).collect();
    // No scene does anything that these count.
    let known = [
        "reno_recovery",
        "sack_reneging",
        "syn_cookies_failed",
        "time_wait_overflow",
        "time_wait_recycled",
        "abort_on_memory",
        "abort_on_linger",
        "abort_failed",
        "memory_pressure",
        "backlog_drops",
        "delayed_ack_locked",
        "ecn_marked",
    ];
    assert_eq!(without, known);
}
