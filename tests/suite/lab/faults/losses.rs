//! Packets get lost, or seem to be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Fault;
use super::fault::{client, long, server};
use super::services::short;
use crate::lab::{Random, Segment, Shape, Side};

pub const ALL: &[&Fault] =
    &[&RANDOM, &MANY, &TAIL, &OUTAGES, &LOST_RETRANSMITS, &SPURIOUS, &REORDERING, &DUPLICATED];

/// What follows from loss of any kind.
const COMPANIONS: &[&str] = &["TD110", "TD111", "TD112", "TD113", "TD121", "TD302", "TD401"];

const RANDOM: Fault = Fault {
    name: "random loss",
    does: "two uploads lose three of a hundred packets",
    shapes: [Shape { loss: 0.03, ..Shape::delayed(15) }, Shape::delayed(15)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD110"]), server(&["TD117"])],
    may: COMPANIONS,
    provoke: |setup| setup.uploads(8020, 2, None),
    holds: |setup| setup.growth(Side::Client, "TCPFastRetrans") > 5,
};

const MANY: Fault = Fault {
    name: "loss on short connections",
    does: "forty connections a second, each for one answer, lose six of a hundred packets",
    shapes: [Shape { loss: 0.06, ..Shape::delayed(10) }; 2],
    settings: &[],
    arguments: &[],
    must: &[server(&["TD302"])],
    may: &["TD110", "TD111", "TD112", "TD113", "TD115", "TD121", "TD153", "TD304", "TD401"],
    provoke: |setup| short(setup, 8026, 8, Duration::from_millis(80)),
    holds: |setup| {
        setup.growth(Side::Server, "RetransSegs") > 10
            && setup.growth(Side::Server, "PassiveOpens") > 15
    },
};

const TAIL: Fault = Fault {
    name: "tail loss",
    does: "of every third answer the last segment gets lost once",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD111"])],
    may: COMPANIONS,
    provoke: |setup| {
        let mut news = News::default();
        let mut random = Random::of("tails");
        setup.link().lose_if(move |from, segment| {
            let is_new = news.is(segment);
            let is_tail = from == Side::Server && segment.has(Segment::PSH) && segment.payload > 0;
            is_new && is_tail && random.below(3) == 0
        });
        setup.talks(8021, 4, [300, 5000], Duration::from_millis(30));
    },
    holds: |setup| setup.growth(Side::Server, "TCPLossProbes") > 10,
};

/// Every second and a half nothing arrives for six tenths of a second.
const TORN: Shape = Shape {
    outage: Some([Duration::from_millis(1500), Duration::from_millis(600)]),
    ..Shape::delayed(20)
};

const OUTAGES: Fault = Fault {
    name: "timeouts",
    does: "every 1.5 s the link is dead for 0.6 s",
    shapes: [TORN, TORN],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD112", "TD122"])],
    may: &["TD110", "TD111", "TD113", "TD114", "TD121", "TD302", "TD401"],
    provoke: |setup| setup.uploads(8022, 2, Some(300_000)),
    holds: |setup| setup.growth(Side::Client, "TCPTimeouts") >= 2,
};

const LOST_RETRANSMITS: Fault = Fault {
    name: "lost retransmits",
    does: "two of a hundred segments get lost, and half of all retransmissions",
    shapes: long(15),
    settings: &[],
    arguments: &[],
    must: &[client(&["TD113"])],
    may: COMPANIONS,
    provoke: |setup| {
        let mut news = News::default();
        let mut random = Random::of("retransmissions");
        setup.link().lose_if(move |from, segment| {
            let is_new = news.is(segment);
            let chance = if is_new { 2 } else { 50 };
            from == Side::Client && segment.payload > 0 && random.below(100) < chance
        });
        setup.uploads(8023, 1, None);
    },
    holds: |setup| setup.growth(Side::Client, "TCPLostRetransmit") > 3,
};

const SPURIOUS: Fault = Fault {
    name: "spurious retransmits",
    does: "under questions and answers, every second all packets are 0.4 s late",
    shapes: long(20),
    settings: &[],
    arguments: &[],
    must: &[server(&["TD114"])],
    may: &["TD112", "TD120", "TD121", "TD302", "TD303", "TD401"],
    provoke: |setup| {
        setup.talks(8024, 8, [300, 30_000], Duration::from_millis(20));
        let link = setup.link();
        setup.act(Side::Client, move |hours| {
            while hours.pause(Duration::from_millis(900)) {
                link.set_shapes(long(400));
                hours.pause(Duration::from_millis(100));
                link.set_shapes(long(20));
            }
            Ok(())
        });
    },
    holds: |setup| setup.growth(Side::Server, "TCPDSACKRecv") > 3,
};

const REORDERING: Fault = Fault {
    name: "reordering",
    does: "three of a hundred packets are overtaken for 8 ms",
    shapes: [
        Shape { reorder: 0.03, hold: Duration::from_millis(8), ..Shape::delayed(15) },
        Shape::delayed(15),
    ],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD115"])],
    may: &["TD114", "TD302"],
    provoke: |setup| setup.uploads(8025, 2, Some(500_000)),
    holds: |setup| {
        setup.growth(Side::Client, "TCPSACKReorder") + setup.growth(Side::Client, "TCPTSReorder")
            > 0
    },
};

const DUPLICATED: Fault = Fault {
    name: "duplicated packets",
    does: "three of a hundred packets arrive twice",
    shapes: [Shape { duplicate: 0.03, ..Shape::delayed(15) }, Shape::delayed(15)],
    settings: &[],
    arguments: &[],
    must: &[client(&["TD116"])],
    may: &[],
    provoke: |setup| setup.uploads(8028, 2, Some(500_000)),
    holds: |setup| setup.growth(Side::Server, "TCPDSACKOldSent") > 5,
};

/// Tells new data from what is sent again, by the sender's port.
#[derive(Debug, Default)]
struct News(BTreeMap<[u16; 2], u32>);

impl News {
    fn is(&mut self, segment: &Segment) -> bool {
        let end = segment.sequence.wrapping_add(segment.payload);
        let newest = self.0.entry(segment.ports).or_insert(segment.sequence);
        let is_new = end.wrapping_sub(*newest).cast_signed() > 0;
        if is_new {
            *newest = end;
        }
        is_new
    }
}
