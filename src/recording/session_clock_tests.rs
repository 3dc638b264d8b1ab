//! Sessions of recordings during which the wall clock was set.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::recording::{
    About, Compression, HostFacts, Kind, NamespaceInterface, RunFile, SampleBegun, SampleEnded,
    Writer,
};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_700_000_000;

/// Seconds by both clocks.
fn clocks((wall, monotonic): (u64, u64)) -> Clocks {
    let realtime_ns = (EPOCH + wall) * SECOND;
    Clocks { realtime_ns, monotonic_ns: monotonic * SECOND }
}

/// A recording of one sample a second, which begin at these times.
fn write(directory: &Path, name: &str, run: Option<RunFile>, samples: &[Clocks]) -> PathBuf {
    let about = About { program: "", system: "", machine: "" };
    let namespace = NamespaceInterface { inode: 7, name: None };
    let mut writer = Writer::new(Vec::new(), Compression::None, &about, &namespace).unwrap();
    let host = HostFacts {
        hostname: "here".to_owned(),
        boot_id: Some("one".to_owned()),
        interval_ns: SECOND,
        run,
        clocks: samples[0],
        ..HostFacts::default()
    };
    writer.json(Kind::Host, 0, &host).unwrap();
    for (number, &clocks) in (0..).zip(samples) {
        writer.set_sample(number);
        writer.json(Kind::Sample, 0, &SampleBegun { clocks, early: false }).unwrap();
        writer.json(Kind::SampleEnd, 0, &SampleEnded { clocks, ..SampleEnded::default() }).unwrap();
    }
    writer.note(Kind::End, 0, b"{}").unwrap();
    let path = directory.join(name);
    fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

fn at(second: u64) -> Option<When> {
    Some(When::At((EPOCH + second) * SECOND))
}

fn after(second: u64) -> Option<When> {
    Some(When::AfterFirst(Duration::from_secs(second)))
}

/// The monotonic second of the last sample up to a time, which has to be in the recording.
fn last(path: &Path, at: Option<When>) -> Result<(u64, Session), SessionError> {
    let options = SessionOptions { at, ..SessionOptions::default() };
    let session = Session::open_last(&[path.to_owned()], &options)?;
    Ok((session.sample().clocks.monotonic_ns / SECOND, session))
}

/// The monotonic seconds of the samples of a span.
fn span(path: &Path, from: Option<When>, to: Option<When>) -> Result<Vec<u64>, SessionError> {
    let options = SessionOptions { from, to, ..SessionOptions::default() };
    let mut session = Session::open(&[path.to_owned()], &options)?;
    let mut seconds = Vec::new();
    loop {
        seconds.push(session.sample().clocks.monotonic_ns / SECOND);
        if !session.advance() {
            return Ok(seconds);
        }
    }
}

/// Seconds by the wall clock, of one sample a second from the monotonic time 10 on.
fn samples(walls: &[u64]) -> Vec<Clocks> {
    walls.iter().copied().zip(10..).map(clocks).collect()
}

#[test]
fn times_are_found_on_both_sides_of_a_step_back() {
    let directory = tempfile::tempdir().unwrap();
    // 103 and 104 occur twice, at 13 and 14, and at 16 and 17.
    let samples = samples(&[100, 101, 102, 103, 104, 102, 103, 104, 105, 106]);
    let path = write(directory.path(), "a", None, &samples);
    for (time, expected) in [
        (at(100), 10),
        (at(101), 11),
        (at(103), 16),
        (at(104), 17),
        (at(105), 18),
        (at(107), 19),
        (after(3), 13),
        (after(6), 16),
        (Some(When::BeforeLast(Duration::from_secs(5))), 14),
        (None, 19),
    ] {
        let (found, session) = last(&path, time).unwrap();
        assert_eq!(found, expected, "{time:?}");
        let repeats = time == at(103) || time == at(104);
        assert_eq!(session.repeated_times().len(), usize::from(repeats), "{time:?}");
    }
    for (from, to, expected) in [
        (at(101), at(103), (11..=16).collect::<Vec<_>>()),
        (at(104), at(105), vec![17, 18]),
        (at(105), None, vec![18, 19]),
        (None, at(101), vec![10, 11]),
        (after(4), at(103), vec![14, 15, 16]),
        (at(50), at(101), vec![10, 11]),
        (at(105), at(500), vec![18, 19]),
    ] {
        assert_eq!(span(&path, from, to).unwrap(), expected, "{from:?} {to:?}");
    }
    for (from, to) in [(at(90), at(80)), (at(900), at(800))] {
        assert!(matches!(span(&path, from, to), Err(SessionError::Reversed { .. })));
    }
    // 101 is before the step, though it is the later time.
    assert!(matches!(span(&path, at(105), at(101)), Err(SessionError::Reversed { .. })));
    // The step is told with the sample that follows it, and in all.
    let mut session = Session::open(&[path], &SessionOptions::default()).unwrap();
    let mut told = Vec::new();
    loop {
        let number = session.sample().number;
        let steps = session.sample_mut().clock_steps.drain(..);
        told.extend(steps.map(|step| (number, step.by_ns() / SECOND as i64)));
        if !session.advance() {
            break;
        }
    }
    assert_eq!(told, [(5, -3)]);
    assert_eq!(session.clock_steps().len(), 1);
}

#[test]
fn the_exact_time_of_a_sample_is_that_sample() {
    let directory = tempfile::tempdir().unwrap();
    let mut samples = samples(&[100, 101, 102, 101, 102, 103]);
    samples.iter_mut().zip(1..).for_each(|(clocks, part)| clocks.realtime_ns += part * 1000);
    let path = write(directory.path(), "a", None, &samples);
    for sample in &samples {
        let (found, session) = last(&path, Some(When::At(sample.realtime_ns))).unwrap();
        assert_eq!(found * SECOND, sample.monotonic_ns, "{:?}", session.repeated_times());
    }
    let (_, session) = last(&path, Some(When::At(samples[1].realtime_ns))).unwrap();
    let repeated = RepeatedTime { time: samples[1].realtime_ns, times: 2, taken: 1 };
    // A microsecond before the first sample after the step.
    assert_eq!(session.repeated_times().len(), 0, "{repeated:?}");
    let (_, session) = last(&path, Some(When::At(samples[2].realtime_ns))).unwrap();
    let repeated = RepeatedTime { time: samples[2].realtime_ns, times: 2, taken: 1 };
    assert_eq!(session.repeated_times(), [repeated]);
}

#[test]
fn times_that_a_recording_does_not_have_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "a", None, &samples(&[9000, 9001, 100, 101, 200, 201]));
    for (time, words) in [
        (at(99), "nothing before its first sample"),
        (at(9003), "its last sample is of 2023-11-14T22:16:41"),
        (at(5000), "its wall clock never showed 2023-11-14T23:36:40"),
        (after(8), "its last sample is of"),
        (Some(When::BeforeLast(Duration::from_secs(6))), "nothing before its first sample"),
    ] {
        let error = last(&path, time).unwrap_err();
        assert!(matches!(error, SessionError::OutOfRange { .. }), "{error:?}");
        let error = error.to_string();
        let ranges =
            "accepted are times from 2023-11-15T00:43:20.000000000Z to 2023-11-15T00:43:21";
        assert!(error.contains(words) && error.contains(ranges), "{error}");
    }
    // The clock went past this time, so the sample before is the last up to it.
    assert_eq!(last(&path, at(150)).unwrap().0, 13);
    assert_eq!(last(&path, at(202)).unwrap().0, 15);
    assert_eq!(
        span(&path, at(150), at(9001)).unwrap_err().to_string().matches("span ends").count(),
        1
    );
    assert!(matches!(span(&path, at(5000), None), Err(SessionError::OutOfRange { .. })));
}

