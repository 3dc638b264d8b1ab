//! What a link sees of the connections over it: which data was lost and repaired, what arrived
//! after a gap, who waited for whose window. It is told of every packet and asks no kernel.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::Segment;

/// Declares counts that can be subtracted.
macro_rules! sums {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the beginning, of what one side sent. Times are in microseconds.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Sums { $($(#[$doc])* pub $name: u64,)* }

        impl Sums {
            /// What was added since `before`.
            pub fn since(self, before: Self) -> Self {
                Self { $($name: self.$name.saturating_sub(before.$name),)* }
            }

            /// Those that are not 0.
            pub fn shown(&self) -> String {
                let all = [$((stringify!($name), self.$name),)*];
                let some = all.iter().filter(|(_, value)| *value > 0);
                some.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            }
        }
    };
}

sums! {
    /// Segments with data.
    data,
    /// Their bytes of data, without what was sent again.
    new_bytes,
    /// Segments without data.
    acks,
    /// SYNs, with or without ACK.
    syns,
    /// RSTs.
    resets,
    /// Segments with data that were lost by chance or in an outage.
    lost,
    /// Losses that follow one another without a segment between count once.
    lost_in_a_row,
    /// Segments without data that were lost so.
    lost_acks,
    /// SYNs that did not arrive.
    lost_syns,
    /// Segments with data that the full queue dropped.
    overflowed,
    /// Segments with data that arrived with a wrong checksum.
    corrupted,
    /// Segments with data that were larger than a hop takes.
    too_big,
    /// Segments with data that were sent before.
    repeats,
    /// Of these: those that repaired a loss.
    repairs,
    /// Of these: those after which nothing had arrived that was sent later.
    tail_repairs,
    /// Repeats that were lost.
    lost_again,
    /// Segments that arrived while an earlier one was missing.
    after_gap,
    /// New segments that a later one had overtaken.
    overtaken,
    /// Segments with data of which a copy was made on the way.
    copied,
    /// Segments with data that arrived.
    arrived,
    /// How long segments with data waited in the queue.
    waited,
    /// How long flows had data that was not acknowledged, summed over flows.
    busy,
    /// How long the receiver's window had no room for another segment.
    limited,
    /// Of this: while nothing was under way.
    closed,
    /// How long flows waited for any answer to data, beyond the first two seconds of each wait.
    stalled,
    /// Packets that were delivered.
    delivered,
    /// Of these: later than the limit.
    late,
    /// How late they were together.
    lateness,
}

/// How a packet ends that does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// By chance, by judgement, or in an outage.
    Lost,
    /// The queue is full.
    Overflowed,
    /// Its checksum is wrong.
    Corrupted,
    /// A hop takes no packets of this size.
    TooBig,
}

/// Data from one end of a connection to the other. Numbers count from the SYN.
#[derive(Debug)]
struct Flow {
    base: u32,
    scale: Option<u8>,
    largest: u64,
    /// The end of what was sent.
    end: u64,
    /// What was acknowledged, as the sender knows it.
    acknowledged: u64,
    /// The end of the window, as the sender knows it.
    edge: u64,
    /// The end of what arrived without a gap, and of all that arrived.
    contiguous: u64,
    reach: u64,
    /// What arrived after a gap: end by begin.
    islands: BTreeMap<u64, u64>,
    /// What was lost and not repaired: end by begin.
    missing: BTreeMap<u64, u64>,
    /// Since when it is so.
    since: Instant,
    /// Since when data waits for any answer.
    asked: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_busy: bool,
    is_limited: bool,
    is_closed: bool,
}

/// Without an answer for so long a flow is stalled.
const PATIENCE: Duration = Duration::from_secs(2);

/// Numbers further from the SYN than this are before it.
const FAR: u64 = 1 << 31;

impl Flow {
    fn new(base: u32, scale: Option<u8>, now: Instant) -> Self {
        Self {
            base,
            scale,
            largest: 0,
            end: 0,
            acknowledged: 0,
            edge: u64::MAX,
            contiguous: 0,
            reach: 0,
            islands: BTreeMap::new(),
            missing: BTreeMap::new(),
            since: now,
            asked: now,
            state: State::default(),
        }
    }

    fn place(&self, sequence: u32) -> Option<u64> {
        Some(u64::from(sequence.wrapping_sub(self.base))).filter(|place| *place < FAR)
    }

    /// Adds the time up to now, and looks how it is from now on.
    fn turn(&mut self, now: Instant, sums: &mut Sums) {
        let time = now.saturating_duration_since(self.since).as_micros() as u64;
        // What is left of a microsecond counts later.
        self.since += Duration::from_micros(time);
        sums.busy += if self.state.is_busy { time } else { 0 };
        sums.limited += if self.state.is_limited { time } else { 0 };
        sums.closed += if self.state.is_closed { time } else { 0 };
        let waits = now.saturating_duration_since(self.asked + PATIENCE).as_micros() as u64;
        sums.stalled += if self.state.is_busy { waits.min(time) } else { 0 };
        if !self.state.is_busy {
            self.asked = now;
        }
        let in_flight = self.end > self.acknowledged;
        let room = self.edge.saturating_sub(self.end);
        // A window of less than a segment is as good as none.
        let is_short = room < self.largest;
        self.state =
            State { is_busy: in_flight, is_limited: is_short, is_closed: is_short && !in_flight };
    }
}

/// Who watches a link.
#[derive(Debug)]
pub struct Witness {
    flows: HashMap<(usize, [u16; 2]), Flow>,
    sums: [Sums; 2],
    /// Whether the last segment with data was lost.
    was_lost: [bool; 2],
    limit: Duration,
}

impl Witness {
    /// One to whom a packet is late from `limit` on.
    pub fn new(limit: Duration) -> Self {
        Self { flows: HashMap::new(), sums: Default::default(), was_lost: [false; 2], limit }
    }

    /// What was seen up to now, by the side that sent.
    pub fn sums(&mut self, now: Instant) -> [Sums; 2] {
        for ((from, _), flow) in &mut self.flows {
            flow.turn(now, &mut self.sums[*from]);
        }
        self.sums
    }

    /// A segment that entered; whether it has data for the first time.
    pub fn sent(&mut self, from: usize, segment: &Segment, now: Instant) -> bool {
        let sums = &mut self.sums[from];
        let is_syn = segment.has(Segment::SYN);
        sums.syns += u64::from(is_syn);
        sums.resets += u64::from(segment.has(Segment::RST));
        let base = segment.sequence.wrapping_add(is_syn.into());
        let new = || Flow::new(base, segment.scale, now);
        let flow = self.flows.entry((from, segment.ports)).or_insert_with(new);
        if is_syn && flow.base != base {
            *flow = new();
        }
        if segment.payload == 0 {
            sums.acks += u64::from(!is_syn);
            return false;
        }
        sums.data += 1;
        let Some(begin) = flow.place(segment.sequence) else { return false };
        let end = begin + u64::from(segment.payload);
        flow.largest = flow.largest.max(segment.payload.into());
        let is_original = end > flow.end;
        if is_original {
            sums.new_bytes += end - flow.end.max(begin);
            flow.end = end;
        } else {
            sums.repeats += 1;
            let overlaps = flow.missing.range(..end).filter(|(_, lost)| **lost > begin);
            let overlapped: Vec<u64> = overlaps.map(|(lost, _)| *lost).collect();
            sums.repairs += u64::from(!overlapped.is_empty());
            sums.tail_repairs +=
                u64::from(overlapped.last().is_some_and(|last| flow.reach <= *last));
            for begin in &overlapped {
                flow.missing.remove(begin);
            }
        }
        flow.turn(now, sums);
        is_original
    }

    /// A segment that does not arrive.
    pub fn ended(&mut self, from: usize, segment: &Segment, is_original: bool, fate: Fate) {
        let sums = &mut self.sums[from];
        if segment.payload == 0 {
            sums.lost_acks += u64::from(fate == Fate::Lost);
            sums.lost_syns += u64::from(segment.has(Segment::SYN));
            return;
        }
        match fate {
            Fate::Lost => {
                sums.lost += 1;
                sums.lost_in_a_row += u64::from(!self.was_lost[from]);
            }
            Fate::Overflowed => sums.overflowed += 1,
            Fate::Corrupted => sums.corrupted += 1,
            Fate::TooBig => sums.too_big += 1,
        }
        self.was_lost[from] = true;
        sums.lost_again += u64::from(!is_original);
        let Some(flow) = self.flows.get_mut(&(from, segment.ports)) else { return };
        if let Some(begin) = flow.place(segment.sequence) {
            flow.missing.insert(begin, begin + u64::from(segment.payload));
        }
    }

    /// A packet that waits so long for the rate, and of which a copy may be made.
    pub fn queued(&mut self, from: usize, segment: Option<&Segment>, wait: Duration, twice: bool) {
        if segment.is_some_and(|segment| segment.payload > 0) {
            self.sums[from].waited += wait.as_micros() as u64;
            self.sums[from].copied += u64::from(twice);
            self.was_lost[from] = false;
        }
    }

    /// A packet that leaves so long after its time.
    pub fn late(&mut self, from: usize, late: Duration) {
        let sums = &mut self.sums[from];
        sums.delivered += 1;
        sums.late += u64::from(late > self.limit);
        sums.lateness += late.as_micros() as u64;
    }

    /// A segment that arrives.
    pub fn arrived(&mut self, from: usize, segment: &Segment, is_original: bool, now: Instant) {
        let [there, back] = [segment.ports, [segment.ports[1], segment.ports[0]]];
        let own = self.flows.get(&(from, there)).and_then(|flow| flow.scale);
        if let Some(flow) = self.flows.get_mut(&(1 - from, back))
            && segment.has(Segment::ACK)
            && !segment.has(Segment::RST)
            && let Some(place) = flow.place(segment.acknowledges)
        {
            let is_syn = segment.has(Segment::SYN);
            let scale = own.filter(|_| flow.scale.is_some() && !is_syn).unwrap_or(0).min(14);
            let edge = place + (u64::from(segment.window) << scale);
            let is_news = flow.edge == u64::MAX || edge > flow.edge || place > flow.acknowledged;
            flow.acknowledged = flow.acknowledged.max(place);
            flow.turn(now, &mut self.sums[1 - from]);
            flow.asked = now;
            if is_news {
                flow.edge = edge;
            }
            flow.turn(now, &mut self.sums[1 - from]);
        }
        if segment.payload == 0 {
            return;
        }
        let sums = &mut self.sums[from];
        sums.arrived += 1;
        let Some(flow) = self.flows.get_mut(&(from, there)) else { return };
        let Some(begin) = flow.place(segment.sequence) else { return };
        let end = begin + u64::from(segment.payload);
        sums.overtaken += u64::from(is_original && begin < flow.reach);
        flow.reach = flow.reach.max(end);
        if begin > flow.contiguous {
            sums.after_gap += 1;
            let island = flow.islands.entry(begin).or_default();
            *island = end.max(*island);
            return;
        }
        flow.contiguous = flow.contiguous.max(end);
        while let Some(entry) = flow.islands.first_entry().filter(|e| *e.key() <= flow.contiguous) {
            flow.contiguous = flow.contiguous.max(entry.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: [u16; 2] = [1000, 80];
    const BACK: [u16; 2] = [80, 1000];

    fn segment(ports: [u16; 2], sequence: u32, payload: u32) -> Segment {
        Segment {
            ports,
            hosts: [1, 2],
            sequence,
            acknowledges: 500,
            window: 60_000,
            scale: None,
            flags: Segment::ACK,
            payload,
            packet: payload + 40,
        }
    }

    /// A witness who saw the client's SYN with number 99.
    fn connected() -> (Witness, Instant) {
        let (mut witness, now) = (Witness::new(Duration::from_millis(5)), Instant::now());
        let syn = Segment { flags: Segment::SYN, ..segment(THERE, 99, 0) };
        witness.sent(0, &syn, now);
        (witness, now)
    }

    fn carry(witness: &mut Witness, sequence: u32, now: Instant) {
        carry_bytes(witness, sequence, 100, now);
    }

    fn carry_bytes(witness: &mut Witness, sequence: u32, bytes: u32, now: Instant) {
        let segment = segment(THERE, sequence, bytes);
        let is_original = witness.sent(0, &segment, now);
        witness.queued(0, Some(&segment), Duration::ZERO, false);
        witness.arrived(0, &segment, is_original, now);
    }

    fn lose(witness: &mut Witness, sequence: u32, now: Instant) {
        let segment = segment(THERE, sequence, 100);
        let is_original = witness.sent(0, &segment, now);
        witness.ended(0, &segment, is_original, Fate::Lost);
    }

    #[test]
    fn a_loss_in_the_middle_leaves_gaps_and_is_repaired() {
        let (mut witness, now) = connected();
        carry(&mut witness, 100, now);
        lose(&mut witness, 200, now);
        carry(&mut witness, 300, now);
        carry(&mut witness, 400, now);
        carry(&mut witness, 200, now);
        carry(&mut witness, 500, now);
        let sums = witness.sums(now)[0];
        let Sums { data, lost, after_gap, repeats, repairs, tail_repairs, new_bytes, .. } = sums;
        assert_eq!([data, lost, after_gap, repeats, repairs, tail_repairs], [6, 1, 2, 1, 1, 0]);
        assert_eq!((new_bytes, sums.overtaken, sums.arrived), (500, 0, 5));
    }

    #[test]
    fn a_lost_tail_a_lost_repair_and_an_unneeded_one_are_told_apart() {
        let (mut witness, now) = connected();
        carry(&mut witness, 100, now);
        lose(&mut witness, 200, now);
        lose(&mut witness, 200, now);
        carry(&mut witness, 200, now);
        carry(&mut witness, 200, now);
        let Sums { lost, repeats, repairs, tail_repairs, lost_again, .. } = witness.sums(now)[0];
        assert_eq!([lost, repeats, repairs, tail_repairs, lost_again], [2, 3, 2, 2, 1]);
    }

    #[test]
    fn an_overtaken_segment_is_no_loss() {
        let (mut witness, now) = connected();
        let [first, second] = [100, 200].map(|sequence| segment(THERE, sequence, 100));
        assert!(witness.sent(0, &first, now) && witness.sent(0, &second, now));
        witness.arrived(0, &second, true, now);
        witness.arrived(0, &first, true, now);
        let Sums { after_gap, overtaken, lost, .. } = witness.sums(now)[0];
        assert_eq!([after_gap, overtaken, lost], [1, 1, 0]);
    }

    #[test]
    fn time_counts_as_limited_while_the_window_has_no_room() {
        let (mut witness, now) = connected();
        let answer = |acknowledges, window| Segment { acknowledges, window, ..segment(BACK, 1, 0) };
        let open = answer(100, 250);
        witness.sent(1, &open, now);
        witness.arrived(1, &open, false, now);
        carry(&mut witness, 100, now);
        carry(&mut witness, 200, now);
        let second = now + Duration::from_secs(1);
        // All but 50 bytes of the window are in flight.
        assert_eq!(witness.sums(second)[0].limited, 1_000_000);
        carry(&mut witness, 300, second);
        carry(&mut witness, 400, second);
        witness.arrived(1, &answer(500, 50_000), false, second);
        let third = now + Duration::from_secs(2);
        let Sums { limited, busy, closed, .. } = witness.sums(third)[0];
        assert_eq!([limited, busy, closed], [1_000_000, 1_000_000, 0]);
        // A window closes by being used up.
        carry_bytes(&mut witness, 500, 50_000, third);
        witness.arrived(1, &answer(50_500, 0), false, third);
        assert_eq!(witness.sums(now + Duration::from_secs(3))[0].closed, 1_000_000);
    }

    #[test]
    fn silence_counts_from_its_third_second_on() {
        let (mut witness, now) = connected();
        let after = |seconds| now + Duration::from_secs(seconds);
        let stalled = |witness: &mut Witness, seconds| witness.sums(after(seconds))[0].stalled;
        assert_eq!(stalled(&mut witness, 10), 0, "nothing was asked");
        carry(&mut witness, 100, after(10));
        assert_eq!(stalled(&mut witness, 12), 0);
        assert_eq!(stalled(&mut witness, 13), 1_000_000);
        let answer = Segment { acknowledges: 100, window: 500, ..segment(BACK, 1, 0) };
        witness.sent(1, &answer, after(14));
        witness.arrived(1, &answer, false, after(14));
        assert_eq!(stalled(&mut witness, 16), 2_000_000, "an answer, though of nothing");
        assert_eq!(stalled(&mut witness, 17), 3_000_000);
    }
}
