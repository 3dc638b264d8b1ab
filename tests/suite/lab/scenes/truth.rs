//! What is true of a scene, and what an expert would demand to be told.
//!
//! A statement is *true* from where it can be measured at all, and *demanded* from where it costs
//! something beyond chance. Between the two it may be said and need not be.

use std::time::Duration;

use super::observed::at_least;
use super::{Observed, Scene, Statement as S, Traffic, Trouble};
use crate::lab::{Affects, Side};

/// A statement that is true at one end.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is true.
    pub statement: S,
    /// Where it is to be said.
    pub side: Side,
    /// Whether it has to be said.
    pub is_demanded: bool,
    /// The figures that decide.
    pub because: String,
}

/// Some connection is limited by a window if all are for this share of the time.
const FELT: f64 = 0.05;
/// What cannot be told from nothing: so few events, or so small a share.
const FEW: u64 = 2;
/// A loss of this share, beyond chance, is demanded whatever it costs.
const HEAVY_LOSS: f64 = 0.02;
/// The share of what the path carries without loss, below which loss has cost something.
const COSTLY: f64 = 0.7;
/// The same, below which that can be measured.
const NEARLY: f64 = 0.9;
/// Microseconds in the queue of a full path, on average, from which its ends see that it is full.
const STANDING: u64 = 5_000;

/// Everything that is true.
pub fn truth(scene: &Scene, observed: &Observed) -> Vec<Claim> {
    let mut claims = Claims { scene, observed, list: Vec::new() };
    for side in Side::BOTH {
        claims.losses(side);
        claims.repairs(side);
        claims.order(side);
        claims.gaps(side);
        claims.queue(side);
        claims.device(side);
        claims.damage(side);
    }
    claims.windows();
    claims.buffers();
    claims.sizes();
    claims.program();
    claims.connects();
    claims.list
}

struct Claims<'a> {
    scene: &'a Scene,
    observed: &'a Observed,
    list: Vec<Claim>,
}