#[test]
fn files_of_a_run_are_in_its_order_and_tell_of_steps() {
    let file = |number, steps: &[(u64, u64)]| {
        let steps = steps
            .chunks(2)
            .map(|pair| ClockStep { before: clocks(pair[0]), after: clocks(pair[1]) });
        Some(RunFile { begun_ns: 1, number, clock_steps: steps.collect() })
    };
    let parts: [&[(u64, u64)]; 4] = [
        &[(100, 10), (101, 11)],
        // An hour ahead in the middle of the file only.
        &[(102, 12), (3703, 13), (3704, 14), (105, 15)],
        // Set back before the first sample.
        &[(50, 16), (51, 17)],
        &[(52, 18), (53, 19)],
    ];
    let steps: [&[(u64, u64)]; 4] =
        [&[], &[], &[(102, 12), (3703, 13), (3704, 14), (105, 15)], &[(105, 15), (50, 16)]];
    for told in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        for (number, name) in ["d", "a", "c", "b"].into_iter().enumerate() {
            let run = told.then(|| file(number as u64, steps[number])).flatten();
            let samples: Vec<Clocks> = parts[number].iter().copied().map(clocks).collect();
            write(directory.path(), name, run, &samples);
        }
        let path = directory.path();
        assert_eq!(span(path, None, None).unwrap(), (10..=19).collect::<Vec<_>>());
        for (time, expected) in
            [(at(100), 10), (at(102), 12), (at(105), 15), (at(50), 16), (at(53), 19)]
        {
            assert_eq!(last(path, time).unwrap().0, expected, "{time:?} {told}");
        }
        assert_eq!(span(path, at(102), at(51)).unwrap(), (12..=17).collect::<Vec<_>>());
        let (_, session) = last(path, None).unwrap();
        // Only files of earlier versions do not tell of a step and its opposite.
        let known = if told { 3 } else { 1 };
        assert_eq!(session.clock_steps().len(), known, "{told}");
        if told {
            assert_eq!(last(path, at(3704)).unwrap().0, 14);
        }
    }
}

#[test]
fn recordings_without_a_monotonic_clock_are_in_the_order_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let samples: Vec<_> = [100, 101, 90, 91, 102].map(|wall| clocks((wall, 0))).into();
    let path = write(directory.path(), "a", None, &samples);
    let mut session =
        Session::open(std::slice::from_ref(&path), &SessionOptions::default()).unwrap();
    let mut times = Vec::new();
    loop {
        let Clocks { realtime_ns, monotonic_ns } = session.sample().clocks;
        times.push((realtime_ns / SECOND - EPOCH, monotonic_ns / SECOND));
        if !session.advance() {
            break;
        }
    }
    // Where the wall clock goes back, an interval has passed.
    assert_eq!(times, [(100, 0), (101, 1), (90, 2), (91, 3), (102, 14)]);
    assert!(session.unordered() > 0 && session.clock_steps().is_empty());
    assert_eq!(last(&path, at(101)).unwrap().1.sample().number, 3);
    assert!(last(&path, at(104)).is_err());
}