impl Claims<'_> {
    fn add(&mut self, statement: S, side: Side, is_demanded: bool, because: String) {
        self.list.push(Claim { statement, side, is_demanded, because });
    }

    fn time(&self) -> f64 {
        self.observed.time.as_secs_f64()
    }

    /// Bytes of data a second that were sent for the first time.
    fn rate(&self, side: Side) -> f64 {
        self.observed.of(side).new_bytes as f64 / self.time()
    }

    /// Bytes a second that all connections could send without loss: what the path, the buffers and
    /// the programs allow. None where nothing but the machine bounds it.
    fn capacity(&self) -> Option<f64> {
        let rtt = self.scene.rtt.as_secs_f64();
        let path = self.scene.rate.map(|rate| rate as f64 * 0.95);
        let ends = self.scene.troubles.iter().filter_map(|trouble| match *trouble {
            Trouble::ReceiveBuffer(bytes) | Trouble::SendBuffer(bytes) => Some(bytes as f64 / rtt),
            Trouble::SlowReader(rate) => Some(rate as f64),
            Trouble::NotReading => Some(0.0),
            _ => None,
        });
        let ends = ends.map(|each| each * self.scene.connections as f64);
        path.into_iter().chain(ends).min_by(f64::total_cmp)
    }

    /// Whether the rate is below this share of what could be sent without loss.
    fn is_below(&self, side: Side, share: f64) -> bool {
        self.capacity().is_some_and(|capacity| self.rate(side) < share * capacity)
    }

    fn losses(&mut self, side: Side) {
        let sums = self.observed.of(side);
        let accidents = sums.lost + sums.corrupted;
        let all = (accidents + sums.overflowed).min(sums.data);
        let share = all as f64 / sums.data.max(1) as f64;
        let surely = at_least(all, sums.data);
        let sends_bulk = self.scene.is_bulk() && side == self.scene.sender();
        // Whatever lost them: a queue that is too short for the round trip costs as much.
        let has_cost = sends_bulk
            && all >= 5
            && sums.overtaken * 200 < sums.data
            && self.is_below(side, NEARLY);
        // By accidents alone: what a queue drops is how a sender learns its share.
        let is_costly = has_cost
            && accidents >= 5
            && accidents >= 2 * sums.overflowed
            && self.is_below(side, COSTLY);
        if all >= FEW && (share >= 0.002 || has_cost) {
            let because = format!(
                "{all} of {} segments lost ({share:.4}, surely {surely:.4}), {:.0} B/s of {:.0?}",
                sums.data,
                self.rate(side),
                self.capacity(),
            );
            // The sender knows what it has begun to repair.
            let is_noticed = sums.repeats * 2 >= all;
            let is_heavy = surely >= HEAVY_LOSS && sums.data >= 20 && is_noticed;
            self.add(S::Loss, side, is_heavy || is_costly, because);
        }
        let overflow = sums.overflowed as f64 / sums.data.max(1) as f64;
        // A path that is full and loses besides looks the same from its ends.
        let rate = self.scene.rate.map_or(f64::INFINITY, |rate| rate as f64);
        let is_full = sums.waited > sums.data * STANDING && self.rate(side) > 0.85 * 0.95 * rate;
        if (sums.overflowed >= FEW && overflow >= 0.001) || (is_full && all >= FEW) {
            let because = format!("{} of {} segments overflowed", sums.overflowed, sums.data);
            self.add(S::Congestion, side, false, because);
        }
    }

    fn repairs(&mut self, side: Side) {
        let sums = self.observed.of(side);
        let timeouts = self.observed.timeouts[side.index()];
        if sums.tail_repairs >= FEW && sums.tail_repairs * 5 >= sums.repairs {
            let because = format!("{} of {} repairs of a tail", sums.tail_repairs, sums.repairs);
            self.add(S::TailLoss, side, false, because);
        }
        if timeouts > 0 {
            self.add(S::Timeouts, side, false, format!("{timeouts} timeouts"));
        }
        if sums.lost_again >= 3 && sums.lost_again * 10 >= sums.repeats {
            let because = format!("{} of {} repeats lost", sums.lost_again, sums.repeats);
            self.add(S::LostAgain, side, false, because);
        }
        if sums.stalled > 0 {
            let because = format!("{:.1} s beyond two of silence", sums.stalled as f64 * 1e-6);
            self.add(S::Stalled, side, false, because);
        }
        // Of short connections the answers to SYNs and the FINs are acknowledged by little else.
        let answers = self.observed.of(Side::BOTH[1 - side.index()]);
        let are_short = matches!(self.scene.traffic, Traffic::Connects { .. });
        if are_short && answers.lost_acks >= 3 && answers.lost_acks * 100 >= answers.acks {
            let because = format!("{} acknowledgements lost", answers.lost_acks);
            self.add(S::Unneeded, side, false, because);
        }
        let unneeded = sums.repeats.saturating_sub(sums.repairs);
        if unneeded >= 3 && unneeded * 5 >= sums.repeats {
            let is_demanded = unneeded >= 10
                && at_least(unneeded, sums.repeats) >= 0.5
                && at_least(unneeded, sums.data) >= 0.02;
            let because = format!("{unneeded} of {} repeats were unneeded", sums.repeats);
            self.add(S::Unneeded, side, is_demanded, because);
        }
    }

    fn order(&mut self, side: Side) {
        let sums = self.observed.of(side);
        if sums.overtaken >= 3 {
            // Overtaken by less than three segments nothing happens.
            let spread = self.scene.trouble(|trouble| match *trouble {
                Trouble::Reorder { hold, .. } => Some(hold),
                _ => None,
            });
            let each = sums.data as f64 / self.time() / self.scene.connections as f64;
            let passed = spread.unwrap_or_default().as_secs_f64() * each;
            let surely = at_least(sums.overtaken, sums.data);
            // What arrives behind its repeat tells the sender that the repeat was unneeded, no more.
            let is_behind = sums.repeats.saturating_sub(sums.repairs) * 2 >= sums.overtaken;
            let is_demanded =
                sums.overtaken >= 20 && surely >= 0.005 && passed >= 4.0 && !is_behind;
            let because = format!(
                "{} of {} segments overtaken (surely {surely:.4}), each by {passed:.1}",
                sums.overtaken, sums.data
            );
            self.add(S::Reordered, side, is_demanded, because);
        }
        if sums.copied >= 3 {
            let surely = at_least(sums.copied, sums.data);
            let because = format!("{} of {} segments copied", sums.copied, sums.data);
            // A connection of one segment does not care.
            let is_short = matches!(self.scene.traffic, Traffic::Connects { .. });
            // Of fewer than repeats the sender cannot know which of both arrived twice.
            let exceed = sums.copied >= sums.repeats + 5 * self.scene.connections as u64;
            let is_demanded = sums.copied >= 20 && surely >= 0.005 && !is_short && exceed;
            self.add(S::Duplicated, side, is_demanded, because);
        }
    }

    /// What this side receives.
    fn gaps(&mut self, side: Side) {
        let sums = self.observed.of(Side::BOTH[1 - side.index()]);
        let share = sums.after_gap as f64 / sums.arrived.max(1) as f64;
        // netem does not tell which segments the receiver's kernel drops.
        let may_miss = sums.corrupted >= 1;
        if sums.after_gap >= 3 && share >= 0.005 || may_miss {
            let surely = at_least(sums.after_gap, sums.arrived);
            let because = format!(
                "{} of {} segments after a gap (surely {surely:.4})",
                sums.after_gap, sums.arrived
            );
            self.add(S::Gaps, side, sums.after_gap >= 20 && surely >= 0.04, because);
        }
    }

    fn queue(&mut self, side: Side) {
        let sums = self.observed.of(side);
        let rtt = self.scene.rtt.as_secs_f64();
        let kept = sums.data.saturating_sub(sums.lost + sums.too_big + sums.overflowed);
        let waited = sums.waited as f64 * 1e-6 / kept.max(1) as f64;
        // What the sender does to itself, everybody feels.
        if kept >= 20 && waited >= 0.01 && waited >= 0.5 * rtt {
            let rate = self.scene.rate.unwrap_or(0) as f64;
            let in_flight = rate * (rtt + waited) / 1500.0 / self.scene.connections as f64;
            let is_demanded = self.scene.is_bulk()
                && side == self.scene.sender()
                && waited >= 0.06
                && waited >= 4.0 * rtt
                && in_flight >= 12.0;
            let because = format!(
                "{:.0} ms in the queue on a path of {:.1} ms, {in_flight:.0} segments in flight each",
                waited * 1e3,
                rtt * 1e3
            );
            self.add(S::Queue, side, is_demanded, because.clone());
            self.add(S::Queue, Side::BOTH[1 - side.index()], false, because);
        }
    }

    fn device(&mut self, side: Side) {
        let drops = self.observed.device_drops[side.index()];
        if drops > 0 {
            self.add(S::DeviceDrops, side, false, format!("{drops} packets"));
        }
    }

    /// What arrives here.
    fn damage(&mut self, side: Side) {
        let other = Side::BOTH[1 - side.index()];
        let damages =
            |trouble: &Trouble| matches!(*trouble, Trouble::Corrupt { from, .. } if from == other);
        if self.scene.troubles.iter().any(damages) {
            let because = format!("{} segments", self.observed.of(other).corrupted);
            self.add(S::BadSegments, side, false, because);
        }
    }

    /// What the receiver's window does to the sender of the traffic.
    fn windows(&mut self) {
        let sender = self.scene.sender();
        let receiver = Side::BOTH[1 - sender.index()];
        let sums = *self.observed.of(sender);
        let whole = self.time() * 1e6 * self.scene.connections as f64;
        let limited = sums.limited as f64 / whole;
        let closed = sums.closed as f64 / whole;
        let because =
            format!("the window limited it for {limited:.2} and was shut for {closed:.2}");
        let is_most = limited >= 0.6 && self.scene.is_bulk();
        let is_below = self.scene.rate.is_none_or(|rate| self.rate(sender) < COSTLY * rate as f64);
        if limited >= FELT {
            self.add(S::PeerWindow, sender, is_most && is_below, because.clone());
        }
        if closed >= 0.05 {
            self.add(S::WindowClosed, sender, false, because.clone());
        }
        for trouble in &self.scene.troubles {
            match trouble {
                Trouble::ReceiveBuffer(_) if limited >= FELT => {
                    let is_demanded = is_most && is_below;
                    self.add(S::OwnBuffer, receiver, is_demanded, because.clone());
                }
                Trouble::SlowReader(_) if limited >= FELT => {
                    self.add(S::WindowClosed, sender, false, because.clone());
                    self.add(S::SlowReader, receiver, limited >= 0.6, because.clone());
                }
                Trouble::NotReading => {
                    self.add(S::NotReading, receiver, true, because.clone());
                }
                _ => {}
            }
        }
    }

    /// What its own buffer does to the sender.
    fn buffers(&mut self) {
        let sender = self.scene.sender();
        let sums = self.observed.of(sender);
        let rtt = self.scene.rtt.as_secs_f64();
        let bytes = self.scene.trouble(|trouble| match *trouble {
            Trouble::SendBuffer(bytes) => Some(bytes),
            _ => None,
        });
        let Some(bytes) = bytes else { return };
        // The kernel doubles what is set, and one buffer of 64 KiB fits always.
        let most = (2.0 * bytes as f64 + 65_536.0) / rtt * self.scene.connections as f64;
        let whole = self.time() * 1e6 * self.scene.connections as f64;
        let blocked = self.observed.programs.blocked as f64 / whole;
        let is_free = sums.limited as f64 / whole < 0.1
            && at_least(sums.lost + sums.corrupted + sums.overflowed, sums.data) < 0.001;
        let is_below = self.scene.rate.is_none_or(|rate| self.rate(sender) < COSTLY * rate as f64);
        // Where nothing else limits it, the congestion window has grown beyond the buffer.
        let is_demanded = self.scene.is_bulk()
            && blocked >= 0.5
            && is_free
            && is_below
            && self.rate(sender) <= most;
        let because = format!(
            "a send buffer of {bytes} carries {most:.0} B/s at most, and {:.0} are sent; blocked for {blocked:.2}",
            self.rate(sender)
        );
        self.add(S::SendBuffer, sender, is_demanded, because);
    }

    fn sizes(&mut self) {
        let narrow = self.scene.trouble(|trouble| match *trouble {
            Trouble::Narrow(narrow) => Some(narrow),
            _ => None,
        });
        let Some(narrow) = narrow else { return };
        for side in Side::BOTH {
            let sums = self.observed.of(side);
            if narrow.tells {
                let is_small = narrow.mtu < 900;
                // Small messages are no small segments.
                let are_full = sums.new_bytes * 10 >= sums.data * u64::from(narrow.mtu) * 7;
                let because = format!("an MTU of {}, {} segments", narrow.mtu, sums.data);
                let is_demanded = is_small && are_full && sums.data >= 40;
                self.add(S::SmallSegments, side, is_demanded, because);
            } else if sums.too_big > 0 || (side == self.scene.sender() && self.scene.is_bulk()) {
                let is_stuck = side == self.scene.sender();
                let because = format!("{} segments too big for {}", sums.too_big, narrow.mtu);
                self.add(S::BlackHole, side, is_stuck, because);
            }
        }
    }

    fn program(&mut self) {
        let sender = self.scene.sender();
        let programs = &self.observed.programs;
        match self.scene.traffic {
            Traffic::Paced { .. } | Traffic::Bursts { .. } => {
                self.add(S::Program, sender, false, "it is".to_owned());
            }
            Traffic::Ask { .. } => {
                for side in Side::BOTH {
                    self.add(S::Program, side, false, "questions and answers".to_owned());
                }
            }
            Traffic::Connects { .. } => {
                for side in Side::BOTH {
                    self.add(S::Churn, side, false, "short connections".to_owned());
                }
            }
            Traffic::Pieces { .. } => {
                let each = programs.waited as f64 / programs.answers.max(1) as f64 * 1e-3;
                let more = each - self.scene.rtt.as_secs_f64() * 1e3;
                let because = format!("{} answers, each {more:.0} ms late", programs.answers);
                let is_demanded = programs.answers >= 20 && more >= 30.0;
                self.add(S::Nagle, sender, is_demanded, because);
            }
            Traffic::Up | Traffic::Down | Traffic::Idle => {}
        }
    }

    fn connects(&mut self) {
        let programs = self.observed.programs;
        let [syns, lost] = self.observed.sums.iter().fold([0, 0], |[syns, lost], sums| {
            [syns + sums.syns, lost + sums.lost_syns + sums.overflowed]
        });
        // One that is repeated now may have been lost before.
        if syns > 0 && lost > 0 {
            self.add(S::NoAnswer, Side::Client, false, format!("{lost} lost of {syns} and more"));
        }
        for trouble in &self.scene.troubles.clone() {
            match *trouble {
                Trouble::Refused { .. } => {
                    let because = format!("{} connects refused", programs.refused);
                    self.add(S::ConnectFails, Side::Client, programs.refused >= 5, because);
                }
                Trouble::Silent { patience } => {
                    let because =
                        format!("{} connects given up after {patience:.1?}", programs.given_up);
                    // The SYN is repeated after a second.
                    let repeats = patience >= Duration::from_millis(1050);
                    let fails = programs.given_up >= 5;
                    self.add(S::ConnectFails, Side::Client, fails && !repeats, because.clone());
                    if repeats {
                        let is_demanded = patience >= Duration::from_millis(1500);
                        self.add(S::NoAnswer, Side::Client, is_demanded, because);
                    }
                }
                Trouble::Backlog { .. } => {
                    let full = self.observed.queue_full[Side::Server.index()];
                    let because = format!("{full} times full, {} given up", programs.given_up);
                    self.add(S::AcceptQueue, Side::Server, full >= 5, because.clone());
                    self.add(S::ConnectFails, Side::Client, false, because.clone());
                    self.add(S::NoAnswer, Side::Client, programs.given_up >= 5, because);
                }
                Trouble::Resets { unread, .. } => {
                    let because = format!("{} connections reset", programs.reset);
                    let is_demanded = programs.reset >= 5;
                    self.add(S::Resets, Side::Client, is_demanded, because.clone());
                    self.add(S::Resets, Side::Server, is_demanded && !unread, because.clone());
                    if unread {
                        self.add(S::Unread, Side::Server, is_demanded, because);
                    }
                }
                // A SYN can get lost like anything else.
                Trouble::Loss { affects: Affects::All | Affects::Acks, chance, .. }
                    if chance > 1e-4 =>
                {
                    self.add(S::NoAnswer, Side::Client, false, "SYNs get lost".to_owned());
                }
                Trouble::Corrupt { .. } => {
                    self.add(S::NoAnswer, Side::Client, false, "SYNs get lost".to_owned());
                }
                _ => {}
            }
        }
    }
}
